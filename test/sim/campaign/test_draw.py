"""Draws of a campaign: the same plan the same cases, every part of a range used once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from safety_supervisor_sim.campaign.draw import draw, latin, shares
from safety_supervisor_sim.campaign.lay import NoPlaceError, lay, value_at
from safety_supervisor_sim.campaign.plan import Campaign, Choice, Range, load_campaign
from safety_supervisor_sim.scenario import read_scenario

FILE = """
name: small
about: two kinds of entries
robot: panda
runs: 24
entries:
  - scenario: good_motion
    acts: [reset, start, stream to pick]
    weight: 2.0
    vary:
      acts.stream to pick.seconds: {low: 1.0, high: 3.0}
      poses.pick.0: {low: -0.5, high: 0.5}
      acts.stream to pick.order: {choices: [configured, shuffled]}
  - agent: pair
    about: a random one
    length: [1, 3]
    least: 0.2
    start: {panda_joint1: 0.0, panda_joint4: -2.356}
    goals: {panda_joint1: [-0.5, 0.5], panda_joint4: [-2.5, -2.0]}
    deeds:
      - acts: [{name: move, act: stream, goal: random, expect: {ends: goal}}]
        weight: 3.0
      - acts: [{name: bad, act: defective, defect: nan, expect: {verdicts: [REJECT]}}]
        vary: {bad.count: {low: 1, high: 3, whole: true}}
        rows: [1]
      - acts: [{name: dies, act: agent_dies, goal: random, expect: {ends: short}}]
        last: true
"""


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    file = tmp_path / "small.yaml"
    file.write_text(FILE, encoding="utf-8")
    return load_campaign(file)


def test_the_same_plan_draws_the_same_cases(campaign: Campaign, tmp_path: Path) -> None:
    first, second = draw(campaign, tmp_path), draw(campaign, tmp_path)
    assert [one.id for one in first] == [one.id for one in second]
    assert len({one.id for one in first}) == len(first) == 24
    assert {one.id for one in draw(campaign, tmp_path, seed=2)}.isdisjoint(one.id for one in first)


def test_everything_that_determines_a_run_is_in_its_id(campaign: Campaign, tmp_path: Path) -> None:
    one = draw(campaign, tmp_path)[0]
    assert len({one.id, replace(one, seed=one.seed + 1).id, replace(one, disabled="x").id}) == 3


def test_each_part_of_a_range_is_used_once(campaign: Campaign, tmp_path: Path) -> None:
    cases = [json.loads(one.parameters) for one in draw(campaign, tmp_path) if one.scenario == "good_motion"]
    assert len(cases) == 16
    seconds = np.array([one["acts.stream to pick.seconds"] for one in cases])
    assert sorted(np.floor((seconds - 1.0) / 2.0 * 16).astype(int)) == list(range(16))
    orders = [one["acts.stream to pick.order"] for one in cases]
    assert orders.count("shuffled") == 8


def test_a_latin_hypercube_has_one_point_in_each_part_of_each_dimension() -> None:
    points = latin(5, 40, [7, 1])
    assert all(sorted(np.floor(points[:, column] * 40).astype(int)) == list(range(40)) for column in range(5))


def test_every_scenario_is_valid_alone_and_says_what_was_drawn(campaign: Campaign, tmp_path: Path) -> None:
    for one in draw(campaign, tmp_path):
        scenario = read_scenario(Path("one"), one.text.encode())
        assert scenario.seed == one.seed
        if one.scenario == "good_motion":
            chosen = json.loads(one.parameters)
            (act,) = (act for act in scenario.acts if act.name == "stream to pick")
            assert act.act == "stream"
            assert act.seconds == chosen["acts.stream to pick.seconds"]
            pick = scenario.poses["pick"]
            assert isinstance(pick, list)
            assert pick[0] == chosen["poses.pick.0"]


def test_goals_of_an_agent_are_in_their_ranges_and_not_where_the_robot_is(campaign: Campaign, tmp_path: Path) -> None:
    entry = campaign.entries[1]
    for one in draw(campaign, tmp_path):
        if one.scenario != "pair":
            continue
        scenario = read_scenario(Path("one"), one.text.encode())
        before = {"panda_joint1": 0.0, "panda_joint4": -2.356}
        kinds = [act.act for act in scenario.acts]
        assert "agent_dies" not in kinds[:-1], "nothing follows on what is last"
        assert (1 in scenario.rows) == ("defective" in kinds)
        for act in scenario.acts:
            goal = scenario.poses.get(getattr(act, "goal", ""))
            if isinstance(goal, dict):
                assert all(low <= goal[joint] <= high for joint, (low, high) in entry.goals.items())  # type: ignore[union-attr]
                assert max(abs(goal[joint] - before[joint]) for joint in goal) >= 0.2
                before = goal


def test_runs_are_shared_out_by_weight_and_none_is_lost() -> None:
    assert shares([1.0, 1.0, 2.0], 8) == [2, 2, 4]
    assert shares([1.0, 1.0, 1.0], 8) == [3, 3, 2]
    assert sum(shares([0.3, 0.33, 5.0, 1e-6], 1001)) == 1001


def test_values_at_the_ends_of_a_range() -> None:
    assert [value_at(Range(low=1.0, high=3.0, whole=True), u) for u in (0.0, 0.34, 0.999999)] == [1, 2, 3]
    assert value_at(Range(low=1.0, high=3.0), 0.25) == 1.5
    assert [value_at(Choice(choices=["a", "b"]), u) for u in (0.0, 0.49, 0.5, 1.0)] == ["a", "a", "b", "b"]


def test_a_path_that_leads_nowhere_names_what_is_there() -> None:
    scenario = {"acts": [{"name": "go", "seconds": 1.0}], "poses": {"home": [0.0, 1.0]}}
    lay(scenario, "acts.go.seconds", 2.0)
    lay(scenario, "poses.home.1", 5.0)
    assert scenario == {"acts": [{"name": "go", "seconds": 2.0}], "poses": {"home": [0.0, 5.0]}}
    with pytest.raises(NoPlaceError, match=r"acts\.stop is not there; there is: go"):
        lay(scenario, "acts.stop.seconds", 2.0)
    with pytest.raises(NoPlaceError, match="there is: 0 to 1"):
        lay(scenario, "poses.home.2", 2.0)
