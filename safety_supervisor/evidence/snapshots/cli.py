"""Command `log snapshot`, and where `log replay --from` begins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from safety_supervisor.core.effects import Effect
from safety_supervisor.core.events import Event
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.evidence.clock import LogClock, WhenError
from safety_supervisor.evidence.event_log import EventLog
from safety_supervisor.evidence.opening import configuration_of, fail, open_log, say_tail

if TYPE_CHECKING:  # Pinocchio is loaded by who replays alone
    from safety_supervisor.evidence.snapshots.graph import Fixtures
    from safety_supervisor.evidence.snapshots.store import Found

_PROGRESS_BYTES = 5_000_000


def begin(log: EventLog, when: str, fixtures: Fixtures) -> Found | None:
    """Bring a fresh supervisor to the snapshot nearest before a time; say which were refused.

    Args:
        log: the boot.
        when: as of `LogClock.find`, or `event:N`.
        fixtures: of the supervisor.

    Returns:
        The snapshot; None where there is none: then replay begins with the boot.

    Raises:
        typer.Exit: it is no time of the log, or the snapshot is of no use.
    """
    from safety_supervisor.evidence.snapshots.store import SnapshotError, nearest, restore

    number = re.fullmatch(r"event:(\d{1,18})", when.strip())
    try:
        clock = LogClock(log, to_end=False)
        at = None if number else clock.find(when)
    except WhenError as error:
        say_tail(log.tail.state, log.tail.path, log.tail.offset)
        raise fail(2, str(error)) from None
    found, refused = nearest(log, at, int(number[1]) if number else None, fixtures.sha256)
    for line in refused:
        typer.echo(f"snapshot refused: {line}", err=True)
    if found is None:
        typer.echo(f"no snapshot of this boot before {when}: replay begins with the boot", err=True)
        return None
    try:
        restore(found, fixtures)
    except SnapshotError as error:
        raise fail(2, f"{error}; without --from the whole boot is replayed") from None
    typer.echo(f"begins at event {found.head.events}, {clock.say(found.head.at)}: {found.path.name}", err=True)
    return found


def snapshot(
    file: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="Any segment of the boot's log.", show_default=False)
    ],
    every: Annotated[float, typer.Option(help="Recorded time between two snapshots, s.", min=0.1)] = 600.0,
) -> None:
    """Run a boot again and keep the supervisor's state beside it now and then, for `log replay --from`.

    A snapshot is written only where every effect before it came out again, bit for bit. Exit 1 when one did not.

    Example: safety-supervisor log snapshot FILE.events.mcap --every 600
    """
    from safety_supervisor.evidence.snapshots.making import Maker
    from safety_supervisor.evidence.snapshots.store import SnapshotError

    log = open_log(file)
    maker = Maker(log, configuration_of(log), round(every * NS_PER_S), lambda path, _: typer.echo(str(path)))
    console = Console(stderr=True)
    with Progress(console=console, disable=log.size < _PROGRESS_BYTES or not console.is_terminal) as bar:
        task = bar.add_task("snapshot", total=log.size)

        def seen(index: int, _event: Event, _effects: tuple[Effect, ...]) -> None:
            if index % 1000 == 0:
                bar.update(task, completed=log.position)

        try:
            report = maker.run(seen)
        except OSError as error:
            raise fail(2, f"a snapshot can not be written: {error.strerror}") from None
        except SnapshotError as error:
            raise fail(2, str(error)) from None
    if report.divergence is not None:
        typer.echo(f"DIFFERENT at event {report.divergence.index}: no snapshot behind it; {report.cause}")
    typer.echo(f"{len(maker.written)} snapshots, {report.events} events run again")
    say_tail(report.tail, report.tail_path, report.tail_offset)
    raise typer.Exit(0 if report.same else 1)
