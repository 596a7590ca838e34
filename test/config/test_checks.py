"""What keys demand of each other and of the URDF."""
# ruff: noqa: E501  a table: one row, one line

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from safety_supervisor.config import load_config, urdf_path

if TYPE_CHECKING:
    from test.config.conftest import RobotFile


ACME = {"driver": "acme", "port": "/dev/ttyUSB0"}


def described(robot: RobotFile) -> dict[str, float]:
    """Limits of `{joint}` as the URDF has them, read apart from the product."""
    joints = ElementTree.parse(urdf_path(robot.original)).findall("joint")
    limit = next(joint.find("limit") for joint in joints if joint.get("name") == robot.named("{joint}"))
    assert limit is not None
    return {key: float(value) for key, value in limit.attrib.items()}


@pytest.mark.redteam(44)
@pytest.mark.parametrize(("key", "by"), [("lower", -1e-4), ("upper", 1e-4), ("velocity", 1e-4)])
def test_a_limit_looser_than_the_urdf_s_is_refused(robot: RobotFile, key: str, by: float) -> None:
    path = f"envelope.joints.{{joint}}.{key}"
    assert robot.put(path, described(robot)[key] + by).refused() == robot.said((path, "E_CONFIG_LOOSER"))


@pytest.mark.redteam(44)
def test_a_limit_equal_to_the_urdf_s_is_taken(robot: RobotFile) -> None:
    upper = described(robot)["upper"]
    loaded = robot.put("envelope.joints.{joint}.upper", upper).load()
    assert loaded.envelope.joints.upper[loaded.robot.joints.index(robot.named("{joint}"))] == upper


@pytest.mark.redteam(44)
def test_absurd_limits_of_a_urdf_do_not_widen_the_envelope(robot: RobotFile) -> None:
    urdf = ElementTree.parse(urdf_path(robot.original))
    limit = next(joint.find("limit") for joint in urdf.findall("joint") if joint.get("name") == robot.named("{joint}"))
    assert limit is not None
    limit.set("upper", "1e9")
    urdf.write(robot.directory / "wild.urdf")
    wild = robot.put("robot.urdf", "wild.urdf")
    np.testing.assert_array_equal(wild.load().envelope.joints.upper, load_config(robot.original).envelope.joints.upper)
    missing = wild.drop("envelope.joints.{joint}")
    assert missing.refused() == {("envelope.joints", "E_CONFIG_JOINT")}
    limit.set("upper", "nan")
    urdf.write(robot.directory / "wild.urdf")
    assert ("robot.urdf", "E_CONFIG_URDF") in wild.refused()


