"""The section `tools`, and every key that names a tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from two_tools import PUBLIC_KEY, TOOLS, write_two_tools

from safety_supervisor.config import load_config
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.geometry.shapes import Capsule

if TYPE_CHECKING:
    from test.config.conftest import RobotFile


@pytest.fixture
def tools(panda: RobotFile) -> RobotFile:
    own = panda.put("sources.planner.tools", ["gripper"]).put("sources.planner.public_key", PUBLIC_KEY)
    return own.put("robot.payload", 1.0).put("tools", TOOLS)


def test_two_tools_are_loaded_and_none_is_mounted(tmp_path: Path) -> None:
    configuration = load_config(write_two_tools(tmp_path, own=("gripper",)))
    assert set(configuration.tools) == {"gripper", "gripper_with_rod"}
    gripper = configuration.tools["gripper"]
    assert gripper.volumes == (Capsule((0.0, 0.0, 0.12), (0.0, 0.0, 0.2), 0.04),)
    assert (gripper.link, gripper.mass, gripper.centre) == ("panda_hand", 0.4, (0.0, 0.0, 0.15))
    assert configuration.robot.tool == ""
    assert configuration.geometry.tool is None
    assert configuration.source("planner").tools == {"gripper"}
    assert configuration.source("joystick").tools == set()
    carried = configuration.with_tool("gripper")
    assert carried.geometry.bodies["panda_hand"] == (*configuration.geometry.volumes["panda_hand"], *gripper.volumes)
    assert carried.with_tool("").geometry == configuration.geometry


def test_a_mounted_tool_is_part_of_the_geometry(tmp_path: Path) -> None:
    configuration = load_config(write_two_tools(tmp_path, mounted="gripper"))
    assert configuration.geometry.tool is configuration.tools["gripper"]
    assert configuration.robot.tool == "gripper"


def test_the_shipped_file_has_none(panda: RobotFile) -> None:
    configuration = panda.load()
    assert (configuration.tools, configuration.geometry.tool, configuration.robot.tool) == ({}, None, "")
    assert panda.put("tools", None).load().tools == {}


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("tools.gripper.volumes", [], ("tools.gripper.volumes", "E_CONFIG_VALUE")),
        ("tools.gripper.volumes", [{"half_space": {"normal": [0.0, 0.0, 1.0], "offset": 0.0}}],
         ("tools.gripper.volumes[0]", "E_CONFIG_VOLUME")),
        ("tools.gripper.volumes", [{"capsule": {"start": [0.0, 0.0, 0.1], "end": [0.0, 0.0, 0.1], "radius": 0.1}}],
         ("tools.gripper.volumes[0].capsule.end", "E_CONFIG_EMPTY")),
        ("tools.gripper.volumes", [{"sphere": {"centre": [0.0, 0.0, 0.1], "radius": 0.0}}],
         ("tools.gripper.volumes[0].sphere.radius", "E_CONFIG_EMPTY")),
        ("tools.gripper.link", "panda_foot", ("tools.gripper.link", "E_CONFIG_FRAME")),
        ("tools.gripper.link", "panda_link0", ("tools.gripper.link", "E_CONFIG_FRAME")),
        ("tools.gripper.mass", 1.5, ("tools.gripper.mass", "E_CONFIG_VALUE")),
        ("tools.gripper.mass", -0.1, ("tools.gripper.mass", "E_CONFIG_VALUE")),
        ("tools.gripper.centre", [0.0, 0.0], ("tools.gripper.centre", "E_CONFIG_VALUE")),
        ("tools.gripper.colour", "red", ("tools.gripper.colour", "E_CONFIG_UNKNOWN_KEY")),
        ("tools.gripper.left_out", [{"links": ["panda_link5", "panda_link6"], "reason": "a reason"}],
         ("tools.gripper.left_out[0].links", "E_CONFIG_VOLUME")),
        ("tools.gripper.left_out", [{"links": ["panda_hand", "panda_foot"], "reason": "a reason"}],
         ("tools.gripper.left_out[0].links", "E_CONFIG_FRAME")),
        ("tools.Gripper", TOOLS["gripper"], ("tools.Gripper", "E_CONFIG_NAME")),
        ("tools", [], ("tools", "E_CONFIG_TYPE")),
        ("robot.tool", "hammer", ("robot.tool", "E_CONFIG_VALUE")),
        ("robot.payload", None, ("robot.payload", "E_CONFIG_MISSING")),
        ("robot.payload", 0.5, ("tools.gripper_with_rod.mass", "E_CONFIG_VALUE")),
        ("sources.planner.tools", ["hammer"], ("sources.planner.tools", "E_CONFIG_VALUE")),
        ("sources.planner.tools", ["gripper", "gripper"], ("sources.planner.tools", "E_CONFIG_VALUE")),
        ("sources.planner.tools", [], ("sources.planner.public_key", "E_CONFIG_NOT_ENFORCED")),
        ("sources.planner.public_key", None, ("sources.planner.public_key", "E_CONFIG_MISSING")),
        ("sources.planner.public_key", 17, ("sources.planner.public_key", "E_CONFIG_TYPE")),
        ("sources.planner.public_key", "", ("sources.planner.public_key", "E_CONFIG_KEY")),
        ("sources.planner.public_key", PUBLIC_KEY + "=", ("sources.planner.public_key", "E_CONFIG_KEY")),
        ("sources.planner.public_key", PUBLIC_KEY[:-1] + "h", ("sources.planner.public_key", "E_CONFIG_KEY")),
        ("sources.planner.public_key", "A" * 43, ("sources.planner.public_key", "E_CONFIG_KEY")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(tools: RobotFile, path: str, value: Any, problem: tuple[str, str]) -> None:
    assert tools.put(path, value).refused() == {problem}


def test_one_key_has_one_holder(tools: RobotFile) -> None:
    both = tools.put("sources.joystick.tools", ["gripper"]).put("sources.joystick.public_key", PUBLIC_KEY)
    (problem,) = both.error().errors
    assert (problem.path, problem.code.value) in {
        (f"sources.{name}.public_key", "E_CONFIG_KEY") for name in ("planner", "joystick")
    }
    assert "too" in problem.message


def test_the_key_is_loaded_as_its_bytes(tools: RobotFile) -> None:
    configuration = tools.load()
    assert len(configuration.source("planner").public_key) == 32
    assert configuration.source("joystick").public_key == b""


@pytest.mark.parametrize("key", ["link", "volumes", "mass", "centre"])
def test_every_key_of_a_tool_is_mandatory(tools: RobotFile, key: str) -> None:
    assert tools.drop(f"tools.gripper.{key}").refused() == {(f"tools.gripper.{key}", "E_CONFIG_MISSING")}


def test_a_heavy_tool_is_told_with_both_masses(tools: RobotFile) -> None:
    (problem,) = tools.put("tools.gripper.mass", 1.5).error().errors
    assert problem.message == "is 1.5 kg; `robot.payload` allows 1 kg or less"


def test_a_payload_without_tools_is_a_claim(panda: RobotFile) -> None:
    assert panda.put("robot.payload", 1.0).refused() == {("robot.payload", "E_CONFIG_NOT_ENFORCED")}
    assert panda.put("robot.tool", "gripper").refused() == {("robot.tool", "E_CONFIG_VALUE")}


def test_all_of_it_at_once(tools: RobotFile) -> None:
    wrong = tools.put("tools.gripper.mass", 1.5).put("tools.gripper.link", "panda_foot").put("robot.tool", "hammer")
    assert wrong.put("sources.planner.tools", ["saw"]).put("timing.overrun", 0.001).refused() == {
        ("tools.gripper.mass", "E_CONFIG_VALUE"),
        ("tools.gripper.link", "E_CONFIG_FRAME"),
        ("robot.tool", "E_CONFIG_VALUE"),
        ("sources.planner.tools", "E_CONFIG_VALUE"),
        ("timing.overrun", "E_CONFIG_TIMING"),
    }


def test_a_tool_that_always_touches_is_refused(tools: RobotFile) -> None:
    ball = [{"sphere": {"centre": [0.0, 0.0, 0.0], "radius": 0.4}}]
    wrong = tools.put("tools.gripper.volumes", ball).error().errors
    assert {(problem.path, problem.code.value) for problem in wrong} == {("tools.gripper.volumes", "E_CONFIG_POSE")}
    assert any("panda_link6 and panda_hand" in problem.message for problem in wrong)


def test_a_mounted_tool_that_touches_at_the_start_is_refused(tools: RobotFile) -> None:
    low = tools.put("robot.start.panda_joint2", -0.06)
    assert low.load().robot.start is not None
    assert low.put("robot.tool", "gripper_with_rod").refused() == {("robot.start", "E_CONFIG_POSE")}


FINGER = {"lower": 0.0, "upper": 0.04, "velocity": 0.1, "acceleration": 2.0, "jerk": 100.0}


@pytest.fixture
def fingers(panda: RobotFile) -> RobotFile:
    """Finger 1 is commanded; finger 2 mimics it."""
    keys = panda.keys
    joints = [*keys["robot"]["joints"], "panda_finger_joint1"]
    changed = panda.put("robot.joints", joints).put("robot.groups.gripper", ["panda_finger_joint1"])
    changed = changed.put("robot.locked_joints", {}).put("robot.start.panda_finger_joint1", 0.02)
    return changed.put("envelope.joints.panda_finger_joint1", FINGER)


def test_a_commanded_gripper_moves_both_fingers_volumes(fingers: RobotFile) -> None:
    configuration = fingers.load()
    model = RobotModel(configuration.robot, configuration.geometry.bodies)
    scene = Scene(model, configuration.geometry, configuration.zones, configuration.tracking.path_error)
    column = configuration.robot.joints.index("panda_finger_joint1")
    moved = {
        link for pair, row in zip(scene.pairs, scene.reach, strict=True) if row[column] > 0.0 for link in pair.links
    }
    assert {"panda_leftfinger", "panda_rightfinger"} <= moved
    assert configuration.robot.start is not None
    shut, wide = np.array(configuration.robot.start), np.array(configuration.robot.start)
    shut[column], wide[column] = 0.0, 0.04
    for link in ("panda_leftfinger", "panda_rightfinger"):
        mine = [i for i, pair in enumerate(scene.pairs) if link in pair.links]
        assert np.abs(scene.distances(shut) - scene.distances(wide))[mine].max() > 0.02, link


@pytest.mark.parametrize(("key", "value", "path"), [("upper", 0.05, ""), ("velocity", 5.0, ".velocity")])
def test_what_mimics_goes_no_farther_and_no_faster(fingers: RobotFile, key: str, value: float, path: str) -> None:
    where = "envelope.joints.panda_finger_joint1"
    found = [
        problem for problem in fingers.put(f"{where}.{key}", value).error().errors if "mimics it" in problem.message
    ]
    assert [(problem.path, problem.code.value) for problem in found] == [(f"{where}{path}", "E_CONFIG_LOOSER")]
