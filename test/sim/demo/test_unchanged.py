"""Whether set-points lie on the output: a play-out of this file's own, and everything that may go wrong with it."""

from __future__ import annotations

import numpy as np
import pytest

from safety_supervisor_sim.agent.motions import PointToPoint, set_points
from safety_supervisor_sim.demo.unchanged import Arrival, Output, find

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
