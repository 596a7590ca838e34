"""The Panda's shipped volumes: every mesh inside, and red when any of them is smaller."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from safety_supervisor.config.link_volumes import LinkVolumes, load_link_volumes
from safety_supervisor.core.shapes import BoundedShape, Box, Polytope
from safety_supervisor.geometry.coverage import measure_coverage
from safety_supervisor.geometry.surfaces import read_surfaces

PANDA = Path(__file__).resolve().parents[2] / "config" / "panda.yaml"


@pytest.fixture(scope="module")
def panda() -> LinkVolumes:
    return load_link_volumes(PANDA)


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


def test_every_mesh_lies_inside_its_volumes_and_in_no_thinner_ones(panda: LinkVolumes) -> None:
    surfaces = read_surfaces(panda.urdf, panda.urdf_path.parent)
    assert set(surfaces) <= set(panda.volumes)
    for link, surface in surfaces.items():
        shapes = panda.volumes[link]
        assert measure_coverage(shapes, surface.triangles).inside, link
        found = measure_coverage([thinner(shape) for shape in shapes], surface.triangles)
        assert not found.inside, link
        assert found.most <= 0.0015