LOCKED = "robot.locked_joints.panda_finger_joint"
JOINTS = [f"panda_joint{i}" for i in range(1, 8)]


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("envelope.joints.{joint}.lower", "upper", "E_CONFIG_EMPTY"),
        ("envelope.joints.{joint}.jerk", 0, "E_CONFIG_VALUE"),
        ("envelope.joints.{joint}.velocity", -1.0, "E_CONFIG_VALUE"),
        ("envelope.manual_frame_speed", 0.2501, "E_CONFIG_VALUE"),
        ("envelope.recovery_frame_speed", 0.2501, "E_CONFIG_VALUE"),
        ("robot.base_frame", "nowhere", "E_CONFIG_FRAME"),
        ("robot.base_frame", "{moved}", "E_CONFIG_FRAME"),
        ("robot.base_frame", "{base}\n", "E_CONFIG_NAME"),
        ("robot.locked_joints.nowhere", 0.0, "E_CONFIG_JOINT"),
        ("robot.locked_joints.{joint}", 0.0, "E_CONFIG_JOINT"),
        ("tracking.bound_of.nowhere", 0.1, "E_CONFIG_JOINT"),
        ("tracking.bound_of.{joint}", -0.1, "E_CONFIG_VALUE"),
        ("tracking.standstill", 0.06, "E_CONFIG_VALUE"),
        ("tracking.rest", 0.05, "E_CONFIG_VALUE"),
    ],
)
def test_joints_and_limits(robot: RobotFile, path: str, value: Any, code: str) -> None:
    if value == "upper":
        value = robot.keys["envelope"]["joints"][robot.named("{joint}")]["upper"]
    value = robot.named(value) if isinstance(value, str) else value
    assert robot.said((path, code)) <= robot.put(path, value).refused()


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("envelope.frame_speed", 0.2, ("envelope.manual_frame_speed", "E_CONFIG_VALUE")),
        ("robot.groups", {"arm": JOINTS, "wrist": JOINTS[5:]}, ("robot.groups.wrist", "E_CONFIG_GROUP")),
        ("robot.groups", {"arm": [*JOINTS, "panda_joint8"]}, ("robot.groups.arm", "E_CONFIG_JOINT")),
        ("robot.groups", {"arm": [*JOINTS, JOINTS[0]]}, ("robot.groups.arm", "E_CONFIG_JOINT")),
        ("robot.groups", {"arm": JOINTS[:6]}, ("robot.groups", "E_CONFIG_GROUP")),
        ("robot.locked_joints", {}, ("robot.locked_joints", "E_CONFIG_JOINT")),
        (f"{LOCKED}1", 0.05, (f"{LOCKED}1", "E_CONFIG_LOOSER")),
        (f"{LOCKED}2", 0.01, (f"{LOCKED}2", "E_CONFIG_VALUE")),
        ("robot.joint_states", [{"node": "/a", "joints": JOINTS[:6]}], ("robot.joint_states", "E_CONFIG_JOINT")),
        (
            "robot.joint_states",
            [{"node": "/a", "joints": JOINTS}, {"node": "/b", "joints": JOINTS[:1]}],
            ("robot.joint_states[1].joints", "E_CONFIG_JOINT"),
        ),
        ("robot.joint_states", [{"node": "a", "joints": JOINTS}], ("robot.joint_states[0].node", "E_CONFIG_NAME")),
    ],
)  # fmt: skip
def test_groups_fingers_and_drivers(panda: RobotFile, path: str, value: Any, expected: tuple[str, str]) -> None:
    """Written out for the Panda, which has fingers; groups of all robots are asked in test_robots.py."""
    assert expected in panda.put(path, value).refused()


def test_an_unknown_a_fixed_and_a_mimic_joint_can_not_be_commanded(panda: RobotFile) -> None:
    found = panda.put("robot.joints", [*JOINTS, "panda_joint9", "panda_joint8", "panda_finger_joint2"]).refused()
    assert {(f"robot.joints[{i}]", "E_CONFIG_JOINT") for i in (7, 8, 9)} <= found


def box(low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"kind": "keep_in", "minimum": [low] * 3, "maximum": [high] * 3, "margin": 0.0, **more}


BALL = {"sphere": {"centre": [0.8, 0.8, 0.8], "radius": 0.1}}
UP = {"normal": [0.0, 0.0, 1.0], "offset": -0.5}
OTHER = {"sphere": {"centre": [0.8, 0.8, 0.6], "radius": 0.1}}
OPENS = {"kind": "press", "people": 1, "seconds": 60}
FLAT = [[0.5, 0.5, 0.5], [0.6, 0.5, 0.5], [0.5, 0.6, 0.5], [0.6, 0.6, 0.50001]]


