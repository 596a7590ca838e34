"""Command `explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress

from safety_supervisor.config import ConfigurationError, load_config
from safety_supervisor.core.settings import Configuration
from safety_supervisor.explain.case import Case, ExplainError, case_of_decision
from safety_supervisor.explain.command_file import read_command
from safety_supervisor.explain.from_log import case_of_log
from safety_supervisor.explain.picture import draw_case, look
from safety_supervisor.explain.trial import case_of_command
from safety_supervisor.explain.words import facts, headline, remarks, summary
from safety_supervisor.geometry.picture import NoPictureError
from safety_supervisor.geometry.pose_view import Viewer


def explain(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="[CONFIG]", help="Configuration; a log holds its own.", show_default=False),
    ] = None,
    log: Annotated[Path | None, typer.Option(metavar="LOG", help="A recorded log.", show_default=False)] = None,
    line: Annotated[
        int | None,
        typer.Option(min=1, help="Line of the log, as `log show` numbers them.", show_default="the last refusal"),
    ] = None,
    decision: Annotated[
        str | None, typer.Option(metavar="JSON", help="A decision, or a file that holds one.", show_default=False)
    ] = None,
    command: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="A command to try.", show_default=False)
    ] = None,
    source: Annotated[str, typer.Option(help="Who sends the command.", show_default="the first that may")] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Where to draw the picture.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Explain why a command was refused: the pose, the two bodies, the numbers, and what to do.

    Give one of three:

    --log LOG: a line of a recorded log. The log is replayed up to it, so that the picture shows where the robot was
    commanded to be; without --line the last refusal is taken, one that bodies are the reason of before others.

    --command FILE.yaml: a trajectory or a set-point, as `ros2 topic echo` prints it. The whole core judges it on an
    ideal robot that starts at `start` of the file or `robot.start` of the configuration. Nothing moves.

    --decision JSON: one line of `log show --json`, or the values of ~/decisions as one object.

    In the picture the robot stands solid where it would be too near, with the pair in red and their nearest points
    joined, and blue where it was commanded to be; the second view is from near. Where no bodies are the reason, the
    joints and their limits are drawn instead.

    \b
    Examples:
      safety-supervisor log show FILE.events.mcap
      safety-supervisor explain --log FILE.events.mcap --line 12 --out why.png
      safety-supervisor explain config/panda.yaml --command motion.yaml --out why.png
      safety-supervisor explain config/panda.yaml --decision decision.json --json

    Exit status: 0 explained, 2 wrong use, or nothing that can be explained.
    """
    if [log, decision, command].count(None) != 2:
        _fail("give one of --log LOG, --decision JSON and --command FILE.yaml; --help shows examples")
    if line is not None and log is None:
        _fail("--line is a line of a log: give --log LOG, too")
    try:
        case = _find(_load(config), log, line, decision, command, source)
        viewer = Viewer(case.configuration)
        view = look(case, viewer) if out is None else draw_case(out, case, viewer)
    except (ConfigurationError, ExplainError, NoPictureError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{out} can not be written: {error.strerror or error}")
    nearest = None if view is None else view.nearest
    if as_json:
        typer.echo(json.dumps(summary(case, nearest, "" if out is None else str(out)), indent=2))
        return
    typer.echo(headline(case))
    for name, value in facts(case, nearest):
        typer.echo(f"  {name:<9} {value}")
    code = case.subject.known_code
    if code is not None:
        typer.echo(f"  cause     {code.cause}\n  cure      {code.cure}")
    for remark in remarks(case, nearest):
        typer.echo(f"note: {remark}")
    typer.echo("not drawn: give --out FILE.png" if out is None else f"drawn: {out}")


def _load(config: Path | None) -> Configuration | None:
    return None if config is None else load_config(config)


def _find(
    configuration: Configuration | None,
    log: Path | None,
    line: int | None,
    decision: str | None,
    command: Path | None,
    source: str,
) -> Case:
    if log is not None:
        console = Console(stderr=True)
        with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
            task = bar.add_task("replay", total=1.0)
            return case_of_log(log, line, configuration, lambda share: bar.update(task, completed=share))
    if configuration is None:
        raise ExplainError("which robot? name its configuration: safety-supervisor explain CONFIG ...")
    if decision is not None:
        return case_of_decision(configuration, decision)
    assert command is not None
    return case_of_command(configuration, read_command(command), source)


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)
