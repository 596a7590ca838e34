"""Lines, requests and passwords by the thousand, against the panel's pages in this process: STOP gets in."""

from __future__ import annotations

import contextlib
import socket
import statistics
import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("authlib", reason="the extra `panel` is not installed")

from panel_rig import Answer, Browser
from sso_rig import PASSWORDS, SsoPanel

from safety_supervisor.core.panel_settings import OidcSettings
from safety_supervisor.panel import line
from safety_supervisor.panel.line import MOST_PAGES, PAGES_OF_ADDRESS, crowded

pytestmark = pytest.mark.redteam(23)


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SsoPanel]:
    settings = OidcSettings("http://127.0.0.1:9", "panel", "", "", "sub", None, False)
    with SsoPanel(tmp_path_factory.mktemp("crowd"), settings).running() as running:
        yield running


def stop(panel: SsoPanel, **headers: str) -> float:
    """Press STOP; return how long the answer took, [s]."""
    begin = time.monotonic()
    answer = Browser(panel.port, "127.0.0.200").ask("POST", "/stop", **headers)
    assert answer.status == 200
    assert "the supervisor answered" in answer.text
    return time.monotonic() - begin


def talk(panel: SsoPanel, text: str) -> bytes:
    """Send bytes; return the whole answer."""
    with socket.create_connection(("127.0.0.1", panel.port), 10.0) as raw:
        heard = b""
        with contextlib.suppress(OSError):  # who is refused is not read to the end
            raw.sendall(text.replace("\n", "\r\n").replace("HOST", f"127.0.0.1:{panel.port}").encode())
            while part := raw.recv(65536):
                heard += part
        return heard


def guess(panel: SsoPanel, count: int, told: list[Answer], address: str) -> None:
    browser = Browser(panel.port, address)
    for number in range(count):
        told.append(browser.login("ada", f"guess number {number}"))


def test_guesses_of_many_at_once_are_throttled_and_stop_is_not(panel: SsoPanel) -> None:
    """Over many lines and addresses, with lies about where they come from."""
    told: list[Answer] = []
    before = panel.link.stops
    guessers = [threading.Thread(target=guess, args=(panel, 12, told, f"127.0.1.{number}")) for number in range(12)]
    for guesser in guessers:
        guesser.start()
    took = [stop(panel) for _ in range(100)]
    for guesser in guessers:
        guesser.join()
    wrong = [one for one in told if one.status == 403]
    print(f"{len(told)} guesses: stops median {statistics.median(took) * 1e3:.1f} ms, worst {max(took) * 1e3:.1f} ms")
    assert panel.link.stops == before + 100
    assert len(told) == 144
    assert {one.status for one in told} == {403, 429}
    assert len(wrong) <= 7  # three at once, then after 1, 2, 4, 8 s
    assert statistics.median(took) < 1.0  # the server shares this process with those who guess
    # Not even the right password counts meanwhile; and who lies about the address is one and the same.
    while Browser(panel.port, "127.0.2.3").login("ada", "guess").status != 429:
        pass
    assert Browser(panel.port, "127.0.2.1").login("ada", PASSWORDS["ada"]).status == 429
    liar = Browser(panel.port, "127.0.2.2")
    tries = []
    for number in range(14):
        token = liar.get("/login").page.partition('name="csrf" value="')[2][:64]
        form = {"csrf": token, "name": f"name{number}", "password": "a wrong password"}
        lies = {"X-Forwarded-For": f"10.0.0.{number}", "Forwarded": f"for=10.0.0.{number}", "X-Real-IP": "10.0.0.9"}
        tries.append(liar.ask("POST", "/login", form, **lies).status)
    assert tries == [403] * 10 + [429] * 4