def shaped(kind: str, shape: dict[str, Any], margin: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "shape": shape, "margin": margin, **more}


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ({"a": box(1.0, -1.0)}, ("zones.a.minimum", "E_CONFIG_EMPTY")),
        ({"a": box(1.0, 1.0)}, ("zones.a.minimum", "E_CONFIG_EMPTY")),
        ({"a": box(-0.1, 0.1, margin=0.1)}, ("zones.a.margin", "E_CONFIG_EMPTY")),
        ({"a": box(-1.0, 0.0), "b": box(0.5, 1.0)}, ("zones.a", "E_CONFIG_EMPTY")),
        ({"a": box(-1.0, 1.0), "b": box(-1.0, 1.0, kind="keep_out")}, ("zones.a", "E_CONFIG_EMPTY")),
        ({"a": box(-1.0, 1.0, links=["nowhere"])}, ("zones.a.links", "E_CONFIG_FRAME")),
        ({"a": box(-1.0, 1.0, links=["{base}"])}, ("zones.a.links", "E_CONFIG_FRAME")),
        ({"a": {**box(-1.0, 1.0), "frames": []}}, ("zones.a.frames", "E_CONFIG_UNKNOWN_KEY")),
        ({"a": box(-1.0, 1.0, kind="inside")}, ("zones.a.kind", "E_CONFIG_VALUE")),
        ({"a": box(-1.0, 1.0, margin=-0.1)}, ("zones.a.margin", "E_CONFIG_VALUE")),
        ({"a": {**box(-1.0, 1.0), "minimum": [0.0, 0.0]}}, ("zones.a.minimum", "E_CONFIG_VALUE")),
        ({"a": {**box(-1.0, 1.0), "minimum": [0.0, 0.0, 1e5]}}, ("zones.a.minimum[2]", "E_CONFIG_VALUE")),
        ({"A b": box(-1.0, 1.0)}, ("zones.A b", "E_CONFIG_NAME")),
        ({"a": {**box(-1.0, 1.0), "shape": BALL}}, ("zones.a.shape", "E_CONFIG_VALUE")),
        ({"a": {"kind": "keep_out", "margin": 0.0}}, ("zones.a.shape", "E_CONFIG_MISSING")),
        ({"a": {"kind": "keep_out", "margin": 0.0, "minimum": [0.5] * 3}}, ("zones.a.shape", "E_CONFIG_VALUE")),
        ({"a": shaped("keep_out", {})}, ("zones.a.shape", "E_CONFIG_VALUE")),
        ({"a": shaped("keep_out", {**BALL, "box": {"centre": [1, 1, 1], "size": [1, 1, 1]}})}, ("zones.a.shape", "E_CONFIG_VALUE")),
        ({"a": shaped("keep_in", BALL)}, ("zones.a.shape", "E_CONFIG_VALUE")),
        ({"a": shaped("keep_in", {"half_space": UP})}, ("zones.a.shape", "E_CONFIG_VALUE")),
        ({"a": shaped("keep_in", {"box": {"centre": [0.0] * 3, "size": [4.0, 4.0, 0.2]}}, 0.1)}, ("zones.a.margin", "E_CONFIG_EMPTY")),
        ({"a": shaped("keep_out", {"half_space": {**UP, "normal": [0.0] * 3}})}, ("zones.a.shape.half_space.normal", "E_CONFIG_EMPTY")),
        ({"a": shaped("keep_out", {"polytope": {"vertices": FLAT}})}, ("zones.a.shape.polytope.vertices", "E_CONFIG_EMPTY")),
        ({"a": shaped("keep_out", {"capsule": {"start": [1.0] * 3, "end": [1.0] * 3, "radius": 0.1}})}, ("zones.a.shape.capsule.end", "E_CONFIG_EMPTY")),
        ({"a": shaped("keep_out", {"sphere": {"centre": [1.0] * 3, "radius": -0.1}})}, ("zones.a.shape.sphere.radius", "E_CONFIG_VALUE")),
        ({"a": shaped("speed", BALL)}, ("zones.a.frame_speed", "E_CONFIG_MISSING")),
        ({"a": shaped("keep_out", BALL, frame_speed=0.2)}, ("zones.a.frame_speed", "E_CONFIG_VALUE")),
        # Well-formed, and no place for the robot: the declared start is judged.
        ({"a": box(-0.3, 0.3)}, ("robot.start", "E_CONFIG_POSE")),
        ({"a": shaped("keep_out", {"half_space": {**UP, "offset": 0.6}})}, ("robot.start", "E_CONFIG_POSE")),
        ({"a": shaped("restricted", {"sphere": {"centre": [0.0, 0.0, 0.5], "radius": 0.3}})}, ("robot.start", "E_CONFIG_POSE")),
        ({"a": shaped("restricted", {"sphere": {"centre": [0.0, 0.0, 0.5], "radius": 0.3}}, approval=OPENS)}, ("robot.start", "E_CONFIG_POSE")),
        ({"a": shaped("keep_out", BALL, approval=OPENS)}, ("zones.a.approval", "E_CONFIG_NOT_ENFORCED")),
        ({"a": shaped("restricted", BALL, approval={**OPENS, "people": 3})}, ("zones.a.approval.people", "E_CONFIG_VALUE")),
        ({"a": shaped("restricted", BALL, approval={**OPENS, "seconds": 0})}, ("zones.a.approval.seconds", "E_CONFIG_VALUE")),
        ({"a": shaped("restricted", BALL, approval={"kind": "b", "people": 1})}, ("zones.a.approval.seconds", "E_CONFIG_MISSING")),
        ({"a": shaped("restricted", BALL, approval={**OPENS, "kind": "stage"})}, ("zones.a.approval.kind", "E_CONFIG_POLICY")),
        ({"a": shaped("restricted", BALL, approval=OPENS), "b": shaped("restricted", OTHER, approval={**OPENS, "people": 2})}, ("zones.b.approval.people", "E_CONFIG_POLICY")),
        ({"a": shaped("restricted", BALL, approval=OPENS), "b": shaped("restricted", OTHER, approval={**OPENS, "hold_to_run": True})}, ("zones.b.approval.hold_to_run", "E_CONFIG_POLICY")),
    ],
)  # fmt: skip
def test_zones(robot: RobotFile, zones: dict[str, Any], expected: tuple[str, str]) -> None:
    for zone in zones.values():
        if "links" in zone:
            zone = zones["a"] = {**zone, "links": [robot.named(link) for link in zone["links"]]}
    assert robot.put("zones", zones).refused() == {expected}


