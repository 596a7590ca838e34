"""Capsules that are found hold the whole surface, are tight, and are the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from small_robots import box, sample

from safety_supervisor.core.geometry.shapes import Capsule, Sphere
from safety_supervisor.core.units import Matrix
from safety_supervisor.geometry.bodies import Body
from safety_supervisor.geometry.capsule import capsule_volume, fit_capsule
from safety_supervisor.geometry.partition import cut, protrusion, wrap
from safety_supervisor.geometry.tessellation import tessellate

ELBOW = np.concatenate([box((-0.04, -0.04, 0.0), (0.04, 0.04, 0.4)), box((-0.04, -0.04, 0.0), (0.4, 0.04, 0.08))])
BARBELL = np.concatenate(
    [tessellate(Sphere((0.0, 0.0, z), 0.08)) for z in (0.0, 0.5)] + [box((-0.01, -0.01, 0.0), (0.01, 0.01, 0.5))]
)
SURFACES = {"box": box((-0.1, -0.05, 0.0), (0.1, 0.05, 0.3)), "elbow": ELBOW, "barbell": BARBELL}


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("most", [1, 3])
def test_every_point_of_the_surface_lies_in_a_capsule_by_another_library(name: str, most: int) -> None:
    surface = SURFACES[name]
    capsules = wrap(surface, most, chance())
    assert 1 <= len(capsules) <= most
    dot = Body.of_shapes([Sphere((0.0, 0.0, 0.0), 1e-9)])
    body = Body.of_shapes(capsules)
    worst = max(body.distance(dot, np.eye(3), point) for point in sample(surface, 60))
    assert worst <= 1e-6


def test_a_known_capsule_is_found_again() -> None:
    known = Capsule((0.1, -0.2, 0.3), (0.3, 0.1, 0.2), 0.07)
    points = tessellate(known, outside=False).reshape(-1, 3)
    found = fit_capsule(points, chance())
    assert capsule_volume(found) < 1.03 * capsule_volume(known)


def test_an_elbow_takes_two_capsules_and_they_are_tighter_than_one() -> None:
    one, several = (wrap(ELBOW, most, chance()) for most in (1, 3))
    assert len(several) >= 2
    assert protrusion(several, ELBOW) < 0.5 * protrusion(one, ELBOW)


def test_the_same_seed_gives_the_same_capsules() -> None:
    assert wrap(ELBOW, 2, chance(3)) == wrap(ELBOW, 2, chance(3))


@pytest.mark.parametrize("points", [[[0.1, 0.2, 0.3]], [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [[0.0, 0.0, 0.0]] * 5])
def test_points_and_lines_are_wrapped_too(points: list[list[float]]) -> None:
    found = fit_capsule(np.array(points), chance())
    assert found.radius < 0.02
    body = Body.of_shapes([found])
    dot = Body.of_shapes([Sphere((0.0, 0.0, 0.0), 1e-9)])
    assert max(body.distance(dot, np.eye(3), np.array(point)) for point in points) <= 0.0


def area(triangles: Matrix) -> float:
    edges = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return float(np.linalg.norm(edges, axis=1).sum() / 2)


def test_cutting_keeps_the_surface_and_leaves_no_long_edge() -> None:
    pieces = cut(ELBOW, 0.05)
    assert np.linalg.norm(pieces - np.roll(pieces, 1, axis=1), axis=2).max() <= 0.05
    assert area(pieces) == pytest.approx(area(ELBOW))
    assert len(cut(ELBOW, 1e-4, most=500)) < 1500


def test_protrusion_of_a_sphere_around_a_box_is_its_height_over_the_nearest_face() -> None:
    surface = box((-0.1, -0.1, -0.1), (0.1, 0.1, 0.1))
    assert protrusion([Sphere((0.0, 0.0, 0.0), 0.2)], surface) == pytest.approx(0.1, abs=0.003)
