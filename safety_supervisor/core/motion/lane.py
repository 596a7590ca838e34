"""What one joint group is doing: resting, stopping, playing a stream or a trajectory.

Accepted trajectories wait in the order of their starts. Each was planned from the state that the one before it will
have then, so that playing them in this order is one continuous motion. A newer one replaces those that would start at
its own start or later.

Time in here is play-out time: cycle number times control period. A late cycle delays motion and never makes it faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.motion.pace import Pace
from safety_supervisor.core.motion.segments import Stream
from safety_supervisor.core.motion.stopping import Stop
from safety_supervisor.core.motion.trajectory import PlannedTrajectory
from safety_supervisor.core.units import Matrix, Vector


class Progress(Enum):
    """What a lane's next set-point comes from."""

    RESTING = "resting"
    STOPPING = "stopping"
    MOVING = "moving"
    ENDED = "ended"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Motive:
    """An accepted motion that a lane plays, or that waits in it.

    Attributes:
        source: who asked for it; empty for the supervisor's own.
        command: correlation id.
        streamed: whether it is a stream.
        playing: whether it has begun.
    """

    source: str
    command: str
    streamed: bool
    playing: bool


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A trajectory that begins with cycle `tick`."""

    trajectory: PlannedTrajectory
    tick: int
    source: str
    command: str
    opened: frozenset[str]


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
        self.pace: Pace | None = None
        """Of its stream, where that may be slowed down."""
        self.trajectory: PlannedTrajectory | None = None
        self.trajectory_tick = 0
        self.opened: frozenset[str] = frozenset()
        """Restricted zones that people have opened for what it plays."""
        self._waiting: list[_Waiting] = []
        self._source = ""
        self._command = ""

    @property
    def moving(self) -> bool:
        """Whether a source moves it, or has motion waiting to begin."""
        return self.stream is not None or self.trajectory is not None or bool(self._waiting)

    @property
    def source(self) -> str:
        """The source that moves it, or will when its waiting motion begins; empty for none."""
        if self.stream is not None or self.trajectory is not None:
            return self._source
        return self._waiting[0].source if self._waiting else ""

    @property
    def played(self) -> tuple[str, str]:
        """Source and command of what it plays, or played last."""
        return self._source, self._command

    @property
    def owner(self) -> str:
        """The source that holds it: the one whose accepted motion comes last; empty for none."""
        return self._waiting[-1].source if self._waiting else self.source

    @property
    def lets_in(self) -> bool:
        """Whether people have opened restricted zones for what it plays, or for what waits in it."""
        return bool(self.opened) or any(later.opened for later in self._waiting)

    def motives(self) -> tuple[Motive, ...]:
        """Return what it plays and what waits, in the order in which it is played."""
        waiting = tuple(Motive(later.source, later.command, False, False) for later in self._waiting)
        if self.stream is None and self.trajectory is None:
            return waiting
        return (Motive(self._source, self._command, self.stream is not None, True), *waiting)

    def holds_for(self, source: str) -> bool:
        """Whether any motion of that source plays or waits."""
        return any(motive.source == source for motive in self.motives())

    def plays_for(self, source: str) -> bool:
        """Whether a trajectory of that source plays or waits."""
        return any(motive.source == source and not motive.streamed for motive in self.motives())

    def plays(self, source: str, command: str) -> bool:
        """Whether a command's motion has begun and plays."""
        return any(one.playing and (one.source, one.command) == (source, command) for one in self.motives())

    def has(self, source: str, command: str) -> bool:
        """Whether a command's trajectory plays or waits."""
        return any((one.source, one.command) == (source, command) and not one.streamed for one in self.motives())

    def waits_before(self, tick: int) -> int:
        """Count the trajectories that wait and would begin before a cycle."""
        return sum(later.tick < tick for later in self._waiting)

    @property
    def stop(self) -> Stop | None:
        """The stop that it runs."""
        return self._stop

    def rest_at(self, positions: Vector) -> None:
        """Rest at a position, shape (k,), and forget everything else."""
        self._clear()
        self._rest_at(positions)

    def finish(self, positions: Vector) -> None:
        """Rest at a position, shape (k,), where the motion that played has ended; what waits goes on waiting."""
        self._play_nothing()
        self._rest_at(positions)

    def _rest_at(self, positions: Vector) -> None:
        self._stop = None
        self._rest = at_rest(positions)

    def follow_stop(self, stop: Stop, tick: int) -> None:
        """Run a stop of all joints that began at the state of cycle `tick`, and forget everything else."""
        self._clear()
        self._stop, self._stop_tick = stop, tick

    def play_stream(self, stream: Stream, source: str, command: str, pace: Pace | None = None) -> None:
        """Play a stream, once its first segment begins, or go on with it by a newer command.

        Args:
            stream: of set-points.
            source: who sends them.
            command: correlation id of the newest one.
            pace: at which a new stream is played; None where it may not be slowed down, or goes on.
        """
        if stream is not self.stream:
            self.pace = pace
        self.stream, self._source, self._command = stream, source, command

    def add_trajectory(
        self,
        trajectory: PlannedTrajectory,
        tick: int,
        source: str,
        command: str,
        opened: frozenset[str] = frozenset(),
    ) -> tuple[Motive, ...]:
        """Play a trajectory from cycle `tick` on, `opened` for it; return what it replaces before it ever began."""
        replaced = tuple(Motive(old.source, old.command, False, False) for old in self._waiting if old.tick >= tick)
        self._waiting = [old for old in self._waiting if old.tick < tick]
        self._waiting.append(_Waiting(trajectory, tick, source, command, opened))
        return replaced

    def begin_due(self, tick: int) -> tuple[Motive, ...]:
        """Begin the waiting trajectory whose cycle has come; return what it takes the place of."""
        ended: tuple[Motive, ...] = ()
        while self._waiting and tick >= self._waiting[0].tick:
            ended += tuple(motive for motive in self.motives() if motive.playing)
            due = self._waiting.pop(0)
            self.trajectory, self.trajectory_tick = due.trajectory, due.tick
            self._source, self._command = due.source, due.command
            self.opened, self.stream, self.pace, self._stop = due.opened, None, None, None
        return ended

    def _clear(self) -> None:
        self._play_nothing()
        self._waiting = []

    def _play_nothing(self) -> None:
        self.stream = self.pace = self.trajectory = None
        self.opened = frozenset()

    def state_at(self, t: float) -> Matrix | None:
        """Return the state at a future play-out time, shape (3, k); None when it is not known yet."""
        if self.stream is not None:
            return None
        # The same sum as in `step` and of the trajectory that plays then: the prediction is exact to the last bit.
        for later in reversed(self._waiting):
            if t >= later.tick * self._dt:
                return later.trajectory.state(t - later.tick * self._dt)
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
        if self.trajectory is not None:
            tau = t - self.trajectory_tick * self._dt
            state = self.trajectory.state(tau)
            return state, Progress.ENDED if tau >= self.trajectory.duration else Progress.MOVING
        if self.stream is not None:
            played = self.stream.state(t) if self.pace is None else self.pace.step(self.stream, t)
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
