"""A tool, a stage, a cleared fault, and a jog out of a violation: by a real Chromium and panel, on a real node."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from approval_rig import ROLES
from browser_window import PATIENCE, Window
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from panel_rig import PASSWORDS, free_port, start_panel
from playwright.sync_api import Browser, Locator, Page, expect
from ros_rig import JOINTS, Client, Process, Rig, merge, running_rig
from token_rig import Holder
from trajectory_msgs.msg import JointTrajectory
from two_tools import PRIVATE_KEY, PUBLIC_KEY, TOOLS

from safety_supervisor.panel.key_box import Cost, write_new_box
from safety_supervisor.tokens.agent_session import FORM
from safety_supervisor.tokens.claims import SessionClaims
from safety_supervisor.tokens.signed_act import sign

pytestmark = pytest.mark.long
MOTORS = "/panda_arm_controller/joint_trajectory"
SHA = "ab" * 32
MAINTAINER = {"mia": "mia has a long password"}
OUTSIDE = {"envelope": {"joints": {JOINTS[0]: {"lower": 0.03}}}, "robot": {"start": {JOINTS[0]: 0.3}}}
"""The cell's robot begins at 0."""


class Maintained:
    """A cell, a supervisor whose agent names its model and whose robot has tools, people with keys, and a panel."""

    def __init__(self, rig: Rig, *given: str, **changes: Any) -> None:
        self.rig = rig
        rig.cell()
        self.client: Client = rig.client()
        keys = rig.directory / "panel_keys"
        keys.mkdir()
        roles, passwords = ROLES | {"mia": "maintainer"}, PASSWORDS | MAINTAINER
        public = {
            name: write_new_box(keys / f"{name}.panelkey", name, passwords[name], Cost(64, 1, 1)) for name in roles
        }
        people = {name: {"role": roles[name], "public_key": public[name]} for name in roles}
        model = {"name": "cell_policy", "version": "1.2.0", "sha256": SHA, "stage": "approve_each"}
        settings = {
            "operators": {"unsigned_services": True, "people": people}, "timing": {"idle": 600.0},
            "tools": TOOLS, "robot": {"payload": 1.0},
            "sources": {"planner": {"public_key": PUBLIC_KEY, "models": [model]}},
        }  # fmt: skip
        self.supervisor: Process = rig.supervisor(**merge(settings, changes))
        self.client.wait_state("LOCKED", "PROTECTIVE_STOP", timeout=60.0)
        self.port = free_port()
        file = str(rig.directory / "robot.yaml")
        self.panel = start_panel(rig, self.port, "--config", file, "--keys", str(keys), *given)

    def window(self, chromium: Browser, name: str) -> Window:
        """Open a window in which somebody is logged in."""
        window = Window(chromium, self, self.port)  # type: ignore[arg-type]
        page = window.open("/login")
        page.fill("input[name=name]", name)
        page.fill("input[name=password]", (PASSWORDS | MAINTAINER)[name])
        page.click("form.login button")
        window.says(f"logged in: {name}")
        return window

    def told(self, key: str, value: str) -> None:
        self.client.wait_for(lambda: self.client.status.get(key) == value, f"{key} is {value}", 20.0)


def further(window: Window, act: str, reason: str = "", **chosen: str) -> None:
    """Do one of the further acts, as a person does who has looked."""
    acts = window.page.locator("#acts")
    acts.get_by_role("button", name=act, exact=True).click()
    for label, value in chosen.items():
        acts.get_by_label(label).select_option(value)
    if reason:
        acts.get_by_label("Reason").fill(reason)
    sign = acts.get_by_role("button", name="SIGN IT")
    expect(sign).to_be_enabled(timeout=PATIENCE)
    sign.click()


@pytest.fixture
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running_rig(tmp_path_factory.mktemp("maintained")) as running:
        yield running


