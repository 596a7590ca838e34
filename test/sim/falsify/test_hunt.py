"""A check that is off is found by the search, made small, and saved so that it shows the violation again."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from safety_supervisor_sim.campaign.workers import Workers
from safety_supervisor_sim.falsify.hunt import Hunt
from safety_supervisor_sim.falsify.measure import guide, robustness
from safety_supervisor_sim.falsify.search import Method
from safety_supervisor_sim.falsify.spec import load_task

ROOT = Path(__file__).resolve().parents[3]
ROW: dict[str, Any] = {
    "ended": "done",
    "robot": "panda",
    "robustness": 0.02,
    "violations": 0,
    "distance_people": None,
    "margins": [("keep_out", 0.045), ("velocity", 0.1)],
}


def test_a_violation_counts_whatever_a_search_goes_by() -> None:
    assert guide({**ROW, "robustness": -0.1, "violations": 1}, ("keep_out",)) == -0.1
    assert robustness({**ROW, "violations": 2}) < 0.0
    assert math.isnan(robustness({**ROW, "ended": "hung"}))
    assert math.isnan(guide({**ROW, "ended": "died"}, ("keep_out",)))


def test_a_search_goes_by_the_kinds_that_it_names() -> None:
    assert guide(ROW, ()) == 0.02
    assert guide(ROW, ("keep_out",)) == pytest.approx((0.045 + 0.005) / 0.1)
    assert guide({**ROW, "margins": [("keep_out", -0.005)]}, ("keep_out",)) > 0.0
    assert robustness({**ROW, "distance_people": 0.005}) == pytest.approx(0.01)


@pytest.mark.long
@pytest.mark.parametrize(("check", "kind"), [("velocity", "velocity"), ("keep_out", "keep_out")])
def test_with_a_check_off_a_violation_is_found_made_small_and_saved(check: str, kind: str, tmp_path: Path) -> None:
    task = load_task(ROOT / "sim" / "falsify" / "panda_goals.yaml")
    with Workers(2) as workers:
        hunt = Hunt(task, Method.CMA, 1, 300, check).go(workers)
        assert hunt.found.first
        assert hunt.shrunk is not None
        assert len(hunt.shrunk.scenario["acts"]) < len(task.space.scenario["acts"])
        file = hunt.save(tmp_path)
        assert file is not None
        again = Hunt(load_task(file), Method.CMA, 1, 1, check).go(workers)
    assert again.found.first == 1
    assert any(line.startswith(kind) or line.startswith(f"command_{kind}") for line in again.row["violated"])
