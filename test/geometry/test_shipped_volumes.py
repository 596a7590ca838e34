"""The volumes of the shipped robots: every mesh inside, and red when any of them is smaller."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from safety_supervisor.config import load_config
from safety_supervisor.config.link_volumes import LinkVolumes, load_link_volumes
from safety_supervisor.core.geometry.shapes import BoundedShape, Box, Polytope
from safety_supervisor.geometry.bodies import Body
from safety_supervisor.geometry.kinematics import Kinematics
from safety_supervisor.geometry.meshes import surface_coverage
from safety_supervisor.geometry.surfaces import read_surfaces

CONFIG = Path(__file__).resolve().parents[2] / "config"
SHOWN = {"panda": False, "g1": True, "talos": True}
"""Whether what is shown of a link with collision geometry was wrapped, too: that may be less than the link."""


@pytest.fixture(scope="module", params=SHOWN)
def robot(request: pytest.FixtureRequest) -> LinkVolumes:
    return load_link_volumes(CONFIG / f"{request.param}.yaml")


def thinner(shape: BoundedShape) -> BoundedShape:
    """The same shape, 1 mm smaller on every side."""
    if isinstance(shape, Polytope):
        middle = np.mean(shape.vertices, axis=0)
        inward = [
            vertex + 0.001 * (middle - vertex) / np.linalg.norm(middle - vertex) for vertex in np.array(shape.vertices)
        ]
        return Polytope(tuple((float(x), float(y), float(z)) for x, y, z in inward))
    if isinstance(shape, Box):
        x, y, z = shape.size
        return replace(shape, size=(x - 0.002, y - 0.002, z - 0.002))
    return replace(shape, radius=shape.radius - 0.001)


@pytest.mark.sampled(3)
def test_every_mesh_lies_inside_its_volumes_and_in_no_thinner_ones(robot: LinkVolumes) -> None:
    surfaces = read_surfaces(robot.urdf, robot.urdf_path.parent, every=SHOWN[robot.path.stem])
    assert set(surfaces) == robot.tree.bodies, "every link that has a shape"
    assert set(surfaces) <= set(robot.volumes)
    for link, surface in surfaces.items():
        shapes = robot.volumes[link]
        assert surface_coverage(surface, shapes).inside, link
        found = surface_coverage(surface, [thinner(shape) for shape in shapes])
        assert not found.inside, link
        assert found.most <= 0.00175, "1 mm, at a box's corner its diagonal"


def test_no_pair_is_left_out_but_neighbours_two_links_apart(robot: LinkVolumes) -> None:
    """More joints between them: nothing but samples would speak for leaving them out, and samples prove nothing."""
    kinematics = Kinematics(robot.urdf, robot.tree, robot.locked)
    for links, reason in robot.left_out.items():
        first, second = sorted(links)
        assert 1 <= len(kinematics.between(first, second)) <= 2, reason


def test_talos_links_that_are_left_out_stay_apart_inside_the_envelope() -> None:
    """On a coarse grid with its corners, by the visual meshes, left side; beyond the envelope the hips do touch."""
    robot = load_link_volumes(CONFIG / "talos.yaml")
    configuration = load_config(CONFIG / "talos.yaml")
    kinematics = Kinematics(robot.urdf, robot.tree, robot.locked)
    limits = configuration.envelope.joints
    ends = dict(zip(configuration.robot.joints, zip(limits.lower, limits.upper, strict=True), strict=True))
    judged = 0
    for first, second in (sorted(links) for links in robot.left_out):
        if "right" in first:
            continue
        surfaces = read_surfaces(robot.urdf, robot.urdf_path.parent, ("visual",), {first, second})
        one, other = (Body.of_surface(surfaces[link].triangles) for link in (first, second))
        joints = kinematics.between(first, second)
        for place in itertools.product(*(np.linspace(*ends[joint], 9).tolist() for joint in joints)):
            at = kinematics.relative(first, second, dict(zip(joints, place, strict=True)))
            assert one.distance(other, *at) > 4e-4, (first, second, place)
            judged += 1
        if (first, second) == ("leg_left_1_link", "leg_left_3_link"):
            beyond = kinematics.relative(first, second, {"leg_left_2_joint": -0.45, "leg_left_3_joint": -2.0})
            assert one.distance(other, *beyond) <= 0.0
    assert judged == 5 * 81
