"""The measured robot: merged, aged, and judged against what was commanded before."""

from __future__ import annotations

import numpy as np
import pytest
from rig import BARE, HOME, MS, Rig, panda

from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import JointStates
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.measured import MeasuredState

SHIPPED = panda()
SCENE = Scene(RobotModel(SHIPPED.robot, SHIPPED.geometry.volumes), SHIPPED.geometry, SHIPPED.zones)
NAMES = SHIPPED.robot.joints
LIMITS = SHIPPED.envelope.joints


def make() -> MeasuredState:
    return MeasuredState(SHIPPED, SCENE)


def states(at: int, positions: np.ndarray = HOME, stamp: int = 0, **changes: object) -> JointStates:
    event = {"names": NAMES, "positions": tuple(np.asarray(positions).tolist()), "velocities": (), **changes}
    return JointStates(at=at, stamp=stamp, clock=at, **event)  # type: ignore[arg-type]


@pytest.mark.redteam(31)
def test_partial_messages_are_merged_by_name_and_age_by_joint() -> None:
    measured = make()
    assert measured.missing() == NAMES[0]
    measured.update(states(1 * MS, HOME[:3], names=NAMES[:3]))
    assert measured.missing() == NAMES[3]
    order = tuple(reversed(NAMES[3:]))
    measured.update(states(50 * MS, HOME[3:][::-1], names=(*order, "a_finger")[:4]))
    assert measured.missing() == ""
    assert np.array_equal(measured.positions, HOME)
    assert measured.stale(101 * MS) == ""
    assert measured.stale(101 * MS + 1) == NAMES[0], "0.1 s after the older half"
    measured.update(states(102 * MS, HOME[:3], names=NAMES[:3]))
    assert measured.stale(151 * MS) == NAMES[3]


def test_joints_that_nobody_commands_are_not_ours() -> None:
    measured = make()
    assert measured.update(states(MS, [0.1], names=("finger",))) == ()
    measured.update(states(MS, np.append(HOME, np.nan), names=(*NAMES, "finger")))
    assert measured.missing() == ""


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(
    "event",
    [
        states(MS, [np.nan, *HOME[1:]]),
        states(MS, [np.inf, *HOME[1:]]),
        states(MS, HOME, velocities=(np.nan,) * 7),
        states(MS, HOME[:5]),
        states(MS, HOME, velocities=(0.0,) * 3),
        states(MS, HOME, names=(NAMES[0], *NAMES[:6])),
    ],
    ids=["nan", "inf", "nan velocity", "short", "short velocities", "a joint twice"],
)
def test_a_message_that_is_wrong_changes_nothing(event: JointStates) -> None:
    measured = make()
    measured.update(states(MS, HOME))
    assert measured.update(event) == (Code.STATE_NOT_FINITE,)
    assert np.array_equal(measured.positions, HOME)


@pytest.mark.requirement("SR-029")
@pytest.mark.redteam(31)
def test_a_frozen_driver_that_repeats_its_last_message_becomes_stale() -> None:
    measured = make()
    for i in range(100):
        measured.update(states(i * 4 * MS + MS, HOME, stamp=777))
    assert measured.stale(101 * MS) == ""
    assert measured.stale(400 * MS) == NAMES[0]
    measured.update(states(400 * MS, HOME, stamp=778))
    assert measured.stale(400 * MS) == ""
    measured.update(states(600 * MS, HOME, stamp=500))
    assert measured.stale(600 * MS) == NAMES[0], "an older stamp is no news either"


@pytest.mark.requirement("SR-029")
@pytest.mark.redteam(31)
def test_the_robot_stops_when_the_driver_repeats_one_stamp() -> None:
    rig = Rig().auto().move()
    rig.measure = False
    frozen = rig.robot.copy()
    stamp = rig.now

    def repeat(_: int) -> None:
        rig.send(states(rig.now - 100_000, frozen, stamp=stamp))

    rig.seconds(0.2, repeat)
    assert "E_STATE_STALE" in rig.codes()
    assert rig.state in ("STOPPING", "PROTECTIVE_STOP")


