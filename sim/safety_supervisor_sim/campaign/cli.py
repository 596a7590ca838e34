"""Command `sim campaign`."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from safety_supervisor_sim.campaign.case import Case
    from safety_supervisor_sim.campaign.store import Store

INSTALL: Final = 'pip install "safety_supervisor[sim,campaign]"'
Files = Annotated[list[Path] | None, typer.Argument(metavar="FILE...", help="Campaign files.", show_default=False)]


def campaign(
    files: Files = None,
    out: Annotated[
        Path, typer.Option(help="Directory of the results; begun again, only what is missing is played.")
    ] = (Path("campaign")),
    workers: Annotated[
        int | None,
        typer.Option(help="Runs at a time; without it one a core.", min=1, max=1024, show_default=False),
    ] = None,
    runs: Annotated[
        int | None, typer.Option(help="Of each file; without it the file's.", min=1, max=1_000_000, show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of what is drawn; without it the file's.", min=0, show_default=False)
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a dask scheduler: its workers play, not this machine.", show_default=False),
    ] = None,
    show: Annotated[
        str | None, typer.Option(help="Print the scenario of one run by its id, and play nothing.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Only the sums on standard output, as JSON.")] = False,
) -> None:
    """Play scenarios many times by the core engine, their parameters drawn, on all cores or on many machines.

    Results are in OUT/runs.parquet, a row a run: docs/campaign.md. Exit 0 only when all runs are done, as expected and
    without a violation; 1 when not; 2 when a file is not valid. Ctrl-C keeps what was done: the same command goes on.

    Examples:

      safety-supervisor sim campaign sim/campaigns/panda.yaml --out runs --runs 200

      safety-supervisor sim campaign sim/campaigns/*.yaml --out runs --scheduler tcp://192.0.2.1:8786

      safety-supervisor sim campaign --out runs --show 0123456789abcdef > one.yaml

      safety-supervisor sim run --engine core one.yaml
    """
    from safety_supervisor_sim.demo.places import missing

    if problems := missing(ros=False):
        _fail("\n".join(problems))
    try:
        import pyarrow
        import scipy  # noqa: F401 - whether it is there
    except ImportError as error:
        _fail(f"{error.name} is not installed: {INSTALL}")
    if show is not None:
        typer.echo(_shown(files or [], out, runs, seed, show))
        return
    if not files:
        _fail("no campaign file was named, for example sim/campaigns/panda.yaml")
    assert files is not None
    from safety_supervisor_sim.campaign.store import AnotherPlanError, Store

    cases, limit, told = _plan(files, runs, seed)
    try:
        store = Store(out, cases, told)
    except (AnotherPlanError, OSError, pyarrow.ArrowInvalid) as error:
        _fail(str(error))
    _play(store, cases, limit, workers or _cores(), scheduler, as_json)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _plan(files: list[Path], runs: int | None, seed: int | None) -> tuple[list[Case], float, dict[str, Any]]:
    """Return all cases, the longest limit of a run, [s], and what the plan tells."""
    from safety_supervisor.config import ConfigurationError
    from safety_supervisor_sim.campaign.draw import draw
    from safety_supervisor_sim.campaign.plan import load_campaign

    campaigns, problems = [], []
    for file in files:
        try:
            campaigns.append((file, load_campaign(file)))
        except ConfigurationError as error:
            problems.append(str(error))
    names = [one.name for _, one in campaigns]
    problems += [f"two files name their campaign {name}" for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        _fail("\n".join(problems))
    cases = [case for file, one in campaigns for case in draw(one, file.parent, runs, seed)]
    limit = max(one.limit for _, one in campaigns)
    told = {"campaigns": names, "seeds": [one.seed if seed is None else seed for _, one in campaigns], "limit": limit}
    return cases, limit, told


def _play(store: Store, cases: list[Case], limit: float, workers: int, scheduler: str | None, as_json: bool) -> None:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from safety_supervisor_sim.campaign.cluster import SchedulerError, play_there
    from safety_supervisor_sim.campaign.pool import play_here
    from safety_supervisor_sim.campaign.table import print_table, summarise

    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console.width = 120
    missing = sorted(store.missing, key=lambda case: case.id)  # mixed, so that what is there so far stands for all
    if len(missing) < len(cases):
        console.print(f"{len(cases) - len(missing)} of {len(cases)} runs are there already", markup=False)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    bad = interrupted = 0
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell has it in the background, and ignore them
        signal.signal(number, signal.default_int_handler)
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task("all good", total=len(cases), completed=len(cases) - len(missing))

            def take(row: dict[str, Any]) -> None:
                nonlocal bad
                store.add(row)
                bad += not row["ok"]
                progress.update(bar, advance=1, description=f"{bad} not good" if bad else "all good")

            if missing and scheduler is not None:
                play_there(scheduler, missing, limit, take)
            elif missing:
                play_here(missing, workers, limit, take)
    except KeyboardInterrupt:
        interrupted = 1
    except SchedulerError as error:
        store.close()
        _fail(str(error))
    table = store.merge()
    store.close()
    told = summarise(table, len(cases))
    print_table(console, told)
    if as_json:
        typer.echo(json.dumps(told, allow_nan=False))
    if interrupted:
        console.print("interrupted: what was done is kept; the same command goes on", markup=False)
        raise typer.Exit(130)
    raise typer.Exit(0 if told["ok"] else 1)


def _shown(files: list[Path], out: Path, runs: int | None, seed: int | None, wanted: str) -> str:
    """Return the scenario of a run: of the directory, or of the files when those are given."""
    if files:
        cases, _, _ = _plan(files, runs, seed)
        texts = {case.id: case.text for case in cases}
    else:
        from safety_supervisor_sim.campaign.store import rows_in

        table = rows_in(out, ["id", "text"])
        texts = dict(zip(table.column("id").to_pylist(), table.column("text").to_pylist(), strict=True))
    found = [text for one, text in texts.items() if one.startswith(wanted)]
    if len(found) != 1:
        place = "the plan" if files else str(out)
        _fail(f"{len(found)} of {len(texts)} runs of {place} have an id that begins with {wanted}")
    return json.dumps(json.loads(found[0]), indent=1)


def _fail(message: str) -> Any:
    typer.echo(message, err=True)
    raise typer.Exit(2)
