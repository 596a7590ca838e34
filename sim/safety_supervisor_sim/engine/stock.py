"""Robots and supervisors that are built before they are needed: what many short runs would each build again.

Each is used once, in a process forked from the one that built it: so every run begins with the very same bytes, and
what a run leaves behind is no other run's beginning. A process that has filled nothing builds all by itself.
"""

from __future__ import annotations

from typing import Final

from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor_sim.cell.cell_file import CellFile, ControllerName
from safety_supervisor_sim.cell.files import load_any
from safety_supervisor_sim.cell.panda_cell import PandaCell
from safety_supervisor_sim.cell.standing_cell import StandingCell
from safety_supervisor_sim.cell.standing_file import StandingFile
from safety_supervisor_sim.demo import places

START: Final = 1_000_000_000
"""First instant of the steady clock, [ns]."""
ROS_OFFSET: Final = 1_700_000_000_000_000_000
"""ROS clock less steady clock, [ns]."""
MOST: Final = 8
"""Supervisors that are kept: the oldest goes first."""

AnyCell = PandaCell | StandingCell
_cells: dict[tuple[str, ControllerName], AnyCell] = {}
_supervisors: dict[str, Supervisor] = {}
_files: dict[str, CellFile | StandingFile] = {}


def fill(robot: str, controller: ControllerName, configuration: Configuration) -> None:
    """Build what a run will need, where it is not there yet.

    Raises:
        FileNotFoundError: there is no such robot.
    """
    if (robot, controller) not in _cells:
        _cells[robot, controller] = _build(robot, controller)
    if configuration.sha256 not in _supervisors:
        while len(_supervisors) >= MOST:
            del _supervisors[next(iter(_supervisors))]
        _supervisors[configuration.sha256] = Supervisor(configuration)


def take_cell(robot: str, controller: ControllerName, seed: int) -> AnyCell:
    """Return a cell that nobody has used, in power and at its home; `seed`: of its noise.

    Raises:
        FileNotFoundError: there is no such robot.
    """
    cell = _cells.pop((robot, controller), None) or _build(robot, controller)
    cell.seed(seed)
    return cell


def take_supervisor(configuration: Configuration) -> Supervisor:
    """Return a supervisor that has handled nothing."""
    return _supervisors.pop(configuration.sha256, None) or Supervisor(configuration)


def _build(robot: str, controller: ControllerName) -> AnyCell:
    file = _files.get(robot)
    if file is None:
        file = _files[robot] = load_any(places.cell_file(robot))
    if isinstance(file, CellFile):
        return PandaCell(file, controller, start_ns=START, ros_offset_ns=ROS_OFFSET)
    return StandingCell(file, start_ns=START, ros_offset_ns=ROS_OFFSET)
