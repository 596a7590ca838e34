"""Whether set-points lie on the output: a play-out of this file's own, and everything that may go wrong with it."""

from __future__ import annotations

import numpy as np
import pytest

from safety_supervisor_sim.agent.motions import PointToPoint, set_points
from safety_supervisor_sim.demo.unchanged import SLOW, Arrival, Output, find

PERIOD, CYCLE = 0.01, 0.004
MOTION = PointToPoint(np.zeros(3), np.array([0.5, -0.3, 0.2]), 0.8)


def quintic(first: np.ndarray, last: np.ndarray, duration: float) -> np.ndarray:
    """Coefficients in t, shape (6, n), by solving the six conditions: another way than the judge's closed form."""
    rows = []
    for t in (0.0, duration):
        rows.append([t**k for k in range(6)])
        rows.append([k * t ** (k - 1) if k else 0.0 for k in range(6)])
        rows.append([k * (k - 1) * t ** (k - 2) if k > 1 else 0.0 for k in range(6)])
    return np.linalg.solve(np.array(rows), np.concatenate([first, last]))


def play(points: np.ndarray, periods: np.ndarray, start: float = 0.0013) -> Output:
    """Play set-points out as quintics that end in them, each in its own duration, sampled every cycle."""
    rng = np.random.default_rng(5)
    state = np.zeros((3, points.shape[1]))
    knots, segments = [start], []
    for index, (point, period) in enumerate(zip(points, periods, strict=True)):
        rest = index == len(points) - 1
        shake = 0.0 if rest else 0.02
        velocity = (point - state[0]) / period * (0.0 if rest else 1.0) + shake * rng.standard_normal(point.shape)
        end = np.stack([point, velocity, shake * rng.standard_normal(point.shape)])
        segments.append(quintic(state, end, period))
        knots.append(knots[-1] + period)
        state = end
    rows = []
    for cycle in range(round((knots[-1] + 0.1) / CYCLE)):
        t = cycle * CYCLE
        index = int(np.searchsorted(knots, t, side="right")) - 1
        if index < 0:
            rows.append(np.zeros((3, points.shape[1])))
        elif index >= len(segments):
            rows.append(state)
        else:
            u = t - knots[index]
            powers = [
                [u**k for k in range(6)],
                [k * u ** (k - 1) if k else 0.0 for k in range(6)],
                [k * (k - 1) * u ** (k - 2) if k > 1 else 0.0 for k in range(6)],
            ]
            rows.append(np.array(powers) @ segments[index])
    states = np.array(rows)
    return Output(states[:, 0], states[:, 1], states[:, 2], CYCLE)


POINTS = set_points(MOTION, PERIOD)
EVEN = np.full(len(POINTS), PERIOD)


@pytest.mark.parametrize("start", [0.0, 0.0013, 0.002])
def test_what_passes_through_every_set_point_is_found(start: float) -> None:
    arrival = find(POINTS, PERIOD, play(POINTS, EVEN, start))
    assert arrival.ok
    assert arrival.checked == len(POINTS)
    assert arrival.max_error < 1e-10


def test_a_source_whose_clock_is_one_percent_off_is_followed() -> None:
    assert find(POINTS, PERIOD, play(POINTS, EVEN * 1.01)).ok


def test_one_set_point_ten_nanoradians_off_is_missed() -> None:
    moved = POINTS.copy()
    moved[40, 1] += 1e-8
    arrival = find(POINTS, PERIOD, play(moved, EVEN))
    assert not arrival.ok
    assert arrival.missing == 1
    assert 1e-9 < arrival.max_error <= 1e-8


def test_a_set_point_that_was_left_out_is_missed() -> None:
    output = play(np.delete(POINTS, 40, axis=0), np.delete(EVEN, 40))
    assert find(POINTS, PERIOD, output).missing >= 1


def test_a_smoothed_output_is_not_unchanged() -> None:
    output = play(POINTS, EVEN)
    kernel = np.ones(5) / 5.0
    smooth = np.apply_along_axis(lambda row: np.convolve(row, kernel, mode="same"), 0, output.positions)
    assert find(POINTS, PERIOD, Output(smooth, output.velocities, output.accelerations, CYCLE)).missing > 10


def test_a_motion_that_is_played_slower_is_off_its_time() -> None:
    arrival = find(POINTS, PERIOD, play(POINTS, EVEN * 1.1))
    assert arrival.missing == 0
    assert arrival.off_beat > 10
    assert not arrival.ok


def test_a_motion_that_stopped_half_way_is_missed() -> None:
    output = play(POINTS[:40], EVEN[:40])
    assert find(POINTS, PERIOD, output).missing >= len(POINTS) - 41


def test_without_output_everything_is_missing() -> None:
    empty = np.zeros((0, 3))
    assert find(POINTS, PERIOD, Output(empty, empty, empty, CYCLE)).missing == len(POINTS)


def test_a_period_of_less_than_two_cycles_can_not_be_judged() -> None:
    with pytest.raises(ValueError, match="too short"):
        find(POINTS, 0.006, play(POINTS, EVEN))


def test_nothing_to_check_is_no_proof() -> None:
    assert not Arrival(0, 0, 0.0, 0.0, 0).ok


def trajectory(motion: PointToPoint, period: float, start: float, last: float = 1.0) -> Output:
    """Play points of a trajectory out with their own velocities and accelerations; the last one in `last` periods."""
    count = round(motion.duration / period)
    samples = [motion.at(period * k) for k in range(count + 1)]
    states = [np.stack([one.position, one.velocity, one.acceleration]) for one in samples]
    knots = start + period * np.array([*range(count), count - 1 + last])
    rows = []
    for cycle in range(round((knots[-1] + 0.1) / CYCLE)):
        t = cycle * CYCLE
        index = int(np.searchsorted(knots, t, side="right")) - 1
        if index < 0 or index >= count:
            rows.append(states[0 if index < 0 else -1])
            continue
        u, length = t - knots[index], float(knots[index + 1] - knots[index])
        powers = [[(k * (k - 1) if d == 2 else k**d) * u ** max(k - d, 0) for k in range(6)] for d in range(3)]
        rows.append(np.array(powers) @ quintic(states[index], states[index + 1], length))
    played = np.array(rows)
    return Output(played[:, 0], played[:, 1], played[:, 2], CYCLE)


@pytest.mark.parametrize("start", [0.0, 0.0013, 0.002])
@pytest.mark.parametrize("seed", range(4))
def test_the_last_point_is_on_its_beat_where_the_robot_rests_ever_after(start: float, seed: int) -> None:
    """At rest one pose lies on the output at many times; one of them has to be the right one."""
    random = np.random.default_rng(seed)
    begin, way = random.uniform(-1.0, 1.0, (2, 3))
    motion = PointToPoint(begin, begin + 0.3 * way / np.abs(way).max(), 0.35)
    points = set_points(motion, 0.05)
    assert np.abs(points[-1] - points[-2]).max() / 0.05 > SLOW, "else its time would not be judged"
    assert find(points, 0.05, trajectory(motion, 0.05, start)).ok
    assert find(points, 0.05, trajectory(motion, 0.05, start, last=1.05)).off_beat == 1
