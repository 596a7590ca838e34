"""The live page in a real Chromium: STOP by mouse and key, without scripts, acts, decisions, a panel that dies."""

from __future__ import annotations

import signal

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from browser_window import PATIENCE, Window, approve
from panel_rig import PanelRig
from playwright.sync_api import Browser, expect


def stopped(panel: PanelRig, known: int) -> None:
    client = panel.cell.client
    client.wait_for(lambda: {"STOPPING", "PROTECTIVE_STOP", "LOCKED"} & set(client.states[known:]), "a stop", 20.0)
    client.wait_state("LOCKED", timeout=20.0)


def test_stop_by_mouse_by_key_and_without_scripts(panel: PanelRig, chromium: Browser) -> None:
    panel.cell.arm()
    window = Window(chromium, panel, color_scheme="light")
    page = window.open()
    window.state("AUTO/HOLDING")
    answer = page.frame_locator("iframe[name=stop_answer]")
    known = len(panel.cell.client.states)
    page.click("#stopbar button")
    expect(answer.locator("body")).to_contain_text("the supervisor answered", timeout=PATIENCE)
    stopped(panel, known)
    window.state("LOCKED")

    window.login("eve")
    panel.cell.arm()
    window.state("AUTO/HOLDING")
    page.get_by_role("button", name="MODE MANUAL").focus()
    known = len(panel.cell.client.states)
    page.keyboard.press("Space")
    expect(answer.locator("body")).to_contain_text("the supervisor answered", timeout=PATIENCE)
    stopped(panel, known)
    expect(page.get_by_text("MODE MANUAL: look at the robot")).to_be_hidden()
    assert window.complaints == []

    panel.cell.arm()
    plain = Window(chromium, panel, java_script_enabled=False)
    plain.open()
    plain.page.wait_for_url("**/plain")
    known = len(panel.cell.client.states)
    plain.page.click("form.stop button")
    plain.says("the supervisor answered")
    stopped(panel, known)


@pytest.mark.redteam(24)
@pytest.mark.redteam(55)
def test_a_person_acts_and_decides(panel: PanelRig, chromium: Browser) -> None:
    window = Window(chromium, panel, color_scheme="light")
    page = window.open("/login")
    window.login("bob")
    client = panel.cell.client
    client.spin(0.3)
    if client.state.startswith("AUTO"):
        page.click("#stopbar button")
        client.wait_state("LOCKED", timeout=20.0)
    for word, state in (("RESET", "READY"), ("START AUTO", "AUTO/HOLDING")):
        page.get_by_role("button", name=word, exact=True).click()
        window.says(f"{word}: look at the robot, then sign")
        page.get_by_role("button", name="SIGN").click()
        client.wait_state(state, timeout=20.0)
        window.state(state)
    window.says("start auto: done")

    def approved() -> None:
        asked = panel.cell.waits(0.05, 2.0, "why:<img src=x onerror=alert(1)> the cup")
        window.says(f"{asked['id']}: planner asks for zone")
        window.says("<img src=x onerror=alert(1)> the cup")
        card = page.locator(".card", has_text=f"{asked['id']}: planner").first
        card.get_by_label("Reason").fill("I see the cell")
        approve(page, card, asked["id"])
        panel.cell.played(asked)
        window.says(f"approve {asked['id']}: done")
        window.says(f"{asked['id']}: GONE")

    panel.cell.steadily(approved)
    assert window.complaints == []


@pytest.mark.redteam(20)
def test_a_phone_in_the_dark_then_a_panel_that_is_frozen_and_killed(panel: PanelRig, chromium: Browser) -> None:
    panel.cell.arm()
    window = Window(chromium, panel, color_scheme="dark", viewport={"width": 390, "height": 844}, has_touch=True)
    page = window.login("ada")
    window.state("AUTO/HOLDING")
    panel.cell.steadily(lambda: window.says(f"{panel.cell.waits(0.05, 2.0, 'why:fetch the cup')['id']}: planner asks"))
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    lost = page.locator("#lost")
    expect(lost).to_be_hidden()
    panel.panel.send(signal.SIGSTOP)
    expect(lost).to_be_visible(timeout=PATIENCE)
    panel.panel.send(signal.SIGCONT)
    expect(lost).to_be_hidden(timeout=PATIENCE)
    panel.rig.kill(panel.panel)
    expect(lost).to_be_visible(timeout=PATIENCE)
    panel.panel = panel.start(panel.port)
    window.says("nobody is logged in here")  # the key ended with the process
    expect(lost).to_be_hidden(timeout=PATIENCE)
    window.state("AUTO/HOLDING")  # before it has heard the supervisor, all is stale to a new panel
    panel.cell.supervisor.send(signal.SIGSTOP)
    window.says("UNKNOWN")
    window.says("STALE: ")
    window.says("Treat the robot as moving.")
    window.says("STOP reaches nobody now")
    panel.cell.supervisor.send(signal.SIGCONT)
    window.state("LOCKED")
