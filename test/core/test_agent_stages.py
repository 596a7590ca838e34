"""Stages of trust: what each lets pass, who raises one, what lowers one by itself; a restart gives none back."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from base_rig import BaseRig, with_base
from introductions import (
    OTHER,
    SHA,
    Rigs,
    ask,
    introduce,
    introducing,
    kept,
    named,
    publishers,
    signed,
    told,
)
from judges import judge_replay
from rig import Rig, panda
from test_agent_sessions import still, stream
from test_policy_gate import cel, gate

from safety_supervisor.core.act_events import StopRequested, ToolChange
from safety_supervisor.core.agents.settings import Stage
from safety_supervisor.core.agents.stored import StoredStage
from safety_supervisor.core.effects import Stages

STAGES = [stage.value for stage in Stage]
DEMOTED = StoredStage("planner", "cell_policy", "1.2.0", SHA, "approve_each")


def in_stage(rigs: Rigs, stage: Stage, **changes: object) -> Rig:
    """A rig in AUTO whose agent has introduced itself."""
    rig = rigs(introducing(stage, **changes)).auto()
    assert introduce(rig).ok
    rig.clear()
    return rig


def shown(rig: Rig) -> str:
    return rig.status.agents.rpartition(", ")[2]


@pytest.mark.parametrize("stage", [Stage.SUPERVISED, Stage.AUTONOMOUS])
def test_two_stages_differ_for_the_policy_alone(panda_rigs: Rigs, stage: Stage) -> None:
    rig = in_stage(panda_rigs, stage)
    ask(rig)
    rig.seconds(1.5)
    assert told(rig) == [("PASS", ""), ("PASS", "E_ENDED")]
    assert {one.stage for one in rig.decisions()} == {stage.value}


def test_each_command_needs_an_approval(panda_rigs: Rigs) -> None:
    rig = in_stage(panda_rigs, Stage.APPROVE_EACH)
    ask(rig)
    rig.seconds(0.3)
    still(rig)
    assert told(rig) == [("WAIT", "E_APPROVAL_REQUIRED")], "a goal waits for people"
    rig.clear()
    stream(rig, 0.3)
    still(rig)
    assert set(told(rig)) == {("REJECT", "E_APPROVAL_REQUIRED")}, "a stream can not"
    refusal = named(rig, "E_APPROVAL_REQUIRED")
    assert refusal.detail.startswith('approve("stage", 1, 120): one person, within 120 s')
    assert refusal.stage == "approve_each"
    assert rig.state == "AUTO/HOLDING", "nobody's mistake"
    rig.tampered = True
    gate(rig).approvals["planner"] = frozenset({"stage"})
    ask(rig)
    rig.seconds(0.5)
    assert rig.state == "AUTO/MOVING"
    gate(rig).approvals["planner"] = frozenset()
    rig.seconds(1.0)
    assert told(rig)[-1] == ("STOP", "E_APPROVAL_REQUIRED"), "it is asked again when the world is another one"


@pytest.mark.parametrize(
    ("program", "held", "code"),
    [('deny("E_POLICY_LATER")', {"stage"}, "E_POLICY_LATER"),
     ('approve("zone", 1, 9)', {"stage"}, "E_APPROVAL_REQUIRED"),
     ('approve("zone", 1, 9)', {"zone"}, "E_APPROVAL_REQUIRED"), ('approve("zone", 1, 9)', {"zone", "stage"}, ""),
     ("allow", {"stage"}, ""), ("allow", set(), "E_APPROVAL_REQUIRED"),
     ('deny("E_POLICY_LATER")', set(), "E_POLICY_LATER")],
)  # fmt: skip
def test_the_approval_of_the_stage_stands_for_nothing_else(
    panda_rigs: Rigs, program: str, held: set[str], code: str
) -> None:
    rig = in_stage(panda_rigs, Stage.APPROVE_EACH, configuration=panda(policy=cel(program)))
    rig.tampered = True
    gate(rig).approvals["planner"] = frozenset(held)
    ask(rig)
    rig.seconds(0.5)
    asks = "WAIT" if code == "E_APPROVAL_REQUIRED" else "REJECT"
    assert told(rig)[0] == (asks if code else "PASS", code)


# --- promotion


def test_a_safety_officer_promotes(panda_rigs: Rigs) -> None:
    rig = in_stage(panda_rigs, Stage.APPROVE_EACH)
    epoch = rig.supervisor._state.epoch
    assert signed(rig, "promote", "planner supervised").ok
    assert rig.supervisor._state.epoch == epoch + 1
    rig.cycle(2)
    assert shown(rig) == "supervised"
    assert rig.decisions()[0].detail == "stage: approve_each -> supervised, by p_safety_officer"
    ask(rig)
    rig.seconds(0.5)
    assert rig.state == "AUTO/MOVING"
    assert kept(rig) == (), "more than the configuration says does not outlast the boot"
    assert signed(rig, "promote", "planner shadow").ok, "down as well"
    assert rig.state == "AUTO/HOLDING"
    assert kept(rig) == (msgspec.structs.replace(DEMOTED, stage="shadow"),)


@pytest.mark.redteam(19)
@pytest.mark.parametrize(
    ("target", "person", "changes", "code"),
    [("planner supervised", person, {}, "E_ACT_ROLE")
     for person in ("p_viewer", "p_operator", "p_technician", "p_maintainer")] + [
     ("planner supervised", "p_safety_officer", {"role": "technician"}, "E_ACT_ROLE"),
     ("planner supervised", "p_safety_officer", {"epoch": 3}, "E_ACT_EPOCH"),
     ("planner supervised", "p_safety_officer", {"epoch": -1}, "E_ACT_EPOCH"),
     ("planner supervised", "p_safety_officer", {"config_sha256": "0" * 64}, "E_ACT_CONFIGURATION"),
     ("planner supervised", "planner", {"role": "safety_officer"}, "E_ACT_ROLE"),
     ("planner", "p_safety_officer", {}, "E_ACT_TARGET"),
     ("planner trusted", "p_safety_officer", {}, "E_ACT_TARGET"),
     ("planner approve_each", "p_safety_officer", {}, "E_ACT_TARGET"),
     ("joystick supervised", "p_safety_officer", {}, "E_ACT_TARGET"),
     ("nobody supervised", "p_safety_officer", {}, "E_ACT_TARGET"),
    ],
)  # fmt: skip
def test_who_and_what_is_not_promoted(
    panda_rigs: Rigs, target: str, person: str, changes: dict[str, object], code: str
) -> None:
    rig = in_stage(panda_rigs, Stage.APPROVE_EACH)
    assert signed(rig, "promote", target, person, **changes).code == code
    ask(rig)
    rig.seconds(0.3)
    assert told(rig)[-1] == ("WAIT", "E_APPROVAL_REQUIRED")


def test_a_promotion_is_for_the_running_version_alone(panda_rigs: Rigs) -> None:
    rig = in_stage(panda_rigs, Stage.APPROVE_EACH)
    assert signed(rig, "promote", "planner autonomous").ok
    publishers(rig, 0)
    publishers(rig, 1)
    assert signed(rig, "promote", "planner supervised").code == "E_ACT_TARGET", "nobody has introduced itself"
    assert introduce(rig).ok
    rig.cycle(1)
    assert shown(rig) == "autonomous", "it is the same version"
    rig.seconds(10.0)
    assert signed(rig, "promote", "planner shadow").ok
    assert introduce(rig, "1.3.0", OTHER).ok
    rig.cycle(1)
    assert shown(rig) == "autonomous", "the other's own stage"


# --- demotion


@pytest.mark.requirement("SR-054")
@pytest.mark.parametrize("streams", [False, True], ids=["trajectory", "stream"])
def test_a_stop_that_is_named_demotes_who_moves_the_robot(panda_rigs: Rigs, streams: bool) -> None:
    rig = in_stage(panda_rigs, Stage.AUTONOMOUS)
    if streams:
        stream(rig, 0.5)
    else:
        ask(rig, 0.6, 2.0)
        rig.seconds(0.5)
    assert rig.state == "AUTO/MOVING"
    epoch = rig.supervisor._state.epoch
    rig.clear()
    effects = rig.send(StopRequested(rig.now, "somebody", "it looked wrong"))
    assert rig.state == "STOPPING"
    demoted = named(rig, "E_DEMOTED")
    assert demoted.detail == "stage: autonomous -> approve_each, E_STOP_REQUEST"
    assert Stages(rig.now, (DEMOTED,)) in effects
    assert rig.supervisor._state.epoch > epoch + 1
    if not streams:
        assert ("STOP", "E_STOP_REQUEST") in told(rig), "why its motion ended is told as ever"
    rig.until("LOCKED")
    assert rig.act("reset").ok
    assert rig.act("start", "auto").ok
    ask(rig)
    rig.seconds(0.5)
    assert told(rig)[-1] == ("WAIT", "E_APPROVAL_REQUIRED")
    publishers(rig, 0)
    publishers(rig, 1)
    assert introduce(rig).ok
    rig.cycle(1)
    assert shown(rig) == "approve_each", "to introduce itself anew gives nothing back"


def test_a_stop_demotes_nobody_who_rests_and_one_that_is_not_named_nobody(panda_rigs: Rigs) -> None:
    rig = in_stage(panda_rigs, Stage.AUTONOMOUS)
    rig.send(StopRequested(rig.now, "somebody", ""))
    rig.until("LOCKED")
    assert shown(rig) == "autonomous"
    assert rig.act("reset").ok
    assert rig.act("start", "auto").ok
    ask(rig, 0.6, 2.0)
    rig.seconds(0.5)
    rig.log_ok = False
    rig.cycle(2)
    assert rig.state == "STOPPING"
    assert rig.status.cause == "E_LOG"
    assert shown(rig) == "autonomous"


def test_nobody_who_has_as_little_is_given_more(panda_rigs: Rigs) -> None:
    rig = in_stage(panda_rigs, Stage.SHADOW)
    ask(rig, 0.6, 2.0)
    rig.seconds(0.5)
    rig.send(StopRequested(rig.now, "somebody", ""))
    rig.until("LOCKED")
    assert shown(rig) == "shadow"
    rig.tampered = True
    assert rig.supervisor._standing.demote((("planner",), "E_REFUSALS"), rig.now) == []
    rig.cycle(1)
    assert shown(rig) == "shadow", "approve_each would be more"


def test_a_shadow_changes_no_tool(panda_rigs: Rigs) -> None:
    rig = in_stage(panda_rigs, Stage.SHADOW)
    rig.send(ToolChange(rig.now, "planner", "", "r", "jti"))
    assert told(rig) == [("REJECT", "E_SHADOW")]


def test_too_many_refusals_demote_whose_they_were(panda_rigs: Rigs) -> None:
    rig = in_stage(panda_rigs, Stage.SUPERVISED)
    far = rig.output.copy()
    far[0] += 1.0
    for _ in range(60):
        rig.stream(far)
        rig.cycle(1)
    assert rig.state != "AUTO/HOLDING"
    assert named(rig, "E_DEMOTED").detail == "stage: supervised -> approve_each, E_REFUSALS"


def test_who_drives_the_base_is_demoted() -> None:
    rig = BaseRig(introducing(configuration=with_base()))
    rig.auto()
    introduce(rig)
    rig.keep_driving(1.0, 0.3)
    rig.send(StopRequested(rig.now, "somebody", ""))
    rig.cycle(1)
    assert shown(rig) == "approve_each"
    judge_replay(rig)


# --- restart


@pytest.mark.redteam(41)
@pytest.mark.requirement("SR-047")
@pytest.mark.parametrize("configured", list(Stage))
@pytest.mark.parametrize("stored", [*STAGES, "unheard"])
def test_a_restart_never_gives_trust_back(panda_rigs: Rigs, configured: Stage, stored: str) -> None:
    rig = panda_rigs(introducing(configured), stages=(msgspec.structs.replace(DEMOTED, stage=stored),)).auto()
    assert introduce(rig).ok
    rig.cycle(1)
    least = min(STAGES.index(configured.value), STAGES.index(stored) if stored in STAGES else 0)
    assert shown(rig) == STAGES[least]


@pytest.mark.redteam(41)
def test_where_the_stages_are_not_known_nobody_has_more_than_the_lowest(panda_rigs: Rigs) -> None:
    rig = panda_rigs(introducing(Stage.AUTONOMOUS), stages_damaged="the checksum is wrong")
    (stored,) = [one for one in rig.effects if isinstance(one, Stages)]
    assert {(one.version, one.stage) for one in stored.demoted} == {
        ("1.2.0", "shadow"), ("1.3.0", "shadow"), ("0.9.0", "shadow"),
    }  # fmt: skip
    assert named(rig, "E_STAGES").detail == "the checksum is wrong"
    rig.auto()
    assert introduce(rig).ok
    rig.cycle(1)
    assert shown(rig) == "shadow"
    assert signed(rig, "promote", "planner autonomous").ok
    rig.cycle(1)
    assert shown(rig) == "autonomous"


def test_a_model_that_the_configuration_has_left_out_meanwhile_stays_demoted(panda_rigs: Rigs) -> None:
    gone = StoredStage("planner", "cell_policy", "1.1.0", SHA, "shadow")
    rig = panda_rigs(introducing(Stage.SUPERVISED), stages=(gone,)).auto()
    introduce(rig)
    assert signed(rig, "promote", "planner approve_each").ok
    assert kept(rig) == (gone, DEMOTED)


# --- shadow


def verdicts(rig: Rig) -> list[tuple[str, str]]:
    """What would have become of the planner's commands."""
    found = [one for one in rig.decisions() if one.source == "planner" and one.code != "E_ENDED"]
    return [("PASS", "") if one.code == "E_SHADOW" else (one.verdict, one.code) for one in found]


