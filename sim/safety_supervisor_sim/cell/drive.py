"""The drives: delay, interpolation, reference filter, torque limits, brakes, deadman.

One reference (position r, velocity w) per joint is kept at the physics rate:

    position:  w' = b^2 (target - r) + 2 b (f * target_velocity - w),  r' = w
    velocity:  w' = b (target - w),  r' = w

b is the bandwidth, f the share of velocity fed forward. At a constant speed v the reference
lags by 2 (1 - f) v / b plus the delay. Model: interpolated position mode of CiA 402, and the
low-pass that Franka's control interface puts before its motors.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.cell.cell_file import DriveSection
from safety_supervisor_sim.cell.robot import SimulatedRobot

Array = NDArray[np.float64]

BRAKED = 0.02
"""Speed below which brakes have caught a joint, [rad/s]."""


class Quantity(Enum):
    """What a controller commands."""

    POSITION = "position"
    VELOCITY = "velocity"


@dataclass(frozen=True)
class Target:
    """What a controller gives the drives in one step, shape (n,). Interpolated: reach it over
    the drive's interpolation time; else it is a sample of a smooth path."""

    values: Array
    quantity: Quantity
    interpolate: bool = False


class Drive:
    """All drives of one robot, stepped at the physics rate."""

    def __init__(self, section: DriveSection, robot: SimulatedRobot, period: float) -> None:
        self._robot = robot
        self._period = period
        self._bandwidth = section.bandwidth
        self._feed_forward = section.feed_forward
        self._steps = max(1, round(section.interpolation / period))
        self._torque = list(section.torque)
        self._brake_torque = list(section.brake_torque)
        self._brake_step = np.array(section.brake_deceleration) * period
        self._zero = [0.0] * len(self._torque)
        self._delay: deque[tuple[Target | None, bool]] = deque()
        self._delay_steps = round(section.delay / period)
        self.powered = True
        self._braked: list[float] | None = None
        self.refused_targets = 0
        self.reset()

    def reset(self) -> None:
        """Take the measured pose as reference and forget what was commanded."""
        position, _ = self._robot.joint_states()
        self.reference = position.copy()
        self.reference_velocity = np.zeros_like(position)
        self._aim: Target | None = None
        self._path = position.copy()  # the interpolated target
        self._path_step = np.zeros_like(position)
        self._path_left = 0
        self._quantity = Quantity.POSITION
        self._delay = deque([(None, False)] * self._delay_steps)

    def cut_power(self) -> None:
        """Engage the mechanical brakes."""
        self.powered = False
        self._braked = None

    def restore_power(self) -> None:
        """Release the brakes, holding the measured pose."""
        self.powered = True
        self.reset()

    def step(self, target: Target | None, braking: bool) -> None:
        """Advance by one period and command the motors.

        Args:
            target: the controller's output, None for nothing new since activation.
            braking: the deadman has run out: ramp down at the brakes' deceleration.
        """
        # The deadman sits before the line too, else it would end before the command arrives.
        self._delay.append((target, braking))
        arrived, braking = self._delay.popleft()
        if not self.powered:
            self._hold_by_brakes()
            return
        if arrived is not None and arrived is not self._aim:
            self._accept(arrived)
        if braking:
            self._brake()
        elif self._quantity is Quantity.VELOCITY and self._aim is not None:
            gap = self._aim.values - self.reference_velocity
            self.reference_velocity += min(1.0, self._bandwidth * self._period) * gap
            self.reference += self.reference_velocity * self._period
        else:
            self._follow()
        if self._quantity is Quantity.VELOCITY:
            self._robot.drive_velocity(self.reference_velocity.tolist(), self._torque)
        else:
            self._robot.drive_position(self.reference.tolist(), self.reference_velocity.tolist(), self._torque)

    def _hold_by_brakes(self) -> None:
        """Friction takes the speed; what rests does not creep under its weight, as it would under a velocity servo."""
        if self._braked is None:
            position, velocity = self._robot.joint_states()
            if (np.abs(velocity) < BRAKED).all():
                self._braked = position.tolist()
        if self._braked is None:
            self._robot.drive_velocity(self._zero, self._brake_torque)
        else:
            self._robot.drive_position(self._braked, self._zero, self._brake_torque)

    def _accept(self, target: Target) -> None:
        if not np.isfinite(target.values).all():
            # joint_trajectory_controller checks no NaN; a drive's own firmware does.
            self.refused_targets += 1
            return
        self._aim = target
        if self._quantity is Quantity.VELOCITY and target.quantity is Quantity.POSITION:
            self.reference, _ = self._robot.joint_states()
        self._quantity = target.quantity
        if target.quantity is Quantity.POSITION:
            self._path_left = self._steps if target.interpolate else 1
            self._path_step = (target.values - self._path) / self._path_left

    def _follow(self) -> None:
        b, f, dt = self._bandwidth, self._feed_forward, self._period
        pull = (b * b) * (self._path - self.reference) - (2.0 * b) * self.reference_velocity
        if self._path_left:
            self._path += self._path_step
            self._path_left -= 1
            pull += (b * b + 2.0 * b * f / dt) * self._path_step
        self.reference_velocity += dt * pull
        self.reference += dt * self.reference_velocity

    def _brake(self) -> None:
        speed = np.maximum(np.abs(self.reference_velocity) - self._brake_step, 0.0)
        self.reference_velocity = np.sign(self.reference_velocity) * speed
        self.reference += self.reference_velocity * self._period
        # When commands come again the path goes on from where the brakes left the robot.
        self._path = self.reference.copy()
        self._path_left = 0
