"""The measured robot: merged, aged, and judged against what was commanded before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from machines import Machine, machine_of
from rig import BARE, MS

from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import JointStates
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.measured import MeasuredState
from safety_supervisor.core.measured_workspace import MeasuredWorkspace


def make(machine: Machine) -> MeasuredState:
    return MeasuredState(machine.configuration, MeasuredWorkspace(machine.scene))


def states(machine: Machine, at: int, positions: object, stamp: int = 0, **changes: object) -> JointStates:
    event = {"names": machine.names, "positions": tuple(np.asarray(positions).tolist()), "velocities": (), **changes}
    return JointStates(at=at, stamp=stamp, clock=at, **event)  # type: ignore[arg-type]


@pytest.mark.redteam(31)
def test_partial_messages_are_merged_by_name_and_age_by_joint(machine: Machine) -> None:
    measured = make(machine)
    assert measured.missing() == machine.names[0]
    measured.update(states(machine, 1 * MS, machine.home[:3], names=machine.names[:3]))
    assert measured.missing() == machine.names[3]
    order = tuple(reversed(machine.names[3:]))
    measured.update(states(machine, 50 * MS, machine.home[3:][::-1], names=order))
    assert measured.missing() == ""
    assert np.array_equal(measured.positions, machine.home)
    assert measured.stale(101 * MS) == ""
    assert measured.stale(101 * MS + 1) == machine.names[0], "0.1 s after the older half"
    measured.update(states(machine, 102 * MS, machine.home[:3], names=machine.names[:3]))
    assert measured.stale(151 * MS) == machine.names[3]


def test_joints_that_nobody_commands_are_not_ours(machine: Machine) -> None:
    measured = make(machine)
    assert measured.update(states(machine, MS, [0.1], names=("finger",))) == ()
    measured.update(states(machine, MS, np.append(machine.home, np.nan), names=(*machine.names, "finger")))
    assert measured.missing() == ""


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(
    "event",
    [
        lambda machine: states(machine, MS, [np.nan, *machine.home[1:]]),
        lambda machine: states(machine, MS, [np.inf, *machine.home[1:]]),
        lambda machine: states(machine, MS, machine.home, velocities=(np.nan,) * machine.count),
        lambda machine: states(machine, MS, machine.home[:5]),
        lambda machine: states(machine, MS, machine.home, velocities=(0.0,) * 3),
        lambda machine: states(machine, MS, machine.home, names=(machine.names[0], *machine.names[:-1])),
    ],
    ids=["nan", "inf", "nan velocity", "short", "short velocities", "a joint twice"],
)
def test_a_message_that_is_wrong_changes_nothing(machine: Machine, event: Callable[[Machine], JointStates]) -> None:
    measured = make(machine)
    measured.update(states(machine, MS, machine.home))
    assert measured.update(event(machine)) == (Code.STATE_NOT_FINITE,)
    assert np.array_equal(measured.positions, machine.home)


@pytest.mark.requirement("SR-029")
@pytest.mark.redteam(31)
def test_a_frozen_driver_that_repeats_its_last_message_becomes_stale(machine: Machine) -> None:
    measured = make(machine)
    for i in range(100):
        measured.update(states(machine, i * 4 * MS + MS, machine.home, stamp=777))
    assert measured.stale(101 * MS) == ""
    assert measured.stale(400 * MS) == machine.names[0]
    measured.update(states(machine, 400 * MS, machine.home, stamp=778))
    assert measured.stale(400 * MS) == ""
    measured.update(states(machine, 600 * MS, machine.home, stamp=500))
    assert measured.stale(600 * MS) == machine.names[0], "an older stamp is no news either"


@pytest.mark.requirement("SR-029")
@pytest.mark.redteam(31)
def test_the_robot_stops_when_the_driver_repeats_one_stamp(machine: Machine) -> None:
    rig = machine.rig().auto().move()
    rig.measure = False
    frozen = rig.robot.copy()
    stamp = rig.now

    def repeat(_: int) -> None:
        rig.send(states(machine, rig.now - 100_000, frozen, stamp=stamp))

    rig.seconds(0.2, repeat)
    assert "E_STATE_STALE" in rig.codes()
    assert rig.state in ("STOPPING", "PROTECTIVE_STOP")


@pytest.mark.requirement("SR-028")
@pytest.mark.redteam(31)
@pytest.mark.redteam(45)
def test_frozen_values_under_new_stamps_break_the_tracking_bound(machine: Machine) -> None:
    rig = machine.rig().auto().move()
    rig.follow = False
    rig.seconds(0.5)
    assert "E_TRACKING" in rig.codes()
    assert rig.until("FAULT").state == "FAULT"


@pytest.mark.requirement("SR-028")
@pytest.mark.redteam(45)
def test_lag_is_judged_against_what_was_commanded_before(machine: Machine) -> None:
    """A robot that is exactly where it was told to be within the tracking delay has no error at all."""
    measured = make(machine)
    delay = machine.configuration.tracking.delay // machine.configuration.timing.period
    ramp = machine.home + np.outer(np.arange(200) * 0.008, np.ones(machine.count))  # 2 rad/s
    for i, row in enumerate(ramp):
        measured.commanded(row)
        lagging = ramp[max(0, i - delay)]
        measured.update(states(machine, i * 4 * MS + MS, lagging))
        assert measured.follows()
        assert measured.tracking_error == 0.0
    for lag, follows in ((delay + 1 + 18, True), (delay + 1 + 20, False)):
        measured.update(states(machine, 10**9 + lag, ramp[199 - lag]))
        assert measured.follows() is follows, "the bound of 0.15 rad is 18.75 set-points at this speed"


@pytest.mark.requirement("SR-028")
@pytest.mark.redteam(45)
def test_a_lagging_joint_neither_stops_the_robot_nor_changes_its_commands(machine: Machine) -> None:
    outputs = []
    for lag in (0, 12):
        rig = machine.rig()
        rig.lag = lag
        rig.auto()
        first = len(rig.outputs)
        goal, rest = rig.output + machine.unit(0, 0.8), np.zeros((1, machine.count))
        rig.trajectory([2.0], goal[None, :], rest, rest)
        rig.seconds(2.3)
        assert not rig.decisions("STOP")
        outputs.append(np.array(rig.outputs[first:]))
    assert np.array_equal(*outputs)


@pytest.mark.requirement("SR-028")
def test_tracking_error_is_relative_to_the_bound(machine: Machine) -> None:
    measured = make(machine)
    measured.restart_tracking(machine.home)
    off = machine.home.copy()
    off[2] += 0.5 * machine.configuration.tracking.bound[2]
    measured.update(states(machine, MS, off))
    assert measured.follows()
    assert measured.tracking_error == pytest.approx(0.5)
    off[2] = machine.home[2] - 1.01 * machine.configuration.tracking.bound[2]
    measured.update(states(machine, 2 * MS, off))
    assert not measured.follows()


def _told_without_velocities(machine: Machine, share: float) -> set[Code]:
    """Run every joint at a share of its greatest speed, told without velocities, arm and wrist apart.

    The receipts jitter by up to 2 ms, as do those of a driver without a real-time kernel.
    """
    measured, chance, codes = make(machine), np.random.default_rng(3), set()
    parts = (np.arange(4), np.arange(4, machine.count))
    for cycle in range(1, 200):
        for number, part in enumerate(parts):
            at = (10 * cycle + 5 * number) * MS
            positions = machine.home + share * machine.limits.velocity * at / 1e9
            received = at + int(chance.integers(0, 2 * MS))
            names = tuple(machine.names[i] for i in part)
            measured.update(states(machine, at + 3 * MS, positions[part], names=names, received=received))
        codes |= set(measured.limit_codes()) - {Code.MEASURED_POSITION}
    return codes


@pytest.mark.requirement("SR-028")
def test_speeds_are_told_apart_where_a_driver_tells_none_and_receipts_jitter(machine: Machine) -> None:
    assert _told_without_velocities(machine, 1.0) == set()
    assert _told_without_velocities(machine, 1.5) == {Code.MEASURED_VELOCITY}


@pytest.mark.requirement("SR-029")
@pytest.mark.redteam(31)
@pytest.mark.parametrize("lead", [2_000 * MS, 3_600_000 * MS])
def test_a_dead_driver_whose_clock_leads_becomes_stale_as_well(machine: Machine, lead: int) -> None:
    measured = make(machine)
    for i in range(100):  # its last message, repeated; the stamp still lies in the future
        measured.update(states(machine, i * 4 * MS + MS, machine.home, stamp=lead))
    assert measured.stale(101 * MS) == ""
    assert measured.stale(400 * MS) == machine.names[0]
    # Its clock is set right: order begins anew with the first true stamp.
    measured.update(states(machine, 404 * MS, machine.home, stamp=403 * MS))
    assert measured.stale(404 * MS) == ""
    measured.update(states(machine, 408 * MS, machine.home, stamp=402 * MS))
    assert measured.stale(504 * MS + 1) == machine.names[0], "and then holds"


@pytest.mark.requirement("SR-029")
def test_an_age_counts_from_the_receipt(machine: Machine) -> None:
    measured = make(machine)
    measured.update(states(machine, 50 * MS, machine.home, received=20 * MS))
    assert measured.stale(120 * MS) == ""
    assert measured.stale(120 * MS + 1) == machine.names[0]


@pytest.mark.requirement("SR-028")
@pytest.mark.redteam(43)
def test_measured_limits(machine: Machine) -> None:
    for joint in machine.joints:
        for limit, sign in ((machine.limits.upper, 1.0), (machine.limits.lower, -1.0)):
            measured = make(machine)
            q = (machine.limits.lower + machine.limits.upper) / 2
            q[joint] = limit[joint] + sign * 1.9e-3
            measured.update(states(machine, MS, q))
            assert measured.limit_codes() == (), "noise at the limit"
            q[joint] = limit[joint] + sign * 2.1e-3
            measured.update(states(machine, 2 * MS, q))
            assert measured.limit_codes() == (Code.MEASURED_POSITION,)
        fast = np.zeros(machine.count)
        fast[joint] = 1.26 * machine.limits.velocity[joint]
        measured.update(states(machine, 3 * MS, machine.home, velocities=tuple(fast.tolist())))
        assert measured.limit_codes() == (Code.MEASURED_VELOCITY,)
        measured.update(states(machine, 4 * MS, machine.home, velocities=tuple((fast / 1.3).tolist())))
        assert measured.limit_codes() == ()


@pytest.mark.requirement("SR-028")
def test_measured_workspace() -> None:
    """The Panda alone: into its table. A G1 on a stand can not reach the end of its shipped cell."""
    machine = machine_of("panda")
    measured = make(machine)
    measured.update(states(machine, MS, machine.home))
    assert measured.workspace.code(measured.positions) is None
    measured.update(states(machine, 2 * MS, machine.home + np.array([0.8, 1.0, 0, 1.0, 0, 0, 0])))
    assert measured.workspace.code(measured.positions) is Code.MEASURED_WORKSPACE
    assert MeasuredWorkspace(Scene(machine.model, BARE, ())).code(measured.positions) is None, "nothing to touch"


def test_rest_needs_the_whole_window_and_fresh_measurements(machine: Machine) -> None:
    window, period = machine.configuration.timing.standstill_window, 4 * MS
    measured = make(machine)
    now = 0
    rested = []
    for _ in range(80):
        now += period
        measured.update(states(machine, now, machine.home))
        rested.append(measured.rests(now))
    first = rested.index(True)
    assert window <= first * period <= window + window // 6
    assert all(rested[first:])
    assert not measured.rests(now + window + window // 6), "no news is no rest"
    creeping = machine.home.copy()
    for _ in range(80):
        now += period
        creeping[0] += 1.2 * machine.configuration.tracking.rest * period / window
        measured.update(states(machine, now, creeping))
    assert not measured.rests(now)


def test_a_swing_that_comes_back_is_no_rest(machine: Machine) -> None:
    measured, now = make(machine), 0
    for i in range(100):
        now += 4 * MS
        q = machine.home.copy()
        q[1] += 0.02 * np.sin(2 * np.pi * i / 25)
        measured.update(states(machine, now, q))
        assert not measured.rests(now), "it is back where it was, but was elsewhere meanwhile"


@pytest.mark.requirement("SR-008")
def test_standstill_is_left_beyond_its_bound(machine: Machine) -> None:
    for joint in machine.joints:
        measured = make(machine)
        measured.update(states(machine, MS, machine.home))
        assert not measured.left_standstill(), "nothing is monitored yet"
        measured.hold_here()
        q = machine.home.copy()
        q[joint] += 0.049
        measured.update(states(machine, 2 * MS, q))
        assert not measured.left_standstill()
        q[joint] += 0.002
        measured.update(states(machine, 3 * MS, q))
        assert measured.left_standstill()
        measured.release_hold()
        assert not measured.left_standstill()


def test_a_publisher_that_makes_up_names_fills_no_memory(machine: Machine) -> None:
    measured = make(machine)
    measured.update(states(machine, MS, machine.home))
    answers = [measured.update(states(machine, MS + i, [0.0], names=(f"x{i}",))) for i in range(100)]
    assert answers[0] == ()
    assert answers[-1] == (Code.STATE_NOT_FINITE,)
    assert measured.update(states(machine, 2 * MS, machine.home)) == (), "known publishers still count"
