"""Base and feet as they are told: the base from a foot that rests, an IMU that is turned, what a kept stance costs."""

from __future__ import annotations

import math
from dataclasses import replace

import humanoids
import numpy as np
import pinocchio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from safety_supervisor.core.balance.footing import Footing, level_imu
from safety_supervisor.core.balance.model import Contact, Margin
from safety_supervisor.core.balance.standing import Stance
from safety_supervisor.core.balance.whole_body import WholeBody
from safety_supervisor.core.checks.balance import BalanceCheck, Course
from safety_supervisor.core.checks.balance_step import FARTHEST, LEAN, RESERVE, SHIFT, BalanceStep, change
from safety_supervisor.core.events import BalanceEndpoints, FootContact, Imu
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.settings import JointLimits, RobotSettings

pytestmark = pytest.mark.requirement("SR-034")

Array = NDArray[np.float64]
ROBOT = humanoids.robot(humanoids.G1)
BALANCE = humanoids.balance()
BODY = WholeBody(ROBOT, BALANCE.soles)
CHECK = BalanceCheck(ROBOT, BALANCE)
STEP = BalanceStep(ROBOT, BALANCE, None, 0.004)
JOINTS = len(ROBOT.joints)
ONES = np.ones(JOINTS)
STOPS = StopLimits(JointLimits(-9.0 * ONES, 9.0 * ONES, 9.0 * ONES, 20.0 * ONES, 400.0 * ONES))
POSE = humanoids.squat(0.3)
REST = np.zeros(JOINTS)
BOTH = {foot: Contact(True, 0) for foot in humanoids.FEET[humanoids.G1]}
LEVEL = (0.0, 0.0, 0.0, 1.0)


def turned(axis: Array, angle: float) -> tuple[float, float, float, float]:
    x, y, z = (math.sin(angle / 2) * axis / np.linalg.norm(axis)).tolist()
    return x, y, z, math.cos(angle / 2)


def stance(orientation: tuple[float, float, float, float] = LEVEL, pose: Array = POSE) -> Stance:
    found = CHECK.standing.stand_turning(0, orientation, (0.0, 0.0, 0.0), 0, BOTH, pose, REST)
    assert isinstance(found, Stance), found
    return found


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_foot_on_which_a_robot_turns_stays_where_it_is(seed: int) -> None:
    """Integrated for a moment, joints and base: the middle of that sole has not moved, and the others have."""
    random = np.random.default_rng(seed)
    q, dq = random.uniform(-0.3, 0.3, JOINTS), random.uniform(-1.0, 1.0, JOINTS)
    orientation = turned(random.normal(size=3), 1.0)
    angular = random.uniform(-1.0, 1.0, 3)
    w: tuple[float, float, float] = (float(angular[0]), float(angular[1]), float(angular[2]))
    base, others = BODY.on_soles([0, 1], orientation, w, q, dq, 0)
    h = 1e-6
    for sole, linear in enumerate((base.linear, *others)):
        places = []
        for t in (-h, h):
            whirled = base.rotation() @ pinocchio.exp3(angular * t)
            moved = np.array(base.position) + base.rotation() @ np.array(linear) * t
            quaternion = pinocchio.Quaternion(whirled)
            there = replace(
                base,
                position=tuple(moved.tolist()),
                orientation=(quaternion.x, quaternion.y, quaternion.z, quaternion.w),
            )
            BODY.centre(there, q + dq * t, dq)
            places.append(np.array(BODY.soles(there)[sole].translation))
        assert np.linalg.norm(places[1] - places[0]) / (2 * h) < 1e-5
        if sole == 0:
            assert np.linalg.norm((places[0] + places[1]) / 2) < 1e-9


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_whichever_foot_it_turns_about_the_least_margin_counts(seed: int) -> None:
    """Legs that are measured to move do not say which foot rests: asked one by one, the worse one is the answer."""
    random = np.random.default_rng(seed)
    dq, rate = random.uniform(-1.0, 1.0, JOINTS), (0.1, 0.4, -0.2)
    found = CHECK.standing.stand_turning(0, LEVEL, rate, 0, BOTH, POSE, dq)
    assert isinstance(found, Stance)
    each = []
    for order in ([0], [1]):
        base, _ = BODY.on_soles(order, LEVEL, rate, POSE, dq, 0)
        alone = CHECK.standing.stand(0, base, BOTH, POSE, dq)
        assert isinstance(alone, Stance)
        each.append(alone.margin.value)
    assert abs(each[0] - each[1]) > 1e-6
    assert found.margin.value == pytest.approx(min(each), abs=1e-9)


