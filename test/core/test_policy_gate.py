"""The policy in the supervisor: asked for goals and streams, when the world changes, and never once a cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from base_rig import BaseRig, with_base
from crowd import Perception, standing, watched
from rig import CONFIGURATION, HOME, Rig, panda, upright
from test_supervisor_recovery import jog

from safety_supervisor.config import load_config
from safety_supervisor.config.policy.program import CelPolicy, compile_policy
from safety_supervisor.core.checks.speed_zone import SpeedZone
from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.policy.gate import PolicyGate
from safety_supervisor.core.policy.goal_facts import GoalFacts
from safety_supervisor.core.policy.verdict import Approve, Policy, Unjudged, Verdict
from safety_supervisor.core.settings import ZoneKind
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.core.verifier import Verifier
from safety_supervisor.evidence.event_log import digest_effects

LATER = {"E_POLICY_LATER": "not now", "E_POLICY_FAST": "be slower", "E_POLICY_ZONE": "stay out"}
BENCH = upright("bench", ZoneKind.SPEED, (-0.1, 0.25, 0.2), (0.9, 0.9, 1.2), frame_speed=2.0)
"""On the Panda's left, where joint 1 carries its hand."""


def cel(program: str) -> CelPolicy:
    policy = compile_policy(program, LATER)
    assert isinstance(policy, CelPolicy), policy
    return policy


@dataclass
class Listener:
    """A policy that notes what it is asked."""

    policy: Policy
    asked: list[dict[str, object]] = field(default_factory=list, repr=False)

    @property
    def used(self) -> frozenset[str]:
        return self.policy.used

    @property
    def denials(self) -> Mapping[str, str]:
        return self.policy.denials

    @property
    def kinds(self) -> Mapping[str, Approve]:
        return self.policy.kinds

    @property
    def hold_kinds(self) -> frozenset[str]:
        return self.policy.hold_kinds

    def judge(self, facts: Mapping[str, object]) -> Verdict:
        self.asked.append(dict(facts))
        return self.policy.judge(facts)


def gate(rig: Rig) -> PolicyGate:
    found = rig.supervisor._commands.policy
    assert found is not None
    return found


def ask(rig: Rig, by: float = 0.3, duration: float = 1.0) -> None:
    goal = rig.output.copy()
    goal[0] += by
    rig.trajectory([duration], goal[None, :], rig.rest, rig.rest)


def go_on(
    rig: Rig, seconds: float, speed: float = 0.1, meanwhile: Mapping[float, Callable[[], object]] | None = None
) -> None:
    """Stream joint 1 on from the commanded pose at 100 Hz, at a speed that grows over 0.3 s.

    Args:
        rig: of the Panda.
        seconds: how long.
        speed: of joint 1, [rad/s].
        meanwhile: what happens besides, by the time since the beginning, [s].
    """
    target, start = rig.output.copy(), rig.now
    waits = dict(meanwhile or {})

    def each(i: int) -> None:
        for due in [time for time in waits if i * rig.period >= time * 1e9]:
            waits.pop(due)()
        if (rig.now - start) % 10_000_000 < rig.period:
            target[0] += 0.01 * speed * min(1.0, i * rig.period / 3e8)
            rig.stream(target)

    rig.seconds(seconds, each)


def told(rig: Rig) -> list[tuple[str, str]]:
    return [(one.verdict, one.code) for one in rig.decisions()]


def test_a_goal_is_asked_about_once_and_again_when_the_state_changes(panda_rigs: Callable[..., Rig]) -> None:
    listener = Listener(cel("allow"))
    rig = panda_rigs(panda(policy=listener)).auto()
    rig.clear()
    ask(rig)
    rig.seconds(1.5)
    assert told(rig) == [("PASS", ""), ("PASS", "E_ENDED")]
    assert rig.decisions()[0].detail == "policy: allow"
    assert [one["state"] for one in listener.asked] == ["AUTO/HOLDING", "AUTO/MOVING"], "and not once a cycle"
    assert {one["verb"] for one in listener.asked} == {"trajectory"}


