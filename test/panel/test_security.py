"""Who may ask for what: the gate before the server, without a server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from safety_supervisor.panel.security import LONGEST_BODY, Gate, origins, refusal

KNOWN = origins("http", ("127.0.0.1", "localhost", "::1"), 8080)
OURS = "http://127.0.0.1:8080"


def why(kind: str = "http", method: str = "GET", path: str = "/", **given: str) -> str:
    headers = {"host": "127.0.0.1:8080", "origin": "", "length": "3"} | given
    return refusal(kind, method, path, headers["host"], headers["origin"], headers["length"], KNOWN)


def test_origins_spell_the_port_as_browsers_do() -> None:
    assert {OURS, "http://localhost:8080", "http://[::1]:8080"} == KNOWN
    assert origins("https", ("cell.example",), 443) == {"https://cell.example", "https://cell.example:443"}


@pytest.mark.redteam(22)
@pytest.mark.parametrize(
    "origin", ["", "null", "http://evil", "https://127.0.0.1:8080", "http://127.0.0.1:80800", "http://127.0.0.1"]
)
def test_posts_and_websockets_of_others_are_refused(origin: str) -> None:
    assert "Origin" in why(method="POST", path="/act", origin=origin)
    assert "Origin" in why(method="POST", path="/login", origin=origin)
    assert "Origin" in why("websocket", path="/_nicegui_ws/socket.io", origin=origin)
    assert why(method="POST", path="/act", origin=OURS) == ""
    assert why("websocket", path="/_nicegui_ws/socket.io", origin=OURS) == ""


@pytest.mark.redteam(22)
@pytest.mark.parametrize("host", ["", "evil", "127.0.0.1", "127.0.0.1:8081", "127.0.0.1:8080.evil"])
def test_a_name_that_is_not_ours_is_refused(host: str) -> None:
    assert "Host" in why(host=host)
    assert "Host" in why(method="POST", path="/act", host=host, origin=OURS)
    assert "Host" in why("websocket", host=host, origin=OURS)


@pytest.mark.redteam(23)
@pytest.mark.parametrize(
    "given", [{"host": "evil"}, {"origin": "http://evil"}, {"length": "999999999999"}, {"length": ""}]
)
def test_stop_is_refused_to_nobody(given: dict[str, str]) -> None:
    assert why(method="POST", path="/stop", **given) == ""
    assert why(method="POST", path="/stops", **given)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", ""])
def test_other_methods_are_refused(method: str) -> None:
    assert why(method=method, origin=OURS)


@pytest.mark.parametrize("length", ["", "-1", "x", str(LONGEST_BODY + 1), "9" * 30, "\u0663"])
def test_a_form_has_a_length_and_is_short(length: str) -> None:
    assert why(method="POST", path="/act", origin=OURS, length=length)


def test_the_page_speaks_over_a_websocket_alone() -> None:
    assert why(path="/_nicegui_ws/socket.io/")
    assert why(method="POST", path="/_nicegui_ws/socket.io/", origin=OURS)


def ask(
    headers: list[tuple[bytes, bytes]], kind: str = "http", content: bytes = b"text/html"
) -> tuple[list[Any], list[Any]]:
    """What comes of a request; and the scopes that the application saw."""
    sent: list[Any] = []
    scopes: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", content)]})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    scope = {"type": kind, "method": "GET", "path": "/", "headers": headers}
    asyncio.run(Gate(inner, KNOWN)(scope, receive, send))
    return sent, scopes


HOST = (b"host", b"127.0.0.1:8080")


def test_answers_carry_the_policy_and_a_nonce_of_their_own() -> None:
    policies = []
    for _ in range(2):
        sent, scopes = ask([HOST])
        headers = dict(sent[0]["headers"])
        policies.append(headers[b"content-security-policy"].decode())
        assert f"'nonce-{scopes[0]['state']['csp_nonce']}'" in policies[-1]
        assert headers[b"cache-control"] == b"no-store"
        assert headers[b"x-content-type-options"] == b"nosniff"
    assert policies[0] != policies[1]
    assert "script-src 'self' 'nonce-" in policies[0]
    assert "'unsafe-inline'" not in policies[0].split("style-src")[0]
    assert "script" not in dict(ask([HOST], content=b"text/css")[0][0]["headers"])[b"content-security-policy"].decode()


def test_no_proxy_is_believed_and_a_header_that_stands_twice_is_none() -> None:
    _, scopes = ask([HOST, (b"X-Forwarded-Prefix", b"/evil"), (b"x-forwarded-for", b"1.2.3.4"), (b"cookie", b"a=b")])
    assert scopes[0]["headers"] == [HOST, (b"cookie", b"a=b")]
    sent, scopes = ask([HOST, (b"host", b"evil")])
    assert (sent[0]["status"], scopes) == (403, [])


@pytest.mark.redteam(22)
def test_a_refused_websocket_is_closed_before_anything_hears_it() -> None:
    sent, scopes = ask([HOST, (b"origin", b"http://evil")], kind="websocket")
    assert (sent[0]["type"], scopes) == ("websocket.close", [])
