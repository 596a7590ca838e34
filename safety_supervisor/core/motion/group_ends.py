"""Could a joint group stop, inside its limits, from where a segment ends? Asked when a set-point is taken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.checks.envelope import JointEnvelope
from safety_supervisor.core.errors import Violation
from safety_supervisor.core.motion.stop_room import StopRoom
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.motion.trajectory import limits_of
from safety_supervisor.core.settings import JointLimits
from safety_supervisor.core.units import Matrix


class GroupEnds:
    """Judges the ends of one group's segments."""

    def __init__(self, limits: JointLimits, indices: NDArray[np.intp], joints: tuple[str, ...], dt: float) -> None:
        """Take the limits of all joints, and which of them are the group's, shape (k,)."""
        self._limits = limits_of(limits, indices)
        self._stop_limits = StopLimits(self._limits)
        self._room = StopRoom(self._limits)
        self._envelope = JointEnvelope(self._limits, tuple(joints[i] for i in indices.tolist()), dt)

    def check(self, state: Matrix) -> Violation | None:
        """Check that the group could stop from a state, shape (3, k), inside its position limits."""
        limits, envelope = self._limits, self._envelope
        if self._room.holds(state):
            return None
        stop = StraightStop(state, self._stop_limits)
        if not stop.turning and envelope.passes_stop(state, stop.top_velocity, stop.end_list):
            return None
        return (
            envelope.check_state(state[1], state[2])
            or envelope.check_positions(stop.extremes(), limits.lower, limits.upper)
            or envelope.check_state(np.array(stop.top_velocity), state[2])
        )
