"""How commands open a log, and how they say why they can not."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from safety_supervisor.config import ConfigurationError
from safety_supervisor.core.settings import Configuration
from safety_supervisor.evidence.event_log import EventLog, LogError
from safety_supervisor.evidence.lines import plain

LONGEST_TEXT = 4000


def fail(status: int, message: str) -> typer.Exit:
    """Say why a command ends; return what it is to raise."""
    Console(stderr=True).print(plain(message, LONGEST_TEXT), soft_wrap=True)
    return typer.Exit(status)


def open_log(file: Path) -> EventLog:
    """Open a log, or end the command by saying why that can not be done."""
    try:
        return EventLog(file)
    except OSError as error:
        raise fail(2, f"{file} can not be read: {error.strerror}; logs stand in `evidence.log_directory`") from None
    except LogError as error:
        raise fail(2, str(error)) from None


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