@pytest.mark.requirement("SR-028")
@pytest.mark.redteam(31)
@pytest.mark.redteam(45)
def test_frozen_values_under_new_stamps_break_the_tracking_bound() -> None:
    rig = Rig().auto().move()
    rig.follow = False
    rig.seconds(0.5)
    assert "E_TRACKING" in rig.codes()
    assert rig.until("FAULT").state == "FAULT"


@pytest.mark.requirement("SR-028")
@pytest.mark.redteam(45)
def test_lag_is_judged_against_what_was_commanded_before() -> None:
    """A robot that is exactly where it was told to be within the tracking delay has no error at all."""
    measured = make()
    delay = SHIPPED.tracking.delay // SHIPPED.timing.period
    ramp = HOME + np.outer(np.arange(200) * 0.008, np.ones(7))  # 2 rad/s
    for i, row in enumerate(ramp):
        measured.commanded(row)
        lagging = ramp[max(0, i - delay)]
        measured.update(states(i * 4 * MS + MS, lagging))
        assert measured.follows()
        assert measured.tracking_error == 0.0
    for lag, follows in ((delay + 1 + 18, True), (delay + 1 + 20, False)):
        measured.update(states(10**9 + lag, ramp[199 - lag]))
        assert measured.follows() is follows, "the bound of 0.15 rad is 18.75 set-points at this speed"


@pytest.mark.requirement("SR-028")
@pytest.mark.redteam(45)
def test_a_lagging_joint_neither_stops_the_robot_nor_changes_its_commands() -> None:
    outputs = []
    for lag in (0, 12):
        rig = Rig()
        rig.lag = lag
        rig.auto()
        first = len(rig.outputs)
        goal, rest = rig.output + np.array([0.8, 0, 0, 0, 0, 0, 0]), np.zeros((1, 7))
        rig.trajectory([2.0], goal[None, :], rest, rest)
        rig.seconds(2.3)
        assert not rig.decisions("STOP")
        outputs.append(np.array(rig.outputs[first:]))
    assert np.array_equal(*outputs)


@pytest.mark.requirement("SR-028")
def test_tracking_error_is_relative_to_the_bound() -> None:
    measured = make()
    measured.restart_tracking(HOME)
    off = HOME.copy()
    off[2] += 0.5 * SHIPPED.tracking.bound[2]
    measured.update(states(MS, off))
    assert measured.follows()
    assert measured.tracking_error == pytest.approx(0.5)
    off[2] = HOME[2] - 1.01 * SHIPPED.tracking.bound[2]
    measured.update(states(2 * MS, off))
    assert not measured.follows()


def _told_without_velocities(share: float) -> set[Code]:
    """Run every joint at a share of its greatest speed, told without velocities, arm and wrist apart.

    The receipts jitter by up to 2 ms, as do those of a driver without a real-time kernel.
    """
    measured, chance, codes = make(), np.random.default_rng(3), set()
    parts = (np.arange(4), np.arange(4, 7))
    for cycle in range(1, 200):
        for number, part in enumerate(parts):
            at = (10 * cycle + 5 * number) * MS
            positions = HOME + share * LIMITS.velocity * at / 1e9
            received = at + int(chance.integers(0, 2 * MS))
            names = tuple(NAMES[i] for i in part)
            measured.update(states(at + 3 * MS, positions[part], names=names, received=received))
        codes |= set(measured.limit_codes()) - {Code.MEASURED_POSITION}
    return codes


@pytest.mark.requirement("SR-028")
def test_speeds_are_told_apart_where_a_driver_tells_none_and_receipts_jitter() -> None:
    assert _told_without_velocities(1.0) == set()
    assert _told_without_velocities(1.5) == {Code.MEASURED_VELOCITY}


@pytest.mark.requirement("SR-029")
@pytest.mark.redteam(31)
@pytest.mark.parametrize("lead", [2_000 * MS, 3_600_000 * MS])
def test_a_dead_driver_whose_clock_leads_becomes_stale_as_well(lead: int) -> None:
    measured = make()
    for i in range(100):  # its last message, repeated; the stamp still lies in the future
        measured.update(states(i * 4 * MS + MS, HOME, stamp=lead))
    assert measured.stale(101 * MS) == ""
    assert measured.stale(400 * MS) == NAMES[0]
    # Its clock is set right: order begins anew with the first true stamp.
    measured.update(states(404 * MS, HOME, stamp=403 * MS))
    assert measured.stale(404 * MS) == ""
    measured.update(states(408 * MS, HOME, stamp=402 * MS))
    assert measured.stale(504 * MS + 1) == NAMES[0], "and then holds"


