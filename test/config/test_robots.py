"""What every shipped robot keeps, a Panda or a humanoid: groups, owners, limits, and a start that is clear."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from safety_supervisor.config import urdf_path

if TYPE_CHECKING:
    from test.config.conftest import RobotFile


ALL = pytest.mark.parametrize("robot", ["panda", "g1", "talos"], indirect=True)


def groups(robot: RobotFile) -> dict[str, list[str]]:
    found: dict[str, list[str]] = robot.keys["robot"]["groups"]
    return found


@cache
def urdf_joints(configuration: Path) -> dict[str, dict[str, float]]:
    """Limits of joints as their URDF has them, read apart from the product."""
    joints = ElementTree.parse(urdf_path(configuration)).findall("joint")
    limits = {joint.get("name", ""): joint.find("limit") for joint in joints}
    return {
        name: {key: float(value) for key, value in limit.attrib.items()}
        for name, limit in limits.items()
        if limit is not None
    }


def urdf_joint(robot: RobotFile, name: str) -> dict[str, float]:
    return urdf_joints(robot.original)[name]


@ALL
def test_each_joint_is_in_one_group_inside_its_urdf_and_for_some_source(robot: RobotFile) -> None:
    loaded = robot.load()
    of_people = {group for source in loaded.sources if source.kind.value == "person" for group in source.groups}
    assert of_people == set(groups(robot))
    for group in groups(robot):
        priorities = [source.priority for source in loaded.sources if group in source.groups]
        assert len(priorities) == len(set(priorities)) > 0, group
    members = sorted(index for indices in loaded.robot.groups.values() for index in indices)
    assert members == list(range(len(loaded.robot.joints)))
    limits = loaded.envelope.joints
    for index, name in enumerate(loaded.robot.joints):
        urdf = urdf_joint(robot, name)
        assert urdf["lower"] <= limits.lower[index] < limits.upper[index] <= urdf["upper"], name
        assert limits.velocity[index] <= min(urdf["velocity"], 10.0), name
        stop = limits.velocity[index] / limits.acceleration[index]
        assert limits.jerk[index] * stop > limits.acceleration[index], f"{name} reaches its deceleration while it stops"
    assert loaded.robot.start is not None
    assert np.all((limits.lower <= loaded.robot.start) & (loaded.robot.start <= limits.upper))


@ALL
def test_groups_that_overlap_are_refused_with_both_names(robot: RobotFile) -> None:
    (first, joints), *_ = groups(robot).items()
    (problem,) = robot.put("robot.groups", {**groups(robot), "extra": joints[-1:]}).error().errors
    assert (problem.path, problem.code.value) == ("robot.groups.extra", "E_CONFIG_GROUP")
    assert problem.message == f"{joints[-1]} is in {first} too"


@ALL
def test_a_joint_without_an_owner_is_refused_by_name(robot: RobotFile) -> None:
    name, joints = list(groups(robot).items())[-1]
    (problem,) = robot.put("robot.groups", {**groups(robot), name: joints[:-1]}).error().errors
    assert (problem.path, problem.code.value) == ("robot.groups", "E_CONFIG_GROUP")
    assert problem.message == f"{joints[-1]} is in no group"
    assert "lock it" in problem.cure


@ALL
def test_a_source_of_a_group_that_is_none_is_refused(robot: RobotFile) -> None:
    name = next(iter(robot.keys["sources"]))
    changed = robot.put(f"sources.{name}.groups", ["tail"])
    assert (f"sources.{name}.groups", "E_CONFIG_GROUP") in changed.refused()


@ALL
@pytest.mark.requirement("SR-025")
def test_the_urdf_s_speeds_are_no_envelope_unless_it_is_said_why(robot: RobotFile) -> None:
    """A humanoid's URDF says 20 to 37 rad/s: each such joint is named, with its number and the cure, all at once."""
    keys = robot.keys
    fast: dict[str, float] = {}
    for name, joint in keys["envelope"]["joints"].items():
        joint["velocity"] = urdf_joint(robot, name)["velocity"]
        if joint["velocity"] > 10.0:
            fast[name] = joint["velocity"]
    copied = robot.put("envelope.joints", keys["envelope"]["joints"])
    if not fast and (keys.get("balance") or {}).get("ladder"):
        assert copied.refused() == {("balance.ladder.hold", "E_CONFIG_TIMING")}, "its stops take longer than HOLD then"
        return
    if not fast:
        copied.load()
        return
    problems = copied.error().errors
    assert {problem.path for problem in problems} == {f"envelope.joints.{name}.velocity" for name in fast}
    for problem in problems:
        assert problem.code.value == "E_CONFIG_FAST"
        assert f"is {fast[problem.path.split('.')[2]]:g}; allowed without a reason: 10 or less" in problem.message
        assert "fast" in problem.cure
        assert problem.line > 0
    for name in fast:
        keys["envelope"]["joints"][name]["fast"] = "measured on a test bench without load"
    allowed = robot.put("envelope.joints", keys["envelope"]["joints"])
    if (keys.get("balance") or {}).get("ladder"):
        # Its stops take longer than HOLD lasts then, and that is said.
        assert allowed.refused() == {("balance.ladder.hold", "E_CONFIG_TIMING")}
        allowed = allowed.put("balance.fall", None).put("balance.ladder", None)
    assert allowed.load()


FAST = "envelope.joints.left_elbow_joint"


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"velocity": 10.0}, "", ""),
        ({"velocity": 10.001}, "velocity", "E_CONFIG_FAST"),
        ({"velocity": 30.0, "fast": "measured, report 7"}, "", ""),
        ({"velocity": 30.0, "fast": "   .   "}, "fast", "E_CONFIG_FAST"),
        ({"velocity": 30.0, "fast": True}, "fast", "E_CONFIG_TYPE"),
        ({"velocity": 38.0, "fast": "measured, report 7"}, "velocity", "E_CONFIG_LOOSER"),
        ({"velocity": 2.0, "fast": "measured, report 7"}, "fast", "E_CONFIG_FAST"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("robot", ["g1"], indirect=True)
def test_a_reason_is_for_speeds_that_need_one(robot: RobotFile, changes: dict[str, Any], path: str, code: str) -> None:
    joint = robot.keys["envelope"]["joints"]["left_elbow_joint"]
    changed = robot.put("balance.ladder.hold", 4.0).put(FAST, {**joint, **changes})  # longer stops need a longer HOLD
    if not code:
        changed.load()
        return
    assert changed.refused() == {(f"{FAST}.{path}", code)}
