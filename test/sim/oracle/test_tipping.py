"""The judge of tipping: known masses, known leans, known pushes."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
import pytest

from safety_supervisor_sim.cell.robot import robots_share, urdf_path
from safety_supervisor_sim.cell.standing import StandingRobot
from safety_supervisor_sim.cell.standing_file import StandingFile
from safety_supervisor_sim.lab.humanoid import standing_file
from safety_supervisor_sim.oracle.balance import GRAVITY
from safety_supervisor_sim.oracle.tipping import SLID, TipJudge, _points
from safety_supervisor_sim.oracle.world import Array

DT = 0.004


def ticks(count: int, period: float = DT) -> Array:
    """Times of so many rows, [s]."""
    times: Array = np.arange(count) * period
    return times


@pytest.fixture(scope="module", params=["g1", "talos"])
def file(request: pytest.FixtureRequest) -> StandingFile:
    return standing_file(request.param)


@pytest.fixture(scope="module")
def judge(file: StandingFile) -> Iterator[TipJudge]:
    robot = file.robot
    judge = TipJudge(urdf_path(robot), robots_share(), robot.joints, robot.held, file.feet)
    yield judge
    judge.close()


def moved(file: StandingFile, joints: tuple[str, ...], by: float) -> Array:
    pose = np.array(file.robot.home)
    for joint in joints:
        pose[file.robot.joints.index(joint)] += by
    return pose


ANKLES = {
    "g1": ("left_ankle_pitch_joint", "right_ankle_pitch_joint"),
    "talos": ("leg_left_5_joint", "leg_right_5_joint"),
}
WAIST = {"g1": "waist_pitch_joint", "talos": "torso_2_joint"}


def test_all_of_the_robot_has_its_mass(file: StandingFile, judge: TipJudge) -> None:
    """The base included, of which PyBullet tells none when it is fixed."""
    urdf = ElementTree.parse(urdf_path(file.robot)).getroot()
    named = sum(float(mass.get("value", "")) for mass in urdf.iterfind("link/inertial/mass"))
    assert judge.mass == pytest.approx(named, abs=1e-3)


def test_at_home_its_centre_lies_where_physics_has_it(file: StandingFile, judge: TipJudge) -> None:
    robot = StandingRobot(file)
    try:
        centre, _ = robot.centre_of_mass()
        foot = robot.stance().feet[file.feet[0]].position
        pose, _ = robot.joint_states()
    finally:
        robot.close()
    seen, places = judge._see(pose)
    turn, shift = places[file.feet[0]][:, :3], places[file.feet[0]][:, 3]
    there = turn.T @ (seen - shift)
    assert there[:2] == pytest.approx((centre - foot)[:2], abs=0.01), "it leans a little in physics"
    assert judge.stands(pose, file.feet).inside > 0.03


def test_it_tips_when_its_ankles_lean_too_far(file: StandingFile, judge: TipJudge) -> None:
    ankles = ANKLES[file.robot.name]
    inside = [judge.stands(moved(file, ankles, -lean), file.feet).inside for lean in (0.0, 0.05, 0.35)]
    assert inside[0] > 0.0
    assert inside[1] != inside[0]
    assert inside[2] < 0.0
    assert judge.stands(moved(file, ankles, -0.35), file.feet).tips


def test_on_one_foot_it_tips_where_on_both_it_stands(file: StandingFile, judge: TipJudge) -> None:
    home = np.array(file.robot.home)
    assert not judge.stands(home, file.feet).tips
    for foot in file.feet:
        assert judge.stands(home, (foot,)).tips


def test_a_body_that_is_thrown_forward_tips_it_though_each_pose_stands(file: StandingFile, judge: TipJudge) -> None:
    joint = (WAIST[file.robot.name],)
    slow, fast = (
        np.array([moved(file, joint, 0.2 * (0.5 - 0.5 * np.cos(np.pi * t))) for t in np.linspace(0.0, 1.0, steps)])
        for steps in (1000, 20)
    )
    times = ticks(1000)
    assert not judge.follow(slow, times, file.feet).tips
    assert not any(judge.stands(row, file.feet).tips for row in fast)
    found = judge.follow(fast, times[: len(fast)], file.feet)
    assert found.tips
    assert found.point in ("zero-moment point", "capture point")


def test_the_points_are_those_of_a_known_motion() -> None:
    """x = a t^2 / 2 at a height z: zero-moment point x - a z / g, capture point x + a t sqrt(z / g)."""
    times = ticks(60)
    a, z = 3.0, 0.8
    centre = np.stack([0.5 * a * times**2, 0.1 + 0.0 * times, z + 0.0 * times], axis=1)
    found: dict[str, list[tuple[int, Array]]] = {}
    for point, row, place in _points(centre, centre[:, 2], times):
        found.setdefault(point, []).append((row, place))
    assert {point: len(places) for point, places in found.items()} == {
        "centre of mass": 60,
        "capture point": 59,
        "zero-moment point": 58,
    }
    for row, place in found["zero-moment point"]:
        assert place == pytest.approx([0.5 * a * times[row] ** 2 - a * z / GRAVITY, 0.1], abs=1e-9)
    for row, place in found["capture point"]:
        middle = times[row] - DT / 2
        expected = 0.5 * a * middle**2 + a * middle * np.sqrt(z / GRAVITY)
        assert place == pytest.approx([expected, 0.1], abs=1e-4)


def test_a_foot_that_is_drawn_along_the_ground_counts_as_tipping(file: StandingFile, judge: TipJudge) -> None:
    knee = {"g1": "left_knee_joint", "talos": "leg_left_4_joint"}[file.robot.name]
    rows = np.array([moved(file, (knee,), angle) for angle in np.linspace(0.0, 0.15, 50)])
    found = judge.follow(rows, ticks(50, 0.05), file.feet)
    assert found.slid > SLID
    assert found.tips
    still = judge.follow(rows[:1].repeat(5, axis=0), ticks(5), file.feet)
    assert still.slid == 0.0
    assert not still.tips
