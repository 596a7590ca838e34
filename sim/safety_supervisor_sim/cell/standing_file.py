"""The file of a robot that stands on the floor, `sim/cells/NAME_standing.yaml`, validated at the border."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, model_validator

from safety_supervisor_sim.cell.cell_file import (
    MeasurementSection,
    NotNegative,
    OracleSection,
    Positive,
    RobotSection,
    StrictSection,
)


class FallenSection(StrictSection):
    """When it counts as fallen, though nothing but its feet touches the floor yet."""

    tilt: Positive
    """Of the base against the vertical, [rad]."""
    height: Positive
    """Share of the base's height at the start."""


class ImuSection(StrictSection):
    """The IMU, and standard deviations of its noise."""

    topic: str
    link: str
    """In whose frame it tells, `header.frame_id`."""
    orientation_noise: NotNegative
    """Of each axis, [rad]."""
    velocity_noise: NotNegative
    """[rad/s]."""


class FeetSection(StrictSection):
    """The force sensors in the feet."""

    topics: dict[str, str]
    """Foot to topic."""
    noise: NotNegative
    """Standard deviation, [N]."""


class NodeSection(StrictSection):
    """What `sim_cell` says and hears; joint states and both sensors come together, at `measurement.rate_hz`."""

    measurement: MeasurementSection
    imu: ImuSection
    feet: FeetSection
    odometry: str | None
    """Topic of the base's place in the world; null: none is told."""
    trajectory: str
    """Topic of the joint_trajectory_controller."""
    mode: str
    """Topic of the mode of the stop ladder."""
    power_cut: Literal["damp", "off"]
    """What joints do when the e-stop device's relays are open."""


class StandingFile(StrictSection):
    """One robot on its feet. Raises pydantic.ValidationError, which lists every error with its path."""

    robot: RobotSection
    """`home` is the pose in which it is put on the floor, its soles level; `held` are its other joints."""
    feet: tuple[str, ...] = Field(min_length=1)
    """Links that stand."""
    rate_hz: Positive
    """Of physics."""
    gain: Positive
    """Share of a joint's position error that its motor removes in one step, if its torque suffices."""
    damping: Positive
    """Of a joint that gives way, as a share of its torque limit for each rad/s, [s]."""
    friction: Positive
    """Of feet and floor, each."""
    solid_beyond: int = Field(ge=1)
    """Links with so many moving joints between them, or fewer, do not collide: their convex hulls overlap."""
    fallen: FallenSection
    node: NodeSection
    oracle: OracleSection
    """Limits that nothing moves beyond while it stands and is held; zones are in the world, whose floor is z = 0."""

    @model_validator(mode="after")
    def _sizes_agree(self) -> StandingFile:
        if len(self.robot.home) != len(self.robot.joints):
            raise ValueError(f"robot.home: {len(self.robot.home)} values for {len(self.robot.joints)} joints")
        wrong = self.oracle.wrong_sizes(len(self.robot.joints))
        if wrong:
            raise ValueError(f"not {len(self.robot.joints)} values, one for each joint: {', '.join(wrong)}")
        if set(self.node.feet.topics) != set(self.feet):
            raise ValueError(f"node.feet.topics: not those of the feet, {', '.join(self.feet)}")
        return self


def load_standing(path: Path) -> StandingFile:
    """Read and validate a file.

    Raises:
        OSError, yaml.YAMLError, pydantic.ValidationError: unreadable, no YAML, no such robot.
    """
    with path.open(encoding="utf-8") as file:
        return StandingFile.model_validate(yaml.safe_load(file))
