"""Several controllers of one robot, and joints that another one commands: what is refused, and what is made of it."""
# ruff: noqa: E501  tables: one row, one line

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from safety_supervisor.config import ConfigurationError, load_config
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop, longest_stop
from safety_supervisor.core.motion.trajectory import limits_of

if TYPE_CHECKING:
    from test.config.conftest import RobotFile

JOINTS = [f"panda_joint{number}" for number in range(1, 8)]
OUTPUT = {"type": "joint_trajectory_horizon", "simulated": True, "on_loss": "hold"}
ARM = {**OUTPUT, "topic": "/arm/joint_trajectory", "groups": ["arm"]}
WRIST = {**OUTPUT, "topic": "/wrist/joint_trajectory", "groups": ["wrist"]}
QUIET = {"band": 0.02, "velocity": 0.05}


def two_groups(panda: RobotFile) -> RobotFile:
    """A Panda whose wrist is a group of its own, and whose one output is gone."""
    changed = panda.drop("output").put("robot.groups", {"arm": JOINTS[:4], "wrist": JOINTS[4:]})
    for source in ("planner", "joystick"):
        changed = changed.put(f"sources.{source}.groups", ["arm", "wrist"])
    return changed


def two_outputs(panda: RobotFile) -> RobotFile:
    return two_groups(panda).put("outputs", {"arm": ARM, "wrist": WRIST})


def observing(panda: RobotFile) -> RobotFile:
    """The wrist is another controller's."""
    changed = two_groups(panda).put("outputs", {"arm": ARM}).put("observed", {"wrist": QUIET})
    for source in ("planner", "joystick"):
        changed = changed.put(f"sources.{source}.groups", ["arm"])
    return changed


def test_each_output_has_the_joints_of_its_groups(panda: RobotFile) -> None:
    loaded = two_outputs(panda).load()
    assert [(one.name, one.topic, one.groups, one.joints) for one in loaded.outputs] == [
        ("arm", "/arm/joint_trajectory", ("arm",), (0, 1, 2, 3)),
        ("wrist", "/wrist/joint_trajectory", ("wrist",), (4, 5, 6)),
    ]
    assert loaded.carries_stop
    assert loaded.simulated
    assert loaded.observed is None


def test_one_output_carries_every_group(panda: RobotFile) -> None:
    (output,) = panda.load().outputs
    assert (output.name, output.groups, output.joints) == ("", ("arm",), tuple(range(7)))


def test_one_output_carries_what_is_not_observed(panda: RobotFile) -> None:
    (output,) = observing(panda).drop("outputs").put("output", panda.keys["output"]).load().outputs
    assert (output.groups, output.joints) == (("arm",), (0, 1, 2, 3))


BAD = [
    ("outputs.wrist.groups", ["wrist", "arm"], {("outputs.wrist.groups", "E_CONFIG_GROUP")}, "arm is carried by arm too"),
    ("outputs.wrist.groups", ["hand"], {("outputs.wrist.groups", "E_CONFIG_GROUP"), ("outputs", "E_CONFIG_GROUP")}, "there is no group hand"),
    ("outputs.wrist.groups", ["wrist", "wrist"], {("outputs.wrist.groups", "E_CONFIG_GROUP")}, "wrist stands twice"),
    ("outputs.wrist.groups", [], {("outputs.wrist.groups", "E_CONFIG_VALUE")}, "1 or more"),
    ("outputs", {"arm": ARM}, {("outputs", "E_CONFIG_GROUP")}, "no output carries wrist"),
    ("outputs", {}, {("outputs", "E_CONFIG_VALUE")}, "has 0 entries"),
    ("outputs", [ARM], {("outputs", "E_CONFIG_TYPE")}, "not a mapping"),
    ("outputs.wrist.topic", ARM["topic"], {("outputs.wrist.topic", "E_CONFIG_VALUE")}, "as of outputs.arm"),
    ("outputs.wrist.on_loss", "coast", {("outputs.wrist.on_loss", "E_CONFIG_NOT_ENFORCED")}, "coast"),
    ("outputs.wrist.on_loss", "brake", {("outputs.wrist.on_loss", "E_CONFIG_ON_LOSS")}, "brake"),
    ("outputs.wrist.deadman", {"time": 0.01, "tested": "killed it ten times"}, {("outputs.wrist.deadman.time", "E_CONFIG_TIMING")}, "trips"),
    ("outputs.wrist.type", "joint_position", {("outputs.wrist.type", "E_CONFIG_ON_LOSS")}, "after a missed cycle"),
    ("outputs.wrist.simulated", False, {("operators.unsigned_services", "E_CONFIG_SIMULATION_ONLY"), ("estop.driver", "E_CONFIG_SIMULATION_ONLY"), ("sources.planner.models", "E_CONFIG_MISSING"), ("sources.planner.public_key", "E_CONFIG_MISSING")}, "`outputs.wrist.simulated` is not"),
    ("output", {**OUTPUT, "topic": "/all"}, {("outputs", "E_CONFIG_VALUE")}, "stands beside `output`"),
    ("observed", {"wrist": QUIET}, {("outputs.wrist.groups", "E_CONFIG_GROUP"), ("sources.planner.groups", "E_CONFIG_GROUP"), ("sources.joystick.groups", "E_CONFIG_GROUP")}, "another controller commands it"),
    ("robot.groups.arm", JOINTS[:5], {("robot.groups.wrist", "E_CONFIG_GROUP")}, "panda_joint5 is in arm too"),
    ("robot.groups.arm", JOINTS[:3], {("robot.groups", "E_CONFIG_GROUP")}, "panda_joint4 is in no group"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "expected", "says"), BAD)
