"""Command `log verify`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from safety_supervisor.evidence.decisions.files import file_robot, robots
from safety_supervisor.evidence.decisions.heads import HeadsError, read_heads
from safety_supervisor.evidence.decisions.keys import ROOT_SUFFIX
from safety_supervisor.evidence.decisions.report import Report
from safety_supervisor.evidence.decisions.timestamps import TimestampError, read_timestamps
from safety_supervisor.evidence.decisions.verify import Verifier

_LONGEST = 4000
_WIDE = 200


def verify(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Log directory, `evidence.log_directory`.", show_default=False)
    ],
    robot: Annotated[
        str, typer.Option(help="`robot.id`; needed where the logs of several robots stand there.", show_default=False)
    ] = "",
    heads: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Heads that were kept elsewhere; may be repeated.", show_default=False),
    ] = None,
    timestamps: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Heads that a timestamping authority has signed.", show_default=False),
    ] = None,
    authority: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Its root certificate.", show_default=False)
    ] = None,
    key: Annotated[
        str,
        typer.Option(
            metavar="KEY", help="The robot's root key: 64 hexadecimal digits or a file of them.", show_default=False
        ),
    ] = "",
    recordings: Annotated[
        bool, typer.Option("--recordings/--no-recordings", help="Compare event logs with their hashes, too.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Verify the decision log: edited, cut off, rolled back?

    Exit 0: nothing is wrong. Without heads from elsewhere nobody can tell whether the end was cut off, and without the
    root key who wrote it: this says so. Exit 1: the first broken record is named. Exit 2: it can not be read.
    """
    try:
        if (timestamps is None) != (authority is None):
            _complain("--timestamps and --authority belong together")
            raise typer.Exit(2)
        kept = [head for path in heads or () for head in read_heads(path)]
        stamped = read_timestamps(timestamps, authority) if timestamps is not None and authority is not None else []
        kept += [one.head for one in stamped]
        root = _key(key)
        name = _robot(directory, robot)
        report = _run(directory, name, root, kept, recordings)
    except ImportError as error:
        _complain(f'{error}: pip install "safety_supervisor[evidence]"')
        raise typer.Exit(2) from None
    except (OSError, HeadsError, TimestampError) as error:
        _complain(str(error))
        raise typer.Exit(2) from None
    seen = max((one.time.isoformat() for one in stamped), default="")
    if as_json:
        print(
            json.dumps(
                asdict(report)
                | {"stamps": len(stamped), "last_stamp": seen}
                | {"completeness": _completeness(report), "authenticity": _author(report)}
            )
        )
    else:
        _print(report, f"{len(stamped)}, the last of {seen}" if stamped else "", directory / f"{name}{ROOT_SUFFIX}")
    raise typer.Exit(0 if report.broken is None else 1)


def _run(directory: Path, robot: str, key: str, heads: list[dict[str, Any]], recordings: bool) -> Report:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        size = sum(path.stat().st_size for path in directory.glob(f"{robot}-*"))
        task = bar.add_task("verify", total=size)
        return Verifier(directory, robot, key, heads, recordings, lambda read: bar.advance(task, read)).verify()


def _robot(directory: Path, robot: str) -> str:
    there = robots(directory) if directory.is_dir() else []
    if robot:
        return file_robot(robot)
    if len(there) > 1:
        _complain(f"{directory} holds the logs of {', '.join(there)}: choose by --robot")
        raise typer.Exit(2)
    if not there:
        _complain(f"{directory} holds no decision log")
        raise typer.Exit(2)
    return there[0]


def _key(given: str) -> str:
    text = given.strip()
    if text and len(text) != 64:
        text = Path(text).read_text(encoding="utf-8").strip()
    if text and (len(text) != 64 or set(text.lower()) - set("0123456789abcdef")):
        _complain("--key: a root key is 64 hexadecimal digits, or a file of them")
        raise typer.Exit(2)
    return text.lower()


def _complain(text: str) -> None:
    Console(stderr=True).print(_plain(text), soft_wrap=True)


def _plain(text: str) -> Text:
    return Text(text.encode("unicode_escape").decode("ascii")[:_LONGEST])


def _completeness(report: Report) -> str:
    if report.complete_to < 0:
        return "unknown"
    return f"proven up to record {report.complete_to}"


def _author(report: Report) -> str:
    return {None: "unknown", True: "by the given key", False: "by another key"}[report.authentic]


def _print(report: Report, stamps: str, root: Path) -> None:
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    good, bad, open_ = "green", "bold red", "yellow"

    def row(name: str, text: str, style: str = "") -> None:
        table.add_row(name, Text(_plain(text).plain, style=style))

    broken = report.broken
    row("robot", report.robot)
    row("records", f"{report.records} good, {report.first} to {report.last}, in {report.segments} segments")
    row("boots", f"{len(report.boots)}")
    row("signed", f"up to record {report.signed}", good if report.signed == report.last else open_)
    if report.complete_to >= 0:
        row("completeness", f"{_completeness(report)}, by {report.heads} heads from elsewhere", good)
    else:
        row("completeness", "completeness unknown: without heads from elsewhere nobody sees a cut end", open_)
    if report.authentic is None:
        row("key", f"unknown: give --key, the root key as it was noted elsewhere; here {root.name} has it", open_)
    else:
        row("key", _author(report), good if report.authentic else bad)
    if report.recordings or report.absent_recordings:
        row("recordings", f"{report.recordings} pieces compared, {report.absent_recordings} not there")
    if stamps:
        row("timestamps", stamps, good)
    if report.reduced:
        row("removed", f"{report.removed} records of {report.reduced} segments, by signed tombstones")
    if report.skipped_heads:
        row("heads", f"{report.skipped_heads} of another robot, or not in this log", open_)
    if report.tail != "complete":
        words = {"open": "it is being written", "torn": "it ends without a head, as after a kill or power loss"}
        row("end", f"{words[report.tail]}; {report.dropped} bytes behind the last whole record", open_)
    if broken is None:
        row("result", "NOTHING IS BROKEN", good)
    else:
        row("result", f"BROKEN: {broken.reason}", bad)
        row("record", f"{broken.sequence}", bad)
        row("where", f"{broken.file}" + (f", line {broken.line}" if broken.line else ""))
        row("why", broken.detail)
        row("proven", f"up to record {broken.proven} nevertheless")
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)
