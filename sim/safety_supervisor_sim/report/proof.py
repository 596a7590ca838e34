"""What is said of each requirement and each row of the table of attacks: by runs, and by named tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from safety_supervisor_sim.report.runs import Run
from safety_supervisor_sim.report.tracing import ROW, claimed, collect, counted, known, outcomes, scenarios


class Standing(str, Enum):
    """What is known of one of them."""

    GOOD = "runs good"
    BAD = "NOT GOOD"
    PASSED = "tests passed"
    TESTS = "named tests, not run here"
    SCENARIO = "scenario, not played here"
    NOTHING = "NOTHING PROVES IT"


@dataclass(frozen=True)
class Proof:
    """One requirement or row.

    Attributes:
        id: `SR-024` or `REDTEAM 3`.
        title: what it says; "" where the tables are not known.
        claimed: whether this version claims to prove it by tests.
        runs: of the supervisor that name it.
        bad: of them those that are not good.
        scenarios: files that name it, or scenarios of runs that do.
        tests: that name it.
        outcomes: of those tests, in words; "" where no run of tests was given.
        failed, passed: whether one of them failed; whether some passed and none failed.
    """

    id: str
    title: str
    claimed: bool
    runs: tuple[Run, ...]
    bad: tuple[Run, ...]
    scenarios: tuple[str, ...]
    tests: tuple[str, ...]
    outcomes: str
    failed: bool
    passed: bool

    @property
    def standing(self) -> Standing:
        """What is known of it."""
        if self.bad or self.failed:
            return Standing.BAD
        if self.runs:
            return Standing.GOOD
        if self.tests:
            return Standing.PASSED if self.passed else Standing.TESTS
        return Standing.SCENARIO if self.scenarios else Standing.NOTHING

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "id": self.id,
            "standing": self.standing.value,
            "runs": len(self.runs),
            "not_good": [run.id for run in self.bad],
            "scenarios": list(self.scenarios),
            "tests": list(self.tests),
            "test_outcomes": self.outcomes,
        }


@dataclass(frozen=True)
class Tables:
    """What the repository says: texts of requirements and rows, who claims, plays and tests them."""

    texts: Mapping[str, str] = field(default_factory=dict)
    claims: frozenset[str] = frozenset()
    played: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tests: Mapping[str, Sequence[str]] = field(default_factory=dict)
    outcomes: Mapping[str, Sequence[str]] | None = None


def tables(root: Path | None, junit: Path | None) -> Tables:
    """Read the tables of a repository; None: the report is made where none is.

    Raises:
        OSError: a table, or what became of the tests, can not be read.
        xml.etree.ElementTree.ParseError: the latter is no XML.
    """
    if root is None:
        return Tables()
    return Tables(
        texts=known(root),
        claims=frozenset(claimed(root)),
        played=scenarios(root).tests,
        tests=collect(root).tests,
        outcomes=None if junit is None else outcomes(junit),
    )


def proofs(runs: Sequence[Run], said: Tables) -> list[Proof]:
    """Return every requirement and row, in the order of the tables; then those that runs name and no table knows."""
    naming: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.judged:
            for name in {*(f"{ROW}{row}" for row in run.rows), *run.requirements}:
                naming[name].append(run)
    ids = [*said.texts, *sorted(set(naming) - set(said.texts), key=_order)]
    return [_proof(identifier, naming.get(identifier, []), said) for identifier in ids]


def _proof(identifier: str, runs: Sequence[Run], said: Tables) -> Proof:
    tests = tuple(said.tests.get(identifier, ()))
    known_outcomes = said.outcomes
    became = [] if known_outcomes is None else [one for test in tests for one in known_outcomes.get(test, ["not run"])]
    files = {*said.played.get(identifier, ()), *(run.scenario for run in runs)}
    return Proof(
        id=identifier,
        title=said.texts.get(identifier, ""),
        claimed=identifier in said.claims,
        runs=tuple(runs),
        bad=tuple(run for run in runs if not run.ok),
        scenarios=tuple(sorted(files)),
        tests=tests,
        outcomes=counted(became),
        failed="failed" in became,
        passed="passed" in became and "failed" not in became,
    )


def _order(identifier: str) -> tuple[str, int]:
    kind, _, number = identifier.replace("-", " ").rpartition(" ")
    return kind, int(number) if number.isdecimal() else 0
