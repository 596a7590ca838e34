"""The stop ladder of a G1 through the whole core: the order of its rungs, deadlines, what ends each, none leads up.

What the ladder shall do is written here by hand, row by row of the table in `docs/states.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from approvals import asking, sign
from crowd import SEPARATION
from rig import upright as upright_box
from upright import LEFT, MS, RIGHT, Upright, g1, leaned, smooth

from safety_supervisor.core.balance.settings import FallSettings, LadderSettings, Posture
from safety_supervisor.core.effects import Decision, LadderMode, Status
from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_settings import EstopLine, EstopSettings
from safety_supervisor.core.events import Humans, HumansEndpoints
from safety_supervisor.core.policy.verdict import Approve
from safety_supervisor.core.settings import Configuration, ZoneKind
from safety_supervisor.core.states.causes import CAUSE_OF
from safety_supervisor.core.supervisor import Supervisor

pytestmark = pytest.mark.requirement("SR-034")

SECOND = 1000 * MS
HOLD, WAY, DAMP, UNKNOWN = 1200 * MS, 400 * MS, 300 * MS, 200 * MS
LOWER = WAY + 660 * MS
REST = 2 * SECOND
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
    ladder = LadderSettings(HOLD, (Posture(WAY, joints),), LOWER, DAMP, UNKNOWN, REST)
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
    }, "it rested from the first moment of `damp` on"
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


@pytest.mark.requirement("SR-022")
def test_it_goes_down_inside_a_zone_that_people_let_it_into() -> None:
    """Nothing but a fall would be left where the zone were closed for its own way down."""
    zone = upright_box("press", ZoneKind.RESTRICTED, (0.25, -0.5, -0.5), (1, 0.5, 1), approval=Approve("press", 1, 30))
    people = asking().operators
    upright = Upright(replace(laddered(), zones=(*g1().zones, zone), operators=people)).auto()
    rig = upright.rig
    assert sign(rig, "grant", "press planner 20").ok
    upright.cycle(2)
    goal = rig.output.copy()
    for joint, angle in FORWARD.items():
        goal[upright.joint(joint)] += 2.0 * angle
    groups = ("left_arm", "right_arm")
    names = upright.names(*groups)
    there = goal[[upright.joint(name) for name in names]][None, :]
    still = np.zeros_like(there)
    rig.trajectory([2.0], there, still, still, names=names)
    run(upright, 3 * SECOND)
    assert rig.state == "AUTO/HOLDING", (rig.status.cause, rig.decisions()[-2:])
    assert rig.supervisor._motion.zones.entered == {"press"}
    rig.estop = "stop"
    run(upright, 2500 * MS)
    assert rungs(upright) == ["hold", "lower", "damp", "off"]


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
    "capture point": lambda u: (u.forces.update({LEFT: (0.0, 0.0, 0.0)}), u.imu.update(angular=(-0.6, 0.0, 0.0)))[0],
}


@pytest.mark.sampled(3)
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
    turns = sign in ("rate", "capture point")
    assert (rungs(upright)[-1], rig.state) == (("damp", "STOPPING") if turns else ("off", "FAULT"))
    assert ("the base, which turns at " in rig.status.next_step) is turns
    run(upright, REST - SECOND)
    assert (rungs(upright)[-1], rig.state) == ("off", "FAULT")
    for act in ("reset", "start", "recover"):
        assert not rig.act(act, "auto").ok
    assert rig.act("maintainer").ok
    # The same events give the same effects.
    again = Supervisor(rig.configuration)
    assert [effect for event in rig.events for effect in again.handle(event)] == rig.history


def creep(upright: Upright, joint: str = "left_elbow_joint") -> Callable[[int], None]:
    """Let a joint creep by 0.1 rad/s, twice what counts as rest, as soon as the robot is limp."""

    def each(_: int) -> None:
        if rungs(upright)[-1] in ("damp", "off"):
            upright.rig.offset[upright.joint(joint)] += 0.1 * upright.rig.period * 1e-9

    return each


def creeps(upright: Upright) -> list[Decision]:
    return [one for one in upright.rig.decisions("STOP") if one.code == "E_CREEPS"]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("why", ["creeps", "silent"])
def test_a_robot_that_creeps_is_told_off_by_the_deadline_of_damp_and_that_it_creeps(why: str) -> None:
    upright = reaching()
    rig = upright.rig
    rig.estop = "stop"

    def each(index: int) -> None:
        if why == "creeps":
            creep(upright)(index)
        elif rungs(upright)[-1] == "damp":
            rig.measure = False

    run(upright, 2 * SECOND, each)
    assert (rungs(upright)[-1], rig.state) == ("damp", "STOPPING")
    waits = "left_elbow_joint, which moved 0.02" if why == "creeps" else "left_hip_pitch_joint, not measured"
    assert waits in rig.status.next_step, "a technician is told what it waits for"
    assert rig.status.next_step.startswith("Keep clear until it lies or sits still")
    run(upright, 2 * SECOND, each)
    at = times(upright)
    assert REST <= at["off"] - at["damp"] <= REST + 8 * MS
    assert told(upright)[-1] == ("off", "damp: its time is over")
    assert rig.state == "EMERGENCY_STOP"
    (record,) = creeps(upright)
    assert (record.source, record.limit) == ("balance", 2.0)
    assert waits in record.detail
    # The button is released: no person's start makes a robot move that creeps, or is not measured.
    rig.estop = "run"
    run(upright, SECOND, each)
    assert rig.state == "LOCKED"
    assert not rig.act("reset").ok
    rig.measure = True
    run(upright, SECOND)
    assert rig.act("reset").ok, rig.status


@pytest.mark.parametrize("effect", ["damping", "sto", "none"])
def test_relays_that_are_open_end_damp_where_they_cut_the_motors(effect: Any) -> None:
    line = EstopLine("/dev/null", 115200, 1, 2, 5500 * MS, effect, None)
    upright = reaching(replace(laddered(), estop=EstopSettings("frame_v1", "high", line)))
    rig = upright.rig
    rig.estop = "stop"
    opened = 0

    def each(index: int) -> None:
        nonlocal opened
        creep(upright)(index)
        # Open for long when `damp` begins: its least time is kept all the same.
        if rungs(upright)[-1] == "damp" and not opened:
            opened = rig.now
            rig.estop_extra["relays"] = "open"

    run(upright, 2 * SECOND, each)
    if effect == "none":
        assert rungs(upright)[-1] == "damp"
        return
    assert told(upright)[-1] == ("off", "the relays are open")
    at = times(upright)
    assert DAMP <= at["off"] - at["damp"] <= DAMP + 8 * MS
    assert rig.state == "EMERGENCY_STOP"
    assert len(creeps(upright)) == 1


def watched() -> Configuration:
    """The G1 with its ladder, people watched."""
    return replace(laddered(), separation=SEPARATION)


def perceived(upright: Upright, away: float | None) -> Callable[[int], None]:
    """Tell that a person stands so far before the robot, [m], nobody for infinity; None: perception is silent."""
    point = np.array([[away or 0.0, 0.0, 0.3]]) if away is not None and away < np.inf else np.zeros((0, 3))

    def each(_: int) -> None:
        if away is not None:
            now = upright.rig.now
            upright.rig.send(Humans(now, "pelvis", point.tobytes(), now - MS, now))

    return each


@pytest.mark.sampled(2)
@pytest.mark.requirement("SR-033")
@pytest.mark.parametrize("away", [0.4, 1.4, None, np.inf], ids=["beside it", "near", "unknown", "nobody"])
def test_people_near_delay_the_way_down_as_long_as_it_may_and_never_prevent_it(away: float | None) -> None:
    upright = Upright(watched())
    rig = upright.rig
    rig.send(HumansEndpoints(rig.now, ("/perception",)))
    upright.cycle(100, perceived(upright, np.inf))
    assert rig.state == "LOCKED", rig.status
    upright.cycle(100, perceived(upright, away))  # longer than `separation.timeout`
    pressed = rig.now
    rig.estop = "stop"
    waits: set[str] = set()

    def each(index: int) -> None:
        perceived(upright, away)(index)
        if rungs(upright) == ["hold"]:
            waits.add(rig.status.next_step.partition(" It waits for ")[2])

    run(upright, 3 * SECOND, each)
    assert rungs(upright) == ["hold", "lower", "damp", "off"]
    at, reasons = times(upright), [reason for _, reason in told(upright)]
    if away == np.inf:
        assert at["lower"] - pressed < HOLD - 100 * MS, "or there is no delay to be seen"
        assert (reasons[1], waits) == ("standstill", {""})
    else:
        assert HOLD <= at["lower"] - pressed <= HOLD + 8 * MS
        assert reasons[1] == "people are near, and its time is over"
        assert waits == {"", "people to step back."}
    assert reasons[2] == "lowered", "nobody stopped it on the way"
    for joint, angle in SQUAT:
        assert rig.output[upright.joint(joint)] == pytest.approx(angle, abs=1e-6)


@pytest.mark.requirement("SR-033")
def test_people_who_step_back_let_it_down_at_once_and_who_come_do_not_stop_it() -> None:
    upright = Upright(watched())
    rig = upright.rig
    rig.send(HumansEndpoints(rig.now, ("/perception",)))
    upright.cycle(100, perceived(upright, np.inf))
    pressed = rig.now
    rig.estop = "stop"

    def each(index: int) -> None:
        # Near for 1.0 s; what vanished is remembered for two seconds, so they walk away in sight.
        gone = rig.now - pressed - 800 * MS
        lowers = rungs(upright)[-1:] == ["lower"]
        perceived(upright, 0.4 if lowers else 1.4 + max(0.0, 12.0 * gone * 1e-9))(index)

    run(upright, 3 * SECOND, each)
    assert [reason for _, reason in told(upright)][1:3] == ["standstill", "lowered"]
    assert 800 * MS < times(upright)["lower"] - pressed < HOLD


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


@pytest.mark.parametrize("lasts", [60 * MS, 2 * SECOND])
def test_a_foot_that_lies_on_the_ground_unloaded_lets_nobody_drop(lasts: int) -> None:
    """A stop takes its load for a moment, or its sensor is stuck: the base does not tip, and it would bear at once."""
    upright = reaching()
    upright.forces[LEFT] = (0.0, 0.0, 0.0)
    run(upright, lasts)
    assert upright.rig.status.balance.startswith("-"), "on the other foot alone it would fall"
    assert rungs(upright) == ["hold"]
    assert upright.rig.latches == (False, "")
    assert not upright.rig.relays_open
    assert {d.code for d in upright.rig.decisions("STOP")} & {"E_BALANCE", "E_FALL"} == {"E_BALANCE"}, "it stops"
    upright.forces[LEFT] = (0.0, 0.0, 170.0)
    run(upright, 2 * SECOND)
    assert upright.rig.state == "LOCKED"


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


def unheard(upright: Upright, duration: int) -> None:
    """The IMU falls silent for a time."""
    upright.speaks.remove("imu")
    run(upright, duration)
    upright.speaks.add("imu")


def lost(upright: Upright, duration: int) -> None:
    """The robot is not where it is sent for a time."""
    knee = upright.joint("left_knee_joint")
    upright.rig.offset[knee] += 0.3
    run(upright, duration)
    upright.rig.offset[knee] -= 0.3


@pytest.mark.parametrize(
    ("disturb", "after", "cause"),
    [
        (Upright.miss, 200 * MS, "E_OVERRUN: missed control cycles"),
        (unheard, 20 * MS, "E_BALANCE_UNKNOWN: "),
        (lost, 100 * MS, "the robot is not where it was sent"),
    ],
)
def test_a_way_down_that_is_broken_off_goes_on_when_it_is_verified_anew(
    disturb: Callable[[Upright, int], None], after: int, cause: str
) -> None:
    shipped = laddered()
    assert shipped.balance is not None
    assert shipped.balance.ladder is not None
    ladder = replace(shipped.balance.ladder, lower=LOWER + 500 * MS)
    upright = reaching(replace(shipped, balance=replace(shipped.balance, ladder=ladder)))
    rig, knee = upright.rig, upright.joint("left_knee_joint")
    rig.estop = "stop"
    while rungs(upright)[-1] != "lower":
        upright.cycle(1)
    run(upright, after)
    disturb(upright, 60 * MS)
    first = len(rig.outputs)
    run(upright, LOWER + 500 * MS - after - 60 * MS)
    knees = np.array(rig.outputs[first:])[:, knee]
    still = 0 if disturb is lost else np.flatnonzero(np.diff(knees) == 0.0)[0]  # one that is lost is sent nothing
    assert knees[still] < dict(SQUAT)["left_knee_joint"] - 0.01, "it came to rest on the way"
    assert [reason for _, reason in told(upright)][1:3] == ["standstill", "lowered"]
    for joint, angle in SQUAT:
        assert rig.output[upright.joint(joint)] == pytest.approx(angle, abs=1e-6)
    (record,) = broken_off(upright)
    assert record.source == "balance"
    assert record.detail.startswith(cause), record.detail


def broken_off(upright: Upright) -> list[Decision]:
    return [one for one in upright.rig.decisions("STOP") if one.code == "E_LOWER_BROKEN"]


def test_a_way_down_that_is_taken_to_its_end_is_told_by_no_decision() -> None:
    upright = reaching()
    upright.rig.estop = "stop"
    run(upright, 2500 * MS)
    assert "lower" in rungs(upright)
    assert broken_off(upright) == []


def test_a_sensor_that_is_silent_while_the_way_down_is_verified_only_delays_it() -> None:
    upright = reaching()
    upright.rig.estop = "stop"
    run(upright, 240 * MS)
    unheard(upright, 180 * MS)
    assert rungs(upright) == ["hold"]
    run(upright, SECOND)
    assert [reason for _, reason in told(upright)][1:3] == ["standstill", "lowered"]
    assert [d.code for d in upright.rig.decisions("STOP")].count("E_BALANCE_UNKNOWN") == 1
