"""The cell of a robot whose base is fixed: drives, one of four controllers, brakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from safety_supervisor_sim.cell.cell import Array, Cell
from safety_supervisor_sim.cell.cell_file import CellFile, ControllerName
from safety_supervisor_sim.cell.controllers import (
    Controller,
    ForwardPosition,
    ForwardVelocity,
    JointStateBridge,
    JointTrajectoryController,
    Refused,
)
from safety_supervisor_sim.cell.drive import Drive
from safety_supervisor_sim.cell.robot import SimulatedRobot


class PandaCell(Cell):
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
        rate = cell.physics.rate_hz
        self._robot = SimulatedRobot(cell.robot, rate)
        super().__init__(
            self._robot.joints,
            self._robot.links,
            cell.oracle,
            cell.measurement,
            rate,
            seed=seed,
            start_ns=start_ns,
            ros_offset_ns=ros_offset_ns,
        )
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

    # -- what is seen ----------------------------------------------------------------------

    def _held(self) -> tuple[tuple[str, ...], Array, Array]:
        return (*self.cell.robot.held,), *self._robot.held_states()

    @property
    def body(self) -> tuple[int, int]:
        """PyBullet's client and the robot's body there, for who measures in its world."""
        return self._robot.body

    def link_positions(self) -> Array:
        """True origins of the link frames, shape (m, 3), [m]."""
        return self._robot.link_positions()

    def report(self) -> dict[str, Any]:
        """The oracle's report and the counters of controller and drive."""
        report = super().report()
        report["controller"] |= {"refused_targets": self.drive.refused_targets, "powered": self.drive.powered}
        return report

    def close(self) -> None:
        """Leave PyBullet. Safe to call twice."""
        self._robot.close()
