"""What people, their browsers and the way between do wrong: each has an outcome that can be seen."""

from __future__ import annotations

import re
import signal

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from browser_window import PATIENCE, Window, settled
from panel_rig import PASSWORDS, PanelRig, free_port
from playwright.sync_api import Browser, Locator, Page, expect

# A finger that was on its way to another button when a card came.
HASTE = """() => {
    const haste = new MutationObserver(() => {
        const button = [...document.querySelectorAll(".card button")].find((one) => one.textContent === "APPROVE");
        if (!button || button.disabled) return;
        haste.disconnect();
        button.click();
    });
    haste.observe(document.body, { childList: true, subtree: true, attributes: true });
}"""
LATE = 1_800
"""More than the 1.5 s for which the page believes a beat, less than the 2 s after which the server hangs up, [ms]."""


@pytest.fixture
def window(chromium: Browser, panel: PanelRig) -> Window:
    panel.cell.arm()
    return Window(chromium, panel)


@pytest.mark.long
def test_wrong_password_and_a_login_that_has_ended(window: Window, panel: PanelRig) -> None:
    page = window.open("/login")
    page.fill("input[name=name]", "ada")
    page.fill("input[name=password]", "not her password")
    page.click("form.login button")
    window.says("Name or password is wrong.")
    expect(page.get_by_role("button", name="STOP")).to_be_visible()
    assert page.locator("input[name=password]").input_value() == ""

    port = free_port()
    with panel.beside(port, "--idle", "8"):
        page.goto(f"http://127.0.0.1:{port}/login")
        window.says("or do nothing for 8 s.")
        page.fill("input[name=name]", "ada")
        page.fill("input[name=password]", PASSWORDS["ada"])
        page.click("form.login button")
        window.says("logged in: ada")
        page.get_by_role("button", name="MODE MANUAL").click()
        window.says("MODE MANUAL: look at the robot, then sign")
        window.says("nobody is logged in here: the login that was here has ended; what was typed is not signed")
        expect(page.get_by_role("button", name="SIGN")).to_be_hidden()
        expect(page.get_by_role("button", name="MODE MANUAL")).to_be_hidden()
        expect(page.get_by_role("link", name="Log in to act")).to_be_visible()
    assert panel.cell.client.status["mode"] == "auto"


def test_a_second_tab_and_the_back_button(window: Window, panel: PanelRig) -> None:
    first = window.login("ada")
    second = window.context.new_page()
    second.goto(first.url)
    expect(second.locator("body")).to_contain_text("logged in: ada", timeout=PATIENCE)
    second.get_by_role("button", name="Log out").click()
    second.wait_for_url("**/login")
    # The other tab, and what lies behind the back button, know of it.
    window.says("nobody is logged in here: the login that was here has ended")
    expect(first.get_by_role("button", name="MODE MANUAL")).to_be_hidden()
    second.go_back()
    expect(second.locator("body")).to_contain_text("nobody is logged in here", timeout=PATIENCE)
    expect(second.locator("#lost")).to_be_hidden(timeout=PATIENCE)
    expect(second.get_by_role("button", name="MODE MANUAL")).to_be_hidden()
    # Another person in the other tab is nobody in the first one.
    second.goto(f"{first.url}login")
    second.fill("input[name=name]", "eve")
    second.fill("input[name=password]", PASSWORDS["eve"])
    second.click("form.login button")
    expect(second.locator("body")).to_contain_text("logged in: eve", timeout=PATIENCE)
    expect(first.get_by_role("button", name="MODE MANUAL")).to_be_hidden()


