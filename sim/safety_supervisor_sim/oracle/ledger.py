"""What was found: worst margins and breaches, per act and for the whole run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# One entry per act, kind and item; a run that breaks everything must not grow without bound.
MOST_BREACHES = 500


@dataclass
class Worst:
    """The smallest margin of a kind: limit minus value, negative beyond the limit."""

    margin: float
    time_ns: int
    item: str
    value: float
    limit: float

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "margin": self.margin,
            "time_ns": self.time_ns,
            "item": self.item,
            "value": self.value,
            "limit": self.limit,
        }


@dataclass
class Breach:
    """All samples of one act in which one item was beyond limit and tolerance."""

    act: str
    kind: str
    item: str
    first_ns: int
    last_ns: int
    count: int
    worst: Worst

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "act": self.act,
            "kind": self.kind,
            "item": self.item,
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "count": self.count,
            "value": self.worst.value,
            "limit": self.worst.limit,
            "margin": self.worst.margin,
            "worst_ns": self.worst.time_ns,
        }


@dataclass
class Ledger:
    """Worst margins by kind and breaches of one act."""

    act: str
    worst: dict[str, Worst] = field(default_factory=dict)
    breaches: dict[tuple[str, str], Breach] = field(default_factory=dict)
    dropped: int = 0

    def note(self, kind: str, found: Worst) -> None:
        """Keep the margin when it is the smallest of its kind."""
        known = self.worst.get(kind)
        if known is None or found.margin < known.margin:
            self.worst[kind] = found

    def breach(self, kind: str, found: Worst, first_ns: int, last_ns: int, count: int) -> None:
        """Add samples beyond the limit to the breach of this kind and item."""
        key = (kind, found.item)
        known = self.breaches.get(key)
        if known is None:
            if len(self.breaches) >= MOST_BREACHES:
                self.dropped += 1
                return
            self.breaches[key] = Breach(self.act, kind, found.item, first_ns, last_ns, count, found)
            return
        known.last_ns = last_ns
        known.count += count
        if found.margin < known.worst.margin:
            known.worst = found

    def worst_as_dict(self) -> dict[str, Any]:
        """Worst margins by kind, ready for JSON."""
        return {kind: worst.as_dict() for kind, worst in sorted(self.worst.items())}


def merge_worst(ledgers: list[Ledger]) -> dict[str, Any]:
    """Worst margin of each kind over several acts."""
    merged = Ledger(act="")
    for ledger in ledgers:
        for kind, worst in ledger.worst.items():
            merged.note(kind, worst)
    return merged.worst_as_dict()
