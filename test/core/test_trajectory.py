"""Splines between points, as ros2_control's joint_trajectory_controller documents them.

https://control.ros.org/master/doc/ros2_controllers/joint_trajectory_controller/doc/trajectory.html: linear with
positions alone, cubic with velocities, quintic with accelerations. Values below are worked out by hand.
"""

from __future__ import annotations

import numpy as np
import pytest

from safety_supervisor.core.motion.trajectory import PlannedTrajectory, limits_of
from safety_supervisor.core.settings import JointLimits

DT = 0.004


def plan(
    times: list[float],
    positions: list[float],
    velocities: list[float] | None = None,
    accelerations: list[float] | None = None,
    begin: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> PlannedTrajectory:
    def column(values: list[float] | None) -> np.ndarray | None:
        return None if values is None else np.array(values, dtype=float)[:, None]

    q = column(positions)
    assert q is not None
    return PlannedTrajectory(
        np.array(begin)[:, None], np.array(times, dtype=float), q, column(velocities), column(accelerations)
    )


def test_positions_alone_are_joined_by_straight_lines() -> None:
    path = plan([2.0, 3.0], [4.0, 3.0])
    # From 0 at 0 s: 2 rad/s, then -1 rad/s, then rest.
    for tau, q, v in ((0.0, 0.0, 2.0), (0.5, 1.0, 2.0), (2.5, 3.5, -1.0), (3.0, 3.0, 0.0), (9.0, 3.0, 0.0)):
        assert path.state(tau)[:, 0].tolist() == pytest.approx([q, v, 0.0])


def test_velocities_make_cubics() -> None:
    # 0 to 1 in 2 s from rest to rest: q = 3 u^2 - 2 u^3, u = t / 2; at 0.5 s: 3/16 - 2/64, v = (6u - 6u^2) / 2.
    path = plan([2.0], [1.0], [0.0])
    assert path.state(0.5)[:, 0].tolist() == pytest.approx([5 / 32, 9 / 16, 3 / 4])
    # 1 to 1 with 3 rad/s at the middle knot, 4 s: q = 3 u (1 - u)^2 * 4 + 1, by hand at u = 1/2: 1 + 3/8 * 4.
    path = plan([1.0, 5.0], [1.0, 1.0], [3.0, 0.0])
    assert path.state(3.0)[0, 0] == pytest.approx(1.0 + 3.0 * 4.0 * 0.5 * 0.25)
    assert path.state(1.0)[1, 0] == pytest.approx(3.0)


def test_accelerations_make_quintics() -> None:
    # Rest to rest: 10 u^3 - 15 u^4 + 6 u^5; peaks 1.875 d/T at u = 1/2 and 5.7735 d/T^2 at u = (3 - sqrt 3) / 6.
    path = plan([2.0], [1.0], [0.0], [0.0])
    assert path.state(1.0)[:, 0].tolist() == pytest.approx([0.5, 1.875 / 2, 0.0], abs=1e-12)
    assert path.state(0.5)[0, 0] == pytest.approx(10 / 64 - 15 / 256 + 6 / 1024)
    assert path.state((3 - np.sqrt(3)) / 3)[2, 0] == pytest.approx(10 / np.sqrt(3) / 4)


@pytest.mark.parametrize("form", ["linear", "cubic", "quintic"])
def test_the_first_segment_begins_at_the_commanded_state(form: str) -> None:
    path = plan(
        [1.0],
        [2.0],
        None if form == "linear" else [0.0],
        [0.0] if form == "quintic" else None,
        begin=(1.0, 0.5, 0.25),
    )
    expected = {"linear": [1.0, 1.0, 0.0], "cubic": [1.0, 0.5], "quintic": [1.0, 0.5, 0.25]}[form]
    assert path.state(0.0)[: len(expected), 0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("form", ["linear", "cubic", "quintic"])
def test_all_ways_of_asking_agree_and_derivatives_are_derivatives(form: str) -> None:
    random = np.random.default_rng(1)
    times = np.cumsum(random.uniform(0.1, 0.7, 8))
    q, v, a = random.normal(size=(3, 8, 4))
    begin = random.normal(size=(3, 4))
    path = PlannedTrajectory(begin, times, q, None if form == "linear" else v, a if form == "quintic" else None)
    taus = np.sort(random.uniform(0.0, times[-1] + 0.3, 200))
    states = path.states_at(taus)
    assert np.allclose(states, [path.state(t) for t in taus], rtol=1e-10, atol=1e-10)
    assert np.allclose(path.positions_at(taus), states[:, 0], rtol=0, atol=1e-12)
    h = 1e-6
    inside = np.array([t for t in taus if np.abs(np.append(times, 0.0) - t).min() > 2 * h and t < times[-1]])
    slope = (path.states_at(inside + h) - path.states_at(inside - h)) / (2 * h)
    assert np.allclose(slope[:, :2], path.states_at(inside)[:, 1:], rtol=1e-4, atol=1e-4)
    assert np.allclose(path.positions_at(times), q, rtol=0, atol=1e-12), "through every point at its time"
    part = path.of(np.array([2, 0]))
    assert np.allclose(part.states_at(taus), states[:, :, [2, 0]], rtol=1e-12, atol=1e-12)
    assert np.array_equal(part.state(times[-1] + 1.0), path.state(times[-1] + 1.0)[:, [2, 0]])


def test_derivative_bounds_hold_everywhere() -> None:
    """A joint whose limits are the true peaks of the path can not be stopped along it; with three times them it can."""
    random = np.random.default_rng(2)
    for _ in range(20):
        times = np.cumsum(random.uniform(0.2, 0.7, 4))
        w = 2.0
        q, v, a = 0.3 * np.sin(w * times), 0.3 * w * np.cos(w * times), -0.3 * w**2 * np.sin(w * times)
        v[-1] = a[-1] = 0.0
        path = plan(times.tolist(), q.tolist(), v.tolist(), a.tolist(), begin=(0.0, 0.3 * w, 0.0))
        states = path.states_at(np.linspace(0.0, times[-1] - 1e-9, 5000))
        peak = np.abs(states[:, :, 0]).max(axis=0)
        jerk = np.abs(np.diff(states[:, 2, 0])).max() / (times[-1] / 4999)
        for order in (1, 2, 3):
            path.bound_derivative(order)
        tight = JointLimits(*(np.array([x]) for x in (-9.0, 9.0, 0.99 * peak[1], 99.0, 9e4)))
        path.choose_path_stop(tight, DT)
        assert path.stop_from(0.1) is None, "too fast for its limit"
        tight = JointLimits(*(np.array([x]) for x in (-9.0, 9.0, 9.0, 0.99 * peak[2], 9e4)))
        path.choose_path_stop(tight, DT)
        assert path.stop_from(0.1) is None, "no deceleration is left"
        tight = JointLimits(*(np.array([x]) for x in (-9.0, 9.0, 9.0, 99.0, 0.99 * jerk)))
        path.choose_path_stop(tight, DT)
        assert path.stop_from(0.1) is None, "no jerk is left"
        wide = JointLimits(*(np.array([x]) for x in (-9.0, 9.0, 3 * peak[1], 5 * peak[2] + 5, 20 * jerk + 100)))
        path.choose_path_stop(wide, DT)
        assert path.stop_from(0.1) is not None
        assert path.stop_from(times[-1]) is None, "at its end it rests"


def test_one_segment_from_rest_to_rest_is_bounded_nearly_by_its_true_peaks() -> None:
    """One piece of a motion is not thought faster than the same motion cut fine."""
    path = plan([2.0], [1.0], [0.0], [0.0])
    for order in (1, 2, 3):
        path.bound_derivative(order)
    # A quintic from rest to rest has its peaks at 1.875 d/T, 5.774 d/T^2, 60 d/T^3.
    assert 1.875 / 2.0 <= path.fastest[0] <= 1.03 * 1.875 / 2.0
    limits = JointLimits(
        *(np.array([x]) for x in (-9.0, 9.0, 1.05 * 1.875 / 2.0, 3.0 * 5.774 / 4.0, 30.0 * 60.0 / 8.0))
    )
    path.choose_path_stop(limits, DT)
    assert path.stop_from(0.5) is not None


def test_limits_of_some_joints() -> None:
    limits = JointLimits(*(np.arange(4.0) + 10 * k for k in range(5)))
    part = limits_of(limits, np.array([3, 1]))
    for k, field in enumerate((part.lower, part.upper, part.velocity, part.acceleration, part.jerk)):
        assert field.tolist() == [10 * k + 3.0, 10 * k + 1.0]
