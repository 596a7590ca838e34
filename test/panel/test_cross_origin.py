"""A page of somebody else, in a real Chromium in which a technician is logged in: it does nothing, and sees nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from browser_window import PATIENCE, Window
from panel_rig import PanelRig
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.redteam(22)

PAGE = b"""<!doctype html><title>evil</title><body>
<iframe name=a></iframe><iframe name=b></iframe><iframe name=c></iframe><iframe id=framed></iframe>"""

ATTACK = """async ([panel, form]) => {
    const seen = {};
    const post = (name, path, fields) => {
        const one = document.createElement("form");
        Object.assign(one, {method: "post", action: panel + path, target: name});
        for (const [key, value] of Object.entries(fields)) {
            const field = document.createElement("input");
            Object.assign(field, {type: "hidden", name: key, value});
            one.append(field);
        }
        document.body.append(one);
        one.submit();
    };
    post("a", "/act", form);
    post("b", "/logout", {csrf: form.csrf});
    post("c", "/login", {csrf: form.csrf, name: "eve", password: "eve has a long password"});
    for (const [path, mode] of [["/act", "cors"], ["/logout", "no-cors"], ["/plain", "cors"], ["/", "cors"]]) {
        const method = path.length > 1 && path !== "/plain" ? "POST" : "GET";
        const body = method === "POST" ? new URLSearchParams(form) : undefined;
        seen[path] = await fetch(panel + path, {method, mode, body, credentials: "include"})
            .then(async (answer) => `${answer.type} ${(await answer.text()).length}`, () => "refused");
    }
    seen.socket = await new Promise((told) => {
        const socket = new WebSocket(panel.replace("http", "ws") + "/_nicegui_ws/socket.io/?EIO=4&transport=websocket");
        socket.onopen = () => told("open");
        socket.onerror = () => told("refused");
    });
    const framed = document.getElementById("framed");
    framed.src = panel + "/";
    await new Promise((told) => { framed.onload = told; setTimeout(told, 3000); });
    await new Promise((told) => setTimeout(told, 500));
    return seen;
}"""


@pytest.fixture(scope="module")
def evil() -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("evil.test", marks=pytest.mark.long)])
def test_a_page_of_somebody_else_does_and_sees_nothing(
    chromium: Browser, panel: PanelRig, evil: int, host: str
) -> None:
    """From the same host on another port, to which browsers send the cookies all the same; and from another site."""
    window = Window(chromium, panel)
    page = window.login("ada")
    # The attacker knows the very form that the person would send, its token too.
    cookie = next(one["value"] for one in window.context.cookies() if one["name"] == "panel_session")
    known = panel.browser()
    known.cookies["panel_session"] = cookie
    form = known.wait("MODE MANUAL").form("mode", "manual")

    panel.cell.people.answers.clear()
    other = window.context.new_page()
    answers: list[tuple[str, str, int]] = []
    ours = f"http://127.0.0.1:{panel.port}"

    def note(response: Any) -> None:
        if response.url.startswith(ours):
            answers.append((response.request.method, response.url[len(ours) :], response.status))

    other.on("response", note)
    other.goto(f"http://{host}:{evil}/")
    seen = other.evaluate(ATTACK, [ours, form])
    assert {one: status for method, one, status in answers if method == "POST"} == {
        "/act": 403, "/logout": 403, "/login": 403,
    }  # fmt: skip
    assert seen.pop("/logout").startswith(("opaque 0", "refused"))
    assert seen == {"/act": "refused", "/plain": "refused", "/": "refused", "socket": "refused"}
    framed = [one for one in other.frames if one.url.startswith(ours)]
    assert all("STOP" not in one.content() for one in framed)
    # A name that somebody has made to lead here (DNS rebinding).
    rebound = other.goto(f"http://rebound.test:{panel.port}/")
    assert rebound is not None
    assert rebound.status == 403
    assert "this panel is not called so: Host" in other.locator("body").inner_text()

    page.bring_to_front()
    expect(page.locator("#lost")).to_be_hidden(timeout=PATIENCE)
    window.says("logged in: ada")
    panel.cell.client.spin(0.5)
    assert panel.cell.people.answers == []  # nothing was signed, or even sent
    after = next(one["value"] for one in window.context.cookies() if one["name"] == "panel_session")
    assert after == cookie
    # STOP is nobody's secret: from there, too, it stops (docs/panel.md).
    other.goto(f"http://{host}:{evil}/")
    other.evaluate(
        "panel => { document.body.innerHTML = `<form method=post action=${panel}/stop>`; document.forms[0].submit(); }",
        ours,
    )
    expect(other.locator("body")).to_contain_text("the supervisor answered", timeout=PATIENCE)