def test_facts_of_a_goal_are_its_own(panda_rigs: Callable[..., Rig]) -> None:
    listener = Listener(cel('joint_speed > 9.0 || size(zones) > 9 ? deny("E_POLICY_LATER") : allow'))
    rig = panda_rigs(panda(policy=listener, zones=(*panda().zones, BENCH))).auto()
    rig.clear()
    ask(rig, -0.3)
    rig.seconds(1.5)
    facts = listener.asked[0]
    assert facts["source"] == "planner"
    assert facts["kind"] == "agent"
    assert facts["groups"] == ("arm",)
    assert facts["zones"] == ()
    assert facts["mode"] == "auto"
    assert facts["people"] == "unwatched"
    assert facts["since_start"] == 0
    assert facts["anomaly"] == 0.0
    assert facts["approvals"] == ()
    # A quintic over 0.3 rad in 1 s is 1.875 * 0.3 rad/s at its fastest, rounded up to 1/16.
    assert facts["joint_speed"] == 0.5625
    top = np.abs(np.diff(np.array(rig.outputs)[:, 0])).max() / (rig.period / 1e9)
    assert 0.5 < top <= 0.5625
    # The hand is about 0.55 m from the axis of joint 1, and no point farther than 0.9 m.
    assert 0.55 * top < facts["frame_speed"] < 1.3  # type: ignore[operator]
    ask(rig, 0.9, 2.0)
    rig.seconds(2.5)
    assert listener.asked[-1]["zones"] == ("bench",)
    listener.asked.clear()
    ask(rig, -0.9, 2.0)
    rig.seconds(2.5)
    assert listener.asked[0]["zones"] == ("bench",), "it begins inside"


@pytest.mark.requirement("SR-054")
def test_a_denied_goal_is_refused_under_the_policys_own_code(panda_rigs: Callable[..., Rig]) -> None:
    rig = panda_rigs(panda(policy=cel('joint_speed > 0.5 ? deny("E_POLICY_FAST") : allow'))).auto()
    rig.clear()
    before = rig.output
    ask(rig, 0.3)
    rig.seconds(0.5)
    (decision,) = rig.decisions()
    assert (decision.verdict, decision.code, decision.rule) == ("REJECT", "E_POLICY_FAST", "policy")
    assert decision.detail == 'deny("E_POLICY_FAST"): be slower'
    assert np.array_equal(rig.output, before)
    assert rig.state == "AUTO/HOLDING"
    ask(rig, 0.2)
    rig.seconds(0.5)
    assert rig.state == "AUTO/MOVING", "the next good one needs no person"


def test_a_denied_stream_runs_the_kept_stop_and_the_next_good_one_resumes(panda_rigs: Callable[..., Rig]) -> None:
    rig = panda_rigs(panda(policy=cel('joint_speed > 0.2 ? deny("E_POLICY_FAST") : allow'))).auto()
    rig.clear()
    go_on(rig, 1.0, 0.15)
    assert told(rig) == [("PASS", "")]
    assert rig.state == "AUTO/MOVING"
    go_on(rig, 0.35, 0.5)
    assert told(rig)[:2] == [("PASS", ""), ("REJECT", "E_POLICY_FAST")]
    assert rig.state == "AUTO/HOLDING"
    moved = rig.output[0] - rig.home[0]
    assert 0.1 < moved < 0.25
    rig.seconds(0.5)
    rig.clear()
    go_on(rig, 0.5, 0.15)
    assert told(rig) == [("PASS", "")]
    assert rig.decisions()[0].detail == "policy: allow"
    assert rig.state == "AUTO/MOVING"


def test_a_stream_that_goes_on_asking_for_what_is_denied_is_stopped_as_any_other(
    panda_rigs: Callable[..., Rig],
) -> None:
    rig = panda_rigs(panda(policy=cel('deny("E_POLICY_LATER")'))).auto()
    rig.clear()
    go_on(rig, 1.0)
    assert ("REJECT", "E_POLICY_LATER") in told(rig)
    assert sum(one.count for one in rig.decisions() if one.code == "E_POLICY_LATER") > 50
    assert len(rig.decisions()) < 10, "folded with their count"
    assert rig.state in ("STOPPING", "PROTECTIVE_STOP", "LOCKED")


