"""Pictures of the screens for docs/panel.md, into the directory that `PANEL_PICTURES` names.

What the panel hears is told by `Teller`, so that each screen is the same every time: no robot moves behind these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from browser_window import PATIENCE, PICTURES, Window
from playwright.sync_api import Browser, Locator, Page, expect
from preview_rig import WATCHED, Teller
from ros_rig import Rig, running_rig

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(PICTURES is None, reason="pictures are wanted where PANEL_PICTURES=DIRECTORY is given"),
]
WIDE, PHONE = {"width": 1024, "height": 768}, {"width": 390, "height": 844}
PEOPLE = [(-0.6, -0.3, 0.2), (-0.6, -0.3, 0.6), (-0.6, -0.3, 1.0)]
SESSION = "planner: cell_policy 1.2.0, supervised"
TOLD = {
    "agents": SESSION, "speed_scale": "1", "source": "", "tokens": "verified", "tool": "", "quarantined": "",
    "estop_line": "open", "enabling_switch": "released", "enables": "no", "people": "clear, 3 points",
    "next_step": "Nothing to do: the next good command moves the robot, a stream from where it stands.",
}  # fmt: skip


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running_rig(tmp_path_factory.mktemp("pictures")) as running:
        yield running


@pytest.fixture(scope="module")
def panda(rig: Rig) -> Iterator[Teller]:
    with closing(Teller(rig, "panda", "--jog", "joystick", **WATCHED)) as teller:
        teller.people = PEOPLE
        yield teller


class Camera:
    """One theme on one size of screen.

    Args:
        chromium: a real one.
        panda: what the panel hears.
        scheme: `light` or `dark`.
        phone: whether the screen is one.
    """

    def __init__(self, chromium: Browser, panda: Teller, scheme: str, phone: bool) -> None:
        size: dict[str, Any] = {"viewport": PHONE, "has_touch": True} if phone else {"viewport": WIDE}
        self.window = Window(chromium, panda, panda.port, color_scheme=scheme, **size)  # type: ignore[arg-type]
        self.page: Page = self.window.page
        self._panda, self._kind = panda, f"{scheme}{'_phone' if phone else ''}"

    def tells(self, state: str, **told: str) -> None:
        """Let the supervisor say so, and wait until the page shows it."""
        self._panda.speaks = True
        self._panda.told = TOLD | {"state": state} | told
        expect(self.page.locator(".banner .state, .state").first).to_contain_text(state, timeout=PATIENCE)

    def takes(self, name: str, top: Locator | None = None) -> None:
        """Take one picture, scrolled to where an element is the first below the bar; nothing sticks out sideways."""
        if top is not None:
            top.evaluate("one => window.scrollTo(0, one.getBoundingClientRect().top + scrollY - 110)")
        # Without a graphics card a picture that comes into sight takes its time.
        self.page.wait_for_timeout(2000 if self.page.locator("canvas").count() else 600)
        self.window.picture(f"{name}_{self._kind}")
        over = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, f"{name}_{self._kind} is {over} pixels too wide"


@pytest.fixture(params=[("light", False), ("dark", False), ("dark", True)])
def camera(request: pytest.FixtureRequest, chromium: Browser, panda: Teller) -> Camera:
    panda.forget()
    panda.speaks, panda.told = True, TOLD | {"state": "AUTO/HOLDING"}
    return Camera(chromium, panda, *request.param)


def test_the_state(camera: Camera, panda: Teller) -> None:
    page = camera.window.open("/login")
    camera.takes("login")
    camera.window.login("ada")
    camera.tells("AUTO/MOVING", source="planner", next_step="Nothing to do: the robot moves by itself.")
    camera.takes("running")
    camera.tells("AUTO/HOLDING")
    camera.takes("holding")
    camera.tells(
        "PROTECTIVE_STOP", cause="E_TRACKING", active_causes="", mode="none",
        next_step="Find out why the robot did not follow, then press RESET.",
    )  # fmt: skip
    page.get_by_role("button", name="RESET").click()
    camera.window.says("RESET: look at the robot, then sign")
    camera.takes("stopped")
    camera.tells(
        "EMERGENCY_STOP", cause="E_ESTOP", active_causes="E_ESTOP", mode="none", estop_line="open",
        next_step="Release the e-stop button, then press RESET.",
    )  # fmt: skip
    camera.takes("emergency")
    panda.speaks = False
    camera.window.says("Treat the robot as moving.")
    page.wait_for_timeout(1500)
    camera.takes("stale")
    panda.speaks = True
    camera.tells("AUTO/HOLDING")
    expect(page.locator("#lost")).to_be_hidden(timeout=PATIENCE)
    page.context.set_offline(True)
    page.evaluate("window.socket?.disconnect()")
    expect(page.locator("#lost")).to_be_visible(timeout=PATIENCE)
    camera.takes("no_connection")


def test_what_waits(camera: Camera, panda: Teller) -> None:
    page = camera.window.login("ada")
    camera.tells("AUTO/HOLDING")
    said = panda.ask("arm", {"panda_joint1": 0.9, "panda_joint2": 0.4})
    card = page.locator(".card", has_text=f"{said['id']}: planner").first
    expect(card.get_by_role("button", name="APPROVE")).to_be_enabled(timeout=PATIENCE)
    card.get_by_role("button", name="LEAST ROOM").click()
    card.get_by_label("Reason").fill("nobody is near the cabinet")
    camera.takes("waits", card)
    camera.takes("preview", card.locator(".fact").first)
    page.evaluate("window.scrollTo(0, 0)")
    camera.takes("waits_top")
    panda.forget()
    panda.ask("arm", {"panda_joint1": -0.6}, people="2", approved="bob", approval="pair")
    pair = page.locator(".card", has_text="asks for pair").first
    expect(pair.get_by_role("button", name="APPROVE")).to_be_enabled(timeout=PATIENCE)
    expect(page.locator(".card.gone")).to_have_count(0, timeout=PATIENCE)
    camera.takes("two_people", pair)
    panda.forget()
    page.get_by_role("button", name="SHOW THE ROBOT").click()
    expect(page.get_by_text("as measured; as commanded")).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(3000)
    camera.takes("robot", page.get_by_role("button", name="HIDE THE ROBOT"))


def test_hands(camera: Camera, panda: Teller) -> None:
    page = camera.window.login("ada")
    camera.tells(
        "RECOVERY",
        mode="none",
        cause="E_POSITION_LIMIT",
        next_step="Hold the hold-to-run button and move the robot back.",
    )
    expect(page.locator("#lost")).to_be_hidden(timeout=PATIENCE)
    button = page.locator("#hold")
    button.evaluate("one => window.scrollTo(0, one.getBoundingClientRect().top + scrollY - 300)")
    page.keyboard.down("h")
    expect(page.locator("#hold.pressed")).to_be_visible()
    camera.takes("hold")
    page.keyboard.up("h")
    camera.tells(
        "MANUAL", mode="manual", enabling_switch="middle", enables="yes",
        next_step="Hold the enabling switch in its middle and move the robot.",
    )  # fmt: skip
    expect(page.locator("fieldset.jog .row button").first).to_be_enabled(timeout=PATIENCE)
    camera.takes("jog", page.locator("#jog"))
    camera.tells("AUTO/HOLDING")
    page.get_by_role("button", name="GRANT", exact=True).click()
    page.locator("#acts").get_by_label("source").select_option("planner")
    camera.takes("acts", page.locator("#acts"))
    camera.takes("agents", page.locator("#agents"))


def test_what_has_happened(camera: Camera, panda: Teller) -> None:
    page = camera.window.login("ada")
    camera.tells("AUTO/MOVING", source="planner", next_step="Nothing to do: the robot moves by itself.")
    page.get_by_role("button", name="SHOW EVENTS").click()
    page.get_by_role("button", name="SHOW PLOTS").click()
    for number in range(60):
        panda.told |= {
            "distance_to_limit": f"{0.6 + 0.25 * math.sin(number / 7):.3f}",
            "speed_scale": "0.8" if 20 < number < 40 else "1",
            "cycle_p50_us": f"{210 + 9 * (number % 5)}", "cycle_p99_us": f"{320 + 25 * (number % 7)}",
            "lateness_p99_us": f"{60 + 12 * (number % 6)}",
        }  # fmt: skip
        panda.decide(source="planner", verdict="PASS", code="", id=f"c{number}")
        if number % 9 == 4:
            panda.decide(
                source="planner", verdict="REJECT", code="E_WORKSPACE", id=f"c{number}", rule="zones.cabinet",
                joint="panda_link6", value="0.0113", limit="0.0269", margin="0.0269", detail="panda_link6 - cabinet",
            )  # fmt: skip
        if number % 20 == 9:
            panda.decide(
                source="planner", verdict="LIMIT", code="E_VELOCITY", id=f"c{number}", value="1.1", limit="1.0"
            )
        page.wait_for_timeout(300)
    camera.takes("plots", page.locator("#plots"))
    page.get_by_role("button", name="HIDE PLOTS").click()
    camera.takes("events", page.locator("#events"))
    events = page.locator("#events")
    events.get_by_label("verdict").select_option("REJECT")
    link = events.locator("li a").first
    expect(link).to_contain_text("E_WORKSPACE", timeout=PATIENCE)
    where = link.get_attribute("href")
    assert where
    camera.window.open(where)
    camera.takes("event")


def test_without_scripts(camera: Camera, panda: Teller) -> None:
    camera.window.login("ada")
    camera.tells("AUTO/HOLDING")
    said = panda.ask("arm", {"panda_joint1": 0.9, "panda_joint2": 0.4})
    camera.window.says(f"{said['id']}: planner")
    camera.window.open("/plain")
    camera.takes("plain")
    camera.window.open(f"/plain/{said['id']}")
    camera.takes("plain_decide")
    camera.window.open("/rights")
    camera.takes("rights")
