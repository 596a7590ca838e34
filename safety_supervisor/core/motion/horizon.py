"""Points of the kept stop that are sent behind each set-point, for a controller that runs on without us."""

from __future__ import annotations

from safety_supervisor.core.effects import HorizonPoint
from safety_supervisor.core.motion.stopping import Stop
from safety_supervisor.core.units import Nanoseconds


class Horizon:
    """Remembers the points of one stop: it is asked for in every cycle."""

    def __init__(self) -> None:
        """Start without a stop."""
        self._of: Stop | None = None
        self._points: tuple[HorizonPoint, ...] = ()

    def after(self, stop: Stop, elapsed: Nanoseconds) -> tuple[HorizonPoint, ...]:
        """Return the points of a stop that lie after a set-point `elapsed` behind its beginning; empty at rest."""
        if elapsed == 0 and stop.duration == 0.0:
            return ()
        if self._of is not stop:
            self._of, self._points = stop, stop.horizon()
        if elapsed == 0:
            return self._points
        return tuple(
            HorizonPoint(point.time - elapsed, point.positions, point.velocities, point.accelerations)
            for point in self._points
            if point.time > elapsed
        )
