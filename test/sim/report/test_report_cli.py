"""`sim report`, as people call it: exit statuses, files, and runs that were really played."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from report_rows import BAD, HUNG, row, write
from typer.testing import CliRunner, Result

from safety_supervisor.config.bounds import parse
from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.play import play
from safety_supervisor_sim.demo.cli import sim_app
from safety_supervisor_sim.report.runs import read
from safety_supervisor_sim.report.worst import again

ROOT = Path(__file__).resolve().parents[3]
SCENARIO = ROOT / "sim" / "scenarios" / "rt29_thin_zone.yaml"


def called(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(sim_app, ["report", "--out", str(folder / "r.html"), *arguments], catch_exceptions=False)


@pytest.fixture
def bare(tmp_path: Path) -> list[str]:
    """A repository of one row and no test: reading all tests takes seconds."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "test").mkdir()
    (tmp_path / "docs" / "redteam.md").write_text("| 29 | thin zone | the swept motion |\n", encoding="utf-8")
    (tmp_path / "docs" / "requirements.md").write_text("| SR-026 | a stop | own |\n", encoding="utf-8")
    (tmp_path / "docs" / "claimed.txt").write_text("SR-026\n", encoding="utf-8")
    return ["--repository", str(tmp_path)]


@pytest.mark.parametrize(
    ("changes", "status"),
    [({}, 0), (BAD, 1), (HUNG, 1), ({**HUNG, "ended": "unplayable"}, 1), ({**HUNG, "ended": "died"}, 1)],
)
def test_only_good_runs_end_with_0(tmp_path: Path, bare: list[str], changes: dict[str, Any], status: int) -> None:
    table = write(tmp_path / "a.parquet", [row(1), row(2, **changes)])
    result = called(tmp_path, str(table), "--no-worst", "--json", *bare)
    assert result.exit_code == status
    told = json.loads(result.stdout)
    assert told["ok"] is (status == 0)
    assert told["robots"][0]["runs"] == 2
    assert [one["id"] for one in told["not_good"]] == ([] if status == 0 else [row(2)["id"]])
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert ElementTree.parse(tmp_path / "r.xml").getroot().get("tests") == "2"
    assert not list(tmp_path.glob(".r.*"))


def no_table(folder: Path) -> list[str]:
    return [str(folder / "none")]


def no_run(folder: Path) -> list[str]:
    return [str(write(folder / "a.parquet", []))]


def same_names(folder: Path) -> list[str]:
    return [str(write(folder / "a.parquet", [row()])), "--junit", str(folder / "r.html")]


def no_tests(folder: Path) -> list[str]:
    return [str(write(folder / "a.parquet", [row()])), "--tests", str(folder / "none.xml")]


def broken_tests(folder: Path) -> list[str]:
    (folder / "t.xml").write_text("<a>", encoding="utf-8")
    return [str(write(folder / "a.parquet", [row()])), "--tests", str(folder / "t.xml")]


def no_place(folder: Path) -> list[str]:
    (folder / "file").write_text("", encoding="utf-8")
    return [str(write(folder / "a.parquet", [row()])), "--junit", str(folder / "file" / "r.xml")]


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (no_table, "does not exist: give a table"),
        (no_run, "an empty campaign says nothing"),
        (same_names, "give them different names"),
        (no_tests, "--repository and --tests say where they are"),
        (broken_tests, "is no XML"),
        (no_place, "can not be written"),
    ],
)
def test_what_no_report_can_be_made_of_ends_with_2_and_its_cure(
    tmp_path: Path, bare: list[str], made: Any, says: str
) -> None:
    result = called(tmp_path, *made(tmp_path), "--no-worst", *bare)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_repository_without_its_tables_is_named(tmp_path: Path) -> None:
    table = write(tmp_path / "a.parquet", [row()])
    result = called(tmp_path, str(table), "--no-worst", "--repository", str(tmp_path))
    assert result.exit_code == 2
    assert "requirements.md" in result.stderr


def played(changes: Sequence[tuple[str, Any]] = (), seed: int = 1) -> dict[str, Any]:
    value, _ = parse(SCENARIO, SCENARIO.read_bytes())
    for act, state in changes:
        next(one for one in value["acts"] if one["name"] == act)["expect"]["state"] = [state]
    return play(Case("real", SCENARIO.stem, json.dumps(value), seed=seed), replayed=0.0)


@pytest.mark.long
def test_runs_that_were_really_played_are_reported_and_the_worst_played_again(tmp_path: Path, bare: list[str]) -> None:
    first = parse(SCENARIO, SCENARIO.read_bytes())[0]["acts"][0]["name"]
    rows = [played(), played([(first, "FAULT")]) | {"effects_sha256": "00" * 32}]
    assert [(one["ended"], one["ok"]) for one in rows] == [("done", True), ("done", False)]
    table = write(tmp_path / "a.parquet", rows)
    result = called(tmp_path, str(table), *bare)
    assert result.exit_code == 1
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "state READY, not FAULT" in text
    # Played again, every effect is the same; and there are pictures.
    assert "could not be played again" not in text
    assert text.count("Joint velocities: ") == 2
    assert text.count("data:image/gif;base64,") == 2
    assert "AUTO/MOVING from" in text
    # Of a run that another version played, it says so; and what can not be played is named.
    assert text.count("the effects differ") == 1
    strange = write(tmp_path / "b.parquet", [row(1, text="{}")])
    assert "could not be played again" in again(read([strange])[0][0]).problem
