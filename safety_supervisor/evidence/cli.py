"""Commands `log replay`, `log rehearse`, `log show`, `latch show` and `latch clear`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from safety_supervisor.core.effects import Decision, Effect, Status
from safety_supervisor.core.events import Event
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.evidence.decisions.cli import verify
from safety_supervisor.evidence.event_log import Gap
from safety_supervisor.evidence.instance_lock import LockHeldError, RobotLock
from safety_supervisor.evidence.latch_store import LatchStore
from safety_supervisor.evidence.lines import Line, Lines, plain
from safety_supervisor.evidence.opening import LONGEST_TEXT, configuration_of, fail, open_log, say_tail
from safety_supervisor.evidence.snapshots.cli import begin, snapshot

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show, replay and export recorded events; verify the decision log.",
    epilog="""\b
Examples:
  safety-supervisor log show FILE.events.mcap
  safety-supervisor log replay FILE.events.mcap
  safety-supervisor log replay DIR --from 2026-11-27T14:00:05Z
  safety-supervisor log replay FILE.events.mcap --config other.yaml --plot other.png
  safety-supervisor log rehearse FILE.events.mcap
  safety-supervisor log verify DIR --key KEY --heads FILE
""",
)
app.command()(verify)
app.command()(snapshot)
latch_app = typer.Typer(no_args_is_help=True, help="Show and clear the latches that survive a restart.")

COLUMNS = ("line", "t [s]", "what", "code", "source", "rule", "joint", "value", "limit", "n", "detail")
_WIDE = 400  # no terminal: one line a row
_PROGRESS_BYTES = 5_000_000

LogFile = Annotated[Path, typer.Argument(metavar="FILE", help="Any segment of the boot's log.", show_default=False)]
LogPlace = Annotated[
    Path,
    typer.Argument(metavar="FILE|DIR", help="Any segment of the boot's log, or its directory.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Until = Annotated[float | None, typer.Option(help="Stop this long after the first event, s.")]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Configuration of the robot.", show_default=False)
]
LogDirectory = Annotated[
    Path | None,
    typer.Option(
        help="Where the latches stand, when the supervisor was started with `log_directory`.", show_default=False
    ),
]
Robot = Annotated[
    str,
    typer.Option(help="With --log-directory instead of --config: `robot.id` of the configuration.", show_default=False),
]


def _row(line: Line) -> dict[str, Any]:
    """Return a decision or a change of state as a row of `COLUMNS`; a pose and what was carried there stand behind."""
    effect, t = line.effect, round(line.since / NS_PER_S, 6)
    if isinstance(effect, Status):
        told: tuple[Any, ...] = (effect.state, effect.cause, effect.source, "", "", "", "", 1, effect.next_step)
        return dict(zip(COLUMNS, (line.number, t, *told), strict=True))
    value, limit = f"{effect.value:.6g}", f"{effect.limit:.6g}"
    cells = (line.number, t, effect.verdict, effect.code, effect.source, effect.rule, effect.joint, value, limit)
    row = dict(zip(COLUMNS, (*cells, effect.count, effect.detail), strict=True))
    return row | ({"pose": effect.pose, "tool": effect.tool} if effect.pose else {})


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold")
    for name in COLUMNS:
        table.add_column(name, overflow="fold")  # a cut-off code would be another code
    for row in rows:
        cells = (row[name] for name in COLUMNS)
        table.add_row(*(plain(f"{cell:.3f}" if isinstance(cell, float) else str(cell)) for cell in cells))
    return table


@app.command()
def show(
    file: LogFile,
    code: Annotated[str, typer.Option(help="Only this code.")] = "",
    source: Annotated[str, typer.Option(help="Only this source.")] = "",
    begin: Annotated[float, typer.Option("--from", help="From this time after the first event, s.")] = 0.0,
    end: Annotated[float, typer.Option("--to", help="To this time, s.")] = float("inf"),
    as_json: Json = False,
) -> None:
    """List decisions and changes of state as they were recorded."""
    log = open_log(file)
    rows: list[dict[str, Any]] = []
    lines = Lines()
    last = 0.0
    for item in log:
        if isinstance(item, Gap):
            cells: tuple[Any, ...] = (lines.next_number(), last, "GAP", *[""] * 6, item.events, "events lost")
            found: list[dict[str, Any]] = [dict(zip(COLUMNS, cells, strict=True))]
        else:
            found = [_row(line) for line in lines.take(item.event, item.effects)]
        for row in found:
            last = float(row["t [s]"])
            wanted = begin <= last <= end and code in ("", row["code"]) and source in ("", row["source"])
            if wanted and as_json:
                print(json.dumps(row))
            elif wanted:
                rows.append(row)
    if not as_json:
        header = log.header
        print(f"robot {header.robot_id}, boot {header.boot_id}, started {header.started_at}, {len(log.segments)} files")
        signed = f", signed by {plain(header.signed_by).plain}" if header.signed_by else ""
        print(f"configuration {header.configuration_sha256}{signed}")
        if header.removed_boots:
            print(f"removed at its start, the oldest first: boots {', '.join(header.removed_boots)}")
        Console(width=None if sys.stdout.isatty() else _WIDE).print(_table(rows))
    say_tail(log.tail.state, log.tail.path, log.tail.offset)
    if log.tail.state in ("corrupt", "incomplete"):
        raise typer.Exit(1)


@app.command()
def replay(
    file: LogPlace,
    as_json: Json = False,
    until: Until = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="T",
            help="Begin with the snapshot before it: a time of day, UTC; seconds after the first event; or event:N.",
            show_default=False,
        ),
    ] = None,
    show_decisions: Annotated[bool, typer.Option("--show-decisions", help="List decisions and states.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="OTHER.yaml", help="Limits to try instead.", show_default=False)
    ] = None,
    ideal: Annotated[
        bool, typer.Option("--ideal", help="With --config: let an ideal robot follow it once set-points differ.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="With --config: where to draw.", show_default=False)
    ] = None,
    count: Annotated[int, typer.Option("--rows", min=0, help="With --config: differences to list.")] = 20,
) -> None:
    """Run the recorded events again and compare every effect, bit for bit. Exit 1 when one differs.

    With --config OTHER.yaml the same events go through other limits of the same robot, too: what would these have
    said? It tells how often each code was told before and after, the first decisions that differ, and from when on
    the robot would have moved otherwise: what these limits say behind that is said of a motion that they would not
    have let come about. It is measured where the recorded limits moved it, which other limits soon call a tracking
    error; with --ideal it stands, from there on, where they command it. Exit 1 when the recorded effects did not come
    out again.

    With --from the core is put into the state that a snapshot holds (`log snapshot`, `evidence.snapshot_every`), and
    the events behind it are run and compared. Of a directory it is the boot in which T lies, else the newest.
    """
    from safety_supervisor import Supervisor
    from safety_supervisor.evidence import replay as replays
    from safety_supervisor.evidence.snapshots.graph import Fixtures

    if config is not None:
        if start is not None:
            raise fail(2, "--from is of a replay: a comparison (--config) begins with the boot")
        from safety_supervisor.evidence.what_if.cli import what_if

        raise what_if(file, config, _nanoseconds(until), ideal, plot, count, as_json)
    if plot is not None or ideal:
        raise fail(2, "--plot and --ideal are of a comparison: give --config OTHER.yaml, too")
    log = open_log(file, start or "")
    supervisor = Supervisor(configuration_of(log))
    found = None if start is None else begin(log, start, Fixtures(supervisor))
    rows: list[dict[str, Any]] = []
    lines = Lines() if found is None else Lines(found.head.begun, found.head.lines_state, found.head.lines)
    console = Console(stderr=True)
    with Progress(console=console, disable=log.size < _PROGRESS_BYTES or not console.is_terminal) as bar:
        task = bar.add_task("replay", total=log.size)

        def seen(index: int, event: Event, effects: tuple[Effect, ...]) -> None:
            if index % 1000 == 0:
                bar.update(task, completed=log.position)
            if show_decisions:
                rows.extend(_row(line) for line in lines.take(event, effects))

        report = replays.replay(log, supervisor, _nanoseconds(until), seen, found)
    if as_json:
        data = asdict(report) | {"same": report.same, "cause": report.cause, "rows": rows}
        print(msgspec.json.encode(data, enc_hook=repr).decode())
    else:
        if show_decisions:
            Console(width=None if sys.stdout.isatty() else _WIDE).print(_table(rows))
        _print_report(report)
    say_tail(report.tail, report.tail_path, report.tail_offset)
    raise typer.Exit(0 if report.same else 1)


@app.command()
def rehearse(
    file: LogFile,
    as_json: Json = False,
    until: Until = None,
    show_decisions: Annotated[bool, typer.Option("--show-decisions", help="List each decision.")] = False,
) -> None:
    """Tell what a supervised run would have said to agents in stage shadow.

    The recorded events run again, as by `log replay`. Beside them, from each first command of an agent in stage
    shadow on, a copy of the supervisor counts it as supervised and moves an ideal robot by what it sends, streams
    included, until it has been silent for a second and nothing moves. A rehearsal begins where the robot is.

    Exit 1 when the recorded effects did not come out again: then this tells nothing of that robot.
    """
    from safety_supervisor import Supervisor
    from safety_supervisor.evidence import replay as replays
    from safety_supervisor.evidence.rehearsal import RehearsalError, Rehearsals

    log = open_log(file)
    configuration = configuration_of(log)
    told: list[Decision] = []
    rehearsals = Rehearsals(configuration, Supervisor(configuration), told.append)
    console = Console(stderr=True)
    # It draws when it is told to, by no thread: a process with threads must not be copied.
    shown = log.size >= _PROGRESS_BYTES and console.is_terminal
    begun: list[int] = []
    with Progress(console=console, disable=not shown, auto_refresh=False) as bar:
        task = bar.add_task("rehearse", total=log.size)

        def seen(index: int, event: Event, effects: tuple[Effect, ...]) -> None:
            if index == 0:
                begun.append(event.at)
            if index % 1000 == 0:
                bar.update(task, completed=log.position, refresh=shown)

        try:
            report = replays.replay(log, rehearsals, _nanoseconds(until), seen)
        except RehearsalError as error:
            raise fail(2, str(error)) from None
        finally:
            rehearsals.close()
    lines = [_row(Line(number, one.at - begun[0], one)) for number, one in enumerate(told, 1)]
    if as_json:
        sources = {name: found.as_dict() for name, found in rehearsals.sources.items()}
        told_json = {"boot": report.boot_id, "robot": report.robot_id, "same": report.same, "rows": lines}
        print(json.dumps(told_json | {"rehearsals": rehearsals.count, "sources": sources}))
    else:
        if show_decisions:
            Console(width=None if sys.stdout.isatty() else _WIDE).print(_table(lines))
        _print_report(report)
        for name, found in rehearsals.sources.items():
            print(f"{name}, {found.model}: {found.commands} commands in shadow, {found.refused} would be refused")
            for (verdict, code), count in sorted(found.told.items()):
                print(f"  {verdict} {code or '(begins)'}: {count}")
        if not rehearsals.sources:
            print("no agent in stage shadow sent a command")
    say_tail(report.tail, report.tail_path, report.tail_offset)
    raise typer.Exit(0 if report.same else 1)


def _nanoseconds(until: float | None) -> int | None:
    return None if until is None else round(until * NS_PER_S)


def _print_report(report: Any) -> None:
    for name, (then, now) in report.different_software.items():
        print(f"warning: {name} was {then}, is {now}: bit-identical replay is promised for the same only")
    verdicts = ", ".join(f"{name} {count}" for name, count in sorted(report.verdicts.items())) or "none"
    print(f"robot {report.robot_id}, boot {report.boot_id}: {report.events} events, {report.set_points} set-points")
    print(f"verdicts: {verdicts}; last state {report.final_state or 'unknown'}")
    if report.gap is not None:
        print(
            f"NOT COMPLETE: {report.gap.events} events are missing after event {report.events - 1}; replay ends there"
        )
    if report.divergence is not None:
        found = report.divergence
        kind = "a set-point differs" if found.only_actuate else "effects differ"
        print(f"DIFFERENT at event {found.index}, steady time {found.at} ns: {kind}")
        print(f"  event:    {plain(repr(found.event), LONGEST_TEXT)}")
        print(f"  recorded: {[plain(repr(effect), LONGEST_TEXT).plain for effect in found.recorded]}, digest of all")
        print(f"  replayed: {[plain(repr(effect), LONGEST_TEXT).plain for effect in found.replayed]}")
        print(f"  cause:    {plain(report.cause, LONGEST_TEXT)}")
    if report.same and report.snapshot:
        print(f"SAME: every effect from event {report.first_event} on came out again, bit for bit")
        print(f"  the events before were not run: the recording is the one of which {report.snapshot} was made")
    elif report.same:
        print("SAME: every effect came out again, bit for bit")


def _place(config: Path | None, log_directory: Path | None, robot: str) -> tuple[Path, str]:
    """Return log directory and robot id; without a configuration, which may be broken or gone, both must be given."""
    if config is None:
        if log_directory is None or not robot:
            raise fail(2, "give --config FILE, or --log-directory DIR and --robot ID")
        return log_directory, robot
    if robot:
        raise fail(2, "--robot is given by --config already")
    from safety_supervisor.config import ConfigurationError, load_config

    try:
        configuration = load_config(config)
    except ConfigurationError as error:
        for line in str(error).splitlines():
            Console(stderr=True).print(plain(line, LONGEST_TEXT), soft_wrap=True)
        raise fail(2, "or give --log-directory DIR and --robot ID") from None
    return log_directory or Path(configuration.evidence.log_directory), configuration.robot.id


@latch_app.command("show")
def latch_show(
    config: Config = None, log_directory: LogDirectory = None, robot: Robot = "", as_json: Json = False
) -> None:
    """Show what is latched. Exit 1 when something is.

    Example: safety-supervisor latch show --config my_robot.yaml
    """
    found = LatchStore(*_place(config, log_directory, robot)).load()
    if as_json:
        print(json.dumps(asdict(found)))
    else:
        print(f"emergency stop: {'latched' if found.emergency_stop else 'not latched'}")
        print(f"fault: {plain(found.fault).plain or 'none'}{f' ({plain(found.detail)})' if found.detail else ''}")
    raise typer.Exit(1 if found.fault or found.emergency_stop else 0)


@latch_app.command("clear")
def latch_clear(
    by: Annotated[str, typer.Option(help="Who clears it.")],
    reason: Annotated[str, typer.Option(help="Why it may be cleared.")],
    config: Config = None,
    log_directory: LogDirectory = None,
    robot: Robot = "",
) -> None:
    """Clear the fault latch while no supervisor runs. An emergency stop is released by its device alone.

    Example: safety-supervisor latch clear --config my_robot.yaml --by ada --reason "drive replaced"
    """
    if not by.strip() or not reason.strip():
        raise fail(2, "--by and --reason must say something")
    directory, robot = _place(config, log_directory, robot)
    if not directory.is_dir():
        raise fail(2, f"{directory} is no directory: no supervisor of {robot} has run with it")
    lock = RobotLock(directory, robot)
    try:
        lock.acquire_directory()
        before = LatchStore(directory, robot).clear(by, reason)
    except LockHeldError as error:
        raise fail(1, f"{error}: stop the supervisor first") from None
    except OSError as error:
        raise fail(1, f"not cleared: {error}") from None
    finally:
        lock.release()
    print(f"cleared: {plain(before.fault).plain or 'nothing was latched'}")
    if before.emergency_stop:
        print("The emergency stop stays latched: cycle its device, STOP then RUN, after the start.")
