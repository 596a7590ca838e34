"""A humanoid stands on the floor in simulation: what is told of it is true, and it stands and falls as it should."""

from __future__ import annotations

import numpy as np
import pytest

from safety_supervisor_sim.cell.standing import StandingRobot
from safety_supervisor_sim.lab.humanoid import standing_file
from safety_supervisor_sim.oracle.balance import Balance, BalanceJudge

GRAVITY = 9.81


def watch(robot: StandingRobot, seconds: float) -> Balance:
    judge = BalanceJudge(robot.file.fallen.tilt, robot.file.fallen.height)
    for _ in range(round(seconds * robot.file.rate_hz / 2)):
        robot.step(2)
        judge.see(robot.stance())
        if judge.seen.fell:
            break
    return judge.seen


def test_it_stands_still_and_the_floor_bears_its_weight(stood: StandingRobot) -> None:
    seen = watch(stood, 1.0)
    assert not seen.fell
    assert seen.greatest_tilt < 0.002
    assert max(seen.slips.values()) < 5e-4
    assert set(seen.slips) == set(stood.file.feet)
    assert not stood.self_contacts()
    stance = stood.stance()
    assert stood.mass == pytest.approx(33.34, abs=0.01), "the sum of the URDF's masses"
    assert sum(foot.force for foot in stance.feet.values()) == pytest.approx(stood.mass * GRAVITY, rel=0.02)


@pytest.mark.long
def test_feet_that_stick_stay_where_they_are(stood: StandingRobot) -> None:
    """Where friction has no memory a robot that does nothing but stand creeps, by 4 to 6 mm in these 20 s."""
    seen = watch(stood, 20.0)
    assert not seen.fell
    assert max(seen.slips.values()) < 5e-4


@pytest.mark.parametrize(("friction", "slides"), [(0.8, False), (0.05, True)])
def test_friction_ends_where_it_has_to(friction: float, slides: bool) -> None:
    """A push of 30 N is a tenth of the weight: what sticks by 0.8 * 0.8 of it stays, 0.05 * 0.05 of it lets go."""
    slippery = StandingRobot(standing_file("g1").model_copy(update={"friction": friction}))
    try:
        slippery.push((30.0, 0.0, 0.0), 0.3)
        slipped = max(watch(slippery, 0.4).slips.values())
        assert (slipped > 0.005) is slides, slipped
        assert slipped < 5e-4 or slides
    finally:
        slippery.close()


def test_at_rest_the_centre_of_pressure_lies_under_the_centre_of_mass(stood: StandingRobot) -> None:
    """Forces come from contacts, the centre of mass from masses: only a right one of each agrees with the other."""
    watch(stood, 0.5)
    stance = stood.stance()
    points = np.concatenate([foot.points for foot in stance.feet.values()])[:, :2]
    forces = np.concatenate([foot.forces for foot in stance.feet.values()])
    assert forces @ points / forces.sum() == pytest.approx(stance.centre[:2], abs=0.003)


def test_velocities_are_the_rates_of_what_they_belong_to(stood: StandingRobot) -> None:
    """While it is pushed: of the centre of mass and of the base's frame, against differences of positions."""
    stood.push((100.0, 60.0, 0.0), 0.2)
    stood.step(50)
    before, base = stood.centre_of_mass()[0], stood.base_pose()[0]
    stood.step(1)
    period = 1.0 / stood.file.rate_hz
    centre, momentum = stood.centre_of_mass()
    assert float(np.linalg.norm(momentum)) > 0.1, "or nothing was compared"
    assert momentum == pytest.approx((centre - before) / period, abs=0.01)
    assert stood.base_twist()[0] == pytest.approx((stood.base_pose()[0] - base) / period, abs=0.01)


def test_a_push_of_60_newtons_is_survived(stood: StandingRobot) -> None:
    stood.push((60.0, 0.0, 0.0), 0.2)
    seen = watch(stood, 2.0)
    assert not seen.fell
    assert seen.greatest_tilt > 0.01, "or it was not pushed"


