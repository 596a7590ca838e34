"""`sim campaign` from end to end: played, not played twice, and one run played alone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from safety_supervisor_sim.demo.cli import sim_app

FILE = """
name: tiny
about: one motion
robot: panda
runs: 2
entries:
  - scenario: rt05_look_alike_name
    acts: [reset, start, a look-alike name]
    vary: {acts.a look-alike name.count: {low: 1, high: 9, whole: true}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_a_campaign_is_played_once_and_each_run_again_alone(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    arguments = ["campaign", str(file), "--out", str(out), "--workers", "1", "--json"]
    first = CliRunner().invoke(sim_app, arguments)
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout.splitlines()[-1])
    assert (told["ok"], told["runs"], told["done"], told["runs_with_violations"]) == (True, 2, 2, 0)
    assert told["violation_rate_at_most"] == pytest.approx(1.0 - 0.05**0.5)
    rows = pq.read_table(out / "runs.parquet").to_pylist()
    assert len({row["parameters"] for row in rows}) == 2

    again = CliRunner().invoke(sim_app, arguments)
    assert again.exit_code == 0
    assert "2 of 2 runs are there already" in again.output
    assert pq.read_table(out / "runs.parquet").to_pylist() == rows
    other = CliRunner().invoke(sim_app, [*arguments, "--seed", "2"])
    assert other.exit_code == 2
    assert "holds another plan" in other.output

    shown = CliRunner().invoke(sim_app, ["campaign", "--out", str(out), "--show", rows[1]["id"]])
    assert shown.exit_code == 0
    alone = tmp_path / "alone.yaml"
    alone.write_text(shown.stdout, encoding="utf-8")
    played = CliRunner().invoke(sim_app, ["run", "--engine", "core", "--json", str(alone)])
    (summary,) = json.loads(played.stdout.splitlines()[-1])["runs"]
    assert summary["effects_sha256"] == rows[1]["effects_sha256"]


def test_bad_files_are_refused_all_at_once(file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(FILE.replace("low: 1", "low: 10"), encoding="utf-8")
    worse = tmp_path / "worse.yaml"
    worse.write_text("name: worse\n", encoding="utf-8")
    result = CliRunner().invoke(sim_app, ["campaign", str(bad), str(worse), "--out", str(tmp_path / "runs")])
    assert result.exit_code == 2
    assert "line 9: entries[0].vary.acts.a look-alike name.count: low 10 is above high 9" in result.output
    assert "worse.yaml: " in result.output
    assert not (tmp_path / "runs").exists()
    twice = CliRunner().invoke(sim_app, ["campaign", str(file), str(file), "--out", str(tmp_path / "runs")])
    assert (twice.exit_code, "two files name their campaign tiny" in twice.output) == (2, True)
