"""Makes a baseline: plays recorded boots through the supervisor again and keeps the windows that the watch would judge.

So a baseline is of what was commanded, ruled and played out, not of what a source claims that it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from safety_supervisor.config.baseline_checks import indices_of, write_baseline
from safety_supervisor.core.anomaly.baseline import SLOT, AnomalySettings, blank, learn
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.core.units import NS_PER_S, Vector, seconds
from safety_supervisor.evidence.event_log import EventLog, Gap
from safety_supervisor.evidence.replay import recorded_configuration

LEAST: Final = 600 * NS_PER_S // SLOT
"""Fewer windows say little of what is usual: ten minutes."""


class RecordingError(ValueError):
    """Recordings that make no baseline."""


def joints_of(configuration: Configuration, source: str) -> tuple[str, ...]:
    """Return the names of a source's joints, in the configuration's order."""
    return tuple(configuration.robot.joints[index] for index in indices_of(configuration, source))


def listening(configuration: Configuration, source: str, listener: Callable[[Vector], None]) -> Configuration:
    """Return a configuration in which one source is listened to and nobody is judged."""
    anomaly = AnomalySettings(blank(joints_of(configuration, source)), None, listener)
    sources = (replace(one, anomaly=anomaly if one.name == source else None) for one in configuration.sources)
    return replace(configuration, sources=tuple(sources))


def baseline_text(
    logs: Sequence[Path],
    source: str,
    about: str,
    told: Callable[[float], None] = lambda done: None,
    short: bool = False,
) -> str:
    """Return the text of a baseline's file.

    Args:
        logs: one segment of each boot that was good work.
        source: whose behaviour it is.
        about: what was recorded, in words.
        told: called with the share of all logs that is done.
        short: whether less than ten minutes are enough.

    Raises:
        RecordingError: they are no such recordings.
        LogError, OSError: a log is not readable.
        ConfigurationError: this version does not accept a recorded configuration.
    """
    windows: list[Vector] = []
    first: Configuration | None = None
    for number, file in enumerate(logs):
        log = EventLog(file)
        configuration = recorded_configuration(log.header)
        _fits(configuration, first, source, file)
        first = configuration if first is None else first
        supervisor = Supervisor(listening(configuration, source, windows.append))
        for item in log:
            if isinstance(item, Gap):
                break  # what came before it counts
            supervisor.handle(item.event)
        told((number + 1) / len(logs))
    if first is None or len(windows) < (1 if short else LEAST):
        have = len(windows) * seconds(SLOT)
        raise RecordingError(f"{have:g} s of {source}'s work were recorded; {LEAST * seconds(SLOT):g} s are the least")
    try:
        usual = learn(np.array(windows), joints_of(first, source))
    except ValueError as error:
        raise RecordingError(str(error)) from None
    return write_baseline(first, source, usual, len(windows), about)


def _fits(configuration: Configuration, first: Configuration | None, source: str, file: Path) -> None:
    if not any(one.name == source and one.groups for one in configuration.sources):
        raise RecordingError(f"{file}: no source {source} that moves joints")
    if first is None:
        return
    one, other = configuration.source(source), first.source(source)
    limits, others = configuration.envelope.joints, first.envelope.joints
    same = (
        configuration.robot.joints == first.robot.joints
        and (one.groups, one.period) == (other.groups, other.period)
        and np.array_equal(limits.velocity, others.velocity)
        and np.array_equal(limits.acceleration, others.acceleration)
    )
    if not same:
        raise RecordingError(f"{file}: recorded with other joints, limits or times than the first one")