def test_a_push_of_150_newtons_fells_it(stood: StandingRobot) -> None:
    stood.push((150.0, 0.0, 0.0), 0.2)
    seen = watch(stood, 2.0)
    assert seen.fell
    assert seen.lost_at is not None
    assert seen.fell_at is not None
    assert seen.lost_at < seen.fell_at - 0.3, "the capture point tells long before the fall"


def test_arms_driven_into_each_other_press(stood: StandingRobot) -> None:
    """Links are solid where they should be."""
    pose = np.array(stood.file.robot.home)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        pose[stood.joints.index(f"{side}_shoulder_pitch_joint")] = -1.77
        pose[stood.joints.index(f"{side}_shoulder_roll_joint")] = sign * 0.11
        pose[stood.joints.index(f"{side}_shoulder_yaw_joint")] = -sign * 0.64
        pose[stood.joints.index(f"{side}_elbow_joint")] = -0.16
    stood.drive(pose)
    found: set[tuple[str, str]] = set()
    for _ in range(100):
        stood.step(2)
        found.update(stood.self_contacts())
    assert any({"left", "right"} <= {name.split("_")[0] for name in pair} for pair in found)


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_that_is_not_finite_reaches_a_motor(stood: StandingRobot, value: float) -> None:
    pose = np.array(stood.file.robot.home)
    pose[3] = value
    with pytest.raises(ValueError, match="finite"):
        stood.drive(pose)
    with pytest.raises(ValueError, match="29"):
        stood.drive(pose[:-1])


def test_the_same_calls_give_the_same_bits() -> None:
    ends = []
    for _ in range(2):
        robot = StandingRobot(standing_file("g1"))
        robot.push((60.0, 10.0, 0.0), 0.2)
        robot.step(100)
        robot.drive(np.array(robot.file.robot.home) + 0.05)
        robot.step(100)
        ends.append(np.concatenate([*robot.joint_states(), *robot.base_pose(), *robot.centre_of_mass()]))
        robot.close()
    assert ends[0].tobytes() == ends[1].tobytes()


def test_a_kept_state_goes_on_as_it_would_have(stood: StandingRobot) -> None:
    stood.drive(np.array(stood.file.robot.home) + 0.03)
    stood.step(50)
    saved, ends = stood.save(), []
    for _ in range(3):
        stood.step(100)
        ends.append((*stood.joint_states(), *stood.base_pose()))
        stood.restore(saved)
    stood.forget(saved)
    assert [part.tobytes() for part in ends[1]] == [part.tobytes() for part in ends[2]]
    # Contacts stick anew, up to a millimetre and some milliradians elsewhere.
    for first, again, tolerance in zip(*ends[:2], (1e-4, 5e-3, 1e-3, 5e-3), strict=True):
        assert first == pytest.approx(again, abs=tolerance)


def test_only_neighbours_pass_through_each_other(g1: StandingRobot) -> None:
    assert g1.hollow
    assert not any("hulls" in why for why in g1.hollow.values())
    for pair in g1.hollow:
        sides = {name.split("_")[0] for name in pair}
        assert not {"left", "right"} <= sides or all("hip" in name or "shoulder" in name for name in pair), pair


@pytest.mark.parametrize(("force", "falls"), [(150.0, False), (600.0, True)])
def test_talos_stands_by_parameter(force: float, falls: bool) -> None:
    robot = StandingRobot(standing_file("talos"))
    try:
        robot.push((force, 0.0, 0.0), 0.2)
        assert watch(robot, 1.5).fell is falls
    finally:
        robot.close()


def test_a_link_that_is_not_there_is_said() -> None:
    file = standing_file("g1")
    with pytest.raises(ValueError, match="left_hoof"):
        StandingRobot(file.model_copy(update={"feet": ("left_hoof",)}))