def test_a_stream_is_asked_about_when_a_fact_changes(panda_rigs: Callable[..., Rig]) -> None:
    listener = Listener(cel("allow"))
    rig = panda_rigs(panda(policy=listener)).auto()
    go_on(rig, 2.0)
    assert len(listener.asked) == 2, "once for each state, of 200 set-points"
    timed = Listener(cel('since_start > 60 ? deny("E_POLICY_LATER") : allow'))
    rig = panda_rigs(panda(policy=timed)).auto()
    go_on(rig, 3.0)
    assert [one["since_start"] for one in timed.asked] == [0, 0, 1, 2, 3], "and once a second, since it asks for that"


@pytest.mark.parametrize("streams", [False, True])
def test_an_approval_is_needed_until_it_is_held(panda_rigs: Callable[..., Rig], streams: bool) -> None:
    def try_it(seconds: float) -> None:
        if streams:
            go_on(rig, seconds)
        else:
            ask(rig)
            rig.seconds(seconds)

    rig = panda_rigs(panda(policy=cel('approve("zone", 2, 30)'))).auto()
    rig.clear()
    before = rig.output
    try_it(0.3)
    refused = rig.decisions("REJECT")[0]
    assert refused.code == "E_APPROVAL_REQUIRED"
    held = 'approve("zone", 2, 30): 2 people, within 30 s; no approval of that kind is held'
    assert refused.detail == held + ("" if streams else "; `operators.people` has 0 who may approve it")
    assert np.array_equal(rig.output, before)
    rig.tampered = True  # who holds approvals tells them; a replay of these events does not
    for other in ({"joystick": frozenset({"zone"})}, {"planner": frozenset({"near_people"})}):
        gate(rig).approvals = other
        try_it(0.3)
        assert np.array_equal(rig.output, before), "of another source, of another kind"
    gate(rig).approvals = {"planner": frozenset({"zone"})}
    rig.clear()
    try_it(0.5)
    assert rig.decisions("PASS")[0].detail == 'policy: approve("zone", 2, 30)'
    assert rig.state == "AUTO/MOVING"
    gate(rig).approvals = {}
    rig.clear()
    if streams:
        go_on(rig, 2.0)
        assert rig.decisions()[0].code == "E_APPROVAL_REQUIRED"
    else:
        rig.seconds(0.5)
        assert told(rig) == [("STOP", "E_APPROVAL_REQUIRED")]
    assert rig.state == "AUTO/HOLDING", "and no quarantine: waiting for a person is no mistake"


@pytest.mark.requirement("SR-054")
def test_people_who_come_near_end_a_goal_without_blaming_its_source(panda_rigs: Callable[..., Rig]) -> None:
    policy = cel('people in ["near", "unknown"] ? deny("E_POLICY_LATER") : allow')
    listener = Listener(policy)
    rig = panda_rigs(replace(watched(), policy=listener))
    people = Perception(rig)
    people.auto()
    rig.seconds(0.2)
    rig.clear()
    ask(rig, 0.6, 6.0)
    rig.seconds(1.0)
    assert told(rig) == [("PASS", "")], rig.decisions()
    assert listener.asked[-1]["people"] == "clear"
    people.walk = standing((1.5, 0.0, 0.5))
    rig.seconds(0.5)
    assert told(rig)[1:] == [("STOP", "E_POLICY_LATER")]
    assert listener.asked[-1]["people"] == "near"
    assert rig.state == "AUTO/REDUCED"