@pytest.mark.long
def test_double_clicks_and_two_technicians(window: Window, chromium: Browser, panel: PanelRig) -> None:
    page, cell = window.login("ada"), panel.cell

    def mode_changed_once() -> None:
        cell.people.answers.clear()
        page.get_by_role("button", name="MODE MANUAL").click()
        page.get_by_role("button", name="SIGN").dblclick()
        window.says("mode manual: done")
        cell.client.spin(0.5)
        assert [answer["ok"] for answer in cell.people.answers] == [True]

    mode_changed_once()
    cell.client.wait_state("LOCKED", timeout=20.0)
    page.get_by_role("button", name="MODE AUTO").click()
    page.get_by_role("button", name="SIGN").click()
    window.says("mode auto: done")
    cell.arm()

    # The second technician is at a panel of an own machine: no key of the two lies beside the other.
    port = free_port()
    with panel.beside(port):
        other = Window(chromium, panel, port)
        colleague = other.login("bob")

        def approved_by_two() -> None:
            page.evaluate(HASTE)
            asked = cell.waits(0.1, 0.8)
            name = asked["id"]
            cards = [one.locator(".card", has_text=f"{name}: painter asks for pair") for one in (page, colleague)]
            for card in cards:
                expect(card.get_by_role("button", name="APPROVE")).to_be_enabled(timeout=PATIENCE)
            window.says(f"approve {name}: nothing was signed, the list has just moved. Look again, then press.")
            settled(page)
            cell.people.answers.clear()
            cards[0].get_by_role("button", name="APPROVE").click()
            window.says(f"approve {name}: REFUSED - high risk: to approve it takes a typed reason")
            cards[0].get_by_label("Reason").fill("I see the cell")
            cards[0].get_by_role("button", name="APPROVE").dblclick()
            window.says(f"approve {name}: done - approved by 1 of 2 people")
            expect(cards[1]).to_contain_text("takes 2, approved by: ada", timeout=PATIENCE)
            expect(cards[0]).to_contain_text("you have approved it; another person has to, too", timeout=PATIENCE)
            expect(cards[0].get_by_role("button", name="APPROVE")).to_be_disabled()
            cell.client.spin(0.5)
            assert [answer["ok"] for answer in cell.people.answers] == [True]
            cards[1].get_by_label("Reason").fill("I see it, too")
            cards[1].get_by_role("button", name="APPROVE").click()
            window.says(f"{name}: GONE - approved, it is played")
            other.says(f"{name}: GONE - approved, it is played")
            cell.played(asked)

        cell.speak_as("painter")
        cell.steadily(approved_by_two)

        def decided_by_whoever_was_first() -> None:
            asked = cell.waits(0.05, 2.0)
            buttons = [
                one.locator(".card", has_text=f"{asked['id']}: painter").get_by_role("button", name="DENY")
                for one in (page, colleague)
            ]
            for button in buttons:
                expect(button).to_be_enabled(timeout=PATIENCE)
            cell.people.answers.clear()
            for button in buttons:  # both at once
                button.evaluate("button => setTimeout(() => button.click(), 300)")
            window.says(f"deny {asked['id']}: ")
            other.says(f"deny {asked['id']}: ")
            window.says(f"{asked['id']}: GONE - not played - E_APPROVAL_DENIED")
            cell.client.wait_for(lambda: cell.end_of(asked) == [("REJECT", "E_APPROVAL_DENIED")], "it is denied")
            said = [one.page.locator(".told").inner_text() for one in (window, other)]
            assert sum(f"deny {asked['id']}: done" in one for one in said) == 1
            assert sum(f"deny {asked['id']}: REFUSED" in one for one in said) == 1

        cell.steadily(decided_by_whoever_was_first)


@pytest.mark.long
def test_a_role_that_may_not_decide_sees_why_and_what_nobody_decides_expires(window: Window, panel: PanelRig) -> None:
    page, cell = window.login("eve"), panel.cell

    def expired() -> None:
        asked = cell.waits(0.4, 1.0)
        assert asked["approval"] == "short"
        card = page.locator(".card", has_text=f"{asked['id']}: welder")
        expect(card).to_contain_text("to decide takes technician or safety_officer", timeout=PATIENCE)
        for name in ("APPROVE", "DENY"):
            expect(card.get_by_role("button", name=name)).to_be_disabled()
        window.says(f"{asked['id']}: GONE - not played - E_APPROVAL_EXPIRED")
        expect(card.get_by_role("button", name="APPROVE")).to_be_hidden()
        cell.client.wait_for(lambda: cell.end_of(asked) == [("REJECT", "E_APPROVAL_EXPIRED")], "it expires")

    cell.speak_as("welder")
    cell.steadily(expired)


