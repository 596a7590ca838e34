"""Goals that wait for people: every way in which that ends, and that nothing which waits moves the robot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from approvals import ask, asking, begin, decide, ends, requests, shown, sign, split, waits
from rig import Rig
from test_observed import Shared, configuration

from safety_supervisor.core.act_events import StopRequested
from safety_supervisor.core.events import SourceEndpoints, SourceLiveliness
from safety_supervisor.core.interventions.command_text import MOST_NUMBERS, NUMBERS_PER_SLICE

Rigs = Callable[..., Rig]
HELD = [pytest.mark.requirement("SR-022")]
pytestmark = HELD


def canonical(rig: Rig, goal: Any, command: str, start: Any) -> str:
    """The text that docs/policy.md promises, written here in another way."""
    said = {
        "accelerations": [[0.0] * 7], "command": command, "from": [float(q) for q in start], "groups": ["arm"],
        "joints": list(rig.names), "positions": [[float(q) for q in goal]], "source": "planner",
        "times_ns": [1_000_000_000], "velocities": [[0.0] * 7],
    }  # fmt: skip
    return json.dumps(said, sort_keys=True, separators=(",", ":"))


@pytest.mark.redteam(55)
def test_a_goal_waits_is_approved_and_ends_where_it_was_sent(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    before, epoch = rig.output, rig.supervisor._state.epoch
    goal = ask(rig, frame_id="cid:g1;why:pick <b>the</b> cup; it is; late")
    rig.cycle(60)
    (asked,) = requests(rig)
    assert [(one.verdict, one.code, one.intervention) for one in rig.decisions()] == [
        ("WAIT", "E_APPROVAL_REQUIRED", asked.intervention)
    ]
    assert asked.text == canonical(rig, goal, "g1", before)
    assert asked.sha256 == hashlib.sha256(asked.text.encode()).hexdigest()
    assert (asked.source, asked.command, asked.kind, asked.people) == ("planner", "g1", "zone", 1)
    assert (asked.epoch, asked.configuration) == (epoch, rig.configuration.sha256)
    assert asked.why == "pick <b>the</b> cup; it is; late"
    assert asked.deadline == asked.at + 30_000_000_000
    assert asked.joint_speed == pytest.approx(0.3 * 15 / 8, abs=1 / 16), "peak of a quintic, 1.875 times its mean"
    assert [one.intervention for one in shown(rig).waiting] == [asked.intervention]
    rig.seconds(5.0)
    assert np.array_equal(rig.output, before), "what waits moves nothing"
    assert rig.state == "AUTO/HOLDING"
    reply = decide(rig, asked)
    assert reply.ok
    assert np.array_equal(rig.output, before), "it is verified again first"
    rig.seconds(2.0)
    assert ends(rig, asked) == [("PASS", ""), ("PASS", "E_ENDED")]
    assert np.allclose(rig.output, goal, atol=1e-9)
    assert shown(rig).waiting == ()
    assert rig.supervisor._state.state.value == "AUTO/HOLDING", "nobody was blamed"


def test_denied(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    before, asked = rig.output, waits(rig)
    assert decide(rig, asked, "deny", "bob", reason="the cell is open").ok
    rig.seconds(1.0)
    (refused,) = [one for one in rig.decisions("REJECT") if one.command == asked.command]
    assert (refused.code, refused.intervention) == ("E_APPROVAL_DENIED", asked.intervention)
    assert "bob: the cell is open" in refused.detail
    assert decide(rig, asked).code == "E_ACT_INTERVENTION", "what was denied stays denied"
    rig.seconds(1.0)
    assert np.array_equal(rig.output, before)
    assert shown(rig).waiting == ()


@pytest.mark.redteam(20)
@pytest.mark.parametrize("between", [False, True])
def test_nobody_answers_in_time(panda_rigs: Rigs, between: bool) -> None:
    rig = begin(panda_rigs, 'approve("zone", 1, 2)')
    before, asked = rig.output, waits(rig)
    while rig.now + rig.period < asked.deadline:
        rig.cycle()
    assert ends(rig, asked) == []
    if between:  # too late, though no cycle has told of the end yet
        assert decide(rig, asked, at=asked.deadline).code == "E_ACT_EPOCH"
    rig.cycle(2)
    assert ends(rig, asked) == [("REJECT", "E_APPROVAL_EXPIRED")]
    assert not decide(rig, asked).ok
    rig.seconds(1.0)
    assert np.array_equal(rig.output, before)


def _cancel(rig: Rig) -> None:
    rig.trajectory([], np.empty((0, 7)), names=(), frame_id="cid:never-mind")


def _other_goal(rig: Rig) -> None:
    ask(rig, -0.2)


def _no_publisher(rig: Rig) -> None:
    rig.send(SourceLiveliness(rig.now, "planner", False))


def _other_publisher(rig: Rig) -> None:
    rig.send(SourceEndpoints(rig.now, "planner", 1))


def _doubled(rig: Rig) -> None:
    rig.send(SourceEndpoints(rig.now, "planner", 2))


def _stop(rig: Rig) -> None:
    rig.send(StopRequested(rig.now, "test", "look"))


def _estop(rig: Rig) -> None:
    rig.estop = "stop"


def _others_publisher(rig: Rig) -> None:
    rig.send(SourceEndpoints(rig.now, "joystick", 1))


def _other_moves(rig: Rig) -> None:
    """A motion that the policy lets pass, of a source that asks nobody."""
    for _ in range(3):
        rig.stream(np.zeros(7), "joystick", velocity=True)
        rig.cycle()
    assert rig.decisions("PASS"), rig.decisions()


def _pushed(rig: Rig) -> None:
    rig.offset[3] = 0.021


def _mode(rig: Rig) -> None:
    assert sign(rig, "mode", "manual").ok


ENDS: dict[str, tuple[Callable[[Rig], None], str]] = {
    "cancel": (_cancel, "E_CANCELLED"),
    "its own next goal": (_other_goal, "E_PREEMPTED"),
    "its publisher is lost": (_no_publisher, "E_SOURCE_NOT_ALIVE"),
    "its publisher is another": (_other_publisher, "E_APPROVAL_VOID"),
    "its publisher is doubled": (_doubled, "E_APPROVAL_VOID"),
    "another source's publisher": (_others_publisher, "E_APPROVAL_VOID"),
    "a person begins to move it": (_other_moves, "E_APPROVAL_VOID"),
    "stop": (_stop, "E_PURGED"),
    "e-stop": (_estop, "E_PURGED"),
    "mode": (_mode, "E_PURGED"),
    "pushed": (_pushed, "E_APPROVAL_VOID"),
}


@pytest.mark.redteam(18)
@pytest.mark.parametrize("what", ENDS)
def test_what_makes_it_old_ends_it(panda_rigs: Rigs, what: str) -> None:
    happens, code = ENDS[what]
    rig = begin(panda_rigs, 'kind == "person" ? allow : approve("zone", 1, 30)')
    before, asked = rig.output, waits(rig)
    happens(rig)
    rig.cycle(2)
    assert ends(rig, asked) == [("REJECT", code)]
    assert not decide(rig, asked).ok
    rig.seconds(0.5)
    assert np.array_equal(rig.output, before), "not even where the end comes with an approval"


def test_a_robot_that_idles_out_of_auto_ends_it(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, 'approve("zone", 1, 120)')
    asked = waits(rig)
    rig.until("LOCKED", 61.0)
    rig.cycle(2)
    assert ends(rig, asked) == [("REJECT", "E_APPROVAL_VOID")]


@pytest.mark.parametrize(("sway", "told"), [(0.03, []), (0.05, [("REJECT", "E_APPROVAL_VOID")])])
def test_what_another_controller_moves_may_sway_by_its_band(sway: float, told: list[tuple[str, str]]) -> None:
    there = replace(configuration(), policy=asking().policy, operators=asking().operators)
    assert there.observed is not None
    rig = Shared(replace(there, observed=replace(there.observed, band=2.0 * there.observed.band))).auto()
    rig.cycle(2)
    rig.goal()
    rig.cycle(60)
    (asked,) = requests(rig)
    rig.others[1] += sway  # twice its band is 0.04 rad
    rig.cycle(5)
    assert ends(rig, asked) == told


def test_a_push_that_the_pose_may_have_leaves_it_waiting(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    asked = waits(rig)
    rig.offset[3] = 0.019
    rig.cycle(5)
    assert ends(rig, asked) == []
    assert decide(rig, asked).ok
    rig.seconds(2.0)
    assert ends(rig, asked) == [("PASS", ""), ("PASS", "E_ENDED")]


@pytest.mark.redteam(16)
def test_a_restart_loses_it(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    asked = waits(rig)
    again = begin(panda_rigs)
    before = again.output
    assert decide(again, asked).code == "E_ACT_INTERVENTION"
    same = waits(again)
    assert same.sha256 == asked.sha256, "the same id, the same command: the nonce of the boot tells them apart"
    again.seconds(0.5)
    assert np.array_equal(again.output, before)


@pytest.mark.redteam(17)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"command_sha256": "0" * 64}, "E_ACT_COMMAND"), ({"command_sha256": ""}, "E_ACT_COMMAND"),
        ({"epoch": 0}, "E_ACT_EPOCH"), ({"epoch": -1}, "E_ACT_EPOCH"),
        ({"config_sha256": "0" * 64}, "E_ACT_CONFIGURATION"),
        ({"target": "w2"}, "E_ACT_INTERVENTION"), ({"target": ""}, "E_ACT_INTERVENTION"),
        ({"jti": ""}, "E_ACT_ROLE"),
        ({"person": "carl", "role": "operator"}, "E_ACT_ROLE"), ({"person": "vera", "role": "viewer"}, "E_ACT_ROLE"),
        ({"person": "mo", "role": "maintainer"}, "E_ACT_ROLE"), ({"person": "carl"}, "E_ACT_ROLE"),
        ({"person": "planner"}, "E_ACT_ROLE"), ({"person": "eve"}, "E_ACT_ROLE"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("act", ["approve", "deny"])
def test_what_does_not_belong_together_decides_nothing(
    panda_rigs: Rigs, act: str, changes: dict[str, Any], code: str
) -> None:
    rig = begin(panda_rigs)
    before, asked = rig.output, waits(rig)
    assert decide(rig, asked, act, **changes).code == code
    rig.seconds(0.3)
    assert np.array_equal(rig.output, before)
    assert ends(rig, asked) == [], "it waits on"
    assert decide(rig, asked).ok


@pytest.mark.redteam(19)
def test_who_commands_a_source_approves_nothing_of_it(panda_rigs: Rigs) -> None:
    shipped = asking()
    sources = tuple(replace(one, person="ada") for one in shipped.sources)
    rig = panda_rigs(replace(shipped, sources=sources)).auto()
    rig.cycle(2)
    before, asked = rig.output, waits(rig)
    assert decide(rig, asked).code == "E_ACT_SELF"
    rig.seconds(0.3)
    assert np.array_equal(rig.output, before)
    assert decide(rig, asked, person="bob").ok
    rig.seconds(2.0)
    assert ends(rig, asked) == [("PASS", ""), ("PASS", "E_ENDED")]


def test_two_people_are_two(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, 'approve("zone", 2, 30)')
    before, asked = rig.output, waits(rig)
    assert decide(rig, asked).ok
    for _ in range(3):
        assert decide(rig, asked).code == "E_ACT_TWICE"
    rig.seconds(0.5)
    assert np.array_equal(rig.output, before)
    assert [(one.intervention, one.approved) for one in shown(rig).waiting] == [(asked.intervention, ("ada",))]
    assert decide(rig, asked, person="bob").ok
    rig.seconds(2.0)
    assert ends(rig, asked) == [("PASS", ""), ("PASS", "E_ENDED")]


def test_one_who_denies_outvotes_one_who_has_approved(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, 'approve("zone", 2, 30)')
    before, asked = rig.output, waits(rig)
    assert decide(rig, asked).ok
    assert decide(rig, asked, "deny", "ada").ok, "also the one who has approved"
    assert not decide(rig, asked, person="bob").ok
    rig.seconds(0.5)
    assert np.array_equal(rig.output, before)


@pytest.mark.redteam(16)
def test_a_thousand_replays_count_once(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    asked = waits(rig)
    replies = [decide(rig, asked) for _ in range(1000)]
    assert [reply.ok for reply in replies] == [True, *[False] * 999]
    rig.seconds(2.0)
    assert ends(rig, asked) == [("PASS", ""), ("PASS", "E_ENDED")], "played once"
    there = rig.output
    assert not decide(rig, asked).ok
    rig.seconds(0.5)
    assert np.array_equal(rig.output, there)


def test_the_approval_is_used_up_where_the_command_is_refused_then(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    here, asked = rig.output, waits(rig)
    assert decide(rig, asked).ok
    rig.send(StopRequested(rig.now, "test", "look"))  # while it is verified again
    rig.seconds(0.5)
    assert ends(rig, asked) == [("REJECT", "E_PURGED")]
    assert np.array_equal(rig.output, here)
    assert decide(rig, asked).code == "E_ACT_INTERVENTION"


def test_another_publisher_does_not_inherit_an_approval(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    before, asked = rig.output, waits(rig)
    assert decide(rig, asked).ok
    rig.send(SourceEndpoints(rig.now, "planner", 1))
    rig.seconds(1.0)
    assert ends(rig, asked) == [("REJECT", "E_APPROVAL_VOID")]
    assert np.array_equal(rig.output, before)


def test_an_approval_opens_one_command_and_no_other(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    first = waits(rig)
    assert decide(rig, first).ok
    rig.seconds(2.0)
    second = waits(rig, -0.3)
    assert second.intervention != first.intervention
    there = rig.output
    rig.seconds(0.5)
    assert np.array_equal(rig.output, there)


def test_a_goal_from_motion_does_not_wait(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, 'joint_speed > 0.5 ? approve("zone", 1, 30) : allow')
    ask(rig, 0.2, 2.0)
    rig.seconds(0.5)
    assert rig.state == "AUTO/MOVING"
    ask(rig, 0.6)
    rig.seconds(0.5)
    assert rig.codes()[-1] == "E_ENDED" or "E_APPROVAL_REQUIRED" in rig.codes()
    (refused,) = rig.decisions("REJECT")
    assert refused.code == "E_APPROVAL_REQUIRED"
    assert "from rest" in refused.detail
    assert requests(rig) == []


def test_where_too_few_people_could_approve_nothing_waits(panda_rigs: Rigs) -> None:
    from safety_supervisor.core.operator_settings import Role

    rig = begin(panda_rigs, 'approve("zone", 2, 30)', people={"ada": Role.TECHNICIAN, "carl": Role.OPERATOR})
    ask(rig)
    rig.cycle(60)
    (refused,) = rig.decisions("REJECT")
    assert refused.code == "E_APPROVAL_REQUIRED"
    assert "`operators.people` has 1 who may approve it" in refused.detail


@pytest.mark.redteam(21)
@pytest.mark.parametrize("act", ["deny", ""])
def test_after_a_no_a_source_asks_nothing_for_half_a_minute(panda_rigs: Rigs, act: str) -> None:
    rig = begin(panda_rigs, 'approve("zone", 1, 1)')
    asked = waits(rig)
    if act:
        assert decide(rig, asked, act).ok
    rig.seconds(1.1)
    since = rig.now
    ask(rig, 0.1)
    rig.cycle(60)
    assert rig.codes()[-1] == "E_APPROVAL_COOL_DOWN"
    assert len(requests(rig)) == 1
    rig.seconds(31.0 - (rig.now - since) / 1e9)
    assert waits(rig, 0.1)


@pytest.mark.redteam(21)
def test_who_asks_too_often_asks_nothing_for_a_while(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    for number in range(10):
        waits(rig, 0.1 + 0.01 * number)
    ask(rig, 0.3)
    rig.cycle(60)
    assert rig.codes()[-1] == "E_APPROVAL_COOL_DOWN"
    assert len(requests(rig)) == 10


def test_a_command_that_nobody_could_look_at_does_not_wait(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    count = MOST_NUMBERS // 22 + 1
    rows = rig.output + np.linspace(0, 1, count)[:, None] ** 2 * rig.unit(0, 1e-4)
    times = [0.01 * (i + 1) for i in range(count)]
    zeros = np.zeros_like(rows)
    rig.trajectory(times, rows, zeros, zeros)
    rig.seconds(3.0)
    assert rig.codes()[-1] == "E_APPROVAL_LONG"


def test_a_long_text_is_written_in_slices(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    count = 250
    s = np.linspace(1 / count, 1, count)[:, None]
    rows = rig.output + 0.3 * (10 * s**3 - 15 * s**4 + 6 * s**5) * rig.unit(0)
    speeds = 0.3 * (30 * s**2 - 60 * s**3 + 30 * s**4) / (0.02 * count) * rig.unit(0)
    rig.trajectory([0.02 * (i + 1) for i in range(count)], rows, speeds)
    rig.cycle(400)
    (asked,) = requests(rig)
    said = json.loads(asked.text)
    assert said["positions"] == rows.tolist()
    assert said["velocities"] == speeds.tolist()
    assert said["accelerations"] is None
    assert json.dumps(said, sort_keys=True, separators=(",", ":")) == asked.text
    assert count * 8 > NUMBERS_PER_SLICE


def ask_joint(rig: Rig, joint: int, **changes: Any) -> None:
    here = rig.output[joint : joint + 1]
    rest = np.zeros((1, 1))
    rig.trajectory([1.0], (here + 0.2)[None, :], rest, rest, names=(rig.names[joint],), **changes)
    rig.cycle(40)


@pytest.mark.redteam(21)
def test_goals_of_other_groups_wait_beside_each_other_up_to_a_bound(panda_rigs: Rigs) -> None:
    rig = panda_rigs(split()).auto()
    rig.cycle(2)
    before = rig.output
    for joint in range(4):
        ask_joint(rig, joint)
    assert [one.intervention for one in shown(rig).waiting] == ["w1", "w2", "w3", "w4"]
    rig.clear()
    ask_joint(rig, 4)
    assert rig.codes() == ["E_APPROVAL_FULL"]
    assert np.array_equal(rig.output, before)
    ask_joint(rig, 3)
    assert [one.intervention for one in shown(rig).waiting] == ["w1", "w2", "w3", "w5"], "in the place of its older one"
    assert ends(rig, requests(rig)[3]) == [("REJECT", "E_PREEMPTED")]
    assert decide(rig, requests(rig)[0]).ok
    rig.seconds(2.0)
    assert ends(rig, requests(rig)[0]) == [("PASS", ""), ("PASS", "E_ENDED")]
    assert [ends(rig, requests(rig)[i]) for i in (1, 2, 4)] == [[("REJECT", "E_APPROVAL_VOID")]] * 3, "it has moved"
    assert shown(rig).waiting == ()
    moved = rig.output - before
    assert moved[0] == pytest.approx(0.2)
    assert not moved[1:].any()


@pytest.mark.redteam(21)
def test_all_sources_together_let_no_more_wait_than_people_can_look_at(panda_rigs: Rigs) -> None:
    shipped = split()
    planner = shipped.source("planner")
    names = ("planner", "second", "third")
    rig = panda_rigs(replace(shipped, sources=tuple(replace(planner, name=name) for name in names))).auto()
    rig.cycle(2)
    for number in range(9):
        ask_joint(rig, number % 3, source=names[number // 3])
    assert len(shown(rig).waiting) == 8
    assert rig.codes()[-1] == "E_APPROVAL_FULL"
