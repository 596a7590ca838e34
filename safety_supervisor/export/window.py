"""What a log holds around an instant: events, decisions, what people did, and the set-points of its replay."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from safety_supervisor import Supervisor
from safety_supervisor.config import ConfigurationError
from safety_supervisor.core.act_events import OperatorAct, StopRequested
from safety_supervisor.core.effects import Actuate, Decision, Effect, Reply, Status
from safety_supervisor.core.events import Event
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.evidence.clock import LogClock, WhenError
from safety_supervisor.evidence.event_log import Entry, EventLog, Gap, LogError
from safety_supervisor.evidence.lines import Line, Lines
from safety_supervisor.evidence.replay import ReplayReport, recorded_configuration, replay

STOPPED: Final = frozenset(
    {State.STOPPING.value, State.PROTECTIVE_STOP.value, State.EMERGENCY_STOP.value, State.FAULT.value}
)
"""States that motion ends in against somebody's will."""
_CHAIN: Final[Nanoseconds] = 300_000_000
"""A stop that follows another one so soon is of the same cause."""
MOST_EVENTS: Final = 2_000_000
"""Longer windows are refused: they are no incident."""


@dataclass(frozen=True)
class Act:
    """What somebody asked for, and what became of it.

    Attributes:
        at: steady clock, [ns].
        what: the act with its target.
        who: name and role, or the way by which it came.
        signed: whether a signature was verified.
        outcome: the reply, or empty where none was owed.
        why: reason in the person's words.
    """

    at: Nanoseconds
    what: str
    who: str
    signed: bool
    outcome: str
    why: str


@dataclass(frozen=True)
class SegmentFile:
    """A file of the log.

    Attributes:
        name: of the file.
        size: [bytes].
        sha256: of all its bytes.
    """

    name: str
    size: int
    sha256: str


@dataclass
class Window:
    """The log around an instant.

    Attributes:
        log: the boot; `log.header` says who wrote it.
        clock: its time of day.
        key: line that it is about; None: nothing was told in it.
        centre, begin, end: steady clock, [ns].
        entries: handled events, with their effects other than set-points.
        lines: decisions and changes of state.
        before: last status before it.
        acts: of people inside it.
        acts_before: those before it that had an effect, the last of each kind.
        set_points: of the replay, inside it.
        report: of the replay of the whole boot; None where there was none.
        refusal: why there was none; else empty.
        configuration: the recorded one; None where this version does not accept it.
        events: of the whole log.
        gap: events that are missing in the log.
        tail: how the log ends.
        files: of the log.
    """

    log: EventLog
    clock: LogClock
    key: Line | None
    centre: Nanoseconds
    begin: Nanoseconds
    end: Nanoseconds
    entries: list[Entry] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    before: Status | None = None
    acts: list[Act] = field(default_factory=list)
    acts_before: list[Act] = field(default_factory=list)
    set_points: list[Actuate] = field(default_factory=list)
    report: ReplayReport | None = None
    refusal: str = ""
    configuration: Configuration | None = None
    events: int = 0
    gap: Gap | None = None
    tail: str = ""
    files: tuple[SegmentFile, ...] = ()

    def at(self, line: Line) -> Nanoseconds:
        """Return when a line was told, steady clock, [ns]."""
        return self.clock.begun + line.since

    def set_point_before(self, at: Nanoseconds) -> Actuate | None:
        """Return the last set-point that was sent before an instant."""
        number = bisect_left(self.set_points, at, key=lambda one: one.at)
        return self.set_points[number - 1] if number else None


def find_key(path: Path, around: str | None, number: int | None) -> tuple[LogClock, Line | None, Nanoseconds]:
    """Find the instant that an incident is about.

    Args:
        path: any segment of the boot.
        around: a time, see `LogClock.find`: of the lines near it the nearest that tells of a stop or a refusal.
        number: of a line, as `log show` numbers them. Without both the last stop, else the last refusal.

    Raises:
        WhenError: no such time, or no such line.
        LogError, OSError: the log can not be read.
    """
    clock = LogClock(EventLog(path))
    told = _lines(EventLog(path))
    if number is not None:
        key = next((line for line in told if line.number == number), None)
        if key is None:
            raise WhenError(f"there is no line {number}: the log has {len(told)} lines; see `log show`")
    elif around is not None:
        centre = clock.find(around)
        near = [line for line in told if abs(clock.begun + line.since - centre) <= 2_000_000_000]
        near.sort(key=lambda line: (_weight(line) == 0, abs(clock.begun + line.since - centre), line.number))
        return clock, near[0] if near else None, centre
    else:
        grave = [line for line in told if _weight(line) > 0]
        # The last stop; its first word, which names the cause, stands before the states that follow it.
        key = max(grave, key=lambda line: (_weight(line), line.number), default=told[-1] if told else None)
        key = _first_of(told, key)
    return clock, key, clock.begun if key is None else clock.begun + key.since


