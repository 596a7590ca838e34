"""The life of an action client, as the control process knows it: proofs from the gate, liveliness for the core.

A goal plays only while its client is proved to be alive (REDTEAM 56). The proof comes from the gate (goal_pulse.py), so
that the death of the client, of the gate, and a stall of either are one thing here: no proof within the source's lease.
"""

from __future__ import annotations

from safety_supervisor.core.events import SourceLiveliness
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.ros.quality import Sink
from safety_supervisor.ros.source_input import SourceInput


class ActionClientLife:
    """Whether the action client of one source lives.

    Args:
        sink: where liveliness goes.
        heard: the source's input.
    """

    def __init__(self, sink: Sink, heard: SourceInput) -> None:
        """Nobody is known."""
        self.alive = False
        """Whether the core takes the client for alive."""
        self._sink = sink
        self._heard = heard
        self._lease = heard.source.liveliness_lease
        self._proof: Nanoseconds | None = None

    @property
    def waived(self) -> bool:
        """Whether the configuration accepts in words that trajectories play on without their agent."""
        return self._lease is None

    def prove(self, at: Nanoseconds, now: Nanoseconds) -> None:
        """Take a time at which the client was alive, steady clock, [ns]; the newest counts, and none to come."""
        self._proof = max(self._proof or 0, min(at, now))

    def adopt(self, now: Nanoseconds) -> bool:
        """Tell the core that the client is alive, where that is proved; return whether its goal may be handed over."""
        if self.waived:
            return True
        if not self._proved(now):
            return False
        self.alive = True
        self._sink.enter(SourceLiveliness(now, self._heard.source.name, True))
        return True

    def lost(self, now: Nanoseconds) -> bool:
        """Return whether the client was alive and is not proved any more."""
        return self.alive and not self._proved(now)

    def lose(self, now: Nanoseconds) -> None:
        """Tell the core that the client is dead: its trajectories end in the kept stop."""
        self._proof = None
        if self.alive:
            self._sink.enter(SourceLiveliness(now, self._heard.source.name, False))
            self.release(now)

    def release(self, now: Nanoseconds) -> None:
        """Let the source's liveliness be that of its trajectory publisher again."""
        if self.alive:
            self.alive = False
            self._sink.enter(SourceLiveliness(now, self._heard.source.name, self._heard.publisher_alive))

    def _proved(self, now: Nanoseconds) -> bool:
        return self._lease is None or (self._proof is not None and now - self._proof <= self._lease)