@pytest.mark.requirement("SR-036")
def test_the_zones_of_a_stream_count_before_it_is_inside(panda_rigs: Callable[..., Rig]) -> None:
    policy = cel('"bench" in zones ? deny("E_POLICY_ZONE") : allow')
    rig = panda_rigs(panda(policy=policy, zones=(*panda().zones, BENCH))).auto()
    rig.clear()
    target, passed, start = rig.output.copy(), list[np.ndarray](), rig.now

    def each(i: int) -> None:
        if (rig.now - start) % 10_000_000 < rig.period and not rig.decisions("REJECT"):
            target[0] += 0.01 * 0.3 * min(1.0, i / 75)
            rig.stream(target)
            passed.append(target.copy())

    rig.seconds(4.0, each)
    assert told(rig)[:2] == [("PASS", ""), ("REJECT", "E_POLICY_ZONE")]
    zone = bench(rig)
    refused = passed.pop()
    assert not any(zone.holds(one) for one in [*passed, *map(np.array, rig.outputs)])
    # At 0.3 rad/s the arm needs some 0.01 rad to stop: the next one was not inside, but its stop.
    stop = StraightStop(np.stack([refused, rig.unit(0, 0.3), rig.unit(0, 0.0)]), StopLimits(panda().envelope.joints))
    assert zone.holds(refused) or zone.holds(stop.end)
    assert not zone.holds(refused), "its stop alone"


def bench(rig: Rig) -> SpeedZone:
    return next(one for one in rig.supervisor._verifier.speed_zones if one.name == "bench")


def edge(rig: Rig) -> float:
    """How far joint 1 turns from home until the zone begins, [rad]."""
    return next(by for by in np.arange(0.0, 1.0, 0.01) if bench(rig).holds(rig.home + rig.unit(0, by)))


def test_a_goal_that_begins_just_inside_a_zone_touches_it(panda_rigs: Callable[..., Rig]) -> None:
    listener = Listener(cel('size(zones) > 9 ? deny("E_POLICY_LATER") : allow'))
    rig = panda_rigs(panda(policy=listener, zones=(*panda().zones, BENCH))).auto()
    for by, zones in ((edge(rig) - 0.03, ()), (0.04, ("bench",)), (-0.2, ("bench",)), (-0.1, ())):
        listener.asked.clear()
        ask(rig, by, 2.0)
        rig.seconds(2.3)
        assert listener.asked[0]["zones"] == zones, by


def test_facts_are_found_within_the_cycles_that_are_planned_for_them() -> None:
    zones = (
        BENCH,
        replace(BENCH, name="other"),
        upright("shelf", ZoneKind.SPEED, (0.3, -0.9, 0.0), (0.9, -0.3, 1.2), frame_speed=1.0),
    )
    verifier = Verifier(panda(zones=(*panda().zones, *zones)))
    chance = np.random.default_rng(7)
    limits, seen = panda().envelope.joints, set[tuple[str, ...]]()
    for samples in (3, 40, 500, 3000):
        for _ in range(5):
            goal = HOME + 0.5 * chance.uniform(limits.lower - HOME, limits.upper - HOME)
            share = np.linspace(0.0, 1.0, samples)[:, None]
            poses = HOME + share * share * (3.0 - 2.0 * share) * (goal - HOME)
            facts = GoalFacts(verifier, 0.004, zones=True)
            planned, count = facts.slices_for(samples), 1
            while not facts.advance(poses):
                count += 1
            assert 1 <= count <= planned
            touched = tuple(zone.name for zone in verifier.speed_zones if any(map(zone.holds, poses)))
            assert set(touched) <= set(facts.zones)
            seen.add(facts.zones)
            speeds = np.abs(np.diff(poses, axis=0)) / 0.004
            assert facts.joint_speed == speeds.max()
    assert () in seen
    assert len(seen) > 2


class Broken:
    """A policy without an answer."""

    kinds: Mapping[str, Approve] = {}
    hold_kinds: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    denials: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return "Broken()"

    def judge(self, facts: Mapping[str, object]) -> Verdict:
        return Unjudged("no answer")


@pytest.mark.redteam(37)
@pytest.mark.requirement("SR-036")
def test_no_verdict_and_facts_that_are_wrong_refuse(panda_rigs: Callable[..., Rig]) -> None:
    rig = panda_rigs(panda(policy=Broken())).auto()
    rig.clear()
    ask(rig)
    rig.seconds(0.3)
    (decision,) = rig.decisions()
    assert (decision.verdict, decision.code, decision.detail) == ("REJECT", "E_POLICY_ERROR", "no answer")
    rig = panda_rigs(panda(policy=cel("allow"))).auto()
    rig.tampered = True
    gate(rig).anomalies = {"planner": float("nan")}
    rig.clear()
    ask(rig)
    rig.seconds(0.3)
    (decision,) = rig.decisions()
    assert decision.code == "E_POLICY_ERROR"
    assert "fact anomaly is nan" in decision.detail


