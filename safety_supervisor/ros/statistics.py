"""How punctual the control cycle is: the last cycles' times, and counters of the whole boot."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from safety_supervisor.core.units import Nanoseconds

WINDOW = 512
"""Cycles that percentiles are taken over."""


BOUNDS_US: Final = (25, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 2000, 5000, 10000)
"""Upper bounds of the histograms' buckets, inclusive, [us]."""
_BOUNDS: Final = tuple(bound * 1000 for bound in BOUNDS_US)


class Histogram:
    """Counts durations of the whole boot by size, in constant time."""

    def __init__(self) -> None:
        """Nothing counted."""
        self._counts = [0] * (len(_BOUNDS) + 1)
        self._sum = 0

    def record(self, duration: Nanoseconds) -> None:
        """Count one, [ns]."""
        self._counts[bisect_left(_BOUNDS, duration)] += 1
        self._sum += duration

    def __str__(self) -> str:
        """Return how many there were in each bucket, in the order of `BOUNDS_US`, then above, then their sum, [us]."""
        return f"{' '.join(map(str, self._counts))} {self._sum / 1000:.0f}"


class CycleStatistics:
    """Records each cycle in constant time; percentiles are sorted out when asked for."""

    def __init__(self) -> None:
        """Nothing recorded."""
        self.cycles = 0
        self.missed = 0
        """Grid points without a cycle: deadlines that were missed."""
        self._late = [0] * WINDOW
        self._served = [0] * WINDOW
        self._histograms = {"lateness": Histogram(), "cycle": Histogram(), "decision": Histogram()}
        self._all_late, self._all_served, self._decided = self._histograms.values()
        self.decided = self._decided.record
        """Records how long the core took for one event, [ns]."""

    def record(self, late: Nanoseconds, served: Nanoseconds, missed: int) -> None:
        """Record a cycle.

        Args:
            late: when it began, after it was due, [ns].
            served: from its beginning until the motor message was sent, [ns].
            missed: grid points that passed unserved before it.
        """
        index = self.cycles % WINDOW
        self._late[index] = late
        self._served[index] = served
        self._all_late.record(late)
        self._all_served.record(served)
        self.cycles += 1
        self.missed += missed

    def summarise(self) -> tuple[tuple[str, str], ...]:
        """Return what the status shows."""
        count = min(self.cycles, WINDOW)
        if not count:
            return ()
        late, served = sorted(self._late[:count]), sorted(self._served[:count])
        middle, high = count // 2, min(count - 1, count * 99 // 100)
        return (
            ("cycle_p50_us", f"{served[middle] / 1000:.1f}"),
            ("cycle_p99_us", f"{served[high] / 1000:.1f}"),
            ("lateness_p50_us", f"{late[middle] / 1000:.1f}"),
            ("lateness_p99_us", f"{late[high] / 1000:.1f}"),
            ("cycles", str(self.cycles)),
            ("missed_deadlines", str(self.missed)),
            *((f"{name}_histogram", str(histogram)) for name, histogram in self._histograms.items()),
        )
