"""`log replay --config`, as a person calls it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress

from safety_supervisor.config import ConfigurationError, load_config
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.evidence.lines import plain
from safety_supervisor.evidence.opening import configuration_of, fail, open_log, say_tail
from safety_supervisor.evidence.plots import NoPlotError
from safety_supervisor.evidence.what_if import told
from safety_supervisor.evidence.what_if.compare import OtherRobotError, compare

_WIDE = 400  # no terminal: one line a row


def what_if(
    file: Path, config: Path, until: Nanoseconds | None, ideal: bool, plot: Path | None, count: int, as_json: bool
) -> typer.Exit:
    """Compare, tell and draw; return the command's exit."""
    if plot is not None:
        _writable(plot)
    log = open_log(file)
    recorded, other = configuration_of(log), _load(config)
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("replay", total=log.size)
        try:
            found = compare(log, recorded, other, until, ideal, lambda: bar.update(task, completed=log.position))
        except OtherRobotError as error:
            raise fail(2, f"{config}: {error}") from None
    if plot is not None:
        try:
            plot.write_bytes(told.draw(found))
        except (NoPlotError, OSError) as error:
            raise fail(2, f"not drawn: {error}") from None
    if as_json:
        print(json.dumps(told.as_data(found, count)))
    else:
        print(f"robot {found.report.robot_id}, boot {found.report.boot_id}: {found.report.events} events")
        print(f"recorded configuration {recorded.sha256}")
        print(f"other configuration    {other.sha256}, {plain(str(config))}")
        tables = Console(width=None if sys.stdout.isatty() else _WIDE)
        tables.print(told.count_table(found))
        if found.differences and count:
            print("\nthe first decisions that differ:")
            tables.print(told.difference_table(found, count))
        print()
        for remark in told.remarks(found, count):
            print(remark)
        if plot is not None:
            print(f"drawn: {plot}")
    report = found.report
    say_tail(report.tail, report.tail_path, report.tail_offset)
    return typer.Exit(0 if report.same else 1)


def _load(config: Path) -> Configuration:
    try:
        return load_config(config)
    except ConfigurationError as error:
        raise fail(2, str(error)) from None


def _writable(plot: Path) -> None:
    """Refuse a place that can not be written before anything is computed."""
    if plot.is_dir() or not plot.parent.is_dir() or not os.access(plot if plot.exists() else plot.parent, os.W_OK):
        raise fail(2, f"{plot} can not be written: name a file in a directory that exists and may be written")
