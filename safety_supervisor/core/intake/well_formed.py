"""The rules of a well-formed command, as functions without memory. REDTEAM rows 1 to 5, 9, 10, 26; SR-024, SR-030."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.events import StreamCommand, TrajectoryCommand
from safety_supervisor.core.intake.joint_names import JointNames, Selection
from safety_supervisor.core.intake.results import SetPoint, TrajectoryPoints
from safety_supervisor.core.settings import CommandKind, SourceSettings
from safety_supervisor.core.stamps import repeats
from safety_supervisor.core.units import Matrix, Nanoseconds

LARGEST_VALUE: Final = 1e6
"""No position, velocity or acceleration of a robot's joint is larger, in SI units."""

_LATEST_TIME: Final = 2**62
"""Keeps times in 64 bits before they are compared with the source's limit, [ns]."""


def judge_stream(
    event: StreamCommand, command: str, settings: SourceSettings, names: JointNames, last: tuple[int, int]
) -> SetPoint | Violation:
    """Apply every rule for a set-point.

    Args:
        event: the command as it was received.
        command: its correlation id.
        settings: of its source.
        names: joints of its source.
        last: stamp of the source's last set-point that had one, and our clock at its receipt, [ns]; zeros for none.
    """
    positions, velocities = event.positions, event.velocities
    if event.efforts:
        return Violation(Code.EFFORT_COMMAND, "command.effort", value=float(event.efforts))
    if positions and velocities:
        return Violation(Code.MIXED_COMMAND, "command.kind")
    kind, values = (CommandKind.VELOCITY, velocities) if velocities else (CommandKind.POSITION, positions)
    if not (values and event.names):
        return Violation(Code.EMPTY, "command.length", value=float(len(values)), limit=float(len(event.names)))
    if kind not in settings.commands:
        return Violation(Code.COMMAND_KIND, "command.kind", detail=f"{kind.value} is not configured")
    selection = names.select(event.names)
    if isinstance(selection, Violation):
        return selection
    if len(values) != len(event.names):
        return Violation(Code.RAGGED, "command.length", value=float(len(values)), limit=float(len(event.names)))
    # A sum that is small holds no NaN, no infinity and nothing large: one pass in C. The rest is looked at closely.
    if not sum(map(abs, values)) <= LARGEST_VALUE:
        for name, value in zip(event.names, values, strict=True):
            if not abs(value) <= LARGEST_VALUE:
                return Violation(Code.NOT_FINITE, "command.value", value=value, limit=LARGEST_VALUE, joint=name)
    tolerance = settings.stamp_tolerance
    violation = _judge_stamp(event.stamp, event.clock, tolerance, tolerance) if event.stamp else None
    if violation is None and event.stamp and event.stamp <= last[0] and event.clock >= last[1]:
        violation = _out_of_order(event.stamp, last[0])
    if violation is not None:
        return violation
    array = np.array(values, dtype=np.float64)
    if selection.order is not None:
        array = array[selection.order]
    return SetPoint(event.source, command, kind, selection.groups, selection.indices, array)


def judge_trajectory(
    event: TrajectoryCommand, command: str, settings: SourceSettings, names: JointNames, last: tuple[int, int]
) -> TrajectoryPoints | Violation:
    """Apply every rule for a trajectory that is not empty; arguments as for `judge_stream`.

    Its stamp is when it starts: within the tolerance of now, or in the near future.
    """
    if CommandKind.TRAJECTORY not in settings.commands:
        return Violation(Code.COMMAND_KIND, "command.kind", detail="trajectory is not configured")
    if event.efforts:
        return Violation(Code.EFFORT_COMMAND, "command.effort", value=float(event.efforts))
    if not (event.names and event.times):
        return Violation(
            Code.EMPTY, "trajectory.length", value=float(len(event.times)), detail=f"{len(event.names)} joints"
        )
    times = _judge_times(event.times, settings)
    if isinstance(times, Violation):
        return times
    selection = names.select(event.names)
    if isinstance(selection, Violation):
        return selection
    blocks: list[Matrix | None] = []
    for field, data, counts in (
        ("positions", event.positions, event.position_counts),
        ("velocities", event.velocities, event.velocity_counts),
        ("accelerations", event.accelerations, event.acceleration_counts),
    ):
        block = _judge_block(field, data, counts, event, selection)
        if isinstance(block, Violation):
            return block
        blocks.append(block)
    positions, velocities, accelerations = blocks
    if positions is None:
        return Violation(Code.EMPTY, "trajectory.positions", limit=float(len(event.names)))
    if accelerations is not None and velocities is None:
        return Violation(Code.RAGGED, "trajectory.accelerations", detail="accelerations without velocities")
    tolerance = settings.stamp_tolerance
    ahead = max(tolerance, settings.trajectory_start_window)
    violation = _judge_stamp(event.stamp, event.clock, tolerance, ahead) if event.stamp else None
    if violation is None and event.stamp and repeats(event.stamp, event.clock, last):
        violation = _out_of_order(event.stamp, last[0])
    if violation is not None:
        return violation
    start_in = max(0, event.stamp - event.clock) if event.stamp else 0
    return TrajectoryPoints(
        event.source,
        command,
        selection.groups,
        selection.indices,
        times,
        positions,
        velocities,
        accelerations,
        start_in,
    )


