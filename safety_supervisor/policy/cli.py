"""Commands `policy test` and `policy facts`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from safety_supervisor.core.policy.facts import FACTS

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The policy of a configuration: try its examples, list the facts.",
)

TEST_HELP = """Judge every example of FILE by the policy that it names, and compare the verdicts.

\b
A file of examples, beside the policy:
  policy: cell.yaml            # a file with a section `policy`: a configuration, or that section alone
  facts:                       # of every example that says nothing else: all of them, `policy facts` lists them
    source: planner
    ...
  examples:
    - name: an agent goes into a zone
      facts: {zones: [bench]}
      verdict: approve("zone", 1, 120)

Verdicts are spelled as in the program; facts that are missing or wrong have `no verdict`, which is a refusal.
Verdicts that no example has are named: those rules are untried.

\b
Example:
  safety-supervisor policy test config/policies/cell_examples.yaml

Exit status: 0 every example has its verdict, 1 one has another, 2 a file is not usable.
"""


@app.command("test", help=TEST_HELP)
def try_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Examples, YAML.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Try examples."""
    from safety_supervisor.config import ConfigurationError
    from safety_supervisor.policy.examples import try_examples

    try:
        report = try_examples(file.expanduser().absolute())
    except ConfigurationError as error:
        if as_json:
            problems = [
                {"path": one.path, "line": one.line, "code": one.code.value, "message": one.message, "cure": one.cure}
                for one in error.errors
            ]
            typer.echo(json.dumps({"ok": False, "file": error.path, "problems": problems}, indent=2))
        else:
            typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(2) from None
    if as_json:
        examples = [{**asdict(one), "good": one.good} for one in report.outcomes]
        answer = {"ok": report.good, "policy": str(report.policy), "examples": examples, "untried": report.untried}
        typer.echo(json.dumps(answer, indent=2))
    else:
        for one in report.outcomes:
            if not one.good:
                because = f" ({one.detail})" if one.detail else ""
                typer.secho(f"{one.name!a}: {one.got}{because}; expected {one.expected!a}", err=True, fg="red")
        for text in report.untried:
            typer.secho(f"untried: {text}", err=True, fg="yellow")
        count, bad = len(report.outcomes), sum(not one.good for one in report.outcomes)
        typer.echo(
            f"{count} examples, {bad} with another verdict than expected, {len(report.untried)} verdicts untried"
        )
    raise typer.Exit(0 if report.good else 1)


@app.command("facts")
def facts_command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """List the facts that a policy is asked with.

    \b
    Example:
      safety-supervisor policy facts
    """
    if as_json:
        told = {
            one.name: {"type": one.type.value, "meaning": one.meaning, "words": one.words} for one in FACTS.values()
        }
        typer.echo(json.dumps(told, indent=2))
        return
    for one in FACTS.values():
        words = f" ({', '.join(filter(None, one.words))})" if one.words else ""
        typer.echo(f"{one.name:13} {one.type.value:14} {one.meaning}{words}")
