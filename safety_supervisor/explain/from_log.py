"""A line of a recorded log, with the commanded pose that replay finds for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from safety_supervisor.config import ConfigurationError
from safety_supervisor.core.effects import Decision, Effect
from safety_supervisor.core.events import Event
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, Vector
from safety_supervisor.evidence.event_log import EventLog, Gap, LogError
from safety_supervisor.evidence.lines import Line, Lines
from safety_supervisor.evidence.replay import recorded_configuration, replay
from safety_supervisor.explain.case import Case, ExplainError, subject_of

GOOD = frozenset({"", "E_ENDED"})
"""Codes of decisions that need no explanation."""


@dataclass(frozen=True)
class _Found:
    """A line, and its event: number, and time since the first one, [ns]."""

    line: Line
    event: int
    since: Nanoseconds


def case_of_log(
    path: Path, number: int | None, given: Configuration | None, progress: Callable[[float], None] | None = None
) -> Case:
    """Find a line of a log and replay up to it.

    Args:
        path: any segment of the boot.
        number: of the line, as `log show` numbers them; None: the last refusal that bodies are the reason of, else the
            last refusal.
        given: configuration that the caller named; the log's own one is used.
        progress: called with the share of the replay that is done.

    Raises:
        ExplainError: no such log, or no such line.
    """
    try:
        log = EventLog(path)
        found = _choose(log, number)
        configuration = recorded_configuration(log.header)
    except OSError as error:
        raise ExplainError(f"{path} can not be read: {error.strerror or error}") from error
    except (LogError, ConfigurationError) as error:
        raise ExplainError(str(error)) from error
    notes = []
    if given is not None and given.sha256 != configuration.sha256:
        notes.append("The log was made with another configuration than the one given; drawn is the log's.")
    commanded, tool, trouble = _replay(EventLog(path), configuration, found, progress)
    effect = found.line.effect
    if isinstance(effect, Decision) and effect.pose:
        tool = effect.tool  # with which it was decided, even where it was told later
    return Case(
        configuration.with_tool(tool),
        subject_of(found.line.effect),
        commanded,
        (*notes, *trouble),
        found.line.since / NS_PER_S,
        found.line.number,
    )


def _all(log: EventLog) -> Iterator[_Found]:
    lines, begun = Lines(), 0
    for index, item in enumerate(log):
        if isinstance(item, Gap):
            return  # replay ends there
        begun = begun or item.event.at
        for line in lines.take(item.event, item.effects):
            yield _Found(line, index, item.event.at - begun)


def _choose(log: EventLog, number: int | None) -> _Found:
    last: _Found | None = None
    spatial: _Found | None = None
    count = 0
    for found in _all(log):
        count = found.line.number
        if number == count:
            return found
        effect = found.line.effect
        if isinstance(effect, Decision) and effect.code not in GOOD:
            last, spatial = found, found if effect.pose else spatial
    chosen = spatial or last
    if number is not None:
        raise ExplainError(f"there is no line {number}: the log has {count} lines; see `safety-supervisor log show`")
    if chosen is None:
        raise ExplainError(f"nothing was refused in {count} lines of this log; choose one with --line")
    return chosen


def _replay(
    log: EventLog, configuration: Configuration, found: _Found, progress: Callable[[float], None] | None
) -> tuple[Vector | None, str, tuple[str, ...]]:
    """Return the commanded pose and the tool before a line's event was handled, and what is not as it was recorded."""
    supervisor = Supervisor(configuration)
    last: list[tuple[Vector | None, str]] = [(None, supervisor.tool)]
    at: list[tuple[Vector | None, str]] = []

    def seen(index: int, event: Event, effects: tuple[Effect, ...]) -> None:
        if index == found.event:
            at.append(last[0])
        now = supervisor.commanded
        last[0] = None if now is None else np.array(now[0]), supervisor.tool
        if progress is not None and index % 1000 == 0:
            progress(index / (found.event + 1))

    report = replay(log, supervisor, found.since, seen)
    notes = []
    if report.divergence is not None:
        notes.append(f"Replay differs from the record from event {report.divergence.index} on.")
    if report.different_software:
        names = ", ".join(sorted(report.different_software))
        notes.append(f"Recorded with other versions: {names}.")
    pose, tool = at[0] if at else (None, last[0][1])
    if pose is None:
        notes.append("The commanded pose is not known: " + ("not measured yet." if at else "replay ends before it."))
    return pose, tool, tuple(notes)
