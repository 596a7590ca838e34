"""A rehearsal says what a supervised run says while agents, people, sensors, the clock and the policy disturb it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from introductions import SHA, Rigs, introduce, introducing, publishers, signed
from rig import Rig, panda
from test_policy_gate import cel
from test_policy_server import Answers, server
from test_rehearsals import Script, due, judge, moves_well, of_planner, rehearsed, wave

from safety_supervisor.core.act_events import StopRequested
from safety_supervisor.core.agents.settings import DemotionSettings, Model, Stage
from safety_supervisor.core.effects import Decision
from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import CommandUnreadable, JointStates, SourceEndpoints, SourceLiveliness
from safety_supervisor.core.settings import Configuration

NAN = float("nan")


def introduces_itself_again(rig: Rig, i: int) -> None:
    """As it is already, which changes nothing; 10 s behind the first time or not."""
    moves_well(rig, i)
    if i in (200, 400):
        introduce(rig)


def comes_back(rig: Rig, i: int) -> None:
    """Doubled for a while, and introduced again."""
    moves_well(rig, i)
    if i in (200, 220):
        publishers(rig, 2 if i == 200 else 1)
    if i == 230:
        introduce(rig)


def is_revoked(rig: Rig, i: int) -> None:
    moves_well(rig, i)
    if i == 200:
        signed(rig, "revoke", "planner", epoch=1)
    if i == 300:
        rig.act("reset")
    if i in (220, 310):
        introduce(rig)
    if i == 330:
        rig.act("start", "auto")


def is_demoted_beside_others(rig: Rig, i: int) -> None:
    """It stays so, also when somebody introduces himself somewhere."""
    moves_well(rig, i)
    if i == 150:
        rig.send(StopRequested(rig.now, "somebody", ""))
    if i == 300:
        rig.act("reset")
    if i == 310:
        rig.act("start", "auto")
    if i == 320:
        introduce(rig, source="joystick")


def measured(rig: Rig, position: float, *velocities: float) -> None:
    stamp = rig.now + 1
    positions = (*rig.home[:6].tolist(), float(position))
    rig.send(JointStates(rig.now, rig.names, positions, velocities, stamp, stamp))


def is_measured_nowhere(rig: Rig, i: int) -> None:
    moves_well(rig, i)
    if i == 200:
        measured(rig, NAN)


def is_measured_at_no_speed(rig: Rig, i: int) -> None:
    moves_well(rig, i)
    if i == 200:
        measured(rig, rig.home[6], *[0.0] * 6, NAN)


def is_measured_at_six_speeds(rig: Rig, i: int) -> None:
    moves_well(rig, i)
    if i == 200:
        measured(rig, rig.home[6], *[0.0] * 6)


def is_not_measured(rig: Rig, i: int) -> None:
    moves_well(rig, i)
    rig.measure = not 200 <= i < 300


def cycles_are_missed(rig: Rig, i: int) -> None:
    moves_well(rig, i)
    rig.now += 8_000_000 * (i in (100, 300))
    rig.late = 2_000_000 * (200 <= i < 210)


def emergency_stop(rig: Rig, i: int) -> None:
    moves_well(rig, i)
    rig.estop = "stop" if 200 <= i < 260 else "run"
    if i in (500, 510):
        rig.act(*(("reset",) if i == 500 else ("start", "auto")))


def is_unreadable(rig: Rig, i: int) -> None:
    moves_well(rig, i)
    if i == 200:
        rig.send(CommandUnreadable(rig.now, "planner", "E_UNDECODABLE", 3.0, 2.0, "bytes", 3))


DISTURBED: dict[Script, set[str]] = {
    introduces_itself_again: {"", "E_ENDED"},
    comes_back: {"", "E_SESSION_ENDED", "E_SESSION_REQUIRED"},
    is_revoked: {"", "E_SESSION_REVOKED", "E_QUARANTINED"},
    is_demoted_beside_others: {"", "E_DEMOTED", "E_SHADOW"},
    is_measured_nowhere: {"", "E_STATE_NOT_FINITE"},
    is_measured_at_no_speed: {"", "E_STATE_NOT_FINITE"},
    is_measured_at_six_speeds: {"", "E_STATE_NOT_FINITE"},
    is_not_measured: {"", "E_STATE_STALE"},
    cycles_are_missed: {"", "E_ENDED"},
    emergency_stop: {"", "E_QUARANTINED"},
    is_unreadable: {"", "E_UNDECODABLE"},
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("script", DISTURBED, ids=lambda one: one.__name__)
def test_whatever_else_happens(panda_rigs: Rigs, script: Script) -> None:
    found = judge(panda_rigs, script, 3.0, {"demotion": DemotionSettings(frozenset({Code.STOP_REQUEST}))})
    assert {one.code for one in found} >= DISTURBED[script]


def two_agents(stage: Stage, second: Stage) -> Configuration:
    """A planner and a second agent, `pilot`, of equal rank, both of which have to introduce themselves."""
    found: Configuration = introducing(stage)
    planner = next(one for one in found.sources if one.name == "planner")
    models = (Model("cell_policy", "1.2.0", SHA, second), Model("cell_policy", "1.3.0", SHA, Stage.AUTONOMOUS))
    return replace(found, sources=(*found.sources, replace(planner, name="pilot", models=models)))


def begin(rigs: Rigs, stage: Stage = Stage.SHADOW, second: Stage = Stage.SHADOW) -> Rig:
    rig = rigs(two_agents(stage, second)).auto()
    assert introduce(rig).ok
    rig.send(SourceEndpoints(rig.now, "pilot", 1))
    rig.send(SourceLiveliness(rig.now, "pilot", True))
    assert introduce(rig, source="pilot").ok
    rig.clear()
    return rig


def test_two_agents_are_rehearsed_beside_each_other(panda_rigs: Rigs) -> None:
    def both(rig: Rig, i: int) -> None:
        moves_well(rig, i)
        if i == 100:
            rig.stream(rig.home, "pilot")
        if 700 <= i < 900 and due(i):
            rig.stream(wave(rig, i - 700), "pilot")
        if i == 700:
            rig.trajectory([], np.zeros((0, 7)))

    found: list[list[str]] = []
    for stage in (Stage.SUPERVISED, Stage.SHADOW):
        rig = begin(panda_rigs, stage, stage)
        rig.seconds(2.6, lambda i, rig=rig: both(rig, i) if i < 690 or i > 700 else None)  # type: ignore[misc]
        rig.seconds(1.1)
        decisions = rig.decisions() if stage is Stage.SUPERVISED else rehearsed(rig.configuration, rig.events)[1]
        found.append([repr(msgspec.structs.replace(one, stage="")) for one in decisions if one.source in SPEAK])
    assert found[0] == found[1]
    assert sum("E_PRIORITY" in one for one in found[0]) == 1


SPEAK = ("planner", "pilot")


def test_who_is_demoted_while_another_rehearses_is_rehearsed_from_then_on(panda_rigs: Rigs) -> None:
    """What it sends is counted; so it is judged, too, from where the robot came to rest."""
    rig = begin(panda_rigs, second=Stage.SUPERVISED)

    def sends(i: int) -> None:
        if i % 25 == 0:
            rig.stream(rig.home)
        if due(i) and (i < 100 or i >= 300):
            rig.stream(wave(rig, i - 300 * (i >= 300)) if i < 100 else rig.output + 0.0, "pilot")
        if i == 100:
            signed(rig, "promote", "pilot shadow")

    rig.seconds(2.0, sends)
    rehearsals, told = rehearsed(rig.configuration, rig.events)
    assert rehearsals.sources["pilot"].commands == 80
    assert rehearsals.sources["pilot"].told["PASS", ""] == 1
    assert rehearsals.count == 2
    assert [one for one in told if one.source == "pilot" and one.code in ("E_SHADOW", "E_DEMOTED")] == []


@pytest.mark.parametrize("way", ["promoted", "another model"])
def test_who_leaves_the_stage_is_rehearsed_no_more(panda_rigs: Rigs, way: str) -> None:
    """What it does then moves the robot, and is no rehearsal; when it falls again, the next begins where that is."""
    rig = begin(panda_rigs)

    def sends(i: int) -> None:
        if due(i):
            rig.stream(wave(rig, i, 0.05, 0.5), "pilot")

    rig.seconds(0.5, sends)
    if way == "promoted":
        assert signed(rig, "promote", "pilot supervised").ok
    else:
        rig.seconds(10.0)
        rig.seconds(0.5, sends)
        assert introduce(rig, "1.3.0", source="pilot").ok
    left = rig.now
    rig.seconds(1.0)
    rig.seconds(2.0, sends)
    assert rig.state == "AUTO/MOVING"
    rehearsals, told = rehearsed(rig.configuration, rig.events)
    assert rehearsals.sources["pilot"].commands == 50 * (1 + (way != "promoted"))
    assert [one for one in told if one.at > left] == []


def test_refusals_that_are_folded_when_the_log_ends_are_told(panda_rigs: Rigs) -> None:
    policy = cel('stage == "supervised" ? deny("E_POLICY_STAGE") : allow')
    rig = panda_rigs(introducing(Stage.SHADOW, panda(policy=policy))).auto()
    introduce(rig)
    rig.seconds(0.6, lambda i: rig.stream(rig.home) if due(i) else None)
    rehearsals, _ = rehearsed(rig.configuration, rig.events)
    assert (rehearsals.sources["planner"].commands, rehearsals.sources["planner"].refused) == (60, 60)


def test_an_answer_of_the_policy_server_counts_for_what_was_asked(panda_rigs: Rigs) -> None:
    """In a rehearsal other things are asked, of a supervised model: what was said of one in shadow is no answer."""

    def run(stage: Stage, told: tuple[str, ...], says: Any) -> tuple[Rig, list[tuple[str, str]]]:
        rig = panda_rigs(introducing(stage, panda(policy=server(told=told))))
        Answers(rig, says)
        rig.auto()
        introduce(rig)
        rig.clear()
        rig.seconds(0.5, lambda i: rig.stream(rig.home) if due(i) else None)
        rig.seconds(2.0, lambda i: moves_well(rig, i))
        rig.seconds(1.1)
        found: list[Decision] = rig.decisions()
        if stage is Stage.SHADOW:
            found = rehearsed(rig.configuration, rig.events)[1]
        return rig, [(one.verdict, one.code) for one in of_planner(found)]

    def says(facts: dict[str, Any]) -> str:
        return 'deny("E_POLICY_LATER")' if facts.get("stage") == "supervised" else "allow"

    _, supervised = run(Stage.SUPERVISED, ("source", "stage"), says)
    assert ("REJECT", "E_POLICY_LATER") in supervised
    assert ("PASS", "") not in supervised
    rig, rehearsal = run(Stage.SHADOW, ("source", "stage"), says)
    assert ("PASS", "") not in rehearsal
    assert {code for _, code in rehearsal} == {"E_POLICY_WAIT", "E_POLICY_SERVER"}
    assert json.dumps({"source": "planner", "stage": "shadow"}, separators=(",", ":")) in repr(rig.history)
    # Where the stage is not told, the same is asked, and what is answered counts.
    told = ("mode", "source", "state")
    assert run(Stage.SHADOW, told, says)[1] == run(Stage.SUPERVISED, told, says)[1]