def test_what_is_allowed_moves_as_without_a_policy(panda_rigs: Callable[..., Rig]) -> None:
    def moved(goal: bool, **changes: Any) -> tuple[list[Actuate], list[tuple[float, ...]]]:
        rig = panda_rigs(panda(**changes)).auto()
        ask(rig) if goal else go_on(rig, 0.6)
        rig.seconds(1.5)
        sent = [one for one in rig.history if isinstance(one, Actuate)]
        return sent, [one.positions for one in sent if one.moving]

    asked = cel('since_start > 1000 || joint_speed > 100.0 ? deny("E_POLICY_LATER") : allow')
    plain, judged = moved(False), moved(False, policy=asked)
    assert len(judged[1]) > 100
    assert plain == judged
    # A goal from rest begins when it is verified, which takes some cycles more: the same way, later.
    plain, judged = moved(True), moved(True, policy=asked)
    assert len(judged[1]) > 200
    assert np.allclose(plain[1], judged[1], rtol=0.0, atol=1e-12)


def test_the_base_is_asked_about_too(panda_rigs: Callable[..., Rig]) -> None:
    program = 'verb == "cmd_vel" && (size(groups) > 0 || frame_speed > 0.5) ? deny("E_POLICY_FAST") : allow'
    rig = BaseRig(replace(with_base(), policy=cel(program)))
    rig.auto()
    rig.clear()
    rig.keep_driving(1.0, 0.3, 0.0, 0.0)
    assert {one for one in told(rig) if one[0] != "LIMIT"} == {("PASS", "")}
    assert rig.decisions()[0].detail == "policy: allow"
    assert rig.twist[0] > 0.2
    rig.keep_driving(0.2, 0.3, 0.0, 0.5)
    assert ("REJECT", "E_POLICY_FAST") in told(rig), "0.3 m/s, and the circle of 0.5 m turns at 0.5 rad/s"
    rig.seconds(1.0)
    assert rig.twist == (0.0, 0.0, 0.0)


def test_a_person_in_manual_is_asked_about_too(panda_rigs: Callable[..., Rig]) -> None:
    listener = Listener(cel('mode == "manual" && kind == "person" ? allow : deny("E_POLICY_LATER")'))
    rig = panda_rigs(panda(policy=listener)).manual()
    rig.clear()
    rig.jog(0.5, rig.unit(0, 0.1))
    assert told(rig)[0] == ("PASS", "")
    assert rig.output[0] > rig.home[0] + 0.01
    assert listener.asked[0]["verb"] == "velocity"
    assert listener.asked[0]["state"] == "MANUAL"


@pytest.mark.requirement("SR-045")
def test_recovery_is_asked_about_with_its_own_time(panda_rigs: Callable[..., Rig]) -> None:
    listener = Listener(cel('mode == "recovery" && since_start < 60 ? allow : deny("E_POLICY_LATER")'))
    upper = panda().envelope.joints.upper[0]
    start = HOME.copy()
    start[0] = upper + 0.03
    rig = panda_rigs(panda(policy=listener), start=start).lock()
    rig.seconds(2.0)
    assert rig.act("recover").ok
    rig.clear()
    jog(rig, 0.6, rig.unit(0, -0.1))
    assert [one for one in told(rig) if one[1] != "E_HOLD_TO_RUN"][:1] == [("PASS", "")]
    assert {(one["mode"], one["state"], one["since_start"]) for one in listener.asked} == {("recovery", "RECOVERY", 0)}
    assert rig.output[0] < start[0] - 0.01


