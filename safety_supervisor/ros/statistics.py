"""How punctual the control cycle is: the last cycles' times, and counters of the whole boot."""

from __future__ import annotations

from safety_supervisor.core.units import Nanoseconds

WINDOW = 512
"""Cycles that percentiles are taken over."""


class CycleStatistics:
    """Records each cycle in constant time; percentiles are sorted out when asked for."""

    def __init__(self) -> None:
        """Nothing recorded."""
        self.cycles = 0
        self.missed = 0
        """Grid points without a cycle: deadlines that were missed."""
        self._late = [0] * WINDOW
        self._served = [0] * WINDOW

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
        )
