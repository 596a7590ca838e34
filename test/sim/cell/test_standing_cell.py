"""The cell of a robot that stands, without ROS: hoist, power, modes, set-points, and what its oracle makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pydantic
import pytest
import yaml

from safety_supervisor_sim.cell.cell_file import CellFile
from safety_supervisor_sim.cell.controllers import Point, Trajectory
from safety_supervisor_sim.cell.files import load_any
from safety_supervisor_sim.cell.standing_cell import StandingCell
from safety_supervisor_sim.cell.standing_file import StandingFile
from safety_supervisor_sim.demo.places import shared
from safety_supervisor_sim.lab.humanoid import standing_file

NONE = np.zeros(0)
SECOND = 500  # steps


@pytest.fixture(scope="module")
def made() -> Iterator[StandingCell]:
    with StandingCell(standing_file("g1")) as cell:
        yield cell


@pytest.fixture
def cell(made: StandingCell, request: pytest.FixtureRequest) -> StandingCell:
    """On its feet, held, out of its hoist, in an act of its own."""
    made.restore_power()
    made.obey("hold")
    made.stand_up()
    made.mark(request.node.name)
    return made


def play(cell: StandingCell, joint: str, by: float, seconds: float) -> np.ndarray:
    """Send a trajectory of one joint and let it run; return where it ends."""
    goal = cell.position.copy()
    goal[cell.joints.index(joint)] += by
    zeros = np.zeros_like(goal)
    message = Trajectory(cell.joints, (Point(round(seconds * 1e9), goal, zeros, zeros),))
    assert cell.send_trajectory(message) is None
    cell.step(round(seconds * SECOND) + SECOND // 5)
    return goal


def act(cell: StandingCell) -> dict[str, Any]:
    found: dict[str, Any] = cell.report()["standing"]["acts"][-1]
    return found


def violations(cell: StandingCell, *acts: str) -> set[str]:
    """Kinds of what the oracle found, in the newest act or in others."""
    report = cell.report()
    wanted = acts or (report["acts"][-1]["name"],)
    return {one["kind"] for one in report["violations"] if one["act"] in wanted}


def test_a_hoist_bears_it_until_it_is_started_with_its_power_on() -> None:
    with StandingCell(standing_file("g1")) as cell:
        cell.cut_power()
        cell.obey("damp")
        cell.step(SECOND)
        assert cell.hoisted
        assert cell.mode == "hold"
        assert not cell.follows, "it hangs there; set-points mean nothing"
        cell.obey("hold")
        assert cell.hoisted, "the power is still off"
        cell.restore_power()
        assert not cell.hoisted
        cell.step(SECOND)
        assert cell.stance.height > 0.77
        assert not act(cell)["fell"]
        cell.obey("damp")
        cell.step(2 * SECOND)
        assert cell.stance.height < 0.3, "nothing bears it any more"


def test_it_follows_a_trajectory_and_the_oracle_judges_it(cell: StandingCell) -> None:
    goal = play(cell, "left_elbow_joint", -0.5, 1.0)
    assert np.abs(cell.position - goal).max() < 0.01
    assert violations(cell) == set()
    report = cell.report()
    assert report["acts"][-1]["farthest"][cell.joints.index("left_elbow_joint")] == pytest.approx(0.5, abs=0.01)
    play(cell, "left_elbow_joint", 0.5, 0.1)  # up to 7.5 rad/s, 2.5 allowed
    assert {"setpoint_velocity", "velocity"} <= violations(cell)


def test_open_relays_let_it_down_slowly_and_closed_ones_hold_it_where_it_lies(cell: StandingCell) -> None:
    cell.cut_power()
    assert cell.mode == "damp"
    play(cell, "left_elbow_joint", -0.5, 0.5)
    cell.step(3 * SECOND)
    assert cell.stance.height < 0.3
    lies = cell.position.copy()
    cell.restore_power()
    assert cell.mode == "hold"
    cell.step(SECOND)
    assert np.abs(cell.position - lies).max() < 0.1, "it does not jump to where it was told to be before"
    seen = act(cell)
    assert seen["fell"]
    assert not seen["fell_held"], "it was let go"
    assert [one["mode"] for one in seen["modes"]] == ["damp", "hold"]


def test_open_relays_give_no_torque_back_to_who_was_told_to_have_none(cell: StandingCell) -> None:
    cell.obey("off")
    cell.cut_power()
    assert cell.mode == "off"
    cell.restore_power()
    assert cell.mode == "off"


def test_a_fall_that_is_noticed_before_it_is_let_go_counts_as_one(cell: StandingCell) -> None:
    cell.push((150.0, 0.0, 0.0), 0.2)
    cell.step(SECOND // 4)
    cell.obey("damp")
    cell.step(2 * SECOND)
    seen = act(cell)
    assert seen["fell"]
    assert seen["fell_held"]
    assert seen["lost_at"] < seen["let_go_at"]
    assert cell.report()["standing"]["fell_in"][-1] == seen["name"]
    cell.mark("behind it")
    cell.step(SECOND // 5)
    assert act(cell)["down_before"]
    assert not act(cell)["fell"], "it fell once"


def test_put_back_on_its_feet_it_stands_and_nothing_of_that_is_a_motion(cell: StandingCell) -> None:
    first = act(cell)["name"]
    cell.obey("damp")
    cell.step(2 * SECOND)
    cell.stand_up()
    assert cell.hoisted
    cell.step(SECOND)
    assert cell.stance.height > 0.77
    assert np.abs(cell.position - cell.file.robot.home).max() < 0.02
    cell.obey("hold")
    cell.mark("again")
    cell.step(SECOND)
    assert not act(cell)["fell"]
    assert act(cell)["least"]["centre of pressure"] > 0.03, "on both soles, from the first moment on"
    assert violations(cell, first, f"{first}, on its feet again", "again") == set()


def test_put_up_while_it_is_held_elsewhere_it_was_moved_by_hand(cell: StandingCell) -> None:
    play(cell, "left_elbow_joint", -0.8, 1.0)
    cell.stand_up()
    cell.step(SECOND // 5)
    assert np.abs(cell.position - cell.file.robot.home).max() < 0.02, "old set-points mean nothing"
    assert not cell.hoisted, "it is told to hold itself"
    assert violations(cell) == set()


def test_what_is_no_mode_and_no_number_changes_nothing_and_is_counted(cell: StandingCell) -> None:
    assert not cell.obey("sit")
    assert not cell.obey("sit")
    assert cell.mode == "hold"
    before = cell.position.copy()
    play(cell, "left_elbow_joint", float("nan"), 0.1)
    cell.step(SECOND // 5)
    assert np.abs(cell.position - before).max() < 0.01
    told = cell.report()["controller"]
    assert told["unknown_modes"] == {"sit": 2}
    assert told["refused_targets"] > 0


def test_a_file_says_by_its_feet_what_it_is_of() -> None:
    assert isinstance(load_any(shared("cells", "panda.yaml")), CellFile)
    for name in ("g1", "talos"):
        assert isinstance(load_any(shared("cells", f"{name}_standing.yaml")), StandingFile)


def test_all_that_is_wrong_in_a_file_is_told_by_its_path() -> None:
    raw = yaml.safe_load(shared("cells", "g1_standing.yaml").read_text(encoding="utf-8"))
    raw["node"]["power_cut"] = "brake"
    raw["node"]["imu"]["orientation_noise"] = -1.0
    with pytest.raises(pydantic.ValidationError) as told:
        StandingFile.model_validate(raw)
    paths = {".".join(map(str, error["loc"])) for error in told.value.errors()}
    assert paths == {"node.power_cut", "node.imu.orientation_noise"}


@pytest.mark.parametrize(
    ("section", "change", "said"),
    [
        ("oracle", lambda one: one["limits"]["jerk"].pop(), r"29 values.*oracle\.limits\.jerk"),
        ("node", lambda one: one["feet"]["topics"].popitem(), r"node\.feet\.topics"),
    ],
)
def test_what_does_not_fit_together_is_said(section: str, change: Any, said: str) -> None:
    raw = yaml.safe_load(shared("cells", "g1_standing.yaml").read_text(encoding="utf-8"))
    change(raw[section])
    with pytest.raises(pydantic.ValidationError, match=said):
        StandingFile.model_validate(raw)


def test_a_talos_stands_and_moves_by_its_file() -> None:
    with StandingCell(standing_file("talos")) as cell:
        goal = play(cell, "arm_left_4_joint", -0.3, 1.0)
        assert np.abs(cell.position - goal).max() < 0.02
        assert not act(cell)["fell"]
        assert violations(cell) == set()
