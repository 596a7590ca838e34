"""The cell file: robot, drives, controllers and the oracle's limits, validated at the border."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from safety_supervisor_sim.oracle import Box, Judging, Limits

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
ControllerName = Literal["joint_trajectory_controller", "forward_position", "forward_velocity", "joint_state"]


class StrictSection(BaseModel):
    """No key that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RobotSection(StrictSection):
    """The robot: URDF, judged joints in order, home pose, joints held by the simulation."""

    name: str
    urdf: str
    joints: tuple[str, ...]
    home: tuple[Finite, ...]
    held: dict[str, Finite] = {}


class PhysicsSection(StrictSection):
    """Rate of physics, controllers and drives."""

    rate_hz: Positive


class MeasurementSection(StrictSection):
    """Rate of joint_states and standard deviations of its noise, [rad], [rad/s]."""

    rate_hz: Positive
    position_noise: NotNegative
    velocity_noise: NotNegative


class DriveSection(StrictSection):
    """Drive model; see `drive.py`."""

    delay: NotNegative
    bandwidth: Positive
    feed_forward: Annotated[float, Field(ge=0.0, le=1.0)]
    interpolation: NotNegative
    torque: tuple[Positive, ...]
    brake_torque: tuple[Positive, ...]
    brake_deceleration: tuple[Positive, ...]


class ControllerSection(StrictSection):
    """Where a controller listens, and the deadman of the drives behind it, [s]."""

    topic: str
    deadman: Positive | None


class ControllersSection(StrictSection):
    """The doubles, and what the controller manager does when `update` fails."""

    on_update_error: Literal["deactivate", "ignore"]
    joint_trajectory_controller: ControllerSection
    forward_position: ControllerSection
    forward_velocity: ControllerSection
    joint_state: ControllerSection

    def named(self, name: ControllerName) -> ControllerSection:
        """The section of one controller."""
        section: ControllerSection = getattr(self, name)
        return section


class BoxSection(StrictSection):
    """Corners of an axis-aligned box in the base frame, [m]."""

    min: tuple[Finite, Finite, Finite]
    max: tuple[Finite, Finite, Finite]


class LimitsSection(StrictSection):
    """What the oracle judges by, SI units, one value for each joint."""

    position_lower: tuple[Finite, ...]
    position_upper: tuple[Finite, ...]
    velocity: tuple[Positive, ...]
    acceleration: tuple[Positive, ...]
    jerk: tuple[Positive, ...]
    link_speed: Positive
    keep_in: dict[str, BoxSection] = {}
    keep_out: dict[str, BoxSection] = {}


class ToleranceSection(StrictSection):
    """What may be exceeded before it is a breach, in the unit of its kind."""

    position: NotNegative = 0.0
    velocity: NotNegative = 0.0
    acceleration: NotNegative = 0.0
    link_speed: NotNegative = 0.0
    zone: NotNegative = 0.0
    command_position: NotNegative = 0.0
    command_velocity: NotNegative = 0.0
    command_acceleration: NotNegative = 0.0
    command_jerk: NotNegative = 0.0
    setpoint_velocity: NotNegative = 0.0


class OracleSection(StrictSection):
    """How the oracle judges; see `oracle.Judging`."""

    command_period: Positive
    acceleration_window: Positive
    standstill_speed: Positive
    history: Positive
    limits: LimitsSection
    tolerance: ToleranceSection

    def wrong_sizes(self, size: int) -> list[str]:
        """Keys that have another number of values than there are joints."""
        names = ("position_lower", "position_upper", "velocity", "acceleration", "jerk")
        return [f"oracle.limits.{name}" for name in names if len(getattr(self.limits, name)) != size]

    def as_limits(self) -> Limits:
        """The oracle's limits as arrays."""
        section = self.limits

        def boxes(named: dict[str, BoxSection]) -> tuple[Box, ...]:
            return tuple(Box(k, np.array(b.min), np.array(b.max)) for k, b in named.items())

        return Limits(
            position_lower=np.array(section.position_lower),
            position_upper=np.array(section.position_upper),
            velocity=np.array(section.velocity),
            acceleration=np.array(section.acceleration),
            jerk=np.array(section.jerk),
            link_speed=section.link_speed,
            keep_in=boxes(section.keep_in),
            keep_out=boxes(section.keep_out),
        )

    def as_judging(self, rate_hz: float) -> Judging:
        """How the oracle judges at a physics rate, [Hz]."""
        return Judging(
            period=1.0 / rate_hz,
            command_period=self.command_period,
            acceleration_window=self.acceleration_window,
            standstill_speed=self.standstill_speed,
            history=self.history,
            tolerance=self.tolerance.model_dump(),
        )


class CellFile(StrictSection):
    """One cell. Raises pydantic.ValidationError, which lists every error with its path."""

    robot: RobotSection
    physics: PhysicsSection
    measurement: MeasurementSection
    drive: DriveSection
    controllers: ControllersSection
    oracle: OracleSection

    @model_validator(mode="after")
    def _sizes_agree(self) -> CellFile:
        size = len(self.robot.joints)
        per_joint = {
            "robot.home": self.robot.home,
            "drive.torque": self.drive.torque,
            "drive.brake_torque": self.drive.brake_torque,
            "drive.brake_deceleration": self.drive.brake_deceleration,
        }
        wrong = [name for name, values in per_joint.items() if len(values) != size] + self.oracle.wrong_sizes(size)
        if wrong:
            raise ValueError(f"not {size} values, one for each joint: {', '.join(wrong)}")
        return self


def load_cell(path: Path) -> CellFile:
    """Read and validate a cell file.

    Raises:
        OSError, yaml.YAMLError, pydantic.ValidationError: unreadable, no YAML, not a cell.
    """
    with path.open(encoding="utf-8") as file:
        return CellFile.model_validate(yaml.safe_load(file))
