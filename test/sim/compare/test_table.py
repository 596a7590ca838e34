"""The table of a comparison: pairs, kinds, exact intervals; and what the command refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.play import blank
from safety_supervisor_sim.compare import barriers, cli
from safety_supervisor_sim.compare.play import SUBJECTS
from safety_supervisor_sim.compare.table import HEADS, as_json, as_markdown, interval, kinds_of, moved_wrong, summarise
from safety_supervisor_sim.demo.cli import sim_app

CAMPAIGNS = Path(__file__).parents[3] / "sim" / "campaigns"


def row(number: int, subject: str, **found: Any) -> dict[str, Any]:
    """Return the row of a good run of one case, but for what was found."""
    case = Case("test", "x", f'{{"number": {number}}}', subject=subject)
    good = {"ended": "done", "ok": True, "good_motions": 1, "task_time": 2.0, "cycle_cpu": 1e-4}
    return blank(case) | good | found


def test_intervals_are_exact() -> None:
    # Of nothing in n the upper end is 1 - (alpha/2)^(1/n), by hand.
    assert interval(0, 10) == pytest.approx((0.0, 1.0 - 0.025**0.1))
    assert interval(10, 10) == pytest.approx((0.025**0.1, 1.0))
    assert interval(0, 0) == (0.0, 1.0)


def test_violations_are_counted_by_run_and_those_of_commands_apart() -> None:
    said = row(1, "clamp", violated=["command_jerk panda_joint1 -3 in a", "command_jerk panda_joint2 -3 in a"])
    moved = row(2, "clamp", violated=["keep_out cabinet -0.01 in a"])
    near = row(3, "clamp", reasons=["a: 0.001 m from obstacles, less than 0.015 m"])
    assert [moved_wrong(one) for one in (said, moved, near)] == [False, True, True]
    assert kinds_of(near) == {"near_obstacles"}
    told = summarise([said, moved, near], ["clamp"], 3)["subjects"]["clamp"]
    assert (told["violated"], told["robot_violated"]) == (3, 2)
    assert told["kinds"]["command_jerk"] == 1


def test_only_cases_that_all_played_are_compared() -> None:
    rows = [row(1, "supervisor"), row(1, "clamp", ended="died", problem="out"), row(2, "supervisor"), row(2, "clamp")]
    told = summarise(rows, ["supervisor", "clamp"], 2)
    assert (told["pairs"], told["planned"]) == (1, 2)
    assert told["subjects"]["supervisor"]["runs"] == 1
    assert [one["subject"] for one in told["not_played"]] == ["clamp"]


def test_task_time_is_that_of_cases_whose_good_motions_all_finished() -> None:
    rows = [
        row(1, "pass_through", task_time=2.0), row(1, "clamp", task_time=3.0),
        row(2, "pass_through", task_time=2.0), row(2, "clamp", task_time=9.0, false_stops=1),
        row(3, "pass_through", good_motions=0, task_time=None), row(3, "clamp", good_motions=0, task_time=None),
    ]  # fmt: skip
    told = summarise(rows, ["pass_through", "clamp"], 3)
    assert told["timed"] == 1
    assert told["subjects"]["clamp"]["task_time_ratio"] == pytest.approx(1.5)
    assert told["subjects"]["clamp"]["false_stops"] == 1


def test_the_command_knows_whom_the_engine_can_put_in_place() -> None:
    assert cli.KNOWN == SUBJECTS


def test_nothing_played_makes_a_table_too() -> None:
    told = summarise([], ["supervisor", "clamp"], 4)
    assert '"pairs": 0' in as_json(told)
    assert as_markdown(told).splitlines()[0] == "| " + " | ".join(HEADS) + " |"


@pytest.mark.parametrize("subjects", ["supervisor,nobody", " , "])
def test_unknown_subjects_are_refused_with_what_is_known(subjects: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(sim_app, ["compare", "x.yaml", "--subjects", subjects, "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "known: supervisor, pass_through, clamp, pink" in done.output
    assert not (tmp_path / "out").exists()


def test_a_comparator_that_is_not_installed_is_refused_before_anything_is_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(barriers, "is_installed", lambda: False)
    out = tmp_path / "out"
    done = CliRunner().invoke(sim_app, ["compare", str(CAMPAIGNS / "panda.yaml"), "--runs", "1", "--out", str(out)])
    assert done.exit_code == 2
    assert "make compare-tools" in done.output
    assert "--subjects supervisor,pass_through,clamp" in done.output
    assert not out.exists()