def test_what_is_wrong_with_outputs_is_named(
    panda: RobotFile, path: str, value: Any, expected: set[tuple[str, str]], says: str
) -> None:
    error = two_outputs(panda).put(path, value).error()
    assert {(problem.path, problem.code.value) for problem in error.errors} == expected
    assert says in str(error)
    assert all(problem.cure for problem in error.errors)


def test_everything_that_is_wrong_is_told_at_once(panda: RobotFile) -> None:
    wrong = two_outputs(panda).put("outputs.third", {**WRIST, "type": "joint_state", "groups": ["arm", "leg"]})
    wrong = wrong.put("outputs.wrist.groups", ["arm"]).put("observed", {"tail": QUIET})
    assert wrong.refused() == {
        ("outputs", "E_CONFIG_GROUP"),  # no output carries the wrist
        ("outputs.wrist.groups", "E_CONFIG_GROUP"),  # the arm has one already
        ("outputs.third.groups", "E_CONFIG_GROUP"),  # the arm, and a leg that is none
        ("outputs.third.topic", "E_CONFIG_VALUE"),  # the wrist's
        ("outputs.third.type", "E_CONFIG_ON_LOSS"),  # beside the horizon
        ("outputs.third.deadman", "E_CONFIG_ON_LOSS"),
        ("observed.tail", "E_CONFIG_GROUP"),
    }
    (topic,) = (problem for problem in wrong.error().errors if problem.path == "outputs.third.topic")
    assert "joint_state beside joint_trajectory_horizon" in topic.message


def test_outputs_without_the_horizon_go_together(panda: RobotFile) -> None:
    both = {"arm": {**ARM, "type": "joint_position"}, "wrist": {**WRIST, "type": "joint_position"}}
    loaded = two_outputs(panda).put("outputs", both).load()
    assert not loaded.carries_stop


