"""The section of a base that moves: absent, whole, or wrong in every way at once."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from safety_supervisor.core.base.gate import PeopleDistance
from safety_supervisor.core.settings import CommandKind

if TYPE_CHECKING:
    from test.config.conftest import RobotFile

WHOLE: dict[str, Any] = {
    "speed": 0.8, "turning": 1.0, "acceleration": 1.0, "turning_acceleration": 2.0, "sideways": False,
    "reaction": 0.06, "command_timeout": 0.2, "radius": 0.5, "margin": 0.02,
    "fence": {"keep_in": [[-3.0, -3.0], [3.0, -3.0], [3.0, 3.0], [-3.0, 3.0]]},
    "odometry": {
        "node": "/base_driver", "frame": "odom", "latency": 0.02, "timeout": 0.1, "jump": 0.1, "turn_jump": 0.2,
        "rest": 0.01, "turn_rest": 0.01,
    },
    "deadman": {"time": 0.2, "tested": "2026-11-26, by killing the supervisor"},
}  # fmt: skip


def whole(panda: RobotFile, **changes: Any) -> RobotFile:
    """The Panda on a base that the planner drives; `a__b` is the key b of a."""
    keys = deepcopy(WHOLE)
    for path, value in changes.items():
        at = keys
        *parents, last = path.split("__")
        for parent in parents:
            at = at[parent]
        at[last] = value
    file = panda.put("sources.planner.commands", ["position", "trajectory", "cmd_vel"])
    return file.put("base", keys)


def test_absent_or_null_nothing_drives(panda: RobotFile) -> None:
    assert panda.load().base is None
    assert panda.put("base", None).load().base is None


def test_whole(panda: RobotFile) -> None:
    configuration = whole(panda).load()
    base, timing = configuration.base, configuration.timing
    assert base is not None
    assert CommandKind.CMD_VEL in configuration.source("planner").commands
    assert CommandKind.CMD_VEL not in configuration.source("joystick").commands
    assert base.gate.reaction == 260_000_000, "where the supervisor dies, a twist goes on until the deadman"
    assert (base.gate.period, base.gate.pose_timeout) == (timing.period, 100_000_000)
    assert (base.output_topic, base.stamped_input, base.stamped_output) == ("~/cmd_vel_out", True, True)
    assert (base.gate.people is None) is (configuration.separation is None)


def test_people_are_kept_from_where_they_are_watched(panda: RobotFile) -> None:
    separation = {
        "latency": 0.1, "timeout": 0.3, "intrusion": 0.1, "sensor_uncertainty": 0.05, "body_radius": 0.3,
    }  # fmt: skip
    file = whole(panda).put("separation", separation)
    base = file.put("envelope.reduced", {"frame_speed": 0.25, "velocity_share": 0.2}).load().base
    assert base is not None
    assert base.gate.people == PeopleDistance(1.6, pytest.approx(0.45))


def test_a_source_of_the_base_alone_needs_no_joint_group_and_others_do(panda: RobotFile) -> None:
    file = whole(panda).put("sources.joystick.groups", []).put("sources.joystick.commands", ["cmd_vel"])
    assert file.load().source("joystick").groups == ()
    assert panda.put("sources.joystick.groups", []).refused() == {("sources.joystick.groups", "E_CONFIG_VALUE")}


@pytest.mark.parametrize("key", [key for key in WHOLE if key != "slow_speed"])
def test_what_is_measured_has_no_default(panda: RobotFile, key: str) -> None:
    assert whole(panda).drop(f"base.{key}").refused() == {(f"base.{key}", "E_CONFIG_MISSING")}


def test_no_cmd_vel_without_a_base_and_no_base_without_cmd_vel(panda: RobotFile) -> None:
    assert whole(panda).drop("base").refused() == {("sources.planner.commands", "E_CONFIG_MISSING")}
    assert whole(panda).put("sources.planner.commands", ["position", "trajectory"]).refused() == {
        ("base", "E_CONFIG_NOT_ENFORCED")
    }


@pytest.mark.parametrize(
    "corners",
    [
        [[0, 0], [1, 0], [0.0, 0.0], [0, 1]],
        [[-3.0, -3.0], [3.0, 3.0], [3.0, -3.0], [-3.0, 3.0]],  # crossed
        [[-3.0, -3.0], [0.0, 0.0], [3.0, 3.0]],  # a line
        [[-3.0, -3.0], [3.0, -3.0], [0.0, 0.0], [3.0, 3.0], [-3.0, 3.0]],  # a corner inward
        [[0.0, 3.0], [1.8, -2.4], [-2.9, 0.9], [2.9, 0.9], [-1.8, -2.4]],  # a star, twice around
        [[-3.0, -3.0], [-3.0, -3.0], [3.0, -3.0], [3.0, 3.0]],  # a corner twice
    ],
)
def test_a_fence_that_is_no_polygon(panda: RobotFile, corners: list[list[float]]) -> None:
    corners = [[float(x), float(y)] for x, y in corners]
    assert whole(panda, fence__keep_in=corners).refused() == {("base.fence.keep_in", "E_CONFIG_EMPTY")}
    file = whole(panda, fence__keep_out=[corners])
    assert file.refused() == {("base.fence.keep_out[0]", "E_CONFIG_EMPTY")}


def test_either_direction_and_corners_on_an_edge_are_a_polygon(panda: RobotFile) -> None:
    corners = WHOLE["fence"]["keep_in"]
    whole(panda, fence__keep_in=corners[::-1]).load()
    whole(panda, fence__keep_in=[[0.0, -3.0], *corners[1:], corners[0]]).load()


@pytest.mark.parametrize(
    "changes",
    [
        {"radius": 3.1},
        {"radius": 2.5, "margin": 0.6},
        {"fence__keep_in": [[0.0, 0.0], [9.0, 0.0], [9.0, 0.9]]},
        {"fence__keep_out": [[[-3.0, -3.0], [2.5, -3.0], [2.5, 3.0], [-3.0, 3.0]]]},
        {"fence__keep_out": [[[-4.0, -4.0], [4.0, -4.0], [4.0, 4.0], [-4.0, 4.0]]]},
    ],
)
def test_a_fence_that_the_footprint_can_not_fit_in(panda: RobotFile, changes: dict[str, Any]) -> None:
    assert whole(panda, **changes).refused() == {("base.fence", "E_CONFIG_EMPTY")}


def test_one_that_just_fits(panda: RobotFile) -> None:
    whole(panda, radius=2.9, margin=0.05).load()


def test_all_errors_at_once(panda: RobotFile) -> None:
    topic = panda.keys["output"]["topic"]
    file = whole(
        panda,
        odometry__timeout=0.021,
        deadman__time=0.001,
        command_timeout=0.02,
        radius=4.0,
        output_topic=topic,
    ).put("sources.planner.period", 0.015)
    file = file.put("sources.joystick.commands", ["velocity", "cmd_vel"]).put("sources.joystick.priority", 10)
    found = {pair for pair in file.refused() if pair[0].startswith("base")}
    assert found == {
        ("base.odometry.timeout", "E_CONFIG_TIMING"),
        ("base.deadman.time", "E_CONFIG_TIMING"),
        ("base.command_timeout", "E_CONFIG_TIMING"),
        ("base.fence", "E_CONFIG_EMPTY"),
        ("base.output_topic", "E_CONFIG_VALUE"),
    }


def test_two_drivers_of_one_priority(panda: RobotFile) -> None:
    file = whole(panda).put("sources.joystick.commands", ["cmd_vel"]).put("sources.joystick.groups", [])
    assert file.put("sources.joystick.priority", 10).refused() == {("sources.joystick.priority", "E_CONFIG_PRIORITY")}


@pytest.mark.requirement("SR-026")
def test_zones_of_the_world_need_a_base_its_uncertainty_and_no_driver(panda: RobotFile) -> None:
    box = {"minimum": [3.0, 0.0, 0.0], "maximum": [3.5, 1.0, 1.0], "margin": 0.02, "frame": "world"}
    zones = {"shelf": {"kind": "keep_out", **box}, "slow": {"kind": "speed", "frame_speed": 0.2, **deepcopy(box)}}
    assert panda.put("zones", zones).refused() == {
        ("zones.shelf.frame", "E_CONFIG_MISSING"), ("zones.slow.frame", "E_CONFIG_MISSING"),
        ("zones.slow.frame", "E_CONFIG_NOT_ENFORCED"),
    }  # fmt: skip
    missing = {("base.odometry.uncertainty", "E_CONFIG_MISSING")}
    assert whole(panda).put("zones", {"shelf": zones["shelf"]}).refused() == missing
    file = whole(panda, odometry__uncertainty=0.01).put("zones", {"shelf": zones["shelf"]})
    loaded = file.put("sources.planner.commands", ["position", "trajectory"]).load()
    assert loaded.base is not None
    assert (loaded.zones[0].world, loaded.base.odometry.uncertainty) == (True, 0.01)
    assert (loaded.base.odometry.anchor_distance, loaded.base.odometry.anchor_turn) == (0.02, 0.02)
