"""The preview of a motion in a real Chromium: it is drawn, plays, is scrubbed; what is not drawn is not approved."""

from __future__ import annotations

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")

from test_browser import CHROMIUM, PATIENCE, Window, chromium, panel, pytestmark  # noqa: F401

if not pytestmark.args[0]:
    from panel_rig import PanelRig
    from playwright.sync_api import Browser, expect


@pytest.mark.requirement("SR-022")
@pytest.mark.redteam(55)
def test_what_waits_is_drawn_before_it_is_approved(panel: PanelRig, chromium: Browser) -> None:  # noqa: F811
    panel.cell.arm()
    window = Window(chromium, panel, color_scheme="light", viewport={"width": 1280, "height": 1500})
    page = window.login("bob")
    window.state("AUTO/HOLDING")

    def drawn() -> None:
        asked = panel.cell.waits(0.1, 2.0, "why:fetch the cup")
        card = page.locator(".card", has_text=f"{asked['id']}: planner").first
        expect(card.locator(".fact").first).to_contain_text("1 joint of 7 move, panda_joint1", timeout=PATIENCE)
        expect(card.get_by_role("button", name="PAUSE")).to_be_visible()
        window.picture("preview")

    panel.cell.steadily(drawn)
    assert window.complaints == []
