"""An intervention from request to motion by a person with the keyboard alone; `PANEL_FILM=FILE.gif` films it.

No mouse, no script of the test presses anything: keys go to the browser, and the focus is where Tab has led it.
"""

from __future__ import annotations

import io
import os
import time

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from browser_window import PATIENCE, Window, settled
from panel_rig import PASSWORDS, PanelRig
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

FILM = os.environ.get("PANEL_FILM")
_SIZE = (768, 576)
_COLOURS = 64


class Film:
    """What the window shows, as long as somebody wants to see it."""

    def __init__(self, page: Page) -> None:
        self._page, self._frames = page, list[tuple[Image.Image, float]]()

    def look(self, shown: float) -> None:
        """Take one picture, to be shown for so long, [s]."""
        if FILM:
            picture = Image.open(io.BytesIO(self._page.screenshot())).convert("RGB")
            self._frames.append((picture.resize(_SIZE, Image.Resampling.LANCZOS), shown))

    def run(self, seconds: float) -> None:
        """Film what moves."""
        ends = time.monotonic() + seconds
        while (begin := time.monotonic()) < ends:
            self.look(0.0)
            self._page.wait_for_timeout(100)
            if self._frames:
                self._frames[-1] = self._frames[-1][0], time.monotonic() - begin

    def write(self) -> None:
        if not self._frames:
            return
        assert FILM
        palette = self._frames[len(self._frames) // 2][0].quantize(_COLOURS)
        first, *rest = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one, _ in self._frames]
        times = [round(1000 * shown) for _, shown in self._frames]
        first.save(FILM, save_all=True, append_images=rest, duration=times, loop=0, optimize=True)


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is there."""
    for _ in range(150):
        if wanted.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("Tab never leads there")


@pytest.mark.long
@pytest.mark.redteam(20)
def test_from_request_to_motion_with_the_keyboard_alone(panel: PanelRig, chromium: Browser) -> None:
    panel.cell.arm()
    window = Window(chromium, panel, color_scheme="light")
    page = window.open("/login")
    film = Film(page)
    name, password = page.locator("input[name=name]"), page.locator("input[name=password]")
    tab_to(page, name)
    page.keyboard.type("ada")
    tab_to(page, password)
    page.keyboard.type(PASSWORDS["ada"])
    film.look(1.0)
    page.keyboard.press("Enter")
    window.says("logged in: ada")
    window.state("AUTO/HOLDING")

    def approved() -> None:
        film.look(1.5)
        before = panel.cell.client.pose()
        asked = panel.cell.waits(0.35, 5.0, "why:put the cup on the other side")
        card = page.locator(".card", has_text=f"{asked['id']}: planner").first
        expect(card.get_by_role("button", name="APPROVE")).to_be_enabled(timeout=PATIENCE)  # its motion is drawn
        tab_to(page, card.get_by_label("Reason"))
        film.run(5.0)
        page.keyboard.type("nobody is in the cell")
        film.look(1.0)
        settled(page)
        tab_to(page, card.get_by_role("button", name="APPROVE"))
        film.look(1.0)
        assert max(abs(a - b) for a, b in zip(panel.cell.client.pose(), before, strict=True)) < 0.005
        page.keyboard.press("Enter")
        window.says(f"approve {asked['id']}: done")
        film.run(3.0)
        panel.cell.played(asked)
        panel.cell.client.spin(0.5)
        assert panel.cell.client.pose()[0] == pytest.approx(before[0] + 0.35, abs=0.01)
        film.run(1.0)

    panel.cell.steadily(approved)
    assert window.complaints == []
    film.write()
