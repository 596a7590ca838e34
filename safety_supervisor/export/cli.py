"""Commands `log export ...`, beside those of `evidence/cli.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.evidence.cli import LogFile, app
from safety_supervisor.evidence.clock import WhenError
from safety_supervisor.evidence.event_log import LogError
from safety_supervisor.evidence.lines import plain
from safety_supervisor.evidence.opening import fail, open_log, say_tail
from safety_supervisor.export.boots import Boot, boots_of

export_app = typer.Typer(
    no_args_is_help=True,
    help="Export what a log holds, for people, for Foxglove and for auditors.",
    epilog="""\b
Examples:
  safety-supervisor log export incident FILE.events.mcap --around 12.5 --zip
  safety-supervisor log export mcap FILE.events.mcap --out boot.mcap
  safety-supervisor log export oversight LOG_DIRECTORY --out oversight
  safety-supervisor log export changes LOG_DIRECTORY --out changes
""",
)
app.add_typer(export_app, name="export")

Out = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where to.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@export_app.command("incident")
def incident(
    file: LogFile,
    around: Annotated[
        str | None,
        typer.Option(
            metavar="T",
            help="Seconds after the first event, or a time of day, UTC.",
            show_default="the last stop, else the last refusal",
        ),
    ] = None,
    line: Annotated[
        int | None, typer.Option(min=1, help="Line, as `log show` numbers them.", show_default=False)
    ] = None,
    before: Annotated[float, typer.Option(min=0.0, max=3600.0, help="How much of the time before it, s.")] = 10.0,
    after: Annotated[float, typer.Option(min=0.0, max=3600.0, help="And behind it, s.")] = 10.0,
    out: Out = None,
    zipped: Annotated[bool, typer.Option("--zip", help="As one file, too, beside the folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a folder about an incident: a page for people, plots, the log around it, its replay, a file for Foxglove.

    The page says in one sentence what happened, and names cause, numbers, people, versions and hashes. The whole boot
    is replayed for it. The same log gives the same bytes.

    Exit status: 0 written and replayed the same, 1 written, but the replay differs or is not possible, or the decision
    log is broken, 2 not written.
    """
    from safety_supervisor.export import incident as incidents
    from safety_supervisor.export.window import collect, find_key

    if around is not None and line is not None:
        raise fail(2, "give one of --around and --line")
    console = Console(stderr=True)
    try:
        if out is not None:
            incidents.prepare(out, zipped)
        found = find_key(file, around, line)
        header = _header(file)
        name = incidents.default_name(header[0], header[1], found[0].since(found[2]))
        target = Path(name) if out is None else out
        incidents.prepare(target, zipped)
        with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
            task = bar.add_task("replay", total=1.0)
            spans = (round(before * NS_PER_S), round(after * NS_PER_S))
            window = collect(file, found, *spans, lambda share: bar.update(task, completed=share))
        written = incidents.export(window, file.absolute().parent, target, zipped)
    except (WhenError, LogError, incidents.PlaceError) as error:
        raise fail(2, str(error)) from None
    except OSError as error:
        raise fail(2, f"{error.filename or file}: {error.strerror or error}") from None
    if as_json:
        told = {"page": str(written.page), "zip": None if written.zip is None else str(written.zip)}
        print(json.dumps(told | {"sentence": written.sentence, "same": written.same, "unbroken": written.unbroken}))
    else:
        print(written.sentence)
        print(f"page: {written.page}")
        if written.zip is not None:
            print(f"archive: {written.zip}")
    tail = window.log.tail
    say_tail(tail.state, tail.path, tail.offset)
    raise typer.Exit(0 if written.same and written.unbroken is not False else 1)


@export_app.command("mcap")
def whole_boot(
    file: LogFile,
    out: Annotated[Path, typer.Option(metavar="FILE.mcap", help="Where to; must not exist.", show_default=False)],
    begin: Annotated[float, typer.Option("--from", min=0.0, help="From this time after the first event, s.")] = 0.0,
    end: Annotated[float | None, typer.Option("--to", min=0.0, help="To this time, s.", show_default=False)] = None,
) -> None:
    """Write a boot as a file that Foxglove opens: joints, robot, zones, people, decisions, states, acts.

    Exit status: 0 written, 1 written, but without set-points from somewhere on, 2 not written.
    """
    from safety_supervisor.export.whole_boot import write

    console = Console(stderr=True)
    try:
        log = open_log(file)
        with (
            out.open("xb") as target,
            Progress(console=console, disable=not console.is_terminal, transient=True) as bar,
        ):
            task = bar.add_task("replay", total=log.size)
            until = None if end is None else round(end * NS_PER_S)
            trouble = write(file, target, round(begin * NS_PER_S), until, lambda read: bar.update(task, completed=read))
    except FileExistsError:
        raise fail(2, f"{out} is there already") from None
    except (WhenError, LogError) as error:
        raise fail(2, str(error)) from None
    except OSError as error:
        raise fail(2, f"{error.filename or out}: {error.strerror or error}") from None
    print(f"written: {out}, {out.stat().st_size} bytes")
    if trouble:
        typer.echo(f"set-points are missing: {trouble}", err=True)
        raise typer.Exit(1)


