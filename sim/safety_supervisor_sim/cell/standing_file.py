"""The file of a robot that stands on the floor, `sim/cells/NAME_standing.yaml`, validated at the border."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import Field, model_validator

from safety_supervisor_sim.cell.cell_file import Positive, RobotSection, StrictSection


class FallenSection(StrictSection):
    """When it counts as fallen, though nothing but its feet touches the floor yet."""

    tilt: Positive
    """Of the base against the vertical, [rad]."""
    height: Positive
    """Share of the base's height at the start."""


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

    @model_validator(mode="after")
    def _sizes_agree(self) -> StandingFile:
        if len(self.robot.home) != len(self.robot.joints):
            raise ValueError(f"robot.home: {len(self.robot.home)} values for {len(self.robot.joints)} joints")
        return self


def load_standing(path: Path) -> StandingFile:
    """Read and validate a file.

    Raises:
        OSError, yaml.YAMLError, pydantic.ValidationError: unreadable, no YAML, no such robot.
    """
    with path.open(encoding="utf-8") as file:
        return StandingFile.model_validate(yaml.safe_load(file))
