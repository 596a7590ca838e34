"""The section for legs: whole, wrong in every way at once, in the shipped G1's file, absent from the Panda's."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError

from safety_supervisor.config import load_config
from safety_supervisor.config.balance_checks import check_balance, freeze_balance
from safety_supervisor.config.balance_keys import BalanceKeys
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.schema import RobotKeys, TimingKeys
from safety_supervisor.config.sections import Sections
from safety_supervisor.config.urdf import find_urdf, parse_urdf
from safety_supervisor.core.balance.settings import BalanceSettings, ContactSource, Sole, UpSource
from safety_supervisor.core.balance.support_polygon import SupportPolygon

if TYPE_CHECKING:
    from test.config.conftest import RobotFile

CONFIG = Path(__file__).resolve().parents[2] / "config"

pytestmark = pytest.mark.requirement("SR-034")

CORNERS = [[-0.05, 0.03, -0.03], [-0.05, -0.03, -0.03], [0.12, 0.03, -0.03], [0.12, -0.03, -0.03]]
WHOLE: dict[str, Any] = {
    "soles": {
        foot: {"corners": CORNERS, "normal": [0.0, 0.0, 1.0], "contact_topic": f"/{foot}", "bearing_force": 30.0}
        for foot in ("left", "right")
    },
    "margin": 0.01, "contact_timeout": 0.05, "base_timeout": 0.02, "up": "imu", "tilt": 0.1, "slip": 0.005,
    "imu_topic": "/imu", "imu_link": "base",
}  # fmt: skip


def changed(path: str, value: Any) -> dict[str, Any]:
    keys = copy.deepcopy(WHOLE)
    *parents, last = path.split(".")
    at = keys
    for parent in parents:
        at = at[parent]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return keys


def found(keys: dict[str, Any], sections: Sections | None = None) -> set[tuple[str, str]]:
    problems = Problems()
    check_balance(BalanceKeys.model_validate(keys), sections or Sections(), problems)
    return {(problem.path, problem.code.value) for problem in problems.found}


def test_whole() -> None:
    assert found(WHOLE) == set()
    corners = tuple((x, y, z) for x, y, z in CORNERS)
    assert freeze_balance(BalanceKeys.model_validate(WHOLE), Sections()) == BalanceSettings(
        soles=(Sole("left", corners, (0.0, 0.0, 1.0)), Sole("right", corners, (0.0, 0.0, 1.0))),
        contacts=(ContactSource("left", "/left", 30.0), ContactSource("right", "/right", 30.0)),
        margin=0.01, contact_timeout=50_000_000, base_timeout=20_000_000, up=UpSource.IMU, tilt=0.1, slip=0.005,
        imu_topic="/imu", imu_link="base",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("soles", {}), ("soles.left.contact_topic", None), ("soles.left.contact_topic", "left"),
        ("soles.left.bearing_force", None), ("soles.left.bearing_force", 0.0), ("soles.left.normal", [0.0, 1.0]),
        ("soles.left.corners", CORNERS[:2]), ("margin", None), ("margin", 0.0), ("margin", float("nan")),
        ("contact_timeout", None), ("contact_timeout", 0.6), ("base_timeout", None), ("up", None), ("up", "sole"),
        ("tilt", None), ("tilt", 0.5), ("slip", None), ("slip", 0.0), ("gravity", 1.62), ("feet", 2),
        ("imu_topic", None), ("imu_topic", "imu"), ("imu_link", None),
    ],
)  # fmt: skip
def test_what_a_key_may_not_be(path: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        BalanceKeys.model_validate(changed(path, value))
    assert any(".".join(map(str, error["loc"])).startswith(path) for error in caught.value.errors())


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("soles.left.normal", [0.0, 0.0, 1.01], ("balance.soles.left.normal", "E_CONFIG_VALUE")),
        ("soles.left.normal", [0.0, 0.0, 0.0], ("balance.soles.left.normal", "E_CONFIG_VALUE")),
        ("soles.left.normal", [0.0, 1.0, 0.0], ("balance.soles.left.corners", "E_CONFIG_VALUE")),
        ("soles.left.corners", [*CORNERS, [0.0, 0.0, 0.0]], ("balance.soles.left.corners", "E_CONFIG_VALUE")),
        ("soles.left.corners", [CORNERS[0]] * 4, ("balance.soles.left.corners", "E_CONFIG_EMPTY")),
        ("soles.left.corners", [*CORNERS[:2], CORNERS[0]], ("balance.soles.left.corners", "E_CONFIG_EMPTY")),
        ("margin", 0.03, ("balance.margin", "E_CONFIG_EMPTY")),
        ("soles.left.contact_topic", "/right", ("balance.soles", "E_CONFIG_VALUE")),
        ("imu_topic", "/left", ("balance.imu_topic", "E_CONFIG_VALUE")),
        ("up", "odom", ("balance.up", "E_CONFIG_NOT_ENFORCED")),
    ],
)
def test_what_keys_demand_of_each_other(path: str, value: Any, problem: tuple[str, str]) -> None:
    assert found(changed(path, value)) == {problem}


def test_feet_and_times_of_a_robot_all_errors_at_once(panda: RobotFile) -> None:
    configuration = panda.load()
    timing = TimingKeys.model_validate(panda.keys["timing"])
    robot = RobotKeys.model_validate(panda.keys["robot"])
    _, urdf = parse_urdf(configuration.robot.urdf.encode())
    sections = Sections(robot=robot, urdf=urdf, timing=timing)
    keys = copy.deepcopy(WHOLE)
    keys["soles"] = {"panda_link0": WHOLE["soles"]["left"], "toe": WHOLE["soles"]["right"]}
    keys["contact_timeout"] = keys["base_timeout"] = 1.9 * timing.period
    assert found(keys, sections) == {
        ("balance.soles.panda_link0", "E_CONFIG_FRAME"),
        ("balance.soles.toe", "E_CONFIG_FRAME"),
        ("balance.contact_timeout", "E_CONFIG_TIMING"),
        ("balance.base_timeout", "E_CONFIG_TIMING"),
        ("balance.imu_link", "E_CONFIG_FRAME"),
    }
    keys["imu_link"] = "panda_link3"
    assert ("balance.imu_link", "E_CONFIG_FRAME") in found(keys, sections)
    keys["imu_link"] = "panda_link0"
    keys["soles"] = {"panda_link7": WHOLE["soles"]["left"]}
    keys["contact_timeout"] = keys["base_timeout"] = 2.0 * timing.period
    assert found(keys, sections) == set()


def test_without_the_section_or_with_null_there_are_no_legs(panda: RobotFile) -> None:
    assert panda.load().balance is None
    assert panda.put("balance", None).load().balance is None


@pytest.mark.parametrize("robot", ["g1"], indirect=True)
def test_the_shipped_g1_stands_and_every_input_that_is_missing_is_named(robot: RobotFile) -> None:
    balance = robot.load().balance
    assert balance is not None
    assert [sole.foot for sole in balance.soles] == ["left_ankle_roll_link", "right_ankle_roll_link"]
    broken = robot
    for path in ("soles.left_ankle_roll_link.contact_topic", "imu_topic", "contact_timeout", "margin"):
        broken = broken.drop(f"balance.{path}")
    assert broken.refused() == {
        (f"balance.{path}", "E_CONFIG_MISSING")
        for path in ("soles.left_ankle_roll_link.contact_topic", "imu_topic", "contact_timeout", "margin")
    }
    other = robot.put("balance.soles.pelvis", robot.keys["balance"]["soles"]["left_ankle_roll_link"])
    other = other.put("balance.imu_link", "imu_in_torso").put("output.type", "joint_position")
    assert other.refused() == {
        ("balance.soles.pelvis", "E_CONFIG_FRAME"),
        ("balance.soles", "E_CONFIG_VALUE"),
        ("balance.imu_link", "E_CONFIG_FRAME"),
        ("output.type", "E_CONFIG_ON_LOSS"),
    }


@pytest.mark.parametrize(
    ("robot", "mesh", "mirrored"),
    [
        ("g1", "g1_description/meshes/{foot}.STL", ""),
        ("talos", "talos_data/meshes/v2/ankle_X_lo_res.stl", "leg_right_6_link"),
    ],
)
def test_the_soles_of_humanoids_are_inside_those_of_their_meshes(robot: str, mesh: str, mirrored: str) -> None:
    """Read from the STL files: triangles of 50 bytes behind a header of 84. Talos' right foot is mirrored."""
    configuration = load_config(CONFIG / f"{robot}.yaml")
    assert configuration.balance is not None
    for sole in configuration.balance.soles:
        read = find_urdf(f"example-robot-data://{mesh.format(foot=sole.foot)}", CONFIG).read_bytes()
        layout = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")])
        points = np.frombuffer(read[84:], dtype=layout)["corners"].reshape(-1, 3).astype(float)
        if sole.foot == mirrored:
            points = points * [1.0, -1.0, 1.0]
        lowest = float(points[:, 2].min())
        under = SupportPolygon(points[points[:, 2] <= lowest + 5e-4][:, :2])
        corners = np.array(sole.corners)
        assert np.abs(corners[:, 2] - lowest).max() < 1e-4
        assert under.signed_distances(corners[:, :2]).min() > -1e-9
        # And not much smaller: no corner of the mesh's own outline is farther out than 5 mm.
        assert SupportPolygon(corners[:, :2]).signed_distances(under.corners).min() > -5e-3