@pytest.mark.parametrize(
    ("path", "value", "expected", "says"),
    [
        ("observed.wrist.band", 0.0, {("observed.wrist.band", "E_CONFIG_VALUE")}, "above 0"),
        ("observed.wrist.velocity", 3.0, {("observed.wrist.velocity", "E_CONFIG_LOOSER")}, "the envelope allows"),
        ("observed.wrist", {"band": 0.02}, {("observed.wrist.velocity", "E_CONFIG_MISSING")}, "is missing"),
        ("observed", {"arm": {**QUIET}, "wrist": {**QUIET}}, {("observed", "E_CONFIG_GROUP"), ("outputs.arm.groups", "E_CONFIG_GROUP"), ("sources.planner.groups", "E_CONFIG_GROUP"), ("sources.joystick.groups", "E_CONFIG_GROUP")}, "nothing is left"),
        ("sources.planner.groups", ["arm", "wrist"], {("sources.planner.groups", "E_CONFIG_GROUP")}, "wrist is observed"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_observed_joints_is_named(
    panda: RobotFile, path: str, value: Any, expected: set[tuple[str, str]], says: str
) -> None:
    error = observing(panda).put(path, value).error()
    assert {(problem.path, problem.code.value) for problem in error.errors} == expected
    assert says in str(error)


@pytest.mark.requirement("SR-026")
def test_the_time_that_observed_joints_are_reckoned_with_is_no_shorter_than_any_stop(panda: RobotFile) -> None:
    loaded = observing(panda).load()
    observed, timing = loaded.observed, loaded.timing
    assert observed is not None
    # 1.25: what a measured speed may pass its limit by.
    known = (observed.beside[4] - QUIET["band"]) / (1.25 * QUIET["velocity"])
    late = (timing.joint_state_timeout + timing.period + timing.overrun + loaded.tracking.delay) * 1e-9
    arm = limits_of(loaded.envelope.joints, np.arange(4))
    rng, stops = np.random.default_rng(3), StopLimits(arm)
    states = np.zeros((500, 3, 4))
    states[:, 1] = rng.choice([-1.0, 1.0], (500, 4)) * arm.velocity * rng.uniform(0.5, 1.0, (500, 4))
    states[:, 2] = rng.uniform(-1.0, 1.0, (500, 4)) * arm.acceleration * 0.1
    longest = max(StraightStop(state, stops).duration for state in states)
    assert longest > 0.1
    assert known >= late + longest
    assert not observed.beside[:4].any()


G1 = Path(__file__).resolve().parents[2] / "config" / "g1.yaml"


def arms_only(panda: RobotFile, legs: dict[str, float], waist: dict[str, float]) -> RobotFile:
    """A G1 whose legs and waist its maker's controller commands, and whose arms have a controller each."""
    g1 = replace(panda, content=G1.read_text(encoding="utf-8"), original=G1)
    arms = {
        f"{side}_arm": {**OUTPUT, "topic": f"/{side}_arm_controller/joint_trajectory", "groups": [f"{side}_arm"]}
        for side in ("left", "right")
    }
    wide = {"left_shoulder_roll_joint": 0.5, "right_shoulder_roll_joint": -0.5}
    wide |= {"left_elbow_joint": 0.6, "right_elbow_joint": 0.6}
    g1 = g1.drop("output").drop("sources.walker").put("outputs", arms).put("balance", None)
    g1 = g1.put("observed", {"legs": legs, "waist": waist}).put("sources.joystick.groups", ["left_arm", "right_arm"])
    return g1.put("robot.start", g1.keys["robot"]["start"] | wide).put("timing.joint_state_timeout", 0.03)


LEGS, WAIST = {"band": 0.02, "velocity": 0.05}, {"band": 0.01, "velocity": 0.02}


@pytest.mark.requirement("SR-026")
def test_the_arms_of_a_humanoid_alone(panda: RobotFile) -> None:
    """Its distances hold for all that the legs may do until a stop has ended."""
    loaded = arms_only(panda, LEGS, WAIST).load()
    observed, timing, n = loaded.observed, loaded.timing, len(loaded.robot.joints)
    assert observed is not None
    assert observed.joints == loaded.robot.observed == tuple(range(15))
    assert [one.joints for one in loaded.outputs] == [tuple(range(15, 22)), tuple(range(22, 29))]
    # Measured late, judged in a late cycle, followed late, and the longest stop of an arm.
    arms = limits_of(loaded.envelope.joints, np.arange(15, n))
    until = (timing.joint_state_timeout + timing.period + timing.overrun + loaded.tracking.delay) * 1e-9
    until += longest_stop(arms)
    assert observed.beside[:12] == pytest.approx(0.02 + 1.25 * 0.05 * until)
    assert observed.beside[12:15] == pytest.approx(0.01 + 1.25 * 0.02 * until)
    assert not observed.beside[15:].any()
    assert loaded.tracking.path_error == pytest.approx(0.002 + observed.beside)
    model = RobotModel(loaded.robot, loaded.geometry.bodies)
    scene = Scene(model, loaded.geometry, loaded.zones, loaded.tracking.path_error)
    assert scene.reach[:, 15:].any(axis=1).all(), "what the legs do among themselves is not ours"
    arm_and_thigh = [i for i, pair in enumerate(scene.pairs) if pair.links == ("left_hip_yaw_link", "left_rubber_hand")]
    assert arm_and_thigh, "kept apart"
    kept = scene.margins[arm_and_thigh] - loaded.geometry.margin
    assert (kept >= scene.reach[arm_and_thigh, :15] @ observed.beside[:15]).all()


def test_legs_that_may_go_too_far_or_too_fast_leave_no_room(panda: RobotFile) -> None:
    with pytest.raises(ConfigurationError, match="left_hip_yaw_link and left_rubber_hand"):
        load_config(arms_only(panda, {"band": 0.2, "velocity": 0.05}, WAIST).write())
    wide = arms_only(panda, {"band": 1.0, "velocity": 0.05}, WAIST)
    for broken in (wide.error(), wide.drop("robot.start").error()):
        told = next(one for one in broken.errors if one.code.value == "E_CONFIG_POSE")
        assert "for what `observed` joints may do" in told.message
        assert "`observed.GROUP.band`" in told.cure
    fast = arms_only(panda, LEGS, {"band": 0.01, "velocity": 0.1}).error()
    assert ("envelope.recovery_frame_speed", "E_CONFIG_EMPTY") in {(one.path, one.code.value) for one in fast.errors}
    assert "may move commanded points at" in str(fast)


def test_balance_is_not_claimed_where_others_move_the_legs(panda: RobotFile) -> None:
    shipped = replace(panda, content=G1.read_text(encoding="utf-8"), changed=b"").keys["balance"]
    refused = arms_only(panda, LEGS, WAIST).put("balance", shipped)
    assert ("balance", "E_CONFIG_NOT_ENFORCED") in refused.refused()


def test_the_example_of_the_documentation_is_good(panda: RobotFile) -> None:
    text = (G1.parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
    example = yaml.safe_load(text.partition("### Arms alone")[2].partition("```yaml\n")[2].partition("```")[0])
    g1 = replace(panda, content=G1.read_text(encoding="utf-8"), original=G1)
    for gone in ("output", "sources.walker", "balance"):
        g1 = g1.drop(gone)
    for section in ("outputs", "observed"):
        g1 = g1.put(section, example.pop(section))
    for section, keys in example.items():
        for key, value in keys.items():
            before = g1.keys[section][key]
            g1 = g1.put(f"{section}.{key}", {**before, **value} if isinstance(value, dict) else value)
    assert {output.name for output in g1.load().outputs} == {"left", "right"}