def test_an_imu_that_is_turned_tells_of_the_base() -> None:
    """It is told what a turned IMU measures, by rotation matrices, and knows how the base lies and turns."""
    straight = '<origin xyz="0.04525 0 -0.08339" rpy="0 0 0"/>'
    text = humanoids.text(humanoids.G1)
    assert text.count(straight) == 1
    mounted = pinocchio.rpy.rpyToMatrix(0.3, -0.2, 1.0)
    plain = ROBOT.joints
    robot = RobotModel(
        RobotSettings(
            "robot", text.replace(straight, straight.replace("0 0 0", "0.3 -0.2 1.0")), "", "pelvis", plain, {}, {}, ()
        )
    )
    lies, turns = pinocchio.rpy.rpyToMatrix(0.1, -0.2, 0.7), np.array([0.1, -0.2, 0.3])
    footing = Footing(replace(BALANCE, imu_link="imu_in_pelvis"), robot)

    def told(rotation: Array) -> tuple[float, float, float, float]:
        quaternion = pinocchio.Quaternion(rotation)
        return quaternion.x, quaternion.y, quaternion.z, quaternion.w

    x, y, z = (mounted.T @ turns).tolist()
    assert footing.take_imu(Imu(10, "imu_in_pelvis", told(lies @ mounted), (x, y, z), 5, 5)) is None
    assert footing.orientation == pytest.approx(told(lies))
    assert footing.angular == pytest.approx(tuple(turns.tolist()))
    assert level_imu(robot, "imu_in_pelvis") == pytest.approx(told(mounted))
    assert level_imu(robot, "") == LEVEL


def same(kept: Stance, measured: Stance) -> bool:
    """Whether steps are judged on the kept stance still."""
    STEP.forget()
    STEP.stand(kept, rests=True)
    STEP.stand(measured, rests=True)
    return STEP.stance is kept


def test_every_kind_of_noise_is_one_of_two_stances() -> None:
    kept = stance()
    axis = np.array([0.6, 0.8, 0.0])
    assert same(kept, stance(turned(axis, 0.99 * LEAN)))
    assert not same(kept, stance(turned(axis, 1.01 * LEAN)))
    assert same(kept, stance(turned(np.array([0.0, 0.0, 1.0]), 1.0)))  # where it looks is no matter
    nudged = POSE.copy()
    nudged[ROBOT.joints.index("left_hip_yaw_joint")] += 3e-4
    assert not same(kept, stance(pose=nudged))
    lifted = CHECK.standing.stand_turning(
        0, LEVEL, (0.0, 0.0, 0.0), 0, {**BOTH, humanoids.FEET[humanoids.G1][0]: Contact(False, 0)}, POSE, REST
    )
    assert isinstance(lifted, Stance)
    assert not same(kept, lifted)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_kept_stance_costs_no_more_than_is_reserved(seed: int) -> None:
    """Lively arms on one stance and on another one that counts as the same: the margins differ by less than RESERVE."""
    random = np.random.default_rng(seed)
    states = lively_arms(random)
    other = stance(turned(np.append(random.normal(size=2), 0.0), LEAN * random.uniform(0.0, 0.999)))
    kept = stance()
    assert same(kept, other)
    found = [CHECK.least_margin(one, np.array([0.0, 0.004]), states) for one in (kept, other)]
    assert isinstance(found[0], Margin)
    assert isinstance(found[1], Margin)
    assert abs(found[0].value - found[1].value) < RESERVE
    assert 4 * SHIFT < RESERVE


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_another_stance_costs_no_more_than_their_difference_says(seed: int) -> None:
    """The same with noise of an IMU and of encoders that is no hair."""
    random = np.random.default_rng(seed)
    states = lively_arms(random)
    nudged = POSE + 1e-3 * random.normal(size=JOINTS) * (random.random() < 0.5)
    other = stance(turned(np.append(random.normal(size=2), 0.0), 5e-3 * random.random()), nudged)
    kept = stance()
    found = [CHECK.follow(one, np.array([0.0, 0.004]), states) for one in (kept, other)]
    assert isinstance(found[0], Course)
    if isinstance(found[1], Course):
        lean, shift = change(kept, other)
        assert abs(found[0].margin.value - found[1].margin.value) <= found[0].lever * lean + 2.0 * shift
        assert 1.5 < found[0].lever < 5.0 * FARTHEST


