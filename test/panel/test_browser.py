"""The live page in a real Chromium: STOP by mouse and key, without scripts, acts, decisions, a panel that dies."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None or importlib.util.find_spec("nicegui") is None,
    reason="a real browser needs Debian's chromium, playwright and the extra `panel` (docs/panel.md)",
)
if not pytestmark.args[0]:
    from panel_rig import PASSWORDS, PanelRig
    from playwright.sync_api import Browser, Page, expect, sync_playwright
    from ros_rig import Rig

PICTURES = os.environ.get("PANEL_PICTURES")
"""Directory for pictures of the pages."""
PATIENCE = 20_000
"""Of a busy machine, [ms]."""


@pytest.fixture(scope="module")
def panel(rig: Rig) -> PanelRig:
    return PanelRig(rig)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Window:
    """One window, and all that the browser complained of."""

    def __init__(self, chromium: Browser, panel: PanelRig, **context: Any) -> None:
        self.panel, self.complaints = panel, list[str]()
        self.context = chromium.new_context(**({"viewport": {"width": 1024, "height": 768}} | context))
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))

    def open(self, path: str = "/") -> Page:
        self.page.goto(f"http://127.0.0.1:{self.panel.port}{path}")
        return self.page

    def login(self, name: str) -> Page:
        page = self.open("/login")
        page.fill("input[name=name]", name)
        page.fill("input[name=password]", PASSWORDS[name])
        page.click("form.login button")
        page.wait_for_url("**/")
        self.says(f"logged in: {name}")
        return page

    def says(self, text: str) -> None:
        expect(self.page.locator("body")).to_contain_text(text, timeout=PATIENCE)

    def state(self, word: str) -> None:
        """Wait until the banner says it, while the test's node hears the supervisor, too."""
        self.panel.cell.client.wait_for(lambda: word in self.page.locator(".banner .state").inner_text(), word, 20.0)

    def picture(self, name: str) -> None:
        if PICTURES:
            self.page.screenshot(path=Path(PICTURES) / f"{name}.png")


def settled(page: Page) -> None:
    """As a person is, who looks before the click."""
    page.wait_for_timeout(800)


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
    window.picture("login_light")
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
        window.picture("main_light")
        card = page.locator(".card", has_text=f"{asked['id']}: planner").first
        card.get_by_label("Reason").fill("I see the cell")
        settled(page)
        card.get_by_role("button", name="APPROVE").click()
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
    window.picture("phone_dark")
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    lost = page.locator("#lost")
    expect(lost).to_be_hidden()
    panel.panel.send(signal.SIGSTOP)
    expect(lost).to_be_visible(timeout=PATIENCE)
    window.picture("lost_dark")
    panel.panel.send(signal.SIGCONT)
    expect(lost).to_be_hidden(timeout=PATIENCE)
    panel.rig.kill(panel.panel)
    expect(lost).to_be_visible(timeout=PATIENCE)
    panel.panel = panel.start(panel.port)
    window.says("nobody is logged in here")  # the key ended with the process
    expect(lost).to_be_hidden(timeout=PATIENCE)
    panel.rig.kill(panel.cell.supervisor)
    window.says("UNKNOWN")
    window.says("Treat the robot as moving.")
    window.says("STOP reaches nobody now")
    window.picture("gone_dark")
