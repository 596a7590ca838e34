"""Joints that another controller commands: where they are, and whether they are as quiet as what moves relies on.

For all that is verified they count as commanded joints at rest, where they were measured when the motion began. While
something moves, each must stay within its `band` of there and no faster than its `velocity`; else the robot stops. How
far they can be until that stop has ended is `ObservedSettings.beside`: it is part of `tracking.path_error`, so that
every pair of bodies, every zone and people are kept away from for all of it, whatever these joints do meanwhile.

While nothing is commanded they go where they like, and the place that is relied on goes with them. Then only a speed
that nothing could be begun at is told, by refusing what is commanded.

Not claimed: what they do after the robot has come to rest, and what a controller does that is faster than declared.

Requirements: SR-024, SR-026, SR-028.
"""

from __future__ import annotations

import numpy as np

from safety_supervisor.core.commands import Commands
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.measured import MeasuredState
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.output_settings import VELOCITY_SHARE
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Vector


class ObservedJoints:
    """Watches them, where `observed` is configured."""

    def __init__(
        self, configuration: Configuration, motion: Motion, measured: MeasuredState, commands: Commands
    ) -> None:
        """Nothing was measured yet."""
        self._settings = configuration.observed
        self._robot = configuration.robot
        self._motion = motion
        self._measured = measured
        self._commands = commands
        if self._settings is not None:
            self._joints = np.array(self._settings.joints, dtype=np.intp)
            self._band = self._settings.band[self._joints]
            self._fastest = VELOCITY_SHARE * self._settings.velocity[self._joints]
        self._stopped = False
        self._told: list[Violation] = []

    def look(self) -> set[Code]:
        """Judge them, once a cycle before anything is commanded; return the cause of a stop."""
        if self._settings is None or self._measured.missing():
            return set()
        fast = self._too_fast()
        if self._motion.at_rest:
            self._commands.owners.observed, self._stopped = fast, False
            self._motion.meet_observed(self._joints, self._measured.pose()[self._joints])
            return set()
        found = self._too_far() or fast
        if found is None:
            return set()
        if not self._stopped:
            self._stopped = True
            self._told.append(found)
        return {found.code}

    def take(self) -> list[Violation]:
        """Return what was stopped for since this was asked last, once a stop."""
        told, self._told = self._told, []
        return told

    def _too_far(self) -> Violation | None:
        went = np.abs(self._measured.positions[self._joints] - self._motion.state[0, self._joints])
        return self._worst(went, self._band, "band", "it left its band while what is commanded moves")

    def _too_fast(self) -> Violation | None:
        speeds = np.abs(self._measured.velocities[self._joints])
        return self._worst(speeds, self._fastest, "velocity", "it moves faster than what is commanded may rely on")

    def _worst(self, values: Vector, limits: Vector, what: str, detail: str) -> Violation | None:
        """Name the joint that is farthest beyond its limit; None where none is."""
        if (values <= limits).all():  # so that NaN is beyond
            return None
        worst = int((values / limits).argmax())
        joint = int(self._joints[worst])
        group = next(name for name, joints in self._robot.groups.items() if joint in joints)
        name = self._robot.joints[joint]
        rule = f"observed.{group}.{what}"
        return Violation(Code.OBSERVED_MOVES, rule, float(values[worst]), float(limits[worst]), name, detail)