def test_keep_in_zones_of_different_links_need_nothing_in_common(panda: RobotFile) -> None:
    hand, upper = ([0.2, -0.2, 0.5], [0.5, 0.2, 0.8]), ([-0.4, -0.2, 0.2], [0.15, 0.2, 0.8])
    low, high = ({"kind": "keep_in", "minimum": a, "maximum": b, "margin": 0.0} for a, b in (hand, upper))
    zones = {"a": {**low, "links": ["panda_hand"]}, "b": {**high, "links": ["panda_link2"]}}
    assert len(panda.put("zones", zones).load().zones) == 2
    assert panda.put("zones", {}).load().zones == ()


def test_every_kind_of_zone_and_shape_is_taken(panda: RobotFile) -> None:
    hull = [[0.7, 0.7, 0.7], [0.8, 0.7, 0.7], [0.7, 0.8, 0.7], [0.7, 0.7, 0.8]]

    def line() -> dict[str, Any]:
        return {"start": [0.7, 0.7, 0.1], "end": [0.7, 0.7, 0.9]}

    room = {"centre": [0.0, 0.0, 0.5], "size": [2.0, 2.0, 2.0], "rpy": [0.0, 0.0, 0.7]}
    zones = {
        "a": shaped("keep_in", {"box": room}, 0.01),
        "b": shaped("keep_out", {"half_space": UP}),
        "c": shaped("restricted", {"capsule": {**line(), "radius": 0.05}}),
        "d": shaped("speed", {"cylinder": {**line(), "radius": 0.2}}, frame_speed=0.3),
        "e": shaped("keep_out", {"polytope": {"vertices": hull}}),
    }
    loaded = {zone.name: zone for zone in panda.put("zones", zones).load().zones}
    assert [type(zone.shape).__name__ for zone in loaded.values()] == [
        "Box",
        "HalfSpace",
        "Capsule",
        "Cylinder",
        "Polytope",
    ]
    assert loaded["d"].frame_speed == 0.3
    assert loaded["a"].shape.rpy == (0.0, 0.0, 0.7)  # type: ignore[union-attr]


