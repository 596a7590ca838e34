"""What a standing robot does on each mode of `~/locomotion_mode`: hold and lower follow, damp gives way, off falls."""

from __future__ import annotations

import numpy as np
import pytest

from safety_supervisor_sim.cell.standing import StandingRobot

pytestmark = pytest.mark.requirement("SR-034")


def sinks(robot: StandingRobot, mode: str, seconds: float) -> tuple[float, float]:
    """Obey a mode; return how far the base sinks, [m], and how fast it ever did, [m/s]."""
    before, fastest = robot.base_pose()[0][2], 0.0
    robot.obey(mode)
    for _ in range(round(seconds * robot.file.rate_hz)):
        robot.step()
        fastest = max(fastest, -float(robot.base_twist()[0][2]))
    return float(before - robot.base_pose()[0][2]), fastest


@pytest.mark.parametrize("mode", ["hold", "lower"])
def test_hold_and_lower_follow_set_points(stood: StandingRobot, mode: str) -> None:
    assert sinks(stood, mode, 0.3)[0] < 0.002
    pose = np.array(stood.file.robot.home)
    pose[stood.joints.index("left_elbow_joint")] += 0.3
    stood.drive(pose)
    stood.step(200)
    assert np.abs(stood.joint_states()[0] - pose).max() < 0.02


def test_damp_gives_way_slower_than_no_torque_at_all(stood: StandingRobot) -> None:
    saved = stood.save()
    way, damped = sinks(stood, "damp", 3.0)
    assert way > 0.2, "nothing holds it"
    assert np.abs(stood.joint_states()[1]).max() < 0.3, "and it comes to rest"
    stood.restore(saved)
    stood.forget(saved)
    way, fallen = sinks(stood, "off", 0.5)
    assert way > 0.2
    assert damped < 0.6 * fallen


@pytest.mark.parametrize("mode", ["damp", "off"])
def test_set_points_mean_nothing_to_who_is_limp_until_he_is_held_again(stood: StandingRobot, mode: str) -> None:
    stood.obey(mode)
    stood.drive(np.array(stood.file.robot.home))
    before = stood.base_pose()[0][2]
    stood.step(500)
    assert before - stood.base_pose()[0][2] > 0.1
    stood.step(1000)  # until it lies
    here = stood.joint_states()[0]
    stood.drive(here)
    stood.obey("hold")
    stood.step(250)
    assert np.abs(stood.joint_states()[0] - here).max() < 0.1


def test_what_is_no_mode_changes_nothing(stood: StandingRobot) -> None:
    for word in ("", "HOLD", "sit", "off "):
        with pytest.raises(ValueError, match="known: hold, lower, damp, off"):
            stood.obey(word)
    assert stood.mode == "hold"
    stood.step(100)
    assert np.abs(stood.joint_states()[0] - stood.file.robot.home).max() < 0.02
