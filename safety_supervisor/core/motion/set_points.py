"""The set-point of every cycle, as the motors are sent it: numbered, on the grid of cycles, with its kept stop.

The grid is that of the cycles' due times: a controller that runs on along the kept stop while cycles are missed is then
where the next set-point begins.
"""

from __future__ import annotations

import math

from safety_supervisor.core.effects import Actuate, HorizonPoint
from safety_supervisor.core.events import Tick
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Matrix, Nanoseconds


class SetPoints:
    """Turns the commanded state into what is sent."""

    def __init__(self, configuration: Configuration, motion: Motion) -> None:
        """Start with nothing sent."""
        self._period: Nanoseconds = configuration.timing.period
        self._motion = motion
        self._with_horizon = configuration.carries_stop
        self._cycle = 0
        self._due_tick = self._due_cycle = 0

    def begin(self, event: Tick) -> int:
        """Begin a cycle; return the control periods that were missed before it.

        During these a controller with the horizon ran on into the kept stop; other controllers held their place.
        """
        missed = self._missed(event)
        self._due_tick, self._due_cycle = self._motion.tick + missed + 1, self._cycle
        return missed

    def _missed(self, event: Tick) -> int:
        return max(0, (event.at - event.scheduled) // self._period) if self._with_horizon else 0

    def send(self, event: Tick, before: Matrix) -> tuple[Actuate, ...]:
        """Return the commanded state as an effect; nothing to a robot that did not go along.

        It would make up for what it is behind in one step, which nobody verified, as soon as its drives hear again
        (SR-028). Silence leaves it the kept stop that it heard last; for good, unless it rests where that ends. One
        that left a set-point at rest is held to it: who moves it may be somebody else.

        Args:
            event: the cycle.
            before: the state of the cycle before, shape (3, n).

        Raises:
            FloatingPointError: it is not finite.
        """
        motion = self._motion
        q, v, a = motion.state.tolist()
        if not math.isfinite(sum(q) + sum(v) + sum(a)):
            raise FloatingPointError("the set-point is not finite")
        self._cycle += 1
        if motion.lost and self._with_horizon:
            return ()
        horizon = motion.horizon() if self._with_horizon else ()
        came_from = None
        if self._with_horizon:
            came_from = HorizonPoint(-self._period, *(tuple(row) for row in before.tolist()))
        scheduled = event.scheduled + self._missed(event) * self._period
        moving = not motion.at_rest
        return (Actuate(event.at, self._cycle, tuple(q), tuple(v), tuple(a), horizon, moving, scheduled, came_from),)

    def follow_kept_blindly(self) -> Matrix:
        """However far the cycle came: take one regular step along the stop that the last set-point was sent with.

        Returns:
            The state before it, shape (3, n).
        """
        self._cycle = self._due_cycle
        self._motion.follow_kept_blindly(self._due_tick)
        return self._motion.kept_state(self._due_tick - 1)