VOLUME = "geometry.volumes.{moved}"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("geometry.volumes.nowhere", [BALL], {("geometry.volumes.nowhere", "E_CONFIG_FRAME")}),
        (VOLUME, [], {(VOLUME, "E_CONFIG_VOLUME")}),
        (VOLUME, [{"half_space": UP}], {(VOLUME + "[0]", "E_CONFIG_VOLUME")}),
        (VOLUME, [{}], {(VOLUME + "[0]", "E_CONFIG_VALUE")}),
        (VOLUME, [{**BALL, "capsule": {"start": [0.0] * 3, "end": [0.1] * 3, "radius": 0.1}}], {(VOLUME + "[0]", "E_CONFIG_VALUE")}),
        (VOLUME, [BALL, {"polytope": {"vertices": FLAT}}], {(VOLUME + "[1].polytope.vertices", "E_CONFIG_EMPTY")}),
        (VOLUME, [{"cylinder": {"start": [0.0] * 3, "end": [0.0] * 3, "radius": 0.1}}], {(VOLUME + "[0].cylinder.end", "E_CONFIG_EMPTY")}),
        (VOLUME, [{"capsule": {"start": [0.0] * 3, "end": [0.1] * 3, "radius": 0.0}}], {(VOLUME + "[0].capsule.radius", "E_CONFIG_VALUE")}),
        ("geometry.margin", -0.1, {("geometry.margin", "E_CONFIG_VALUE")}),
        ("geometry.left_out", [{"links": ["{one}", "{two}"]}], {("geometry.left_out[0].reason", "E_CONFIG_MISSING")}),
        ("geometry.left_out", [{"links": ["{one}", "{two}"], "reason": "   "}], {("geometry.left_out[0].reason", "E_CONFIG_VOLUME")}),
        ("geometry.left_out", [{"links": ["{one}"], "reason": "never"}], {("geometry.left_out[0].links", "E_CONFIG_VALUE")}),
        ("geometry.left_out", [{"links": ["{one}", "{one}"], "reason": "never"}], {("geometry.left_out[0].links", "E_CONFIG_VOLUME")}),
        ("geometry.left_out", [{"links": ["{one}", "arm"], "reason": "never"}], {("geometry.left_out[0].links", "E_CONFIG_FRAME")}),
        (
            "geometry.left_out",
            [{"links": list(links), "reason": "never"} for links in (("{one}", "{three}"), ("{three}", "{one}"))],
            {("geometry.left_out[1].links", "E_CONFIG_VOLUME")},
        ),
        ("robot.start.{other}", 3.0, {("robot.start.{other}", "E_CONFIG_VALUE")}),
        ("robot.start.nowhere", 0.0, {("robot.start.nowhere", "E_CONFIG_JOINT")}),
        ("tracking.path_error", -0.001, {("tracking.path_error", "E_CONFIG_VALUE")}),
    ],
)  # fmt: skip
def test_volumes_and_pairs_that_are_left_out(
    robot: RobotFile, path: str, value: Any, expected: set[tuple[str, str]]
) -> None:
    if path == "geometry.left_out":
        value = [{**pair, "links": [robot.named(link) for link in pair["links"]]} for pair in value]
    assert robot.put(path, value).refused() == robot.said(*expected)


def test_a_link_with_a_shape_needs_a_volume_and_one_without_needs_none(panda: RobotFile) -> None:
    error = panda.drop("geometry.volumes.panda_link4").error()
    assert [(problem.path, problem.code.value) for problem in error.errors] == [("geometry.volumes", "E_CONFIG_VOLUME")]
    assert "panda_link4" in error.errors[0].message
    assert "panda_link8" not in panda.load().geometry.volumes
    assert len(panda.drop("geometry.volumes").put("geometry.volumes", {}).error().errors) == 11


def test_the_start_names_every_joint(robot: RobotFile) -> None:
    assert robot.drop("robot.start.{other}").refused() == {("robot.start", "E_CONFIG_JOINT")}


