"""What people did: decisions on what waited for them and how long they took, overrides, stops, drills."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from safety_supervisor.core.act_events import OperatorAct, StopRequested
from safety_supervisor.core.effects import Actuate, Decision, InterventionAsked, Reply, Status
from safety_supervisor.core.events import Tick
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.evidence.event_log import Entry
from safety_supervisor.export.boots import Boot

OVERRIDES: Final = frozenset({"recover", "maintainer", "mode", "tool", "promote", "revoke", "grant"})
"""Acts by which a person changes what is permitted, beside `reset` and `start`."""
COLUMNS: Final = ("boot", "t", "kind", "act", "target", "person", "role", "signed", "outcome", "deliberation", "reason")
_MOVES: Final = frozenset({"AUTO/MOVING", "AUTO/REDUCED", "MANUAL", "RECOVERY", "STOPPING"})
NOT_ESTABLISHED: Final = (
    "That whoever signed was the person whose key it was, or understood what was shown.",
    "That the time between a request and its answer was spent on it: nobody sees when a person begins to look.",
    "That a press of the e-stop at rest was a drill: it is counted as one because nothing moved.",
    "What people did who touched neither supervisor nor e-stop.",
)


@dataclass
class Oversight:
    """What people did in some boots.

    Attributes:
        rows: one an act, see `COLUMNS`.
        asked: commands that began to wait for people.
        outcomes: what became of them, by their last decision.
        deliberations: time from the request to each person's answer that counted, [s].
        drills, emergency_stops: presses of the e-stop at rest, and while something moved or was about to.
        boots: how many were read.
        troubles: boots that could not be read to their end.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    deliberations: list[float] = field(default_factory=list)
    drills: int = 0
    emergency_stops: int = 0
    boots: int = 0
    troubles: dict[str, str] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """Return it for programs."""
        times = self.deliberations
        acts = Counter(row["act"] for row in self.rows if row["outcome"] == "done")
        return {
            "boots": self.boots,
            "asked": self.asked,
            "outcomes": dict(sorted(self.outcomes.items())),
            "answers": len(times),
            "median_deliberation_s": median(times) if times else None,
            "shortest_deliberation_s": min(times, default=None),
            "acts": dict(sorted(acts.items())),
            "overrides": sum(row["kind"] == "override" for row in self.rows),
            "refused_acts": sum(row["outcome"].startswith("refused") for row in self.rows),
            "unsigned_acts": sum(not row["signed"] for row in self.rows),
            "requested_stops": sum(row["kind"] == "stop" for row in self.rows),
            "emergency_stops": self.emergency_stops,
            "drills": self.drills,
            "troubles": self.troubles,
            "rows": self.rows,
            "not_established": list(NOT_ESTABLISHED),
        }

    def csv(self) -> str:
        """Return the rows as CSV; no cell begins a formula."""
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in self.rows:
            writer.writerow({name: _cell(value) for name, value in row.items()})
        return out.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


class _Reader:
    """Follows one boot."""

    def __init__(self, boot: str, found: Oversight) -> None:
        self._boot = boot
        self._found = found
        self._begun: Nanoseconds | None = None
        self._state = ""
        self._pressed = False
        self._waiting: dict[str, Nanoseconds] = {}

    def take(self, entry: Entry) -> None:
        event = entry.event
        if self._begun is None:
            self._begun = event.at
        if isinstance(event, OperatorAct):
            self._act(event, entry)
        elif isinstance(event, StopRequested):
            told = {"kind": "stop", "act": "stop", "target": "", "person": event.origin, "role": "", "signed": False}
            self._row(event.at, told, "done", None, event.reason)
        elif isinstance(event, Tick):
            pressed = event.estop.state == "stop"
            if pressed and not self._pressed:
                moved = self._state in _MOVES
                self._found.emergency_stops += moved
                self._found.drills += not moved and self._state not in ("", "INIT")
            self._pressed = pressed
        for effect in entry.effects:
            if isinstance(effect, Status):
                self._state = effect.state
            elif isinstance(effect, InterventionAsked):
                self._found.asked += 1
                self._waiting[effect.intervention] = effect.at
            elif isinstance(effect, Decision) and effect.intervention in self._waiting and effect.verdict != "WAIT":
                name = "passed" if effect.verdict == "PASS" else effect.code or effect.verdict
                self._found.outcomes[name] += 1
                del self._waiting[effect.intervention]
            assert not isinstance(effect, Actuate)  # set-points are not in a log

    def close(self) -> None:
        self._found.outcomes["waited when the log ended"] += len(self._waiting)

    def _act(self, event: OperatorAct, entry: Entry) -> None:
        reply = next((effect for effect in entry.effects if isinstance(effect, Reply)), None)
        outcome = "" if reply is None else "done" if reply.ok else f"refused: {reply.code}"
        asked = self._waiting.get(event.target) if event.act in ("approve", "deny") else None
        took = None if asked is None else (event.at - asked) / NS_PER_S
        if took is not None and outcome == "done":
            self._found.deliberations.append(took)
        kind = "answer" if event.act in ("approve", "deny") else "override" if event.act in OVERRIDES else "act"
        told = {"kind": kind, "act": event.act, "target": event.target, "person": event.person, "role": event.role}
        self._row(event.at, told | {"signed": bool(event.jti)}, outcome, took, event.reason)

    def _row(
        self, at: Nanoseconds, told: dict[str, Any], outcome: str, deliberation: float | None, reason: str
    ) -> None:
        assert self._begun is not None
        since = {"boot": self._boot, "t": (at - self._begun) / NS_PER_S}
        self._found.rows.append(since | told | {"outcome": outcome, "deliberation": deliberation, "reason": reason})


def oversight(boots: Sequence[Boot]) -> Oversight:
    """Read what people did in some boots."""
    found = Oversight()
    for boot in boots:
        reader = _Reader(boot.header.boot_id, found)
        for entry in boot.entries():
            reader.take(entry)
        reader.close()
        found.boots += 1
        if boot.trouble:
            found.troubles[boot.header.boot_id] = boot.trouble
    found.outcomes = +found.outcomes
    return found
