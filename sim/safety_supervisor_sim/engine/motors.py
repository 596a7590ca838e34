"""The robot of a run as the lock-step sees it: its cell, its controller's double, its power."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from safety_supervisor.core.effects import Actuate, HorizonPoint
from safety_supervisor_sim.cell.controllers import Point, Trajectory
from safety_supervisor_sim.cell.panda_cell import PandaCell
from safety_supervisor_sim.engine.nearness import Nearness

BEHIND = 1_000_000_000
"""After its end a trajectory goes on resting so long, [ns]: `ros/outputs.py`."""
INTRUDES = 100_000_000
"""What an intruder sends is to be reached in so long, [ns]: `agent/speaker.py`."""
Measured = tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]]


class Motors(Protocol):
    """What the lock-step needs of a robot."""

    @property
    def now(self) -> int:
        """Its clock, [ns]."""

    def step(self) -> None:
        """Advance by one physics period."""

    def power(self, on: bool) -> None:
        """Let the motors' power follow the relays."""

    def measure(self) -> Measured | None:
        """Return what joint_states tells now: names, positions, velocities; None between two measurements."""

    def send(self, actuate: Actuate, clock_offset: int) -> None:
        """Take the set-point of a cycle; `clock_offset`: ROS clock less steady clock, [ns]."""

    def intrude(self, pose: Sequence[float], stamp: int) -> None:
        """Take a message of somebody who may not send any: to hold a pose, shape (n,), [rad]; stamp in [ns], ROS."""

    def step_clock(self, nanoseconds: int) -> None:
        """Step the ROS clock of the controller."""

    def look(self) -> None:
        """Measure how far it is from people and obstacles, where that is asked for."""

    def mark(self, name: str) -> None:
        """An act of this name begins."""

    def push(self, force: Sequence[float]) -> None:
        """Push it, world's axes, shape (3,), [N]."""

    def stand_up(self) -> None:
        """Set it on its feet."""

    def report(self) -> dict[str, Any]:
        """Return the oracle's report."""

    def close(self) -> None:
        """Leave PyBullet."""


class ArmMotors:
    """A `PandaCell` behind one of its controllers.

    Args:
        cell: begins without power.
        period: control period, [ns].
        measure_hz: of joint states.
    """

    def __init__(self, cell: PandaCell, period: int, measure_hz: float) -> None:
        """Take the power away: relays are open until the device closes them."""
        self.cell = cell
        self._period = period
        self._every = max(1, round(cell.cell.physics.rate_hz / measure_hz))
        self._told_at = -1
        self._on = False
        self._near: Nearness | None = None
        self._rest: tuple[tuple[float, ...], Trajectory] | None = None
        cell.cut_power()

    @property
    def now(self) -> int:
        """Its clock, [ns]."""
        return self.cell.now_ns

    def step(self) -> None:
        """Advance by one physics period."""
        self.cell.step()

    def power(self, on: bool) -> None:
        """Let the motors' power follow the relays."""
        if on != self._on:
            self._on = on
            if on:
                self.cell.restore_power()
            else:
                self.cell.cut_power()

    def measure(self) -> Measured | None:
        """Return what joint_states tells now; None between two measurements."""
        turn = self.cell.steps // self._every
        if turn == self._told_at:
            return None
        self._told_at = turn
        measured = self.cell.measure()
        return measured.names, tuple(measured.positions.tolist()), tuple(measured.velocities.tolist())

    def send(self, actuate: Actuate, clock_offset: int) -> None:
        """Take the set-point of a cycle, as the controller's topic would bring it."""
        cell = self.cell
        kind = type(cell.controller).__name__
        if kind == "JointTrajectoryController":
            cell.send_trajectory(self._horizon(actuate, clock_offset))
        elif kind == "ForwardPosition":
            cell.send_array(actuate.positions)
        else:
            cell.send_joint_state(cell.joints, np.array(actuate.positions))

    def _horizon(self, actuate: Actuate, clock_offset: int) -> Trajectory:
        """Return the message; one that rests where the one before does has the same points, which judges know."""
        resting = not (actuate.moving or actuate.horizon or any(actuate.velocities))
        before = self._rest
        if resting and before is not None and before[0] == actuate.positions:
            return replace(before[1], stamp_ns=clock_offset + actuate.scheduled)
        made = horizon(actuate, self.cell.joints, self._period, clock_offset)
        still = actuate.before is None or actuate.before.positions == actuate.positions
        self._rest = (actuate.positions, made) if resting and still else None
        return made

    def intrude(self, pose: Sequence[float], stamp: int) -> None:
        """Take a message of somebody who may not send any."""
        still = np.zeros(0)
        cell, held = self.cell, Point(INTRUDES, np.array(pose), still, still)
        kind = type(cell.controller).__name__
        if kind == "JointTrajectoryController":
            cell.send_trajectory(Trajectory(cell.joints, (held,), 0))
        elif kind == "ForwardPosition":
            cell.send_array(list(pose))
        else:
            cell.send_joint_state(cell.joints, np.array(pose))

    def step_clock(self, nanoseconds: int) -> None:
        """Step the ROS clock of the controller."""
        self.cell.ros_offset_ns += nanoseconds

    def watch(self, people: Mapping[str, Callable[[], tuple[float, float]]]) -> None:
        """Measure from now on how far it is from people, by name to where they are, and from the cell's boxes."""
        boxes = self.cell.cell.oracle.limits.keep_out.values()
        self._near = Nearness(*self.cell.body, [(box.min, box.max) for box in boxes], people)

    def look(self) -> None:
        """Measure how far it is from people and obstacles, where that is asked for."""
        if self._near is not None:
            self._near.look(self.now)

    def mark(self, name: str) -> None:
        """An act of this name begins."""
        self.cell.mark(name)
        if self._near is not None:
            self._near.mark(name)

    def push(self, force: Sequence[float]) -> None:
        """Nobody pushes an arm."""
        raise NotImplementedError("this robot does not stand on its feet")

    def stand_up(self) -> None:
        """It has no feet."""
        raise NotImplementedError("this robot does not stand on its feet")

    def report(self) -> dict[str, Any]:
        """Return the oracle's report, with `distances` by act where they were measured."""
        measured = {} if self._near is None else {"distances": self._near.report()}
        return self.cell.report() | measured

    def close(self) -> None:
        """Leave PyBullet."""
        self.cell.close()


def horizon(actuate: Actuate, joints: tuple[str, ...], period: int, clock_offset: int) -> Trajectory:
    """Return the message of `output.type: joint_trajectory_horizon`, as `ros/outputs.py` writes it."""
    step = HorizonPoint(0, actuate.positions, actuate.velocities, actuate.accelerations)
    points = [] if actuate.before is None else [(0, actuate.before)]
    points.append((period, step))
    points += [(period + point.time, point) for point in actuate.horizon if point.time > 0]
    ends, last = points[-1]
    points.append((ends + BEHIND, last))
    rows = np.array([(point.positions, point.velocities, point.accelerations) for _, point in points])
    made = tuple(Point(time, *row) for (time, _), row in zip(points, rows, strict=True))
    return Trajectory(joints, made, clock_offset + actuate.scheduled)
