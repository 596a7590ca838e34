"""What is measured: standstill, limits, freshness, spoofing; and clocks that jump change nothing but stamp checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from machines import Machine
from rig import Rig

from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.events import (
    Event,
    JointStateEndpoints,
    JointStates,
    StopRequested,
    StreamCommand,
    TrajectoryCommand,
)
from safety_supervisor.core.output_settings import OutputType
from safety_supervisor.core.supervisor import Supervisor

Rigs = Callable[..., Rig]


@pytest.mark.requirement("SR-008")
@pytest.mark.parametrize("state", ["LOCKED", "EMERGENCY_STOP"])
def test_a_standstill_that_is_left_is_a_fault(rigs: Rigs, state: str) -> None:
    rig = rigs().lock()
    if state == "EMERGENCY_STOP":
        rig.estop = "stop"
        rig.until(state)
    rig.offset[-1] = 0.049
    rig.cycle(20)
    assert rig.state == state
    rig.offset[-1] = 0.052
    rig.cycle(2)
    assert (rig.state, rig.status.cause) == ("FAULT", "E_STANDSTILL_LEFT")
    assert rig.relays_open


@pytest.mark.requirement("SR-008")
@pytest.mark.requirement("SR-028")
@pytest.mark.redteam(45)
def test_a_robot_that_rests_where_it_was_not_told_to_is_a_fault_before_its_drives_hear_again(rigs: Rigs) -> None:
    """Less than the tracking bound behind, so that nothing else tells: it would be one step of 6 degrees."""
    rig = rigs().auto().move()
    rig.follow = False
    rig.seconds(0.2)
    rig.send(StopRequested(rig.now, "somebody", ""))
    rig.seconds(0.6)
    gap = np.abs(rig.output - rig.robot).max()
    assert 0.05 < gap < rig.configuration.tracking.bound.max()
    assert (rig.state, rig.status.cause) == ("FAULT", "E_TRACKING")
    assert rig.relays_open


def _lost(rig: Rig) -> Rig:
    """Let the drives hear nothing in mid-motion until that is told."""
    rig.auto().move()
    rig.follow = False
    rig.until("STOPPING")
    assert rig.status.cause == "E_TRACKING"
    return rig


@pytest.mark.requirement("SR-028")
@pytest.mark.requirement("SR-015")
@pytest.mark.redteam(45)
@pytest.mark.parametrize("pressed", [False, True])
@pytest.mark.parametrize("ended", [False, True])
def test_drives_that_hear_again_are_told_nothing_until_the_robot_was_measured_anew(
    rigs: Rigs, ended: bool, pressed: bool
) -> None:
    """What they heard last ends at rest; what is commanded now is a step of 9 degrees away from it."""
    rig = _lost(rigs())
    rig.placed_anew = True
    told = len(rig.outputs)
    rig.estop = "stop" if pressed else "run"
    last = next(effect for effect in reversed(rig.history) if isinstance(effect, Actuate))
    assert not any(last.horizon[-1].velocities)
    rig.cycle(3)
    if ended:
        rig.until("FAULT")
    gap = np.abs(rig.output - rig.robot).max()
    assert gap > 0.1, "there is a step that could be made"
    rig.follow = True
    rig.until("FAULT")
    rig.seconds(1.0)
    assert len(rig.outputs) == told
    assert rig.relays_open
    rig.estop = "run"
    rig.seconds(0.2)
    assert rig.act("maintainer").ok
    rig.lock()
    assert np.abs(rig.output - rig.robot).max() < 1e-9
    assert rig.act("reset").ok
    assert rig.act("start", "auto").ok
    rig.seconds(0.5)
    rig.move()
    assert np.abs(rig.output - rig.robot).max() < 0.1, "it follows again"


@pytest.mark.requirement("SR-028")
@pytest.mark.redteam(45)
def test_an_output_that_carries_no_stop_is_led_to_the_end_of_its_own(rigs: Rigs) -> None:
    shared = rigs().configuration
    outputs = tuple(replace(output, type=OutputType.JOINT_STATE) for output in shared.outputs)
    rig = _lost(rigs(outputs=outputs))
    told = len(rig.outputs)
    rig.until("FAULT")
    led = np.array(rig.outputs[told - 2 :])
    assert len(led) > 5
    steps = np.abs(np.diff(led, axis=0)).max(axis=1)
    assert steps[-1] < 0.2 * steps[0], "down to rest"


@pytest.mark.requirement("SR-028")
@pytest.mark.redteam(31)
@pytest.mark.redteam(45)
@pytest.mark.parametrize("behind", [0.2, 0.0])
def test_no_false_measurement_becomes_a_set_point_and_a_robot_that_went_along_is_held_again(
    rigs: Rigs, behind: float
) -> None:
    rig = rigs().auto().move()
    rig.offset = rig.unit(0, -0.2)
    rig.until("STOPPING")
    assert rig.status.cause == "E_TRACKING"
    kept = np.array(next(one for one in reversed(rig.history) if isinstance(one, Actuate)).horizon[-1].positions)
    told = len(rig.outputs)
    rig.cycle(2)
    assert len(rig.outputs) == told
    rig.robot = kept
    rig.offset = rig.unit(0, -behind)
    rig._pipeline.clear()
    rig.until("FAULT")
    rig.seconds(1.0)
    later = np.array(rig.outputs[told:])
    if behind:
        assert len(later) == 0
    else:
        assert np.abs(later - kept).max() < 1e-6
    rig.skips = True  # what was not sent meanwhile is the way between


@pytest.mark.requirement("SR-008")
def test_a_servo_error_at_rest_is_none(rigs: Rigs) -> None:
    rig = rigs().auto()
    for _ in range(12):  # slowly, in a state in which no standstill is monitored
        rig.offset[1] -= 0.004
        rig.cycle(10)
    rig.seconds(1.0)
    assert (rig.state, rig.status.cause) == ("AUTO/HOLDING", "")
    rig.offset[1] -= 0.004
    rig.until("FAULT")
    assert rig.status.cause == "E_TRACKING"


@pytest.mark.requirement("SR-010")
@pytest.mark.requirement("SR-015")
@pytest.mark.parametrize("relays", ["none", "closed"])
def test_power_that_comes_back_finds_the_set_point_where_brakes_have_stopped_the_robot(rigs: Rigs, relays: str) -> None:
    rig = rigs()
    rig.placed_anew = True
    rig.estop_extra = {"relays": relays}
    rig.auto().move()
    rig.estop, rig.follow = "stop", False
    rig.cycle(3)
    if relays == "closed":
        rig.estop_extra = {"relays": "open"}
    rig.until("EMERGENCY_STOP")
    rig._pipeline.clear()
    rig.cycle(2)
    assert np.array_equal(rig.output, rig.robot), "nothing is left to go"
    rig.estop, rig.estop_extra = "run", {"relays": relays}
    rig.until("LOCKED")
    rig.follow = True
    rig.seconds(0.5)
    assert rig.act("reset").ok
    assert np.array_equal(rig.output, rig.robot)


@pytest.mark.requirement("SR-010")
def test_without_power_a_set_point_meets_the_robot_once(rigs: Rigs) -> None:
    """A robot that has power all the same sags below every set-point: one that went after it would lower it."""
    rig = rigs()
    rig.placed_anew = True
    rig.estop_extra = {"relays": "closed"}
    rig.auto()
    rig.offset[1] = -0.02
    rig.estop, rig.estop_extra = "stop", {"relays": "open"}
    rig.until("EMERGENCY_STOP")
    rig.seconds(2.0)
    assert rig.output[1] == pytest.approx(rig.home[1] - 0.02, abs=1e-9)


@pytest.mark.requirement("SR-010")
@pytest.mark.requirement("SR-025")
def test_no_set_point_meets_a_robot_outside_its_limits(rigs: Rigs, machine: Machine) -> None:
    rig = rigs(start=machine.beyond(-0.01)).auto()
    before = rig.output
    rig.offset[machine.free], rig.estop = 0.04, "stop"
    rig.until("EMERGENCY_STOP")
    rig.seconds(1.0)
    assert "E_MEASURED_POSITION" in rig.status.active_causes
    assert np.array_equal(rig.output, before)


@pytest.mark.requirement("SR-008")
def test_many_small_steps_leave_a_standstill_too(rigs: Rigs) -> None:
    rig = rigs().lock()
    for _ in range(100):
        rig.offset[0] += 0.001
        rig.cycle(10)
        if rig.state == "FAULT":
            break
    assert rig.state == "FAULT"
    assert 0.05 < rig.offset[0] < 0.053


@pytest.mark.requirement("SR-028")
def test_measured_limits_stop_though_no_command_broke_them(rigs: Rigs, machine: Machine) -> None:
    rig = rigs(start=machine.beyond(-0.03)).auto()
    rig.offset[machine.free] = 0.045
    rig.cycle(2)
    assert rig.status.cause == "E_MEASURED_POSITION"
    rig.until("LOCKED")
    assert rig.act("reset").code == "E_ACT_CAUSE"
    fast = rigs().auto().move()
    fast.measured_velocity = tuple(machine.unit(-1, 1.3 * machine.limits.velocity[-1]).tolist())
    fast.cycle()
    assert fast.status.cause == "E_MEASURED_VELOCITY"


@pytest.mark.requirement("SR-028")
def test_a_measured_limit_is_seen_though_the_next_message_of_the_cycle_is_good(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    good = tuple(rig.robot.tolist())
    bad = tuple(rig.unit(-1, 1.4 * rig.configuration.envelope.joints.velocity[-1]).tolist())
    rig.send(JointStates(rig.now + 1, rig.names, good, bad, rig.now + 1, rig.now))
    rig.send(JointStates(rig.now + 2, rig.names, good, tuple(rig.rest[0].tolist()), rig.now + 2, rig.now))
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_MEASURED_VELOCITY")


@pytest.mark.redteam(45)
@pytest.mark.requirement("SR-028")
def test_a_lag_of_the_drives_is_no_refusal_and_has_a_bound_of_its_own(rigs: Rigs) -> None:
    rig = rigs()
    rig.lag = 20  # 80 ms, longer than the 60 ms that are expected
    rig.auto().move(1.0)
    assert rig.state == "AUTO/MOVING"
    assert 0.0 < rig.status.tracking_error < 1.0
    rig.seconds(1.3)
    assert rig.state == "AUTO/HOLDING"
    stuck = rigs().auto().move(0.3)
    stuck.follow = False
    for _ in range(200):
        stuck.cycle()
        if stuck.state != "AUTO/MOVING":
            break
    assert stuck.status.cause == "E_TRACKING"
    stuck.until("FAULT")
    assert np.abs(stuck.output - stuck.robot).max() < 0.15 + 0.1, "bound, and the way of the kept stop"


@pytest.mark.redteam(31)
@pytest.mark.requirement("SR-029")
def test_frozen_joint_states_stop(rigs: Rigs) -> None:
    """A driver that repeats its last message, old stamp and all, measures nothing."""
    rig = rigs().auto().move()
    rig.measure = False
    frozen = JointStates(rig.now, rig.names, tuple(rig.robot.tolist()), (), rig.now, rig.now)
    rig.cycle(30, lambda i: rig.send(msgspec.structs.replace(frozen, at=rig.now)))
    assert rig.status.cause == "E_STATE_STALE"
    assert "E_STATE_STALE" in rig.status.active_causes


@pytest.mark.redteam(31)
@pytest.mark.requirement("SR-029")
def test_freshness_is_judged_joint_by_joint(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    rig.measure = False

    def part(_: int) -> None:
        values = tuple(np.array(rig.outputs[-3]).tolist())
        rig.send(JointStates(rig.now, rig.names[:6], values[:6], (), 0, rig.now))

    rig.cycle(24, part)
    assert rig.state == "AUTO/MOVING"
    rig.cycle(3, part)
    assert rig.status.cause == "E_STATE_STALE"


@pytest.mark.redteam(31)
def test_partial_publishers_are_merged(rigs: Rigs) -> None:
    rig = rigs()
    rig.measure = False

    def parts(_: int) -> None:
        q = tuple(rig.home.tolist())
        rig.send(JointStates(rig.now, rig.names[:3], q[:3], (), rig.now, rig.now))
        # A finger that nobody commands is in it, too, where the robot has one.
        others = [(joint, 0.02) for joint in sorted(rig.configuration.robot.locked_joints)[:1]]
        others += list(zip(rig.names[3:], q[3:], strict=True))[::-1]
        rig.send(JointStates(rig.now, tuple(n for n, _ in others), tuple(x for _, x in others), (), 0, 0))

    rig.seconds(0.5, parts)
    assert rig.state == "LOCKED"
    assert rig.output == pytest.approx(rig.home, abs=0)


@pytest.mark.redteam(31)
@pytest.mark.parametrize(
    "nodes",
    [("DRIVER", "DRIVER"), ("DRIVER", "/other"), ("/other",), ("/nsDRIVER",)],
    ids=["twice", "one more", "another", "another namespace"],
)
def test_who_publishes_joint_states_is_known(rigs: Rigs, nodes: tuple[str, ...]) -> None:
    rig = rigs().auto().move()
    (driver,) = (publisher.node for publisher in rig.configuration.robot.state_publishers)
    nodes = tuple(node.replace("DRIVER", driver) for node in nodes)
    rig.send(JointStateEndpoints(rig.now, (driver,)))
    assert rig.state == "AUTO/MOVING"
    rig.send(JointStateEndpoints(rig.now, nodes))
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_STATE_PUBLISHER")
    rig.until("LOCKED")
    assert "E_STATE_PUBLISHER" in rig.act("reset").message
    boot = rigs()
    boot.send(JointStateEndpoints(boot.now, nodes))
    boot.seconds(0.6)
    assert boot.state == "INIT"


@pytest.mark.redteam(31)
def test_spoofed_names_stop_and_fill_no_memory(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    names = (rig.names[0], rig.names[0], *rig.names[2:])
    rig.send(JointStates(rig.now, names, tuple(rig.rest[0].tolist()), (), 0, rig.now))
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_STATE_NOT_FINITE")
    flood = rigs().auto()
    for i in range(200):
        flood.send(JointStates(flood.now, (f"x{i}",), (0.0,), (), 0, flood.now))
    flood.cycle()
    assert flood.status.cause == "E_STATE_NOT_FINITE"
    flood.until("LOCKED")
    assert flood.act("reset").ok, "the robot's own joints are still known"


@pytest.mark.redteam(31)
def test_a_spoofed_pose_is_a_tracking_fault(rigs: Rigs) -> None:
    rig = rigs().auto()
    rig.send(JointStates(rig.now, rig.names, tuple((rig.home + 0.2).tolist()), (), 0, rig.now))
    assert rig.status.cause == "E_TRACKING"


@pytest.mark.parametrize("counts", [(-1, 0), (0, 3), (None, 0), (1, 0)], ids=str)
def test_ragged_joint_states_stop(rigs: Rigs, counts: tuple[int | None, int]) -> None:
    rig = rigs().auto().move()
    positions = 0 if counts[0] is None else len(rig.names) + counts[0]
    rig.send(JointStates(rig.now, rig.names, (0.0,) * positions, (0.0,) * counts[1], 0, rig.now))
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_STATE_NOT_FINITE")


@pytest.mark.requirement("SR-036")
def test_init_sends_nothing_and_begins_where_the_robot_is_when_it_ends(rigs: Rigs) -> None:
    """A robot that is moved by others while we wait for the e-stop device: no leap when INIT ends."""
    rig = rigs()
    rig.estop, rig.estop_received = "unknown", 0
    rig.seconds(0.5)
    assert rig.outputs == []
    moved = rig.home + 0.3
    for k in range(100):
        rig.robot = rig.home + 0.3 * (k + 1) / 100
        rig.cycle()
    rig.seconds(0.4)
    rig.estop, rig.estop_received = "run", None
    rig.until("LOCKED")
    assert rig.outputs[0] == pytest.approx(moved.tolist(), abs=1e-12)


@pytest.mark.requirement("SR-037")
@pytest.mark.redteam(11)
@pytest.mark.parametrize("jump", [-(10**18), -3_600_000_000_000, 3_600_000_000_000, 10**17])
def test_no_deadline_depends_on_the_wall_clock(rigs: Rigs, jump: int) -> None:
    """The same script with clocks that leap, in the middle of it: every effect is the same."""
    rig = rigs().auto().move()
    rig.measure = False
    rig.cycle(40)
    rig.measure = True
    rig.until("LOCKED")
    assert rig.act("reset").ok
    assert rig.act("start", "auto").ok
    for k in range(30):
        rig.stream(rig.output)
        rig.cycle(3 if k % 2 else 2)
    rig.seconds(0.1)

    def leapt(index: int, event: Event) -> Event:
        if index > len(rig.events) // 3 and isinstance(event, (StreamCommand, TrajectoryCommand, JointStates)):
            return msgspec.structs.replace(event, clock=event.clock + jump)
        return event

    other = Supervisor(rig.configuration)
    effects = [e for i, event in enumerate(rig.events) for e in other.handle(leapt(i, event))]
    assert effects == rig.history


@pytest.mark.redteam(11)
@pytest.mark.requirement("SR-030")
def test_a_clock_that_jumps_refuses_stamps_and_nothing_else(rigs: Rigs) -> None:
    rig = rigs().auto()
    rig.stream(rig.home, stamp=rig.now)
    assert rig.decisions()[-1].verdict == "PASS"
    rig.cycle(2)
    rig.stream(rig.home, stamp=rig.now, clock=rig.now + 3_600_000_000_000)
    assert rig.decisions()[-1].code == "E_STAMP"
    assert rig.state == "AUTO/HOLDING"
