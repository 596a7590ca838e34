"""Goals in the control process, beside the real core: whose they are, and what ends them."""

from __future__ import annotations

import msgspec
import pytest
from approvals import asking, decide, requests
from goal_bench import ID, OTHER, THIRD, GoalBench

from safety_supervisor.core.intake.intake import _CORRELATION
from safety_supervisor.ros.decoder import decode
from safety_supervisor.ros.frames import DecodeRequest
from safety_supervisor.ros.goals.frames import (
    Began,
    CancelRequested,
    GoalReceived,
    GoalRefused,
    Progress,
    Proof,
)
from safety_supervisor.ros.goals.tolerance import Tolerance

LEASE = 500_000_000
TIGHT = (Tolerance("panda_joint1", 1e-3, 0.0),)
"""A robot that is measured two cycles late is farther off than that in the middle of the way, and nearer at rest."""


@pytest.mark.requirement("SR-024")
@pytest.mark.redteam(30)
def test_the_same_id_of_two_sources_is_two_goals(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = GoalBench(monkeypatch)
    planner, chief = bench.gates["planner"], bench.gates["chief"]
    assert (planner.name, chief.name) == ("/s_actions_planner", "/s_actions_chief")
    bench.offer("planner", bench.goal(ID, 0.3, 1.0))
    assert planner.told[0] == Began(ID)
    chief.say(GoalRefused(ID, "E_GOAL", 0.0, 0.0, "no"))
    bench.cycle(2)
    chief.say(CancelRequested(ID))
    bench.cycle(2)
    assert chief.ended == [(ID, "aborted", -1)]
    assert planner.ended == []
    bench.seconds(1.0)
    assert planner.ended == [(ID, "succeeded", 0)]
    assert bench.travel == pytest.approx(0.3)
    assert bench.told(ID) == [("planner", "PASS", ""), ("chief", "REJECT", "E_GOAL"), ("planner", "PASS", "E_ENDED")]


@pytest.mark.requirement("SR-024")
@pytest.mark.redteam(30)
def test_a_message_that_calls_itself_by_a_goals_id_tells_nothing_of_the_goal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _CORRELATION.fullmatch(f"cid:{ID}") is None
    bench = GoalBench(monkeypatch)
    data = bench.goal(ID, 0.2, 0.5).data
    message = decode(DecodeRequest(1, "planner", bench.now, 1000, data))
    bench.send(msgspec.structs.replace(message, at=bench.now, frame_id=f"cid:{ID}"))
    bench.offer("planner", bench.goal(ID, 0.3, 1.0, ahead=1_500_000_000))
    bench.seconds(0.8)  # the message's motion ends, the goal's waits
    assert bench.told(ID) == [("planner", "PASS", "")]
    assert bench.gates["planner"].ended == []
    bench.seconds(2.0)
    assert bench.gates["planner"].ended == [(ID, "succeeded", 0)]


def test_a_goals_header_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = GoalBench(monkeypatch)
    event = decode(DecodeRequest(1, "planner", 0, 1000, bench.goal(ID).data, ID))
    assert (event.command, event.frame_id) == (ID, "")


@pytest.mark.requirement("SR-022")
@pytest.mark.parametrize("act", ["approve", "deny", "cancel"])
def test_a_goal_that_waits_for_people_is_told_its_end(monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    bench = GoalBench(monkeypatch, shipped=asking())
    bench.offer("planner", bench.goal(ID, 0.3, 1.0))
    bench.seconds(2.0)
    gate = bench.gates["planner"]
    assert [(decision.command, decision.verdict) for decision in bench.decisions()][-1] == (ID, "WAIT")
    assert gate.told == [], "neither begun nor ended"
    (asked,) = requests(bench)
    if act == "cancel":
        gate.say(CancelRequested(ID))
    else:
        assert decide(bench, asked, act).ok
    bench.seconds(2.0)
    outcome = {"approve": "succeeded", "deny": "aborted", "cancel": "canceled"}[act]
    assert [end[:2] for end in gate.ended] == [(ID, outcome)]
    assert bench.travel == pytest.approx(0.3 if act == "approve" else 0.0)


@pytest.mark.redteam(56)
@pytest.mark.parametrize("lease", [None, LEASE])
def test_a_lost_gate_ends_what_its_goals_play(monkeypatch: pytest.MonkeyPatch, lease: int | None) -> None:
    bench = GoalBench(monkeypatch, lease)
    bench.offer("planner", bench.goal(ID), bench.goal(OTHER, 0.5, 1.0, ahead=1_800_000_000))
    bench.seconds(0.3)
    assert bench.state == "AUTO/MOVING"
    bench.gates["planner"].dead = True
    bench.cycle(2)
    assert bench.told(ID)[-1] == ("planner", "STOP", "E_SOURCE_DIED")
    assert bench.told(OTHER)[-1] == ("planner", "STOP", "E_SOURCE_DIED")
    bench.until("AUTO/HOLDING")
    bench.seconds(0.5)
    assert bench.rests()
    assert bench.travel < 0.4
    assert bench.goals is not None
    assert bench.goals.text == "planner is down"


@pytest.mark.redteam(56)
@pytest.mark.parametrize("lease", [None, LEASE])
@pytest.mark.parametrize("stage", ["strange", "decoded", "verified"])
def test_a_lost_gate_takes_along_what_has_not_begun(
    monkeypatch: pytest.MonkeyPatch, lease: int | None, stage: str
) -> None:
    bench = GoalBench(monkeypatch, lease)
    gate = bench.gates["planner"]
    gate.say(Proof(bench.now), bench.goal(ID))
    if stage != "strange":
        bench.cycle()
    if stage == "verified":
        bench.decode()
        assert bench.told(ID) == []
    gate.dead = True
    bench.cycle()
    bench.decode()
    bench.seconds(0.5)
    assert bench.travel == 0.0
    assert ("planner", "PASS", "") not in bench.told(ID)


@pytest.mark.redteam(56)
def test_a_frozen_gate_is_lost_where_nobody_proves_life(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = GoalBench(monkeypatch)
    gate = bench.gates["planner"]
    bench.offer("planner", bench.goal(ID, 0.6, 8.0))
    bench.seconds(3.0)
    assert bench.told(ID) == [("planner", "PASS", "")]
    gate.frozen = True
    bench.seconds(1.9)
    assert bench.state == "AUTO/MOVING"
    bench.seconds(0.7)
    assert bench.told(ID)[-1] == ("planner", "STOP", "E_SOURCE_DIED")
    assert bench.state == "AUTO/HOLDING"
    assert gate.pid is None


def test_a_lost_gate_stops_no_other_source(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = GoalBench(monkeypatch)
    bench.offer("chief", bench.goal(ID, 0.3, 1.0))
    bench.gates["planner"].dead = True
    bench.seconds(1.2)
    assert bench.gates["chief"].ended == [(ID, "succeeded", 0)]


def test_a_lost_gate_whose_goals_have_ended_stops_no_message_of_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = GoalBench(monkeypatch)
    bench.move()
    bench.gates["planner"].dead = True
    bench.seconds(2.0)
    assert bench.travel == pytest.approx(0.6)


def test_a_gate_that_speaks_nonsense_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = GoalBench(monkeypatch)
    bench.offer("planner", bench.goal(ID))
    bench.gates["planner"].frames.append(b"\xc1 nonsense")
    bench.cycle(2)
    assert bench.gates["planner"].pid is None
    assert bench.told(ID)[-1] == ("planner", "STOP", "E_SOURCE_DIED")


def test_one_gate_a_cycle_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = GoalBench(monkeypatch)
    gates = bench.gates.values()
    for gate in gates:
        gate.dead = True
    bench.cycle(3)
    assert sum(gate.starts for gate in gates) == 2
    bench.may_restart = True
    bench.cycle()
    assert sum(gate.starts for gate in gates) == 3
    bench.cycle()
    assert sum(gate.starts for gate in gates) == 4
    bench.cycle(5)
    assert sum(gate.starts for gate in gates) == 4


@pytest.mark.redteam(30)
def test_a_client_that_is_not_introduced_keeps_no_other_source_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    all_unknown = False

    def introduced(source: str) -> bool:
        asked.append(source)
        return source != "planner" and not all_unknown

    bench = GoalBench(monkeypatch, LEASE, introduced)
    bench.gates["planner"].say(bench.goal(ID))
    bench.cycle()
    bench.offer("chief", bench.goal(OTHER, 0.3, 1.0))
    assert bench.told(OTHER) == [("chief", "PASS", "")]
    assert bench.told(ID) == []
    bench.seconds(5.0)
    assert bench.told(ID) == [("planner", "REJECT", "E_SOURCE_NOT_ALIVE")]
    assert 200 <= asked.count("planner") <= 260, "the graph is not looked at in every one of 1,250 cycles"
    # Who has waived liveliness plays in the end though he is not known.
    all_unknown = True
    bench.gates["chief"].say(bench.goal(THIRD, 0.3, 1.0))
    bench.seconds(0.9)
    assert bench.told(THIRD) == []
    assert not bench.decoder.waiting
    bench.seconds(0.2)
    assert len(bench.decoder.waiting) == 1
    bench.decode()
    bench.cycle(25)
    assert bench.told(THIRD)[0] == ("chief", "PASS", "")


@pytest.mark.requirement("SR-031")
def test_a_goal_that_waits_to_begin_is_not_judged_by_the_motion_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = GoalBench(monkeypatch)
    gate = bench.gates["planner"]
    later: GoalReceived = bench.goal(OTHER, 0.2, 1.0, ahead=1_500_000_000, path=TIGHT)
    bench.offer("planner", bench.goal(ID, 0.4, 1.0), later)
    bench.seconds(1.0)
    assert gate.ended == [(ID, "succeeded", 0)]
    assert bench.told(OTHER) == [("planner", "PASS", "")]
    bench.seconds(1.5)
    assert gate.ended == [(ID, "succeeded", 0), (OTHER, "aborted", -4)]
    assert bench.told(OTHER)[-1] == ("planner", "STOP", "E_PATH_TOLERANCE")
    assert bench.travel > 0.2


@pytest.mark.requirement("SR-031")
def test_a_path_tolerance_that_the_last_set_point_passes_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended_after(cycles: int) -> tuple[list[tuple[str, str, int]], int]:
        bench = GoalBench(monkeypatch)
        bench.offer("planner", bench.goal(ID, 0.3, 1.0, path=(Tolerance("panda_joint1", 0.02, 0.0),)))
        count = 0
        while not bench.gates["planner"].ended and count < 500:
            count += 1
            if count == cycles:
                bench.offset[0] = 0.03
            bench.cycle()
        return bench.gates["planner"].ended, count

    ended, last = ended_after(0)
    assert ended == [(ID, "succeeded", 0)]
    assert ended_after(last)[0] == [(ID, "aborted", -4)]


def test_feedback_names_the_goal_and_its_joints(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = GoalBench(monkeypatch)
    bench.offer("planner", bench.goal(ID))
    bench.seconds(0.5)
    shown = [one for one in bench.gates["planner"].told if isinstance(one, Progress)]
    assert len(shown) >= 4
    assert {one.goal for one in shown} == {ID}
    assert len(shown[0].desired[0]) == len(shown[0].actual[0]) == len(shown[0].joints) == 7
