"""The stop that a controller with the horizon would run if the supervisor died now: a spline through its points."""

from __future__ import annotations

from typing import Final

import numpy as np

from safety_supervisor.core.effects import Actuate
from safety_supervisor_sim.cell.controllers.spline import Point, Segment
from safety_supervisor_sim.oracle.world import Array

FINE: Final = 1_000_000
"""Time between two samples, [ns]."""


def kept_stop(actuate: Actuate) -> tuple[list[int], Array]:
    """Sample the stop from a set-point to rest as joint_trajectory_controller plays it.

    Returns:
        Times after the set-point, [ns], and positions, shape (m, n), [rad].
    """
    first = Point(0, *(np.array(row) for row in (actuate.positions, actuate.velocities, actuate.accelerations)))
    times, rows = [0], [first.positions]
    for later in actuate.horizon:
        last = Point(later.time, *(np.array(row) for row in (later.positions, later.velocities, later.accelerations)))
        begin, end = first.time_from_start_ns, last.time_from_start_ns
        segment = Segment(begin, first, end, last)
        between = range(begin + FINE, end, FINE)
        times += [*between, end]
        rows += [segment.at(time)[0] for time in between]
        rows.append(last.positions)
        first = last
    return times, np.array(rows)
