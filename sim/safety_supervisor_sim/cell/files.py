"""Reads the file of a robot of either kind: a cell whose base is fixed, or a robot on its feet."""

from __future__ import annotations

from pathlib import Path

import yaml

from safety_supervisor_sim.cell.cell_file import CellFile
from safety_supervisor_sim.cell.standing_file import StandingFile


def load_any(path: Path) -> CellFile | StandingFile:
    """Read and validate a file; it is of a standing robot when it names feet.

    Raises:
        OSError, yaml.YAMLError, pydantic.ValidationError: unreadable, no YAML, none of the two.
    """
    with path.open(encoding="utf-8") as file:
        value = yaml.safe_load(file)
    if isinstance(value, dict) and "feet" in value:
        return StandingFile.model_validate(value)
    return CellFile.model_validate(value)