GOALS = {
    "good": lambda rig: ask(rig),
    "fast": lambda rig: ask(rig, 1.5, 0.3),
    "out of reach": lambda rig: ask(rig, 9.0, 20.0),
    "into the table": lambda rig: low(rig),
    "not finite": lambda rig: ask(rig, float("nan")),
    "by the policy": lambda rig: ask(rig, 0.2, 0.6),
    "another joint": lambda rig: ask(rig, names=("panda_joint8", *rig.names[1:])),
    "does not begin here": lambda rig: rig.trajectory([0.0, 1.0], np.stack([rig.output + 0.2, rig.output])),
}


def low(rig: Rig) -> None:
    goal = rig.output.copy()
    goal[1] = 1.4
    rig.trajectory([3.0], goal[None, :], rig.rest, rig.rest)


@pytest.mark.parametrize("goal", GOALS)
def test_a_goal_in_shadow_has_the_verdict_of_a_supervised_run_on_the_same_events(panda_rigs: Rigs, goal: str) -> None:
    """From rest, goal by goal: the same events reach both cores, up to the verdict."""
    policy = cel('joint_speed > 0.6 && joint_speed < 0.7 ? deny("E_POLICY_FAST") : allow')
    found = []
    for stage in (Stage.SUPERVISED, Stage.SHADOW):
        rig = in_stage(panda_rigs, stage, configuration=panda(policy=policy))
        GOALS[goal](rig)
        rig.seconds(0.1)
        found.append((verdicts(rig), [type(one).__name__ for one in rig.events]))
    assert found[0] == found[1]
    assert found[0][0], "there is a verdict"
    if goal == "good":
        assert found[0][0] == [("PASS", "")]
    else:
        assert found[0][0][0][0] == "REJECT", goal
        assert found[0][0][0][1] != "E_SHADOW"


