"""The proposed section for legs: whole, wrong in every way at once, and refused in a file until it is enforced."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from safety_supervisor.config.balance_checks import check_balance, freeze_balance
from safety_supervisor.config.balance_keys import BalanceKeys
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.schema import RobotKeys, TimingKeys
from safety_supervisor.config.sections import Sections
from safety_supervisor.config.urdf import parse_urdf
from safety_supervisor.core.balance_settings import BalanceSettings, ContactSource, Sole, UpSource

if TYPE_CHECKING:
    from test.config.conftest import PandaFile

pytestmark = pytest.mark.requirement("SR-034")

CORNERS = [[-0.05, 0.03, -0.03], [-0.05, -0.03, -0.03], [0.12, 0.03, -0.03], [0.12, -0.03, -0.03]]
WHOLE: dict[str, Any] = {
    "soles": {
        foot: {"corners": CORNERS, "normal": [0.0, 0.0, 1.0], "contact_topic": f"/{foot}", "bearing_force": 30.0}
        for foot in ("left", "right")
    },
    "margin": 0.01, "contact_timeout": 0.05, "base_timeout": 0.02, "up": "imu", "tilt": 0.1, "slip": 0.005,
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
    assert freeze_balance(BalanceKeys.model_validate(WHOLE)) == BalanceSettings(
        soles=(Sole("left", corners, (0.0, 0.0, 1.0)), Sole("right", corners, (0.0, 0.0, 1.0))),
        contacts=(ContactSource("left", "/left", 30.0), ContactSource("right", "/right", 30.0)),
        margin=0.01, contact_timeout=50_000_000, base_timeout=20_000_000, up=UpSource.IMU, tilt=0.1, slip=0.005,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("soles", {}), ("soles.left.contact_topic", None), ("soles.left.contact_topic", "left"),
        ("soles.left.bearing_force", None), ("soles.left.bearing_force", 0.0), ("soles.left.normal", [0.0, 1.0]),
        ("soles.left.corners", CORNERS[:2]), ("margin", None), ("margin", 0.0), ("margin", float("nan")),
        ("contact_timeout", None), ("contact_timeout", 0.6), ("base_timeout", None), ("up", None), ("up", "sole"),
        ("tilt", None), ("tilt", 0.5), ("slip", None), ("slip", 0.0), ("gravity", 1.62), ("feet", 2),
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
    ],
)
def test_what_keys_demand_of_each_other(path: str, value: Any, problem: tuple[str, str]) -> None:
    assert found(changed(path, value)) == {problem}


def test_feet_and_times_of_a_robot_all_errors_at_once(panda: PandaFile) -> None:
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
    }
    keys["soles"] = {"panda_link7": WHOLE["soles"]["left"]}
    keys["contact_timeout"] = keys["base_timeout"] = 2.0 * timing.period
    assert found(keys, sections) == set()


def test_no_file_may_claim_it_before_the_verifier_asks(panda: PandaFile) -> None:
    assert panda.put("balance", json.loads(json.dumps(WHOLE))).refused() == {("balance", "E_CONFIG_NOT_ENFORCED")}
