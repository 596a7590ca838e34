"""Command `sim anomaly`."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table


def anomaly(
    hours: Annotated[float, typer.Option(min=0.01, help="Good work, simulated time.")] = 1.0,
    runs: Annotated[int, typer.Option(min=1, help="Of each misbehaviour.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 1,
    baseline: Annotated[
        Path | None, typer.Option(help="Baseline to judge by; without it the shipped one.", show_default=False)
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="Instead: write a baseline of so many hours of good work.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Only the results on standard output, as JSON.")] = False,
) -> None:
    """Judge the watch of behaviour: false alarms in good work, and ten misbehaviours that no limit stops.

    An agent picks and places through the real supervisor, in simulated time, with the small mistakes that agents make.
    Then every misbehaviour is played after a task of good work; when it begins is known by its script, and that it was
    raised is read from the status.

    Exit status 1 when there is more than one false alarm an hour, or a misbehaviour is not raised within 2 s.

    Example: safety-supervisor sim anomaly --hours 0.1 --runs 1 --seed 7
    """
    lacking = [name for name in ("pybullet", "cmeel") if importlib.util.find_spec(name) is None]
    if lacking:
        typer.echo(f'{", ".join(lacking)} not installed: pip install "safety_supervisor[sim]"', err=True)
        raise typer.Exit(2)
    from safety_supervisor.config import ConfigurationError
    from safety_supervisor_sim.demo.places import shared
    from safety_supervisor_sim.strange.job import BASELINE, load_job
    from safety_supervisor_sim.strange.mischief import MISCHIEFS
    from safety_supervisor_sim.strange.trial import record_baseline, run_trials

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        total = 3600.0 * hours
        rows = {"work": bar.add_task("good work", total=total)}
        if record is None:
            rows |= {one.name: bar.add_task(one.name, total=runs) for one in MISCHIEFS}

        def told(what: str, done: float) -> None:
            bar.advance(rows[what], done)

        try:
            if record is not None:
                record.write_text(record_baseline(load_job(), seed, total, told), encoding="utf-8")
                raise typer.Exit(0)
            bench = load_job(shared("cells", BASELINE) if baseline is None else baseline)
            results = run_trials(bench, seed, hours, runs, told)
        except (ConfigurationError, OSError) as error:
            console.print(str(error), markup=False, soft_wrap=True)
            raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(results, allow_nan=False))
    else:
        print_results(Console(), results)
    raise typer.Exit(0 if results["ok"] else 1)


def print_results(console: Console, results: dict[str, Any]) -> None:
    """Print what came of the trials."""
    table = Table(title=f"Ten misbehaviours inside all limits, seed {results['seed']}", title_justify="left")
    for column in ("misbehaviour", "what the agent does", "raised", "median", "latest", "told, of the first"):
        table.add_column(column, justify="right" if column in ("raised", "median", "latest") else "left")
    for row in results["misbehaviours"]:
        why = f"{row['why']} (stopped by {', '.join(row['stopped_by'])})" if row["stopped_by"] else row["why"]
        times = (f"{row[key]:.2f} s" if row[key] is not None else "never" for key in ("median", "latest"))
        table.add_row(row["name"], row["about"], f"{row['raised']} of {row['runs']}", *times, why)
    console.print(table)
    alarms = results["false_alarms"]
    verdicts = ", ".join(f"{name} {count}" for name, count in results["verdicts"].items())
    console.print(f"{results['hours']:.2f} h of good work ({verdicts}): {len(alarms)} false alarms", highlight=False)
    for one in alarms:
        console.print(f"  at {one['at']:.1f} s: {one['source']} {one['score']:g}, {one['why']}", highlight=False)
    console.print("good" if results["ok"] else "NOT GOOD", style="bold")