def lively_arms(random: np.random.Generator) -> Array:
    """Two states of a step, shape (2, 3, n)."""
    states = np.zeros((2, 3, JOINTS))
    states[:, 0] = POSE
    arms = [index for index, name in enumerate(ROBOT.joints) if "shoulder" in name or "elbow" in name]
    states[:, 0, arms] += random.uniform(-0.5, 0.5, len(arms))
    states[:, 2, arms] = random.uniform(-20.0, 20.0, len(arms))
    states[1, 0] += states[0, 2] * 0.004**2 / 2
    states[1, 1] = states[0, 2] * 0.004
    return states


def test_a_step_is_judged_on_the_kept_stance_until_it_changes() -> None:
    step = BalanceStep(ROBOT, BALANCE, None, 0.004)
    first = stance()
    step.stand(first, rests=True)
    step.stand(stance(turned(np.array([1.0, 0.0, 0.0]), 0.5 * LEAN)), rests=True)
    assert step.stance is first
    moved = stance(turned(np.array([1.0, 0.0, 0.0]), 20.0 * LEAN))
    step.stand(moved, rests=True)
    assert step.stance is moved
    step.forget()
    assert not isinstance(step.stance, Stance)


def led_apart(rests: bool) -> float:
    """Turn a hip slowly, measured exactly, until a step is refused; return how far a corner came, [m]."""
    step, pose, velocity = BalanceStep(ROBOT, BALANCE, None, 0.004), POSE, np.zeros(JOINTS)
    velocity[ROBOT.joints.index("left_hip_yaw_joint")] = 0.05
    step.stand(stance(), rests=True)
    for _ in range(1000):
        before, after = (np.stack([pose + more * velocity, velocity, REST]) for more in (0.0, 0.004))
        if step.check(before, after, StraightStop(after, STOPS)) is not None:
            break
        pose = after[0]
        step.stand(stance(pose=pose), rests)
    first, last = stance().grounds[0].corners, stance(pose=pose).grounds[0].corners
    return float(np.linalg.norm(last - first, axis=1).max())


def test_feet_that_bear_are_not_led_apart_step_by_step() -> None:
    """Found by random motions: each step was judged from where the last one had brought the feet."""
    assert 0.9 * BALANCE.slip < led_apart(rests=False) <= BALANCE.slip
    assert led_apart(rests=True) > 2.0 * BALANCE.slip, "where it rests, it stands"


def test_an_age_is_that_of_the_stamp_where_it_tells_more() -> None:
    footing = Footing(BALANCE, ROBOT)
    left = humanoids.FEET[humanoids.G1][0]
    assert (
        footing.take_imu(Imu(10_000_000, "", LEVEL, (0.0, 0.0, 0.0), 5_000_000, 8_000_000, received=9_000_000)) is None
    )
    assert footing.observed == 6_000_000
    force = (0.0, 0.0, 20.0)
    event = FootContact(10_000_000, left, left, force, 9_000_000, 8_000_000, received=9_000_000)
    assert footing.take_contact(event) is None
    assert footing.contacts[left] == Contact(True, 9_000_000)  # a stamp of the future makes nobody younger
    weak = FootContact(11_000_000, left, left, (99.0, 99.0, 19.9), 10_000_000, 9_000_000)
    assert footing.take_contact(weak) is None
    assert not footing.contacts[left].bears


def test_another_publisher_in_place_of_the_known_one_is_told() -> None:
    footing = Footing(BALANCE, ROBOT)
    assert not footing.publishers(BalanceEndpoints(0, "", ("/a",)))
    assert not footing.publishers(BalanceEndpoints(0, "", ("/a",)))
    assert footing.publishers(BalanceEndpoints(0, "", ("/b",)))
    assert not footing.publishers(BalanceEndpoints(0, "", ()))
    assert not footing.publishers(BalanceEndpoints(0, "nobody", ("/a",)))
    assert not footing.publishers(BalanceEndpoints(0, "", ("/b",), ("1",)))
    assert footing.publishers(BalanceEndpoints(0, "", ("/b",), ("2",))), "started anew under the same name"
