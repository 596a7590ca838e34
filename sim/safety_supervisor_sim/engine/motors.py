"""The robot of a run as the lock-step sees it: its cell, its controller's double, its power."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from safety_supervisor.core.effects import Actuate, HorizonPoint
from safety_supervisor.core.events import Event
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.cell.cell import Cell
from safety_supervisor_sim.cell.controllers import ForwardPosition, JointTrajectoryController, Point, Trajectory
from safety_supervisor_sim.cell.panda_cell import PandaCell
from safety_supervisor_sim.cell.standing_cell import StandingCell
from safety_supervisor_sim.engine.nearness import Nearness
from safety_supervisor_sim.lab.balance_inputs import Footsteps, telling

BEHIND = 1_000_000_000
"""After its end a trajectory goes on resting so long, [ns]: `ros/outputs.py`."""
INTRUDES = 100_000_000
"""What an intruder sends is to be reached in so long, [ns]: `agent/speaker.py`."""
PUSH_SECONDS = 0.2
"""`cell/standing_node.py`."""
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

    def sensed(self, now: int) -> Sequence[Event]:
        """Return what sensors beside the joints' tell now, [ns]."""

    def obey(self, mode: str) -> None:
        """Do as the mode of the stop ladder says."""

    def watch(self, people: Mapping[str, Callable[[], tuple[float, float]]]) -> None:
        """Measure from now on how far it is from people, by name to where they are, and from the cell's boxes."""

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


Kind = TypeVar("Kind", bound=Cell)


class CellMotors(Generic[Kind]):
    """A cell behind one of its controllers; what every kind of cell has.

    Args:
        cell: begins without power.
        period: control period, [ns].
        rate_hz: of physics.
        measure_hz: of joint states.
    """

    def __init__(self, cell: Kind, period: int, rate_hz: float, measure_hz: float) -> None:
        """Take the power away: relays are open until the device closes them."""
        self.cell = cell
        self._period = period
        self._every = max(1, round(rate_hz / measure_hz))
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

    def sensed(self, now: int) -> Sequence[Event]:
        """Nothing beside its joints is measured."""
        return ()

    def obey(self, mode: str) -> None:
        """Nothing stands here that could give way."""

    def send(self, actuate: Actuate, clock_offset: int) -> None:
        """Take the set-point of a cycle, as the controller's topic would bring it."""
        self.cell.send_trajectory(self._horizon(actuate, clock_offset))

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
        self.cell.send_trajectory(Trajectory(self.cell.joints, (Point(INTRUDES, np.array(pose), still, still),), 0))

    def step_clock(self, nanoseconds: int) -> None:
        """Step the ROS clock of the controller."""
        self.cell.ros_offset_ns += nanoseconds

    def look(self) -> None:
        """Measure how far it is from people and obstacles, where that is asked for."""
        if self._near is not None:
            self._near.look(self.now)

    def mark(self, name: str) -> None:
        """An act of this name begins."""
        self.cell.mark(name)
        if self._near is not None:
            self._near.mark(name)

    def watch(self, people: Mapping[str, Callable[[], tuple[float, float]]]) -> None:
        """Nothing is measured."""

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


class ArmMotors(CellMotors[PandaCell]):
    """A `PandaCell`, behind any of its controllers."""

    def send(self, actuate: Actuate, clock_offset: int) -> None:
        """Take the set-point of a cycle, as the controller's topic would bring it."""
        if isinstance(self.cell.controller, JointTrajectoryController):
            super().send(actuate, clock_offset)
        else:
            self._stream(actuate.positions)

    def intrude(self, pose: Sequence[float], stamp: int) -> None:
        """Take a message of somebody who may not send any."""
        if isinstance(self.cell.controller, JointTrajectoryController):
            super().intrude(pose, stamp)
        else:
            self._stream(pose)

    def _stream(self, positions: Sequence[float]) -> None:
        if isinstance(self.cell.controller, ForwardPosition):
            self.cell.send_array(positions)
        else:
            self.cell.send_joint_state(self.cell.joints, np.array(positions))

    def watch(self, people: Mapping[str, Callable[[], tuple[float, float]]]) -> None:
        """Measure from now on how far it is from people, by name to where they are, and from the cell's boxes."""
        boxes = self.cell.cell.oracle.limits.keep_out.values()
        self._near = Nearness(*self.cell.body, [(box.min, box.max) for box in boxes], people)


class StandingMotors(CellMotors[StandingCell]):
    """A `StandingCell`: a robot on its feet, with an IMU and sensors in its soles, which tell the truth.

    Args:
        cell, period, rate_hz, measure_hz: as above.
        configuration: of the supervisor.
    """

    def __init__(
        self, cell: StandingCell, period: int, rate_hz: float, measure_hz: float, configuration: Configuration
    ) -> None:
        """Stand in the hoist."""
        super().__init__(cell, period, rate_hz, measure_hz)
        self._footsteps = Footsteps(configuration)

    def sensed(self, now: int) -> Sequence[Event]:
        """Return what IMU and soles tell."""
        return self._footsteps.events(telling(self.cell.robot), now)

    def obey(self, mode: str) -> None:
        """Do as the mode of the stop ladder says."""
        self.cell.obey(mode)

    def push(self, force: Sequence[float]) -> None:
        """Push its base for a moment."""
        self.cell.push(force, PUSH_SECONDS)

    def stand_up(self) -> None:
        """Set it on its feet, in its hoist."""
        self.cell.stand_up()


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
