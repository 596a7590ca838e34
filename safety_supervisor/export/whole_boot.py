"""A whole boot as one file for Foxglove."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from safety_supervisor import Supervisor
from safety_supervisor.config import ConfigurationError
from safety_supervisor.core.effects import Effect
from safety_supervisor.core.events import Event
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.evidence.clock import LogClock
from safety_supervisor.evidence.event_log import Entry, EventLog, LogError, LogHeader
from safety_supervisor.evidence.replay import recorded_configuration, replay
from safety_supervisor.export.foxglove import Writer


def facts_of(header: LogHeader) -> dict[str, str]:
    """Return what a file says of its boot."""
    facts = {"robot": header.robot_id, "boot": header.boot_id, "configuration_sha256": header.configuration_sha256}
    return facts | {f"version.{name}": version for name, version in header.versions.items()}


def write(
    path: Path,
    file: BinaryIO,
    begin: Nanoseconds | None = None,
    end: Nanoseconds | None = None,
    progress: Callable[[int], None] | None = None,
) -> str:
    """Write a boot, with the set-points that its replay finds again.

    Args:
        path: any segment of the boot.
        file: where to.
        begin, end: only events between these times after the first one, [ns].
        progress: called with the bytes that were read.

    Returns:
        Why set-points are missing, from where on; empty where none are.

    Raises:
        LogError, WhenError, OSError: the log can not be read, or the file not written.
    """
    log, clock = EventLog(path), LogClock(EventLog(path))
    first = clock.begun + (begin or 0)
    last = clock.ended if end is None else clock.begun + end
    configuration: Configuration | None = None
    trouble = ""
    try:
        configuration = recorded_configuration(log.header)
    except (LogError, ConfigurationError) as error:
        trouble = f"the recorded configuration can not be used here: {' '.join(str(error).split())}"
    writer = Writer(configuration, clock, facts_of(log.header))
    file.write(writer.begin(max(first, clock.begun)))
    count = 0

    def seen(index: int, event: Event, effects: tuple[Effect, ...]) -> None:
        nonlocal count
        count = index + 1
        if first <= event.at <= last:
            file.write(writer.write(event, effects))
        if progress is not None and index % 1000 == 0:
            progress(log.position)

    if configuration is not None:
        report = replay(log, Supervisor(configuration), last - clock.begun, seen)
        if report.divergence is not None:
            trouble = f"from event {report.divergence.index} on replay differs. Cause: {report.cause}"
        elif report.gap is not None:
            trouble = f"{report.gap.events} events are missing after event {report.events - 1}"
    # What replay did not reach is told as it was recorded, without set-points.
    for number, item in enumerate(one for one in EventLog(path) if isinstance(one, Entry)):
        if number >= count and first <= item.event.at <= last:
            file.write(writer.write(item.event, item.effects))
    file.write(writer.end())
    return trouble
