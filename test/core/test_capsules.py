"""Capsules hold what they wrap; their distances are Coal's; what moves them is bounded; so is the way of a stop."""

from __future__ import annotations

from typing import Any

import coal
import numpy as np
import pytest
from crowd import Judge, watched
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from safety_supervisor.core.geometry.bodies import coal_body
from safety_supervisor.core.geometry.capsules import LinkCapsules, wrap
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.shapes import Box, Capsule, Cylinder, Polytope, Sphere
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.motion.trajectory import PlannedTrajectory

CONFIGURATION = watched()
LIMITS = CONFIGURATION.envelope.joints
MODEL = RobotModel(CONFIGURATION.robot, CONFIGURATION.geometry.volumes)
CAPSULES = LinkCapsules(MODEL, CONFIGURATION.geometry)
SHAPES = [
    Sphere((0.1, 0.2, 0.3), 0.05),
    Capsule((0.0, 0.0, 0.0), (0.1, 0.2, 0.0), 0.04),
    Cylinder((0.0, 0.0, 0.0), (0.0, 0.1, 0.2), 0.06),
    Box((0.1, 0.0, 0.0), (0.1, 0.3, 0.05), (0.3, -0.2, 1.0)),
    Box((0.0, 0.0, 0.0), (0.1, 0.1, 0.1)),
    Polytope(((0.0, 0.0, 0.0), (0.1, 0.0, 0.0), (0.0, 0.2, 0.0), (0.0, 0.0, 0.3), (0.1, 0.1, 0.1))),
    *(shape for shapes in CONFIGURATION.geometry.volumes.values() for shape in shapes),
]


def away(shape: Any, point: NDArray[np.float64]) -> float:
    """Coal's distance of a point from a shape."""
    body = coal_body(shape)
    here, there = coal.Transform3s(body.placement.rotation, body.placement.translation), coal.Transform3s.Identity()
    there.setTranslation(point)
    result = coal.DistanceResult()
    return float(coal.distance(body.geometry, here, coal.Sphere(1e-9), there, coal.DistanceRequest(), result))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_a_shape_lies_in_its_capsule(shape: Any) -> None:
    capsule = wrap(shape)
    random = np.random.default_rng(3)
    for point in random.uniform(-0.6, 0.6, (200, 3)):
        # A body that lies in another is nowhere nearer than it.
        assert away(shape, point) >= away(capsule, point) - 1e-5
    if isinstance(shape, Sphere | Capsule):
        assert capsule.radius == pytest.approx(shape.radius)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_distances_are_those_of_other_kinematics(seed: int) -> None:
    random = np.random.default_rng(seed)
    q = random.uniform(LIMITS.lower, LIMITS.upper)
    point = random.uniform(-1.2, 1.2, (1, 3))
    distance = CAPSULES.distances(q[None], point).min()
    judged = Judge(CONFIGURATION).distance(q, point)
    # The judge's balls lie inside the links, and those inside the capsules; so near as boxes and polytopes are not.
    assert distance <= judged + 1e-9
    assert distance >= judged - 0.06


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_distance_changes_by_more_than_the_reach_allows(seed: int) -> None:
    random = np.random.default_rng(seed)
    first = random.uniform(LIMITS.lower, LIMITS.upper)
    second = np.clip(first + random.normal(size=7) * 10.0 ** random.uniform(-3, 0), LIMITS.lower, LIMITS.upper)
    points = random.uniform(-1.0, 1.0, (5, 3))
    before, after = CAPSULES.distances(np.stack([first, second]), points)
    allowed = CAPSULES.reach @ np.abs(second - first)
    assert (np.abs(after - before) <= allowed[:, None] + 1e-12).all()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_way_of_a_straight_stop_is_bounded(seed: int, turning: bool) -> None:
    random = np.random.default_rng(seed)
    state = np.stack(
        [np.zeros(7), LIMITS.velocity * random.uniform(-1, 1, 7), LIMITS.acceleration * random.uniform(-1, 1, 7)]
    )
    if turning:
        state[1] = -0.3 * state[2] * float((np.abs(state[2]) / LIMITS.jerk).max())
    stop = StraightStop(state, StopLimits(LIMITS))
    times = tuple(np.sort(random.uniform(0.0, stop.duration, 5)).tolist())
    for begin, end, bound in zip(times, times[1:], stop.ways(times), strict=False):
        fine = stop.positions(tuple(np.linspace(begin, end, 400).tolist()))
        assert (np.abs(np.diff(fine, axis=0)).sum(axis=0) <= bound + 1e-12).all()
    assert stop.turning or not turning


def test_the_way_of_a_path_stop_is_bounded() -> None:
    # Out, and most of the way back.
    goal = np.array([0.5, -0.2, 0.3, 0.1, -0.4, 0.2, 0.4])
    rest = np.zeros((2, 7))
    path = PlannedTrajectory(np.zeros((3, 7)), np.array([1.4, 2.6]), np.stack([goal, 0.2 * goal]), rest, rest)
    for order in (1, 2, 3):
        path.bound_derivative(order)
    path.choose_path_stop(LIMITS, 0.004)
    for tau in np.linspace(0.0, 2.5, 40):
        stop = path.stop_from(float(tau))
        assert stop is not None
        knots = tuple(np.linspace(0.0, stop.duration, 4).tolist())
        for first, last, bound in zip(knots, knots[1:], stop.ways(knots), strict=False):
            fine = stop.positions(tuple(np.linspace(first, last, 200).tolist()))
            assert (np.abs(np.diff(fine, axis=0)).sum(axis=0) <= bound + 1e-12).all()


def test_what_is_not_finite_gives_no_distance() -> None:
    q = np.full(7, np.nan)
    assert np.isnan(CAPSULES.distances(q[None], np.zeros((1, 3)))).all()
