"""One step and the stop after it, judged together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from machines import Machine, machine_of
from rig import BARE, upright

from safety_supervisor.core.errors import Code
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.settings import Zone, ZoneKind
from safety_supervisor.core.verifier import Rules, Verified, Verifier

DT = 0.004


def make(machine: Machine, zones: tuple[Zone, ...] = ()) -> Verifier:
    """Links are points, so that what is too near can be told by hand."""
    tracking = replace(machine.configuration.tracking, path_error=np.zeros(machine.count))
    return Verifier(replace(machine.configuration, zones=zones, geometry=BARE, tracking=tracking))


def at(
    machine: Machine, joint: int, position: float, velocity: float, acceleration: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Three set-points before, and the state, of a motion at constant acceleration."""
    state = np.zeros((3, machine.count))
    state[0] = machine.home
    state[:, joint] = position, velocity, acceleration
    back = DT * np.array([-3, -2, -1])[:, None]
    history = state[0] + state[1] * back + state[2] * back**2 / 2
    return history, state


@pytest.mark.requirement("SR-026")
def test_a_joint_may_go_as_far_as_it_can_stop(machine: Machine) -> None:
    """By hand, from zero acceleration: d = v^2 / 2a + v a / 2j, or v sqrt(v / j) where a is not reached."""
    limits = machine.limits
    for joint in machine.joints:
        a, j, speed = limits.acceleration[joint], limits.jerk[joint], 0.75
        reaches = speed >= a**2 / j
        way = speed**2 / (2 * a) + speed * a / (2 * j) if reaches else speed * np.sqrt(speed / j)
        verifier = make(machine)
        for room, passes in ((way + 1e-6, True), (way - 1e-6, False)):
            for limit, sign in ((limits.upper[joint], 1.0), (limits.lower[joint], -1.0)):
                history, state = at(machine, joint, limit - sign * room, sign * speed)
                outcome = verifier.verify(history, state, Rules())
                if passes:
                    assert isinstance(outcome, Verified), outcome
                    assert outcome.state is state
                    assert outcome.stop.end[joint] == pytest.approx(limit - sign * (room - way), abs=1e-9)
                else:
                    assert not isinstance(outcome, Verified)
                    assert (outcome.code, outcome.joint, outcome.limit) == (
                        Code.POSITION_LIMIT,
                        machine.names[joint],
                        limit,
                    )


@pytest.mark.requirement("SR-025")
@pytest.mark.parametrize("joint", [0, 4])
def test_a_step_is_judged_against_the_set_points_before_it(machine: Machine, joint: int) -> None:
    history, state = at(machine, joint, 0.1, 0.5)
    assert isinstance(make(machine).verify(history, state, Rules()), Verified)
    state[0, joint] += 1e-3
    outcome = make(machine).verify(history, state, Rules())
    assert not isinstance(outcome, Verified)
    assert outcome.code in (Code.ACCELERATION_LIMIT, Code.JERK_LIMIT)
    assert outcome.joint == machine.names[joint]


@pytest.mark.requirement("SR-025")
def test_a_state_that_its_set_points_do_not_have_is_refused(machine: Machine) -> None:
    """A velocity or acceleration that is not that of the motion makes a stop that breaks the envelope."""
    history, state = at(machine, 0, 0.1, 0.5)
    for row, value in ((1, 0.9), (1, -0.5), (2, 400.0)):
        wrong = state.copy()
        wrong[row, 0] = value
        outcome = make(machine).verify(history, wrong, Rules())
        assert not isinstance(outcome, Verified), (row, value)


@pytest.mark.requirement("SR-025")
def test_acceleration_that_would_carry_the_velocity_past_its_limit_is_refused(machine: Machine) -> None:
    limit = machine.limits.velocity[0]
    history, state = at(machine, 0, 0.0, limit - 1e-4, 0.93 * machine.limits.acceleration[0])
    outcome = make(machine).verify(history, state, Rules())
    assert not isinstance(outcome, Verified)
    assert outcome.code is Code.VELOCITY_LIMIT


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_state_that_is_not_finite_is_our_own_fault(machine: Machine, row: int, value: float) -> None:
    history, state = at(machine, 0, 0.0, 0.1)
    state[row, 3] = value
    with np.errstate(invalid="ignore", over="ignore"):
        outcome = make(machine).verify(history, state, Rules())
    assert not isinstance(outcome, Verified)
    assert outcome.code is Code.NOT_FINITE_RESULT


@pytest.mark.requirement("SR-026")
def test_the_frame_speed_is_that_of_the_fastest_frame(machine: Machine) -> None:
    """A frame's speed by the difference of its places, of the joint that carries most of them."""
    speed, h, model = 1.0, 1e-6, RobotModel(machine.configuration.robot)
    joint = int((model.frame_reach > 0.0).sum(axis=0).argmax())
    q = machine.home
    moved = model.frame_positions(q + machine.unit(joint, h)) - model.frame_positions(q - machine.unit(joint, h))
    speeds = np.linalg.norm(moved, axis=1) / (2 * h)
    fastest = float(speeds.max())
    history, state = at(machine, joint, float(q[joint]), speed)
    assert isinstance(make(machine).verify(history, state, Rules(fastest * 1.001)), Verified)
    outcome = make(machine).verify(history, state, Rules(fastest * 0.999))
    assert not isinstance(outcome, Verified)
    assert outcome.code is Code.FRAME_SPEED
    assert outcome.value == pytest.approx(fastest, rel=1e-4)
    assert outcome.joint == model.frame_names[int(speeds.argmax())]


@pytest.mark.requirement("SR-027")
def test_the_stop_has_to_stay_inside_the_workspace_too() -> None:
    """By hand: the Panda's joint 1 carries its hand about a vertical axis."""
    machine = machine_of("panda")
    tcp = machine.model.frame_names.index("panda_hand_tcp")
    origin = machine.model.frame_positions(machine.home)[tcp]
    radius = float(np.linalg.norm(origin[:2]))
    speed = 1.0
    a, j = machine.limits.acceleration[0], machine.limits.jerk[0]
    angle = speed**2 / (2 * a) + speed * a / (2 * j)
    y = radius * np.sin(angle)
    for room, passes in ((y + 0.003, True), (y - 0.003, False)):
        box = upright("cell", ZoneKind.KEEP_IN, (-2, -2, -1), (2, room, 2), ("panda_hand_tcp",))
        history, state = at(machine, 0, 0.0, speed)
        outcome = make(machine, (box,)).verify(history, state, Rules())
        assert isinstance(outcome, Verified) is passes
        if not isinstance(outcome, Verified):
            assert outcome.code is Code.WORKSPACE


@pytest.mark.requirement("SR-045")
@pytest.mark.redteam(43)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_outside_a_limit_only_recovery_moves_and_only_back(machine: Machine, sign: float) -> None:
    limit = machine.limits.upper[0] if sign > 0 else machine.limits.lower[0]
    outside = limit + sign * 0.1

    def step(velocity: float, rules: Rules) -> bool:
        """A step with its own set-points behind it, which lie where they would."""
        history, state = at(machine, 0, outside, velocity)
        return isinstance(make(machine).verify(history, state, rules), Verified)

    assert step(-sign * 0.05, Rules(recovery=True))
    assert not step(sign * 0.05, Rules(recovery=True)), "its stop would go farther out"
    assert not step(-sign * 0.05, Rules())
    assert not step(0.0, Rules())
    assert step(0.0, Rules(recovery=True))
