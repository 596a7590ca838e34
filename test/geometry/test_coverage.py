"""A surface that sticks out of its volumes is found, with its excess, also where all corners are inside."""

from __future__ import annotations

import numpy as np
import pytest
from small_robots import box, sample

from safety_supervisor.core.geometry.shapes import BoundedShape, Box, Capsule, Sphere
from safety_supervisor.core.units import Matrix
from safety_supervisor.geometry.coverage import measure_coverage
from safety_supervisor.geometry.distances import signed_distances

NEAR, FAR = Sphere((0.0, 0.0, 0.0), 0.2), Sphere((1.0, 0.0, 0.0), 0.2)
BRIDGE = np.array([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.1, 0.0]]])


def test_a_triangle_between_two_volumes_sticks_out_though_its_corners_do_not() -> None:
    corners = np.minimum(signed_distances(NEAR, BRIDGE), signed_distances(FAR, BRIDGE))
    assert (corners <= 0.0).all(), "the trap: corners alone say that all is well"
    found = measure_coverage([NEAR, FAR], BRIDGE)
    # Equally far from both centres are the points with x = 0.5; of those the triangle's farthest is (0.5, 0.05, 0).
    expected = np.hypot(0.5, 0.05) - 0.2
    assert not found.inside
    assert found.least == pytest.approx(expected, abs=2e-5)
    assert found.most == pytest.approx(expected, abs=2e-5)
    assert found.where == pytest.approx((0.5, 0.05, 0.0), abs=1e-3)
    assert found.triangles == 1


def test_with_a_volume_between_them_it_is_proven_inside() -> None:
    found = measure_coverage([NEAR, FAR, Capsule((0.1, 0.0, 0.0), (0.9, 0.0, 0.0), 0.12)], BRIDGE)
    assert found.inside
    assert found.least == 0.0


def test_a_spike_is_told_with_its_excess_and_place() -> None:
    spike = np.array([[[0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.237]]])
    found = measure_coverage([NEAR], np.concatenate([box((-0.1, -0.1, -0.1), (0.1, 0.1, 0.1)), spike]))
    assert found.least == pytest.approx(0.037, abs=1e-9)
    assert found.most == pytest.approx(0.037, abs=1.1e-5)
    assert found.where == pytest.approx((0.0, 0.0, 0.237))
    assert found.triangles == 1


@pytest.mark.parametrize("seed", range(8))
def test_the_bounds_hold_the_excess_of_dense_samples(seed: int) -> None:
    chance = np.random.default_rng(seed)
    surface: Matrix = chance.uniform(-0.3, 0.3, size=(40, 3, 3))
    shapes: list[BoundedShape] = [
        Capsule(tuple(ends[0]), tuple(ends[1]), 0.15)  # type: ignore[arg-type]
        for ends in chance.uniform(-0.3, 0.3, size=(4, 2, 3)).tolist()
    ]
    points = sample(surface, 800, seed)
    seen = float(np.min([signed_distances(shape, points) for shape in shapes], axis=0).max())
    found = measure_coverage(shapes, surface)
    assert seen > 0.0
    assert seen <= found.most + 1e-9
    assert found.most - found.least <= 1.1e-5
    assert found.least >= seen - 1e-5


def test_a_box_around_exactly_its_own_box_is_inside_and_a_hair_smaller_is_not() -> None:
    surface = box((0.0, 0.0, 0.0), (0.2, 0.3, 0.4))
    assert measure_coverage([Box((0.1, 0.15, 0.2), (0.2, 0.3, 0.4))], surface).inside
    found = measure_coverage([Box((0.1, 0.15, 0.2), (0.2, 0.3, 0.4 - 2e-5))], surface)
    assert not found.inside
    assert found.most == pytest.approx(1e-5, abs=1e-7)


def test_progress_is_told() -> None:
    told: list[int] = []
    measure_coverage([NEAR, FAR], BRIDGE, told.append)
    assert sum(told) >= 1
