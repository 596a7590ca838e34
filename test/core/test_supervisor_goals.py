"""What an action goal is to the core: a trajectory that hears its own verdict and may end for a reason of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rig import Rig

from safety_supervisor.core.events import CommandUnreadable

Rigs = Callable[..., Rig]
GOAL = "goal/0f8fad5b-d9cb-469f-a165-70867728950e"


def play(rig: Rig, goal: str = GOAL, duration: float = 2.0) -> None:
    there = rig.output.copy()
    there[0] += 0.6
    rig.trajectory([duration], there[None, :], rig.rest, rig.rest, command=goal)


def end(rig: Rig, reason: str, goal: str = GOAL) -> None:
    """End the source's trajectories as an adapter does."""
    rig.trajectory([], rig.rest[:0], names=(), command=goal, reason=reason)


def told(rig: Rig, goal: str = GOAL) -> list[tuple[str, str]]:
    return [(one.verdict, one.code) for one in rig.decisions() if one.command == goal]


@pytest.mark.requirement("SR-031")
def test_a_goal_that_left_its_tolerance_ends_in_the_kept_stop_and_says_so_once(rigs: Rigs) -> None:
    rig = rigs().auto()
    play(rig)
    rig.seconds(0.7)
    assert rig.state == "AUTO/MOVING"
    end(rig, "E_PATH_TOLERANCE")
    rig.cycle()
    assert told(rig) == [("PASS", ""), ("STOP", "E_PATH_TOLERANCE")]
    rig.until("AUTO/HOLDING")
    rig.seconds(0.5)
    assert rig.output[0] < 0.5
    assert told(rig) == [("PASS", ""), ("STOP", "E_PATH_TOLERANCE")]


@pytest.mark.parametrize("reason", ["", "E_NO_SUCH_CODE"])
def test_without_a_known_reason_it_is_a_cancel(rigs: Rigs, reason: str) -> None:
    rig = rigs().auto()
    play(rig)
    rig.seconds(0.7)
    end(rig, reason)
    rig.cycle()
    assert told(rig) == [("PASS", ""), ("PASS", "E_CANCELLED"), ("STOP", "E_CANCELLED")]


def test_a_goal_under_verification_ends_with_the_reason_too(rigs: Rigs) -> None:
    rig = rigs().auto()
    play(rig)
    end(rig, "E_PATH_TOLERANCE")
    rig.cycle()
    assert told(rig) == [("REJECT", "E_PATH_TOLERANCE")]


@pytest.mark.requirement("SR-031")
def test_every_trajectory_hears_its_own_refusal_where_set_points_are_folded(rigs: Rigs) -> None:
    rig = rigs().ready()
    for number in range(3):
        play(rig, f"goal/{number}")
        rig.stream(rig.output)
        rig.cycle()
    rig.seconds(0.3)
    assert [told(rig, f"goal/{number}") for number in range(3)] == [[("REJECT", "E_NOT_MOVING_STATE")]] * 3
    streamed = [one for one in rig.decisions() if not one.command.startswith("goal/")]
    assert sum(one.count for one in streamed) == 3
    assert len(streamed) < 3


@pytest.mark.requirement("SR-031")
def test_a_goal_that_is_refused_unread_hears_it_by_its_id(rigs: Rigs) -> None:
    rig = rigs().auto()
    rig.send(CommandUnreadable(rig.now, "planner", "E_RATE", 500.0, 400.0, "goals", command=GOAL))
    assert told(rig) == [("REJECT", "E_RATE")]


@pytest.mark.requirement("SR-024")
@pytest.mark.redteam(30)
@pytest.mark.parametrize("frame", [f"cid:{GOAL}", f"cid:{GOAL};key:a", GOAL])
@pytest.mark.parametrize("duration", [0.2, 3.0])
def test_no_message_takes_the_name_of_a_goal(rigs: Rigs, frame: str, duration: float) -> None:
    rig = rigs().auto()
    play(rig)
    rig.seconds(0.7)
    there = rig.output.copy()
    there[0] += 0.6
    rig.trajectory([duration], there[None, :], rig.rest, rig.rest, frame_id=frame)
    rig.stream(there, frame_id=frame)
    rig.seconds(0.1)
    others = [one for one in rig.decisions() if one.command != GOAL]
    assert others, "what is said of the messages is said in a name of their own"
    assert told(rig)[0] == ("PASS", "")
    assert len(told(rig)) <= 2
    assert all(code in ("E_PREEMPTED", "E_PURGED") for _, code in told(rig)[1:])


def test_what_waits_to_begin_does_not_play_yet(rigs: Rigs) -> None:
    rig = rigs().auto()
    play(rig, "goal/now", 1.0)
    rig.cycle(20)
    there = rig.output.copy()
    rig.trajectory([1.0], there[None, :], rig.rest, rig.rest, command="goal/later", stamp=rig.now + 1_900_000_000)
    rig.seconds(0.3)
    assert told(rig, "goal/later") == [("PASS", "")]
    plays = rig.supervisor.plays
    assert [plays("planner", goal) for goal in ("goal/now", "goal/later")] == [True, False]
    assert not plays("joystick", "goal/now")
    rig.seconds(1.2)
    assert [plays("planner", goal) for goal in ("goal/now", "goal/later")] == [False, False]
    rig.seconds(0.5)
    assert [plays("planner", goal) for goal in ("goal/now", "goal/later")] == [False, True]
