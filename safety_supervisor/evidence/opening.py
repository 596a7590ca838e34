"""How commands open a log, and how they say why they can not."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import typer
from rich.console import Console

from safety_supervisor.config import ConfigurationError
from safety_supervisor.core.settings import Configuration
from safety_supervisor.evidence.event_log import SUFFIX, EventLog, LogError, read_header
from safety_supervisor.evidence.lines import plain

LONGEST_TEXT = 4000


def fail(status: int, message: str) -> typer.Exit:
    """Say why a command ends; return what it is to raise."""
    Console(stderr=True).print(plain(message, LONGEST_TEXT), soft_wrap=True)
    return typer.Exit(status)


def open_log(file: Path, when: str = "") -> EventLog:
    """Open a log, or end the command by saying why that can not be done.

    Args:
        file: a segment; or a directory: the boot in which `when` lies, the newest where that names no date.
        when: time of day, UTC.
    """
    try:
        return EventLog(_boot_in(file, when) if file.is_dir() else file)
    except OSError as error:
        raise fail(2, f"{file} can not be read: {error.strerror}; logs stand in `evidence.log_directory`") from None
    except LogError as error:
        raise fail(2, str(error)) from None


def _boot_in(directory: Path, when: str) -> Path:
    """Return the first segment of a boot that had begun at a time, the newest one where it is none with a date."""
    begins: list[tuple[str, Path]] = []
    robots: set[str] = set()
    for path in directory.glob(f"*{SUFFIX}"):
        with contextlib.suppress(LogError, OSError):
            header = read_header(path)
            if header.segment == 0:
                begins.append((header.started_at[:19], path))
                robots.add(header.robot_id)
    if len(robots) > 1:
        raise LogError(f"{directory} holds logs of robots {', '.join(sorted(robots))}: name a file")
    dated = re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?", when)
    limit = dated[0].replace(" ", "T") + ("" if dated[1] else ":59") if dated else "9"
    begun = [(started, path) for started, path in begins if started <= limit]
    if not begun:
        raise LogError(f"{directory}: no event log that begins a boot" + (f" before {when}" if begins else ""))
    return max(begun)[1]


def configuration_of(log: EventLog) -> Configuration:
    """Build the configuration of a log, or end the command by saying why that can not be done."""
    from safety_supervisor.evidence.replay import recorded_configuration

    try:
        return recorded_configuration(log.header)
    except (LogError, ConfigurationError) as error:
        raise fail(2, str(error)) from None


def say_tail(state: str, path: str, offset: int) -> None:
    """Say how a log ends where it is not complete."""
    if state == "open":
        typer.echo(f"{path} is still being written: read up to byte {offset}.", err=True)
    elif state == "torn":
        typer.echo(
            f"{path} ends in an unfinished record at byte {offset}: normal after a kill or power loss.", err=True
        )
    elif state == "corrupt":
        typer.echo(f"{path} is corrupt at byte {offset}: nothing behind it was read.", err=True)
    elif state == "incomplete":
        typer.echo(f"The segment behind {path} is missing: nothing behind it was read.", err=True)
