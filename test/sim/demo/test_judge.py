"""The judge: fabricated runs, each wrong in one way, each turned red for that reason and no other."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from safety_supervisor_sim.demo.judge import Replayed, Run, judge
from safety_supervisor_sim.demo.unchanged import Arrival
from safety_supervisor_sim.scenario import DefectiveInMotion, Expect, Stream, Technician

GOOD_ARRIVAL = Arrival(checked=100, missing=0, max_error=1e-15, max_time_error=1e-5, off_beat=0)
ACTS = [
    Stream(
        act="stream",
        name="good",
        goal="pick",
        expect=Expect(
            verdicts=["PASS"], through=["AUTO/MOVING"], state=["AUTO/HOLDING"], moved="yes", ends="goal", unchanged=True
        ),
    ),
    DefectiveInMotion(
        act="defective_in_motion",
        name="bad",
        goal="home",
        defect="nan",
        expect=Expect(
            verdicts=["REJECT"],
            codes=["E_NOT_FINITE"],
            state=["AUTO/HOLDING"],
            moved="yes",
            ends="short",
            rest_after=0.5,
            moved_after=0.2,
        ),
    ),
    Technician(act="technician", name="reset", calls=["reset"], expect=Expect(replies="accepted", moved="no")),
]


def record(name: str, **changes: Any) -> dict[str, Any]:
    base = {
        "name": name,
        "worst": {"position": {"margin": 0.4}},
        "moved": True,
        "farthest": [0.5, 0.1],
        "end_pose": [0.5, 0.1],
        "rest_after": 1.0,
    }
    return base | changes


def good_run() -> dict[str, Any]:
    """Everything as expected; a run is built from it after it was spoilt."""
    heard = {"decisions": [], "causes": [], "replies": [], "states": ["AUTO/HOLDING"], "state": "AUTO/HOLDING"}
    return {
        "results": [
            heard
            | {
                "name": "good",
                "decisions": [{"verdict": "PASS", "code": ""}, {"verdict": "STOP", "code": "E_LATE"}],
                "states": ["AUTO/HOLDING", "AUTO/MOVING", "AUTO/HOLDING"],
                "facts": {"start": [0.0, 0.0], "goal": [0.5, 0.1]},
            },
            heard
            | {
                "name": "bad",
                "decisions": [{"verdict": "REJECT", "code": "E_NOT_FINITE", "count": "3"}],
                "facts": {"start": [0.5, 0.1], "goal": [0.0, 0.0]},
            },
            heard | {"name": "reset", "replies": [{"service": "reset", "ok": True, "message": ""}], "facts": {}},
        ],
        "oracle": {
            "samples": 1000,
            "violations": [],
            "violations_dropped": 0,
            "acts": [
                record("good"),
                record("bad", end_pose=[0.3, 0.1]),
                record("bad / after", farthest=[0.1, 0.0], end_pose=[0.25, 0.1], rest_after=0.3),
                record("reset", moved=False, farthest=[0.0, 0.0]),
            ],
        },
        "arrivals": {"good": GOOD_ARRIVAL},
        "replayed": Replayed(1000, True),
        "failures": [],
    }


def reasons(parts: dict[str, Any]) -> list[str]:
    verdict = judge(Run(acts=ACTS, **parts))
    found = [*verdict.reasons, *(f"{act.name}: {reason}" for act in verdict.acts for reason in act.reasons)]
    assert verdict.ok is not bool(found)
    return found


def test_a_good_run_is_good() -> None:
    assert reasons(good_run()) == []


@pytest.mark.requirement("SR-054")
@pytest.mark.parametrize(
    ("code", "late_stops", "found"),
    [
        ("E_JERK_LIMIT", 1, []),
        ("E_JERK_LIMIT", 0, ["good: unexpected E_JERK_LIMIT E_OVERRUN"]),
        ("E_POSITION_LIMIT", 1, ["good: unexpected E_POSITION_LIMIT"]),
    ],
)
def test_a_good_motion_that_lateness_stopped_may_begin_again(code: str, late_stops: int, found: list[str]) -> None:
    parts = good_run()
    good = parts["results"][0]
    good["decisions"] += [{"verdict": "STOP", "code": "E_OVERRUN"}, {"verdict": "REJECT", "code": code}]
    good["facts"]["late_stops"] = late_stops
    assert reasons(parts) == found


def test_nothing_played_is_not_good() -> None:
    assert not judge(Run([], [], {"samples": 1}, {}, Replayed(1, True))).ok


VIOLATION = {"act": "good", "kind": "position", "item": "joint1", "value": 3.0}
SPOILT: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("act not played", lambda r: r["results"].pop(2), "reset: it was not played"),
    ("verdict missing", lambda r: r["results"][0]["decisions"].pop(0), "good: no verdict PASS"),
    (
        "unexpected refusal",
        lambda r: r["results"][0]["decisions"].append({"verdict": "REJECT", "code": "E_JERK_LIMIT"}),
        "good: unexpected E_JERK_LIMIT",
    ),
    ("state after", lambda r: r["results"][0].update(state="LOCKED"), "good: state LOCKED, not AUTO/HOLDING"),
    ("state on the way", lambda r: r["results"][0].update(states=["AUTO/HOLDING"]), "good: never in AUTO/MOVING"),
    (
        "service refused",
        lambda r: r["results"][2]["replies"][0].update(ok=False, message="E_ACT_CAUSE"),
        "reset: reset was refused: E_ACT_CAUSE",
    ),
    ("service not called", lambda r: r["results"][2]["replies"].clear(), "reset: no service was called"),
    ("robot did not move", lambda r: r["oracle"]["acts"][0].update(moved=False), "good: the robot did not move"),
    ("robot moved", lambda r: r["oracle"]["acts"][3].update(moved=True), "reset: the robot moved"),
    (
        "goal not reached",
        lambda r: r["oracle"]["acts"][0].update(end_pose=[0.4, 0.1]),
        "good: it ended 0.1 rad from its goal",
    ),
    (
        "end not finite",
        lambda r: r["oracle"]["acts"][0].update(end_pose=[float("nan"), 0.1]),
        "good: it ended nan rad from its goal",
    ),
    (
        "bad motion reached its goal",
        lambda r: r["oracle"]["acts"][2].update(end_pose=[0.0, 0.01]),
        "bad: it reached the goal all the same",
    ),
    (
        "moved on after the fault",
        lambda r: r["oracle"]["acts"][2].update(farthest=[0.3, 0.0]),
        "bad: it moved 0.3 rad after the fault, more than 0.2",
    ),
    (
        "rested too late",
        lambda r: r["oracle"]["acts"][2].update(rest_after=0.8),
        "bad: it rested 0.80 s after the fault, not within 0.50 s",
    ),
    (
        "never rested",
        lambda r: r["oracle"]["acts"][2].update(rest_after=None),
        "bad: it still moves, not within 0.50 s",
    ),
    (
        "no record of the fault",
        lambda r: r["oracle"]["acts"].pop(2),
        "bad: the oracle has no record of what came after the fault",
    ),
    ("no record at all", lambda r: r["oracle"]["acts"].pop(0), "good: the oracle has no record of it"),
    (
        "a set-point is missing",
        lambda r: r["arrivals"].update(good=Arrival(100, 1, 2e-9, 0.0, 0)),
        "good: 1 of 100 set-points did not arrive: up to 2e-09 rad off",
    ),
    (
        "a set-point at another time",
        lambda r: r["arrivals"].update(good=Arrival(100, 0, 0.0, 0.004, 2)),
        "good: 2 set-points arrived up to 0.004 s off their time",
    ),
    (
        "a message that nobody decided",
        lambda r: r["arrivals"].update(good=replace(GOOD_ARRIVAL, doubt="1 of 250 messages is no decided set-point")),
        "good: 1 of 250 messages is no decided set-point",
    ),
    (
        "nothing to check",
        lambda r: r["arrivals"].update(good=Arrival(0, 0, 0.0, 0.0, 0)),
        "good: no set-point could be checked",
    ),
    ("not checked", lambda r: r["arrivals"].clear(), "good: whether it arrived unchanged is not known"),
    (
        "replay differs",
        lambda r: r.update(replayed=Replayed(10, False, "event 3")),
        "the replay of the event log differs: event 3",
    ),
    ("no log", lambda r: r.update(replayed=None), "there is no event log to replay"),
    ("oracle is blind", lambda r: r["oracle"].update(samples=0), "the oracle saw no motion at all: it has no samples"),
    ("oracle dropped breaches", lambda r: r["oracle"].update(violations_dropped=3), "the oracle saw 3 limits passed: "),
    ("a process ended", lambda r: r["failures"].append("cell ended with status 1"), "cell ended with status 1"),
]


@pytest.mark.parametrize(("spoil", "reason"), [row[1:] for row in SPOILT], ids=[row[0] for row in SPOILT])
def test_each_fault_turns_the_run_red_for_its_own_reason(spoil: Callable[[dict[str, Any]], Any], reason: str) -> None:
    parts = copy.deepcopy(good_run())
    spoil(parts)
    assert reasons(parts) == [reason]


def test_the_code_that_is_expected_has_to_be_heard() -> None:
    parts = good_run()
    parts["results"][1]["decisions"][0]["code"] = "E_JERK_LIMIT"
    assert reasons(parts) == ["bad: none of E_NOT_FINITE", "bad: unexpected E_JERK_LIMIT"]


def test_the_cause_of_a_stop_counts_as_heard() -> None:
    parts = good_run()
    parts["results"][1]["decisions"][0]["code"] = ""
    parts["results"][1]["causes"] = ["E_NOT_FINITE"]
    assert reasons(parts) == []


def test_a_limit_that_the_oracle_saw_passed_is_told_for_the_run_and_its_act() -> None:
    parts = good_run()
    parts["oracle"]["violations"].append(VIOLATION)
    assert reasons(parts) == [
        "the oracle saw 1 limits passed: position joint1",
        "good: the oracle saw position of joint1 passed: 3",
    ]


def test_a_limit_passed_between_the_acts_counts_too() -> None:
    parts = good_run()
    parts["oracle"]["violations"].append(VIOLATION | {"act": "start"})
    assert reasons(parts) == ["the oracle saw 1 limits passed: position joint1"]


def test_without_any_report_every_act_is_red() -> None:
    verdict = judge(Run(ACTS, [], {}, {}, None, ["agent: no report"]))
    assert not any(act.ok for act in verdict.acts)
    assert "agent: no report" in verdict.reasons
