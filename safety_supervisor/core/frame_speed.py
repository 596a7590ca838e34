"""How fast the fastest point of any link moves between two poses: link origins and all that their volumes hold."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.robot import RobotModel
from safety_supervisor.core.units import Nanoseconds, Vector, seconds


def fastest_point(
    model: RobotModel, q0: Vector, q1: Vector, dt: Nanoseconds, rows: NDArray[np.intp] | None = None
) -> tuple[float, str]:
    """Bound the speed of the link points that move farthest, in a straight line, between two poses.

    A point x of a ball of centre c and radius r goes from p0 to p1 = p0 + (c1 - c0) + (R1 - R0)(x - c), so not farther
    than |c1 - c0| + r |R1 - R0|; the spectral norm of a difference of rotations is its Frobenius norm over sqrt 2.

    Args:
        model: with the volumes of the links.
        q0: joint positions before, shape (n,), [rad] or [m].
        q1: joint positions after.
        dt: time between them, [ns], positive.
        rows: points that count, indices into `RobotModel.frame_names`; None for all.

    Returns:
        Speed, [m/s], infinite when a pose is not finite, and the link's name.
    """
    before, turned_before = model.frame_positions(q0), model.frame_rotations()
    moved = model.frame_positions(q1) - before
    turned = model.frame_rotations() - turned_before
    way = np.sqrt(np.einsum("ij,ij->i", moved, moved))
    way += model.frame_radius * np.sqrt(0.5 * np.einsum("ijk,ijk->i", turned, turned))
    index = int(way.argmax()) if rows is None else int(rows[way[rows].argmax()])
    speed = float(way[index]) / seconds(dt)
    return (speed if math.isfinite(speed) else math.inf), model.frame_names[index]
