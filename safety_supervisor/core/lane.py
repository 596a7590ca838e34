"""What one joint group is doing: resting, stopping, playing a stream or a trajectory.

Time in here is play-out time: cycle number times control period. A late cycle delays motion and never makes it faster.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.segments import Stream
from safety_supervisor.core.stopping import Stop
from safety_supervisor.core.trajectory import PlannedTrajectory
from safety_supervisor.core.units import Matrix, Vector


class Progress(Enum):
    """What a lane's next set-point comes from."""

    RESTING = "resting"
    STOPPING = "stopping"
    MOVING = "moving"
    ENDED = "ended"
    LATE = "late"


def at_rest(positions: Vector) -> Matrix:
    """Return the state of rest at a position, shape (3, k)."""
    state = np.zeros((3, len(positions)))
    state[0] = positions
    return state


class Lane:
    """One joint group's motion."""

    def __init__(self, name: str, indices: NDArray[np.intp], dt: float) -> None:
        """Start at rest at zero; `rest_at` places it."""
        self.name = name
        self.indices = indices
        self._dt = dt
        self._rest = at_rest(np.zeros(len(indices)))
        self._stop: Stop | None = None
        self._stop_tick = 0
        self.stream: Stream | None = None
        self.trajectory: PlannedTrajectory | None = None
        self.trajectory_tick = 0
        self._following: tuple[PlannedTrajectory, int, str, str] | None = None
        self.source = ""
        self.command = ""

    @property
    def moving(self) -> bool:
        """Whether a source moves it, or has motion waiting to begin."""
        return self.stream is not None or self.trajectory is not None or self._following is not None

    def plays_for(self, source: str) -> bool:
        """Whether a trajectory of that source plays, or waits to replace the one that does."""
        playing = self.trajectory is not None and self.source == source
        return playing or (self._following is not None and self._following[2] == source)

    @property
    def owner(self) -> str:
        """The source that holds it: the one whose accepted motion comes last; empty for none."""
        return self._following[2] if self._following is not None else self.source

    @property
    def stop(self) -> Stop | None:
        """The stop that it runs."""
        return self._stop

    def rest_at(self, positions: Vector) -> None:
        """Rest at a position, shape (k,), and forget everything else."""
        self._clear()
        self._stop = None
        self._rest = at_rest(positions)

    def follow_stop(self, stop: Stop, tick: int) -> None:
        """Run a stop of all joints that began at the state of cycle `tick`, and forget everything else."""
        self._clear()
        self._stop, self._stop_tick = stop, tick

    def begin_stream(self, stream: Stream, source: str, command: str) -> None:
        """Play a stream, once its first segment begins."""
        self.stream, self.source, self.command = stream, source, command

    def begin_trajectory(self, trajectory: PlannedTrajectory, tick: int, source: str, command: str) -> None:
        """Play a trajectory from cycle `tick` on, replacing the one that plays until then."""
        self._following = (trajectory, tick, source, command)
        if not self.source:
            self.source, self.command = source, command

    def _clear(self) -> None:
        self.stream = self.trajectory = self._following = None
        self.source = self.command = ""

    def state_at(self, t: float) -> Matrix | None:
        """Return the state at a future play-out time, shape (3, k); None when it is not known yet."""
        if self.stream is not None:
            return None
        if self.trajectory is not None:
            return self.trajectory.state(t - self.trajectory_tick * self._dt)
        return self._base(t)

    def _base(self, t: float) -> Matrix:
        """State of rest or of the stop."""
        if self._stop is None:
            return self._rest
        elapsed = t - self._stop_tick * self._dt
        if elapsed >= self._stop.duration:
            return at_rest(self._stop.end[self.indices])
        return self._stop.state(elapsed)[:, self.indices]

    def step(self, tick: int) -> tuple[Matrix, Progress]:
        """Return the state of cycle `tick`, shape (3, k), and where it comes from.

        With LATE the state is a placeholder: the caller lets the lane follow the kept stop.
        """
        t = tick * self._dt
        if self._following is not None and tick >= self._following[1]:
            self.trajectory, self.trajectory_tick, self.source, self.command = self._following
            self._following = None
            self._stop = None
            self.stream = None
        if self.trajectory is not None:
            tau = t - self.trajectory_tick * self._dt
            state = self.trajectory.state(tau)
            if tau >= self.trajectory.duration and self._following is None:
                return state, Progress.ENDED
            return state, Progress.MOVING
        if self.stream is not None:
            played = self.stream.state(t)
            if played is not None:
                self._stop = None
                return played, Progress.MOVING
            if not self.stream.pending:
                end = self.stream.end_state
                if end is not None and not np.any(np.abs(end[1:]) > 1e-9):
                    return at_rest(end[0]), Progress.ENDED
                return self._rest, Progress.LATE
        state = self._base(t)
        if self._stop is None:
            return state, Progress.RESTING
        if t - self._stop_tick * self._dt >= self._stop.duration:
            self._stop = None
            self._rest = state
            return state, Progress.RESTING
        return state, Progress.STOPPING
