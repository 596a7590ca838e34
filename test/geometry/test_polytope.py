"""Polytopes hold what they wrap, stick out little, and have no more corners than Coal measures without history."""

from __future__ import annotations

import numpy as np
import pytest

from safety_supervisor.core.geometry.bodies import CORNERS, FINE, few_balls
from safety_supervisor.core.geometry.shapes import Polytope
from safety_supervisor.geometry import coverage
from safety_supervisor.geometry.coverage import measure_coverage
from safety_supervisor.geometry.distances import hull_faces, lower_distances, signed_distances
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


def test_quick_distances_have_the_sign_of_the_exact_ones_and_are_no_greater() -> None:
    one = Polytope(tuple(map(tuple, np.random.default_rng(3).normal(size=(30, 3)).tolist())))
    points = np.random.default_rng(4).uniform(-4.0, 4.0, (2000, 3))
    quick, exact = lower_distances(one, points), signed_distances(one, points)
    assert ((quick > 0.0) == (exact > 0.0)).all()
    assert 100 < (exact > 0.0).sum() < 1900
    assert (quick <= exact + 1e-12).all()
    assert (quick < 0.9 * exact).any(), "the test could not fail otherwise"


def test_where_the_search_gives_up_the_bound_is_of_exact_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "_MOST", 0)
    # Two octahedra tip to tip: beyond a tip the planes of the faces are nearer than the tip itself.
    tips = 0.1 * np.concatenate([np.eye(3), -np.eye(3)])
    shapes = [Polytope(tuple(map(tuple, (tips + (x, 0.0, 0.0)).tolist()))) for x in (-0.2, 0.2)]
    # Every corner lies in one of the two, and what is between them in none.
    bridge = np.array([[[-0.2, 0.0, 0.0], [0.2, 0.0, 0.0], [0.2, 0.01, 0.0]]])
    exact = np.array([signed_distances(shape, bridge[0]) for shape in shapes])
    assert (exact.min(axis=0) < 0.0).all()
    assert lower_distances(shapes[1], bridge[0]).max() < 0.7 * exact[1].max(), "the test could not fail otherwise"
    assert measure_coverage(shapes, bridge).most == pytest.approx(exact.max(axis=1).min())
