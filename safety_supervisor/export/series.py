"""Curves of a window: joints as commanded and as measured, what the status told, how near people were."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from safety_supervisor.core.effects import Status
from safety_supervisor.core.events import Humans, JointStates
from safety_supervisor.core.units import NS_PER_S, Matrix, Nanoseconds, Vector
from safety_supervisor.export.foxglove import points_of
from safety_supervisor.export.window import Window
from safety_supervisor.geometry.pose_view import Viewer

NO_PEOPLE_FOR: float = 0.5
"""Two messages of people farther apart are not joined by a line, [s]."""


@dataclass(frozen=True)
class Joints:
    """Joints over time, in the configuration's order.

    Attributes:
        times: since the first event of the log, shape (k,), [s].
        positions: shape (k, n), [rad] or [m]; NaN where a message did not hold a joint.
        velocities: likewise, [rad/s] or [m/s].
    """

    times: Vector
    positions: Matrix
    velocities: Matrix


@dataclass(frozen=True)
class Series:
    """All curves of a window.

    Attributes:
        joints: names.
        commanded, measured: of the joints.
        status: time, speed scale, tracking error by its bound and distance to a joint limit, shape (k, 4).
        people: time and distance of the nearest point of a person to the nearest frame of a link, shape (k, 2),
            [s], [m]; computed of what was recorded, the robot as it was measured last.
    """

    joints: tuple[str, ...]
    commanded: Joints
    measured: Joints
    status: Matrix
    people: Matrix


def series_of(window: Window) -> Series:
    """Take the curves out of a window."""
    names = _names(window)
    begun = window.clock.begun
    sent = [
        (_seconds(one.at, begun), one.positions, one.velocities)
        for one in window.set_points
        if len(one.positions) == len(names)
    ]
    measured = [_measure(entry.event, names, begun) for entry in window.entries if isinstance(entry.event, JointStates)]
    statuses = [effect for entry in window.entries for effect in entry.effects if isinstance(effect, Status)]
    rows = [(_seconds(s.at, begun), s.speed_scale, s.tracking_error, s.distance_to_limit) for s in statuses]
    return Series(
        names,
        _joints(sent, len(names)),
        _joints(measured, len(names)),
        np.array(rows, dtype=np.float64).reshape(-1, 4),
        _people(window, names),
    )


def _names(window: Window) -> tuple[str, ...]:
    if window.configuration is not None:
        return window.configuration.robot.joints
    first = next((entry.event for entry in window.entries if isinstance(entry.event, JointStates)), None)
    return () if first is None else first.names


def _seconds(at: Nanoseconds, begun: Nanoseconds) -> float:
    return (at - begun) / NS_PER_S


def _measure(
    event: JointStates, names: tuple[str, ...], begun: Nanoseconds
) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    positions = dict(zip(event.names, event.positions, strict=False))
    velocities = dict(zip(event.names, event.velocities, strict=False))
    return (
        _seconds(event.at, begun),
        tuple(positions.get(name, math.nan) for name in names),
        tuple(velocities.get(name, math.nan) for name in names),
    )


def _joints(rows: list[tuple[float, tuple[float, ...], tuple[float, ...]]], count: int) -> Joints:
    times = np.array([row[0] for row in rows], dtype=np.float64)
    positions, velocities = (
        np.array([row[part] for row in rows], dtype=np.float64).reshape(len(rows), count) for part in (1, 2)
    )
    return Joints(times, positions, velocities)


def _people(window: Window, names: tuple[str, ...]) -> Matrix:
    configuration = window.configuration
    if configuration is None or configuration.separation is None:
        return np.zeros((0, 2))
    model = Viewer(configuration).model
    at: dict[str, float] = {}
    rows = []
    for entry in window.entries:
        event = entry.event
        if isinstance(event, JointStates):
            at |= dict(zip(event.names, event.positions, strict=False))
        elif isinstance(event, Humans) and event.frame_id == configuration.robot.base_frame:
            points = points_of(event)
            pose = np.array([at.get(name, math.nan) for name in names])
            if len(points) and np.isfinite(pose).all():
                frames = model.frame_positions(pose)
                apart = np.linalg.norm(frames[:, None] - points[None], axis=2).min()
                rows.append((_seconds(event.at, window.clock.begun), float(apart)))
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def most_moved(series: Series, asked: str, most: int = 5) -> list[int]:
    """Return the joints worth drawing: the one in question, then those that moved most, in their own order."""
    positions = series.commanded.positions if len(series.commanded.times) else series.measured.positions
    if not len(positions):
        return []
    known = np.where(np.isfinite(positions), positions, 0.0)
    moved = np.ptp(known, axis=0)
    ranked = sorted(range(len(series.joints)), key=lambda joint: (series.joints[joint] != asked, -moved[joint], joint))
    return sorted(ranked[:most])
