"""The cell file is validated at the border, all errors at once."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pydantic
import pytest
import yaml

from safety_supervisor_sim.cell.cell_file import CellFile, load_cell
from safety_supervisor_sim.cell.panda_cell import PandaCell
from safety_supervisor_sim.cell.robot import urdf_path

CELL_PATH = Path(__file__).parents[3] / "sim" / "cells" / "panda.yaml"


@pytest.fixture
def raw() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(CELL_PATH.read_text(encoding="utf-8"))
    return copy.deepcopy(data)


def test_the_shipped_cell_loads() -> None:
    cell = load_cell(CELL_PATH)
    assert cell.oracle.as_limits().velocity.tolist() == [2.175] * 4 + [2.61] * 3
    assert cell.oracle.as_judging(cell.physics.rate_hz).window == 20
    assert urdf_path(cell.robot).name == "panda.urdf"


def test_all_errors_are_told_with_their_path(raw: dict[str, Any]) -> None:
    raw["drive"]["delay"] = -1.0
    raw["physics"]["rate_hz"] = float("nan")
    raw["robot"]["colour"] = "white"
    with pytest.raises(pydantic.ValidationError) as told:
        CellFile.model_validate(raw)
    paths = {".".join(map(str, error["loc"])) for error in told.value.errors()}
    assert paths == {"drive.delay", "physics.rate_hz", "robot.colour"}


def test_a_missing_value_for_a_joint_is_an_error(raw: dict[str, Any]) -> None:
    raw["oracle"]["limits"]["jerk"].pop()
    raw["robot"]["home"].pop()
    with pytest.raises(pydantic.ValidationError, match=r"robot\.home, oracle\.limits\.jerk"):
        CellFile.model_validate(raw)


def test_a_joint_that_the_urdf_lacks_and_a_bad_home_are_named(raw: dict[str, Any]) -> None:
    raw["robot"]["joints"][0] = "panda_joint9"
    with pytest.raises(ValueError, match="panda_joint9"):
        PandaCell(CellFile.model_validate(raw), "forward_position")
    with pytest.raises(ValueError, match="7 finite angles"):
        PandaCell(load_cell(CELL_PATH), "forward_position", home=[0.0] * 6)


def test_a_missing_urdf_is_named(raw: dict[str, Any]) -> None:
    raw["robot"]["urdf"] = "nowhere/none.urdf"
    with pytest.raises(FileNotFoundError, match=r"none\.urdf"):
        PandaCell(CellFile.model_validate(raw), "forward_position")
