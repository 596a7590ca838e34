"""A full disk and a clock that jumps on the panel's machine, and a node that starts anew while a button is held."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from browser_window import PATIENCE, Window, approve
from panel_rig import PanelRig
from playwright.sync_api import Browser, Page, expect
from ros_rig import STREAM, running_rig
from small_disk import small_disk_at
from std_msgs.msg import String

pytestmark = pytest.mark.long
HOUR = 3600.0
CLOCK = """
import os, time
_time, _ns = time.time, time.time_ns
def _jump():
    try:
        return float(open(os.environ["TEST_WALL_CLOCK"]).read() or 0.0)
    except OSError:
        return 0.0
time.time = lambda: _time() + _jump()
time.time_ns = lambda: _ns() + int(_jump() * 1e9)
"""
"""Read by every Python that starts with it on its path: its wall clock is as far off as a file says, [s]."""


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelRig]:
    """What one person approves moves only while somebody holds the button."""
    with running_rig(tmp_path_factory.mktemp("held")) as rig:
        yield PanelRig(rig, policy={"hold_kinds": ["zone"]})


@pytest.fixture
def panel(held: PanelRig) -> PanelRig:
    held.make_ready()
    held.cell.arm()
    return held


@pytest.fixture
def window(chromium: Browser, panel: PanelRig) -> Window:
    window = Window(chromium, panel)
    window.login("ada")
    return window


class Beats:
    """What the panel signs of a held button."""

    def __init__(self, panel: PanelRig) -> None:
        self.client, self._heard = panel.cell.client, 0
        self.client.node.create_subscription(String, "/supervisor/hold", self._hear, STREAM)

    def _hear(self, _: String) -> None:
        self._heard += 1

    def wait(self) -> None:
        self._heard = 0
        self.client.wait_for(lambda: self._heard > 8, "beats come", 20.0)

    def press(self, page: Page) -> None:
        """Hold the key; again where a busy machine has covered the page, which is a release."""
        for left in (2, 1, 0):
            expect(page.locator("#lost")).to_be_hidden(timeout=PATIENCE)
            page.keyboard.up("h")
            page.keyboard.down("h")
            try:
                self.wait()
                return
            except AssertionError:
                if not left:
                    raise

    def end(self) -> None:
        """Two may have been on their way."""
        self.client.spin(0.5)
        self._heard = 0
        self.client.spin(1.0)
        assert self._heard == 0


def approved_under(
    panel: PanelRig, window: Window, source: str, by: float = 0.36, seconds: float = 6.0
) -> dict[str, str]:
    """Let a command be approved while the key is down; return it when the robot moves."""
    cell, page = panel.cell, window.page
    cell.speak_as(source)
    asked = cell.waits(by, seconds)
    card = page.locator(".card", has_text=f"{asked['id']}: ")
    button = card.get_by_role("button", name="APPROVE")
    card.get_by_label("Reason").fill("I see the cell")
    button.focus()
    expect(button).to_be_enabled(timeout=PATIENCE)
    begin = cell.client.pose()[0]
    approve(page, card, asked["id"])
    cell.client.wait_for(lambda: abs(cell.client.measured[0] - begin) > 0.02, "it moves while held", 10.0)
    return asked


@pytest.mark.redteam(53)
@pytest.mark.redteam(20)
def test_a_node_that_starts_anew_while_a_button_is_held_moves_nothing_until_it_is_pressed_again(
    panel: PanelRig, window: Window
) -> None:
    cell, page, beats = panel.cell, window.page, Beats(panel)

    def killed() -> None:
        beats.press(page)
        approved_under(panel, window, "planner")
        panel.rig.kill(cell.supervisor)

    cell.steadily(killed)
    window.says("? UNKNOWN")
    window.says("Let go, then press again")
    expect(page.locator("#hold")).not_to_contain_text("HELD")
    beats.end()
    page.keyboard.down("h")  # a key that stays down repeats itself
    panel.make_ready()
    window.state("AUTO/HOLDING")
    expect(page.locator("#lost")).to_be_hidden(timeout=PATIENCE)
    expect(page.get_by_role("button", name="MODE MANUAL")).to_be_visible(timeout=40_000)  # two tell a status until then
    beats.end()
    assert cell.rests_at(cell.client.pose())
    beats.press(page)
    expect(page.locator("#hold")).to_contain_text("HELD", timeout=PATIENCE)

    def played() -> None:
        cell.played(approved_under(panel, window, "painter", -0.1, 2.0))

    cell.steadily(played)
    page.keyboard.up("h")
    beats.end()


@pytest.mark.redteam(53)
@pytest.mark.redteam(39)
def test_a_clock_that_jumps_ends_no_hold_no_login_and_no_act_and_a_refused_hold_is_told(
    panel: PanelRig, chromium: Browser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    monkeypatch.setenv("TEST_WALL_CLOCK", str(clock))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    panel.rig.kill(panel.panel)
    panel.panel = panel.start(panel.port)
    cell, window, beats = panel.cell, Window(chromium, panel), Beats(panel)
    page = window.login("ada")

    def jumped() -> None:
        beats.press(page)
        asked = approved_under(panel, window, "planner")
        for jump in (HOUR, -HOUR, 0.0, 24 * HOUR):
            clock.write_text(str(jump))
            cell.client.spin(0.7)
        cell.played(asked)
        assert cell.client.state == "AUTO/HOLDING"
        page.keyboard.up("h")

    cell.steadily(jumped)
    expect(page.locator("#lost")).to_be_hidden()
    window.says("logged in: ada")
    plain = panel.browser()
    assert "the supervisor answered" in plain.ask("POST", "/stop").text
    cell.client.wait_state("LOCKED", timeout=20.0)
    plain.login("bob")
    for jump in (-24 * HOUR, 24 * HOUR):
        clock.write_text(str(jump))
        assert "reset: done" in plain.act("reset").text
        cell.client.wait_state("READY")
        assert "the supervisor answered" in plain.ask("POST", "/stop").text
        cell.client.wait_state("LOCKED", timeout=20.0)
    # A panel that is started behind its own clock of before: its beats are older than those that counted.
    beats.press(page)
    page.keyboard.up("h")
    panel.rig.kill(panel.panel)
    clock.write_text("0")
    panel.panel = panel.start(panel.port)
    page = window.login("ada")
    beats.press(page)
    began = time.monotonic()
    window.says("the supervisor refuses it: REJECT E_TOKEN_COUNT")
    expect(page.locator("#hold")).not_to_contain_text("HELD")
    page.keyboard.up("h")
    cell.client.spin(max(0.0, 42.0 - (time.monotonic() - began)))
    cell.arm()
    beats.press(page)
    cell.steadily(lambda: cell.played(approved_under(panel, window, "painter", -0.1, 2.0)))
    page.keyboard.up("h")


@pytest.mark.redteam(20)
@pytest.mark.redteam(39)
@pytest.mark.requirement("SR-042")
def test_a_full_disk_of_the_panels_machine_holds_back_no_stop_no_act_and_no_login(
    panel: PanelRig, tmp_path: Path
) -> None:
    """Its words go there, too; when there is room again heads are kept again."""
    cell = panel.cell
    with small_disk_at(tmp_path / "disk", "128k") as place:
        panel.rig.kill(panel.panel)
        heads, words = place / "heads" / "panda.heads", os.open(place / "words", os.O_WRONLY | os.O_CREAT)
        panel.panel = panel.start(panel.port, "--heads", str(heads.parent), sink=words)
        os.close(words)
        cell.client.wait_for(heads.exists, "a head is kept", 20.0)
        full_of = place / "ballast"
        with full_of.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(b"x" * 1024)

        def decided(sources: tuple[str, ...]) -> None:
            browser = panel.browser()
            assert browser.login("ada").status == 303
            for source in sources:
                cell.speak_as(source)
                name = cell.waits(0.05, 2.0)["id"]
                browser.wait("DENY", f"/plain/{name}")
                assert f"deny {name}: done" in browser.act("deny", name, f"/plain/{name}").text

        cell.steadily(lambda: decided(("planner",)))
        assert "the supervisor answered" in panel.browser().ask("POST", "/stop").text
        cell.client.wait_state("LOCKED", timeout=20.0)
        cell.arm()
        with pytest.raises(OSError, match="No space left"):
            (place / "more").write_bytes(b"x" * 8192)
        sequences(heads)  # what has found room is whole
        # It is no obstacle to a new start, either.
        panel.rig.kill(panel.panel)
        panel.panel = panel.start(panel.port, "--heads", str(heads.parent))
        panel.browser().wait("AUTO")  # it has found the supervisor
        assert "the supervisor answered" in panel.browser().ask("POST", "/stop").text
        cell.client.wait_state("LOCKED", timeout=20.0)
        cell.arm()
        before = sequences(heads)[-1]
        full_of.unlink()
        assert panel.browser().ask("POST", "/stop").status == 200
        cell.client.wait_for(lambda: sequences(heads)[-1] > before, "heads are kept again", 90.0)
        panel.rig.kill(panel.panel)
        panel.panel = panel.start(panel.port)


def sequences(heads: Path) -> list[int]:
    """Read a file of heads, all of it."""
    return [json.loads(line)["sequence"] for line in heads.read_text(encoding="ascii").splitlines()]
