"""Balance of a G1 on two feet and on one: the stance as measured, a motion of so many samples, the quick answer.

The calls take turns, so that they share whatever else the machine does. `balance.motion.60` bounds the margin of a
squat, position, velocity and acceleration of all joints at 60 times, and nothing between them is missed; `near` is the
answer from a pose that was asked before, which most cycles need.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pinocchio

from bench.measure import NoGarbageCollection, Row, Stopwatch, row
from safety_supervisor.config.urdf import find_urdf
from safety_supervisor.core.balance.model import Contact, Margin
from safety_supervisor.core.balance.settings import BalanceSettings, ContactSource, Sole, UpSource
from safety_supervisor.core.balance.standing import Stance
from safety_supervisor.core.balance.whole_body import BaseState
from safety_supervisor.core.checks.balance import BalanceCheck
from safety_supervisor.core.checks.balance_nearby import Nearby
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.settings import RobotSettings

URDF = "example-robot-data://g1_description/urdf/g1_29dof_rev_1_0.urdf"
FEET = ("left_ankle_roll_link", "right_ankle_roll_link")
CORNERS = ((-0.05, 0.025, -0.035), (-0.05, -0.025, -0.035), (0.12, 0.03, -0.035), (0.12, -0.03, -0.035))
SETTINGS = BalanceSettings(
    tuple(Sole(foot, CORNERS, (0.0, 0.0, 1.0)) for foot in FEET),
    tuple(ContactSource(foot, f"/{foot}", 30.0) for foot in FEET),
    0.01, 50_000_000, 20_000_000, UpSource.IMU, 0.1, 0.01,
)  # fmt: skip
BASE = BaseState((0.0, 0.0, 0.75), (0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0)


def _robot() -> RobotModel:
    text = find_urdf(URDF, Path()).read_text(encoding="utf-8")
    joints = tuple(list(pinocchio.buildModelFromXML(text).names)[1:])
    return RobotModel(RobotSettings("g1", text, "", "pelvis", joints, {}, {}, ()))


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows."""
    robot = _robot()
    count = len(robot.joints)
    check = BalanceCheck(robot, SETTINGS)
    nearby = Nearby(SETTINGS, check.standing.planted, count)
    bend = np.zeros(count)
    for joint, share in (("hip_pitch", -1.0), ("knee", 2.0), ("ankle_pitch", -1.0)):
        for side in ("left", "right"):
            bend[robot.joints.index(f"{side}_{joint}_joint")] = share
    pose, still = 0.3 * bend, np.zeros(count)
    arms = np.zeros(count)
    for side in ("left", "right"):
        arms[robot.joints.index(f"{side}_shoulder_pitch_joint")] = 1.0
    clocks: dict[str, Stopwatch] = {}
    calls: list[tuple[str, Callable[..., Any], tuple[Any, ...]]] = []
    for feet, bears in (("two_feet", (True, True)), ("one_foot", (True, False))):
        contacts = {foot: Contact(bear, 0) for foot, bear in zip(FEET, bears, strict=True)}
        stance = check.standing.stand(0, BASE, contacts, pose, still)
        if not isinstance(stance, Stance):
            raise AssertionError(stance)
        calls.append((f"balance.stance.{feet}", check.standing.stand, (0, BASE, contacts, pose, still)))
        for samples in (15, 60):
            motion = _squat(pose, 0.1 * bend, samples)
            if not isinstance(check.least_margin(stance, *motion), Margin):
                raise AssertionError("the motion that is measured must be judged")
            calls.append((f"balance.motion.{samples}.{feet}", check.least_margin, (stance, *motion)))
        if feet == "two_feet":
            if not nearby.surely_keeps(stance, pose, 0.1 * arms, arms, 5.0 * arms, 0.01):
                raise AssertionError("the motion that is measured must be sure")
            calls.append(
                (f"balance.near.{feet}", nearby.surely_keeps, (stance, pose, 0.1 * arms, arms, 5.0 * arms, 0.01))
            )
    with NoGarbageCollection():
        for name, function, arguments in calls:
            clocks[name] = Stopwatch()
            for _ in range(20):
                function(*arguments)
        for _ in range(200 if quick else 2000):
            for name, function, arguments in calls:
                clocks[name].call(function, *arguments)
    return [row(f"{name}.g1", clock.cpu, clock.wall, robot="g1", joints=count) for name, clock in clocks.items()]


def _squat(pose: np.ndarray[Any, Any], way: np.ndarray[Any, Any], samples: int) -> tuple[Any, Any]:
    """A squat of 1 s: the polynomial of degree 5 from rest to rest, so many samples of it."""
    s = times = np.linspace(0.0, 1.0, samples)
    shares = np.stack(
        [10 * s**3 - 15 * s**4 + 6 * s**5, 30 * s**2 - 60 * s**3 + 30 * s**4, 60 * s - 180 * s**2 + 120 * s**3]
    )
    states = shares.T[:, :, None] * way
    states[:, 0] += pose
    return times, states
