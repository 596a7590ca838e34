"""Command `sim report`."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from safety_supervisor_sim.report.findings import Findings
    from safety_supervisor_sim.report.worst import Worst

INSTALL: Final = 'pip install "safety_supervisor[sim,campaign,picture]"'
MOST_BAD: Final = 10
Runs = Annotated[
    list[Path], typer.Argument(metavar="RUNS...", help="Directories of campaigns, or Parquet tables of runs.")
]


def report(
    runs: Runs,
    out: Annotated[Path, typer.Option(help="The page.", dir_okay=False)] = Path("report.html"),
    junit: Annotated[
        Path | None,
        typer.Option(help="JUnit XML for CI; without it beside the page.", dir_okay=False, show_default=False),
    ] = None,
    title: Annotated[str, typer.Option(help="Of the report.")] = "Campaigns of a safety supervisor",
    tests: Annotated[
        Path | None,
        typer.Option(help="What pytest --junitxml wrote: outcomes of the named tests.", show_default=False),
    ] = None,
    repository: Annotated[
        Path | None,
        typer.Option(help="Where docs and tests are; without it the one this runs from.", show_default=False),
    ] = None,
    worst: Annotated[bool, typer.Option(help="Play the 10 worst runs again, for pictures of them.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Only the figures on standard output, as JSON.")] = False,
) -> None:
    """Make a report of campaigns that a reviewer can check: one HTML page, and JUnit XML for CI.

    How many runs, how many violations, and what rate they leave possible; what proves each requirement and each attack;
    margins, times to stop, distances; checks that were turned off; rivals; the worst runs in pictures; versions, seeds,
    and the commands that play it all again. The page loads nothing from elsewhere.

    Exit 0 only when every run of the supervisor was played to its end and is as expected, every check that was turned
    off was caught, and nothing that was planned is missing; 1 when not; 2 when no report can be made.

    Examples:

      safety-supervisor sim campaign sim/campaigns/panda.yaml --out runs

      safety-supervisor sim report runs --out report.html

      safety-supervisor sim report panda/runs.parquet g1/runs.parquet --no-worst --json
    """
    from rich.console import Console

    console = Console(stderr=as_json, highlight=False)
    try:
        findings = _findings(runs, title, repository, tests)
    except ImportError as error:
        _fail(f"{error.name} is not installed: {INSTALL}")
    beside = out.with_suffix(".xml") if junit is None else junit
    if beside.resolve() == out.resolve():
        _fail(f"--out and --junit are both {out}: give them different names")
    pictures = _pictures(findings, console) if worst else []
    from safety_supervisor_sim.report.junit import junit as made
    from safety_supervisor_sim.report.page import render

    for path, text in ((out, render(findings, pictures)), (beside, made(findings))):
        try:
            _write(path, text)
        except OSError as error:
            _fail(f"{path} can not be written: {error.strerror or error}")
    if as_json:
        typer.echo(json.dumps(findings.as_dict() | {"page": str(out), "junit": str(beside)}, allow_nan=False))
    _say(findings, console, [out, beside])
    raise typer.Exit(0 if findings.ok else 1)


def _findings(runs: list[Path], title: str, root: Path | None, tests: Path | None) -> Findings:
    from safety_supervisor_sim.report.findings import Findings, repository
    from safety_supervisor_sim.report.proof import tables
    from safety_supervisor_sim.report.runs import RunsError, read

    try:
        found, sources = read(runs)
    except RunsError as error:
        _fail(str(error))
    try:
        said = tables(repository(root), tests)
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        if isinstance(error, ElementTree.ParseError):
            _fail(f"{tests} is no XML: {error}; it is what pytest --junitxml={tests} writes")
        _fail(f"requirements, attacks and tests can not be read: {error}; --repository and --tests say where they are")
    return Findings(title, found, sources, said)


def _pictures(findings: Findings, console: Console) -> list[Worst]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from safety_supervisor_sim.demo.places import missing
    from safety_supervisor_sim.report.worst import again, choose

    if problems := missing(ros=False):
        _fail("\n".join([*problems, "or make the report without pictures: --no-worst"]))
    chosen, made = choose(findings.runs), []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("playing the worst runs again", total=len(chosen))
        for run in chosen:
            made.append(again(run))
            progress.advance(bar)
    return made


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _say(findings: Findings, console: Console, files: list[Path]) -> None:
    from rich.text import Text

    from safety_supervisor_sim.report.junit import legal

    console.print(Text(legal(findings.headline), style="green" if findings.ok else "bold red"), soft_wrap=True)
    bad = [run for run in findings.judged if not run.ok]
    for run in bad[:MOST_BAD]:
        console.print(
            Text(legal(" ".join(f"{run.id} {run.scenario}: {run.why}".split()), 200), style="red"), soft_wrap=True
        )
    if len(bad) > MOST_BAD:
        console.print(f"and {len(bad) - MOST_BAD} more", markup=False)
    for one in findings.mutants:
        if not one.caught:
            console.print(Text(legal(f"not caught: the supervisor without {one.check}"), style="red"), soft_wrap=True)
    for path in files:
        console.print(Text(f"{path}: {path.stat().st_size / 1e3:,.0f} kB"), soft_wrap=True)


def _fail(message: str) -> Any:
    typer.echo(message, err=True)
    raise typer.Exit(2)
