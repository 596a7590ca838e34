"""What has happened, newest first: decisions and changes of state, counted where they repeat. Pure: the time is given.

Anybody may publish decisions. Whatever comes, `MOST` events are kept, each of bounded length; where they are full, the
kind of which there are most makes room, so that a flood of one kind does not push out the others.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final, NamedTuple, get_args

from safety_supervisor.core.effects import Verdict
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.panel.snapshot import NOTHING, STATUS_LIMIT, Values

MOST: Final = 500
VERDICTS: Final[tuple[str, ...]] = get_args(Verdict)
STATE: Final = "STATE"
"""Stands where a decision has its verdict."""
OTHERS: Final = "(others)"
"""All sources that the configuration does not name are one kind."""
SUPERVISOR: Final = "supervisor"
_MOST_COUNTED: Final = 10**9
_SINGLE: Final = frozenset({"PASS", "WAIT", "STOP"})
"""Of these each command has its own event; refusals and limits of a source for one reason are counted."""
_OF_STATE: Final = ("state", "cause", "active_causes", "next_step", "mode", "source", "epoch", "boot")


class Event(NamedTuple):
    """Something that has happened, once or again and again.

    Attributes:
        number: its own as long as the panel runs.
        source: of the decision, as it was told.
        verdict: one of `VERDICTS`, `STATE`, or what else was told.
        code: or empty.
        words: the message.
        fields: all that was told, by key, of the last time.
        of: id of what waited for people, empty for none.
        boot: of the supervisor in which it happened.
        first: when it was heard first, steady clock, [ns].
        last: when it was heard last.
        times: how often.
    """

    number: int
    source: str
    verdict: str
    code: str
    words: str
    fields: Values
    of: str
    boot: str
    first: Nanoseconds
    last: Nanoseconds
    times: int


class Choice(NamedTuple):
    """Which events are shown; what is empty chooses nothing.

    Attributes:
        source: exactly; `OTHERS` for those that the configuration does not name.
        verdict: exactly.
        text: somewhere in code, message, source, or any field, whatever its case.
        of: what waited, in the present boot.
    """

    source: str = ""
    verdict: str = ""
    text: str = ""
    of: str = ""


class EventLog:
    """Keeps what was heard last; one thread tells it, others read.

    Args:
        known: sources of the configuration.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Nothing has happened."""
        self.sources = tuple(known)
        self.cut_at: Nanoseconds | None = None
        """When more decisions came at once than can be kept until they are read; None: never."""
        self.boot = ""
        self._kinds: dict[tuple[str, str], OrderedDict[tuple[str, ...], Event]] = {}
        self._by_number: dict[int, tuple[tuple[str, str], tuple[str, ...]]] = {}
        self._latest: OrderedDict[int, None] = OrderedDict()
        self._number = 0
        self._state: tuple[str, str, str] | None = None
        self._heard_at: Nanoseconds | None = None
        self._silent = False
        self._lock = threading.Lock()

    def decision(self, words: str, fields: Values, of: str, now: Nanoseconds) -> tuple[str, int]:
        """Take one message of `~/decisions`, its texts already of bounded length; return its verdict and count."""
        source, verdict, code = (fields.get(name, "") for name in ("source", "verdict", "code"))
        told = fields.get("count", "")
        count = int(told) if told.isascii() and told.isdigit() and len(told) < 10 else 1
        same: tuple[str, ...] = (source, verdict, code, fields.get("rule", ""), fields.get("joint", ""), of, self.boot)
        if verdict in _SINGLE:
            same = (*same, fields.get("id", ""), words)
        kind = (source if source in self.sources else OTHERS, verdict if verdict in VERDICTS else "")
        count = max(1, count)
        self._take(kind, same, Event(0, source, verdict, code, words, fields, of, self.boot, now, now, count))
        return verdict, count

    def status(self, words: str, fields: Values, now: Nanoseconds) -> None:
        """Take one message of `~/status`: an event where state, cause or boot is another one than before."""
        state = (fields.get("state", ""), fields.get("cause", ""), fields.get("boot", ""))
        self._heard_at, self.boot = now, state[2]
        if state == self._state and not self._silent:
            return
        self._state, self._silent = state, False
        kept = MappingProxyType({name: fields[name] for name in _OF_STATE if name in fields})
        self._happened(state[1], words, kept, now)

    def look(self, now: Nanoseconds) -> None:
        """Tell where the supervisor has fallen silent."""
        if self._heard_at is None or self._silent or now - self._heard_at <= STATUS_LIMIT:
            return
        self._silent = True
        self._happened("", "UNKNOWN: the supervisor is silent", NOTHING, now)

    def _happened(self, code: str, words: str, fields: Values, now: Nanoseconds) -> None:
        event = Event(0, SUPERVISOR, STATE, code, words, fields, "", self.boot, now, now, 1)
        self._take((SUPERVISOR, STATE), (str(self._number),), event)

    def _take(self, kind: tuple[str, str], same: tuple[str, ...], event: Event) -> None:
        with self._lock:
            kept = self._kinds.setdefault(kind, OrderedDict())
            known = kept.pop(same, None)
            if known is None:
                if len(self._by_number) >= MOST:
                    self._make_room()
                self._number += 1
                event = event._replace(number=self._number)
            else:
                count = min(_MOST_COUNTED, known.times + event.times)
                event = event._replace(number=known.number, first=known.first, times=count)
            kept[same] = event
            self._by_number[event.number] = kind, same
            self._latest[event.number] = None
            self._latest.move_to_end(event.number)

    def _make_room(self) -> None:
        """Forget the oldest event of the kind of which there are most."""
        most = max(self._kinds.values(), key=len)
        _, oldest = most.popitem(last=False)
        del self._by_number[oldest.number]
        del self._latest[oldest.number]

    def newest(self) -> list[Event]:
        """Return all that is kept, newest first."""
        with self._lock:
            return [self._at(number) for number in reversed(self._latest)]

    def find(self, number: int) -> Event | None:
        """Return an event; None where it is not kept any more, or never was."""
        with self._lock:
            return self._at(number) if number in self._by_number else None

    def _at(self, number: int) -> Event:
        kind, same = self._by_number[number]
        return self._kinds[kind][same]

    def choose(self, choice: Choice, most: int = MOST) -> tuple[list[Event], int]:
        """Return the newest events that are chosen, and how many there are."""
        found = [event for event in self.newest() if self._chosen(event, choice)]
        return found[:most], len(found)

    def _chosen(self, event: Event, choice: Choice) -> bool:
        if choice.source:
            others = choice.source == OTHERS and event.source not in (*self.sources, SUPERVISOR)
            if event.source != choice.source and not others:
                return False
        if choice.verdict and event.verdict != choice.verdict:
            return False
        if choice.of and (event.of, event.boot) != (choice.of, self.boot):
            return False
        text = choice.text.strip().lower()
        return not text or any(
            text in one.lower() for one in (event.words, event.code, event.source, *event.fields.values())
        )


def ago_words(since: Nanoseconds, now: Nanoseconds) -> str:
    """Return in words how long ago something was, by a steady clock."""
    seconds = max(0, now - since) // NS_PER_S
    if seconds < 120:
        return f"{seconds} s ago"
    return f"{seconds // 60} min ago" if seconds < 7200 else f"{seconds // 3600} h ago"


def headline(event: Event, now: Nanoseconds) -> str:
    """Return one line about an event: when, who, what, how often."""
    often = f" x {event.times}" if event.times > 1 else ""
    # A decision's message begins with verdict and code.
    return f"{ago_words(event.last, now)} - {event.source or '(no source)'}: {event.words or event.verdict}{often}"


def numbers_of(event: Event) -> str:
    """Return rule, joint, value, limit and margin in words; empty where there is no rule."""
    fields = event.fields
    if not fields.get("rule"):
        return ""
    at = " ".join(part for part in (fields["rule"], fields.get("joint", "")) if part)
    said = (f"{name} {fields[name]}" for name in ("value", "limit", "margin") if name in fields)
    return ", ".join((f"rule {at}", *said))
