"""Searches: the same seed asks the same, the budget holds, and what is low is found."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from safety_supervisor_sim.falsify.search import Found, Method, search
from safety_supervisor_sim.falsify.space import Vector

WELL = np.array([0.83, 0.21, 0.64])
"""Where it is lowest."""
RADIUS = 0.05
"""Below 0 within it: chance alone would need some 1900 points."""


class Plane:
    """Distance from the well less its radius; keeps what it was asked."""

    def __init__(self, floor: float = -RADIUS) -> None:
        self.asked: list[list[float]] = []
        self.floor = floor

    def __call__(self, points: Sequence[Vector]) -> list[float]:
        self.asked += [point.tolist() for point in points]
        return [float(np.linalg.norm(point - WELL)) + self.floor for point in points]


def hunt(method: Method, seed: int = 1, budget: int = 400, floor: float = -RADIUS) -> tuple[Found, Plane]:
    plane = Plane(floor)
    return search(method, np.full(3, 0.5), seed, budget, plane), plane


@pytest.mark.parametrize("method", Method)
def test_the_same_seed_asks_the_same_and_another_one_something_else(method: Method) -> None:
    asked = [hunt(method, seed, 60, floor=1.0)[1].asked for seed in (5, 5, 6)]
    assert asked[0] == asked[1]
    assert asked[0] != asked[2]
    assert asked[0][0] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("method", Method)
def test_the_budget_holds_and_points_stay_in_the_cube(method: Method) -> None:
    found, plane = hunt(method, budget=97, floor=1.0)
    assert found.runs == len(plane.asked) == 97
    assert found.first == 0
    assert all(0.0 <= share <= 1.0 for point in plane.asked for share in point)


@pytest.mark.parametrize("method", [Method.CMA, Method.NELDER_MEAD])
def test_a_small_well_is_found(method: Method) -> None:
    found, plane = hunt(method)
    assert found.least < 0.0
    assert found.where is not None
    assert np.linalg.norm(found.where - WELL) < RADIUS
    assert plane.asked[found.first - 1] is not None


def test_it_ends_with_the_batch_in_which_it_found_something() -> None:
    found, plane = hunt(Method.CMA)
    assert found.first <= found.runs == len(plane.asked) < found.first + 20


def test_runs_that_come_to_nothing_are_no_find() -> None:
    found = search(Method.CMA, np.full(3, 0.5), 1, 30, lambda points: [math.nan for _ in points])
    assert (found.runs, found.first, found.where) == (30, 0, None)
    assert math.isinf(found.least)


def test_time_that_is_over_ends_it() -> None:
    found = search(Method.RANDOM, np.full(3, 0.5), 1, 1000, Plane(1.0), over=lambda: True)
    assert found.runs == 1
