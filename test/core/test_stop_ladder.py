"""The stop ladder of a G1 through the whole core: the order of its rungs, deadlines, what ends each, none leads up.

What the ladder shall do is written here by hand, row by row of the table in `docs/states.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from upright import LEFT, MS, RIGHT, Upright, g1, leaned, smooth

from safety_supervisor.core.balance.settings import FallSettings, LadderSettings, Posture
from safety_supervisor.core.effects import LadderMode, Status
from safety_supervisor.core.errors import Code
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.causes import CAUSE_OF
from safety_supervisor.core.supervisor import Supervisor

pytestmark = pytest.mark.requirement("SR-034")

SECOND = 1000 * MS
HOLD, WAY, DAMP, UNKNOWN = 1200 * MS, 400 * MS, 300 * MS, 200 * MS
LOWER = WAY + 660 * MS
FALL = FallSettings(tilt=0.6, rate=3.0, after=40 * MS)
SQUAT = tuple(
    (f"{side}_{joint}_joint", angle)
    for side in ("left", "right")
    for joint, angle in (("hip_pitch", -0.25), ("knee", 0.5), ("ankle_pitch", -0.25))
)
NO_WAY = (("left_knee_joint", 9.0),)
FORWARD = {"left_shoulder_pitch_joint": -0.6, "right_shoulder_pitch_joint": -0.6}


def laddered(joints: tuple[tuple[str, float], ...] = SQUAT, **changes: Any) -> Configuration:
    shipped = g1().balance
    assert shipped is not None
    ladder = LadderSettings(HOLD, (Posture(WAY, joints),), LOWER, DAMP, UNKNOWN)
    return replace(g1(), balance=replace(shipped, fall=FALL, ladder=ladder, **changes))


def reaching(configuration: Configuration | None = None) -> Upright:
    """In the middle of a reach."""
    upright = Upright(configuration or laddered()).auto()
    upright.swing(0.3, FORWARD, smooth(1.0))
    assert upright.rig.state == "AUTO/MOVING", upright.rig.decisions()[-2:]
    return upright


def told(upright: Upright) -> list[tuple[str, str]]:
    return [(e.mode, e.reason) for e in upright.rig.history if isinstance(e, LadderMode)]


def rungs(upright: Upright) -> list[str]:
    return [mode for mode, _ in told(upright)]


def times(upright: Upright) -> dict[str, int]:
    """When each rung was told last, [ns]."""
    return {e.mode: e.at for e in upright.rig.history if isinstance(e, LadderMode)}


def run(upright: Upright, duration: int, each: Callable[[int], None] | None = None) -> None:
    upright.cycle(round(duration / upright.rig.period), each)


def test_an_e_stop_goes_down_rung_by_rung_and_no_act_shortens_or_turns_it() -> None:
    upright = reaching()
    rig = upright.rig
    assert told(upright) == [("hold", "a person's start")]
    pressed = rig.now
    rig.estop = "stop"
    seen: dict[str, set[str]] = {}
    steps: dict[str, set[str]] = {}

    def meddle(index: int) -> None:
        """Release the button in mid-ladder, and try every act again and again."""
        if index == 20:
            rig.estop = "run"
        if rig.state == "STOPPING" and index % 25 == 0:
            for act in ("reset", "start", "recover", "maintainer"):
                assert not rig.act(act, "auto").ok
            assert index == 0 or (rig.relays_open, rig.latches) == (True, (True, ""))
        seen.setdefault(rungs(upright)[-1], set()).add(rig.state)
        if rig.state == "STOPPING":
            steps.setdefault(rig.status.ladder_phase, set()).add(rig.status.next_step)
            assert rig.status.ladder_phase == rungs(upright)[-1], "told in the cycle of the change"

    run(upright, 2500 * MS, meddle)
    assert rungs(upright) == ["hold", "lower", "damp", "off"]
    assert [reason for _, reason in told(upright)][1:] == ["standstill", "lowered", "at rest"]
    at = times(upright)
    assert at["lower"] - pressed < HOLD
    assert WAY <= at["damp"] - at["lower"] < LOWER
    assert DAMP <= at["off"] - at["damp"] < DAMP + 300 * MS
    assert seen["lower"] == seen["damp"] == {"STOPPING"}
    assert steps == {
        "hold": {"Keep clear: the robot stops where it stands, then it goes down."},
        "lower": {"Keep clear: the robot lowers itself."},
        "damp": {"Keep clear until it lies or sits still: the robot goes limp."},
    }
    assert rig.status.ladder_phase == "off"
    for joint, angle in SQUAT:
        assert rig.output[upright.joint(joint)] == pytest.approx(angle, abs=1e-6)
    # The button was released on the way, so it is LOCKED now; it stays limp until a person starts it.
    assert rig.state == "LOCKED", rig.status
    # People move a limp robot: that is no fault, and no set-point leaps when it is held again.
    rig.offset[upright.joint("left_elbow_joint")] = 0.06
    run(upright, 500 * MS)
    assert rig.state == "LOCKED", rig.status
    assert rig.act("reset").ok, rig.status
    run(upright, 100 * MS)
    assert rungs(upright)[-1] == "off"
    assert rig.act("start", "auto").ok
    upright.cycle(1)
    assert rungs(upright) == ["hold", "lower", "damp", "off", "hold"]
    assert np.abs(rig.output - (rig.robot + rig.offset)).max() < 0.01


@pytest.mark.parametrize(
    "why", ["no verified way down", "no way to verify it", "every cycle fails", "the ladder fails too"]
)
def test_without_a_way_down_it_is_held_until_the_deadline(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upright = reaching(laddered(NO_WAY) if why == "no verified way down" else None)
    rig = upright.rig
    pose = rig.output
    pressed = rig.now
    rig.estop = "stop"
    if why == "no way to verify it":
        upright.speaks.remove("imu")
    if why in ("every cycle fails", "the ladder fails too"):
        rig.tampered = True

        def fail(*_: object) -> None:
            raise RuntimeError("broken on purpose")

        monkeypatch.setattr(rig.supervisor._motion, "advance", fail)
    if why == "the ladder fails too":
        upright.cycle(1)
        monkeypatch.setattr(rig.supervisor._ladder, "follow", fail)
    run(upright, HOLD - 20 * MS)
    assert rungs(upright) == ["hold"]
    run(upright, 40 * MS)
    assert rungs(upright) == ["hold", "damp"]
    assert HOLD <= times(upright)["damp"] - pressed <= HOLD + 8 * MS
    assert np.abs(rig.output - pose).max() < 0.3, "the kept stop alone"


def test_a_way_down_that_is_blocked_ends_by_its_deadline() -> None:
    upright = reaching()
    rig = upright.rig
    rig.estop = "stop"
    run(upright, HOLD, lambda _: upright.speaks.discard("imu") if rungs(upright)[-1] == "lower" else None)
    assert rungs(upright)[-1] == "lower"
    assert "imu" not in upright.speaks, "no step can be verified any more"
    pose = rig.output
    run(upright, LOWER)
    squat = rig.configuration.robot.start
    assert squat is not None
    knee = upright.joint("left_knee_joint")
    assert squat[knee] < rig.output[knee] < dict(SQUAT)["left_knee_joint"] - 0.01, "it stopped on the way"
    assert rungs(upright)[:3] == ["hold", "lower", "damp"]
    assert LOWER <= times(upright)["damp"] - times(upright)["lower"] <= LOWER + 8 * MS
    assert np.abs(rig.output - pose).max() < 0.05


FALLS: dict[str, Callable[[Upright], None]] = {
    "tilt": lambda u: u.imu.update(orientation=leaned(pitch=0.7)),
    "rate": lambda u: u.imu.update(angular=(0.0, 4.0, 0.0)),
    "capture point": lambda u: u.forces.update({LEFT: (0.0, 0.0, 0.0)}),
}


@pytest.mark.parametrize("sign", FALLS)
def test_a_fall_is_damped_at_once_latched_and_told(sign: str) -> None:
    upright = reaching()
    rig = upright.rig
    FALLS[sign](upright)
    began = rig.now
    run(upright, 60 * MS)
    assert rungs(upright) == ["hold", "damp"]
    assert times(upright)["damp"] - began <= FALL.after + 8 * MS
    assert rig.status.cause == "E_FALL"
    assert rig.latches == (False, "E_FALL")
    assert rig.relays_open
    record = [d for d in rig.decisions("STOP") if d.code == "E_FALL"]
    assert [d.source for d in record] == ["balance"]
    assert record[0].value > record[0].limit > 0.0
    assert "tilt" in record[0].detail
    assert "capture point" in record[0].detail
    run(upright, SECOND)
    turns = sign == "rate"
    assert (rungs(upright)[-1], rig.state) == (("damp", "STOPPING") if turns else ("off", "FAULT"))
    for act in ("reset", "start", "recover"):
        assert not rig.act(act, "auto").ok
    assert rig.act("maintainer").ok is not turns
    # The same events give the same effects.
    again = Supervisor(rig.configuration)
    assert [effect for event in rig.events for effect in again.handle(event)] == rig.history


def test_one_wrong_message_of_a_sensor_is_no_fall() -> None:
    upright = reaching()
    good = upright.imu["orientation"]
    for _ in range(5):
        upright.imu["orientation"] = leaned(pitch=0.7)
        upright.cycle(1)
        upright.imu["orientation"] = good
        upright.cycle(5)
    assert rungs(upright) == ["hold"]
    assert upright.rig.state in ("STOPPING", "PROTECTIVE_STOP", "LOCKED")


def test_a_protective_stop_stays_on_hold() -> None:
    upright = reaching()
    upright.imu["angular"] = (0.0, 1.0, 0.0)  # balance lost, but no fall
    run(upright, 20 * MS)
    upright.imu["angular"] = (0.0, 0.0, 0.0)
    run(upright, 2 * SECOND)
    assert upright.rig.state == "LOCKED"
    assert rungs(upright) == ["hold"]
    assert not upright.rig.relays_open
    assert upright.rig.status.ladder_phase == "hold"
    steps = {e.next_step for e in upright.rig.history if isinstance(e, Status) and e.state == "STOPPING"}
    assert steps == {"Wait: the robot is stopping."}, "it goes nowhere"


def test_balance_unknown_for_too_long_goes_down() -> None:
    upright = reaching()
    upright.speaks.remove("imu")
    began = upright.rig.now
    run(upright, UNKNOWN)
    assert upright.rig.state in ("STOPPING", "PROTECTIVE_STOP", "LOCKED")
    assert upright.rig.latches == (False, "")
    run(upright, 40 * MS)
    assert upright.rig.latches == (False, "E_BALANCE_BLIND")
    assert upright.rig.state == "STOPPING"
    run(upright, HOLD + DAMP + SECOND)
    assert rungs(upright) == ["hold", "damp", "off"]
    assert HOLD + UNKNOWN <= times(upright)["damp"] - began <= HOLD + UNKNOWN + 40 * MS
    assert upright.rig.state == "FAULT"


def test_a_robot_that_is_lifted_is_left_alone() -> None:
    upright = reaching()
    upright.forces.update({LEFT: (0.0, 0.0, 0.0), RIGHT: (0.0, 0.0, 0.0)})
    run(upright, 2 * UNKNOWN)
    assert rungs(upright) == ["hold"]
    assert upright.rig.status.cause == "E_BALANCE_UNKNOWN"


@pytest.mark.parametrize("stands", [True, False])
def test_an_e_stop_before_any_start(stands: bool) -> None:
    """A robot that is seen standing is brought down from LOCKED too; another one is never stiffened."""
    upright = Upright(laddered(), told=stands).cycle(100)
    assert upright.rig.state == "LOCKED"
    assert rungs(upright) == []
    upright.rig.estop = "stop"
    upright.cycle(1)
    assert upright.rig.state == ("STOPPING" if stands else "EMERGENCY_STOP")
    run(upright, 2500 * MS)
    assert rungs(upright) == (["hold", "lower", "damp", "off"] if stands else ["damp", "off"])
    assert upright.rig.state == "EMERGENCY_STOP"


def test_what_keeps_balance_is_no_motion_of_ours() -> None:
    legs = tuple(joint for joint, _ in SQUAT)
    for balancing in ((), legs):
        upright = Upright(laddered(balancing_joints=balancing)).cycle(100)
        for joint in legs:
            upright.rig.offset[upright.joint(joint)] = 0.06
        upright.cycle(1)
        assert upright.rig.state == ("LOCKED" if balancing else "STOPPING")
        upright.rig.offset[upright.joint("waist_yaw_joint")] = 0.06
        upright.cycle(1)
        assert upright.rig.status.cause == "E_STANDSTILL_LEFT"


def test_both_codes_are_faults_of_category_1() -> None:
    for code in (Code.FALL, Code.BALANCE_BLIND):
        assert (CAUSE_OF[code].category, CAUSE_OF[code].target.value) == (1, "FAULT")
