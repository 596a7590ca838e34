"""Refusals in the node's own log, so that who watches only the terminal sees why nothing moves.

The first of each source and code is said at once with what was seen, what is allowed and what to do; those that follow
within a second are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from safety_supervisor.core.effects import Decision
from safety_supervisor.core.errors import CODE_OF, Code
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.text import escape

SILENCE: Final[Nanoseconds] = NS_PER_S
"""After a line no other one of the same source and code comes for this long."""

_WANTED: Final = frozenset({Code.PREEMPTED.value, Code.CANCELLED.value})
"""Stops that a source asked for, or that another motion takes the place of."""


@dataclass(slots=True)
class _Run:
    """Refusals of one source with one code.

    Attributes:
        said_at: when a line of it was given out last; None before the first.
        unsaid: refusals since.
        newest: the newest of them.
    """

    said_at: Nanoseconds | None
    unsaid: int
    newest: Decision


class RefusalLog:
    """Picks what is said of the decisions; bounded by the number of sources and codes."""

    def __init__(self) -> None:
        """Start with nothing said."""
        self._runs: dict[tuple[str, str], _Run] = {}
        self._waiting: dict[tuple[str, str], _Run] = {}

    def take(self, decision: Decision) -> None:
        """Take note of a decision."""
        if decision.verdict not in ("REJECT", "STOP") or decision.code in _WANTED:
            return
        key = (decision.source, decision.code)
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = _Run(None, 0, decision)
        run.unsaid += decision.count
        run.newest = decision
        self._waiting[key] = run

    def line(self, now: Nanoseconds) -> str:
        """Return the next line that is due, steady clock, [ns]; empty for none."""
        for key, run in self._waiting.items():
            if run.said_at is None or now - run.said_at >= SILENCE:
                del self._waiting[key]
                text = _tell(run.newest, run.unsaid)
                run.said_at, run.unsaid = now, 0
                return text
        return ""


def _tell(decision: Decision, count: int) -> str:
    """Say one refusal, and for how many it stands."""
    code = CODE_OF.get(decision.code)
    rule = " ".join(part for part in (decision.rule, decision.joint) if part)
    seen = f"{decision.value:.6g} seen, {decision.limit:.6g} allowed" if decision.value or decision.limit else ""
    facts = "; ".join(part for part in (rule, seen) if part)
    parts = [
        f"{decision.source}: {decision.verdict} {decision.code}",
        f"({facts})" if facts else "",
        f"[{count} times]" if count > 1 else "",
        "-",
        decision.detail,
        "" if code is None or code.cure in decision.detail else f"-> {code.cure}",
    ]
    return escape(" ".join(part for part in parts if part), longest=600)
