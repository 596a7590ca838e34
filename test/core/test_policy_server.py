"""A policy server behind the core: nothing moves by an answer that is missing, old, wrong or for other facts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from base_rig import BaseRig, with_base
from crowd import Perception, standing, watched
from rig import Rig, panda
from test_policy_gate import ask, go_on, told

from safety_supervisor.core.effects import Effect, PolicyQuestion
from safety_supervisor.core.events import PolicyAnswer
from safety_supervisor.core.policy.facts import FACTS
from safety_supervisor.core.policy.server import MOST_HELD, MOST_OPEN, AskedPolicy, PolicyServer
from safety_supervisor.core.policy.verdict import Allow, Approve, Unanswered, Unjudged

MS = 1_000_000
ALL = tuple(sorted(FACTS))
STATIC = ("groups", "kind", "mode", "source", "verb")
SERVER = PolicyServer(
    "http://127.0.0.1:8181/v1/data/robot/verdict", 200 * MS, {"E_POLICY_LATER": "not now"},
    {"zone": Approve("zone", 2, 30)}, ALL,
)  # fmt: skip


@dataclass
class Answers:
    """A server's answers, given some time after each question; None: none."""

    rig: Rig
    says: Callable[[dict[str, Any]], str | None] = lambda facts: "allow"
    delay: int = 10 * MS
    asked: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[tuple[int, PolicyAnswer]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._send, self.rig.send = self.rig.send, self.send  # type: ignore[method-assign]

    def send(self, event: Any) -> tuple[Effect, ...]:
        while self.waiting and self.waiting[0][0] <= event.at:
            due, answer = self.waiting.pop(0)
            self._handle(replace_at(answer, max(due, self.rig.now - self.rig.period)))
        return self._handle(event)

    def _handle(self, event: Any) -> tuple[Effect, ...]:
        effects = self._send(event)
        for effect in effects:
            if isinstance(effect, PolicyQuestion):
                facts = json.loads(effect.facts)
                self.asked.append(facts)
                said = self.says(facts)
                if said is not None:
                    bad = said.startswith("!")
                    answer = PolicyAnswer(0, effect.number, "" if bad else said, said[1:] if bad else "")
                    self.waiting.append((effect.at + self.delay, answer))
        return effects


def replace_at(answer: PolicyAnswer, at: int) -> PolicyAnswer:
    return PolicyAnswer(at, answer.number, answer.verdict, answer.error)


def served(rig: Rig, **changes: Any) -> Answers:
    answers = Answers(rig, **changes)
    rig.auto()
    rig.clear()
    return answers


def server(**changes: Any) -> PolicyServer:
    return replace(SERVER, **changes)


Rigs = Callable[..., Rig]


def test_a_goal_waits_for_its_answer_and_moves_as_without_a_policy(panda_rigs: Rigs) -> None:
    plain = panda_rigs(panda()).auto()
    ask(plain)
    plain.seconds(1.6)
    rig = panda_rigs(panda(policy=SERVER))
    answers = served(rig, delay=50 * MS)
    before = rig.output
    ask(rig)
    rig.seconds(0.05)
    assert (rig.decisions(), list(rig.output)) == ([], list(before)), "it is asked about"
    rig.seconds(1.5)
    assert told(rig) == [("PASS", ""), ("PASS", "E_ENDED")]
    assert rig.decisions()[0].detail == "policy: allow"
    assert np.allclose(rig.output, plain.output, rtol=0.0, atol=1e-12)
    assert set(answers.asked[0]) == set(FACTS)
    assert answers.asked[0]["groups"] == ["arm"]
    assert {one["state"] for one in answers.asked} == {"AUTO/HOLDING", "AUTO/MOVING"}
    assert len(answers.asked) < 20, "twice a second for what it may become, and not once a cycle"


@pytest.mark.parametrize(
    ("says", "code", "detail"),
    [
        ('deny("E_POLICY_LATER")', "E_POLICY_LATER", 'deny("E_POLICY_LATER"): not now'),
        ('approve("zone")', "E_APPROVAL_REQUIRED", 'approve("zone", 2, 30): 2 people'),
        (None, "E_POLICY_SERVER", "no answer within 0.2 s"),
        ("!connection refused", "E_POLICY_SERVER", "connection refused"),
        ("", "E_POLICY_SERVER", "'' is no verdict"),
        ("Allow", "E_POLICY_SERVER", "'Allow' is no verdict"),
        ("allow ", "E_POLICY_SERVER", "is no verdict"),
        ('deny("E_POLICY_OTHER")', "E_POLICY_SERVER", "is no verdict"),
        ('approve("other")', "E_POLICY_SERVER", "is no verdict"),
        ("\u202e" * 1000, "E_POLICY_SERVER", "'\\u202e"),
    ],
)
@pytest.mark.redteam(37)
@pytest.mark.requirement("SR-036")
def test_what_is_not_allowed_is_refused_and_nothing_moves(
    panda_rigs: Rigs, says: str | None, code: str, detail: str
) -> None:
    rig = panda_rigs(panda(policy=SERVER))
    served(rig, says=lambda facts: says)
    before = rig.output
    ask(rig)
    rig.seconds(0.5)
    (decision,) = rig.decisions()
    assert (decision.verdict, decision.code) == ("REJECT", code)
    assert decision.detail.startswith(detail) or detail in decision.detail
    assert decision.detail.isascii()
    go_on(rig, 2.5)
    assert {one[0] for one in told(rig)} == {"REJECT"}
    assert np.array_equal(rig.output, before)
    if code == "E_POLICY_LATER":
        assert rig.state != "AUTO/HOLDING", "who goes on asking for what is denied is stopped as any other"
    else:
        assert rig.state == "AUTO/HOLDING", "no source answers for the server, or for people"


def test_a_stream_is_refused_until_the_answer_is_there_and_then_passes(panda_rigs: Rigs) -> None:
    rig = panda_rigs(panda(policy=SERVER))
    answers = served(rig, delay=30 * MS)
    go_on(rig, 0.1, speed=0.0)  # where it stands, until that passes
    go_on(rig, 3.4)
    verdicts = told(rig)
    assert verdicts[0] == ("REJECT", "E_POLICY_WAIT")
    passed = verdicts.index(("PASS", ""))
    assert set(verdicts[:passed]) == {("REJECT", "E_POLICY_WAIT")}
    assert set(verdicts[passed:]) == {("PASS", "")}, "asked anew in time, and for what time and motion make of it"
    assert rig.state == "AUTO/MOVING"
    assert rig.output[0] - rig.home[0] > 0.25
    # HOLDING and MOVING, this second and the next one, twice a second each; two that are new with every second.
    assert len(answers.asked) <= 3.5 * 2 * 4 + 4 * 2


def test_speeds_of_a_stream_are_bounds_and_no_reason_to_ask(panda_rigs: Rigs) -> None:
    rig = panda_rigs(panda(policy=server(told=("frame_speed", "joint_speed", "source"))))
    answers = served(rig)
    go_on(rig, 2.0, speed=0.5)
    assert len({json.dumps(one) for one in answers.asked}) == 1
    # The Panda's fastest joint in its configuration, rounded up to 1/16.
    most = float(panda().envelope.joints.velocity.max())
    assert most <= answers.asked[0]["joint_speed"] <= most + 1 / 16


@pytest.mark.redteam(37)
@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("says", [None, "!connection refused", "nonsense", 'deny("E_POLICY_LATER")'])
def test_a_server_that_fails_in_motion_ends_it_within_a_second(
    panda_rigs: Rigs, says: str | None, streams: bool
) -> None:
    rig = panda_rigs(panda(policy=server(told=STATIC)))
    answers = served(rig)
    code = "E_POLICY_LATER" if says and says.startswith("deny") else "E_POLICY_SERVER"

    def fails() -> None:
        assert rig.state == "AUTO/MOVING"
        answers.says = lambda facts: says
        rig.clear()

    if streams:
        go_on(rig, 2.05, meanwhile={1.3: fails})
        assert told(rig)[0] == ("REJECT", code)
        assert not rig.decisions("PASS")
    else:
        ask(rig, 0.8, 8.0)
        rig.seconds(1.3)
        fails()
        rig.seconds(0.75)
        assert told(rig) == [("STOP", code)]
    rig.seconds(0.5)
    at = rig.output
    rig.seconds(0.2)
    assert np.array_equal(rig.output, at), "the kept stop has run"
    assert rig.state == "AUTO/HOLDING"
    answers.says = lambda facts: "allow"
    rig.seconds(0.5)
    rig.clear()
    go_on(rig, 0.5) if streams else ask(rig)
    rig.seconds(0.1)
    assert told(rig)[-1][0] == "PASS" or streams, "and the next good one needs no person"
    assert ("PASS", "") in told(rig)


def test_another_fact_is_another_question_and_the_last_answer_moves_nothing(panda_rigs: Rigs) -> None:
    rig = panda_rigs(replace(watched(), policy=server(told=("people", *STATIC))))
    answers = Answers(rig)
    people = Perception(rig)
    people.auto()
    rig.seconds(0.2)
    rig.clear()
    ask(rig, 0.6, 6.0)
    rig.seconds(1.0)
    assert told(rig) == [("PASS", "")], rig.decisions()
    answers.says = lambda facts: "allow" if facts["people"] == "clear" else None
    people.walk = standing((1.5, 0.0, 0.5))
    rig.seconds(0.5)
    assert told(rig)[1] == ("STOP", "E_POLICY_WAIT")


def test_a_late_answer_counts_for_nothing(panda_rigs: Rigs) -> None:
    rig = panda_rigs(panda(policy=SERVER))
    answers = served(rig, delay=250 * MS)
    ask(rig)
    rig.seconds(1.0)
    assert told(rig) == [("REJECT", "E_POLICY_SERVER")]
    answers.delay = 10 * MS
    ask(rig)
    rig.seconds(0.3)
    assert told(rig)[-1] == ("PASS", "")


def test_a_goal_that_takes_over_a_moving_robot_is_planned_for_the_answers_time(panda_rigs: Rigs) -> None:
    rig = panda_rigs(panda(policy=SERVER))
    served(rig, delay=190 * MS)
    ask(rig, 0.1, 3.0)
    rig.seconds(1.0)
    ask(rig, 0.05, 0.6)
    rig.seconds(2.0)
    assert [one for one in told(rig) if one[0] == "REJECT"] == []
    assert told(rig)[-1] == ("PASS", "E_ENDED")


def test_the_base_is_asked_about_too(panda_rigs: Rigs) -> None:
    rig = BaseRig(replace(with_base(), policy=SERVER))
    answers = Answers(rig)
    rig.auto()
    rig.clear()
    rig.keep_driving(1.5, 0.3, 0.0, 0.0)
    assert [one for one in told(rig) if one[0] == "PASS"]
    assert rig.twist[0] > 0.2
    # The circle of 0.5 m at its greatest speed and turning, from the configuration, rounded up to 1/16.
    gate = with_base().base.gate  # type: ignore[union-attr]
    most = gate.speed + gate.turning * gate.radius
    (bound,) = {one["frame_speed"] for one in answers.asked}
    assert most <= bound < most + 1 / 16, "it speeds up, and is not asked about anew for that"
    answers.says = lambda facts: None
    rig.keep_driving(1.8, 0.3, 0.0, 0.0)
    assert rig.twist == (0.0, 0.0, 0.0)
    assert "E_POLICY_SERVER" in rig.codes()


# --- asked alone

FACTS_NOW: dict[str, Any] = {
    "source": "planner", "kind": "agent", "verb": "trajectory", "groups": ("arm",), "zones": (), "joint_speed": 0.5,
    "frame_speed": 0.25, "mode": "auto", "state": "MANUAL", "people": "clear", "since_start": 7, "anomaly": 0.0,
    "approvals": (), "model": "", "model_version": "", "stage": "",
}  # fmt: skip


OTHERS: dict[str, Any] = {"groups": (), "kind": "person", "mode": "manual", "verb": "position"}


def numbers(asked: AskedPolicy) -> list[int]:
    return [one.number for one in asked.questions() if isinstance(one, PolicyQuestion)]


def test_a_flood_of_other_facts_is_bounded_and_keeps_nobody_else_out() -> None:
    asked = AskedPolicy(server(told=("anomaly", "source")))
    for i in range(1000):
        verdict = asked.judge({**FACTS_NOW, "anomaly": float(i)})
        assert isinstance(verdict, Unanswered)
        assert verdict.waits == (i < MOST_OPEN)
    assert len(numbers(asked)) == MOST_OPEN
    verdict = asked.judge({**FACTS_NOW, "source": "joystick"})
    assert isinstance(verdict, Unanswered)
    assert verdict.waits
    (number,) = numbers(asked)
    asked.take(PolicyAnswer(1, number, "allow"))
    assert asked.judge({**FACTS_NOW, "source": "joystick"}) == Allow()
    for i in range(1000):
        asked.begin(asked.now + 200 * MS)
        asked.judge({**FACTS_NOW, "anomaly": float(i)})
    (side,) = [one for name, one in asked._sides.items() if name == "planner"]
    assert len(side.held) <= MOST_HELD
    assert len(side.open) <= MOST_OPEN
    assert len(asked._open) <= MOST_OPEN


def test_an_equal_question_is_asked_once_and_an_answer_is_used_up_by_time() -> None:
    asked = AskedPolicy(server(told=STATIC))
    for _ in range(10):
        assert isinstance(asked.judge(FACTS_NOW), Unanswered)
    (first,) = numbers(asked)
    asked.take(PolicyAnswer(10 * MS, first, "allow"))
    asked.begin(499 * MS)
    assert asked.judge(FACTS_NOW) == Allow()
    assert numbers(asked) == []
    asked.begin(500 * MS)
    assert asked.judge(FACTS_NOW) == Allow()
    (second,) = numbers(asked)
    asked.take(PolicyAnswer(510 * MS, first, 'deny("E_POLICY_LATER")'))  # a number that was answered: nobody's
    assert asked.judge(FACTS_NOW) == Allow()
    asked.take(PolicyAnswer(520 * MS, second, "allow"))
    asked.now = 1500 * MS
    assert asked.judge(FACTS_NOW) == Allow()
    asked.now = 1500 * MS + 1
    assert isinstance(asked.judge(FACTS_NOW), Unanswered), "a second since it was asked, and not since it came"


def test_a_failure_takes_the_answer_before_with_it_and_is_not_asked_again_at_once() -> None:
    asked = AskedPolicy(server(told=STATIC))
    asked.judge(FACTS_NOW)
    (number,) = numbers(asked)
    asked.take(PolicyAnswer(10 * MS, number, "allow"))
    asked.begin(600 * MS)
    assert asked.judge(FACTS_NOW) == Allow()
    (number,) = numbers(asked)
    asked.take(PolicyAnswer(610 * MS, number, "allow", "and an error"))
    assert asked.judge(FACTS_NOW) == Unanswered("and an error", waits=False)
    asked.begin(809 * MS)
    assert isinstance(asked.judge(FACTS_NOW), Unanswered)
    assert numbers(asked) == []
    asked.begin(810 * MS)
    asked.judge(FACTS_NOW)
    assert len(numbers(asked)) == 1


def test_an_answer_that_comes_before_the_cycle_that_would_have_missed_it_is_late_all_the_same() -> None:
    asked = AskedPolicy(server(told=STATIC))
    asked.judge(FACTS_NOW)
    (number,) = numbers(asked)
    asked.take(PolicyAnswer(200 * MS, number, "allow"))
    assert asked.judge(FACTS_NOW) == Unanswered("no answer within 0.2 s", waits=False)


@pytest.mark.parametrize("name", STATIC)
def test_an_answer_is_for_the_facts_that_it_was_asked_for(name: str) -> None:
    asked, other = AskedPolicy(server(told=STATIC)), {**FACTS_NOW, **OTHERS, "source": "joystick"}
    asked.judge(FACTS_NOW)
    (number,) = numbers(asked)
    asked.take(PolicyAnswer(1, number, "allow"))
    assert asked.judge(FACTS_NOW) == Allow()
    assert isinstance(asked.judge({**FACTS_NOW, name: other[name]}), Unanswered)
    assert asked.judge({**FACTS_NOW, "people": "near"}) == Allow(), "which it does not look at"


def test_facts_that_are_wrong_are_not_asked() -> None:
    asked = AskedPolicy(SERVER)
    assert isinstance(asked.judge({**FACTS_NOW, "anomaly": float("nan")}), Unjudged)
    assert isinstance(asked.judge({}), Unjudged)
    assert numbers(asked) == []


def test_who_asks_no_server_is_refused() -> None:
    assert isinstance(SERVER.judge(FACTS_NOW), Unjudged)
    assert isinstance(AskedPolicy(None).judge(FACTS_NOW), Unjudged)
