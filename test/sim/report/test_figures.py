"""Counts: what is not known is never counted as good, and a rival is compared in the same draws alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from report_rows import BAD, HUNG, UNEXPECTED, row, runs_of

from safety_supervisor_sim.report.figures import by_campaign, by_robot, mutants, rivals
from safety_supervisor_sim.report.findings import Findings
from safety_supervisor_sim.report.proof import Standing, Tables
from safety_supervisor_sim.report.statistics import upper_bound

NONE = Tables()


def found(folder: Path, rows: list[dict[str, Any]], tables: Tables = NONE) -> Findings:
    return Findings("a title", *runs_of(folder, rows), tables)


def test_counts_by_campaign_and_robot(tmp_path: Path) -> None:
    rows = [
        *(row(seed, false_stops=1) for seed in range(3)),
        row(3, **BAD),
        row(4, **UNEXPECTED),
        row(5, **HUNG),
        row(6, robot="g1", task_time=None, good_motions=0, distance_people=0.4),
        row(7, campaign="two"),
        row(8, campaign="two", subject="clamp", **BAD),
        row(9, campaign="two", disabled="velocity", **BAD),
    ]
    runs, _ = runs_of(tmp_path, rows)
    told = {(one.campaign, one.robot): one for one in by_campaign(runs)}
    assert list(told) == [("one", "g1"), ("one", "panda"), ("two", "panda")]
    one = told["one", "panda"]
    assert (one.runs, one.good, one.violated, one.unexpected, one.unknown, one.ok) == (6, 3, 1, 1, 1, False)
    assert one.ended == {"done": 5, "hung": 1, "died": 0, "unplayable": 0, "failed": 0}
    # Who hung may have violated: nobody knows.
    assert one.bound == upper_bound(2, 6)
    assert (one.good_motions, one.false_stops) == (10, 3)
    assert one.least_robustness == -0.01
    assert (told["one", "g1"].false_interval, told["one", "g1"].least_distance) == (None, 0.4)
    # Neither a rival nor a check that is off says anything of the supervisor.
    assert (told["two", "panda"].runs, told["two", "panda"].ok) == (1, True)
    assert [(one.robot, one.runs) for one in by_robot(runs)] == [("g1", 1), ("panda", 7)]


@pytest.mark.parametrize(
    ("changes", "ok", "says"),
    [
        ({}, True, "panda: 0 violations in 2 runs, the rate is below 78 %, with 95 % confidence"),
        (BAD, False, "NOT GOOD. panda: 1 run with violations in 2 runs"),
        (UNEXPECTED, False, "NOT GOOD. panda: 0 violations in 2 runs, the rate is below 78 % (1 not as expected)"),
        (HUNG, False, "(1 hung, the bound counts these 1 as violated)"),
    ],
)
def test_the_head_says_what_a_reviewer_can_believe(
    tmp_path: Path, changes: dict[str, Any], ok: bool, says: str
) -> None:
    findings = found(tmp_path, [row(1), row(2, **changes)])
    assert findings.ok is ok
    assert says in findings.headline
    assert "safe" not in findings.headline


def test_what_was_planned_and_not_played_is_no_pass(tmp_path: Path) -> None:
    from report_rows import write

    from safety_supervisor_sim.report.runs import read

    write(tmp_path / "runs.parquet", [row(1)])
    (tmp_path / "plan.json").write_text('{"cases": 3}', encoding="utf-8")
    findings = Findings("a title", *read([tmp_path]), NONE)
    assert not findings.ok
    assert "2 planned runs were not played" in findings.headline


def test_rivals_alone_say_nothing_of_the_supervisor(tmp_path: Path) -> None:
    findings = found(tmp_path, [row(1, subject="clamp")])
    assert not findings.ok
    assert findings.headline == (
        "NOT GOOD. No run of the supervisor with all its checks on: nothing is said of its violations."
    )


def test_a_check_that_was_off_is_caught_only_by_a_run_that_is_good_with_it_on(tmp_path: Path) -> None:
    runs, _ = runs_of(
        tmp_path,
        [
            row(1),
            row(2, **UNEXPECTED),
            row(1, disabled="caught", **BAD),
            row(2, disabled="bad all the same", **UNEXPECTED),
            row(1, disabled="survives"),
            row(1, disabled="hangs", **HUNG),
            row(9, disabled="alone", **BAD),
        ],
    )
    told = {one.check: (one.caught, one.runs, one.done, one.alone) for one in mutants(runs)}
    assert told == {
        "alone": (True, 1, 1, 1),
        "bad all the same": (False, 1, 1, 0),
        "caught": (True, 1, 1, 0),
        "hangs": (False, 1, 0, 0),
        "survives": (False, 1, 1, 0),
    }
    whole, _ = runs_of(tmp_path, [row(1), row(1, disabled="caught", **BAD)])
    assert Findings("a title", whole, [], NONE).ok
    alone, _ = runs_of(tmp_path, [row(1, disabled="caught", **BAD), row(1, disabled="survives")])
    assert not Findings("a title", alone, [], NONE).ok


def test_rivals_are_compared_in_draws_that_all_of_them_played(tmp_path: Path) -> None:
    runs, _ = runs_of(
        tmp_path,
        [
            row(1, task_time=4.0),
            row(2, task_time=6.0, false_stops=1),
            row(3, **HUNG),
            row(1, subject="clamp", task_time=3.0, **BAD),
            row(2, subject="clamp", task_time=None),
            row(3, subject="clamp", **BAD),
        ],
    )
    told = {one.subject: one for one in rivals(runs)}
    assert list(told) == ["supervisor", "clamp"]
    clamp, supervisor = told["clamp"], told["supervisor"]
    assert (clamp.runs, clamp.done, clamp.paired, clamp.violated, clamp.task_time) == (3, 3, 2, 1, 3.0)
    assert (supervisor.done, supervisor.paired, supervisor.violated, supervisor.false_stops) == (2, 2, 0, 1)
    assert supervisor.task_time == 4.0
    assert rivals([run for run in runs if run.judged]) == []


def test_a_rival_that_hung_is_never_a_pass(tmp_path: Path) -> None:
    assert found(tmp_path, [row(1), row(1, subject="clamp", **BAD)]).ok
    findings = found(tmp_path, [row(1), row(1, subject="clamp", **HUNG)])
    assert not findings.ok
    assert "1 runs of rivals are not done" in findings.headline


def test_what_proves_a_row_is_told_apart(tmp_path: Path) -> None:
    tables = Tables(
        texts={f"REDTEAM {row}": f"attack {row}" for row in range(1, 8)},
        played={"REDTEAM 3": ["a"]},
        tests={f"REDTEAM {row}": [f"test/test_it.py::test_{row}"] for row in (2, 5, 6)},
        outcomes={"test/test_it.py::test_5": ["passed"], "test/test_it.py::test_6": ["passed", "failed"]},
    )
    rows = [row(1, rows=[1]), row(2, rows=[4], **UNEXPECTED), row(3, rows=[99])]
    told = {one.id: one.standing for one in found(tmp_path, rows, tables).proofs if one.id.startswith("REDTEAM")}
    assert told == {
        "REDTEAM 1": Standing.GOOD,
        "REDTEAM 2": Standing.TESTS,
        "REDTEAM 3": Standing.SCENARIO,
        "REDTEAM 4": Standing.BAD,
        "REDTEAM 5": Standing.PASSED,
        "REDTEAM 6": Standing.BAD,
        "REDTEAM 7": Standing.NOTHING,
        "REDTEAM 99": Standing.GOOD,
    }
