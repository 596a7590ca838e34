"""axe-core finds nothing serious on any page; how it is fetched: docs/panel.md."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from browser_window import PATIENCE, Window
from panel_rig import PanelRig
from playwright.sync_api import Browser, Page, expect
from preview_rig import Teller
from ros_rig import running_rig

AXE = os.environ.get("PANEL_AXE")
"""File axe.min.js of axe-core."""
pytestmark = pytest.mark.skipif(AXE is None, reason="axe-core is given by PANEL_AXE=…/axe.min.js (docs/panel.md)")
SERIOUS = ("serious", "critical")

REFRESH = ("meta-refresh", False)
"""Pages without script, and without a field to fill, load themselves anew: an old state would be taken for the new one
(essential, WCAG 2.2.1). The live page must not."""


def findings(page: Page) -> list[str]:
    """What axe-core finds, the worst only."""
    assert AXE is not None
    if not page.url.endswith("/"):
        page.evaluate("window.stop()")  # a page that loads itself anew would take axe-core with it
    page.evaluate(Path(AXE).read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete']})")
    assert found["passes"], "axe-core has looked at nothing"
    return [
        f"{one['impact']} {one['id']}: {node['html'][:160]} {node.get('failureSummary', '')}"
        for one in found["violations"]
        if one["impact"] in SERIOUS and (one["id"], page.url.endswith("/")) != REFRESH
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_finding(chromium: Browser, panel: PanelRig, scheme: str) -> None:
    window = Window(chromium, panel, color_scheme=scheme)
    page, found = window.open("/login"), []
    found += findings(page)
    window.login("ada")
    expect(page.locator("#lost")).to_be_hidden(timeout=PATIENCE)
    name = ""

    def waits() -> None:
        nonlocal name
        name = panel.cell.waits(0.1, 0.8)["id"]
        window.says(f"{name}: ")

    panel.cell.steadily(waits)
    page.get_by_role("button", name="MODE MANUAL").click()
    window.says("MODE MANUAL: look at the robot, then sign")
    for button in ("SHOW PLOTS", "SHOW EVENTS", "GRANT"):
        page.get_by_role("button", name=button, exact=True).click()
    expect(page.locator("#plots svg")).to_have_count(4, timeout=PATIENCE)
    page.locator("#events li a").first.click()
    window.says("a page of its own")
    found += findings(page)
    event = page.locator("#events .sheet a").get_attribute("href")
    assert event
    for path in ("/events", event, "/rights"):
        window.open(path)
        found += findings(page)
    window.open("/plain")
    found += findings(page)
    window.open(f"/plain/{name}")
    found += findings(page)
    window.open("/plain")
    page.get_by_role("button", name="STOP").click()
    window.says("the supervisor answered")
    found += findings(page)
    # NO CONNECTION lies over the live page, but not over STOP.
    window.open("/")
    expect(page.locator("#lost")).to_be_hidden(timeout=PATIENCE)
    panel.panel.send(signal.SIGSTOP)
    expect(page.locator("#lost")).to_be_visible(timeout=PATIENCE)
    found += findings(page)
    panel.panel.send(signal.SIGCONT)
    expect(page.locator("#lost")).to_be_hidden(timeout=PATIENCE)
    # Every look of the banner.
    window.open("/plain")
    for tone in ("unknown", "alarm", "caution", "rest", "moves"):
        page.evaluate("tone => document.querySelector('.banner').className = `banner ${tone}`", tone)
        found += findings(page)
    assert not found, "\n".join(dict.fromkeys(found))


@pytest.fixture(scope="module")
def panda(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teller]:
    with (
        running_rig(tmp_path_factory.mktemp("accessible")) as rig,
        closing(Teller(rig, "panda", "--jog", "joystick")) as teller,
    ):
        yield teller


@pytest.mark.long
@pytest.mark.parametrize("phone", [False, True])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nor_has_any_other_screen(chromium: Browser, panda: Teller, scheme: str, phone: bool) -> None:
    """Preview, two people, the robot, hold-to-run, jog with live buttons, open questions, a scrolled page."""
    size = {"width": 390, "height": 844} if phone else {"width": 1024, "height": 768}
    panda.told, panda.speaks, panda.people = {}, True, [(0.9, -0.9, 1.0)]
    window = Window(chromium, panda, panda.port, color_scheme=scheme, viewport=size)  # type: ignore[arg-type]
    page, found = window.login("ada"), []
    said, other = panda.ask("arm", {"panda_joint1": 0.9}), panda.ask("arm", {"panda_joint1": -0.5}, people="2")
    for one in (said, other):
        card = page.locator(".card", has_text=f"{one['id']}: planner").first
        expect(card.get_by_role("button", name="APPROVE")).to_be_enabled(timeout=PATIENCE)
    card.get_by_role("button", name="SHOW THE MOTION").click()
    page.get_by_role("button", name="SHOW THE ROBOT").click()
    expect(page.get_by_text("as measured; as commanded")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".brief")).to_be_visible()
    found += findings(page)
    panda.forget()
    expect(page.locator(".card.gone").first).to_be_attached(timeout=PATIENCE)
    found += findings(page)
    page.get_by_role("button", name="HIDE THE ROBOT").click()
    for state, told in (("PROTECTIVE_STOP", {"cause": "E_TRACKING"}), ("RECOVERY", {}), ("MANUAL", {"enables": "yes"})):
        panda.told = {"state": state} | told
        expect(page.locator(".banner .state")).to_contain_text(state, timeout=PATIENCE)
        page.wait_for_timeout(500)
        if state == "PROTECTIVE_STOP":
            page.get_by_role("button", name="RESET").click()
            window.says("RESET: look at the robot, then sign")
        found += findings(page)
    expect(page.locator("fieldset.jog .row button").first).to_be_enabled(timeout=PATIENCE)
    panda.speaks = False
    window.says("? UNKNOWN")
    found += findings(page)
    panda.speaks, panda.told = True, {}
    assert not found, "\n".join(dict.fromkeys(found))
