"""Whoever has a browser, or had a login once, against a panel beside a real node: nothing is signed, STOP stays."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from browser_window import PATIENCE, Window, settled
from panel_rig import PanelRig
from playwright.sync_api import Browser, expect

NONSENSE = """() => {
    const endless = [];
    endless.push(endless.length, NaN, Infinity, -Infinity, 1e308, -0, 2 ** 53, 2 ** 64, null, undefined, "", "\\0",
        "x".repeat(30000), {}, [], [[[[[[]]]]]], {detail: {detail: 1}}, true, [NaN], ["__proto__"], {__proto__: null},
        [1e400, 1, "j", 0, 0, 1, 0, false, 50], [1, 1, "j", 0.5, 0, 1, 0, false, NaN], Array(5000).fill(1));
    for (const [name, kinds] of [["beat", ["echo"]], ["hold", ["held"]], ["jog", ["held", "letgo", "two"]]])
        for (const kind of kinds)
            for (const detail of endless)
                document.getElementById(name)?.dispatchEvent(new CustomEvent(kind, {detail}));
}"""
FLOOD = """() => {
    window.flooding = setInterval(() => {
        for (let number = 0; number < 300; number++) {
            document.getElementById("beat").dispatchEvent(new CustomEvent("echo", {detail: number}));
            document.getElementById("jog").dispatchEvent(new CustomEvent("held", {detail: Array(2000).fill(number)}));
        }
    }, 10);
}"""


@pytest.fixture
def window(chromium: Browser, panel: PanelRig) -> Window:
    panel.cell.arm()
    return Window(chromium, panel)


@pytest.mark.redteam(22)
@pytest.mark.redteam(16)
def test_a_login_that_is_over_is_over_for_cookies_forms_and_pages(window: Window, panel: PanelRig) -> None:
    """Its cookie and its form are sent again; its page presses the button that was open, though it is hidden."""
    page = window.login("ada")
    page.get_by_role("button", name="MODE MANUAL").click()
    expect(page.get_by_role("button", name="SIGN", exact=True)).to_be_visible()
    thief = panel.browser()
    thief.cookies = {one["name"]: one["value"] for one in window.context.cookies()}
    form = thief.wait("MODE MANUAL").form("mode", "manual")
    cookie = thief.cookies["panel_session"]
    panel.cell.people.answers.clear()

    sign = page.get_by_role("button", name="SIGN", exact=True).element_handle()
    csrf = page.locator("form.logout input[name=csrf]").get_attribute("value")
    assert csrf
    assert thief.ask("POST", "/logout", {"csrf": csrf}).status == 303
    sign.evaluate("one => one.click()")
    window.says("nobody is logged in here")
    expect(page.get_by_role("button", name="MODE MANUAL")).to_be_hidden()
    sign.evaluate("one => one.click()")
    for name in ("MODE MANUAL", "RESET", "HOLD TO RUN"):
        page.get_by_role("button", name=name, include_hidden=True).first.evaluate("one => one.click()")
    thief.cookies["panel_session"] = cookie
    assert "Log in to act" in thief.get("/plain").text
    assert "nobody is logged in here any more" in thief.ask("POST", "/act", form | {"once": "another"}).text
    assert thief.get("/rights").status == thief.get("/events").status == 303
    # A page that begins with that cookie is nobody's.
    window.context.add_cookies([{"name": "panel_session", "value": cookie, "url": f"http://127.0.0.1:{panel.port}"}])
    window.open()
    window.says("nobody is logged in here: the login that was here has ended")
    panel.cell.client.spin(0.5)
    assert panel.cell.people.answers == []
    assert panel.cell.client.status["mode"] == "auto"


@pytest.mark.long
@pytest.mark.redteam(16)
def test_neither_cookie_nor_form_outlives_the_panel_and_an_approval_counts_once(panel: PanelRig) -> None:
    cell, browser = panel.cell, panel.browser()
    cell.arm()
    browser.login("bob")
    name = ""

    def denied_once() -> None:
        nonlocal name
        cell.speak_as("painter")
        name = cell.waits(0.05, 2.0)["id"]
        page = browser.wait("APPROVE", f"/plain/{name}")
        form = page.form("deny", name)
        cell.people.answers.clear()
        assert f"deny {name}: done" in browser.ask("POST", "/act", form).text
        for once in ("1", "2"):
            again = browser.ask("POST", "/act", form | {"once": once}).text
            assert f"deny {name}: REFUSED" in again
            assert "waits no more" in again
        cell.client.spin(0.5)
        assert [answer["ok"] for answer in cell.people.answers] == [True]

    cell.steadily(denied_once)
    form = browser.wait("MODE MANUAL").form("mode", "manual")
    panel.rig.kill(panel.panel)
    panel.panel = panel.start(panel.port)
    assert "Log in to act" in browser.wait("AUTO").text
    cell.people.answers.clear()
    assert "this form is of no page of your login" in browser.ask("POST", "/act", form).text
    cell.client.spin(0.5)
    assert cell.people.answers == []


@pytest.mark.long
@pytest.mark.redteam(20)
def test_a_panel_that_is_killed_with_an_approval_on_its_way_leaves_nothing_half_done(
    window: Window, panel: PanelRig
) -> None:
    """Whatever the moment: it was approved and is played whole, or it still waits and another panel decides on it."""
    cell, page = panel.cell, window.login("bob")

    def killed() -> None:
        cell.speak_as("welder")
        asked = cell.waits(0.05, 2.0)
        card = page.locator(".card", has_text=f"{asked['id']}: ")
        approve = card.get_by_role("button", name="APPROVE")
        card.get_by_label("Reason").fill("I see the cell")
        expect(approve).to_be_enabled(timeout=PATIENCE)
        settled(page)
        approve.click(no_wait_after=True)
        panel.rig.kill(panel.panel)
        expect(page.locator("#lost")).to_be_visible(timeout=PATIENCE)
        panel.panel = panel.start(panel.port)
        cell.client.spin(0.5)
        waits = any(one.get("id") == asked["id"] for one in cell.people.shown)
        print(f"killed with an approval on its way: {'it still waits' if waits else 'it was played'}")
        if waits:
            other = panel.browser()
            other.login("bob")
            assert f"deny {asked['id']}: done" in other.act("deny", asked["id"], f"/plain/{asked['id']}").text
            cell.client.wait_for(lambda: cell.end_of(asked) == [("REJECT", "E_APPROVAL_DENIED")], "it is denied")
        else:
            cell.played(asked)

    cell.steadily(killed)


@pytest.mark.redteam(53)
def test_nonsense_over_the_websocket_moves_nothing_and_ends_no_page(window: Window, panel: PanelRig) -> None:
    page = window.login("ada")
    page.evaluate(NONSENSE)
    window.state("AUTO/HOLDING")
    expect(page.locator("#lost")).to_be_hidden(timeout=PATIENCE)
    assert "the supervisor answered" in panel.browser().ask("POST", "/stop").text
    window.state("LOCKED")
    assert "Traceback" not in panel.panel.text


@pytest.mark.long
@pytest.mark.redteam(20)
def test_a_page_that_says_as_much_as_it_can_holds_back_no_stop(window: Window, panel: PanelRig) -> None:
    """Nobody has to be logged in for that."""
    page = window.open()
    window.state("AUTO/HOLDING")
    page.evaluate(FLOOD)
    page.wait_for_timeout(1_000)
    took = []
    for _ in range(15):
        begin = time.monotonic()
        assert panel.browser().ask("POST", "/stop").status == 200
        took.append(time.monotonic() - begin)
    took.sort()
    print(f"a page that floods: stops median {took[7] * 1e3:.0f} ms, worst {took[-1] * 1e3:.0f} ms")
    assert took[7] < 0.5
