"""Whose joints are spoken of, and what a pose of a scenario file means."""

from __future__ import annotations

import numpy as np
import pytest

from safety_supervisor import load_config
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.agent.main import check, sources_of
from safety_supervisor_sim.agent.poses import foreign_joint, resolve, spoken_joints
from safety_supervisor_sim.demo.places import shared
from safety_supervisor_sim.scenario import load_scenario


def configuration(robot: str) -> Configuration:
    return load_config(shared("config", f"{robot}.yaml"))


def test_a_source_speaks_of_its_groups_alone() -> None:
    g1 = configuration("g1")
    spoken = [g1.robot.joints[index] for index in spoken_joints(g1, "planner")]
    assert len(spoken) == 14
    assert all("shoulder" in name or "elbow" in name or "wrist" in name for name in spoken)
    assert not set(spoken_joints(g1, "planner")) & set(spoken_joints(g1, "walker"))
    assert foreign_joint(g1, "planner") == "left_hip_pitch_joint"


def test_who_owns_all_joints_speaks_of_all() -> None:
    panda = configuration("panda")
    assert spoken_joints(panda, "planner") == list(range(7))
    assert foreign_joint(panda, "planner") is None


def test_joints_that_a_pose_does_not_name_stay() -> None:
    now = np.array([0.1, 0.2, 0.3])
    assert resolve({"b": -1.0}, ("a", "b", "c"), now).tolist() == [0.1, -1.0, 0.3]
    assert now.tolist() == [0.1, 0.2, 0.3], "what is commanded is not written to"
    assert resolve([1.0, 2.0, 3.0], ("a", "b", "c"), now).tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="not in list"):
        resolve({"d": 0.0}, ("a", "b", "c"), now)


def test_the_scenario_of_the_g1_fits_it_and_no_arm() -> None:
    scenario = load_scenario(shared("scenarios", "g1_demo.yaml"))
    assert sources_of(scenario) == ["planner", "walker"]
    assert check(scenario, configuration("g1")) == []
    problems = check(scenario.model_copy(update={"robot": "panda"}), configuration("panda"))
    assert "act a push of 40 N: the robot does not stand on its feet" in problems
    assert "act e-stop while it leans: the robot does not stand on its feet" in problems
    assert "pose lean: the robot has no joint waist_pitch_joint" in problems
    assert any(problem.startswith("no source walker is configured") for problem in problems)


def test_who_owns_all_joints_has_no_foreign_one() -> None:
    scenario = load_scenario(shared("scenarios", "g1_demo.yaml"))
    mine = scenario.model_copy(
        update={
            "robot": "panda",
            "poses": {},
            "acts": [act for act in scenario.acts if getattr(act, "defect", "") == "foreign_joint"],
        }
    )
    assert "act a joint of the legs: the source owns every joint" in check(mine, configuration("panda"))
