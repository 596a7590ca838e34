"""Late cycles: one that is later than the verified stop covers, or so many smaller ones that they add up.

A controller that is sent single set-points holds each for as long as the next one is late: a velocity that is held adds
to the way. So what may be missed within a second is no more than what one cycle may be late. With the horizon the
controller runs on along the kept stop, and motion goes on from there: more may be missed, but not any number.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from safety_supervisor.core.errors import Code
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, seconds

_HOUR: Final = 3600 * NS_PER_S
SHARE_BRIDGED: Final = 10
"""One in so many periods may be missed where it runs on along the kept stop."""


class Lateness:
    """Counts late cycles."""

    def __init__(self, configuration: Configuration) -> None:
        """Start with none."""
        timing = configuration.timing
        self._period, self._allowed, self._per_hour = timing.period, timing.overrun, timing.overruns_per_hour
        bridged = configuration.carries_stop
        at_once = timing.overrun // timing.period
        self._most = max(at_once, NS_PER_S // timing.period // SHARE_BRIDGED) if bridged else at_once
        self._missed: deque[tuple[Nanoseconds, int]] = deque()
        self._overruns: deque[Nanoseconds] = deque(maxlen=timing.overruns_per_hour)
        self._seen = (0.0, 0.0)

    def judge(self, now: Nanoseconds, scheduled: Nanoseconds) -> Code | None:
        """Take a cycle that was due at `scheduled` and began at `now`, [ns]; return the cause of a stop."""
        late = now - scheduled
        if late < self._period:
            return None
        if late > self._allowed:
            return self._overrun(now, late, self._allowed)
        while self._missed and now - self._missed[0][0] >= NS_PER_S:
            self._missed.popleft()
        self._missed.append((now, late // self._period))
        missed = sum(count for _, count in self._missed)
        if missed <= self._most:
            return None
        return self._overrun(now, missed * self._period, self._most * self._period)

    def _overrun(self, now: Nanoseconds, seen: Nanoseconds, allowed: Nanoseconds) -> Code:
        """Count a stop; several within an hour are a fault."""
        self._missed.clear()
        self._seen = seconds(seen), seconds(allowed)
        self._overruns.append(now)
        too_many = len(self._overruns) == self._overruns.maxlen and now - self._overruns[0] < _HOUR
        return Code.OVERRUNS if too_many else Code.OVERRUN

    def seen(self, cause: Code) -> tuple[float, float]:
        """Return what was seen and what is allowed, for causes that are late cycles; else zeros.

        `E_OVERRUN`: how late a cycle was, or all of a second together, and may be, [s]. `E_OVERRUNS`: such stops within
        an hour, and how many there may be.
        """
        if cause is Code.OVERRUN:
            return self._seen
        if cause is Code.OVERRUNS:
            return float(len(self._overruns)), float(self._per_hour - 1)
        return 0.0, 0.0
