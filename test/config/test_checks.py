"""What keys demand of each other and of the URDF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from safety_supervisor.config import load_config, urdf_path

if TYPE_CHECKING:
    from test.config.conftest import PandaFile


@pytest.mark.redteam(44)
@pytest.mark.parametrize(
    ("key", "value"),
    [("lower", -1.7629), ("upper", 1.7629), ("velocity", 2.1751)],
)
def test_a_limit_looser_than_the_urdf_s_is_refused(panda: PandaFile, key: str, value: float) -> None:
    path = f"envelope.joints.panda_joint2.{key}"
    assert panda.put(path, value).refused() == {(path, "E_CONFIG_LOOSER")}


@pytest.mark.redteam(44)
def test_a_limit_equal_to_the_urdf_s_is_taken(panda: PandaFile) -> None:
    loaded = panda.put("envelope.joints.panda_joint2.upper", 1.7628).load()
    assert loaded.envelope.joints.upper[1] == 1.7628


@pytest.mark.redteam(44)
def test_absurd_limits_of_a_urdf_do_not_widen_the_envelope(panda: PandaFile) -> None:
    urdf = urdf_path(panda.original).read_text(encoding="utf-8")
    (panda.directory / "wild.urdf").write_text(urdf.replace('upper="1.7628"', 'upper="1e9"'), encoding="utf-8")
    wild = panda.put("robot.urdf", "wild.urdf")
    np.testing.assert_array_equal(wild.load().envelope.joints.upper, load_config(panda.original).envelope.joints.upper)
    missing = wild.drop("envelope.joints.panda_joint2")
    assert missing.refused() == {("envelope.joints", "E_CONFIG_JOINT")}
    (panda.directory / "wild.urdf").write_text(urdf.replace('upper="1.7628"', 'upper="nan"'), encoding="utf-8")
    assert ("robot.urdf", "E_CONFIG_URDF") in wild.refused()


LOCKED = "robot.locked_joints.panda_finger_joint"
JOINTS = [f"panda_joint{i}" for i in range(1, 8)]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("envelope.joints.panda_joint1.lower", 2.8473, ("envelope.joints.panda_joint1.lower", "E_CONFIG_EMPTY")),
        ("envelope.joints.panda_joint1.jerk", 0, ("envelope.joints.panda_joint1.jerk", "E_CONFIG_VALUE")),
        ("envelope.joints.panda_joint1.velocity", -1.0, ("envelope.joints.panda_joint1.velocity", "E_CONFIG_VALUE")),
        ("envelope.manual_frame_speed", 0.2501, ("envelope.manual_frame_speed", "E_CONFIG_VALUE")),
        ("envelope.recovery_frame_speed", 0.2501, ("envelope.recovery_frame_speed", "E_CONFIG_VALUE")),
        ("envelope.frame_speed", 0.2, ("envelope.manual_frame_speed", "E_CONFIG_VALUE")),
        ("robot.base_frame", "panda_link9", ("robot.base_frame", "E_CONFIG_FRAME")),
        ("robot.base_frame", "panda_link3", ("robot.base_frame", "E_CONFIG_FRAME")),
        ("robot.base_frame", "panda_link0\n", ("robot.base_frame", "E_CONFIG_NAME")),
        ("robot.groups", {"arm": JOINTS, "wrist": JOINTS[5:]}, ("robot.groups.wrist", "E_CONFIG_GROUP")),
        ("robot.groups", {"arm": [*JOINTS, "panda_joint8"]}, ("robot.groups.arm", "E_CONFIG_JOINT")),
        ("robot.groups", {"arm": [*JOINTS, JOINTS[0]]}, ("robot.groups.arm", "E_CONFIG_JOINT")),
        ("robot.groups", {"arm": JOINTS[:6]}, ("robot.groups", "E_CONFIG_GROUP")),
        ("robot.locked_joints", {}, ("robot.locked_joints", "E_CONFIG_JOINT")),
        (f"{LOCKED}1", 0.05, (f"{LOCKED}1", "E_CONFIG_LOOSER")),
        (f"{LOCKED}2", 0.01, (f"{LOCKED}2", "E_CONFIG_VALUE")),
        ("robot.locked_joints.panda_joint8", 0.0, ("robot.locked_joints.panda_joint8", "E_CONFIG_JOINT")),
        ("robot.locked_joints.panda_joint1", 0.0, ("robot.locked_joints.panda_joint1", "E_CONFIG_JOINT")),
        ("robot.joint_states", [{"node": "/a", "joints": JOINTS[:6]}], ("robot.joint_states", "E_CONFIG_JOINT")),
        (
            "robot.joint_states",
            [{"node": "/a", "joints": JOINTS}, {"node": "/b", "joints": JOINTS[:1]}],
            ("robot.joint_states[1].joints", "E_CONFIG_JOINT"),
        ),
        ("robot.joint_states", [{"node": "a", "joints": JOINTS}], ("robot.joint_states[0].node", "E_CONFIG_NAME")),
        ("tracking.bound_of", {"panda_joint9": 0.1}, ("tracking.bound_of.panda_joint9", "E_CONFIG_JOINT")),
        ("tracking.bound_of", {"panda_joint1": -0.1}, ("tracking.bound_of.panda_joint1", "E_CONFIG_VALUE")),
        ("tracking.standstill", 0.06, ("tracking.standstill", "E_CONFIG_VALUE")),
        ("tracking.rest", 0.05, ("tracking.rest", "E_CONFIG_VALUE")),
    ],
)  # fmt: skip
def test_joints_groups_and_limits(panda: PandaFile, path: str, value: Any, expected: tuple[str, str]) -> None:
    assert expected in panda.put(path, value).refused()


def test_an_unknown_a_fixed_and_a_mimic_joint_can_not_be_commanded(panda: PandaFile) -> None:
    found = panda.put("robot.joints", [*JOINTS, "panda_joint9", "panda_joint8", "panda_finger_joint2"]).refused()
    assert {(f"robot.joints[{i}]", "E_CONFIG_JOINT") for i in (7, 8, 9)} <= found


def box(low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"kind": "keep_in", "minimum": [low] * 3, "maximum": [high] * 3, "margin": 0.0, **more}


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ({"a": box(1.0, -1.0)}, ("zones.a.minimum", "E_CONFIG_EMPTY")),
        ({"a": box(1.0, 1.0)}, ("zones.a.minimum", "E_CONFIG_EMPTY")),
        ({"a": box(-0.1, 0.1, margin=0.1)}, ("zones.a.margin", "E_CONFIG_EMPTY")),
        ({"a": box(-1.0, 0.0), "b": box(0.5, 1.0)}, ("zones.a", "E_CONFIG_EMPTY")),
        ({"a": box(-1.0, 1.0), "b": box(-1.0, 1.0, kind="keep_out")}, ("zones.a", "E_CONFIG_EMPTY")),
        ({"a": box(-1.0, 1.0, frames=["panda_link9"])}, ("zones.a.frames", "E_CONFIG_FRAME")),
        ({"a": box(-1.0, 1.0, frames=["panda_link0"])}, ("zones.a.frames", "E_CONFIG_FRAME")),
        ({"a": box(-1.0, 1.0, kind="inside")}, ("zones.a.kind", "E_CONFIG_VALUE")),
        ({"a": box(-1.0, 1.0, margin=-0.1)}, ("zones.a.margin", "E_CONFIG_VALUE")),
        ({"a": {**box(-1.0, 1.0), "minimum": [0.0, 0.0]}}, ("zones.a.minimum", "E_CONFIG_VALUE")),
        ({"a": {**box(-1.0, 1.0), "minimum": [0.0, 0.0, 1e5]}}, ("zones.a.minimum[2]", "E_CONFIG_VALUE")),
        ({"A b": box(-1.0, 1.0)}, ("zones.A b", "E_CONFIG_NAME")),
    ],
)
def test_zones(panda: PandaFile, zones: dict[str, Any], expected: tuple[str, str]) -> None:
    assert panda.put("zones", zones).refused() == {expected}


def test_keep_in_zones_of_different_frames_need_nothing_in_common(panda: PandaFile) -> None:
    zones = {"a": box(-1.0, 0.0, frames=["panda_hand"]), "b": box(0.5, 1.0, frames=["panda_link3"])}
    assert len(panda.put("zones", zones).load().zones) == 2
    assert panda.put("zones", {}).load().zones == ()


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("sources", {}, ("sources", "E_CONFIG_VALUE")),
        ("sources.planner.groups", ["leg"], ("sources.planner.groups", "E_CONFIG_GROUP")),
        ("sources.planner.groups", [], ("sources.planner.groups", "E_CONFIG_VALUE")),
        ("sources.planner.groups", ["arm", "arm"], ("sources.planner.groups", "E_CONFIG_VALUE")),
        ("sources.planner.commands", ["torque"], ("sources.planner.commands[0]", "E_CONFIG_VALUE")),
        ("sources.joystick.priority", 10, ("sources.joystick.priority", "E_CONFIG_PRIORITY")),
        ("sources.planner.array_commands", "trajectory", ("sources.planner.array_commands", "E_CONFIG_VALUE")),
        ("sources.planner.array_commands", "velocity", ("sources.planner.array_commands", "E_CONFIG_VALUE")),
        ("sources.planner.rate_limit_hz", 100.0, ("sources.planner.rate_limit_hz", "E_CONFIG_TIMING")),
        ("sources.planner.rate_limit_hz", 5000.0, ("sources.planner.rate_limit_hz", "E_CONFIG_TIMING")),
        ("sources.planner.period", 0.0, ("sources.planner.period", "E_CONFIG_VALUE")),
        ("sources.planner.playout_periods", 3, ("sources.planner.playout_periods", "E_CONFIG_VALUE")),
        ("sources.planner.playout_periods", 2.0, ("sources.planner.playout_periods", "E_CONFIG_TYPE")),
        ("sources.planner.max_message_bytes", 300, ("sources.planner.max_message_bytes", "E_CONFIG_VALUE")),
        ("sources.planner.kind", "operator", ("sources.planner.kind", "E_CONFIG_VALUE")),
        ("sources.planner.liveliness", "none, I accept", ("sources.planner.liveliness", "E_CONFIG_ACCEPT")),
        ("sources.planner.liveliness", "none", ("sources.planner.liveliness", "E_CONFIG_VALUE")),
        ("sources.joystick.liveliness_lease", 0.5, ("sources.joystick.liveliness_lease", "E_CONFIG_VALUE")),
        ("sources.joystick.period", True, ("sources.joystick.period", "E_CONFIG_TYPE")),
        ("sources.joystick", 7, ("sources.joystick", "E_CONFIG_TYPE")),
        ("timing.period", 0.0009, ("timing.period", "E_CONFIG_VALUE")),
        ("timing.period", 0.0201, ("timing.period", "E_CONFIG_VALUE")),
        ("timing.overrun", 0.003, ("timing.overrun", "E_CONFIG_TIMING")),
        ("timing.joint_state_timeout", 0.015, ("timing.joint_state_timeout", "E_CONFIG_TIMING")),
        ("timing.ready_timeout", 61.0, ("timing.ready_timeout", "E_CONFIG_VALUE")),
        ("timing.hold_to_run_timeout", 0.26, ("timing.hold_to_run_timeout", "E_CONFIG_VALUE")),
        ("timing.overruns_per_hour", 4, ("timing.overruns_per_hour", "E_CONFIG_VALUE")),
        ("timing.stop_allowance", 0.05, ("timing.stop_allowance", "E_CONFIG_TIMING")),
        ("output.topic", "relative/topic", ("output.topic", "E_CONFIG_NAME")),
        ("output.type", "joint_effort", ("output.type", "E_CONFIG_VALUE")),
        ("output.on_loss", "coast", ("output.on_loss", "E_CONFIG_NOT_ENFORCED")),
        ("output.on_loss", "brake", ("output.on_loss", "E_CONFIG_ON_LOSS")),
        ("output.type", "joint_state", ("output.deadman", "E_CONFIG_ON_LOSS")),
        ("output.type", "joint_velocity", ("output.deadman", "E_CONFIG_ON_LOSS")),
        ("output.type", "joint_velocity", ("output.on_loss", "E_CONFIG_ON_LOSS")),
        ("output.deadman", {"time": 0.1}, ("output.deadman.tested", "E_CONFIG_MISSING")),
        ("output.deadman", {"time": 0.1, "tested": "yes"}, ("output.deadman.tested", "E_CONFIG_VALUE")),
        ("output.deadman", {"time": 0.01, "tested": "killed it ten times"}, ("output.deadman.time", "E_CONFIG_TIMING")),
        ("estop.driver", "none", ("estop.none", "E_CONFIG_ACCEPT")),
        ("estop", {"driver": "none", "none": "i accept"}, ("estop.none", "E_CONFIG_VALUE")),
        ("estop.none", "I accept", ("estop.none", "E_CONFIG_ACCEPT")),
        ("evidence.log_directory", "", ("evidence.log_directory", "E_CONFIG_VALUE")),
    ],
)
def test_sources_times_output_and_people(panda: PandaFile, path: str, value: Any, expected: tuple[str, str]) -> None:
    assert expected in panda.put(path, value).refused()


@pytest.mark.redteam(56)
def test_a_source_of_trajectories_names_its_lease_or_accepts_in_words_to_have_none(panda: PandaFile) -> None:
    bare = panda.drop("sources.planner.liveliness_lease")
    assert bare.refused() == {("sources.planner.liveliness_lease", "E_CONFIG_ACCEPT")}
    loaded = bare.put("sources.planner.liveliness", "none, I accept").load()
    assert loaded.source("planner").liveliness_lease is None


def test_no_estop_needs_the_words(panda: PandaFile) -> None:
    loaded = panda.put("estop", {"driver": "none", "none": "I accept"}).load()
    assert loaded.estop.driver.value == "none"


@pytest.mark.redteam(51)
@pytest.mark.parametrize("simulated", [False, None])
def test_what_only_a_simulation_may_use_is_refused_for_a_real_robot(panda: PandaFile, simulated: bool | None) -> None:
    real = panda.drop("output.simulated") if simulated is None else panda.put("output.simulated", simulated)
    assert real.refused() == {
        ("operators.unsigned_services", "E_CONFIG_SIMULATION_ONLY"),
        ("estop.driver", "E_CONFIG_SIMULATION_ONLY"),
    }
