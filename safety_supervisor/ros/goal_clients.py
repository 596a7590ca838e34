"""The life of action clients, as the control process knows it: proofs from the gate, liveliness for the core.

A goal plays only while its client is proved to be alive (REDTEAM 56). The proof comes from the gate (goal_pulse.py), so
that the death of the client, of the gate, and a stall of either are one thing here: no proof within the source's lease.
"""

from __future__ import annotations

from collections.abc import Mapping

from safety_supervisor.core.types import SourceLiveliness
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.ros.quality import Sink
from safety_supervisor.ros.source_input import SourceInput


class Clients:
    """The action client of each source.

    Args:
        sink: where liveliness goes.
        inputs: source name to its input.
    """

    def __init__(self, sink: Sink, inputs: Mapping[str, SourceInput]) -> None:
        """Nobody is known."""
        self._sink = sink
        self._inputs = inputs
        self._proof: dict[str, Nanoseconds] = {}
        self._alive: set[str] = set()

    def waived(self, source: str) -> bool:
        """Whether the configuration accepts in words that trajectories play on without their agent."""
        return self._inputs[source].source.liveliness_lease is None

    def prove(self, source: str, at: Nanoseconds) -> None:
        """Take the newest time at which a client was alive, steady clock, [ns]."""
        self._proof[source] = at

    def adopt(self, source: str, now: Nanoseconds) -> bool:
        """Tell the core that a client is alive, where that is proved; return whether its goal may be handed over."""
        if self.waived(source):
            return True
        if not self._proved(source, now):
            return False
        self._alive.add(source)
        self._sink.enter(SourceLiveliness(now, source, True))
        return True

    def lost(self, now: Nanoseconds) -> list[str]:
        """Return sources whose client was alive and is not proved any more."""
        return [source for source in self._alive if not self._proved(source, now)]

    def lose(self, source: str, now: Nanoseconds) -> None:
        """Tell the core that a client is dead: its trajectories end in the kept stop."""
        if source in self._alive:
            self._sink.enter(SourceLiveliness(now, source, False))
            self._proof.pop(source, None)
            self.release(source, now)

    def release(self, source: str, now: Nanoseconds) -> None:
        """Let the source's liveliness be that of its trajectory publisher again."""
        if source in self._alive:
            self._alive.remove(source)
            self._sink.enter(SourceLiveliness(now, source, self._inputs[source].publisher_alive))

    @property
    def alive(self) -> tuple[str, ...]:
        """Sources whose client the core takes for alive."""
        return tuple(self._alive)

    def _proved(self, source: str, now: Nanoseconds) -> bool:
        lease = self._inputs[source].source.liveliness_lease
        return lease is None or now - self._proof.get(source, -lease - 1) <= lease
