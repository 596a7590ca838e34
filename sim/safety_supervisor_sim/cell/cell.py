"""What every cell without ROS has: its clock, a controller double before its motors, the oracle beside it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.cell.cell_file import MeasurementSection, OracleSection
from safety_supervisor_sim.cell.controllers import Controller, JointTrajectoryController, Point, Refused, Trajectory
from safety_supervisor_sim.oracle import Oracle

Array = NDArray[np.float64]
Kind = TypeVar("Kind", bound="Cell")


@dataclass(frozen=True)
class Measured:
    """What joint_states tells: names, positions and velocities with noise, held joints last."""

    names: tuple[str, ...]
    positions: Array
    velocities: Array


class Cell(ABC):
    """One robot behind one controller double, stepped by the caller.

    Deterministic: the same seed and the same calls give bit-identical states.

    Args:
        joints: names of the judged ones, in order.
        links: names of the judged link frames, in order.
        judged: what the oracle judges by.
        measurement: noise of joint_states.
        rate_hz: of physics.
        seed: of the noise.
        start_ns: time of the first step on the caller's steady clock.
        ros_offset_ns: ROS time minus steady time, for stamps of trajectories.

    Attributes:
        joints: names of the judged ones, in order.
        links: names of the judged link frames, in order.
        period_ns: of physics.
        now_ns: the cell's time on the caller's steady clock.
        ros_offset_ns: ROS time minus steady time, for stamps of trajectories.
        steps: physics periods since the beginning.
        oracle: judges the true motion and the commands.
        controller: stands before the motors.
        malformed: why messages on the motors' topic did not translate, and how often.
        position, velocity: true, shape (n,), [rad], [rad/s].
    """

    controller: Controller
    position: Array
    velocity: Array

    def __init__(
        self,
        joints: tuple[str, ...],
        links: tuple[str, ...],
        judged: OracleSection,
        measurement: MeasurementSection,
        rate_hz: float,
        *,
        seed: int,
        start_ns: int,
        ros_offset_ns: int,
    ) -> None:
        self.joints = joints
        self.links = links
        self.period_ns = round(1e9 / rate_hz)
        self.now_ns = start_ns
        self.ros_offset_ns = ros_offset_ns
        self.steps = 0
        self.oracle = Oracle(judged.as_limits(), judged.as_judging(rate_hz), joints, links)
        self.malformed: Counter[str] = Counter()
        self._judged: tuple[Point, ...] | None = None
        self._measurement = measurement
        self._random = np.random.default_rng(seed)

    # -- what a kind of cell does by itself ------------------------------------------------

    @abstractmethod
    def step(self, count: int = 1) -> None:
        """Advance by `count` physics periods."""

    @abstractmethod
    def cut_power(self) -> None:
        """Take the motors' power at once."""

    @abstractmethod
    def restore_power(self) -> None:
        """Give it back; controllers start again from the measured pose."""

    @abstractmethod
    def close(self) -> None:
        """Leave PyBullet. Safe to call twice."""

    @abstractmethod
    def link_positions(self) -> Array:
        """True origins of the link frames, shape (m, 3), [m]."""

    def _held(self) -> tuple[tuple[str, ...], Array, Array]:
        """Names, true positions and velocities of joints that nobody commands, but that are measured."""
        return (), np.zeros(0), np.zeros(0)

    # -- commands --------------------------------------------------------------------------

    def send_trajectory(self, message: Trajectory) -> Refused | None:
        """A JointTrajectory; None when it was accepted."""
        if not isinstance(self.controller, JointTrajectoryController):
            raise TypeError("this cell's controller takes no trajectories")
        refused = self.controller.command(self.now_ns, self.ros_now_ns, message)
        if refused is not None:
            self.oracle.add_malformed_command(self.now_ns, refused.reason)
            return refused
        if message.points is self._judged:
            self.oracle.add_same_trajectory(self.now_ns)
            return None
        self._judged = message.points
        in_order = message.joint_names == self.joints
        order = [message.joint_names.index(joint) for joint in self.joints]
        points = message.points

        def stacked(name: str) -> Array | None:
            rows = [getattr(point, name) for point in points]
            rows = [row for row in rows if len(row)]
            if not rows:
                return None
            table = np.array(rows)
            return table if in_order else table[:, order]

        positions = stacked("positions")
        assert positions is not None
        self.oracle.add_trajectory(
            self.now_ns,
            np.array([point.time_from_start_ns for point in points]) * 1e-9,
            positions,
            stacked("velocities"),
            stacked("accelerations"),
        )
        return None

    def malformed_message(self, reason: str) -> None:
        """A message on the motors' topic that does not even translate."""
        self.malformed[reason] += 1
        self.oracle.add_malformed_command(self.now_ns, reason)

    def mark(self, name: str) -> None:
        """An act of this name begins."""
        self._judged = None  # each act has a record of its own
        self.oracle.mark(self.now_ns, name)

    def seed(self, seed: int) -> None:
        """Begin the noise anew."""
        self._random = np.random.default_rng(seed)

    # -- time ------------------------------------------------------------------------------

    @property
    def ros_now_ns(self) -> int:
        """The cell's time on the clock of stamps."""
        return self.now_ns + self.ros_offset_ns

    def skip(self, nanoseconds: int) -> None:
        """Let the clock pass without physics: time that the machine lost."""
        self.now_ns += nanoseconds

    # -- what is seen ----------------------------------------------------------------------

    def measure(self) -> Measured:
        """One noisy measurement of all joints."""
        names, held_position, held_velocity = self._held()
        positions = np.concatenate((self.position, held_position))
        velocities = np.concatenate((self.velocity, held_velocity))
        noise = self._random.standard_normal((2, len(positions)))
        return Measured(
            (*self.joints, *names),
            positions + self._measurement.position_noise * noise[0],
            velocities + self._measurement.velocity_noise * noise[1],
        )

    def report(self) -> dict[str, Any]:
        """The oracle's report and the counters of the controller, ready for JSON."""
        report = self.oracle.report()
        report["controller"] = {
            "active": self.controller.active,
            "accepted": self.controller.accepted,
            "refused": dict(self.controller.refusals),
            "malformed": dict(self.malformed),
        }
        return report

    def __enter__(self: Kind) -> Kind:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
