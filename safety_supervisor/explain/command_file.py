"""A command as a file: what `ros2 topic echo` prints of a JointTrajectory or a JointState, in YAML."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safety_supervisor.config import ConfigurationError
from safety_supervisor.config.bounds import MAXIMUM_BYTES, parse, read_bounded
from safety_supervisor.core.events import StreamCommand, TrajectoryCommand
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.explain.case import ExplainError

FORM = """a command file holds what `ros2 topic echo` prints of a trajectory or a set-point, for example
  joint_names: [joint1, joint2]
  points: [{positions: [0.5, 1.0], time_from_start: 2.0}]
or
  name: [joint1, joint2]
  position: [0.5, 1.0]
and may have  start: {joint1: 0.0, joint2: 0.0}  for where the robot is"""


@dataclass(frozen=True)
class CommandFile:
    """A command, not yet judged.

    Attributes:
        command: without time and source.
        start: joint to position, [rad] or [m]; empty: not told.
    """

    command: StreamCommand | TrajectoryCommand
    start: dict[str, float]


def read_command(path: Path) -> CommandFile:
    """Read a command file.

    Raises:
        ExplainError: it is not one, or can not be read.
    """
    try:
        data = read_bounded(path, MAXIMUM_BYTES)
        fields, _ = parse(path, data.removesuffix(b"---\n").removesuffix(b"---"))
    except OSError as error:
        raise ExplainError(f"{path} can not be read: {error.strerror or error}") from error
    except ConfigurationError as error:
        raise ExplainError(f"{error}\n{FORM}") from error
    try:
        start = {str(joint): float(value) for joint, value in (fields.get("start") or {}).items()}
        command = _trajectory(fields) if "points" in fields else _set_point(fields)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ExplainError(f"{path}: {type(error).__name__}: {error}; {FORM}") from error
    return CommandFile(command, start)


def _set_point(fields: dict[str, Any]) -> StreamCommand:
    names = tuple(str(name) for name in fields["name"])
    positions, velocities, efforts = (_row(fields.get(key)) for key in ("position", "velocity", "effort"))
    return StreamCommand(0, "", names, positions, velocities, len(efforts), 0, 0, "cid:trial", "")


def _trajectory(fields: dict[str, Any]) -> TrajectoryCommand:
    points = [{key: point.get(key) for key in _POINT} for point in fields["points"]]
    times = tuple(_nanoseconds(point["time_from_start"]) for point in points)
    names = tuple(str(name) for name in fields["joint_names"])
    positions, position_counts = _block(points, "positions")
    velocities, velocity_counts = _block(points, "velocities")
    accelerations, acceleration_counts = _block(points, "accelerations")
    _, effort_counts = _block(points, "effort")
    return TrajectoryCommand(
        at=0,
        source="",
        names=names,
        times=times,
        positions=positions,
        position_counts=position_counts,
        velocities=velocities,
        velocity_counts=velocity_counts,
        accelerations=accelerations,
        acceleration_counts=acceleration_counts,
        efforts=sum(effort_counts),
        stamp=0,
        clock=0,
        frame_id="cid:trial",
        body="",
    )


_POINT = ("positions", "velocities", "accelerations", "effort", "time_from_start")


def _block(points: list[dict[str, Any]], key: str) -> tuple[bytes, tuple[int, ...]]:
    """Join the rows of a field into one block and the lengths of the rows."""
    rows = [_row(point[key]) for point in points]
    return array("d", [value for row in rows for value in row]).tobytes(), tuple(len(row) for row in rows)


def _row(values: object) -> tuple[float, ...]:
    if values is None:
        return ()
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list of numbers")
    return tuple(float(value) for value in values)


def _nanoseconds(time: object) -> int:
    if isinstance(time, dict):
        return int(time.get("sec", 0)) * NS_PER_S + int(time.get("nanosec", 0))
    if isinstance(time, int | float):
        return round(time * NS_PER_S)
    raise TypeError(f"time_from_start {time!r} is neither seconds nor {{sec, nanosec}}")
