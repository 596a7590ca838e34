"""Sessions of agents: who may introduce himself, what he may command, and each way in which that ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from base_rig import BaseRig, with_base
from introductions import OTHER, Rigs, ask, introduce, introducing, named, publishers, signed, told
from judges import judge_replay
from rig import Rig, panda
from test_policy_gate import Listener, cel

from safety_supervisor.core.act_events import ToolChange
from safety_supervisor.core.agents.roll import SESSIONS_APART

MS = 1_000_000


def still(rig: Rig) -> None:
    """Nothing has moved, and nothing does."""
    before = rig.output
    rig.seconds(0.5)
    assert np.array_equal(rig.output, before)


@pytest.mark.requirement("SR-050")
@pytest.mark.redteam(19)
def test_without_a_session_nothing_is_forwarded_and_the_robot_is_not_stopped_for_it(panda_rigs: Rigs) -> None:
    rig = panda_rigs(introducing()).auto()
    rig.clear()
    ask(rig)
    for _ in range(100):
        rig.stream(rig.output)
        rig.cycle(2)
    still(rig)
    assert set(told(rig)) == {("REJECT", "E_SESSION_REQUIRED")}
    assert rig.state == "AUTO/HOLDING"
    assert rig.status.agents == "planner: no session"


def test_an_agent_that_has_introduced_itself_commands(panda_rigs: Rigs) -> None:
    rig = panda_rigs(introducing()).auto()
    rig.clear()
    epoch = rig.supervisor._state.epoch
    reply = introduce(rig)
    assert (reply.ok, reply.code) == (True, "")
    assert reply.message == "session: cell_policy 1.2.0, supervised; groups: arm"
    assert rig.supervisor._state.epoch == epoch + 1
    ask(rig)
    rig.seconds(1.5)
    assert told(rig) == [("PASS", ""), ("PASS", ""), ("PASS", "E_ENDED")]
    assert abs(rig.output[0] - rig.home[0] - 0.3) < 1e-9
    assert {(one.model, one.stage) for one in rig.decisions()} == {("cell_policy 1.2.0", "supervised")}
    assert rig.status.agents == "planner: cell_policy 1.2.0, supervised"


def test_the_others_need_none(panda_rigs: Rigs) -> None:
    rig = panda_rigs(introducing()).auto()
    velocity = np.zeros(7)
    velocity[0] = 0.1
    rig.jog(0.5, velocity)
    assert rig.output[0] > rig.home[0] + 0.02
    assert all(one.model == "" for one in rig.decisions())


@pytest.mark.redteam(19)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": "9.9.9"}, "E_SESSION_MODEL"),
        ({"model": "other"}, "E_SESSION_MODEL"),
        ({"sha256": OTHER}, "E_SESSION_MODEL"),
        ({"version": "0.9.0"}, "E_SESSION_REVOKED"),
        ({"contract": 2}, "E_SESSION_CONTRACT"),
        ({"contract": 0}, "E_SESSION_CONTRACT"),
        ({"groups": ("arm", "legs")}, "E_SESSION_GROUP"),
        ({"source": "joystick"}, "E_SESSION_MODEL"),
        ({"source": "nobody"}, "E_UNKNOWN_SOURCE"),
    ],
)
def test_who_may_not_introduce_himself_is_refused(panda_rigs: Rigs, changes: dict[str, Any], code: str) -> None:
    rig = panda_rigs(introducing()).auto()
    rig.clear()
    reply = introduce(rig, **changes)
    assert (reply.ok, reply.code) == (False, code)
    decision = named(rig, code)
    assert (decision.verdict, decision.source) == ("REJECT", changes.get("source", "planner"))
    ask(rig)
    still(rig)
    assert ("REJECT", "E_SESSION_REQUIRED") in told(rig)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": "9.9.9"}, ("9.9.9 is not listed", "planner has cell_policy 1.2.0", ". Introduce the agent")),
        ({"sha256": OTHER}, (f"not {OTHER[:8]}. Introduce",)),
        ({"contract": 2}, ("contract 2; this interface is 1. Read",)),
        ({"groups": ("arm", "legs")}, ("not legs; groups of planner: arm. Command",)),
    ],
)
def test_the_answer_says_what_was_seen_and_what_is_allowed(
    panda_rigs: Rigs, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    detail = introduce(panda_rigs(introducing()).auto(), **changes).message
    assert all(word in detail for word in words), detail


def test_a_source_without_models_takes_no_session(panda_rigs: Rigs) -> None:
    rig = panda_rigs().auto()
    assert introduce(rig).code == "E_SESSION_MODEL"
    ask(rig)
    rig.seconds(0.3)
    assert rig.state == "AUTO/MOVING", "it needs none"


def test_a_session_is_bound_to_exactly_one_publisher(panda_rigs: Rigs) -> None:
    rig = panda_rigs(introducing()).lock()
    assert introduce(rig).code == "E_SESSION_PUBLISHER"
    publishers(rig, 2)
    assert introduce(rig).code == "E_SOURCE_ENDPOINTS"
    publishers(rig, 1)
    assert introduce(rig).ok


def test_groups_beyond_the_session_are_refused(panda_rigs: Rigs) -> None:
    rig = panda_rigs(introducing()).auto()
    assert introduce(rig, groups=()).ok
    rig.clear()
    ask(rig)
    rig.stream(rig.output)
    still(rig)
    assert told(rig) == [("REJECT", "E_SESSION_GROUP")] * 2
    assert named(rig, "E_SESSION_GROUP").detail == "not arm"


@pytest.mark.requirement("SR-050")
@pytest.mark.requirement("SR-054")
@pytest.mark.parametrize(("count", "stops"), [(1, True), (2, True), (0, False)], ids=["replaced", "doubled", "lost"])
@pytest.mark.parametrize("streams", [False, True], ids=["trajectory", "stream"])
def test_it_ends_with_its_publisher_and_the_kept_stop_runs(
    panda_rigs: Rigs, count: int, stops: bool, streams: bool
) -> None:
    rig = panda_rigs(introducing()).auto()
    introduce(rig)
    if streams:
        stream(rig, 0.5)
    else:
        ask(rig, 0.6, 2.0)
        rig.seconds(0.5)
    assert rig.state == "AUTO/MOVING"
    rig.clear()
    publishers(rig, count)
    assert rig.state == ("STOPPING" if stops else "AUTO/HOLDING")
    ended = named(rig, "E_SESSION_ENDED")
    assert (ended.verdict, ended.source, ended.model) == ("STOP", "planner", "cell_policy 1.2.0")
    rig.seconds(1.0)
    still(rig)
    assert rig.output[0] < rig.home[0] + 0.45, "the motion did not go on to its end"
    assert rig.status.agents == "planner: no session"
    if not stops:
        publishers(rig, 1)
        ask(rig)
        rig.cycle(3)
        assert told(rig)[-1] == ("REJECT", "E_SESSION_REQUIRED"), "the same model has to introduce itself again"
        assert introduce(rig).ok
        ask(rig)
        rig.seconds(0.3)
        assert rig.state == "AUTO/MOVING"


def stream(rig: Rig, seconds: float, speed: float = 0.1) -> None:
    """Joint 1 at 100 Hz, with a speed that grows over 0.3 s."""
    target, start = rig.output.copy(), rig.now

    def each(i: int) -> None:
        if (rig.now - start) % (10 * MS) < rig.period:
            target[0] += 0.01 * speed * min(1.0, i * rig.period / 3e8)
            rig.stream(target)

    rig.seconds(seconds, each)


def test_a_restart_ends_every_session(panda_rigs: Rigs) -> None:
    first = panda_rigs(introducing()).auto()
    assert introduce(first).ok
    second = panda_rigs(introducing()).auto()
    ask(second)
    still(second)
    assert told(second)[-1] == ("REJECT", "E_SESSION_REQUIRED")


def test_another_model_of_the_same_publisher_ends_what_the_first_one_began(panda_rigs: Rigs) -> None:
    rig = panda_rigs(introducing()).auto()
    introduce(rig)
    epoch = rig.supervisor._state.epoch
    assert introduce(rig).ok
    assert rig.supervisor._state.epoch == epoch, "the same session goes on, and no act of a person grows old by it"
    assert introduce(rig, "1.3.0", OTHER).code == "E_SESSION_RATE"
    rig.seconds(SESSIONS_APART / 1e9)
    ask(rig, 0.6, 2.0)
    rig.seconds(0.5)
    rig.clear()
    assert introduce(rig, "1.3.0", OTHER).ok
    assert rig.state == "AUTO/HOLDING"
    assert told(rig)[0] == ("STOP", "E_SESSION_ENDED")
    assert rig.status.agents == "planner: cell_policy 1.3.0, autonomous"
    ask(rig)
    rig.seconds(1.0)
    assert ("PASS", "") in told(rig)


@pytest.mark.requirement("SR-013")
@pytest.mark.parametrize("person", ["p_technician", "p_safety_officer"])
def test_a_person_cuts_a_source_off_at_once(panda_rigs: Rigs, person: str) -> None:
    rig = panda_rigs(introducing()).auto()
    introduce(rig)
    ask(rig, 0.6, 2.0, frame_id="cid:first")
    rig.seconds(0.4)
    # One that waits to begin when the first has ended.
    later = rig.home.copy()
    later[0] += 0.3
    rig.trajectory(
        [1.0], later[None, :], rig.rest, rig.rest, frame_id="cid:second", stamp=rig.now + 1_900 * MS, clock=rig.now
    )
    rig.seconds(0.2)
    ask(rig, 0.1, 1.0, frame_id="cid:third")
    rig.clear()
    reply = signed(rig, "revoke", "planner", person, epoch=0, reason="it hums")
    assert reply.ok, reply
    assert rig.state == "AUTO/HOLDING"
    rig.cycle(2)
    ends = {(one.command, one.verdict, one.code) for one in rig.decisions() if one.code == "E_SESSION_REVOKED"}
    assert {("first", "STOP", "E_SESSION_REVOKED"), ("third", "REJECT", "E_SESSION_REVOKED")} <= ends
    assert named(rig, "E_SESSION_REVOKED").model == "cell_policy 1.2.0"
    assert any(one.detail == f"by {person}: it hums" for one in rig.decisions())
    rig.seconds(1.0)
    still(rig)
    ask(rig)
    rig.cycle(3)
    assert told(rig)[-1] == ("REJECT", "E_QUARANTINED")
    assert introduce(rig).code == "E_QUARANTINED"
    assert rig.status.quarantined == ("planner",)
    rig.act("mode", "auto")
    rig.until("LOCKED")
    assert rig.act("reset").ok
    assert rig.act("start", "auto").ok
    ask(rig)
    rig.cycle(3)
    assert told(rig)[-1] == ("REJECT", "E_SESSION_REQUIRED"), "the reset lifts the quarantine, not the revocation"
    assert introduce(rig).ok
    ask(rig)
    rig.seconds(0.3)
    assert rig.state == "AUTO/MOVING"
    assert rig.status.quarantined == ()


def test_a_source_without_sessions_can_be_cut_off_too(panda_rigs: Rigs) -> None:
    people = introducing().operators
    rig = panda_rigs(panda(operators=people)).auto()
    rig.move()
    assert signed(rig, "revoke", "planner").ok
    assert rig.state == "AUTO/HOLDING"
    rig.seconds(1.0)
    ask(rig)
    rig.cycle(3)
    assert told(rig)[-1] == ("REJECT", "E_QUARANTINED")


@pytest.mark.parametrize(
    ("target", "person", "code"),
    [("planner", "p_operator", "E_ACT_ROLE"), ("planner", "p_maintainer", "E_ACT_ROLE"),
     ("planner", "p_viewer", "E_ACT_ROLE"), ("joystick", "p_technician", "E_ACT_TARGET"),
     ("nobody", "p_technician", "E_ACT_TARGET"), ("planner shadow", "p_technician", "E_ACT_TARGET")],
)  # fmt: skip
def test_who_may_not_revoke(panda_rigs: Rigs, target: str, person: str, code: str) -> None:
    rig = panda_rigs(introducing()).auto()
    introduce(rig)
    assert signed(rig, "revoke", target, person).code == code
    ask(rig)
    rig.seconds(0.3)
    assert rig.state == "AUTO/MOVING"


def test_a_tool_needs_a_session_too(panda_rigs: Rigs) -> None:
    rig = panda_rigs(introducing()).auto()
    rig.send(ToolChange(rig.now, "planner", "", "r", "jti"))
    assert told(rig)[-1] == ("REJECT", "E_SESSION_REQUIRED")


def test_model_and_stage_are_facts_of_the_policy(panda_rigs: Rigs) -> None:
    listener = Listener(cel('stage == "autonomous" ? allow : deny("E_POLICY_LATER")'))
    rig = panda_rigs(introducing(configuration=panda(policy=listener))).auto()
    introduce(rig)
    ask(rig)
    rig.cycle(40)
    assert told(rig)[-1] == ("REJECT", "E_POLICY_LATER")
    facts = listener.asked[-1]
    assert (facts["model"], facts["model_version"], facts["stage"]) == ("cell_policy", "1.2.0", "supervised")
    rig.stream(rig.home, source="joystick", velocity=True)
    assert (listener.asked[-1]["model"], listener.asked[-1]["stage"]) == ("", "")
    rig.seconds(11.0)
    introduce(rig, "1.3.0", OTHER)
    ask(rig)
    rig.seconds(0.3)
    assert rig.state == "AUTO/MOVING"


def test_a_base_is_driven_by_who_has_introduced_himself() -> None:
    rig = BaseRig(introducing(configuration=with_base()))
    rig.auto()
    rig.keep_driving(0.5, 0.3)
    assert rig.place[0] == 0.0
    assert ("REJECT", "E_SESSION_REQUIRED") in told(rig)
    assert introduce(rig, groups=()).ok
    rig.keep_driving(1.0, 0.3)
    assert rig.place[0] > 0.1
    publishers(rig, 0)
    assert rig.state == "AUTO/HOLDING"
    rig.keep_driving(1.5, 0.3)
    assert rig.twist == (0.0, 0.0, 0.0)
    assert rig.place[0] < 0.5
    judge_replay(rig)


def test_what_came_before_the_session_is_not_its_own(panda_rigs: Rigs) -> None:
    """The next agent does not answer for what the one before had sent: a trajectory may have been in the decoder."""
    rig = panda_rigs(introducing()).auto()
    rig.cycle(2)
    early = rig.now
    rig.cycle(2)
    assert introduce(rig).ok
    rig.clear()
    ask(rig, received=early)
    rig.stream(rig.output, received=early)
    still(rig)
    assert told(rig) == [("REJECT", "E_PURGED")] * 2
    ask(rig, received=rig.now)
    rig.seconds(0.3)
    assert rig.state == "AUTO/MOVING"
