"""What the core gets, and how problems are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from safety_supervisor.config import ConfigurationError, disk_sha256, load_config, urdf_path
from safety_supervisor.core.output_settings import OnLoss, OutputType
from safety_supervisor.core.settings import CommandKind, SourceKind

if TYPE_CHECKING:
    from test.config.conftest import RobotFile


def test_panda_is_the_robot_of_the_data_sheet_in_the_core_s_units(panda: RobotFile) -> None:
    loaded = load_config(panda.original)
    assert loaded.robot.joints == tuple(f"panda_joint{i}" for i in range(1, 8))
    assert loaded.robot.groups == {"arm": (0, 1, 2, 3, 4, 5, 6)}
    assert loaded.timing.period == 4_000_000
    assert loaded.timing.hold_to_run_timeout == 250_000_000
    assert loaded.source("planner").kind is SourceKind.AGENT
    assert loaded.source("planner").commands == {CommandKind.POSITION, CommandKind.TRAJECTORY}
    assert loaded.source("planner").period == 10_000_000
    assert loaded.source("joystick").liveliness_lease is None
    (output,) = loaded.outputs
    assert output.type is OutputType.JOINT_TRAJECTORY_HORIZON
    assert output.on_loss is OnLoss.HOLD
    assert output.joints == tuple(range(len(loaded.robot.joints)))
    limits = loaded.envelope.joints
    # Franka's data sheet: nothing here may be looser.
    assert (limits.velocity < [2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61]).all()
    assert (limits.acceleration < [15, 7.5, 10, 12.5, 15, 20, 20]).all()
    assert (limits.jerk < [7500, 3750, 5000, 6250, 7500, 10000, 10000]).all()
    np.testing.assert_allclose(limits.lower[3], -3.0718 + 0.05)
    np.testing.assert_allclose(limits.upper[3], -0.0698 - 0.05)


def test_every_time_and_every_quota_arrives_under_its_own_name(robot: RobotFile) -> None:
    """Each gets a value of its own, so that no two can be mixed up."""
    times = {
        "period": 0.003,
        "overrun": 0.011,
        "joint_state_timeout": 0.09,
        "idle": 31.0,
        "ready_timeout": 32.0,
        "manual_idle": 33.0,
        "recovery_timeout": 34.0,
        "hold_to_run_timeout": 0.24,
        "estop_timeout": 0.08,
        "stop_allowance": 0.41,
        "standstill_window": 0.21,
    }
    source = {
        "period": 0.012,
        "max_trajectory_duration": 51.0,
        "stamp_tolerance": 0.07,
        "trajectory_start_window": 1.5,
        "idempotency_lifetime": 500.0,
        "refusal_window": 6.0,
        "liveliness_lease": 0.4,
    }
    counts = {
        "priority": 11,
        "playout_periods": 1,
        "rate_limit_hz": 300.0,
        "max_message_bytes": 4000,
        "max_trajectory_bytes": 200_000,
        "max_trajectory_points": 900,
        "idempotency_keys": 800,
        "refusals": 40,
    }
    robot = robot.put("timing", {**times, "overruns_per_hour": 2})
    robot = robot.put("sources.planner", {**robot.keys["sources"]["planner"], **source, **counts})
    loaded = robot.load()
    for name, value in times.items():
        assert getattr(loaded.timing, name) == round(value * 1e9), name
    assert loaded.timing.overruns_per_hour == 2
    planner = loaded.source("planner")
    for name, value in source.items():
        assert getattr(planner, name) == round(value * 1e9), name
    for name, value in counts.items():
        assert getattr(planner, name) == value, name


def test_arrays_can_not_be_written(robot: RobotFile) -> None:
    loaded = robot.load()
    with pytest.raises(ValueError, match="read-only"):
        loaded.envelope.joints.velocity[0] = 99.0
    with pytest.raises(ValueError, match="read-only"):
        loaded.tracking.bound[0] = 99.0


def test_a_mimic_joint_follows_the_joint_that_is_locked(panda: RobotFile) -> None:
    locked = panda.put("robot.locked_joints", {"panda_finger_joint1": 0.03}).load().robot
    assert locked.locked_joints == {"panda_finger_joint1": 0.03, "panda_finger_joint2": 0.03}


def test_limits_follow_the_order_of_the_joints_not_of_the_file(robot: RobotFile) -> None:
    reversed_joints = dict(reversed(robot.keys["envelope"]["joints"].items()))
    changed = robot.put("envelope.joints", reversed_joints).load()
    np.testing.assert_array_equal(changed.envelope.joints.upper, load_config(robot.original).envelope.joints.upper)


def test_a_tracking_bound_of_its_own(robot: RobotFile) -> None:
    changed = robot.put("tracking.bound_of.{joint}", 0.05).load()
    own = changed.robot.joints.index(robot.named("{joint}"))
    assert changed.tracking.bound.tolist() == [0.05 if i == own else 0.15 for i in range(len(changed.robot.joints))]


@pytest.mark.parametrize(
    ("kind", "on_loss"),
    [
        ("joint_trajectory_horizon", "hold"),
        ("joint_position", "hold"),
        ("joint_velocity", "brake"),
        ("joint_state", "brake"),
    ],
)
@pytest.mark.requirement("SR-048")
def test_every_output_type_declares_what_happens_on_loss(robot: RobotFile, kind: str, on_loss: str) -> None:
    output = {**robot.keys["output"], "type": kind, "on_loss": on_loss}
    if on_loss == "brake":
        output["deadman"] = {"time": 0.1, "tested": "publisher killed at full speed, ten times"}
    on_a_stand = robot.put("balance", None)  # what balances takes a horizon alone (test_balance_section.py)
    (loaded,) = on_a_stand.put("output", output).load().outputs
    assert (loaded.type.value, loaded.on_loss.value) == (kind, on_loss)
    assert loaded.deadman == (100_000_000 if on_loss == "brake" else None)


@pytest.mark.requirement("SR-041")
def test_the_hash_changes_with_a_byte_of_the_file_and_with_a_byte_of_the_urdf(robot: RobotFile) -> None:
    urdf = robot.directory / "robot.urdf"
    urdf.write_bytes(urdf_path(robot.original).read_bytes())
    path = robot.put("robot.urdf", "robot.urdf").write()
    before = load_config(path).sha256
    assert disk_sha256(path, urdf_path(path)) == before
    path.write_bytes(path.read_bytes() + b"# a comment\n")
    after = load_config(path).sha256
    assert after != before
    assert disk_sha256(path, urdf) == after
    urdf.write_bytes(urdf.read_bytes() + b"\n")
    assert disk_sha256(path, urdf) not in (before, after)
    assert load_config(path).sha256 == disk_sha256(path, urdf)
    urdf.unlink()
    assert disk_sha256(path, urdf) == ""


SECTIONS = [
    "robot",
    "sources",
    "geometry",
    "envelope",
    "zones",
    "timing",
    "tracking",
    "operators",
    "estop",
    "evidence",
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_is_mandatory_and_a_mapping(robot: RobotFile, section: str) -> None:
    assert (section, "E_CONFIG_MISSING") in robot.drop(section).refused()
    for value in (None, [], 7, "text"):
        assert (section, "E_CONFIG_TYPE") in robot.put(section, value).refused()


def test_an_output_is_mandatory(panda: RobotFile) -> None:
    for changed in (panda.drop("output"), panda.put("output", None)):
        assert changed.refused() == {("output", "E_CONFIG_MISSING")}
    for value in ([], 7, "text"):
        assert panda.put("output", value).refused() == {("output", "E_CONFIG_TYPE")}


@pytest.mark.parametrize(
    "path",
    [
        "output.power_off",
    ],
)  # fmt: skip
def test_no_file_claims_what_this_version_does_not_do(robot: RobotFile, path: str) -> None:
    assert robot.put(path, {}).refused() == {(path, "E_CONFIG_NOT_ENFORCED")}


@pytest.mark.parametrize(
    "path", ["robots", "timing.perod", "sources.planner.rate", "zones.cell.min", "envelope.joints.{joint}.accel"]
)
def test_an_unknown_key_is_an_error_at_every_depth(robot: RobotFile, path: str) -> None:
    assert robot.put(path, 1.0).refused() == robot.said((path, "E_CONFIG_UNKNOWN_KEY"))


def test_a_misspelt_key_is_told_its_neighbour(robot: RobotFile) -> None:
    with pytest.raises(ConfigurationError) as caught:
        robot.put("envelope.joints.{joint}.acceleraton", 1.0).load()
    assert [problem.cure for problem in caught.value.errors] == ["Did you mean `acceleration`?"]


def test_all_errors_come_at_once_each_with_its_path_and_line(panda: RobotFile) -> None:
    changes: list[tuple[str, Any, str]] = [
        ("robot.base_frame", 7, "E_CONFIG_TYPE"),
        ("sources.planner.period", "fast", "E_CONFIG_TYPE"),
        ("sources.joystick.rate_limit_hz", 10.0, "E_CONFIG_TIMING"),
        ("envelope.joints.panda_joint1.velocity", None, "E_CONFIG_TYPE"),
        ("envelope.joints.panda_joint4.velocity", 50.0, "E_CONFIG_LOOSER"),
        ("zones.cabinet.maximum", [0.0, 0.0, 0.0], ""),
        ("timing.overrun", 0.002, "E_CONFIG_TIMING"),
        ("tracking.rest", 0.2, "E_CONFIG_VALUE"),
        ("output.on_loss", "coast", "E_CONFIG_NOT_ENFORCED"),
        ("evidence.record_events", "maybe", "E_CONFIG_TYPE"),
    ]
    for path, value, _ in changes:
        panda = panda.put(path, value)
    path = panda.write()
    with pytest.raises(ConfigurationError) as caught:
        load_config(path)
    errors = caught.value.errors
    expected = {(where, code) for where, _, code in changes if code} | {("zones.cabinet.minimum", "E_CONFIG_EMPTY")}
    assert {(problem.path, problem.code.value) for problem in errors} == expected
    lines = path.read_text(encoding="utf-8").splitlines()
    for problem in errors:
        assert problem.path.split(".")[-1] in lines[problem.line - 1]
        assert f"{problem.path}: {problem.message} [{problem.code.value}]" in str(caught.value)
        assert problem.cure


def test_what_a_file_says_reaches_the_terminal_escaped(robot: RobotFile) -> None:
    evil = "\x1b]0;owned\x07\u202e" + "x" * 10_000
    for path in ("robot.base_frame", "output.topic", f"timing.{evil}", evil):
        with pytest.raises(ConfigurationError) as caught:
            robot.put(path, evil).load()
        text = str(caught.value).replace("\n", "")
        assert text.isascii()
        assert text.isprintable()
        assert len(text) < 2000


def paths(at: dict[str, Any], prefix: str = "") -> list[str]:
    """Every dotted path of nested mappings."""
    found = []
    for name, below in at.items():
        found.append(f"{prefix}{name}")
        if isinstance(below, dict):
            found += paths(below, f"{prefix}{name}.")
    return found


@pytest.mark.sampled(2)
@pytest.mark.parametrize("value", [None, -1, 1e300, "x", [[]], {"a": {}}])
def test_no_value_anywhere_makes_the_loader_raise_anything_else(panda: RobotFile, value: Any) -> None:
    """Every key in turn gets a value that may not fit; the answer is a configuration or problems with lines."""
    answers = {"loaded": 0, "refused": 0}
    # Hulls of 32 corners, which take most of the time to read, are the same in every one of these files.
    links = panda.keys["geometry"]["volumes"]
    balls = {link: [{"sphere": {"centre": [0.0, 0.0, 0.0], "radius": 0.03}}] for link in links}
    small = panda.put("geometry.volumes", balls)
    assert small.load()
    for path in paths(small.keys):
        changed = small.put(path, value)
        try:
            changed.load()
        except ConfigurationError as error:
            answers["refused"] += 1
            lineless = [problem for problem in error.errors if problem.line < 1]
        else:
            answers["loaded"] += 1
            lineless = []
        assert lineless == [], path
    assert answers["refused"] > answers["loaded"]
