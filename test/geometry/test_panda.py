"""The Panda's shipped volumes: every mesh inside, and red when any of them is smaller."""

from __future__ import annotations

from pathlib import Path

import pytest

from safety_supervisor.config import ConfigurationError
from safety_supervisor.config.link_volumes import LinkVolumes, load_link_volumes
from safety_supervisor.core.shapes import Capsule, Sphere
from safety_supervisor.geometry.coverage import measure_coverage
from safety_supervisor.geometry.surfaces import read_surfaces

PANDA = Path(__file__).resolve().parents[2] / "config" / "panda.yaml"


@pytest.fixture(scope="module")
def panda() -> LinkVolumes:
    try:
        return load_link_volumes(PANDA)
    except ConfigurationError as error:
        if any(problem.path == "geometry" for problem in error.errors):
            pytest.skip("config/panda.yaml has no section `geometry`")
        raise


def test_every_mesh_lies_inside_its_volumes_and_in_no_smaller_ones(panda: LinkVolumes) -> None:
    surfaces = read_surfaces(panda.urdf, panda.urdf_path.parent)
    assert set(surfaces) <= set(panda.volumes)
    for link, surface in surfaces.items():
        shapes = panda.volumes[link]
        assert measure_coverage(shapes, surface.triangles).inside, link
        for index, one in enumerate(shapes):
            if isinstance(one, Capsule):
                less: Capsule | Sphere = Capsule(one.start, one.end, one.radius - 0.001)
            elif isinstance(one, Sphere):
                less = Sphere(one.centre, one.radius - 0.001)
            else:
                continue
            found = measure_coverage([*shapes[:index], less, *shapes[index + 1 :]], surface.triangles)
            assert not found.inside, (link, index)
            assert found.most <= 0.0015