@pytest.mark.long
def test_a_wrong_clock_of_the_browser_changes_nothing(chromium: Browser, panel: PanelRig) -> None:
    panel.cell.arm()
    window = Window(chromium, panel)
    window.context.add_init_script(
        "const real = Date.now; Date.now = () => real() + 400 * 86400e3;"
        "window.Date = class extends Date { constructor(...at) { super(...(at.length ? at : [Date.now()])); } };"
    )
    page = window.login("ada")
    assert page.evaluate("new Date().getFullYear()") > 2026
    expect(page.locator("#lost")).to_be_hidden()
    window.state("AUTO/HOLDING")

    def seconds(title: Locator) -> int:
        (left,) = re.findall(r"(\d+) s left", title.inner_text())
        return int(left)

    def counts_down() -> None:
        asked = panel.cell.waits(0.05, 2.0)
        title = page.locator(".card .title", has_text=f"{asked['id']}: packer")
        expect(title).to_contain_text(re.compile(r"[45]\d s left"), timeout=PATIENCE)
        for _ in range(2):
            left = seconds(title)
            expect(title).not_to_contain_text(f"{left} s left", timeout=PATIENCE)
            assert seconds(title) < left

    panel.cell.speak_as("packer")
    panel.cell.steadily(counts_down)
    expect(page.locator("#lost")).to_be_hidden()
    page.get_by_role("button", name="STOP").click()
    window.says("GONE - not played - E_PURGED")


def beat(page: Page) -> str:
    return page.locator("#beat").text_content() or ""


LATE_LINE = """
window.lateBy = 0;
window.WebSocket = class extends WebSocket {
    set onmessage(hear) { super.onmessage = (event) => setTimeout(() => hear(event), window.lateBy); }
};
"""
LOOK_AWAY = """() => {
    const lost = [];
    const tell = (target, kind) => {
        document.body.classList.remove("lost");
        target.dispatchEvent(new Event(kind));
        lost.push(document.body.classList.contains("lost"));
    };
    for (const kind of ["visibilitychange", "freeze", "resume"]) tell(document, kind);
    tell(window, "pageshow");
    return lost;
}"""
"""Hidden and shown, put to sleep and awake, gone and come back."""


@pytest.mark.redteam(20)
def test_what_travels_late_or_was_not_looked_at_is_not_shown_as_fresh(window: Window) -> None:
    window.context.add_init_script(LATE_LINE)
    page = window.open()
    lost = page.locator("#lost")
    expect(lost).to_be_hidden(timeout=PATIENCE)
    assert page.evaluate(LOOK_AWAY) == [True] * 4
    expect(lost).to_be_hidden(timeout=PATIENCE)

    # A line on which all comes, in order, as often as ever, and too late.
    page.evaluate(f"window.lateBy = {LATE}")
    expect(lost).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(LATE + 500)  # the line is full again
    page.wait_for_function("known => document.getElementById('beat').textContent !== known", arg=beat(page))
    expect(lost).to_be_visible()
    page.evaluate("window.lateBy = 0")
    expect(lost).to_be_hidden(timeout=PATIENCE)


@pytest.mark.redteam(20)
def test_a_stop_that_nobody_answers_says_so_and_pressing_again_ends_none(window: Window, panel: PanelRig) -> None:
    page, client = window.open(), panel.cell.client
    window.state("AUTO/HOLDING")
    stop, sent = page.get_by_role("button", name="STOP"), page.locator("#stopsent")
    answer = page.frame_locator("iframe[name=stop_answer]").locator("body")

    # As fast as nobody can press: each goes out, none ends the one before it.
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    known = len(client.states)
    page.evaluate("() => { for (let i = 0; i < 10; i++) document.querySelector('form.stop button').click(); }")
    expect(answer).to_contain_text("the supervisor answered", timeout=PATIENCE)
    client.wait_for(lambda: "LOCKED" in client.states[known:], "a stop", 20.0)
    page.wait_for_function("document.getElementById('stopsent').hidden")
    assert len(asked) == 10

    panel.panel.send(signal.SIGSTOP)
    stop.click(no_wait_after=True)
    expect(sent).to_have_text("STOP sent, no answer yet")
    expect(sent).to_contain_text("NOT CONFIRMED: the panel does not answer. Press the e-stop button.", timeout=PATIENCE)
    panel.panel.send(signal.SIGCONT)
    expect(answer).to_contain_text("the supervisor answered", timeout=PATIENCE)
    expect(sent).to_be_hidden()

    panel.rig.kill(panel.panel)
    stop.click(no_wait_after=True)
    expect(sent).to_contain_text("NOT CONFIRMED: the panel does not answer. Press the e-stop button.", timeout=PATIENCE)
