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
from std_msgs.msg import String

FILM = os.environ.get("PANEL_FILM")
_SIZE = {"width": 720, "height": 900}
_COLOURS = 96
_BY, _SECONDS = 0.35, 8.0  # of joint 1, [rad], [s]: slow enough for one person to decide (`panel_rig.PROGRAM`)


class Film:
    """What the window shows, as long as somebody wants to see it: `PANEL_FILM` names the GIF."""

    def __init__(self, page: Page) -> None:
        self._page, self._frames = page, list[tuple[Image.Image, float]]()
        self._first = 0

    def look(self, shown: float) -> None:
        """Take one picture, to be shown for so long, [s]."""
        if FILM:
            self._frames.append((Image.open(io.BytesIO(self._page.screenshot())).convert("RGB"), shown))

    def begin(self, shown: float) -> None:
        """Take one that stays, whatever is filmed again behind it."""
        self.look(shown)
        self._first = len(self._frames)

    def again(self) -> None:
        """Forget what came behind the beginning."""
        del self._frames[self._first :]

    def run(self, seconds: float) -> None:
        """Film what moves."""
        ends = time.monotonic() + seconds
        while (begin := time.monotonic()) < ends:
            self.look(0.0)
            self._page.wait_for_timeout(250)
            if self._frames:
                self._frames[-1] = self._frames[-1][0], time.monotonic() - begin

    def write(self) -> None:
        if not self._frames:
            return
        assert FILM
        chosen = [picture for picture, _ in self._frames[:: max(1, len(self._frames) // 6)]]
        both = Image.new("RGB", (chosen[0].width, chosen[0].height * len(chosen)))
        for place, picture in enumerate(chosen):
            both.paste(picture, (0, place * picture.height))
        palette = both.quantize(_COLOURS)
        first, *rest = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one, _ in self._frames]
        times = [round(1000 * shown) for _, shown in self._frames]
        first.save(FILM, save_all=True, append_images=rest, duration=times, loop=0, optimize=True)


def tab_to(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Press Tab until the focus is there."""
    for _ in range(100):
        if wanted.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} never leads there")


@pytest.mark.long
@pytest.mark.redteam(20)
def test_from_request_to_motion_with_the_keyboard_alone(panel: PanelRig, chromium: Browser) -> None:
    """The simulated robot's true motion judges: it rests until APPROVE is pressed, then it goes where it was asked."""
    panel.cell.arm()
    client = panel.cell.client
    mark = client.publisher(String, "/sim_cell/mark", 10)
    client.wait_for(mark.get_subscription_count, "the cell hears marks")
    window = Window(chromium, panel, color_scheme="light", viewport=_SIZE)
    page = window.open("/login")
    film = Film(page)
    name, password = page.locator("input[name=name]"), page.locator("input[name=password]")
    tab_to(page, name)
    page.keyboard.type("ada")
    tab_to(page, password)
    page.keyboard.type(PASSWORDS["ada"])
    film.begin(2.0)
    page.keyboard.press("Enter")
    window.says("logged in: ada")
    window.state("AUTO/HOLDING")

    def approved() -> None:
        film.again()
        film.look(1.5)
        mark.publish(String(data="asked"))
        asked = panel.cell.waits(_BY, _SECONDS, "why:put the cup on the other side")
        goal = client.pose()[0] + _BY
        card = page.locator(".card", has_text=f"{asked['id']}: planner").first
        approve = card.get_by_role("button", name="APPROVE")
        expect(approve).to_be_enabled(timeout=PATIENCE)  # its motion is drawn
        slider = card.get_by_role("slider")
        tab_to(page, slider)
        page.keyboard.press("Home")
        for _ in range(6):
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(200)
            film.look(0.25)
        expect(card.locator(".caption")).to_contain_text("s of 8.00 s")
        assert slider.get_attribute("aria-valuetext") == card.locator(".caption").inner_text().split(" of")[0]
        tab_to(page, card.get_by_role("button", name="PLAY"))
        page.keyboard.press("Enter")
        film.run(3.0)
        tab_to(page, card.get_by_label("Reason"), "Shift+Tab")
        page.keyboard.type("nobody is in the cell")
        film.look(1.5)
        settled(page)
        client.spin(0.1)
        tab_to(page, approve)
        film.look(1.0)
        mark.publish(String(data="approved"))
        page.keyboard.press("Enter")
        window.says(f"approve {asked['id']}: done")
        film.run(4.0)
        panel.cell.played(asked)
        client.spin(0.5)
        film.look(2.0)
        acts = panel.rig.report(client)["acts"]
        assert [act["name"] for act in acts[-2:]] == ["asked", "approved"]
        assert [act["moved"] for act in acts[-2:]] == [False, True]
        assert acts[-1]["end_pose"][0] == pytest.approx(goal, abs=0.005)

    panel.cell.steadily(approved)
    assert window.complaints == []
    film.write()