def _lines(log: EventLog) -> list[Line]:
    lines = Lines()
    found: list[Line] = []
    for item in log:
        if isinstance(item, Gap):
            lines.next_number()
        else:
            found += lines.take(item.event, item.effects)
    return found


def _weight(line: Line) -> int:
    """Say how grave a line is: 0 for what is ordinary."""
    effect = line.effect
    if isinstance(effect, Status):
        return 2 if effect.state in STOPPED else 0
    return {"STOP": 2, "REJECT": 1}.get(effect.verdict, 0)


def _first_of(told: list[Line], key: Line | None) -> Line | None:
    """Return the first line of the chain of stops that ends with one, each little later than the one before."""
    if key is None:
        return None
    for line in reversed([line for line in told if _weight(line) == 2 and line.number < key.number]):
        if key.since - line.since > _CHAIN:
            break
        key = line
    return key


def collect(
    path: Path,
    found: tuple[LogClock, Line | None, Nanoseconds],
    before: Nanoseconds,
    after: Nanoseconds,
    progress: Callable[[float], None] | None = None,
) -> Window:
    """Read the log around an instant, and replay all of it.

    Args:
        path: any segment of the boot.
        found: see `find_key`.
        before, after: how far the window goes, [ns].
        progress: called with the share that is done.

    Raises:
        WhenError: the window holds more events than an incident has.
        LogError, OSError: the log can not be read.
    """
    window = read(path, found, before, after)
    try:
        window.configuration = recorded_configuration(window.log.header)
    except (LogError, ConfigurationError) as error:
        window.refusal = f"the recorded configuration can not be used here: {' '.join(str(error).split())}"
        return window

    def seen(index: int, event: Event, effects: tuple[Effect, ...]) -> None:
        if window.begin <= event.at <= window.end:
            window.set_points += [effect for effect in effects if isinstance(effect, Actuate)]
        if progress is not None and index % 1000 == 0:
            progress(index / max(window.events, 1))

    window.report = replay(EventLog(path), Supervisor(window.configuration), seen=seen)
    return window


def read(
    path: Path, found: tuple[LogClock, Line | None, Nanoseconds], before: Nanoseconds, after: Nanoseconds
) -> Window:
    """Read the log around an instant, without its replay; see `collect`."""
    clock, key, centre = found
    log = EventLog(path)
    window = Window(log, clock, key, centre, max(clock.begun, centre - before), min(clock.ended, centre + after))
    _read(window)
    window.files = tuple(_describe(segment) for segment, _ in log.segments)
    return window


def _read(window: Window) -> None:
    lines = Lines()
    past: dict[str, Act] = {}
    for item in window.log:
        if isinstance(item, Gap):
            window.gap = window.gap or item
            lines.next_number()
            continue
        window.events += 1
        told = list(lines.take(item.event, item.effects))
        act = _act(item)
        if item.event.at < window.begin:
            statuses = [effect for effect in item.effects if isinstance(effect, Status)]
            window.before = statuses[-1] if statuses else window.before
            if act is not None:
                past[act.what] = act
        elif item.event.at <= window.end:
            window.entries.append(item)
            window.lines += told
            if act is not None:
                window.acts.append(act)
            if len(window.entries) > MOST_EVENTS:
                raise WhenError(f"there are more than {MOST_EVENTS} events in it: take less with --before and --after")
    window.acts_before = sorted(past.values(), key=lambda act: act.at)[-12:]
    window.tail = window.log.tail.state


def _act(entry: Entry) -> Act | None:
    event = entry.event
    reply = next((effect for effect in entry.effects if isinstance(effect, Reply)), None)
    outcome = "" if reply is None else "done" if reply.ok else f"refused: {reply.code} {reply.message}".strip()
    if isinstance(event, OperatorAct):
        who = f"{event.person} ({event.role})" if event.role else event.person
        what = f"{event.act} {event.target}".strip()
        return Act(event.at, what, who, bool(event.jti), outcome, event.reason)
    if isinstance(event, StopRequested):
        return Act(event.at, "stop", event.origin, False, outcome, event.reason)
    return None


def _describe(path: Path) -> SegmentFile:
    whole, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            whole.update(block)
            size += len(block)
    return SegmentFile(path.name, size, whole.hexdigest())


def decisions_of(window: Window) -> list[Decision]:
    """Return the decisions inside a window."""
    return [line.effect for line in window.lines if isinstance(line.effect, Decision)]
