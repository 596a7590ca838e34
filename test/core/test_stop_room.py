"""The room in which no stop needs to be planned: whatever it holds, the planned stop keeps all limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety_supervisor.core.motion.stop_room import StopRoom
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.settings import JointLimits

JOINTS = 4


def _limits(rng: np.random.Generator) -> JointLimits:
    velocity = rng.uniform(0.5, 3.0, JOINTS)
    acceleration = rng.uniform(0.5, 20.0, JOINTS)
    jerk = acceleration * rng.uniform(5.0, 1000.0, JOINTS)
    upper = rng.uniform(1.0, 6.0, JOINTS)
    return JointLimits(-upper, upper, velocity, acceleration, jerk)


@pytest.mark.requirement("SR-026")
@given(st.integers(0, 2**32 - 1))
def test_every_stop_from_the_room_keeps_the_limits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    limits = _limits(rng)
    room, stop_limits = StopRoom(limits), StopLimits(limits)
    for _ in range(40):
        # Drawn at and beyond the edges of the room, where a wrong bound would show.
        state = np.stack(
            [
                limits.upper * rng.choice([0.0, 0.3, 0.6, 0.9, 1.0], JOINTS) * rng.choice([-1.0, 1.0], JOINTS),
                limits.velocity * rng.choice([0.0, 0.5, 0.9, 0.99], JOINTS) * rng.choice([-1.0, 1.0], JOINTS),
                limits.acceleration * rng.choice([0.0, 0.5, 1.0], JOINTS) * rng.choice([-1.0, 1.0], JOINTS),
            ]
        )
        if not room.holds(state):
            continue
        stop = StraightStop(state, stop_limits)
        path = stop.positions(tuple(np.linspace(0.0, stop.duration, 200)))
        assert (path >= limits.lower).all()
        assert (path <= limits.upper).all()
        assert (np.abs(stop.top_velocity) <= limits.velocity * (1.0 + 1e-12)).all()


@pytest.mark.requirement("SR-026")
def test_the_room_is_of_use_and_ends_before_the_limits() -> None:
    limits = JointLimits(*(np.full(JOINTS, x) for x in (-2.0, 2.0, 2.0, 10.0, 1000.0)))
    room = StopRoom(limits)
    rest = np.zeros((3, JOINTS))
    moving = np.stack([np.zeros(JOINTS), np.full(JOINTS, 1.9), np.full(JOINTS, 10.0)])
    assert room.holds(rest)
    assert room.holds(moving)
    # v^2 / 2a + v a / 2j = 0.21 rad from 2 rad/s: a state nearer to the limit than that is not held.
    near = moving.copy()
    near[0, 2] = 2.0 - 0.2
    assert not room.holds(near)
    for row in range(3):
        broken = rest.copy()
        broken[row, 1] = np.nan
        assert not room.holds(broken)


@pytest.mark.requirement("SR-026")
def test_a_joint_without_limits_has_room_everywhere_and_one_with_one_limit_only_before_it() -> None:
    limits = JointLimits(
        np.array([-np.inf, -np.inf]), np.array([np.inf, 2.0]), np.full(2, 2.0), np.full(2, 10.0), np.full(2, 1000.0)
    )
    room = StopRoom(limits)
    for first, second, held in ((1e3, 0.0, True), (-1e3, -1.0, True), (0.0, 2.0, False), (0.0, 3.0, False)):
        state = np.zeros((3, 2))
        state[0] = first, second
        assert room.holds(state) is held
