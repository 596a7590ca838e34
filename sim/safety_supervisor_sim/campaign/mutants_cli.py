"""Command `sim mutants`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text


def mutants(
    check: Annotated[
        list[str] | None, typer.Option(help="Only this check; again for more. All where left out.", show_default=False)
    ] = None,
    robot: Annotated[str, typer.Option(help="Only checks that are shown on this robot: panda or g1.")] = "",
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = os.cpu_count() or 1,
    out: Annotated[
        Path | None, typer.Option(help="Directory for mutants.json.", file_okay=False, show_default=False)
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Name the checks, and play nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Only the result on standard output, as JSON.")] = False,
) -> None:
    """Turn one check of the supervisor off at a time: a run has to fail, or nobody would have seen it missing.

    A run fails when the oracle sees a violation or something is not as the scenario expects. The same scenarios are
    played with nothing off, and have to pass. Exit status 0 only at a score of 100 %, 2 for a check that is unknown.

    Examples:

      safety-supervisor sim mutants --robot panda --out mutants

      safety-supervisor sim mutants --check velocity --check keep_out --json

      safety-supervisor sim mutants --list
    """
    from safety_supervisor_sim.campaign.mutants import MUTANTS
    from safety_supervisor_sim.campaign.mutation import check as played
    from safety_supervisor_sim.campaign.mutation import chosen, library
    from safety_supervisor_sim.campaign.workers import Workers
    from safety_supervisor_sim.demo.places import missing

    unknown = [name for name in check or [] if name not in MUTANTS]
    robots = sorted({mutant.robot for mutant in MUTANTS.values()})
    if unknown or robot not in ("", *robots):
        known = f"checks: {', '.join(MUTANTS)}; robots: {', '.join(robots)}"
        typer.echo(f"{', '.join(unknown) or robot}: not known; {known}", err=True)
        raise typer.Exit(2)
    several = chosen(check or [], robot)
    if listed:
        told = [{"check": one.name, "about": one.about, "codes": [code.value for code in one.codes]} for one in several]
        typer.echo(json.dumps(told) if as_json else "\n".join(f"{one.name:24}{one.about}" for one in several))
        return
    if problems := missing(ros=False):
        typer.echo("\n".join(problems), err=True)
        raise typer.Exit(2)
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Workers(workers) as team, Progress(*columns, console=console) as bar:
        line = bar.add_task("checks off", total=len(several))

        def news(done: int, of: int, what: str) -> None:
            bar.update(line, completed=done, description=what[:60])

        score = played(several, library(), team, news)
    result = score.as_dict()
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "mutants.json").write_text(json.dumps(result, indent=1) + "\n")
    if as_json:
        typer.echo(json.dumps(result))
    else:
        _print(result)
    raise typer.Exit(0 if score.ok else 1)


def _print(result: dict[str, Any]) -> None:
    console = Console(highlight=False)
    table = Table("check off", "caught by", "how", "why", show_edge=False, pad_edge=False)
    for one in result["checks"]:
        how = Text(one["how"] or "NOT CAUGHT", style="green" if one["how"] else "bold red")
        table.add_row(one["check"], one["run"], how, Text(one["why"][:120]))
    console.print(table)
    count, control = len(result["checks"]), result["control"]
    console.print(f"mutation score: {result['caught']} of {count} checks, {100.0 * result['score']:.1f} %")
    bad = control["not_as_expected"]
    console.print(f"control: {control['runs']} scenarios with nothing off, {len(bad)} not as expected")
    for name, why in bad.items():
        console.print(Text(f"  {name}: {why}", style="bold red"))
    console.print(f"{result['processor']:.0f} s of one core")
