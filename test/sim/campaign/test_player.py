"""Players: a run that hangs or dies is told as such, and takes no other with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.player import how_ended
from safety_supervisor_sim.campaign.pool import play_here

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from campaign_targets import GOOD, HANGS, KILLS_ITS_PLAYER, KILLS_ITSELF  # type: ignore[import-not-found]  # noqa: E402


@pytest.fixture
def targets(monkeypatch: pytest.MonkeyPatch) -> str:
    """What plays, importable by a player."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    return "campaign_targets:by_seed"


def case(number: int, seed: int) -> Case:
    return Case("test", f"number_{number}", "{}", seed=seed)


def test_runs_that_hang_or_die_are_told_and_the_others_go_on(targets: str) -> None:
    """The worker that was killed is replaced: with one player, what follows is played by another process."""
    cases = [
        case(number, seed)
        for number, seed in enumerate((GOOD, KILLS_ITSELF, GOOD, HANGS, GOOD, KILLS_ITS_PLAYER, GOOD))
    ]
    rows: dict[str, dict[str, Any]] = {}
    play_here(cases, 1, 1.0, lambda row: rows.update({row["scenario"]: row}), targets)
    ended = [rows[one.scenario]["ended"] for one in cases]
    assert ended == ["done", "died", "done", "hung", "done", "died", "done"]
    assert [row["ok"] for row in rows.values()] == [row["ended"] == "done" for row in rows.values()]
    assert "SIGKILL" in rows["number_1"]["problem"]
    assert "killed" in rows["number_3"]["problem"]
    assert "the worker ended with SIGKILL" in rows["number_5"]["problem"]
    assert rows["number_0"]["worker"] == rows["number_4"]["worker"] != rows["number_6"]["worker"]


def test_what_takes_a_row_may_end_it_all(targets: str) -> None:
    """As Ctrl-C does: no player goes on behind it."""

    def take(row: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play_here([case(number, GOOD) for number in range(3)], 1, 5.0, take, targets)


def test_how_a_process_ended_is_named() -> None:
    assert how_ended(-11) == "SIGSEGV"
    assert how_ended(3) == "status 3"
