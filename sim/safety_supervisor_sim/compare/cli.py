"""Command `sim compare`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

INSTALL: Final = 'pip install "safety_supervisor[sim,campaign]"'
PLAY: Final = "safety_supervisor_sim.compare.play:play"
KNOWN: Final = ("supervisor", "pass_through", "clamp", "pink")
COLUMNS: Final = (
    "campaign", "scenario", "text", "parameters", "seed", "subject", "disabled", "id", "ended", "problem", "reasons",
    "violated", "good_motions", "false_stops", "task_time", "cycle_cpu", "versions",
)  # fmt: skip


def compare(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Campaign file.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="Directory of the results; begun again, only what is missing is played.")
    ] = Path("compared"),
    runs: Annotated[
        int | None, typer.Option(help="Cases; without it the file's.", min=1, max=1_000_000, show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of what is drawn; without it the file's.", min=0, show_default=False)
    ] = None,
    subjects: Annotated[str, typer.Option(help="Who plays each case, parted by commas.")] = ",".join(KNOWN),
    workers: Annotated[
        int | None,
        typer.Option(help="Runs at a time; without it one a core.", min=1, max=1024, show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Only the sums on standard output, as JSON.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Only the table, as README.md shows it.")] = False,
) -> None:
    """Play the same cases with the supervisor and with what others put in its place; print the table of both.

    Subjects: supervisor; pass_through, nothing in between; clamp, limits of joints as ros2_control has them; pink, the
    limits and barriers of pin-pink, which `make compare-tools` installs. What each is, and is not made for:
    docs/compare.md. The oracle judges all alike. Exit 0 when all cases were played, whatever came of them; 1 when not;
    2 when an argument is not valid. Ctrl-C keeps what was done: the same command goes on.

    Examples:

      safety-supervisor sim compare sim/campaigns/panda.yaml --runs 160 --seed 1 --out compared

      safety-supervisor sim compare sim/campaigns/panda.yaml --runs 20 --subjects supervisor,clamp --json
    """
    from safety_supervisor_sim.demo.places import missing

    if problems := missing(ros=False):
        _fail("\n".join(problems))
    try:
        import pyarrow
        import scipy  # noqa: F401 - whether it is there
    except ImportError as error:
        _fail(f"{error.name} is not installed: {INSTALL}")
    names = list(dict.fromkeys(name.strip() for name in subjects.split(",") if name.strip()))
    strange = [name for name in names if name not in KNOWN]
    if strange or not names:
        _fail(f"--subjects {subjects}: unknown: {', '.join(strange) or 'none was named'}; known: {', '.join(KNOWN)}")
    from safety_supervisor_sim.compare.barriers import CURE, is_installed

    if "pink" in names and not is_installed():
        _fail(f"{CURE}, or leave it out: --subjects {','.join(name for name in KNOWN if name != 'pink')}")
    from safety_supervisor.config import ConfigurationError
    from safety_supervisor_sim.campaign.draw import draw
    from safety_supervisor_sim.campaign.plan import load_campaign
    from safety_supervisor_sim.campaign.store import AnotherPlanError, Store

    try:
        campaign = load_campaign(file)
    except ConfigurationError as error:
        _fail(str(error))
    cases = draw(campaign, file.parent, runs, seed)
    # Subjects take turns: a case's are played close to each other, on the same machine in the same mood.
    played = [replace(case, subject=name) for case in cases for name in names]
    told = {"campaigns": [campaign.name], "subjects": names, "seeds": [campaign.seed if seed is None else seed]}
    try:
        store = Store(out, played, told)
    except (AnotherPlanError, OSError, pyarrow.ArrowInvalid) as error:
        _fail(str(error))
    interrupted = _play(
        store, len(played), campaign.limit, workers or len(os.sched_getaffinity(0)), as_json or as_markdown
    )
    _tell(store, names, len(cases), as_json, as_markdown, interrupted)


def _play(store: Any, planned: int, limit: float, workers: int, quiet: bool) -> bool:
    """Play what is missing; return whether somebody interrupted it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from safety_supervisor_sim.campaign.pool import play_here

    missing = store.missing
    console = Console(stderr=quiet, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("comparing", total=planned, completed=planned - len(missing))

        def take(row: dict[str, Any]) -> None:
            store.add(row)
            progress.update(bar, advance=1, description=row["subject"])

        try:
            if missing:
                play_here(missing, workers, limit, take, PLAY)
        except KeyboardInterrupt:
            return True
    return False


def _tell(store: Any, names: list[str], cases: int, as_json: bool, as_markdown: bool, interrupted: bool) -> None:
    from rich.console import Console

    from safety_supervisor_sim.compare import table

    rows = store.merge().select(list(COLUMNS)).to_pylist()
    store.close()
    told = table.summarise(rows, names, cases)
    if as_json:
        typer.echo(table.as_json(told))
    elif as_markdown:
        typer.echo(table.as_markdown(told))
    else:
        table.print_table(Console(highlight=False), told)
    if interrupted:
        typer.echo("interrupted: what was done is kept; the same command goes on", err=True)
        raise typer.Exit(130)
    raise typer.Exit(0 if told["pairs"] == cases else 1)


def _fail(message: str) -> Any:
    typer.echo(message, err=True)
    raise typer.Exit(2)
