"""Who has the jog, and that a hand is believed for 250 ms and no longer. No browser, no ROS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from safety_supervisor.config import load_config
from safety_supervisor.panel.cli import app
from safety_supervisor.panel.jog_press import CHANGED, NO_JOG, TWO, Beat, Page, Presses, read_beat
from safety_supervisor.panel.jog_stream import unfit

pytestmark = [pytest.mark.requirement("SR-021"), pytest.mark.redteam(53)]
MS = 1_000_000
GOOD: list[Any] = [5, 1, "j", 3, 0, -1, 2, False, 50]
JOINTS = {3: (0, False), 4: (0, True)}
PANDA = Path(__file__).parents[2] / "config" / "panda.yaml"


def beat_of(press: int, seen: int, speed: float = 50.0) -> Beat:
    found = read_beat([press, seen, *GOOD[2:8], speed], 1, JOINTS)
    assert isinstance(found, Beat)
    return found


def test_a_beat_is_read_in_si_units() -> None:
    way = beat_of(5, 1).way
    assert (way.joint, way.sign, way.speed) == (3, -1, 0.05)
    assert way.distance == pytest.approx(0.034906585)
    slides, turns = (read_beat([5, 1, *what, 1, 3, True, 250], 1, JOINTS) for what in (("j", 4, 0), ("t", 0, 5)))
    assert isinstance(slides, Beat)
    assert isinstance(turns, Beat)
    assert slides.way.distance == 0.01
    assert turns.way.distance == pytest.approx(0.0872664626)
    assert (turns.way.axis, turns.way.in_tool, turns.way.speed) == (5, True, 0.25)


@pytest.mark.parametrize(
    "said",
    [
        None, {}, [], "x", GOOD[:-1], [*GOOD, 1], [True, *GOOD[1:]], [-1, *GOOD[1:]], [1 << 60, *GOOD[1:]],
        [5, 1.5, *GOOD[2:]], [*GOOD[:5], 2, *GOOD[6:]], [*GOOD[:6], 4, *GOOD[7:]], [*GOOD[:6], -1, *GOOD[7:]],
        [*GOOD[:7], 1, 50], [5, 1, "x", *GOOD[3:]], [5, 1, ["j"], *GOOD[3:]], [5, 1, "j", None, *GOOD[4:]],
    ],
)  # fmt: skip
def test_what_is_no_beat_is_none(said: Any) -> None:
    assert read_beat(said, 1, JOINTS) == NO_JOG


@pytest.mark.parametrize("speed", [0, 9, 251, 1e9, -50, float("nan"), float("inf"), "50", None, True])
def test_no_other_speed_is_taken(speed: Any) -> None:
    told = read_beat([*GOOD[:8], speed], 1, JOINTS)
    assert isinstance(told, str)
    assert "speed is not a number" in told or "10 to 250 mm/s" in told


@pytest.mark.parametrize("what", [("j", 0, 0), ("j", -1, 0), ("t", 1, 0), ("t", -1, 0), ("t", 0, 6), ("t", 0, -1)])
def test_no_other_joint_or_axis_is_taken(what: tuple[Any, ...]) -> None:
    told = read_beat([5, 1, *what, 1, 0, False, 50], 1, JOINTS)
    assert isinstance(told, str)
    assert "no such" in told


def pressed() -> tuple[Presses, Page, int]:
    """A press that was proven at 100 ms by what was sent then."""
    presses, page = Presses(), Page()
    assert presses.beat(page, "ada", beat_of(5, 0), 50 * MS) == ""
    assert not presses.held(50 * MS)  # the first beat proves nothing
    number = page.send(100 * MS)
    assert presses.beat(page, "ada", beat_of(5, number), 120 * MS) == ""
    return presses, page, number


def test_a_hand_is_believed_for_250_ms_after_what_it_has_seen() -> None:
    presses, page, number = pressed()
    assert presses.held(350 * MS)
    assert not presses.held(351 * MS)
    # What comes late carries what was seen long ago, however often.
    for at in (340, 355, 400):
        assert presses.beat(page, "ada", beat_of(5, number), at * MS) == ""
    assert not presses.held(351 * MS)
    for seen in (number + 1, 10**9):
        presses.beat(page, "ada", beat_of(5, seen), 352 * MS)
        assert not presses.held(352 * MS)


def test_let_go_it_is_over_and_late_beats_begin_nothing() -> None:
    presses, page, number = pressed()
    presses.let_go(page, 5)
    assert presses.now is None
    presses.beat(page, "ada", beat_of(5, number), 130 * MS)
    assert presses.now is None
    assert presses.beat(page, "ada", beat_of(6, number), 140 * MS) == ""
    assert presses.now is not None


def test_two_presses_or_another_way_move_nothing() -> None:
    presses, page, number = pressed()
    presses.moving = True
    assert presses.beat(page, "ada", beat_of(6, number), 130 * MS) == TWO
    assert not presses.held(130 * MS)
    assert "not come to rest" in presses.beat(page, "ada", beat_of(7, number), 140 * MS)
    presses.rested()
    assert presses.now is None
    presses, page, number = pressed()
    assert presses.beat(page, "ada", beat_of(5, number, 60.0), 130 * MS) == CHANGED
    assert not presses.held(130 * MS)


def test_one_page_has_it_until_the_robot_rests() -> None:
    presses, _, _ = pressed()
    presses.moving = True
    other = Page()
    assert "ada jogs the robot" in presses.beat(other, "bob", beat_of(9, 0), 130 * MS)
    assert presses.held(130 * MS)
    # Its hand is gone, its motion not yet.
    assert "ada jogs the robot" in presses.beat(other, "bob", beat_of(10, 0), 900 * MS)
    presses.rested()
    assert presses.beat(other, "bob", beat_of(11, 0), 910 * MS) == ""
    assert presses.now is not None
    assert presses.now.name == "bob"


def test_only_a_person_s_source_of_velocities_is_taken() -> None:
    configuration = load_config(PANDA)
    assert unfit(configuration, "joystick") == ""
    for name in ("planner", "nobody"):
        assert "these would do: joystick" in unfit(configuration, name)
    told = CliRunner().invoke(app, ["--config", str(PANDA), "--jog", "planner"])
    assert told.exit_code == 2
    assert "these would do: joystick" in told.output


def test_a_hand_that_is_lost_leaves_the_jog_to_others() -> None:
    """It never lets go: its browser is gone. Neither a press that was never proven, nor one that rests, keeps it."""
    presses, first, number = pressed()
    presses.beat(first, "ada", beat_of(5, number), 10 * MS)
    presses.moving = True
    assert presses.holder(900 * MS) is not None  # lost, but the robot does not rest yet
    presses.rested()
    assert presses.holder(900 * MS) is None
    assert presses.beat(first, "ada", beat_of(5, first.send(901 * MS)), 902 * MS) == first.told  # it has to press again
    assert presses.holder(902 * MS) is None

    second = Page()
    assert presses.beat(second, "bob", beat_of(1, 0), 1000 * MS) == ""  # proves nothing yet
    assert presses.holder(1200 * MS) is not None
    assert presses.holder(1300 * MS) is None
    assert presses.beat(first, "ada", beat_of(6, 0), 1300 * MS) == ""
    assert presses.holder(1300 * MS)[:2] == (first, "ada")  # type: ignore[index]