def _judge_stamp(stamp: int, clock: int, behind: Nanoseconds, ahead: Nanoseconds) -> Violation | None:
    """Refuse a stamp too far behind or ahead of the clock sampled at receipt, [ns]."""
    offset = stamp - clock
    if stamp >= 0 and -behind <= offset <= ahead:
        return None
    limit = ahead if offset > 0 else behind
    return Violation(Code.STAMP, "command.stamp", value=offset * 1e-9, limit=limit * 1e-9)


def _out_of_order(stamp: int, last: int) -> Violation:
    # The difference: a float has too few digits for the nanoseconds of a date.
    return Violation(Code.OUT_OF_ORDER, "command.stamp", value=(stamp - last) * 1e-9, detail="not newer")


def _judge_times(times: tuple[int, ...], settings: SourceSettings) -> NDArray[np.int64] | Violation:
    """Refuse too many points, times that do not increase from 0 on, and those that end too late."""
    if len(times) > settings.max_trajectory_points:
        limit = float(settings.max_trajectory_points)
        return Violation(Code.TOO_MANY_POINTS, "trajectory.points", value=float(len(times)), limit=limit)
    if min(times) < 0:
        return Violation(Code.TIME_ORDER, "trajectory.times", value=max(min(times), -_LATEST_TIME) * 1e-9)
    if max(times) < _LATEST_TIME:
        array = np.array(times, dtype=np.int64)
        if len(array) > 1:
            steps = np.diff(array)
            worst = int(steps.argmin())
            if steps[worst] <= 0:
                detail = f"point {worst + 1} does not follow point {worst}"
                return Violation(Code.TIME_ORDER, "trajectory.times", value=float(steps[worst]) * 1e-9, detail=detail)
        if times[-1] <= settings.max_trajectory_duration:
            array.setflags(write=False)
            return array
    longest = min(max(times), _LATEST_TIME) * 1e-9
    return Violation(Code.TOO_LONG, "trajectory.times", value=longest, limit=settings.max_trajectory_duration * 1e-9)


def _judge_block(
    field: str, data: bytes, counts: tuple[int, ...], event: TrajectoryCommand, selection: Selection
) -> Matrix | Violation | None:
    """Read one field of all points in configuration order; None when no point has it."""
    points, joints = len(event.times), len(event.names)
    if not data and not any(counts):
        return None
    if len(counts) != points or counts.count(joints) != points or len(data) != 8 * points * joints:
        detail = f"{len(data)} bytes, {len(counts)} rows for {points} points of {joints} joints"
        return Violation(
            Code.RAGGED, f"trajectory.{field}", value=float(len(counts)), limit=float(points), detail=detail
        )
    block: Matrix = np.frombuffer(data, dtype="<f8").reshape(points, joints)
    good = np.abs(block) <= LARGEST_VALUE
    if not good.all():
        point, joint = divmod(int(good.argmin()), joints)
        return Violation(
            Code.NOT_FINITE,
            f"trajectory.{field}",
            value=float(block[point, joint]),
            limit=LARGEST_VALUE,
            joint=event.names[joint],
            detail=f"point {point}",
        )
    ordered: Matrix = block if selection.order is None else block[:, selection.order]
    ordered.setflags(write=False)
    return ordered
