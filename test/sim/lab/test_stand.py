"""Random states of a humanoid on its stand, judged by PyBullet on the visual meshes."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import pytest

from safety_supervisor.core.shapes import Sphere
from safety_supervisor_sim.lab.stand import StandBench, load_stand
from safety_supervisor_sim.lab.states import judge_states


@lru_cache(maxsize=1)
def g1() -> StandBench:
    return load_stand("g1")


def shrunk(bench: StandBench, *links: str) -> StandBench:
    """The bench with a supervisor that takes some links for dots."""
    geometry = bench.configuration.geometry
    dots = {link: (Sphere((0.0, 0.0, 0.0), 0.001),) for link in links}
    volumes = {**geometry.volumes, **dots}
    changed = replace(bench.configuration, geometry=replace(geometry, volumes=volumes))
    return replace(bench, configuration=changed)


@pytest.mark.requirement("SR-032")
def test_no_random_state_of_a_humanoid_that_passes_touches_anything() -> None:
    result = judge_states(g1(), (1, 0), 250)
    told = result.as_dict()
    assert told["violation_list"] == []
    assert told["overstated_list"] == []
    assert result.passed > 50
    assert result.edges > 15
    assert result.compared > 50
    assert result.touching > 30, "or nothing was there to be refused"
    assert result.seen.nearest.own.distance < 0.02, "or it never came near itself"


def test_the_judge_sees_the_hands_that_have_no_collision_geometry() -> None:
    """A supervisor to which hands and feet are dots lets them touch, and is found out."""
    bench = shrunk(g1(), "left_rubber_hand", "right_rubber_hand", "left_ankle_roll_link", "right_ankle_roll_link")
    result = judge_states(bench, (1, 0), 250)
    found = {name for one in result.violations for name in one["pair"].split(" and ")}
    assert {"left_rubber_hand", "right_rubber_hand"} & found
    assert {"left_ankle_roll_link", "right_ankle_roll_link"} & found
    assert result.overstated
