"""What is found gets small, and still shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from safety_supervisor_sim.falsify.shrink import shrink

SCENARIO: dict[str, Any] = {
    "name": "big",
    "poses": {"home": [0.0, 0.123456], "far": [1.234567, -0.654321], "unused": [0.5, 0.5]},
    "acts": [
        {"name": name, "act": "stream", "goal": "far", "seconds": 1.23456, "expect": {"rest_after": 0.54321}}
        for name in ("a", "b", "guilty", "c", "d", "e")
    ],
    "faults": [
        {"fault": "noise", "act": "a", "begin": 0.111111, "position": 0.01},
        {"fault": "noise", "act": "guilty", "begin": 0.222222, "position": 0.333333},
        {"fault": "drop", "act": "e", "begin": 0.3, "share": 0.5},
    ],
    "people": [{"name": "ada", "act": "b", "way": [[1.5, 2.5]]}],
}


def shows(scenario: dict[str, Any]) -> bool:
    """It takes the guilty act, a fault during it that is loud enough, and a pose that is far enough."""
    acts = {act["name"] for act in scenario["acts"]}
    loud = any(fault["act"] == "guilty" and fault.get("position", 0.0) > 0.3 for fault in scenario["faults"])
    dangling = any(fault["act"] not in acts for fault in scenario["faults"])
    return "guilty" in acts and loud and not dangling and scenario["poses"].get("far", [0.0])[0] > 1.21


def asked(log: list[int]) -> Any:
    def ask(several: Sequence[dict[str, Any]]) -> list[bool]:
        log.append(len(several))
        return [shows(one) for one in several]

    return ask


def test_what_is_not_needed_goes_and_numbers_become_simple() -> None:
    log: list[int] = []
    small = shrink(SCENARIO, asked(log), 400)
    assert shows(small.scenario)
    assert [act["name"] for act in small.scenario["acts"]] == ["guilty"]
    assert [fault["act"] for fault in small.scenario["faults"]] == ["guilty"]
    assert small.scenario["people"] == []
    assert set(small.scenario["poses"]) == {"far"}
    assert small.scenario["poses"]["far"] == [1.23, -1.0]
    assert small.scenario["faults"][0] == {"fault": "noise", "act": "guilty", "begin": 0.0, "position": 0.33}
    assert small.scenario["acts"][0]["seconds"] == 1.0
    assert small.scenario["acts"][0]["expect"] == {"rest_after": 0.54321}
    assert small.runs == sum(log)


def test_what_is_asked_at_once_changes_nothing() -> None:
    one, four = (shrink(SCENARIO, asked([]), 400, at_once=count).scenario for count in (1, 4))
    assert one == four


def test_the_budget_holds_and_the_scenario_that_came_is_not_changed() -> None:
    log: list[int] = []
    before = repr(SCENARIO)
    small = shrink(SCENARIO, asked(log), 5)
    assert sum(log) <= 5
    assert shows(small.scenario)
    assert repr(SCENARIO) == before


def test_nothing_that_is_needed_goes() -> None:
    small = shrink(SCENARIO, lambda several: [False for _ in several], 400)
    assert small.scenario == SCENARIO
