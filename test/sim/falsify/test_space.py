"""What a search varies, and files that say it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safety_supervisor.config.problems import ConfigurationError
from safety_supervisor_sim.falsify.space import Range, Space, SpaceError, usual
from safety_supervisor_sim.falsify.spec import load_task
from safety_supervisor_sim.scenario import read_scenario

ROOT = Path(__file__).resolve().parents[3]
SCENARIO: dict[str, Any] = {
    "poses": {"far": [1.0, 2.0], "near": {"elbow": 0.5}},
    "acts": [{"name": "go", "goal": "far", "seconds": 2.0}, {"name": "push on", "velocity": {"elbow": 0.5}}],
    "faults": [{"fault": "drop", "act": "go", "begin": 1.0, "share": 0.8}],
}


def test_values_are_laid_where_paths_lead_and_the_scenario_stays() -> None:
    space = Space(SCENARIO, {"poses.far.1": Range(0.0, 4.0), "acts.push on.velocity.elbow": Range(-1.0, 1.0)})
    assert space.first().tolist() == [0.5, 0.75]
    laid = space.lay(np.array([0.25, 2.0]))
    assert laid["poses"]["far"] == [1.0, 1.0]
    assert laid["acts"][1]["velocity"] == {"elbow": 1.0}
    assert SCENARIO["poses"]["far"] == [1.0, 2.0]


def test_whole_numbers_are_whole() -> None:
    space = Space({"acts": [{"name": "many", "count": 5}]}, {"acts.many.count": Range(1, 10, whole=True)})
    assert space.values(np.array([0.4])) == {"acts.many.count": 5}


def test_all_that_leads_nowhere_is_told_at_once() -> None:
    ranges = {"poses.far.7": Range(0.0, 1.0), "acts.go.goal": Range(0.0, 1.0), "acts.go.seconds": Range(2.0, 1.0)}
    with pytest.raises(SpaceError) as told:
        Space(SCENARIO, ranges)
    assert [line.split(":")[0] for line in str(told.value).splitlines()] == [f"vary.{path}" for path in ranges]


def test_of_a_scenario_alone_goals_times_speeds_and_faults_vary() -> None:
    ranges = usual(SCENARIO)
    assert set(ranges) == {
        "poses.far.0", "poses.far.1", "acts.0.seconds", "acts.1.velocity.elbow", "faults.0.begin", "faults.0.share",
    }  # fmt: skip
    assert ranges["faults.0.share"].high == 1.0
    Space(SCENARIO, ranges)


@pytest.mark.parametrize("file", sorted((ROOT / "sim" / "falsify").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_searches_are_scenarios_at_both_ends_of_their_ranges(file: Path) -> None:
    task = load_task(file)
    for share in (0.0, 1.0):
        laid = task.space.lay(np.full(len(task.space.names), share))
        read_scenario(file, repr_yaml(laid))


def repr_yaml(value: dict[str, Any]) -> bytes:
    import json

    return json.dumps(value).encode()


def test_bad_files_are_refused_whole_with_what_is_wrong(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "name: bad\nabout: x\nscenario: wild_goals\nvary:\n  poses.three.0: {low: 0.0, high: 1.0}\n"
        "  acts.to the first.seconds: {low: 2.0, high: 1.0}\n"
    )
    with pytest.raises(ConfigurationError) as told:
        load_task(bad)
    text = str(told.value)
    assert "poses.three.0" in text
    assert "low 2.0 has to be less than high 1.0" in text
    bad.write_text("name: bad\nabout: x\nscenario: wild_goals\nspeed: 3\nvary: {}\n")
    with pytest.raises(ConfigurationError, match="speed"):
        load_task(bad)
