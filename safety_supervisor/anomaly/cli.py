"""Commands `anomaly baseline` and `anomaly features`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The watch of behaviour: make the baseline that a source is compared with.",
)


@app.command("baseline")
def baseline_command(
    logs: Annotated[list[Path], typer.Option("--from", help="Event log of a boot that was good work; once for each.")],
    source: Annotated[str, typer.Option(help="Whose behaviour it is: a name of `sources`.", show_default=False)],
    out: Annotated[Path, typer.Option(help="File to write, JSON.", show_default=False)],
    about: Annotated[str, typer.Option(help="What was recorded, in words; stands in the file.")] = "",
    short: Annotated[bool, typer.Option("--short", help="Less than ten minutes are enough, to try it.")] = False,
) -> None:
    """Make a baseline from recorded good work, and print the lines for the configuration.

    The logs are played through the supervisor again. Look at them before: whatever stands in them counts as good.

    \b
    Example:
      safety-supervisor anomaly baseline --from LOG.events.mcap --source planner --out planner.json

    Exit status: 0 written, 2 the recordings make none.
    """
    from rich.console import Console
    from rich.progress import Progress

    from safety_supervisor.anomaly.recording import RecordingError, baseline_text
    from safety_supervisor.config import ConfigurationError
    from safety_supervisor.evidence.event_log import LogError

    console = Console(stderr=True)
    try:
        with Progress(console=console, disable=not console.is_terminal) as bar:
            row = bar.add_task("replay", total=1.0)
            text = baseline_text(logs, source, about, lambda done: bar.update(row, completed=done), short)
        out.write_text(text, encoding="utf-8")
    except (RecordingError, ConfigurationError, LogError, OSError) as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(2) from None
    typer.echo(f"    anomaly:\n      baseline: {out.name}\n      sha256: {hashlib.sha256(text.encode()).hexdigest()}")
    typer.echo("      stop_at: 3.0")


@app.command("features")
def features_command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """List what is watched of a source.

    \b
    Example:
      safety-supervisor anomaly features
    """
    from safety_supervisor.core.anomaly.baseline import FEATURES

    if as_json:
        told = {
            one.name: {"unit": one.unit, "meaning": one.meaning, "joints": one.joints, "margin": one.margin}
            for one in FEATURES
        }
        typer.echo(json.dumps(told, indent=2))
        return
    for one in FEATURES:
        typer.echo(f"{one.name:13} {one.unit:22} {one.meaning}{', of each joint' if one.joints else ''}")
