"""A robot that stands where it is commanded: measurements of a log, as it would have given them."""

from __future__ import annotations

import math

import msgspec

from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.events import JointStates
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Vector


def commanded_joints(configuration: Configuration) -> dict[str, int]:
    """Return the joints that the supervisor commands, each with its place in a set-point."""
    joints, observed = configuration.robot.joints, configuration.robot.observed
    return {name: index for index, name in enumerate(joints) if index not in observed}


class IdealRobot:
    """Where the commanded joints are, once anything was commanded.

    Args:
        ours: see `commanded_joints`.
        placed: positions that are commanded at its beginning, shape (n,), [rad] or [m]; None: none yet.
    """

    def __init__(self, ours: dict[str, int], placed: Vector | None = None) -> None:
        """Stand where it is commanded."""
        self._ours = ours
        self._at = None if placed is None else (tuple(placed.tolist()), (0.0,) * len(placed))

    def obey(self, effect: Actuate) -> None:
        """Go to a set-point."""
        self._at = effect.positions, effect.velocities

    def measure(self, event: JointStates) -> JointStates:
        """Let a measurement tell that the joints that are commanded stand where they are commanded."""
        names, positions, velocities = event.names, event.positions, event.velocities or (0.0,) * len(event.names)
        if self._at is None or not len(names) == len(positions) == len(velocities):
            return event  # malformed: judged as it came
        indices = [self._ours.get(name) for name in names]
        told = (x for i, *pair in zip(indices, positions, velocities, strict=True) if i is not None for x in pair)
        if not all(map(math.isfinite, told)):
            return event
        at, by = self._at
        positions = tuple(x if i is None else at[i] for i, x in zip(indices, positions, strict=True))
        velocities = tuple(v if i is None else by[i] for i, v in zip(indices, velocities, strict=True))
        return msgspec.structs.replace(
            event, positions=positions, velocities=velocities if event.velocities else event.velocities
        )
