"""Motions of a good agent: within limits by finite differences, at rest at both ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety_supervisor.core.motion.segments import Stream
from safety_supervisor.core.settings import CommandKind
from safety_supervisor_sim.agent.acts import JERK_SHARE, SHARE
from safety_supervisor_sim.agent.motions import PEAK_JERK, Cruise, PointToPoint, set_points, shortest_duration

VELOCITY, ACCELERATION, JERK = np.array([1.5, 1.0]), np.array([6.0, 4.0]), np.array([3000.0, 90.0])


def differences(motion: PointToPoint | Cruise, step: float = 1e-4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finite differences of the position alone, so that the closed forms are checked by something else."""
    rows = np.array([motion.at(t).position for t in np.arange(-5, round(motion.duration / step) + 6) * step])
    first = np.diff(rows, axis=0) / step
    second = np.diff(first, axis=0) / step
    third = np.diff(rows[::20], n=3, axis=0) / (20 * step) ** 3
    return first, second, third


@pytest.mark.long
@settings(deadline=None, max_examples=30)
@given(ways=st.tuples(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0)).filter(lambda w: max(map(abs, w)) > 1e-2))
def test_the_shortest_motion_touches_a_limit_and_passes_none(ways: tuple[float, float]) -> None:
    way = np.array(ways)
    motion = PointToPoint(np.zeros(2), way, shortest_duration(way, VELOCITY, ACCELERATION, JERK))
    peaks = [np.abs(rows).max(axis=0) for rows in differences(motion)]
    use = [peak / limit for peak, limit in zip(peaks, (VELOCITY, ACCELERATION, JERK), strict=True)]
    assert max(part.max() for part in use) <= 1.01
    assert max(part.max() for part in use) >= 0.95, "slower than it may be"


def test_velocity_and_acceleration_are_derivatives_of_the_position() -> None:
    motion = PointToPoint(np.array([0.1, -0.2]), np.array([0.9, 0.5]), 1.3)
    h = 1e-5
    for t in (0.0, 0.2, 0.65, 1.1, 1.3):
        before, now, after = motion.at(t - h), motion.at(t), motion.at(t + h)
        np.testing.assert_allclose(now.velocity, (after.position - before.position) / (2 * h), atol=1e-6)
        np.testing.assert_allclose(now.acceleration, (after.velocity - before.velocity) / (2 * h), atol=1e-4)


def test_a_motion_rests_at_both_ends_and_ends_exactly_at_its_goal() -> None:
    goal = np.array([0.3, 1.0 / 3.0])
    motion = PointToPoint(np.zeros(2), goal, 0.7)
    for t in (-1.0, 0.0, 0.7, 5.0):
        assert not motion.at(t).velocity.any()
        assert not motion.at(t).acceleration.any()
    assert (motion.at(0.7).position == goal).all()


def test_a_cruise_reaches_its_velocity_smoothly_and_keeps_it() -> None:
    motion = Cruise(np.array([0.5, 0.0]), np.array([1.0, 0.0]), ramp=0.4, duration=1.0)
    first, second, _ = differences(motion)
    assert first[-100:, 0] == pytest.approx(1.0)
    assert np.abs(second).max() <= 1.0 / 0.4 * 2.1875 * 1.01
    assert motion.at(1.0).position[0] == pytest.approx(0.5 + 0.2 + 0.6)
    assert not first[:, 1].any()


def test_set_points_leave_out_the_beginning_and_end_at_the_goal() -> None:
    rows = set_points(PointToPoint(np.zeros(1), np.ones(1), 0.05), 0.01)
    assert len(rows) == 5
    assert rows[0, 0] > 0.0
    assert rows[-1, 0] == 1.0
    assert len(set_points(PointToPoint(np.zeros(1), np.ones(1), 0.051), 0.01)) == 6


def joined(motion: PointToPoint, cycle: float, phase: float, period: float = 0.01) -> float:
    """Largest third difference of what the motors are sent of a stream of a motion of one joint, [rad/s^3]."""
    rows = set_points(motion, period)
    stream, segments = Stream(CommandKind.POSITION, period, 2), []
    for number, row in enumerate((*rows, rows[-1], rows[-1], rows[-1]), 1):
        segment = stream.plan(number * period, row, None if segments else np.zeros((3, 1)))
        assert segment is not None
        stream.take(segment, number * period)
        segments.append(segment)
    sent = [0.0, 0.0, 0.0]
    for t in np.arange(segments[0].start + phase, segments[-1].end - 1e-6, cycle):
        sent.append(float(next(one for one in segments if one.end >= t).state(t)[0, 0]))
    return float(np.abs(np.diff(sent, n=3)).max() / cycle**3)


@pytest.mark.parametrize("way", [0.02, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("phase", [0.0, 0.001, 0.002, 0.003])
def test_a_stream_of_it_keeps_the_limit_of_jerk_when_its_set_points_are_joined(way: float, phase: float) -> None:
    """A humanoid's arm: set-points every 10 ms, cycles every 4 ms."""
    ways, jerk = np.array([way]), 500.0
    shortest = shortest_duration(ways, SHARE * np.array([3.5]), SHARE * np.array([25.0]), JERK_SHARE * np.array([jerk]))
    worst = joined(PointToPoint(np.zeros(1), ways, max(shortest, 0.2)), 0.004, phase)
    assert worst <= jerk
    assert worst >= 0.3 * jerk or way > 0.1, "slower than it may be"  # beyond, acceleration is what limits it


@pytest.mark.parametrize(
    ("cycle", "told"),
    [
        (0.01, {0.2: 1.0, 0.5: 1.0, 1.0: 1.0}),
        (0.004, {0.2: 2.4, 0.5: 1.5, 1.0: 1.1}),
        (0.002, {0.2: 4.2, 0.5: 2.6, 1.0: 1.6}),
    ],
)
def test_what_joining_makes_of_jerk_is_what_the_interface_tells(cycle: float, told: dict[float, float]) -> None:
    """docs/interface.md."""
    for duration, factor in told.items():
        motion = PointToPoint(np.zeros(1), np.array([0.3]), duration)
        worst = max(joined(motion, cycle, share * cycle) for share in (0.0, 0.2, 0.4, 0.6, 0.8))
        assert 0.96 * factor < worst * duration**3 / (PEAK_JERK * 0.3) < 1.02 * factor, duration