def test_in_shadow_nothing_is_forwarded(panda_rigs: Rigs) -> None:
    rig = in_stage(panda_rigs, Stage.SHADOW)
    ask(rig)
    still(rig)
    stream(rig, 0.5)
    still(rig)
    assert set(told(rig)) == {("REJECT", "E_SHADOW")}
    assert rig.decisions()[0].detail == "would PASS"
    assert rig.state == "AUTO/HOLDING"
    assert not any(lane.moving for lane in rig.supervisor._motion.lanes.values())


def test_a_shadow_disturbs_nobody(panda_rigs: Rigs) -> None:
    """A person beside an agent of higher priority, which would take the joints from him, moves them as without it."""
    outputs = []
    found = introducing(Stage.SHADOW)
    higher = tuple(replace(one, priority=30) if one.name == "planner" else one for one in found.sources)
    for shadows in (False, True):
        rig = panda_rigs(replace(found, sources=higher)).auto()
        assert introduce(rig).ok
        velocity = rig.unit(0, 0.2)

        def each(i: int, rig: Rig = rig, velocity: object = velocity, shadows: bool = shadows) -> None:
            if shadows and i % 40 == 0:
                ask(rig, -0.2)  # still being verified when the person's next one comes
            if i % 5 == 0:
                rig.stream(velocity * min(1.0, (i + 5) / 50), "joystick", velocity=True)  # type: ignore[operator]
            if shadows and i % 3 == 0:
                rig.stream(rig.home)
            if shadows and i % 7 == 0:
                rig.stream(np.full(7, np.nan))

        rig.seconds(1.5, each)
        assert rig.state == "AUTO/MOVING"
        outputs.append(rig.outputs[-300:])
        if shadows:
            assert {one.code for one in rig.decisions() if one.source == "planner"} >= {"E_NOT_FINITE"}
            assert {one.code for one in rig.decisions() if one.source == "joystick"} <= {"", "E_ENDED"}
            assert ("REJECT", "E_SHADOW") in told(rig)
    assert outputs[0] == outputs[1]


def test_a_shadow_drives_no_base() -> None:
    rig = BaseRig(introducing(Stage.SHADOW, with_base()))
    rig.auto()
    introduce(rig)
    rig.keep_driving(1.0, 0.3)
    assert rig.place[0] == 0.0
    assert set(told(rig)[1:]) == {("REJECT", "E_SHADOW")}
    judge_replay(rig)


def test_a_shadow_that_is_wrong_all_the_time_stops_nothing(panda_rigs: Rigs) -> None:
    rig = in_stage(panda_rigs, Stage.SHADOW)
    for _ in range(200):
        rig.stream(np.full(7, np.nan))
        rig.cycle(1)
    assert rig.state == "AUTO/HOLDING"
