"""How far a simulation runs behind the steady clock."""

from __future__ import annotations


class Lateness:
    """Counts steps that are late.

    A step is late by the time since it was due. Up to MOST_CATCH_UP_NS it is made up for by
    stepping faster; beyond it the clock goes on without physics, which is counted as lost.
    """

    MOST_CATCH_UP_NS = 500_000_000
    NOTABLE_NS = 2_000_000

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self.worst_ns = 0
        self.notable = 0
        self.lost_ns = 0
        self.steps = 0

    def note(self, late_ns: int) -> int:
        """Count a step that is late; returns the time to give up, [ns]."""
        self.steps += 1
        self.worst_ns = max(self.worst_ns, late_ns)
        if late_ns > self.NOTABLE_NS:
            self.notable += 1
        if late_ns <= self.MOST_CATCH_UP_NS:
            return 0
        self.lost_ns += late_ns
        return late_ns

    def as_dict(self) -> dict[str, float]:
        """Ready for JSON, [s]."""
        return {
            "steps": self.steps,
            "worst": self.worst_ns * 1e-9,
            "steps_over_2ms": self.notable,
            "lost": self.lost_ns * 1e-9,
            "period": self._period_ns * 1e-9,
        }
