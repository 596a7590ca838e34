"""Random states of a humanoid on its stand, judged by PyBullet on the visual meshes."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache

import pytest
from typer.testing import CliRunner

from safety_supervisor.core.geometry.shapes import Sphere
from safety_supervisor_sim.demo.cli import sim_app
from safety_supervisor_sim.lab.campaign import PARTS, run_campaign
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


@pytest.mark.parametrize("robot", ["g1", "talos"])
def test_the_command_judges_a_humanoid(robot: str) -> None:
    arguments = ["geometry-oracle", "--robot", robot, "--states", "40", "--seed", "3", "--json"]
    ended = CliRunner().invoke(sim_app, arguments)
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert set(told) == {"ok", "seed", "states"}
    assert told["states"]["states"] == 40
    assert told["states"]["touching"] > 0, "or nothing was there to be refused"


def test_motions_of_a_humanoid_are_not_passed_off_as_judged() -> None:
    amounts = dict.fromkeys(PARTS, 0.0) | {"motions": 1.0}
    with pytest.raises(ValueError, match="g1"):
        run_campaign(amounts, 1, 1, lambda name, done: None, "g1")


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
