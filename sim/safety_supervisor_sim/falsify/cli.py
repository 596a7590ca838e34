"""Command `sim falsify`."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from safety_supervisor_sim.falsify.search import Found, Method

Cores = os.cpu_count() or 1


def falsify(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="SPEC.yaml|SCENARIO.yaml",
            help="What varies of which scenario; or a scenario: all its goals, times, speeds and faults vary.",
            show_default=False,
        ),
    ],
    budget: Annotated[int, typer.Option(help="Most runs.", min=1)] = 500,
    seconds: Annotated[
        float | None, typer.Option(help="Most real time, [s]; without it the budget alone counts.", show_default=False)
    ] = None,
    method: Annotated[Method, typer.Option(help="How it is searched; random: the yardstick.")] = Method.CMA,
    seed: Annotated[int, typer.Option(help="Of the search: the same seed asks the same.", min=0)] = 1,
    repeats: Annotated[
        int, typer.Option(help="Searches with seeds from --seed on; tells the median of runs until found.", min=1)
    ] = 1,
    disabled: Annotated[
        str, typer.Option(help="Check of the supervisor that is off: `sim mutants --list` names them.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="Directory for falsify.json and what was found.", file_okay=False, show_default=False),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes; they change nothing but the time.", min=1)] = Cores,
    as_json: Annotated[bool, typer.Option("--json", help="Only the result on standard output, as JSON.")] = False,
) -> None:
    """Search for a violation: the least robustness that the oracle sees, over parameters of agent and faults.

    What is found is made small (fewer acts, fewer faults, simpler numbers) and saved as a scenario. Exit status 1: a
    violation was found; 0: none was within the budget, which proves nothing; 2: the file is not usable.

    Examples:

      safety-supervisor sim falsify sim/falsify/panda_reach.yaml --budget 2000 --out found

      safety-supervisor sim falsify sim/scenarios/rt27_tiny_steps.yaml --disabled keep_out

      safety-supervisor sim falsify sim/falsify/panda_drive.yaml --disabled velocity --method random --repeats 5 --json
    """
    from safety_supervisor.config import ConfigurationError
    from safety_supervisor_sim.campaign.mutants import BOTH, MUTANTS
    from safety_supervisor_sim.campaign.workers import Workers
    from safety_supervisor_sim.demo.places import missing
    from safety_supervisor_sim.falsify.hunt import Hunt
    from safety_supervisor_sim.falsify.spec import load_task

    unknown = [name for name in disabled.split(BOTH) if disabled and name not in MUTANTS]
    if unknown:
        _fail(f"--disabled {', '.join(unknown)}: no such check; `safety-supervisor sim mutants --list` names them")
    if problems := missing(ros=False):
        _fail("\n".join(problems))
    try:
        task = load_task(file)
    except (ConfigurationError, OSError) as error:
        _fail(str(error))
    console = Console(stderr=True, highlight=False)
    hunts: list[Hunt] = []
    interrupted = False
    with Workers(workers) as team, _bar(console) as bar:
        for number in range(repeats):
            hunt = Hunt(task, method, seed + number, budget, disabled)
            line = bar.add_task(f"{task.name}, seed {hunt.seed}", total=budget, least="")

            def told(found: Found, line: Any = line) -> None:
                least = f"least robustness {found.least:.4f}" if math.isfinite(found.least) else ""
                bar.update(line, completed=found.runs, least=least)

            hunts.append(hunt)
            try:
                hunt.go(team, math.inf if seconds is None else seconds, told)
            except KeyboardInterrupt:
                interrupted = True
                break
    results = []
    for hunt in hunts:
        saved = None if out is None else hunt.save(out / f"seed_{hunt.seed}" if repeats > 1 else out)
        results.append({**hunt.as_dict(), "file": None if saved is None else str(saved)})
    told_all: dict[str, Any] = {"found": any(one["found"] for one in results), "searches": results}
    if repeats > 1:
        told_all["median_runs_until_found"] = median(one["found_in_run"] or math.inf for one in results)
        if math.isinf(told_all["median_runs_until_found"]):
            told_all["median_runs_until_found"] = None
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "falsify.json").write_text(json.dumps(told_all, indent=1, allow_nan=False) + "\n")
    if as_json:
        typer.echo(json.dumps(told_all, allow_nan=False))
    else:
        _tell(results, told_all)
    if interrupted:
        typer.echo("interrupted: what was searched until then is told above", err=True)
        raise typer.Exit(130)
    raise typer.Exit(1 if told_all["found"] else 0)


def _tell(results: list[dict[str, Any]], told: dict[str, Any]) -> None:
    for one in results:
        least = "none" if one["robustness"] is None else f"{one['robustness']:.4f}"
        off = f", check {one['disabled']} off" if one["disabled"] else ""
        head = f"{one['task']}, {one['method']}, seed {one['seed']}{off}"
        if one["found"]:
            typer.echo(f"{head}: VIOLATION in run {one['found_in_run']}, robustness {least}")
            small = one["shrunk"]
            typer.echo(f"  made small in {small['runs']} runs: {small['acts']} acts, {small['faults']} faults")
            for line in small["violated"][:5]:
                typer.echo(f"  the oracle saw: {line}")
            typer.echo(f"  {one['file']}" if one["file"] else "  --out DIR keeps it as a scenario")
        else:
            typer.echo(f"{head}: searched {one['runs']} runs, least robustness {least}; this proves nothing")
            if one["kinds"]:
                typer.echo(f"  it went by {', '.join(one['kinds'])}: least {one['least']:.4f}")
        for why, count in one["problems"].items():
            typer.echo(f"  {count} runs came to nothing: {why}")
    if "median_runs_until_found" in told:
        runs = told["median_runs_until_found"]
        typer.echo(f"median of runs until found: {'more than the budget' if runs is None else f'{runs:g}'}")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[least]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _fail(message: str) -> Any:
    typer.echo(message, err=True)
    raise typer.Exit(2)
