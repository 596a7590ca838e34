"""Distances of points from shapes, against Coal's, and where Coal can not tell, against what a shape is."""

from __future__ import annotations

import numpy as np
import pytest

from safety_supervisor.core.geometry.shapes import Ball, BoundedShape, Box, Capsule, Cylinder, Polytope, Sphere
from safety_supervisor.geometry.bodies import Body
from safety_supervisor.geometry.distances import hull_faces, rotation, signed_distances, triangle_distances
from safety_supervisor.geometry.tessellation import tessellate

SHAPES: list[BoundedShape] = [
    Sphere((0.1, -0.2, 0.05), 0.2),
    Capsule((0.1, 0.0, -0.1), (-0.2, 0.1, 0.3), 0.08),
    Cylinder((0.1, 0.0, -0.1), (-0.2, 0.1, 0.3), 0.08),
    Box((0.05, 0.1, -0.1), (0.3, 0.2, 0.5), (0.4, -0.9, 2.0)),
    Polytope(((0.0, 0.0, 0.0), (0.4, 0.0, 0.0), (0.0, 0.3, 0.0), (0.0, 0.0, 0.35), (0.25, 0.25, 0.2))),
]


def kind(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize("shape", SHAPES, ids=kind)
def test_distances_outside_are_those_of_another_library(shape: BoundedShape) -> None:
    points = np.random.default_rng(1).uniform(-0.6, 0.6, size=(400, 3))
    ours = signed_distances(shape, points)
    body = Body.of_shapes([shape])
    dot = Body.of_shapes([Sphere((0.0, 0.0, 0.0), 1e-9)])
    theirs = np.array([body.distance(dot, np.eye(3), point) for point in points])
    outside = ours > 1e-6
    assert 50 < outside.sum() < 400
    assert np.allclose(ours[outside], theirs[outside], atol=1e-6)
    assert (theirs[~outside] <= 1e-6).all()


@pytest.mark.parametrize("shape", SHAPES, ids=kind)
def test_the_surface_is_at_zero_and_its_chords_are_inside(shape: BoundedShape) -> None:
    corners = np.unique(tessellate(shape, outside=False).reshape(-1, 3), axis=0)
    assert np.abs(signed_distances(shape, corners)).max() < 1e-9
    chance = np.random.default_rng(2)
    pairs = chance.choice(len(corners), size=(300, 2))
    middles = corners[pairs].mean(axis=1)
    assert (signed_distances(shape, middles) <= 1e-9).all()
    ball: Ball = shape.ball()
    assert (np.linalg.norm(corners - np.array(ball.centre), axis=1) <= ball.radius + 1e-9).all()


@pytest.mark.parametrize("shape", SHAPES, ids=kind)
def test_the_distance_is_convex_so_a_triangle_is_farthest_at_a_corner(shape: BoundedShape) -> None:
    chance = np.random.default_rng(3)
    triangles = chance.uniform(-0.5, 0.5, size=(500, 3, 3))
    weights = chance.dirichlet([1.0, 1.0, 1.0], size=500)
    inner = np.einsum("tk,tki->ti", weights, triangles)
    assert (signed_distances(shape, inner) <= signed_distances(shape, triangles).max(axis=1) + 1e-12).all()


@pytest.mark.parametrize("shape", SHAPES, ids=kind)
def test_wrapping_triangles_lie_outside_and_near(shape: BoundedShape) -> None:
    triangles = tessellate(shape)
    weights = np.random.default_rng(4).dirichlet([1.0, 1.0, 1.0], size=len(triangles))
    points = np.einsum("tk,tki->ti", weights, triangles)
    distances = signed_distances(shape, points)
    assert distances.min() > -1e-9
    assert distances.max() < 0.06 * 0.3


def test_distances_from_triangles_are_those_of_dense_points() -> None:
    chance = np.random.default_rng(6)
    triangles = chance.uniform(-1.0, 1.0, size=(7, 3, 3))
    points = chance.uniform(-1.5, 1.5, size=(40, 3))
    grid = np.array([(i, j, 60 - i - j) for i in range(61) for j in range(61 - i)]) / 60.0
    dense = np.einsum("gk,tki->tgi", grid, triangles).reshape(-1, 3)
    expected = np.linalg.norm(points[:, None] - dense, axis=2).min(axis=1)
    found = triangle_distances(triangles, points, block=50)
    assert (found <= expected + 1e-12).all()
    assert (found >= expected - 0.04).all()
    assert np.allclose(triangle_distances(triangles, triangles.mean(axis=1)), 0.0, atol=1e-12)


def test_roll_pitch_yaw_turn_about_the_fixed_axes_in_this_order() -> None:
    quarter = np.pi / 2
    assert np.allclose(rotation((quarter, 0.0, 0.0)) @ [0, 1, 0], [0, 0, 1])
    assert np.allclose(rotation((quarter, quarter, 0.0)) @ [0, 1, 0], [1, 0, 0])
    assert np.allclose(rotation((quarter, quarter, quarter)) @ [0, 1, 0], [0, 1, 0])


@pytest.mark.parametrize("height", [0.0, 1e-7])
def test_a_flat_polytope_is_refused_before_coal_crashes_on_it(height: float) -> None:
    flat = Polytope(((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0, height)))
    with pytest.raises(ValueError, match="lie in one plane"):
        hull_faces(flat)