@pytest.mark.requirement("SR-054")
def test_a_stream_that_the_world_turned_down_has_a_second_to_notice(panda_rigs: Callable[..., Rig]) -> None:
    rig = panda_rigs(panda(policy=cel('anomaly > 0.5 ? deny("E_POLICY_LATER") : allow'))).auto()
    rig.tampered = True  # a replay of these events does not hear of the anomaly
    anomalies, states = gate(rig).anomalies, list[str]()
    rig.clear()
    go_on(
        rig, 2.6, 0.1,
        {
            0.5: lambda: anomalies.update(joystick=9.0),
            1.0: lambda: (states.append(rig.state), anomalies.update(planner=0.75)),
            1.95: lambda: states.append(rig.state),
        },
    )  # fmt: skip
    assert told(rig)[:2] == [("PASS", ""), ("REJECT", "E_POLICY_LATER")]
    assert states == ["AUTO/MOVING", "AUTO/HOLDING"], "another source's; 95 refused set-points, of which 51 are a stop"
    assert rig.state in ("STOPPING", "PROTECTIVE_STOP", "LOCKED")
    assert rig.status.cause == "E_REFUSALS"


def test_a_verdict_that_changes_while_a_stream_passes_is_recorded(panda_rigs: Callable[..., Rig]) -> None:
    program = 'since_start > 1 ? approve("zone", 1, 9) : allow'
    rig = panda_rigs(panda(policy=cel(program))).auto()
    rig.tampered = True  # a replay of these events holds no approvals
    gate(rig).approvals = {"planner": frozenset({"zone"})}
    rig.clear()
    go_on(rig, 3.0)
    assert [(one.verdict, one.detail) for one in rig.decisions()] == [
        ("PASS", "policy: allow"),
        ("PASS", 'policy: approve("zone", 1, 9)'),
    ]


def test_a_goal_that_begins_in_motion_is_asked_about_in_time(panda_rigs: Callable[..., Rig]) -> None:
    """What a policy asks of long trajectories takes cycles, which their start is planned for."""
    policy = cel('"bench" in zones && frame_speed > 9.0 ? deny("E_POLICY_ZONE") : allow')
    zones = tuple(replace(BENCH, name=name) for name in ("bench", "other", "third", "fourth"))
    rig = panda_rigs(panda(policy=policy, zones=(*panda().zones, *zones))).auto()
    ask(rig, -0.4, 20.0)
    rig.seconds(1.5)
    assert rig.state == "AUTO/MOVING"
    rig.clear()
    ask(rig, -0.5, 30.0)
    rig.seconds(6.0)
    assert told(rig)[:1] == [("PASS", "")], rig.decisions()


@pytest.mark.requirement("SR-044")
@pytest.mark.requirement("SR-041")
def test_a_recorded_boot_decides_the_same_by_the_policy_of_its_file(
    panda_rigs: Callable[..., Rig], tmp_path: Path
) -> None:
    file, section = tmp_path / "panda.yaml", "policy:\n  denials: {E_POLICY_FAST: be slower}\n  program: |\n    "
    text = CONFIGURATION.read_text(encoding="utf-8") + section
    file.write_text(text + 'joint_speed > 0.3 || since_start > 2 ? deny("E_POLICY_FAST") : allow\n', encoding="utf-8")
    rig = panda_rigs(load_config(file)).auto()
    go_on(rig, 0.5)
    go_on(rig, 0.3, 0.6)
    rig.seconds(0.3)
    ask(rig, 0.2, 4.0)
    rig.seconds(2.0)
    verdicts = [one for one in told(rig) if one[1].startswith("E_POLICY")]
    assert verdicts[0] == ("REJECT", "E_POLICY_FAST")
    assert verdicts[-1] == ("STOP", "E_POLICY_FAST"), "the second of the start has changed"
    again = load_config(file)
    assert again.policy is not rig.configuration.policy
    supervisor, effects = Supervisor(again), []
    for event in rig.events:
        effects += supervisor.handle(event)
    assert digest_effects(effects) == digest_effects(rig.history)
    file.write_text(text + 'joint_speed > 0.7 ? deny("E_POLICY_FAST") : allow\n', encoding="utf-8")
    changed = load_config(file)
    assert changed.sha256 != again.sha256
    supervisor, effects = Supervisor(changed), []
    for event in rig.events:
        effects += supervisor.handle(event)
    assert digest_effects(effects) != digest_effects(rig.history)