@pytest.mark.redteam(20)
def test_lines_that_say_nothing_keep_no_stop_out(panel: SsoPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a thousand of them, and some that talk slowly; they lose theirs, and others keep what they have."""
    other = socket.create_connection(("127.0.0.1", panel.port), 5.0, ("127.0.0.201", 0))
    monkeypatch.setattr(line, "WHOLE", 3.0)
    held: list[socket.socket] = []
    took: list[float] = []
    for number in range(1200):
        one = socket.create_connection(("127.0.0.1", panel.port), 5.0, ("127.0.0.77", 0))
        one.sendall(b"" if number % 2 else b"POST /stop HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1")
        held.append(one)
        if number % 100 == 99:
            took.append(stop(panel))
    print(f"{len(held)} lines: stops median {statistics.median(took) * 1e3:.1f} ms, worst {max(took) * 1e3:.1f} ms")
    assert statistics.median(took) < 1.0
    assert len(line.LINES) <= line.MOST
    other.sendall(f"GET /plain HTTP/1.1\r\nHost: 127.0.0.1:{panel.port}\r\n\r\n".encode())
    assert b" 200 " in other.recv(64)
    ends = time.monotonic() + 30.0
    while len(line.LINES) > 3:  # a line on which no whole request comes is closed
        assert time.monotonic() < ends
        time.sleep(0.05)
    for one in [*held, other]:
        one.close()


def test_a_thousand_and_more_live_pages_are_plain_ones() -> None:
    assert not crowded("a", ["a"] * (PAGES_OF_ADDRESS - 1) + ["b"])
    assert crowded("a", ["a"] * PAGES_OF_ADDRESS)
    assert not crowded("b", ["a"] * PAGES_OF_ADDRESS)
    assert crowded("b", [str(number) for number in range(MOST_PAGES)])


def test_websockets_are_opened_so_many_at_a_time() -> None:
    lines = line.Lines()
    lines.pages = {"known"}
    strange = sum(lines.may_knock(f"p{number}", 100.0) for number in range(10_000))
    assert 16 <= strange <= 64
    assert sum(lines.may_knock("known", 100.0) for _ in range(10_000)) == 2 * MOST_PAGES, (
        "the others took none of these"
    )
    assert not lines.may_knock("known", 100.0)
    assert lines.may_knock("known", 100.1)
    assert sum(lines.may_knock("p", 100.0 + number / 1000) for number in range(10_000)) <= 200


@pytest.mark.redteam(22)
@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 5\nTransfer-Encoding: chunked\n\n0\n\nGET /plain HTTP/1.1\nHost: HOST\n\n",
        "Content-Length: 5\nContent-Length: 6\n\nhello!",
        "Transfer-Encoding: gzip, chunked\n\n0\n\n",
        "Transfer-Encoding : chunked\n\n0\n\n",
        "Content-Length: +5\n\nhello",
        "Content-Length: 0x5\n\nhello",
        "X: a\n b: c\nContent-Length: 5, 6\n\nhello",
    ],
)
def test_a_request_that_two_could_read_in_two_ways_is_none(panel: SsoPanel, headers: str) -> None:
    heard = talk(panel, f"POST /act HTTP/1.1\nHost: HOST\nOrigin: http://HOST\nConnection: close\n{headers}")
    assert heard.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403"))
    assert heard.count(b"HTTP/1.1 ") == 1


def test_headers_and_bodies_are_bounded(panel: SsoPanel) -> None:
    """What comes in one piece is read in one; what is longer, or comes bit by bit, is not read on."""
    for more in ("X: " + "a" * 1_000_000 + "\n", "X: a\n" * 200_000):
        heard = talk(panel, f"GET /plain HTTP/1.1\nHost: HOST\nConnection: close\n{more}\n")
        assert heard.startswith(b"HTTP/1.1 400") or heard == b""
    long = talk(
        panel, "POST /login HTTP/1.1\nHost: HOST\nOrigin: http://HOST\nContent-Length: 999999999\nConnection: close\n\n"
    )
    assert b" 403 " in long.partition(b"\r\n")[0]
    stop(panel)


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd", "/panel.css/../../people.py", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd",
        "/static/../security.py", "//etc/passwd", "/panel.css%00.py", "/plain/../../etc/passwd",
        "/plain/%2e%2e%2flogin",
        "/panel_keys/ada.panelkey",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_panel(panel: SsoPanel, path: str) -> None:
    heard = talk(panel, f"GET {path} HTTP/1.1\nHost: HOST\nConnection: close\n\n")
    assert heard.startswith((b"HTTP/1.1 404", b"HTTP/1.1 303", b"HTTP/1.1 400"))
    assert b"root:" not in heard
    assert b"import" not in heard


@pytest.mark.redteam(22)
def test_a_login_has_a_session_of_its_own_that_nobody_chose(panel: SsoPanel) -> None:
    browser = Browser(panel.port, "127.0.3.1")
    browser.cookies["panel_session"] = "fixed"
    assert browser.login("bob", PASSWORDS["bob"]).status == 303
    first = browser.cookies["panel_session"]
    assert first != "fixed"
    assert browser.login("bob", PASSWORDS["bob"]).status == 303
    assert browser.cookies["panel_session"] != first
    browser.cookies["panel_session"] = first
    assert "logged in" not in browser.get("/plain").text
    browser.cookies["panel_session"] = "fixed"
    assert "logged in" not in browser.get("/plain").text
