"""Every row of the table of attacks has a scenario or a named test; what became of tests is found by their names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from safety_supervisor_sim.report.proof import Standing, proofs, tables
from safety_supervisor_sim.report.tracing import ROW, collect, known, outcomes, scenarios, unproven

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.requirement("SR-046")
def test_every_row_of_the_table_of_attacks_has_a_scenario_or_a_named_test() -> None:
    rows = [one for one in known(ROOT) if one.startswith(ROW)]
    assert {f"{ROW}{number}" for number in range(1, 58)} <= set(rows)
    assert unproven(ROOT) == []
    said = {one.id: one for one in proofs([], tables(ROOT, None))}
    assert [one for one in rows if said[one].standing is Standing.NOTHING] == []
    # The report and docs/traceability.md are of one list.
    tests = collect(ROOT).tests
    assert [one for one in rows if list(said[one].tests) != tests.get(one, [])] == []


def test_a_row_that_nothing_proves_is_found(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png", "*.gif"))
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "test_it.py").write_text(
        "import pytest\n@pytest.mark.redteam(*range(1, 3), 5)\ndef test_a(): ...\n", encoding="utf-8"
    )
    (tmp_path / "sim" / "scenarios").mkdir(parents=True)
    (tmp_path / "sim" / "scenarios" / "a.yaml").write_text("rows: [1, 2, 3]\n", encoding="utf-8")
    lacking = unproven(tmp_path)
    assert lacking[:2] == ["REDTEAM 4", "REDTEAM 6"]
    assert scenarios(tmp_path).tests["REDTEAM 3"] == ["a"]
    said = {one.id: one.standing for one in proofs([], tables(tmp_path, None))}
    assert said["REDTEAM 4"] is Standing.NOTHING
    assert said["REDTEAM 5"] is Standing.TESTS
    assert said["REDTEAM 3"] is Standing.SCENARIO


def test_outcomes_of_tests_are_found_by_their_names(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    junit.write_text(
        '<testsuites><testsuite><testcase classname="test.sim.report.test_x" name="test_a[1-2]"/>'
        '<testcase classname="test.sim.report.test_x" name="test_a[3]"><skipped/></testcase>'
        '<testcase classname="test.test_y.TestZ" name="test_b"><error/></testcase></testsuite></testsuites>',
        encoding="utf-8",
    )
    assert outcomes(junit) == {
        "test/sim/report/test_x.py::test_a": ["passed", "not run"],
        "test/test_y.py::TestZ::test_b": ["failed"],
    }
