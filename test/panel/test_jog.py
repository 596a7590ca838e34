"""Jog: a real Chromium, a panel, a supervisor in MANUAL, and the e-stop device at a pseudo-terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from approval_rig import ROLES
from browser_window import Window
from estop_line_rig import Bench, running_bench
from panel_rig import PASSWORDS, Browser, free_port, start_panel
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Locator, Page, expect
from ros_rig import JOINTS, Rig, merge, running_rig
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor.config import load_config
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.panel.key_box import Cost, write_new_box

pytestmark = [pytest.mark.requirement("SR-020"), pytest.mark.requirement("SR-021")]
MOTORS = "/panda_arm_controller/joint_trajectory"
TOPIC = "/supervisor/sources/joystick/joint_command"


class JogRig:
    """Cell, device, supervisor, panel; and what was sent to the motors."""

    def __init__(self, rig: Rig, bench: Bench) -> None:
        self.rig, self.bench, self.client = rig, bench, bench.client
        rig.cell()
        keys = rig.directory / "panel_keys"
        keys.mkdir()
        cost = Cost(64, 1, 1)
        public = {name: write_new_box(keys / f"{name}.panelkey", name, PASSWORDS[name], cost) for name in ROLES}
        people = {name: {"role": ROLES[name], "public_key": public[name]} for name in ROLES}
        bench.changes = merge(bench.changes, {"operators": {"people": people}})
        bench.connect()
        bench.start()
        self.file = rig.directory / "robot.yaml"
        self.port = free_port()
        given = ("--config", str(self.file), "--keys", str(keys))
        self.panel = start_panel(rig, self.port, *given, "--jog", "joystick")
        self._person = Browser(self.port)
        bench.settle()
        configuration = load_config(self.file)
        self.model = RobotModel(configuration.robot, configuration.geometry.bodies)
        self.sent: list[tuple[float, list[float]]] = []
        self.stamps: list[float] = []
        self.client.node.create_subscription(JointTrajectory, MOTORS, self._hear_motors, 50)

    def _hear_motors(self, message: Any) -> None:
        place = dict(zip(message.joint_names, message.points[0].positions, strict=True))
        self.sent.append((time.monotonic(), [place[joint] for joint in JOINTS]))
        self.stamps.append(message.header.stamp.sec + message.header.stamp.nanosec / 1e9)

    def manual(self, middle: bool = True) -> None:
        """Bring it to MANUAL, by a person and the device, from wherever; late cycles of a busy machine may stop it."""
        if not middle:
            self.bench.device.obey("enabling released")
            self.client.spin(1.0)
        for left in (3, 2, 1, 0):
            try:
                self._to_manual()
                break
            except AssertionError:
                if not left:
                    raise
        if middle:
            self.bench.device.obey("enabling middle")
            self.client.spin(0.2)
        self.forget()
        self.client.decisions.clear()

    def _to_manual(self) -> None:
        device, client = self.bench.device, self.client
        if client.state == "MANUAL":
            return
        device.obey("enabling released", "key manual")
        client.spin(0.3)
        if client.state == "EMERGENCY_STOP":
            self.bench.cycle()
        client.wait_state("LOCKED", "READY", timeout=20.0)
        person = self._person  # one for all tests: 16 are logged in at most
        if "Log in to act" in person.get("/plain").text:
            assert person.login("ada").status == 303
        for act, target, state in (("reset", "", "READY"), ("start", "manual", "MANUAL")):
            if client.state != state:
                answer = person.act(act, target)
                client.wait_for(lambda state=state: client.state == state, answer.text)

    def was_late(self) -> bool:
        """Whether a busy machine, not what is tested, has stopped the robot since it came to MANUAL."""
        busy = {"E_ESTOP_SILENT", "E_ESTOP_STALE", "E_ESTOP_LOST", "E_OVERRUN", "E_STATE_STALE", "E_LATE"}
        return bool(busy & {self.client.status["cause"], *self.client.codes()})

    def speeds(self) -> list[float]:
        """Return the speed of the fastest point of a link between set-points, by their stamps, [m/s]."""
        places = [self.model.frame_positions(np.array(pose)) for _, pose in self.sent]
        spans = [b - a for a, b in pairwise(self.stamps)]
        ways = [float(np.linalg.norm(b - a, axis=1).max()) for a, b in pairwise(places)]
        return [way / span for way, span in zip(ways, spans, strict=True)]

    def forget(self) -> None:
        self.sent.clear()
        self.stamps.clear()

    def rests(self, seconds: float = 0.4) -> bool:
        """Whether the motors are told one pose for a while."""
        self.client.spin(0.4)
        self.forget()
        self.client.spin(seconds)
        return len(self.sent) > 20 and all(pose == self.sent[0][1] for _, pose in self.sent)

    def moves(self, by: float = 0.004) -> None:
        """Wait until the motors are told to go so far."""
        first = max(0, len(self.sent) - 1)
        self.client.wait_for(
            lambda: len(self.sent) > first and max(np.abs(np.subtract(self.sent[-1][1], self.sent[first][1]))) > by,
            "motion",
        )

    def rest_after(self, moment: float) -> float:
        """Return how long after a moment the motors were told another pose last, [s]."""
        self.client.spin(0.6)
        changes = [b[0] for a, b in pairwise(self.sent) if a[1] != b[1]]
        return changes[-1] - moment


@pytest.fixture(scope="module")
def jog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JogRig]:
    with running_rig(tmp_path_factory.mktemp("jog")) as rig, running_bench(rig, relay_effect="none") as bench:
        yield JogRig(rig, bench)
        bench.end()


@pytest.fixture
def window(jog: JogRig, chromium: Chromium) -> Window:
    opened = Window(chromium, jog, jog.port)  # type: ignore[arg-type]
    opened.login("ada")
    return opened


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def up_down(page: Page) -> Locator:
    """Return one of the buttons; the driver does not see that a whole fieldset is disabled."""
    return page.locator("fieldset.jog .row button").first


def ready(jog: JogRig, page: Page) -> None:
    expect(up_down(page)).to_be_enabled(timeout=5_000)
    jog.client.spin(0.3)


def hold(page: Page, one: Locator) -> None:
    one.scroll_into_view_if_needed()
    one.hover()
    page.mouse.down()


def choose(page: Page, label: str) -> None:
    page.get_by_role("radio", name=label).check()


def steadily(jog: JogRig, page: Page, phase: Callable[[], None]) -> None:
    """Do it in MANUAL; and again where late cycles of a busy machine, not what is tested, have stopped the robot."""
    for left in (3, 2, 1, 0):
        jog.manual()
        try:
            ready(jog, page)
            jog.forget()
            return phase()
        except AssertionError:
            if not left or not jog.was_late():
                raise
        finally:
            page.mouse.up()
            page.keyboard.up("Enter")


@pytest.mark.long
def test_a_joint_the_tool_and_a_step(jog: JogRig, window: Window) -> None:
    """Pressed it moves, let go it rests; nothing is refused, nothing is faster than the slider says."""
    page = window.page
    one, up = button(page, "panda_joint1 minus"), button(page, "panda_hand_tcp Z plus")
    hand = jog.model.frame_names.index("panda_hand_tcp")

    def shift() -> Any:
        first, last = (jog.model.frame_positions(np.array(jog.sent[index][1]))[hand] for index in (0, -1))
        return last - first

    def passed() -> None:
        told = [told for told in jog.client.decisions if told["source"] == "joystick"]
        assert {told["verdict"] for told in told} == {"PASS"}
        assert all(told["id"].startswith("jog-ada-") for told in told)

    def joint() -> None:
        hold(page, one)
        jog.moves()
        jog.client.spin(0.3)
        released = time.monotonic()
        page.mouse.up()
        rest = jog.rest_after(released)
        print(f"joint: from release to rest {rest * 1e3:.0f} ms")
        assert 0.0 < rest < 0.45
        assert 0.03 < max(jog.speeds()) <= 0.05
        moved = np.subtract(jog.sent[-1][1], jog.sent[0][1])
        assert moved[0] < -0.01
        assert not moved[1:].any()
        passed()

    def tool() -> None:
        """Along z of the base, by a key."""
        up.focus()
        page.keyboard.down("Enter")
        jog.moves()
        jog.client.spin(0.4)
        released = time.monotonic()
        page.keyboard.up("Enter")
        rest = jog.rest_after(released)
        print(f"tool: from release to rest {rest * 1e3:.0f} ms")
        assert 0.0 < rest < 0.45
        assert shift()[2] > 0.01
        assert np.abs(shift()[:2]).max() < 1e-3
        assert max(jog.speeds()) <= 0.05
        passed()

    def step() -> None:
        """It ends by itself, though it is held."""
        choose(page, "5 mm or 2°")
        hold(page, up)
        jog.client.wait_for(lambda: "the step is done" in page.locator("#jog").inner_text(), "the end of the step")
        jog.client.spin(0.3)  # what was sent last is played
        np.testing.assert_allclose(shift(), [0.0, 0.0, 5e-3], atol=1e-4)
        passed()

    def switch() -> None:
        """The enabling switch, let go: a stop, and jog is dead."""
        choose(page, "continuous")
        hold(page, one)
        jog.moves()
        jog.bench.device.obey("enabling released")
        jog.client.wait_state("LOCKED")
        expect(up_down(page)).to_be_disabled(timeout=5_000)
        window.says("No jog in LOCKED")
        assert jog.rests()

    for phase in (joint, tool, step, switch):
        steadily(jog, page, phase)
    assert not window.complaints


def begin(jog: JogRig, page: Page) -> None:
    """Press, and see it move; a busy machine may stop it before."""
    for left in (2, 1, 0):
        jog.manual()
        try:
            ready(jog, page)
            jog.forget()
            hold(page, button(page, "panda_joint1 plus" if jog.client.pose()[0] < 0.0 else "panda_joint1 minus"))
            return jog.moves()
        except AssertionError as error:
            page.mouse.up()
            jog.client.spin(0.3)
            if not left or not jog.was_late():
                raise AssertionError(f"{jog.client.status} {page.locator('#jog').inner_text()[:300]}") from error


@pytest.mark.long
@pytest.mark.redteam(53)
@pytest.mark.parametrize("how", ["moved off", "hidden", "blur", "closed", "offline", "frozen panel", "space bar"])
def test_whatever_takes_the_hand_away_ends_it(jog: JogRig, window: Window, how: str) -> None:
    page = window.page
    begin(jog, page)
    if how == "moved off":
        page.mouse.move(5, 5)
    elif how == "hidden":
        page.evaluate(
            "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true}); "
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
    elif how == "blur":
        page.evaluate("window.dispatchEvent(new Event('blur'))")
    elif how == "closed":
        page.close()
    elif how == "offline":
        page.evaluate("window.socket?.disconnect()")
    elif how == "space bar":
        page.keyboard.press(" ")
    else:
        import signal

        jog.panel.send(signal.SIGSTOP)
    began = time.monotonic()
    rest = jog.rest_after(began)
    print(f"{how}: rest after {rest * 1e3:.0f} ms")
    assert rest < 0.6
    assert jog.rests()
    if how == "frozen panel":
        jog.panel.send(signal.SIGCONT)
    elif how == "space bar":
        jog.client.wait_state("LOCKED", "PROTECTIVE_STOP")
    assert max(jog.speeds(), default=0.0) <= 0.25


@pytest.mark.long
def test_what_is_wrong_is_said_and_moves_nothing(jog: JogRig, window: Window, chromium: Chromium) -> None:
    page = window.page
    jog.manual()
    ready(jog, page)

    def forged(detail: str, words: str, kind: str = "held") -> None:
        page.evaluate(f"document.getElementById('jog').dispatchEvent(new CustomEvent('{kind}', {{detail: {detail}}}))")
        window.says(words)

    good = "Date.now(), 1, 'j', 0, 0, 1, 0, false"
    forged(f"[{good}, 251]", "10 to 250 mm/s fast, not 251")
    forged(f"[{good}, 1e9]", "10 to 250 mm/s fast, not 1e+09")
    forged(f"[{good}, 'x']", "the speed is not a number")
    forged(f"[{good}, NaN]", "the speed is not a number")
    forged("[Date.now(), 1, 'j', 99, 0, 1, 0, false, 50]", "there is no such joint")
    forged("[Date.now(), 1, 't', 0, 6, 1, 0, false, 50]", "there is no such axis")
    forged("{a: 1}", "is no jog: nothing moves")
    # Beats that name no number of the panel prove nothing.
    page.evaluate(
        "window.forged = Date.now(); "
        "window.forger = setInterval(() => document.getElementById('jog').dispatchEvent(new CustomEvent('held', "
        "{detail: [window.forged, 999999, 'j', 0, 0, 1, 0, false, 50]})), 50)"
    )
    assert jog.rests()
    page.evaluate("clearInterval(window.forger)")
    jog.client.spin(0.5)

    # Two at once, and what is asked changes meanwhile.
    begin(jog, page)
    other = button(page, "panda_joint2 plus")
    other.focus()
    page.keyboard.down("Enter")
    window.says("two buttons at once")
    page.mouse.up()
    page.keyboard.up("Enter")
    assert jog.rests()
    begin(jog, page)
    page.evaluate("document.getElementById('jogspeed').value = 200")
    window.says("what is asked for has changed")
    page.mouse.up()
    page.evaluate("document.getElementById('jogspeed').value = 50")
    assert jog.rests()

    # Another page; one has it.
    second = Window(chromium, jog, jog.port)  # type: ignore[arg-type]
    second.login("bob")
    begin(jog, page)
    second.says("ada jogs the robot on another page now")
    expect(up_down(second.page)).to_be_disabled()
    page.bring_to_front()
    page.mouse.up()
    assert jog.rests()
    third = Window(chromium, jog, jog.port)  # type: ignore[arg-type]
    third.login("eve")
    expect(third.page.locator("#jog")).to_be_hidden()


@pytest.mark.long
def test_refusals_are_shown_and_a_second_publisher_voids_it(jog: JogRig, window: Window) -> None:
    page = window.page
    page.bring_to_front()
    # The switch is told before anybody presses; and what the panel lets through all the same the supervisor refuses.
    jog.manual(middle=False)
    window.says("No jog yet. The enabling switch is released. Hold its middle.")
    expect(up_down(page)).to_be_disabled()
    jog.bench.device.obey("enabling panicked")
    jog.client.spin(0.5)
    window.says("The enabling switch is pressed through. Release it fully, then hold its middle.")
    jog.manual()
    ready(jog, page)
    assert jog.rests()
    node = jog.client.node
    stranger = node.create_publisher(JointState, TOPIC, 1)
    try:
        window.says("the panel has to be the only one")
        expect(up_down(page)).to_be_disabled()
    finally:
        node.destroy_publisher(stranger)