def test_a_start_that_touches_is_refused_with_the_links_and_the_numbers(panda: RobotFile) -> None:
    folded = panda.put("robot.start.panda_joint4", -3.0).put("robot.start.panda_joint6", 0.5)
    messages = [problem.message for problem in folded.error().errors]
    assert any(
        "panda_link2 and panda_" in message and "m from geometry.self, which needs" in message for message in messages
    )


def test_without_a_start_poses_are_tried(panda: RobotFile) -> None:
    free = panda.drop("robot.start")
    assert free.load().robot.start is None
    away = free.put("zones.far", {"kind": "keep_in", "minimum": [2.0] * 3, "maximum": [3.0] * 3, "margin": 0.0})
    assert ("zones.cell", "E_CONFIG_EMPTY") in away.refused(), "two upright boxes apart"
    shape = {"box": {"centre": [2.5, 2.5, 2.5], "size": [1.0, 1.0, 1.0]}}
    error = free.put("zones.far", shaped("keep_in", shape)).error()
    assert [(problem.path, problem.code.value) for problem in error.errors] == [("zones.far", "E_CONFIG_POSE")]
    fat = free.put(VOLUME, [{"sphere": {"centre": [0.0, 0.0, 0.0], "radius": 0.5}}]).error()
    assert ("geometry.volumes", "E_CONFIG_POSE") in {(problem.path, problem.code.value) for problem in fat.errors}
    assert "panda_link1 and panda_link3" in str(fat)
    left_out = [
        {"links": ["panda_link3", other], "reason": "a test"} for other in ("panda_link0", "panda_link1", "panda_link5")
    ]
    assert "panda_link1 and panda_link3" not in str(
        free.put(VOLUME, [{"sphere": {"centre": [0.0] * 3, "radius": 0.5}}]).put("geometry.left_out", left_out).error()
    )


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
        ("estop", {**ACME, "package": "acme-not-installed"}, ("estop.package", "E_CONFIG_DRIVER")),
        ("estop", {**ACME, "package": "pytest"}, ("estop.driver", "E_CONFIG_DRIVER")),
        ("estop", ACME, ("estop.driver", "E_CONFIG_VALUE")),
        ("evidence.log_directory", "", ("evidence.log_directory", "E_CONFIG_VALUE")),
    ],
)
def test_sources_times_output_and_people(robot: RobotFile, path: str, value: Any, expected: tuple[str, str]) -> None:
    if isinstance(value, list) and "arm" in value:
        value = [robot.named("{group}") for _ in value]
    assert expected in robot.put(path, value).refused()


@pytest.mark.redteam(56)
def test_a_source_of_trajectories_names_its_lease_or_accepts_in_words_to_have_none(panda: RobotFile) -> None:
    bare = panda.drop("sources.planner.liveliness_lease")
    assert bare.refused() == {("sources.planner.liveliness_lease", "E_CONFIG_ACCEPT")}
    loaded = bare.put("sources.planner.liveliness", "none, I accept").load()
    assert loaded.source("planner").liveliness_lease is None


def test_no_estop_needs_the_words(panda: RobotFile) -> None:
    loaded = panda.put("estop", {"driver": "none", "none": "I accept"}).load()
    assert loaded.estop.driver == "none"


@pytest.mark.redteam(51)
@pytest.mark.parametrize("simulated", [False, None])
def test_what_only_a_simulation_may_use_is_refused_for_a_real_robot(panda: RobotFile, simulated: bool | None) -> None:
    real = panda.drop("output.simulated") if simulated is None else panda.put("output.simulated", simulated)
    assert real.refused() == {
        ("operators.unsigned_services", "E_CONFIG_SIMULATION_ONLY"),
        ("estop.driver", "E_CONFIG_SIMULATION_ONLY"),
        # What an agent may do without saying who it is, on a robot, has to be written down.
        ("sources.planner.models", "E_CONFIG_MISSING"),
        ("sources.planner.public_key", "E_CONFIG_MISSING"),
    }
    assert real.put("sources.planner.session", "none").refused() == {
        ("operators.unsigned_services", "E_CONFIG_SIMULATION_ONLY"),
        ("estop.driver", "E_CONFIG_SIMULATION_ONLY"),
    }
