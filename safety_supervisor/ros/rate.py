"""Token bucket: how many messages of a source are looked at at all (REDTEAM 25)."""

from __future__ import annotations

from safety_supervisor.core.units import NS_PER_S, Nanoseconds

BURST_S = 0.05
LEAST_BURST = 3


class TokenBucket:
    """Lets `rate` messages a second pass, and short bursts; counts what it holds back.

    Args:
        rate: messages per second.
        burst: messages that may come at once; what 50 ms at that rate bring, and at least 3, unless told.
    """

    def __init__(self, rate: float, burst: int = 0) -> None:
        """Start full."""
        self.rate = rate
        self.excess = 0
        """Messages held back since `take_excess`."""
        self._cost = round(NS_PER_S / rate)
        self._depth = (burst or max(LEAST_BURST, round(rate * BURST_S))) * self._cost
        self._empty_at = 0  # the bucket is full when this lies `_depth` in the past

    def admit(self, now: Nanoseconds) -> bool:
        """Return whether a message that arrives now may be looked at."""
        empty_at = max(self._empty_at, now - self._depth)
        if empty_at + self._cost > now:
            self.excess += 1
            return False
        self._empty_at = empty_at + self._cost
        return True

    def take_excess(self) -> int:
        """Return and forget how many messages were held back."""
        excess, self.excess = self.excess, 0
        return excess
