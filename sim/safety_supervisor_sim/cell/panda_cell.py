"""The cell without ROS: robot, drives, one controller, oracle, stepped by the caller.

Deterministic: the same seed and the same calls give bit-identical states.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.cell.cell_file import CellFile, ControllerName
from safety_supervisor_sim.cell.controllers import (
    Controller,
    ForwardPosition,
    ForwardVelocity,
    JointStateBridge,
    JointTrajectoryController,
    Refused,
    Trajectory,
)
from safety_supervisor_sim.cell.drive import Drive
from safety_supervisor_sim.cell.robot import SimulatedRobot
from safety_supervisor_sim.oracle import Oracle

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """What joint_states tells: names, positions and velocities with noise, held joints last."""

    names: tuple[str, ...]
    positions: Array
    velocities: Array


class PandaCell:
    """One robot behind one controller double.

    Args:
        cell: the validated cell file.
        controller: which double stands before the drives.
        seed: of the measurement noise.
        home: start pose, shape (n,), [rad]; the cell file's when None.
        start_ns: time of the first step on the caller's steady clock.
        ros_offset_ns: ROS time minus steady time, for stamps of trajectories.
    """

    def __init__(
        self,
        cell: CellFile,
        controller: ControllerName,
        *,
        seed: int = 0,
        home: Sequence[float] | None = None,
        start_ns: int = 0,
        ros_offset_ns: int = 0,
    ) -> None:
        self.cell = cell
        self.period_ns = round(1e9 / cell.physics.rate_hz)
        self.now_ns = start_ns
        self.ros_offset_ns = ros_offset_ns
        self.steps = 0
        self._robot = SimulatedRobot(cell.robot, cell.physics.rate_hz)
        pose = np.array(cell.robot.home if home is None else home, dtype=np.float64)
        if pose.shape != (len(self.joints),) or not np.isfinite(pose).all():
            self._robot.close()
            raise ValueError(f"home must be {len(self.joints)} finite angles")
        self._robot.place(pose)
        self.drive = Drive(cell.drive, self._robot, self.period_ns * 1e-9)
        self.controller = self._make(controller)
        self._deadman_ns: int | None = None
        deadman = cell.controllers.named(controller).deadman
        if deadman is not None:
            self._deadman_ns = round(deadman * 1e9)
        self.oracle = Oracle(cell.limits(), cell.judging(), self.joints, self._robot.links)
        self._random = np.random.default_rng(seed)
        self.malformed: Counter[str] = Counter()
        self._read()
        self.controller.activate(self.ros_now_ns, self.position, self.velocity)

    def _make(self, name: ControllerName) -> Controller:
        stop = self.cell.controllers.on_update_error == "deactivate"
        if name == "forward_position":
            return ForwardPosition(self.joints, stop)
        if name == "forward_velocity":
            return ForwardVelocity(self.joints, stop)
        if name == "joint_state":
            return JointStateBridge(self.joints)
        return JointTrajectoryController(self.joints, self.period_ns)

    @property
    def joints(self) -> tuple[str, ...]:
        """The judged joints, in order."""
        return self._robot.joints

    @property
    def links(self) -> tuple[str, ...]:
        """The judged link frames, in order."""
        return self._robot.links

    @property
    def ros_now_ns(self) -> int:
        """The cell's time on the clock of stamps."""
        return self.now_ns + self.ros_offset_ns

    # -- commands --------------------------------------------------------------------------

    def send_array(self, values: Sequence[float] | Array) -> Refused | None:
        """A Float64MultiArray for a forward controller; None when it was kept."""
        if not isinstance(self.controller, ForwardPosition | ForwardVelocity):
            raise TypeError("this cell's controller takes no arrays")
        data = np.array(values, dtype=np.float64)
        refused = self.controller.command(self.now_ns, data)
        if data.shape != (len(self.joints),):
            self.oracle.add_malformed_command(self.now_ns, f"{data.size} values")
        elif refused is not None and refused.reason == "inactive":
            pass  # it reached no motor
        elif isinstance(self.controller, ForwardPosition):
            self.oracle.add_position_command(self.now_ns, data, self.drive.reference)
        else:
            self.oracle.add_velocity_command(self.now_ns, data)
        return refused

    def send_joint_state(self, names: Sequence[str], positions: Array) -> Refused | None:
        """A JointState for the bridge; None when it was kept."""
        if not isinstance(self.controller, JointStateBridge):
            raise TypeError("this cell's controller takes no joint states")
        refused = self.controller.command(self.now_ns, names, positions)
        if refused is not None:
            self.oracle.add_malformed_command(self.now_ns, refused.reason)
        else:
            commanded = self.controller.commanded
            assert commanded is not None
            self.oracle.add_position_command(self.now_ns, commanded, self.drive.reference)
        return refused

    def send_trajectory(self, message: Trajectory) -> Refused | None:
        """A JointTrajectory; None when it was accepted."""
        if not isinstance(self.controller, JointTrajectoryController):
            raise TypeError("this cell's controller takes no trajectories")
        refused = self.controller.command(self.now_ns, self.ros_now_ns, message)
        if refused is not None:
            self.oracle.add_malformed_command(self.now_ns, refused.reason)
            return refused
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

    # -- power -----------------------------------------------------------------------------

    def cut_power(self) -> None:
        """Engage the brakes at once."""
        self.drive.cut_power()

    def restore_power(self) -> None:
        """Release the brakes; controllers start again from the measured pose."""
        self.drive.restore_power()
        self.controller.activate(self.ros_now_ns, self.position, self.velocity)

    # -- time ------------------------------------------------------------------------------

    def step(self, count: int = 1) -> None:
        """Advance by `count` physics periods."""
        for _ in range(count):
            target = self.controller.update(self.ros_now_ns)
            if target is not None and isinstance(self.controller, JointTrajectoryController):
                self.oracle.add_setpoint(self.now_ns, target.values)
            self.drive.step(target, self._deadman_expired())
            self._robot.step()
            self.now_ns += self.period_ns
            self.steps += 1
            self._read()
            self.oracle.add_sample(self.now_ns, self.position, self.velocity, self._robot.link_positions())

    def _deadman_expired(self) -> bool:
        last = self.controller.last_accepted_ns
        if self._deadman_ns is None or last is None:
            return False
        return self.now_ns - last > self._deadman_ns

    def _read(self) -> None:
        self.position, self.velocity = self._robot.joint_states()

    def skip(self, nanoseconds: int) -> None:
        """Let the clock pass without physics: time that the machine lost."""
        self.now_ns += nanoseconds

    # -- what is seen ----------------------------------------------------------------------

    def measure(self) -> Measured:
        """One noisy measurement of all joints."""
        section = self.cell.measurement
        held_position, held_velocity = self._robot.held_states()
        positions = np.concatenate((self.position, held_position))
        velocities = np.concatenate((self.velocity, held_velocity))
        noise = self._random.standard_normal((2, len(positions)))
        return Measured(
            (*self.joints, *self.cell.robot.held),
            positions + section.position_noise * noise[0],
            velocities + section.velocity_noise * noise[1],
        )

    def link_positions(self) -> Array:
        """True origins of the link frames, shape (m, 3), [m]."""
        return self._robot.link_positions()

    def report(self) -> dict[str, Any]:
        """The oracle's report and the counters of controller and drive."""
        report = self.oracle.report()
        report["controller"] = {
            "active": self.controller.active,
            "accepted": self.controller.accepted,
            "refused": dict(self.controller.refusals),
            "malformed": dict(self.malformed),
            "refused_targets": self.drive.refused_targets,
            "powered": self.drive.powered,
        }
        return report

    def close(self) -> None:
        """Leave PyBullet. Safe to call twice."""
        self._robot.close()

    def __enter__(self) -> PandaCell:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
