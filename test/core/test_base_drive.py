"""A base on the core's whole way: who may drive it, what it is sent, and what stops it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from base_rig import BaseRig, with_base
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judges import judge_output, judge_replay
from rig import HOME, Rig, panda

from safety_supervisor.core.act_events import HoldToRun, StopRequested
from safety_supervisor.core.effects import Decision, DriveBase
from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import (
    BaseCommand,
    CommandUnreadable,
    Humans,
    HumansEndpoints,
    OdometryEndpoints,
    SourceEndpoints,
)
from safety_supervisor.core.settings import CommandKind, ReducedSettings, SeparationSettings
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.states.state_table import State

NAN = math.nan
SEPARATION = SeparationSettings(32, 8192, 100_000_000, 300_000_000, 1.6, 0.0, 0.05, 0.2)


def judge_base(rig: BaseRig) -> None:
    """Speed and change of speed from first principles, the fence by where the base truly was, and the replay."""
    gate, dt = rig.base.gate, rig.period / 1e9
    rows = np.array([(one.x, one.y, one.turn) for one in rig.sent])
    assert np.isfinite(rows).all()
    assert np.hypot(rows[:, 0], rows[:, 1]).max(initial=0.0) <= gate.speed + 1e-9
    assert np.abs(rows[:, 2]).max(initial=0.0) <= gate.turning + 1e-9
    change = np.diff(rows, axis=0)
    assert np.hypot(change[:, 0], change[:, 1]).max(initial=0.0) <= gate.acceleration * dt + 1e-9
    assert np.abs(change[:, 2]).max(initial=0.0) <= gate.turning_acceleration * dt + 1e-9
    assert rig.least_room >= 0.0
    for _, after, effects in rig.ticks:
        driven = [effect for effect in effects if isinstance(effect, DriveBase)]
        assert len(driven) == (after != "INIT")
        if after in ("LOCKED", "READY", "PROTECTIVE_STOP"):
            assert not driven[0].moving, after
    judge_output(rig)
    judge_replay(rig)


@pytest.fixture
def base() -> Iterator[BaseRig]:
    """In AUTO, the base at rest in the middle of its fence."""
    rig = BaseRig()
    rig.auto()
    yield rig
    judge_base(rig)


def rest(rig: BaseRig, seconds: float = 2.0) -> None:
    rig.seconds(seconds)
    assert rig.twist == (0.0, 0.0, 0.0)


# --- good commands


@pytest.mark.requirement("SR-054")
def test_a_good_command_passes_unchanged_and_silence_stops(base: BaseRig) -> None:
    base.keep_driving(1.0, 0.3, 0.1, 0.2)
    assert base.twist == (0.3, 0.1, 0.2)
    assert (base.state, base.status.source) == ("AUTO/MOVING", "planner")
    limited = {decision.code for decision in base.decisions("LIMIT")}
    assert limited == {"E_BASE_LIMIT"}, "told: it takes time to accelerate"
    base.seconds(0.25)
    assert 0.0 < base.twist[0] < 0.3
    rest(base)
    assert base.state == "AUTO/HOLDING"
    assert [decision.code for decision in base.decisions("STOP")] == ["E_LATE"]
    base.keep_driving(1.0, 0.3)
    assert base.twist == (0.3, 0.0, 0.0), "the next good command resumes without a person"


@pytest.mark.sampled(3)
@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize("way", [(0.8, 0.0), (-0.6, 0.6), (0.0, -0.8)])
def test_at_the_fence_it_is_slowed_and_stops_inside(base: BaseRig, way: tuple[float, float]) -> None:
    base.keep_driving(8.0, *way)
    assert {"E_GEOFENCE"} <= set(base.codes())
    assert math.hypot(*base.twist[:2]) < 0.01
    assert 0.0 <= base.room < 0.15, "a fence that keeps everything far away would be of no use"


def test_arm_and_base_move_at_once_and_stop_at_once(base: BaseRig) -> None:
    base.keep_driving(0.5, 0.2)
    base.move()
    base.drive(0.2)
    base.cycle(2)
    assert base.supervisor._motion.mover
    assert base.twist[0] > 0.0
    base.send(StopRequested(base.now, "visitor", "smoke"))
    base.until("LOCKED", 4.0)
    assert {"E_PURGED", "E_STOP_REQUEST"} & set(base.codes())
    assert base.twist == (0.0, 0.0, 0.0)


# --- refused


BAD: list[tuple[dict[str, Any], str]] = [
    ({"linear": (NAN, 0.0, 0.0)}, "E_NOT_FINITE"),
    ({"angular": (0.0, 0.0, math.inf)}, "E_NOT_FINITE"),
    ({"frame_id": "odom"}, "E_BASE_FRAME"),
    ({"frame_id": ""}, "E_BASE_FRAME"),
    ({"linear": (0.1, 0.0, 0.1)}, "E_BASE_AXES"),
    ({"angular": (0.1, 0.0, 0.0)}, "E_BASE_AXES"),
    ({"stamp": 5}, "E_STAMP"),
]


@pytest.mark.requirement("SR-024")
@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(("changes", "code"), BAD)
def test_a_refused_command_of_the_driver_stops_the_base(base: BaseRig, changes: dict[str, Any], code: str) -> None:
    base.keep_driving(0.5, 0.3)
    base.clear()
    base.drive(0.3, **changes)
    assert [decision.code for decision in base.decisions("REJECT")] == [code]
    assert base.state == "AUTO/HOLDING"
    before = base.twist
    base.cycle()
    assert base.twist[0] < before[0]
    rest(base, 1.0)


def test_what_can_not_be_read_and_a_bad_set_point_of_the_driver_stop_it_too(base: BaseRig) -> None:
    for bad in (
        lambda: base.send(CommandUnreadable(base.now, "planner", "E_TOO_LARGE", 1e6, 1e5, "bytes")),
        lambda: base.stream([NAN] * 7),
    ):
        base.keep_driving(0.5, 0.3)
        assert base.supervisor._base.driver == "planner"
        bad()
        assert base.supervisor._base.driver == ""
        rest(base, 1.0)


def test_too_many_refusals_stop_the_robot(base: BaseRig) -> None:
    for _ in range(51):
        base.drive(NAN)
    assert base.status.cause == "E_REFUSALS"


def test_only_a_source_of_cmd_vel_drives_and_no_base_is_driven_that_is_not_configured(rig: Rig) -> None:
    configuration = with_base()
    sources = tuple(replace(s, commands=s.commands - {CommandKind.CMD_VEL}) for s in configuration.sources)
    for one in (BaseRig(replace(configuration, sources=sources)), rig):
        one.auto()
        one.send(BaseCommand(one.now, "planner", (0.1, 0.0, 0.0), (0.0, 0.0, 0.0), "panda_link0", 0, one.now))
        assert one.decisions()[-1].code == "E_COMMAND_KIND"
    assert not any(isinstance(effect, DriveBase) for effect in rig.history)


def test_one_source_at_a_time_by_priority(base: BaseRig) -> None:
    base.keep_driving(0.5, 0.3)
    base.drive(-0.2, source="joystick")
    assert base.supervisor._base.driver == "joystick"
    base.clear()
    base.drive(0.3)
    assert base.codes() == ["E_PRIORITY"]
    base.keep_driving(1.0, -0.2, 0.0, 0.0, source="joystick")
    assert base.twist == (-0.2, 0.0, 0.0)
    base.seconds(0.3)
    base.keep_driving(1.0, 0.3)
    assert base.twist == (0.3, 0.0, 0.0), "who is silent has given the base back"


def test_it_drives_in_no_state_that_permits_no_motion_and_slowly_in_manual() -> None:
    rig = BaseRig()
    rig.ready()
    rig.drive(0.3)
    rig.cycle(2)
    assert rig.decisions()[-1].code == "E_NOT_MOVING_STATE"
    assert rig.twist == (0.0, 0.0, 0.0)
    rig = BaseRig()
    rig.manual()
    rig.drive(0.3)
    assert rig.decisions()[-1].code == "E_SOURCE_KIND"
    rig.keep_driving(1.5, 0.6, 0.0, 0.4, source="joystick")
    assert rig.twist[0] == pytest.approx(0.25, abs=1e-9)
    assert rig.twist[2] == pytest.approx(0.4 * 0.25 / 0.6, abs=1e-9), "slower on the same arc"
    rig.estop_extra = {"enabling_switch": "released", "integrity": "high"}
    rig.keep_driving(1.0, 0.6, source="joystick")
    assert rig.twist == (0.0, 0.0, 0.0)
    judge_base(rig)


@pytest.mark.requirement("SR-054")
def test_a_stop_of_the_robot_ends_the_drive_at_once_and_says_whose(base: BaseRig) -> None:
    base.keep_driving(0.5, 0.3)
    base.clear()
    base.send(StopRequested(base.now, "visitor", "smoke"))
    assert base.supervisor._base.driver == "", "the command does not wait for the state to permit it again"
    ended = [decision for decision in base.decisions("STOP") if decision.command.startswith("planner-base-")]
    assert [decision.source for decision in ended] == ["planner"], base.decisions()
    rest(base)


@pytest.mark.requirement("SR-054")
def test_a_velocity_that_nobody_released_stops_in_a_state_without_motion() -> None:
    """The state is a stop by itself, whatever way led there, long before the command is late."""
    rig = BaseRig()
    rig.auto()
    rig.keep_driving(1.0, 0.3)
    drive = rig.supervisor._base
    assert rig.twist == (0.3, 0.0, 0.0)
    drive._state = cast("SafetyState", SimpleNamespace(state=State.READY))
    sent = [
        effect.x
        for k in range(1, 21)
        for effect in drive.step(rig.now + k * rig.period)
        if isinstance(effect, DriveBase)
    ]
    assert drive.driver == "planner", "the command is not late yet"
    assert sent[-1] == pytest.approx(0.3 - 20 * 0.004 * 1.0, abs=0.01)


@pytest.mark.requirement("SR-045")
def test_in_recovery_joints_move_and_no_base() -> None:
    rig = BaseRig(start=HOME + np.array([2.8773, 0, 0, 0, 0, 0, 0])).lock()
    assert isinstance(rig, BaseRig)
    assert rig.act("recover").ok
    count = 0

    def hold(number: int) -> None:
        nonlocal count
        if number % 25 == 0:
            count += 1
            rig.send(HoldToRun(rig.now, count))
        if number > 10 and number % 10 == 0:  # once the button is known to be held
            rig.drive(0.1, source="joystick")

    rig.seconds(0.5, hold)
    assert rig.state == "RECOVERY"
    assert {"E_NOT_MOVING_STATE"} == {decision.code for decision in rig.decisions("REJECT")}
    assert not any(one.moving for one in rig.sent)


def test_another_publisher_in_the_place_of_the_driver_is_a_stop(base: BaseRig) -> None:
    base.keep_driving(0.5, 0.3)
    base.send(SourceEndpoints(base.now, "planner", 1))
    assert base.status.cause == "E_ENDPOINT_REPLACED"


# --- odometry


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"position": (NAN, 0.0, 0.0)}, "E_NOT_FINITE"),
    ({"linear": (0.0, math.inf, 0.0)}, "E_NOT_FINITE"),
    ({"orientation": (0.0, 0.0, 0.0, 1.1)}, "E_ORIENTATION"),
    ({"orientation": (0.0, 0.0, 0.0, 0.0)}, "E_ORIENTATION"),
    ({"frame_id": "map"}, "E_BASE_FRAME"),
    ({"child_frame_id": "camera"}, "E_BASE_FRAME"),
    ({"stamp": 0}, "E_STAMP"),
    ({"code": "E_UNDECODABLE", "detail": "noise"}, "E_UNDECODABLE"),
]


@pytest.mark.sampled(2)
@pytest.mark.requirement("SR-030")
@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(("changes", "code"), WRONG)
def test_a_wrong_pose_stops_and_blocks_until_a_good_one_comes(
    base: BaseRig, changes: dict[str, Any], code: str
) -> None:
    base.keep_driving(0.5, 0.3)
    base.odometry = changes
    base.clear()
    base.tell()
    assert [decision.code for decision in base.decisions("REJECT")] == [code]
    assert (base.state, base.status.cause) == ("STOPPING", "E_BASE_UNKNOWN")
    base.seconds(2.0)
    assert base.twist == (0.0, 0.0, 0.0)
    assert base.state == "STOPPING", "a standstill that nobody measures is not confirmed"
    base.odometry = {}
    base.until("LOCKED")
    assert base.act("reset").ok


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("where", [(1.0, 0.0, 0.0), (0.0, 0.0, math.pi / 2)])
def test_a_jump_stops_at_once_and_needs_a_person(base: BaseRig, where: tuple[float, float, float]) -> None:
    base.keep_driving(0.5, 0.3)
    true = base.place.copy()
    base.place += where
    base.clear()
    base.tell(stamp=base.now - 1, clock=base.now)
    assert [decision.code for decision in base.decisions("REJECT")] == ["E_BASE_JUMP"]
    assert base.status.cause == "E_BASE_JUMP"
    base.place = true
    base.until("LOCKED")
    assert base.act("reset").ok


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(("way", "sent"), [((0.3, 0.0, 0.0), 0.0), ((0.0, 0.0, 0.9), 0.0), ((0.6, 0.0, 0.0), 0.3)])
def test_a_base_that_goes_where_nobody_sent_it_stops(base: BaseRig, way: tuple[float, ...], sent: float) -> None:
    """Its drive runs away: slower than it may go, faster than it was sent."""
    base.keep_driving(0.5, sent)

    def each(index: int) -> None:
        base.place += np.array(way) * base.period / 1e9
        base.drive(sent) if index % 5 == 0 else None

    for _ in range(3):
        base.seconds(0.2, each)
    assert base.status.cause == "E_BASE_JUMP"


@pytest.mark.requirement("SR-036")
def test_silence_another_publisher_and_a_frozen_driver_stop(base: BaseRig) -> None:
    def again() -> None:
        base.seconds(0.5)
        base.until("LOCKED", 4.0)
        assert base.act("reset").ok
        assert base.act("start", "auto").ok
        base.keep_driving(0.5, 0.2)
        assert base.state == "AUTO/MOVING"
        base.clear()

    base.keep_driving(0.5, 0.2)
    base.tells = False
    base.seconds(0.2)
    assert base.status.cause == "E_BASE_UNKNOWN"
    assert any("0.1" in decision.detail and decision.source == "odom" for decision in base.decisions("REJECT"))
    base.tells = True
    again()
    base.send(OdometryEndpoints(base.now, ("/base_driver", "/rogue")))
    assert base.status.cause == "E_BASE_UNKNOWN"
    base.send(OdometryEndpoints(base.now, ("/base_driver",), ("1",)))
    again()
    base.send(OdometryEndpoints(base.now, ("/base_driver",), ("2",)))
    assert base.status.cause == "E_BASE_UNKNOWN", "another one under the same name"
    again()
    base.odometry = {"stamp": base.now}
    base.seconds(0.3)
    assert base.status.cause == "E_BASE_UNKNOWN"
    base.odometry = {}
    again()


def test_nothing_is_armed_before_the_base_is_known() -> None:
    rig = BaseRig()
    rig.tells = False
    rig.lock()
    assert "E_BASE_UNKNOWN" in rig.act("reset").message
    rig.tells = True
    rig.seconds(0.3)
    rig.send(OdometryEndpoints(rig.now, ("/spoof",)))
    assert "E_BASE_UNKNOWN" in rig.act("reset").message


@pytest.mark.requirement("SR-007")
def test_a_stop_ends_only_when_the_base_is_measured_at_rest(base: BaseRig) -> None:
    base.keep_driving(0.5, 0.3)
    base.send(StopRequested(base.now, "visitor", "smoke"))
    slides = base.place.copy()
    for _ in range(2500):
        slides[0] += 0.2 * base.period / 1e9
        base.odometry = {"position": (*slides[:2].tolist(), 0.0)}
        base.cycle()
        if base.state == "FAULT" or "E_RAMP_MISSED" in base.status.cause:
            break
    assert base.status.cause == "E_RAMP_MISSED"


# --- people


@pytest.mark.long
@pytest.mark.requirement("SR-033")
def test_near_people_it_is_slower_then_stops_and_behind_it_they_do_not_matter() -> None:
    envelope = replace(panda().envelope, reduced=ReducedSettings(0.25, 0.2))
    rig = BaseRig(with_base(panda(separation=SEPARATION, envelope=envelope)))
    person = np.array([4.5, 0.0])
    rig.send(HumansEndpoints(rig.now, ("/cameras",)))

    def see(number: int) -> None:
        if number % 10 == 0:
            cos, sin = math.cos(rig.place[2]), math.sin(rig.place[2])
            away = np.array([[cos, sin], [-sin, cos]]) @ (person - rig.place[:2])
            points = np.array([*away, 1.0]).tobytes()
            rig.send(Humans(rig.now, "panda_link0", points, rig.now, rig.now))

    rig.cycle(200, see)
    assert rig.act("reset").ok
    assert rig.act("start", "auto").ok
    rig.place[2] = 0.0
    speeds: list[float] = []

    def drive(number: int) -> None:
        see(number)
        if number % 10 == 0:
            rig.drive(0.8)
        speeds.append(rig.twist[0])

    rig.cycle(1500, drive)
    assert {"E_SEPARATION"} & {decision.code for decision in rig.decisions("LIMIT")}
    assert max(speeds) > 0.2
    assert speeds[-1] < 0.02
    distance = float(np.linalg.norm(person - rig.place[:2])) - rig.base.gate.radius - 0.25
    assert distance > 1.6 * 0.2, "what a person walks until the base has stopped"
    judge_base(rig)


# --- whatever comes


STEPS = st.one_of(
    st.tuples(st.just("drive"), st.sampled_from(["planner", "joystick"]), st.lists(st.floats(-2.0, 2.0), min_size=3,
              max_size=3), st.integers(1, 150)),
    st.tuples(st.just("bad"), st.sampled_from(BAD)),
    st.tuples(st.just("odometry"), st.sampled_from(WRONG), st.integers(1, 60)),
    st.tuples(st.just("jump"), st.sampled_from([-3.0, -1.0, -0.4, 0.4, 1.0, 3.0])),
    st.tuples(st.just("silence"), st.integers(1, 100)),
    st.tuples(st.just("stop")),
    st.tuples(st.just("fail")),
    st.tuples(st.just("start")),
)  # fmt: skip


def play(rig: BaseRig, step: tuple[Any, ...]) -> None:
    match step:
        case ("drive", source, twist, count):
            for _ in range(count):
                rig.drive(*twist, source=source)
                rig.cycle(5)
        case ("bad", (changes, _)):
            rig.drive(0.5, **changes)
            rig.cycle(2)
        case ("odometry", (changes, _), cycles):
            rig.odometry = changes
            rig.cycle(cycles)
            rig.odometry = {}
        case ("jump", by):
            rig.tell(position=(rig.place[0] + by, rig.place[1], 0.0))
            rig.cycle()
        case ("silence", cycles):
            rig.tells = False
            rig.cycle(cycles)
            rig.tells = True
        case ("stop",):
            rig.send(StopRequested(rig.now, "visitor", "smoke"))
            rig.cycle(3)
        case ("start",):
            rig.seconds(1.5)
            rig.act("reset")
            rig.act("start", "auto")
        case _:
            rig.estop = "stop"
            rig.cycle(2)
            rig.estop = "run"
            rig.cycle(2)


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-044")
@settings(deadline=None, max_examples=5, suppress_health_check=list(HealthCheck))
@given(script=st.lists(STEPS, min_size=3, max_size=12), heading=st.floats(-3.0, 3.0))
def test_whatever_comes_the_base_keeps_limits_and_fence(script: list[tuple[Any, ...]], heading: float) -> None:
    rig = BaseRig()
    rig.place[2] = heading
    rig.auto()
    for step in script:
        play(rig, step)
    rig.seconds(1.5)
    assert rig.twist == (0.0, 0.0, 0.0)
    judge_base(rig)


@pytest.mark.requirement("SR-036")
def test_a_bug_of_our_own_stops_the_base_too(base: BaseRig, monkeypatch: pytest.MonkeyPatch) -> None:
    base.keep_driving(1.0, 0.3)

    def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(base.supervisor._motion, "advance", fails)
    before = base.twist
    base.cycle()
    monkeypatch.undo()
    assert "E_INTERNAL" in base.codes()
    assert base.twist[0] == pytest.approx(before[0] - base.base.gate.acceleration * base.period / 1e9)
    base.seconds(1.0)
    assert base.status.cause == "E_INTERNAL"
    assert base.twist == (0.0, 0.0, 0.0)
    base.tampered = True


def test_codes_are_told_with_their_numbers(base: BaseRig) -> None:
    base.keep_driving(1.0, 2.0)
    told = [one for one in base.history if isinstance(one, Decision) and one.code == Code.BASE_LIMIT.value]
    assert told[-1].value == 2.0
    assert told[-1].limit <= 0.8