@pytest.mark.requirement("SR-026")
def test_a_tool_a_stage_and_a_fault(rig: Rig, chromium: Browser) -> None:
    """Each is refused once, with its reason, and done once, and its effect is told by the supervisor itself."""
    cell = Maintained(rig)
    client = cell.client
    agent = Holder(client)
    bob = cell.window(chromium, "bob")

    # A tool, in LOCKED; one that it carries already is no act.
    cell.told("tool", "")
    further(bob, "TELL THE TOOL", tool="gripper")
    bob.says("tool gripper: done")
    cell.told("tool", "gripper")
    bob.says("gripper")
    further(bob, "TELL THE TOOL", tool="(nothing)")
    bob.says("tool: done")
    cell.told("tool", "")

    # A stage: of nobody, then of the model that has introduced itself.
    further(bob, "GIVE A STAGE", "it did well", agent="planner", stage="supervised")
    bob.says("promote planner supervised: REFUSED - E_ACT_TARGET no agent has introduced itself at planner")
    assert client.status["agents"] == "planner: no session"
    publisher = client.trajectory_publisher()
    client.wait_for(publisher.get_subscription_count, "the supervisor hears the trajectory's publisher")
    client.spin(1.0)
    jti = secrets.token_hex(8)
    session = SessionClaims(
        iss="planner", sub="test", aud="panda", nonce=client.status["nonce"], jti=jti, iat=1, exp=2,
        model="cell_policy", version="1.2.0", model_sha256=SHA, contract=1, groups=("arm",), reason="a test",
    )  # fmt: skip
    agent.send(sign(Ed25519PrivateKey.from_private_bytes(PRIVATE_KEY), FORM, session))
    answer = agent.wait(lambda answer: answer["jti"] == jti)
    assert answer["ok"], answer
    cell.told("agents", "planner: cell_policy 1.2.0, approve_each")
    further(bob, "GIVE A STAGE", "it did well", agent="planner", stage="supervised")
    bob.says("promote planner supervised: done")
    cell.told("agents", "planner: cell_policy 1.2.0, supervised")
    expect(bob.page.locator("#agents")).to_contain_text("supervised", timeout=PATIENCE)

    # A fault: a second publisher to the motors. Nobody but a maintainer clears it, and not while its reason lasts.
    mia = cell.window(chromium, "mia")
    further(mia, "CLEAR A FAULT", "it looks well")
    mia.says("maintainer: REFUSED - E_ACT_STATE")
    client.arm()
    intruder = rig.client("intruder")
    rogue = intruder.publisher(JointTrajectory, MOTORS, 1)
    client.wait_state("FAULT", timeout=30.0)
    expect(bob.page.get_by_role("button", name="CLEAR A FAULT")).to_be_hidden()
    bob.says("FAULT")
    mia.says("FAULT")
    further(mia, "CLEAR A FAULT", "it looks well")
    mia.says("maintainer: ")
    intruder.node.destroy_publisher(rogue)
    client.spin(1.0)

    def cleared() -> bool:
        if client.state == "FAULT":
            further(mia, "CLEAR A FAULT", "the second publisher is gone")
            client.spin(2.0)
        return client.state != "FAULT"

    client.wait_for(cleared, "the fault is cleared", 40.0)
    client.wait_state("LOCKED", "EMERGENCY_STOP", timeout=30.0)
    assert not bob.complaints
    assert not mia.complaints


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


@pytest.mark.requirement("SR-020")
@pytest.mark.requirement("SR-021")
@pytest.mark.redteam(43)
def test_a_robot_outside_a_limit_is_jogged_back_slowly_and_no_farther_out(rig: Rig, chromium: Browser) -> None:
    cell = Maintained(rig, "--jog", "joystick", **OUTSIDE)
    client = cell.client
    window = cell.window(chromium, "ada")
    page = window.page
    sent: list[tuple[float, float, float]] = []

    def hear(message: Any) -> None:
        stamp = message.header.stamp.sec + message.header.stamp.nanosec / 1e9
        place = message.points[0].positions[message.joint_names.index(JOINTS[0])]
        sent.append((time.monotonic(), stamp, place))

    client.node.create_subscription(JointTrajectory, MOTORS, hear, 50)

    def recovery() -> None:
        if client.state != "RECOVERY":
            client.wait_state("LOCKED", "PROTECTIVE_STOP", timeout=20.0)
            client.spin(0.5)
            page.get_by_role("button", name="RECOVER").click()
            button(page, "SIGN").click()
            client.wait_state("RECOVERY")
        expect(page.locator("fieldset.jog .row button").first).to_be_enabled(timeout=PATIENCE)
        client.spin(0.3)
        sent.clear()
        client.decisions.clear()

    def steadily(phase: Callable[[], None]) -> None:
        for left in (3, 2, 1, 0):
            try:
                recovery()
                return phase()
            except AssertionError as error:
                if not left or not {"E_OVERRUN", "E_STATE_STALE", "E_LATE", "E_HOLD_TO_RUN"} & {
                    client.status["cause"],
                    *client.codes(),
                }:
                    raise AssertionError(f"{error} {client.status['cause']} {client.codes()}") from error
            finally:
                page.mouse.up()

    def press(name: str) -> None:
        one = button(page, name)
        one.scroll_into_view_if_needed()
        one.hover()
        page.mouse.down()

    def outward() -> None:
        """Farther out of the limit: the panel does not even ask, and nothing has moved."""
        here = client.pose()[0]
        press(f"{JOINTS[0]} minus")
        window.says(f"{JOINTS[0]} is at its limit in this direction")
        page.mouse.up()
        client.spin(0.5)
        assert client.pose()[0] > here - 2e-3
        least = min(place for _, _, place in sent) - sent[0][2]
        assert least > -1e-3, least

    def inward() -> None:
        """Back: permitted, slowly, and let go it stops; that ends RECOVERY."""
        here = client.pose()[0]
        press(f"{JOINTS[0]} plus")
        client.wait_for(lambda: sent and sent[-1][2] > sent[0][2] + 4e-3, "motion")
        released = time.monotonic()
        page.mouse.up()
        client.spin(0.6)
        moved = [now[0] for last, now in pairwise(sent) if now[2] != last[2]]
        assert moved[-1] - released < 0.45
        speeds = [abs(b[2] - a[2]) / (b[1] - a[1]) for a, b in pairwise(sent) if b[1] > a[1]]
        print(f"jog back: {max(speeds):.3f} rad/s at most, rest {1e3 * (moved[-1] - released):.0f} ms after letting go")
        assert (
            max(speeds) * 0.5 <= 0.1
        )  # envelope.recovery_frame_speed, and how far the hand is from the joint's axis, at least
        client.wait_state("LOCKED", "PROTECTIVE_STOP", timeout=5.0)
        assert client.pose()[0] > here + 2e-3

    assert "E_" in client.status["active_causes"] + client.status["cause"]
    steadily(outward)
    steadily(inward)
    assert np.isfinite(client.pose()).all()
    assert not window.complaints
