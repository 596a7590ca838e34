"""Random states of a humanoid on its stand, judged by PyBullet on the visual meshes."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from typer.testing import CliRunner

from safety_supervisor.config.link_volumes import load_link_volumes
from safety_supervisor.core.geometry.shapes import Sphere
from safety_supervisor.core.verifier import Verifier
from safety_supervisor.geometry.bodies import Body
from safety_supervisor.geometry.kinematics import Kinematics
from safety_supervisor.geometry.surfaces import read_surfaces
from safety_supervisor_sim.demo.cli import sim_app
from safety_supervisor_sim.demo.places import shared
from safety_supervisor_sim.lab.campaign import PARTS, run_campaign
from safety_supervisor_sim.lab.stand import StandBench, load_stand
from safety_supervisor_sim.lab.states import OVERSTATED, judge_states
from safety_supervisor_sim.oracle.way import SIGHT

HOLLOW = [  # the right wrist in the hollow of the right hip
    -0.8264,
    1.386,
    1.2332,
    0.0889,
    -0.3806,
    -0.2112,
    1.603,
    -2.4395,
    -0.8657,
    0.2153,
    0.1688,
    -0.0664,
    -0.1083,
    0.2538,
    -0.1546,
    -1.6723,
    1.5657,
    -1.6018,
    -0.0988,
    -1.0283,
    1.4289,
    0.4612,
    0.0396,
    -0.315,
    -1.2857,
    1.7372,
    0.0477,
    -1.4952,
    -1.3899,
]


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


@pytest.mark.long
@pytest.mark.parametrize("robot", ["g1", "talos"])
def test_the_command_judges_a_humanoid(robot: str) -> None:
    arguments = ["geometry-oracle", "--robot", robot, "--states", "40", "--standing", "12", "--motions", "0"]
    arguments += ["--seed", "3", "--json"]
    ended = CliRunner().invoke(sim_app, arguments)
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert set(told) == {"ok", "seed", "states", "standing"}
    assert told["standing"]["states"] == 12
    assert told["states"]["states"] == 40
    assert told["states"]["touching"] > 0, "or nothing was there to be refused"


def test_parts_that_there_are_not_of_a_humanoid_are_not_passed_off_as_judged() -> None:
    amounts = dict.fromkeys(PARTS, 0.0) | {"tunnel": 1.0}
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
    assert result.compared > 10, "most near pairs have a link whose volumes leave a hollow, see `Stand.hollow`"
    assert result.touching > 30, "or nothing was there to be refused"
    assert result.seen.nearest.own.distance < 0.02, "or it never came near itself"


def test_a_hollow_that_a_hull_fills_is_no_mesh_outside_its_volumes() -> None:
    """Found in 50,000 states: hulls 6.2 mm apart, volumes 7.9, and the meshes of wrist and hip, in truth, 10.5."""
    pose = np.array(HOLLOW)
    links = "right_hip_roll_link", "right_wrist_pitch_link"
    bench = g1()
    assert links[0] in bench.hollow
    told = bench.configuration
    scene = Verifier(told).scene
    volumes = min(scene.distances(pose)[[i for i, one in enumerate(scene.pairs) if set(one.links) == set(links)]])
    judge = bench.judge()
    try:
        look = judge.look(pose, SIGHT)
        hulls = judge.between(*links)
    finally:
        judge.close()
    assert set(look.own.pair.split(" and ")) == set(links)
    robot = load_link_volumes(shared("config", "g1.yaml"))
    kinematics = Kinematics(robot.urdf, robot.tree, robot.locked)
    surfaces = read_surfaces(robot.urdf, robot.urdf_path.parent, ("visual",), set(links))
    one, other = (Body.of_surface(surfaces[link].triangles) for link in links)
    at = kinematics.relative(*links, dict(zip(told.robot.joints, HOLLOW, strict=True)))
    assert hulls + OVERSTATED < volumes < one.distance(other, *at)


def test_the_judge_sees_the_hands_that_have_no_collision_geometry() -> None:
    """A supervisor to which hands and feet are dots lets them touch, and is found out."""
    bench = shrunk(g1(), "left_rubber_hand", "right_rubber_hand", "left_ankle_roll_link", "right_ankle_roll_link")
    result = judge_states(bench, (1, 0), 250)
    found = {name for one in result.violations for name in one["pair"].split(" and ")}
    assert {"left_rubber_hand", "right_rubber_hand"} & found
    assert {"left_ankle_roll_link", "right_ankle_roll_link"} & found
    assert result.overstated
