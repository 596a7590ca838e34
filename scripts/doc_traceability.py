"""Render the traceability table: requirement or row of the table of attacks, and the tests that name it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from doc_reference import NOTICE, table

from safety_supervisor_sim.report.tracing import (
    ROW,
    claimed,
    collect,
    counted,
    known,
    outcomes,
    scenarios,
    unproven,
)

INTRODUCTION = """\
Requirements stand in [requirements.md](requirements.md), attacks in [redteam.md](redteam.md). Tests name what they
prove: `@pytest.mark.requirement("SR-024")`, `@pytest.mark.redteam(3)`. What [claimed.txt](claimed.txt) claims and no
test names fails `make check-docs`. A test named here proves what it asserts, no conformity with the standard that a
requirement is from. Scenarios, `sim/scenarios/*.yaml`, name what they play by `rows` and `requirements`: tests run
all of them, by the core engine or by real nodes ([scenarios.md](scenarios.md)).
"""


def traceability(root: Path) -> str:
    """Render the table of every requirement and row with its tests."""
    tags, texts, claims, played = collect(root), known(root), set(claimed(root)), scenarios(root)

    def rows(prefix: str) -> Iterator[tuple[str, str, str, str, str]]:
        for identifier, text in texts.items():
            if identifier.startswith(prefix):
                tests = "<br>".join(f"`{test.removeprefix('test/')}`" for test in tags.tests.get(identifier, []))
                files = "<br>".join(f"`{name}`" for name in played.tests.get(identifier, []))
                claim = "yes" if identifier in claims else ""
                yield identifier.removeprefix(ROW), text, claim, files, tests

    parts = [
        "# Traceability\n",
        NOTICE,
        INTRODUCTION,
        "## Requirements\n",
        table(("id", "requirement", "claimed", "scenarios", "tests"), rows("SR-")),
        "## Attacks and failures\n",
        _kinds_of_proof(root),
        table(("row", "case", "claimed", "scenarios", "tests"), rows(ROW)),
    ]
    return "\n".join(parts)


def _kinds_of_proof(root: Path) -> str:
    """Say how many rows a scenario plays, how many a test alone, and which neither."""
    rows = [one for one in known(root) if one.startswith(ROW)]
    played, neither = scenarios(root).tests, unproven(root)
    by_scenario = sum(one in played for one in rows)
    left = f"neither: {', '.join(one.removeprefix(ROW) for one in neither)}" if neither else "none has neither"
    return (
        f"{len(rows)} rows: {by_scenario} are played by a scenario, {len(rows) - by_scenario - len(neither)} by named "
        f"tests alone; {left}.\n"
    )


def untraced(root: Path) -> list[str]:
    """Return what is wrong between claims, marks and the tables."""
    tags, texts = collect(root), known(root)
    wrong = list(tags.problems)
    for identifier, tests in sorted(tags.tests.items()):
        if identifier not in texts:
            wrong.append(f"{tests[0]} names {identifier}, which does not exist")
    played = scenarios(root).tests
    for identifier, files in sorted(played.items()):
        if identifier not in texts:
            wrong.append(f"scenario {files[0]} names {identifier}, which does not exist")
    for identifier in claimed(root):
        if identifier not in texts:
            wrong.append(f"docs/claimed.txt claims {identifier}, which does not exist")
        elif identifier not in tags.tests:
            wrong.append(f"{identifier} is claimed and has no test: {texts[identifier]}")
    return wrong


def results(root: Path, junit: Path) -> str:
    """Render, for every claimed id, what became of its tests in a run.

    Args:
        root: the repository.
        junit: what `pytest --junitxml` wrote.
    """
    found = outcomes(junit)
    tags, lines = collect(root), []
    for identifier in claimed(root):
        said = [one for test in tags.tests.get(identifier, []) for one in found.get(test, ["not run"])]
        lines.append(f"{identifier:<11} {counted(said) or 'no test'}")
    return "\n".join(lines)
