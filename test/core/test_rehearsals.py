"""A rehearsal says of a shadowed agent's commands, streams included, what a supervised run says of the same ones.

Each script is sent twice, at the same times and with the same values whatever comes of it: to a rig whose agent is
supervised, whose robot moves, and to one whose agent is in stage shadow, whose robot stands. The decisions of the first
are compared with those of rehearsals over the events of the second, in every field but the stage.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from base_rig import BaseRig, with_base
from introductions import Rigs, introduce, introducing
from rig import Rig, panda
from test_policy_gate import cel

from safety_supervisor.core.act_events import StopRequested
from safety_supervisor.core.agents.settings import Stage
from safety_supervisor.core.effects import Decision
from safety_supervisor.core.events import Event, JointStates
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.evidence.rehearsal import RehearsalError, Rehearsals

Script = Callable[[Rig, int], None]
"""What an agent sends before the tick of a cycle."""


def rehearsed(configuration: Configuration, events: list[Event]) -> tuple[Rehearsals, list[Decision]]:
    told: list[Decision] = []
    rehearsals = Rehearsals(configuration, Supervisor(configuration), told.append)
    for event in events:
        rehearsals.handle(event)
    rehearsals.close()
    return rehearsals, told


def of_planner(decisions: list[Decision]) -> list[Decision]:
    found = [one for one in decisions if one.source == "planner"]
    return [msgspec.structs.replace(one, stage="") for one in found]


def judge(
    rigs: Rigs, script: Script, seconds: float, agents: dict[str, Any] | None = None, **changes: Any
) -> list[Decision]:
    """Run both, compare, and return what was told; `agents` replaces sections of who introduces himself how."""
    runs: dict[Stage, Rig] = {}
    for stage in (Stage.SUPERVISED, Stage.SHADOW):
        rig = rigs(introducing(stage, panda(**changes), **(agents or {}))).auto()
        assert introduce(rig).ok
        rig.clear()
        rig.seconds(seconds, lambda i, rig=rig: script(rig, i))  # type: ignore[misc]
        rig.seconds(1.1)
        runs[stage] = rig
    supervised, shadow = runs[Stage.SUPERVISED], runs[Stage.SHADOW]
    sent, same = ([one for one in rig.events if not isinstance(one, JointStates)] for rig in (supervised, shadow))
    assert sent == same or repr(sent) == repr(same), "but for where the robot is, both saw the same"
    assert np.ptp(np.array(supervised.outputs), axis=0).max() > 0.01, "the other one moved"
    assert shadow.output[0] == shadow.home[0], "nothing of the agent's is forwarded"
    expected = of_planner(supervised.decisions())
    rehearsals, told = rehearsed(shadow.configuration, shadow.events)
    got = of_planner(told)
    for one, other in zip(got, expected, strict=False):
        assert repr(one) == repr(other)
    assert len(got) == len(expected), (got[len(expected) :], expected[len(got) :])
    assert rehearsals.count == 1
    return expected


def due(i: int) -> bool:
    """Whether a stream at 100 Hz is due in a cycle of 4 ms."""
    return i * 4 % 10 < 4


def wave(rig: Rig, i: int, by: float = 0.2, period: float = 2.0) -> np.ndarray[Any, Any]:
    """The set-point of joint 1 that is due, on a cosine that begins at rest at home."""
    at = rig.home.copy()
    at[0] += by * (1 - np.cos(2 * np.pi * (i * 4 // 10) * 0.01 / period))
    return at


def moves_well(rig: Rig, i: int) -> None:
    if due(i):
        rig.stream(wave(rig, i))


def moves_and_errs(rig: Rig, i: int) -> None:
    """A value that is none, and a jump; each ends the motion, and the agent begins again."""
    if due(i) and not (200 <= i < 320 or 500 <= i < 650):
        rig.stream(np.full(7, np.nan) if 195 <= i < 200 else wave(rig, i % 500) + (0.5 if 490 <= i < 500 else 0.0))


def moves_down(rig: Rig, i: int) -> None:
    """Into the table, and on and on."""
    if due(i):
        at = rig.home.copy()
        u = min(1.0, i * 4 // 10 / 300)
        at[1] += 2.2 * (u - np.sin(2 * np.pi * u) / (2 * np.pi))
        rig.stream(at)


def moves_faster_and_faster(rig: Rig, i: int) -> None:
    if due(i):
        rig.stream(wave(rig, i, 0.6 * (i / 1000) ** 2, 1.5))


def moves_by_goals(rig: Rig, i: int) -> None:
    """Goals from where the one before has led, which is not where the robot is; then a stream from there."""
    if i in (0, 350):
        goal = rig.home.copy()
        goal[0] += 0.2 + 0.2 * (i > 0)
        rig.trajectory([1.0], goal[None, :], rig.rest, rig.rest)
    if i >= 700 and due(i):
        rig.stream(wave(rig, i - 700) + 0.4 * rig.unit(0))


def moves_in_bouts(rig: Rig, i: int) -> None:
    """Silent for less than a second, in mid-motion, and on from somewhere else than where it came to rest."""
    if due(i) and not 125 <= i < 330:
        rig.stream(wave(rig, i if i < 330 else i - 205))


def moves_while_others_stop(rig: Rig, i: int) -> None:
    if due(i):
        rig.stream(wave(rig, i))
    if i == 150:
        rig.send(StopRequested(rig.now, "somebody", ""))


def moves_beside_a_person(rig: Rig, i: int) -> None:
    """A person, who has the joints first, lets go of them; the agent has them then."""
    if i < 300 and i % 5 == 0:
        rig.stream(rig.unit(1, 0.1) * np.sin(np.pi * i / 300) ** 2, "joystick", velocity=True)
    if 100 <= i < 200 and due(i):
        rig.stream(wave(rig, i - 100))
    if i == 440:
        goal = rig.home + 0.2
        rig.trajectory([1.5], goal[None, :], rig.rest, rig.rest)


SCRIPTS: dict[Script, set[str]] = {
    moves_well: {"", "E_ENDED"},
    moves_and_errs: {"", "E_NOT_FINITE", "E_DEMOTED", "E_QUARANTINED"},
    moves_down: {"", "E_WORKSPACE"},
    moves_faster_and_faster: {"", "E_ACCELERATION_LIMIT"},
    moves_by_goals: {"", "E_ENDED"},
    moves_in_bouts: {"", "E_LATE"},
    moves_while_others_stop: {"", "E_STOP_REQUEST", "E_DEMOTED", "E_NOT_MOVING_STATE"},
    moves_beside_a_person: {"", "E_PRIORITY", "E_ENDED"},
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda one: one.__name__)
def test_what_is_rehearsed_is_what_a_supervised_run_says(panda_rigs: Rigs, script: Script) -> None:
    expected = judge(panda_rigs, script, 4.0)
    assert {one.code for one in expected} >= SCRIPTS[script]


def drawn(seed: int) -> Script:
    """Bouts of streams, some far from where the robot is by then; between them goals, cancels and short silences."""
    random = np.random.default_rng(seed)
    plan: list[tuple[int, str, float, float]] = []
    begin = 0
    while begin < 1250:
        between = len(plan) % 2 == 1
        kind = str(random.choice(["goal", "goal", "cancel", "nan", "silence"])) if between else "stream"
        plan.append((begin, kind, float(random.uniform(-0.5, 0.5)), float(random.uniform(0.8, 3.0))))
        begin += int(random.integers(20, 240 if kind in ("stream", "goal") else 100))

    def moves(rig: Rig, i: int) -> None:
        begin, kind, by, period = [one for one in plan if one[0] <= i][-1]
        if kind == "stream" and due(i):
            rig.stream(wave(rig, i - begin, by, period))
        elif kind == "goal" and i == begin:
            goal = rig.home.copy()
            goal[:2] += by
            rig.trajectory([period], goal[None, :], rig.rest, rig.rest)
        elif kind == "cancel" and i == begin:
            rig.trajectory([], np.zeros((0, 7)))
        elif kind == "nan" and i == begin:
            rig.stream(np.full(7, np.nan))

    return moves


@pytest.mark.sampled(2)
@pytest.mark.parametrize("seed", range(4))
def test_whatever_an_agent_sends(panda_rigs: Rigs, seed: int) -> None:
    sources = tuple(replace(one, refusals=10**6) for one in panda().sources)
    expected = judge(panda_rigs, drawn(seed), 5.0, sources=sources)
    assert len({one.code for one in expected}) > 3


def test_what_the_policy_says_to_a_supervised_model_is_what_counts(panda_rigs: Rigs) -> None:
    """Denied, let pass, and asked of people, for whom it waits; of a model in shadow this policy denies everything."""
    policy = cel(
        'stage != "supervised" ? deny("E_POLICY_STAGE") : verb == "position" ? allow : '
        'joint_speed > 0.6 ? deny("E_POLICY_FAST") : approve("closer_look", 1, 60)'
    )

    def moves(rig: Rig, i: int) -> None:
        if i < 250 and due(i):
            rig.stream(wave(rig, i))
        if i in (300, 400):
            goal = rig.home + 0.2 * rig.unit(1)
            rig.trajectory([0.5 if i == 300 else 2.0], goal[None, :], rig.rest, rig.rest)

    codes = [(one.verdict, one.code) for one in judge(panda_rigs, moves, 4.0, policy=policy)]
    assert codes[:2] == [("PASS", ""), ("PASS", "E_ENDED")]
    assert codes[2:] == [("REJECT", "E_POLICY_FAST"), ("WAIT", "E_APPROVAL_REQUIRED")]


def test_the_very_events_of_a_supervised_run_give_its_decisions(panda_rigs: Rigs) -> None:
    """Its measurements, too: where the robot was then counts no more than where it would have been commanded."""
    rig = panda_rigs(introducing()).auto()
    introduce(rig)
    rig.clear()
    rig.seconds(2.0, lambda i: moves_well(rig, i))
    rig.seconds(0.5)
    _, told = rehearsed(introducing(Stage.SHADOW), rig.events)
    assert of_planner(told) == of_planner(rig.decisions())
    assert [one.code for one in told] == ["", "E_ENDED"]


def shadow(rigs: Rigs) -> Rig:
    rig = rigs(introducing(Stage.SHADOW)).auto()
    assert introduce(rig).ok
    rig.clear()
    return rig


def test_a_rehearsal_begins_where_the_robot_is_and_changes_nothing_for_it(panda_rigs: Rigs) -> None:
    """After a second of silence the next bout is another rehearsal, from home again; a supervised run would be away."""
    rig = shadow(panda_rigs)
    for _ in range(2):
        rig.seconds(1.0, lambda i: moves_well(rig, i))
        rig.seconds(1.5)
    rehearsals, told = rehearsed(rig.configuration, rig.events)
    assert rehearsals.count == 2
    assert [one.code for one in told] == ["", "E_ENDED"] * 2
    assert rehearsals.sources["planner"].as_dict() == {
        "model": "cell_policy 1.2.0", "commands": 200, "refused": 0,
        "told": [{"verdict": "PASS", "code": "", "count": 2}, {"verdict": "PASS", "code": "E_ENDED", "count": 2}],
    }  # fmt: skip
    alone, beside = Supervisor(rig.configuration), Supervisor(rig.configuration)
    following = Rehearsals(rig.configuration, beside)
    for event in rig.events:
        assert following.handle(event) == alone.handle(event)
    following.close()


def test_who_is_not_in_shadow_is_not_rehearsed(panda_rigs: Rigs) -> None:
    rig = panda_rigs(introducing()).auto()
    introduce(rig)
    rig.seconds(0.5, lambda i: moves_well(rig, i))
    rehearsals, told = rehearsed(rig.configuration, rig.events)
    assert (rehearsals.count, rehearsals.sources, told) == (0, {}, [])


def test_a_rehearsal_that_dies_is_told_and_leaves_no_process(panda_rigs: Rigs) -> None:
    rig = shadow(panda_rigs)
    rig.seconds(0.5, lambda i: moves_well(rig, i))
    rehearsals = Rehearsals(rig.configuration, Supervisor(rig.configuration))
    events = iter(rig.events)
    while rehearsals.count == 0:
        rehearsals.handle(next(events))
    copy = rehearsals._copy
    assert copy is not None
    os.kill(copy._process, signal.SIGKILL)
    with pytest.raises(RehearsalError, match="a rehearsal ended"):
        deque(map(rehearsals.handle, events))
    rehearsals.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(copy._process, 0)


def test_a_base_is_rehearsed_from_where_it_stands() -> None:
    """The twists are ruled on as when supervised; the base stands all the while, so it comes to no fence."""
    told = []
    for stage in (Stage.SUPERVISED, Stage.SHADOW):
        rig = BaseRig(introducing(stage, with_base()))
        rig.auto()
        introduce(rig)
        rig.clear()
        rig.keep_driving(1.0, 0.3)
        rig.keep_driving(0.2, 3.0)
        rig.seconds(1.2)
        found = rig.decisions() if stage is Stage.SUPERVISED else rehearsed(rig.configuration, rig.events)[1]
        told.append([(one.at, one.verdict, one.code, one.rule, one.value) for one in of_planner(found)])
    assert told[0] == told[1]
    assert {code for _, _, code, _, _ in told[0]} >= {"", "E_BASE_LIMIT"}
