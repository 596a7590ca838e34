"""The polygon of a robot's support, against its support function in many directions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from safety_supervisor.core.balance.support_polygon import SupportPolygon, convex_hull

pytestmark = pytest.mark.requirement("SR-034")

Array = NDArray[np.float64]
ANGLES = np.linspace(0.0, 2.0 * np.pi, 40_000, endpoint=False)
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
coordinate = st.floats(-1.0, 1.0).map(lambda value: round(value, 6))
point = st.tuples(coordinate, coordinate)


def brute(points: Array, at: Array) -> float:
    """Signed distance to the convex hull: the least of h(n) - n . x over unit vectors n, h(n) the greatest n . corner.

    True inside and outside, without a hull; too large by less than 2 pi / 40,000 times the size of it all.
    """
    return float(((points @ DIRECTIONS.T).max(axis=0) - at @ DIRECTIONS.T).min())


@settings(deadline=None)
@given(points=st.lists(point, min_size=1, max_size=9), at=st.lists(point, min_size=1, max_size=5))
def test_signed_distance_is_that_of_the_support_function(points: list[tuple[float, float]], at: list[Array]) -> None:
    corners, where = np.array(points), np.array(at)
    found = SupportPolygon(corners).signed_distances(where)
    for distance, x in zip(found, where, strict=True):
        expected = brute(corners, x)
        assert expected - 8e-4 <= distance <= expected + 1e-9


@settings(deadline=None)
@given(points=st.lists(point, min_size=1, max_size=9), at=st.tuples(point, point), share=st.floats(0.0, 1.0))
def test_it_is_concave_and_changes_no_more_than_the_point_moves(
    points: list[tuple[float, float]], at: tuple[tuple[float, float], ...], share: float
) -> None:
    polygon = SupportPolygon(np.array(points))
    a, b = np.array(at)
    first, last, between = polygon.signed_distances(np.array([a, b, a + share * (b - a)]))
    assert abs(first - last) <= math.dist(a, b) + 1e-12
    assert between >= (1.0 - share) * first + share * last - 1e-12


@pytest.mark.parametrize(
    ("points", "at", "expected"),
    [
        ([(1.0, 2.0)], (1.0, 2.0), 0.0),
        ([(1.0, 2.0)] * 3, (4.0, 6.0), -5.0),
        ([(0.0, 0.0), (2.0, 0.0)], (1.0, 0.0), 0.0),
        ([(0.0, 0.0), (2.0, 0.0), (1.0, 0.0)], (1.0, 0.5), -0.5),
        ([(0.0, 0.0), (2.0, 0.0)], (5.0, 4.0), -5.0),
        ([(0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0), (1.0, 1.0)], (1.5, 0.5), 0.5),
        ([(0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0)], (1.0, 0.9), 0.1),
        ([(0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0)], (-3.0, -4.0), -5.0),
    ],
)
def test_known_distances(points: list[tuple[float, float]], at: tuple[float, float], expected: float) -> None:
    assert SupportPolygon(np.array(points)).signed_distances(np.array([at]))[0] == pytest.approx(expected, abs=1e-12)


def test_corners_go_round_against_the_clock_and_leave_out_what_is_on_edges() -> None:
    hull = convex_hull(np.array([(0, 0), (1, 0), (2, 0), (2, 2), (1, 1), (0, 2), (0, 1), (2, 2), (-0.0, 0.0)], float))
    assert hull.tolist() == [[0, 0], [2, 0], [2, 2], [0, 2]]


@pytest.mark.parametrize(
    "points", [np.zeros((0, 2)), np.zeros((3, 3)), np.array([[0.0, np.nan]]), np.full((4, 2), np.inf)]
)
def test_what_spans_nothing_is_refused(points: Array) -> None:
    with pytest.raises(ValueError, match="one point or more"):
        SupportPolygon(points)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_point_that_is_not_finite_is_never_inside(count: int) -> None:
    polygon = SupportPolygon(np.array([(0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0)])[:count])
    found = polygon.signed_distances(np.array([[np.nan, 0.5], [0.5, np.inf], [1.0, 0.5]]))
    assert not (found[:2] > -np.inf).any()
    assert np.isfinite(found[2])