Logs = Annotated[
    Path, typer.Argument(metavar="DIR", help="Log directory, `evidence.log_directory`.", show_default=False)
]
Robot = Annotated[str, typer.Option(help="Only this `robot.id`.", show_default="all that have logs there")]
OutFolder = Annotated[
    Path, typer.Option("--out", metavar="FOLDER", help="Where to; must not exist, or be empty.", show_default=False)
]


@export_app.command("oversight")
def oversight_of(directory: Logs, out: OutFolder, robot: Robot = "") -> None:
    """Write what people did in all boots: approvals, overrides, stops, drills, and how long they thought.

    Exit status: 0 written, 1 written, but a log could not be read to its end, 2 not written.
    """
    from safety_supervisor.export.oversight import oversight

    _prepare(out)
    boots, unreadable = _boots(directory, robot)
    found = oversight(boots)
    data = found.as_data() | {"unreadable": unreadable}
    _write(out, {"oversight.json": _pretty(data), "oversight.csv": found.csv().encode()})
    times = data["median_deliberation_s"]
    print(f"{found.boots} boots: {found.asked} commands waited for people, {len(found.deliberations)} answers, "
          f"median deliberation {'unknown' if times is None else f'{times:.1f} s'}")  # fmt: skip
    print(f"acts {len(found.rows)}, overrides {data['overrides']}, unsigned {data['unsigned_acts']}; "
          f"emergency stops {found.emergency_stops}, drills {found.drills}")  # fmt: skip
    _end(out, [*unreadable, *(f"boot {boot}: {why}" for boot, why in found.troubles.items())])


@export_app.command("changes")
def changes_of(directory: Logs, out: OutFolder, robot: Robot = "") -> None:
    """Write which configuration and software ran in each boot, what changed, and the software of this machine (SBOM).

    Exit status: 0 written, 1 written, but a log could not be read to its end, 2 not written.
    """
    from safety_supervisor.export.changes import changes
    from safety_supervisor.export.sbom import sbom

    _prepare(out)
    boots, unreadable = _boots(directory, robot)
    data, files = changes(boots)
    files["changes.json"] = _pretty(data | {"unreadable": unreadable})
    files["sbom.cdx.json"] = _pretty(sbom())
    _write(out, files)
    for row in data["history"]:
        what = ", ".join(one["what"] for one in row["changed"])
        print(f"{row['started_at']} {row['robot']} boot {row['boot']}: {what or 'no change that the log tells'}")
    _end(out, [*unreadable, *(f"boot {boot.header.boot_id}: {boot.trouble}" for boot in boots if boot.trouble)])


def _prepare(out: Path) -> None:
    from safety_supervisor.export.incident import PlaceError, prepare

    try:
        prepare(out, zipped=False)
    except PlaceError as error:
        raise fail(2, str(error)) from None


def _boots(directory: Path, robot: str) -> tuple[list[Boot], list[str]]:
    try:
        boots, unreadable = boots_of(directory, robot)
    except OSError as error:
        raise fail(2, f"{directory} can not be read: {error.strerror}") from None
    if not boots:
        whose = f" of {robot}" if robot else ""
        raise fail(2, f"{directory} holds no event log{whose}: " + ("; ".join(unreadable) or "no file of that kind"))
    return boots, unreadable


def _pretty(data: object) -> bytes:
    return json.dumps(data, indent=2, ensure_ascii=False).encode() + b"\n"


def _write(out: Path, files: dict[str, bytes]) -> None:
    from safety_supervisor.export.incident import write_folder

    try:
        write_folder(out, files)
    except OSError as error:
        raise fail(2, f"{error.filename or out}: {error.strerror or error}") from None


def _end(out: Path, troubles: list[str]) -> None:
    print(f"written: {out}")
    for trouble in troubles:
        typer.echo(plain(trouble, 1000).plain, err=True)
    raise typer.Exit(1 if troubles else 0)


def _header(file: Path) -> tuple[str, str]:
    from safety_supervisor.evidence.event_log import read_header

    header = read_header(file)
    return header.robot_id, header.boot_id