@pytest.mark.requirement("SR-029")
def test_an_age_counts_from_the_receipt() -> None:
    measured = make()
    measured.update(states(50 * MS, HOME, received=20 * MS))
    assert measured.stale(120 * MS) == ""
    assert measured.stale(120 * MS + 1) == NAMES[0]


@pytest.mark.requirement("SR-028")
@pytest.mark.redteam(43)
@pytest.mark.parametrize("joint", range(7))
def test_measured_limits(joint: int) -> None:
    for limit, sign in ((LIMITS.upper, 1.0), (LIMITS.lower, -1.0)):
        measured = make()
        q = (LIMITS.lower + LIMITS.upper) / 2
        q[joint] = limit[joint] + sign * 1.9e-3
        measured.update(states(MS, q))
        assert measured.limit_codes() == (), "noise at the limit"
        q[joint] = limit[joint] + sign * 2.1e-3
        measured.update(states(2 * MS, q))
        assert measured.limit_codes() == (Code.MEASURED_POSITION,)
    fast = np.zeros(7)
    fast[joint] = 1.26 * LIMITS.velocity[joint]
    measured.update(states(3 * MS, HOME, velocities=tuple(fast.tolist())))
    assert measured.limit_codes() == (Code.MEASURED_VELOCITY,)
    measured.update(states(4 * MS, HOME, velocities=tuple((fast / 1.3).tolist())))
    assert measured.limit_codes() == ()


@pytest.mark.requirement("SR-028")
def test_measured_workspace() -> None:
    measured = make()
    measured.update(states(MS, HOME))
    assert measured.workspace_code() is None
    measured.update(states(2 * MS, HOME + np.array([0.8, 1.0, 0, 1.0, 0, 0, 0])))
    assert measured.workspace_code() is Code.MEASURED_WORKSPACE
    assert MeasuredState(SHIPPED, Scene(SCENE.model, BARE, ())).workspace_code() is None, "nothing to touch"


def test_rest_needs_the_whole_window_and_fresh_measurements() -> None:
    window, period = SHIPPED.timing.standstill_window, 4 * MS
    measured = make()
    now = 0
    rested = []
    for _ in range(80):
        now += period
        measured.update(states(now, HOME))
        rested.append(measured.rests(now))
    first = rested.index(True)
    assert window <= first * period <= window + window // 6
    assert all(rested[first:])
    assert not measured.rests(now + window + window // 6), "no news is no rest"
    creeping = HOME.copy()
    for _ in range(80):
        now += period
        creeping[0] += 1.2 * SHIPPED.tracking.rest * period / window
        measured.update(states(now, creeping))
    assert not measured.rests(now)


def test_a_swing_that_comes_back_is_no_rest() -> None:
    measured, now = make(), 0
    for i in range(100):
        now += 4 * MS
        q = HOME.copy()
        q[1] += 0.02 * np.sin(2 * np.pi * i / 25)
        measured.update(states(now, q))
        assert not measured.rests(now), "it is back where it was, but was elsewhere meanwhile"


@pytest.mark.requirement("SR-008")
@pytest.mark.parametrize("joint", range(7))
def test_standstill_is_left_beyond_its_bound(joint: int) -> None:
    measured = make()
    measured.update(states(MS, HOME))
    assert not measured.left_standstill(), "nothing is monitored yet"
    measured.hold_here()
    q = HOME.copy()
    q[joint] += 0.049
    measured.update(states(2 * MS, q))
    assert not measured.left_standstill()
    q[joint] += 0.002
    measured.update(states(3 * MS, q))
    assert measured.left_standstill()
    measured.release_hold()
    assert not measured.left_standstill()


def test_a_publisher_that_makes_up_names_fills_no_memory() -> None:
    measured = make()
    measured.update(states(MS, HOME))
    answers = [measured.update(states(MS + i, [0.0], names=(f"x{i}",))) for i in range(100)]
    assert answers[0] == ()
    assert answers[-1] == (Code.STATE_NOT_FINITE,)
    assert measured.update(states(2 * MS, HOME)) == (), "known publishers still count"
