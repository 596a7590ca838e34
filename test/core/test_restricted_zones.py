"""Restricted zones that people open for one goal: nothing else ever enters them, and nothing else is opened by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pytest
from approvals import ask, asking, decide, ends, hold, requests, sign, split, waits
from rig import HOME, Rig, upright
from test_supervisor_recovery import jog, outside
from two_tools import write_two_tools

from safety_supervisor.config import load_config
from safety_supervisor.core.effects import Decision
from safety_supervisor.core.events import SourceEndpoints
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.motion.opened_zones import OpenedZones
from safety_supervisor.core.policy.verdict import Approve
from safety_supervisor.core.settings import Configuration, Zone, ZoneKind
from safety_supervisor.core.verifier import Verifier

Rigs = Callable[..., Rig]
pytestmark = pytest.mark.requirement("SR-022")
IN = 1.0
"""By so much joint 1 turns the hand from HOME into the middle of the zone, [rad]."""


def press(kind: str = "press", people: int = 1, seconds: int = 30, name: str = "press", **more: Any) -> Zone:
    """Beside the robot, to its left."""
    approval = Approve(kind, people, seconds)
    return upright(name, ZoneKind.RESTRICTED, (-0.2, 0.25, 0.3), (0.6, 0.7, 1.0), (), 0.02, approval=approval, **more)


def guarded(zone: Zone | None = None, program: str = "", base: Configuration | None = None) -> Configuration:
    """The shipped cell, and that zone."""
    shipped = base or (asking(program) if program else replace(asking(), policy=None))
    return replace(shipped, zones=(*shipped.zones, zone or press()))


def begin(panda_rigs: Rigs, configuration: Configuration | None = None, **more: Any) -> Rig:
    rig = panda_rigs(configuration or guarded(), **more).auto()
    rig.cycle(2)
    rig.clear()
    return rig


_scenes: WeakKeyDictionary[Rig, Scene] = WeakKeyDictionary()
"""Of each rig its robot and the zone, built here and once: that takes as long as a hundred cycles."""


def room(rig: Rig, q: np.ndarray[Any, Any]) -> float:
    """Distance of the robot from the zone, [m]: in a scene of its own."""
    if rig not in _scenes:
        zone = replace(rig.configuration.zones[-1], approval=None)
        model = RobotModel(rig.configuration.robot, rig.configuration.geometry.bodies)
        _scenes[rig] = Scene(model, rig.configuration.geometry, (zone,), between_links=False)
    return float(_scenes[rig].distances(q).min())


def enter(rig: Rig) -> None:
    """Ask, be let in, and rest inside."""
    assert decide(rig, waits(rig, IN)).ok
    rig.seconds(1.5)
    assert room(rig, rig.output) < -0.05
    assert rig.state == "AUTO/HOLDING", rig.status.cause
    rig.clear()


def last(rig: Rig) -> Decision:
    return [one for one in rig.decisions() if one.verdict != "PASS"][-1]


@pytest.mark.redteam(16)
def test_a_goal_into_the_zone_waits_is_let_in_and_only_another_one_leads_out(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    before = rig.output
    asked = waits(rig, IN)
    assert (asked.kind, asked.people, asked.zones) == ("press", 1, ("press",))
    rig.seconds(1.0)
    assert np.array_equal(rig.output, before), "what waits moves nothing"
    assert decide(rig, asked).ok
    rig.seconds(1.5)
    assert ends(rig, asked) == [("PASS", ""), ("PASS", "E_ENDED")]
    assert room(rig, rig.output) < -0.05, "the test has to be inside"
    assert rig.state == "AUTO/HOLDING"
    rig.seconds(1.0)
    assert rig.state == "AUTO/HOLDING", "and may rest there"

    # Inside, whatever was not let in moves nothing.
    here = rig.output
    rig.stream(here + rig.unit(0, -2e-5))
    rig.cycle(5)
    assert last(rig).code == "E_RESTRICTED"
    assert np.array_equal(rig.output, here)
    farther = waits(rig, 0.1)
    assert decide(rig, farther, "deny").ok
    rig.seconds(31.0)  # past the pause after a denial
    out = waits(rig, -IN)
    assert np.array_equal(rig.output, here)
    assert decide(rig, out).ok
    rig.seconds(1.5)
    assert np.allclose(rig.output, before, atol=1e-9)
    assert rig.supervisor._motion.zones.entered == frozenset()
    # What let it in is used up.
    again = waits(rig, IN)
    assert np.allclose(rig.output, before, atol=1e-9)
    assert again.intervention not in (asked.intervention, out.intervention)


def test_what_stays_outside_is_asked_of_nobody(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    for by in (-0.5, 0.5):
        goal = ask(rig, by)
        rig.seconds(1.5)
        assert np.allclose(rig.output, goal, atol=1e-9)
    assert not requests(rig)
    assert {one.verdict for one in rig.decisions()} == {"PASS"}


@pytest.mark.requirement("SR-026")
def test_a_stream_stops_before_the_zone(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    start, sent = rig.output, 0
    for cycle in range(700):
        if 4 * cycle >= 10 * sent:
            t = sent * 0.01
            rig.stream(start + rig.unit(0, 0.6 * (t * t / 0.8 if t < 0.4 else t - 0.2)))
            sent += 1
        rig.cycle()
        assert room(rig, rig.output) >= 0.02
    assert "E_RESTRICTED" in rig.codes()
    assert room(rig, rig.output) < 0.06, "it came near"
    assert not requests(rig), "a stream can not wait"


@pytest.mark.redteam(16)
def test_a_standing_approval_lets_goals_in_and_ends_them_with_it(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    assert sign(rig, "grant", "press planner 20").ok
    rig.cycle(2)
    ask(rig, IN, 2.0)
    rig.seconds(1.2)
    assert rig.state == "AUTO/MOVING"
    assert sign(rig, "deny", "press planner").ok
    rig.seconds(1.0)
    assert rig.state == "AUTO/HOLDING"
    assert last(rig).code == "E_APPROVAL_REQUIRED"
    assert rig.output[0] < HOME[0] + 0.9 * IN


def test_a_stop_inside_is_reset_and_left_by_another_goal(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    enter(rig)
    rig.estop = "stop"
    rig.cycle(20)
    rig.estop = "run"
    rig.offset[3] -= 0.03  # the arm sags: the set-point goes there, slowly
    rig.seconds(1.0)
    rig.until("LOCKED")
    assert rig.act("reset").ok, rig.status
    assert rig.act("start", "auto").ok
    rig.seconds(2.0)
    assert rig.state == "AUTO/HOLDING", "it was let in, and has not left since"
    assert rig.output[3] == pytest.approx(HOME[3] - 0.03)
    rig.offset[3] = 0.0
    rig.robot, rig.offset = rig.robot + rig.offset, np.zeros(7)
    out = waits(rig, -IN)
    assert decide(rig, out).ok
    rig.seconds(1.5)
    assert room(rig, rig.output) > 0.05


@pytest.mark.redteam(43)
def test_a_robot_that_nobody_let_in_is_a_stop(panda_rigs: Rigs) -> None:
    """After a restart inside, or pushed there."""
    rig = panda_rigs(guarded(), start=HOME + np.array([IN, 0, 0, 0, 0, 0, 0]))
    rig.seconds(0.5)
    assert rig.state == "LOCKED"
    assert "E_MEASURED_WORKSPACE" in rig.status.active_causes
    assert not rig.act("reset").ok


def test_recovery_leads_out(panda_rigs: Rigs) -> None:
    rig = outside(panda_rigs, HOME + np.array([0.55, 0, 0, 0, 0, 0, 0]), configuration=guarded())
    inside = room(rig, rig.home)
    assert -0.03 < inside < 0.0
    rig.send(SourceEndpoints(rig.now, "joystick", 1))
    assert rig.act("recover").ok, rig.status
    jog(rig, 1.0, rig.unit(0, 0.05))
    assert room(rig, rig.output) >= inside - 1e-3, "not farther in"
    assert "E_RESTRICTED" in rig.codes()
    jog(rig, 6.0, rig.unit(0, -0.05))
    assert room(rig, rig.output) > 0.0


@pytest.mark.redteam(16)
@pytest.mark.parametrize("priority", [5, 20])
def test_nothing_else_moves_beside_what_was_let_in(panda_rigs: Rigs, priority: int) -> None:
    """Joint 1 turns the hand into the zone; another source would bend the elbow there."""
    shipped = guarded(base=replace(split(), policy=None))
    sources = tuple(replace(s, priority=priority) if s.name == "joystick" else s for s in shipped.sources)
    rig = begin(panda_rigs, replace(shipped, sources=sources))
    rig.send(SourceEndpoints(rig.now, "joystick", 1))
    goal = rig.output[:1] + IN
    rig.trajectory([2.0], goal[None, :], np.zeros((1, 1)), np.zeros((1, 1)), names=rig.names[:1])
    rig.seconds(0.5)
    (asked,) = requests(rig)
    assert asked.zones == ("press",)
    assert decide(rig, asked).ok
    rig.seconds(1.3)
    assert rig.state == "AUTO/MOVING"
    assert room(rig, rig.output) < 0.0
    for _ in range(20):
        rig.stream([0.05], "joystick", velocity=True, names=rig.names[3:4])
        rig.cycle(5)
    rig.seconds(1.0)
    assert rig.output[3] == pytest.approx(HOME[3], abs=1e-4)
    assert rig.state == "AUTO/HOLDING"
    if priority < 10:
        assert {one.code for one in rig.decisions("REJECT")} == {"E_PRIORITY"}
        assert rig.output[0] == pytest.approx(goal[0]), "it goes on"
    else:
        assert rig.output[0] < goal[0] - 0.05, "a person takes it over: both end in the kept stop"


def person_jogs(panda_rigs: Rigs, priority: int) -> Rig:
    """The same robot, a person who outranks the agent or does not, and a standing approval."""
    shipped = guarded(base=replace(split(), policy=None))
    sources = tuple(replace(s, priority=priority) if s.name == "joystick" else s for s in shipped.sources)
    rig = begin(panda_rigs, replace(shipped, sources=sources))
    rig.send(SourceEndpoints(rig.now, "joystick", 1))
    assert sign(rig, "grant", "press planner 20").ok
    rig.cycle(2)
    return rig


@pytest.mark.redteam(16)
def test_who_moved_beside_it_while_it_was_outside_has_ended_it(panda_rigs: Rigs) -> None:
    """Else it would go in afterwards with an elbow that nobody was shown."""
    rig = person_jogs(panda_rigs, 20)
    rig.trajectory([3.0], rig.output[None, :1] + IN, np.zeros((1, 1)), np.zeros((1, 1)), names=rig.names[:1])
    rig.seconds(0.5)
    for _ in range(8):
        rig.stream([-0.1], "joystick", velocity=True, names=rig.names[3:4])
        rig.cycle(5)
    assert room(rig, rig.output) > 0.05
    rig.seconds(3.0)
    assert room(rig, rig.output) > 0.05
    assert rig.output[3] < HOME[3] - 0.005, "the person goes on"
    (ended,) = [one for one in rig.decisions() if one.source == "planner" and one.verdict == "STOP"]
    assert (ended.code, ended.rule) == ("E_PREEMPTED", "zones.press")


@pytest.mark.redteam(16)
def test_nobody_of_its_priority_begins_before_a_goal_that_was_let_in_and_waits(panda_rigs: Rigs) -> None:
    rig = person_jogs(panda_rigs, 5)
    goal = rig.output[:1] + IN
    later = rig.now + 1_000_000_000
    rig.trajectory([2.0], goal[None, :], np.zeros((1, 1)), np.zeros((1, 1)), names=rig.names[:1], stamp=later)
    rig.seconds(0.7)
    assert not rig.decisions("REJECT"), rig.decisions()
    for _ in range(60):
        rig.stream([-0.1], "joystick", velocity=True, names=rig.names[3:4])
        rig.cycle(5)
    assert {one.code for one in rig.decisions("REJECT")} == {"E_PRIORITY"}
    rig.seconds(1.5)
    assert rig.output == pytest.approx(HOME + rig.unit(0, IN)), "it goes in alone"


@pytest.mark.redteam(43)
def test_it_is_closed_behind_a_robot_that_left_and_never_rested(panda_rigs: Rigs) -> None:
    """Motion without an end does not keep it open for a push."""
    rig = begin(panda_rigs)
    rig.lag = 8
    assert sign(rig, "grant", "press planner 20").ok
    rig.cycle(2)
    ask(rig, IN, 2.0)
    rig.seconds(1.7)
    assert room(rig, rig.output) < 0.0
    inside = closed = 0
    for turn in range(3):
        goal = HOME - rig.unit(0, 0.2 * (turn % 2 == 0))
        rig.trajectory([2.0], goal[None, :], rig.rest, rig.rest)
        for _ in range(400):
            rig.cycle()
            assert rig.state == "AUTO/MOVING", rig.status.cause
            opened = bool(rig.supervisor._motion.zones.entered)
            inside += room(rig, rig.robot) < 0.0
            closed += not opened
            assert opened or room(rig, rig.robot) > 0.0, "the measured robot is still inside"
    assert inside > 10
    assert closed > 160
    rig.offset[0] = IN - rig.robot[0]
    rig.seconds(0.2)
    assert "E_MEASURED_WORKSPACE" in rig.status.active_causes


def test_a_goal_for_which_it_would_be_opened_begins_alone(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, guarded(base=replace(split(), policy=None)))
    rig.send(SourceEndpoints(rig.now, "joystick", 1))
    assert sign(rig, "grant", "press planner 20").ok
    rig.stream([0.05], "joystick", velocity=True, names=rig.names[3:4])
    rig.cycle(3)
    goal = rig.output[:1] + IN
    rig.trajectory([2.0], goal[None, :], np.zeros((1, 1)), np.zeros((1, 1)), names=rig.names[:1])
    for _ in range(60):
        rig.stream([0.05], "joystick", velocity=True, names=rig.names[3:4])
        rig.cycle(5)
    assert "E_RESTRICTED" in [one.code for one in rig.decisions("REJECT") if one.source == "planner"]
    assert rig.output[0] == pytest.approx(HOME[0])


def test_what_is_let_in_keeps_from_everything_else(panda_rigs: Rigs) -> None:
    """The same way into the zone, and down onto the table in it."""
    low = press()
    rig = begin(
        panda_rigs, guarded(replace(low, shape=upright("", ZoneKind.SPEED, (-0.2, 0.25, 0), (0.6, 0.7, 1)).shape))
    )
    goal = rig.output + np.array([IN, 1.0, 0, 0, 0, 0, 0])
    rig.trajectory([3.0], goal[None, :], rig.rest, rig.rest)
    rig.seconds(1.0)
    assert not requests(rig)
    assert last(rig).code == "E_WORKSPACE"


@pytest.mark.redteam(37)
def test_a_policy_counts_beside_it(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, guarded(program='"press" in zones ? deny("E_POLICY_LATER") : allow'))
    ask(rig, IN)
    rig.seconds(0.5)
    assert (last(rig).code, requests(rig)) == ("E_POLICY_LATER", [])
    rig = begin(panda_rigs, guarded(program='size(zones) > 0 ? approve("press", 1, 60) : allow'))
    enter(rig)  # one approval of the kind is enough for both
    rig = begin(panda_rigs, guarded(program='size(zones) > 0 ? approve("cell", 1, 60) : allow'))
    assert decide(rig, waits(rig, IN)).ok
    rig.seconds(0.5)
    assert (last(rig).code, rig.output[0]) == ("E_APPROVAL_REQUIRED", HOME[0]), "the zone takes another kind"


@pytest.mark.redteam(53)
def test_two_people_and_a_button(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, guarded(press(people=2, hold_to_run=True)))
    asked = waits(rig, IN, duration=3.0)
    assert decide(rig, asked).code == "E_HOLD_TO_RUN"
    hold(rig, 0.3)
    assert decide(rig, asked).ok
    assert decide(rig, asked).code == "E_ACT_TWICE"
    hold(rig, 0.3)
    assert np.array_equal(rig.output, HOME), "one of two"
    assert decide(rig, asked, person="bob").ok
    hold(rig, 1.5)
    assert rig.state == "AUTO/MOVING"
    rig.seconds(1.0)  # released
    assert ends(rig, asked) == [("PASS", ""), ("STOP", "E_APPROVAL_REQUIRED")]
    assert HOME[0] + 0.1 < rig.output[0] < HOME[0] + 0.9 * IN


@pytest.mark.redteam(43)
@pytest.mark.parametrize("seed", [0, *(pytest.param(one, marks=pytest.mark.long) for one in (1, 2))])
def test_whatever_is_sent_nobody_is_inside_whom_nobody_let_in(panda_rigs: Rigs, seed: int) -> None:
    """Random goals and streams of an agent, and people who approve every other one."""
    random = np.random.default_rng(seed)
    rig = begin(panda_rigs)
    let_in, inside = False, 0
    for _ in range(25):
        goal = HOME + random.uniform(-0.3, 0.3, 7)
        goal[0] = random.uniform(-0.4, 1.3)
        known, duration = len(requests(rig)), float(random.uniform(1.5, 3.0))
        rig.trajectory([duration], goal[None, :], rig.rest, rig.rest)
        rig.seconds(0.4)
        if len(requests(rig)) > known:
            let_in = bool(random.random() < 0.5)
            if let_in:
                decide(rig, requests(rig)[-1])
            else:
                rig.trajectory([], np.empty((0, 7)), names=())
        elif room(rig, rig.output) > 0.02:
            let_in = False
        for step in range(8):
            rig.seconds(duration / 6)
            distance = room(rig, rig.output)
            if let_in:
                inside += distance < 0.0
            else:
                assert distance >= 0.02 or rig.supervisor._motion.zones.entered, (step, distance)
    assert rig.state.startswith("AUTO"), rig.status.cause
    assert inside > 3


@pytest.mark.redteam(43)
def test_it_is_closed_for_a_robot_that_put_down_what_was_in_it(tmp_path: Path) -> None:
    """And rests where it rested: nothing has moved."""
    carrying = load_config(write_two_tools(tmp_path))
    below = upright("press", ZoneKind.RESTRICTED, (0.2, -0.5, -1), (1, 0.5, 0.35), approval=Approve("press", 1, 30))
    verifier, pose = Verifier(replace(carrying, zones=(*carrying.zones, below))), HOME
    verifier.carry("gripper_with_rod")
    assert verifier.restricted[0].holds(pose)
    assert not verifier.outfits[""].restricted[0].holds(pose)
    zones = OpenedZones(verifier)
    zones.entered = frozenset({"press"})
    zones.rest(pose)
    zones.rest(pose)
    assert zones.entered == {"press"}
    verifier.carry("")
    zones.rest(pose)
    assert not zones.entered


@pytest.mark.redteam(17)
def test_an_approval_opens_only_what_people_were_shown(panda_rigs: Rigs) -> None:
    """From request to answer the robot may sway by 0.02 rad, and come to need a zone that was not shown."""
    rig = begin(panda_rigs)
    asked = waits(rig, IN)
    assert asked.zones == ("press",)
    (waiting,) = rig.supervisor._commands.book._waiting.values()  # type: ignore[union-attr]
    waiting.zones = ("another",)
    rig.tampered = True
    assert decide(rig, asked).ok
    rig.seconds(1.0)
    assert last(rig).code == "E_APPROVAL_VOID"
    assert np.array_equal(rig.output, HOME)
