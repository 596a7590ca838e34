"""Polytopes hold what they wrap, stick out little, and have no more corners than Coal measures without history."""

from __future__ import annotations

import numpy as np
import pytest

from safety_supervisor.core.geometry.bodies import CORNERS, FINE, few_balls
from safety_supervisor.core.geometry.shapes import Polytope
from safety_supervisor.geometry.coverage import measure_coverage
from safety_supervisor.geometry.distances import hull_faces, signed_distances
from safety_supervisor.geometry.partition import protrusion
from safety_supervisor.geometry.polytope import fit_polytope, wrap_in_polytopes


def cloud(seed: int, count: int = 60) -> np.ndarray:
    """Points in an ellipsoid that lies askew."""
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    points = random.normal(size=(count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return (points * random.uniform(0.03, 0.2, 3)) @ turn + random.uniform(-0.5, 0.5, 3)


@pytest.mark.parametrize("seed", range(4))
def test_a_polytope_holds_its_points_with_few_corners(seed: int) -> None:
    points = cloud(seed)
    excess = []
    for corners in (12, CORNERS, 600):
        found = fit_polytope(points, 1e-3, corners)
        assert found is not None
        assert len(found.vertices) <= corners
        assert signed_distances(found, points).max() <= 0.0
        excess.append(protrusion([found], hull_faces(Polytope(tuple(map(tuple, points.tolist()))))))
    assert excess[0] > excess[1] > excess[2]
    assert excess[2] < 2e-3


def test_a_box_that_lies_askew_is_found_to_a_fraction_of_a_millimetre() -> None:
    random = np.random.default_rng(3)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    corners = np.array(np.meshgrid(*[(-1.0, 1.0)] * 3)).reshape(3, -1).T * (0.1, 0.2, 0.05) @ turn
    found = fit_polytope(corners, 1e-3, CORNERS)
    assert found is not None
    assert len(found.vertices) == 8
    assert protrusion([found], hull_faces(Polytope(tuple(map(tuple, corners.tolist()))))) < 5e-4


def test_what_is_flat_has_no_polytope() -> None:
    flat = cloud(1) * (1.0, 1.0, 0.0)
    assert fit_polytope(flat, 1e-3, CORNERS) is None
    assert wrap_in_polytopes(flat[:9].reshape(3, 3, 3), 3) == ()


def test_a_corner_that_is_joined_to_too_many_others_has_no_polytope() -> None:
    """A finely meshed cone: Coal counts 255 neighbours of a corner at most."""
    turn = np.linspace(0.0, 2.0 * np.pi, 300, endpoint=False)
    rim = np.stack([np.cos(turn), np.sin(turn), np.zeros_like(turn)], axis=1)
    tip = np.array([[0.0, 0.0, 1.0]])
    assert fit_polytope(np.concatenate([rim, tip]), 1e-3, CORNERS) is None
    assert fit_polytope(np.concatenate([rim[::2], tip]), 1e-3, CORNERS) is not None
    cone = np.stack([rim, np.roll(rim, -1, axis=0), np.repeat(tip, 300, axis=0)], axis=1)
    assert wrap_in_polytopes(cone, 2) == ()


def test_a_hollow_surface_is_held_by_slices_that_together_hold_every_triangle() -> None:
    """An L of two boxes: one polytope fills the corner, two do not."""
    boxes = []
    for low, high in (((0, 0, 0), (0.2, 0.05, 0.05)), ((0, 0, 0), (0.05, 0.05, 0.2))):
        corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
        boxes.append(hull_faces(Polytope(tuple(map(tuple, corners.tolist())))))
    surface = np.concatenate(boxes)
    (one,) = wrap_in_polytopes(surface, 1)
    two = wrap_in_polytopes(surface, 2)
    assert len(two) == 2
    assert measure_coverage([one], surface).inside
    assert measure_coverage(two, surface).inside
    assert not measure_coverage(two[:1], surface).inside
    assert protrusion([one], surface) > 0.03
    assert protrusion(two, surface) < 0.02


@pytest.mark.parametrize("seed", range(4))
def test_the_hull_of_few_balls_holds_a_polytope(seed: int) -> None:
    shape = Polytope(tuple(map(tuple, (cloud(seed, CORNERS) / 4).tolist())))
    balls = few_balls(shape)
    assert len(balls) < len(shape.vertices)
    assert max(ball.radius for ball in balls) <= FINE * 1.001
    for vertex in shape.vertices:
        assert any(np.linalg.norm(np.subtract(vertex, b.centre)) <= b.radius * (1 + 1e-12) + 1e-15 for b in balls)
