"""Balance: formulas against an integrated pendulum, margins against dense sampling by other code, what is unknown."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import humanoids
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import polynomial
from numpy.typing import NDArray
from test_planted import hermite
from test_support_polygon import brute

from safety_supervisor.core.balance.model import (
    Contact,
    Margin,
    Unjudged,
    Unknown,
    bends,
    capture_point,
    zero_moment_point,
)
from safety_supervisor.core.balance.standing import Stance
from safety_supervisor.core.balance.support_polygon import SupportPolygon
from safety_supervisor.core.balance.whole_body import BaseState
from safety_supervisor.core.checks.balance import BalanceCheck, Course, step_and_stop
from safety_supervisor.core.checks.balance_nearby import Nearby
from safety_supervisor.core.geometry.spline_bounds import derivative_bounds
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.settings import JointLimits
from safety_supervisor.core.units import Vector

pytestmark = pytest.mark.requirement("SR-034")

Array = NDArray[np.float64]
MS = humanoids.MS
G = 9.81
ROBOT = humanoids.robot(humanoids.G1)
LEFT, RIGHT = humanoids.FEET[humanoids.G1]
CHECK = BalanceCheck(ROBOT, humanoids.balance())
JOINTS = len(ROBOT.joints)
POSE = humanoids.squat(0.3)
REST = np.zeros(JOINTS)
BASE = BaseState((0.1, -0.2, 0.75), (0.0, 0.0, math.sin(0.4), math.cos(0.4)), (0.0,) * 3, (0.0,) * 3, 0)
BOTH = {LEFT: Contact(True, 0), RIGHT: Contact(True, 0)}
ONE = {LEFT: Contact(True, 0), RIGHT: Contact(False, 0)}


def stand(
    contacts: dict[str, Contact] = BOTH, pose: Array = POSE, speed: Array = REST, base: BaseState = BASE, now: int = 0
) -> Stance:
    stance = CHECK.standing.stand(now, base, contacts, pose, speed)
    assert isinstance(stance, Stance), stance
    return stance


def joint(name: str) -> int:
    return ROBOT.joints.index(name)


def smooth(start: Array, way: Array, duration: float, samples: int) -> tuple[Array, Array]:
    """A motion from rest to rest, by the polynomial of degree 5."""
    times = np.linspace(0.0, duration, samples)
    s = times / duration
    rows = (
        10 * s**3 - 15 * s**4 + 6 * s**5,
        (30 * s**2 - 60 * s**3 + 30 * s**4) / duration,
        (60 * s - 180 * s**2 + 120 * s**3) / duration**2,
    )
    states = np.stack([row[:, None] * way for row in rows], axis=1)
    states[:, 0] += start
    return times, states


# --- formulas


@settings(deadline=None, max_examples=30)
@given(height=st.floats(0.3, 1.2), x=st.floats(-0.3, 0.3), v=st.floats(-1.0, 1.0))
def test_over_the_capture_point_the_pendulum_comes_to_rest(height: float, x: float, v: float) -> None:
    """x'' = (g / z) (x - p) with the foot's force at p, by Runge and Kutta; beside it the robot falls."""
    point = capture_point(np.array([[x, -x]]), np.array([[v, -v]]), np.array([height]), G)[0]
    assert point[1] == pytest.approx(-point[0], abs=1e-12)

    def fall(p: float) -> tuple[float, float]:
        state, dt = np.array([x, v]), 1e-3

        def rate(s: Array) -> Array:
            return np.array([s[1], G / height * (s[0] - p)])

        for _ in range(1500):
            a = rate(state)
            b = rate(state + dt / 2 * a)
            c = rate(state + dt / 2 * b)
            state = state + dt / 6 * (a + 2 * b + 2 * c + rate(state + dt * c))
        return float(state[0]), float(state[1])

    left = math.exp(-1.5 * math.sqrt(G / height)) * abs(x - point[0])
    where, speed = fall(float(point[0]))
    assert abs(where - point[0]) <= left + 1e-6
    assert abs(speed) <= left * math.sqrt(G / height) + 1e-5
    for side in (-0.01, 0.01):
        assert (fall(float(point[0]) + side)[0] - point[0]) * side < -0.02 * abs(side)


@given(height=st.floats(0.3, 1.2), x=st.floats(-0.3, 0.3), a=st.floats(-5.0, 5.0))
def test_gravity_and_inertia_have_no_moment_about_the_zero_moment_point(height: float, x: float, a: float) -> None:
    point = zero_moment_point(np.array([[x, 0.0]]), np.array([[a, 0.0]]), np.array([height]), G)[0]
    force = np.array([-a, 0.0, -G])
    arm = np.array([x, 0.0, height]) - np.array([*point, 0.0])
    assert np.cross(arm, force)[1] == pytest.approx(0.0, abs=1e-9)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_points_bend_no_more_than_their_bound(seed: int) -> None:
    """Any smooth path of the centre of mass; second derivatives by a polynomial through 17 places."""
    random = np.random.default_rng(seed)
    path = random.normal(size=(5, 3)) * random.choice([0.0, 0.1, 1.0, 10.0], size=(5, 1))
    path[0] = [0.0, 0.0, random.uniform(0.4, 1.0)]
    lengths = np.linalg.norm(path[1:], axis=1) * [1.0, 2.0, 6.0, 24.0]
    height = path[0, 2:]
    for second, bound in zip(second_derivatives(path), bends(lengths[:, None], height, height, G), strict=True):
        assert second <= bound[0] * (1 + 1e-4) + 1e-4


def second_derivatives(path: Array) -> list[float]:
    """Lengths of the second derivatives of zero-moment point and capture point at time 0, by high-order differences."""
    times = 0.01 * np.cos(np.linspace(0.0, np.pi, 17))
    x, v, a = (polynomial.polyval(times, polynomial.polyder(path, order) if order else path).T for order in range(3))
    points = (zero_moment_point(x[:, :2], a[:, :2], x[:, 2], G), capture_point(x[:, :2], v[:, :2], x[:, 2], G))
    return [2.0 * float(np.linalg.norm(polynomial.polyfit(times / 0.01, point, 16)[2])) / 0.01**2 for point in points]


@settings(deadline=None)
@given(derivatives=st.lists(st.floats(0.0, 2.0), min_size=4, max_size=4), z=st.floats(0.4, 1.0))
def test_bounds_of_bends_are_those_of_the_worst_signs(derivatives: list[float], z: float) -> None:
    """Functions whose derivatives at 0 are the greatest that each factor's can be, multiplied and differentiated.

    The factor r = sqrt(z / g) has them where the centre of mass falls: of 2 r(0) - r(z - D1 t - D2 t^2 / 2).
    """
    d1, d2, d3, d4 = derivatives
    t = 0.01 * np.cos(np.linspace(0.0, np.pi, 17))
    acceleration = d2 + d3 * t + d4 * t * t / 2
    velocity = d1 + d2 * t + d3 * t * t / 2
    height = z + d1 * t + d2 * t * t / 2
    root = 2 * math.sqrt(z / G) - np.sqrt((2 * z - height) / G)
    zero_moment, capture = bends(np.array(derivatives)[:, None], np.array([z]), np.array([z]), G)
    for product, found in ((acceleration * height / G, zero_moment), (velocity * root, capture)):
        second = 2.0 * float(polynomial.polyfit(t / 0.01, product, 16)[2]) / 0.01**2
        assert found[0] == pytest.approx(d2 + second, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("which", [0, 1])
def test_bends_take_the_height_as_it_is_worst(which: int) -> None:
    ones, low, high = np.ones((4, 1)), np.array([0.6]), np.array([0.8])
    found = bends(ones, low, high, G)[which][0]
    assert found >= max(bends(ones, at, at, G)[which][0] for at in (low, high))


# --- a stance


@pytest.mark.parametrize("contacts", [BOTH, ONE, {LEFT: Contact(False, 0), RIGHT: Contact(True, 0)}])
def test_a_resting_robot_has_the_same_margin_measured_and_planned(contacts: dict[str, Contact]) -> None:
    stance = stand(contacts)
    planned = CHECK.least_margin(stance, np.zeros(1), np.stack([POSE, REST, REST])[None])
    assert isinstance(planned, Margin)
    assert planned.value == pytest.approx(stance.margin.value, abs=1e-9)
    centre = CHECK.standing._body.centre(BASE, POSE, REST)[0]
    soles = CHECK.standing._body.soles(BASE)
    offset = np.mean(humanoids.CORNERS[humanoids.G1], axis=0)
    corners = [
        (sole.rotation @ (np.array(corner) - offset) + sole.translation)[:2]
        for foot, sole in zip((LEFT, RIGHT), soles, strict=True)
        if contacts[foot].bears
        for corner in humanoids.CORNERS[humanoids.G1]
    ]
    assert stance.margin.value == pytest.approx(brute(np.array(corners), centre[:2]), abs=2e-4)


def test_two_feet_hold_where_one_does_not() -> None:
    assert stand(BOTH).margin.value > 0.05
    assert stand(ONE).margin.value < 0.0


def test_a_foot_that_lies_on_the_ground_unloaded_would_bear_and_one_that_is_lifted_would_not() -> None:
    assert stand(BOTH).on_ground == stand(BOTH).margin.value
    assert stand(ONE).on_ground == pytest.approx(stand(BOTH).margin.value, abs=1e-9)
    right = [index for index, name in enumerate(ROBOT.joints) if name.startswith("right_")]
    for angle, lies in ((0.33, True), (0.42, False)):  # some 3 mm and 25 mm over the ground
        pose = POSE.copy()
        pose[right] = humanoids.squat(angle)[right]
        stance = stand(ONE, pose=pose)
        assert (stance.on_ground > 0.04) is lies
        assert (stance.on_ground == stance.margin.value) is not lies
    pose = POSE.copy()
    pose[joint("right_ankle_pitch_joint")] += 0.3  # as high, but on its toes
    stance = stand(ONE, pose=pose)
    assert stance.on_ground == stance.margin.value < 0.0


def test_a_push_takes_the_margin() -> None:
    """0.4 m/s at some 0.65 m are 0.1 m of the capture point."""
    rest = stand(BOTH).margin.value
    pushed = [
        stand(BOTH, base=replace(BASE, linear=speed)).margin.value
        for speed in ((0.1, 0.0, 0.0), (0.4, 0.0, 0.0), (0.0, 1.0, 0.0))
    ]
    assert rest > pushed[0] > 0.0 > pushed[1]
    assert pushed[2] < 0.0


def test_measured_speeds_of_joints_count() -> None:
    """Where the centre of mass goes in a microsecond says how fast it moves."""
    speed = REST.copy()
    speed[joint("waist_pitch_joint")] = 3.0
    body, dt = CHECK.standing._body, 1e-6
    here, there = (body.centre(BASE, POSE + t * speed, REST)[0] for t in (0.0, dt))
    stance = stand(BOTH, speed=speed)
    ground = stance.grounds[0]
    level = min(float((sole.act(np.zeros(3)))[2]) for sole in body.soles(BASE))
    point = here[:2] + (there - here)[:2] / dt * math.sqrt((here[2] - level) / G)
    assert stance.margin.value == pytest.approx(brute(ground.polygon.corners, point), abs=2e-4)
    assert stance.margin.value < stand(BOTH).margin.value - 0.03


@pytest.mark.requirement("SR-036")
def test_feet_on_two_levels_have_no_common_ground() -> None:
    """The right leg bent more, its sole level: 2 cm and 10 cm over the ground, and told to bear."""
    for angle, level in ((0.42, 0.025), (0.65, 0.1)):
        pose = POSE.copy()
        right = [index for index, name in enumerate(ROBOT.joints) if name.startswith("right_")]
        pose[right] = humanoids.squat(angle)[right]
        body = CHECK.standing._body
        body.centre(BASE, pose, REST)
        left, lifted = body.soles(BASE)
        assert lifted.translation[2] - left.translation[2] == pytest.approx(level, abs=0.01)
        found = CHECK.standing.stand(0, BASE, BOTH, pose, REST)
        assert isinstance(found, Unjudged) is (level > 0.05)
        if isinstance(found, Unjudged):
            assert found.reason is Unknown.UNEVEN
        assert isinstance(CHECK.standing.stand(0, BASE, ONE, pose, REST), Stance)


Change = Callable[[dict[str, object]], None]


def changed(**values: object) -> Change:
    return lambda told: told.update(values)


NAN_POSE, NAN_SPEED = POSE.copy(), REST.copy()
NAN_POSE[3], NAN_SPEED[28] = math.nan, math.inf


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changed(contacts={}), Unknown.CONTACT_STALE),
        (changed(contacts={LEFT: Contact(True, 0)}), Unknown.CONTACT_STALE),
        (changed(contacts={**BOTH, RIGHT: Contact(False, -51 * MS)}), Unknown.CONTACT_STALE),
        (changed(contacts={**BOTH, RIGHT: Contact(True, 1)}), Unknown.CONTACT_STALE),
        (changed(contacts={**BOTH, "hand": Contact(True, 0)}), Unknown.CONTACT_FOOT),
        (changed(contacts={LEFT: Contact(False, 0), RIGHT: Contact(False, 0)}), Unknown.NO_CONTACT),
        (changed(base=replace(BASE, received=-21 * MS)), Unknown.BASE_STALE),
        (changed(base=replace(BASE, received=1)), Unknown.BASE_STALE),
        (changed(base=replace(BASE, position=(0.0, 0.0, math.nan))), Unknown.NOT_FINITE),
        (changed(base=replace(BASE, position=(math.inf, 0.0, 0.7))), Unknown.NOT_FINITE),
        (changed(base=replace(BASE, linear=(0.0, math.nan, 0.0))), Unknown.NOT_FINITE),
        (changed(base=replace(BASE, angular=(0.0, 0.0, -math.inf))), Unknown.NOT_FINITE),
        (changed(base=replace(BASE, orientation=(math.nan, 0.0, 0.0, 1.0))), Unknown.NOT_FINITE),
        (changed(base=replace(BASE, orientation=(0.0, 0.0, 0.0, 0.0))), Unknown.ORIENTATION),
        (changed(base=replace(BASE, orientation=(0.0, 0.0, 0.0, 1.01))), Unknown.ORIENTATION),
        (changed(base=replace(BASE, position=(0.0, 0.0, 0.0))), Unknown.BASE_HEIGHT),
        (changed(base=replace(BASE, position=(0.0, 0.0, -0.7))), Unknown.BASE_HEIGHT),
        (changed(base=replace(BASE, orientation=(math.sin(0.06), 0.0, 0.0, math.cos(0.06)))), Unknown.TILTED),
        (changed(base=replace(BASE, orientation=(1.0, 0.0, 0.0, 0.0))), Unknown.TILTED),
        (changed(pose=NAN_POSE), Unknown.NOT_FINITE),
        (changed(speed=NAN_SPEED), Unknown.NOT_FINITE),
    ],
)
def test_unknown_is_never_balanced(change: Change, reason: Unknown) -> None:
    told: dict[str, object] = {"contacts": BOTH, "pose": POSE, "speed": REST, "base": BASE}
    change(told)
    found = CHECK.standing.stand(0, told["base"], told["contacts"], told["pose"], told["speed"])  # type: ignore[arg-type]
    assert isinstance(found, Unjudged)
    assert found.reason is reason


@pytest.mark.requirement("SR-036")
def test_a_robot_on_its_head_has_no_support_over_it() -> None:
    """Soles that may be tilted by anything, legs up: the centre of mass is below them."""
    check = BalanceCheck(ROBOT, humanoids.balance(tilt=math.pi))
    base = replace(BASE, orientation=(1.0, 0.0, 0.0, 0.0))
    found = check.standing.stand(0, base, BOTH, POSE, REST)
    assert isinstance(found, Unjudged)
    assert found.reason is Unknown.CENTRE_HEIGHT


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(
    ("times", "value", "reason"),
    [
        ([], 0.0, Unknown.SAMPLES),
        ([0.0, 0.0], 0.0, Unknown.SAMPLES),
        ([0.1, 0.0], 0.0, Unknown.SAMPLES),
        ([0.0, math.nan], 0.0, Unknown.SAMPLES),
        ([0.0, math.inf], 0.0, Unknown.NOT_FINITE),
        ([0.0, 0.1], math.nan, Unknown.NOT_FINITE),
        ([0.0, 0.1], math.inf, Unknown.NOT_FINITE),
        ([0.0, 0.1], 1e300, Unknown.CENTRE_HEIGHT),
    ],
)
def test_samples_that_say_nothing_are_never_balanced(times: list[float], value: float, reason: Unknown) -> None:
    states = np.repeat(np.stack([POSE, REST, REST])[None], len(times), axis=0)
    if len(times):
        states[-1, 1, 5] = value
    with np.errstate(all="ignore"):
        found = CHECK.least_margin(stand(), np.array(times), states)
    assert isinstance(found, Unjudged)
    assert found.reason is reason


# --- along a motion


def dense(stance: Stance, times: Array, states: Array, each: int) -> tuple[float, float]:
    """Least margin at many times, by other code: splines solved for, one sample at a time; and how far feet slip."""
    least, slip = math.inf, 0.0
    for ground in stance.grounds:
        level_corners = [ground.planted.corners, *np.split(ground.corners, len(ground.planted.others))]
        bears = [True, *ground.bearing]
        bearing = np.concatenate([c for c, b in zip(level_corners, bears, strict=True) if b])
        level = float((bearing @ ground.up).min())
        polygon = SupportPolygon(bearing @ ground.flat)
        for k in range(len(times) - 1):
            coefficients = hermite(times[k + 1] - times[k], states[k], states[k + 1])
            for t in np.linspace(0.0, times[k + 1] - times[k], each):
                powers = np.array([t**p for p in range(6)])
                first = np.array([p * t ** max(p - 1, 0) for p in range(6)])
                second = np.array([p * (p - 1) * t ** max(p - 2, 0) for p in range(6)])
                state = np.stack([powers @ coefficients, first @ coefficients, second @ coefficients])
                seen = ground.planted.see(state[None])
                x, v, a = seen.centre[0] @ ground.flat
                z = float(seen.centre[0, 0] @ ground.up) - level
                w = math.sqrt(G / z)
                for point in (x - a / w**2, x + v / w):
                    least = min(least, float(polygon.signed_distances(point[None])[0]))
                for o, other in enumerate(np.split(seen.corners[0] - ground.corners, len(ground.bearing))):
                    if ground.bearing[o]:
                        slip = max(slip, float(np.linalg.norm(other, axis=1).max()))
    return least, slip


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([0.1, 0.5]), intervals=st.integers(1, 4))
def test_nothing_between_samples_is_below_the_bound(seed: int, size: float, intervals: int) -> None:
    """Any samples at all, far apart and not of one smooth motion, on one foot and on two with all joints."""
    random = np.random.default_rng(seed)
    times = np.concatenate([[0.0], np.cumsum(random.uniform(0.01, 0.12, intervals))])
    states = np.stack([POSE, REST, REST]) + size * random.normal(size=(intervals + 1, 3, JOINTS)) * np.array(
        [[0.05], [0.5], [3.0]]
    )
    stance = stand(ONE if random.random() < 0.7 else BOTH)
    found = CHECK.least_margin(stance, times, states)
    if isinstance(found, Unjudged):
        assert found.reason in (Unknown.FEET_MOVE, Unknown.CENTRE_HEIGHT)
        return
    least, slip = dense(stance, times, states, 12)
    assert found.value <= least + 1e-9
    assert slip <= 0.01


def test_what_a_way_bends_between_two_samples_is_taken_off() -> None:
    """All of it, as `Carried` and `bends` bound it: the loss that sampling shows is mostly far less."""
    stance, random = stand(ONE), np.random.default_rng(5)
    planted = stance.grounds[0].planted
    for _ in range(10):
        states = np.stack([POSE, REST, REST]) + random.normal(size=(2, 3, JOINTS)) * [[1e-3], [0.1], [1.0]]
        found = CHECK.least_margin(stance, np.array([0.0, 0.05]), states)
        assert isinstance(found, Margin)
        derivatives = planted.centre.bounds(planted.of_joints(derivative_bounds(np.array([0.0, 0.05]), states)))
        sag = 0.05**2 / 8.0 * derivatives[1]
        ends = [CHECK.follow(stance, np.zeros(1), state[None]) for state in states]
        low = min(end.lowest[0] for end in ends if isinstance(end, Course)) - sag
        high = max(end.highest[0] for end in ends if isinstance(end, Course)) + sag
        worst = [math.inf, math.inf]
        ground = stance.grounds[0]
        for state in states:
            x, v, a = planted.see(state[None]).centre[0] @ ground.flat
            z = np.array([float(planted.see(state[None]).centre[0, 0] @ ground.up) - ground.level])
            place = (x + ground.place)[None]
            for k, point in enumerate((zero_moment_point(place, a[None], z, G), capture_point(place, v[None], z, G))):
                worst[k] = min(worst[k], float(ground.polygon.signed_distances(point)[0]))
        loss = [0.05**2 / 8.0 * float(bend[0]) for bend in bends(derivatives, low, high, G)]
        assert found.value == pytest.approx(min(w - one for w, one in zip(worst, loss, strict=True)), abs=2e-9)


def test_a_centre_that_may_sink_to_the_ground_between_two_samples_is_not_judged() -> None:
    states = np.zeros((2, 3, JOINTS))
    ankle = joint("left_ankle_roll_joint")
    states[:, 2, ankle], states[:, 1, ankle] = 500.0, [-37.5, 37.5]
    found = CHECK.least_margin(stand(ONE, pose=REST), np.array([0.0, 0.15]), states)
    assert found == Unjudged(Unknown.CENTRE_HEIGHT, "between two samples")


@pytest.mark.parametrize("contacts", [BOTH, ONE])
def test_the_bound_is_near_to_the_least_margin(contacts: dict[str, Contact]) -> None:
    """A margin of minus infinity would be sound: at 60 samples of a brisk squat 2 mm are lost, of an arm 1 mm."""
    stance = stand(contacts)
    arm = REST.copy()
    arm[joint("left_shoulder_pitch_joint")] = -1.0
    squat = humanoids.squat(0.3)
    for way, lost in ((squat, 2e-3), (arm, 1e-3)):
        motion = smooth(POSE, way, 1.0, 60)
        found = CHECK.least_margin(stance, *motion)
        assert isinstance(found, Margin)
        least, _ = dense(stance, *motion, 3)
        assert least - lost <= found.value <= least


def test_a_fast_stop_of_the_arms_tips_a_robot_that_stands() -> None:
    """The same way of both arms: slowly the margin is kept, fast it is lost, and so it is by stopping them at once."""
    stance = stand(BOTH)
    arms = REST.copy()
    for side in ("left", "right"):
        arms[joint(f"{side}_shoulder_pitch_joint")] = -1.0
    margins = []
    for duration in (2.0, 0.6, 0.25):
        found = CHECK.least_margin(stance, *smooth(POSE, arms, duration, 60))
        assert isinstance(found, Margin)
        margins.append(found.value)
    assert margins[0] > 0.05
    assert margins[0] > margins[1] > margins[2]
    assert margins[2] < 0.0
    gentle, hard = (stop_margin(stance, POSE, 2.0 * arms, acceleration) for acceleration in (5.0, 60.0))
    assert gentle > 0.0 > hard


def stop_margin(stance: Stance, pose: Array, speed: Array, acceleration: float) -> float:
    """Least margin of a full stop as the supervisor plans it, its knots among the samples."""
    stop = straight_stop(pose, speed, acceleration)
    times = stop_times(stop)
    found = CHECK.least_margin(stance, times, np.array([stop.state(t) for t in times.tolist()]))
    assert isinstance(found, Margin), found
    return found.value


def straight_stop(pose: Array, speed: Array, acceleration: float) -> StraightStop:
    ones = np.ones(JOINTS)
    limits = JointLimits(-9.0 * ones, 9.0 * ones, 9.0 * ones, acceleration * ones, 20.0 * acceleration * ones)
    return StraightStop(np.stack([pose, speed, REST]), StopLimits(limits))


def stop_times(stop: StraightStop, each: int = 12) -> Vector:
    knots = [0.0, *(point.time / 1e9 for point in stop.horizon())]
    return np.unique(np.concatenate([[0.0], *(np.linspace(a, b, each + 1) for a, b in itertools.pairwise(knots))]))


@pytest.mark.requirement("SR-026")
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), longest=st.floats(0.01, 0.3))
def test_samples_of_a_step_and_its_stop_are_that_motion(seed: int, longest: float) -> None:
    """Between the samples the spline is the stop itself; the last one is at rest at its end."""
    random, period = np.random.default_rng(seed), 0.004
    after = np.stack([POSE, random.normal(size=JOINTS), 3.0 * random.normal(size=JOINTS)])
    before = after.copy()
    before[0] -= period * after[1]
    ones = np.ones(JOINTS)
    stop = StraightStop(after, StopLimits(JointLimits(-9 * ones, 9 * ones, 9 * ones, 8 * ones, 160 * ones)))
    times, states = step_and_stop(before, after, period, stop, longest)
    assert np.array_equal(states[0], before)
    assert np.array_equal(states[1], after)
    assert times[:2].tolist() == [0.0, period]
    assert np.diff(times).min() > 0.0
    assert np.diff(times[1:]).max() <= longest + 1e-9
    assert times[-1] == pytest.approx(period + stop.duration, abs=2e-9)
    np.testing.assert_allclose(states[-1], np.stack([stop.end, REST, REST]), rtol=0, atol=1e-6)
    for k in range(1, len(times) - 1):
        h = times[k + 1] - times[k]
        coefficients = hermite(h, states[k], states[k + 1])
        for t in np.linspace(0.0, h, 5):
            expected = stop.state(times[k] - period + t)
            for order in range(3):
                value = polynomial.polyval(t, polynomial.polyder(coefficients, order) if order else coefficients)
                np.testing.assert_allclose(value, expected[order], rtol=0, atol=[1e-8, 1e-6, 1e-3][order])


def test_of_a_stop_at_rest_there_is_the_step_alone() -> None:
    rest = np.stack([POSE, REST, REST])
    ones = np.ones(JOINTS)
    stop = StraightStop(rest, StopLimits(JointLimits(-9 * ones, 9 * ones, 9 * ones, 8 * ones, 160 * ones)))
    times, states = step_and_stop(rest, rest, 0.004, stop, 0.05)
    assert times.tolist() == [0.0, 0.004]
    assert states.shape == (2, 3, JOINTS)


def test_a_lifted_foot_is_no_support() -> None:
    """The right knee bends while both feet are told to bear."""
    lift = REST.copy()
    lift[joint("right_knee_joint")] = 0.5
    found = CHECK.least_margin(stand(BOTH), *smooth(POSE, lift, 1.0, 60))
    assert isinstance(found, Unjudged)
    assert found.reason is Unknown.FEET_MOVE
    assert RIGHT in found.detail
    alone = CHECK.least_margin(stand(ONE), *smooth(POSE, lift, 1.0, 60))
    assert isinstance(alone, Margin)
    assert alone.value < 0.0


def test_a_motion_is_judged_whole_not_from_its_ends() -> None:
    """Out and back again: both ends are one pose, at rest."""
    stance = stand(BOTH)
    lean = REST.copy()
    lean[joint("waist_pitch_joint")] = 0.5
    out, back = smooth(POSE, lean, 1.5, 40), smooth(POSE + lean, -lean, 1.5, 40)
    times = np.concatenate([out[0], 1.5 + back[0][1:]])
    states = np.concatenate([out[1], back[1][1:]])
    found = CHECK.least_margin(stance, times, states)
    assert isinstance(found, Margin)
    assert found.value < stance.margin.value - 0.02
    assert 0.1 < found.time < 2.9


# --- near a known pose


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), size=st.floats(0.01, 0.4), feet=st.sampled_from(["both", "one"]))
def test_what_is_surely_kept_is_kept(seed: int, size: float, feet: str) -> None:
    """The greatest margin that is sure is no more than the least along stops from near the pose."""
    random = np.random.default_rng(seed)
    settings_ = humanoids.balance(slip=1.0 if feet == "both" else 0.0)
    check = BalanceCheck(ROBOT, settings_)
    nearby = Nearby(settings_, check.standing.planted, JOINTS)
    stance = check.standing.stand(0, BASE, BOTH if feet == "both" else ONE, POSE, REST)
    assert isinstance(stance, Stance)
    nearby.surely_keeps(stance, POSE, REST, REST, REST, -9.0)
    pose = POSE + 0.1 * size * random.normal(size=JOINTS)
    stop = straight_stop(pose, size * random.normal(size=JOINTS) * (random.random(JOINTS) < random.random()), 5.0)
    times = stop_times(stop, 4)
    states = np.array([stop.state(t) for t in times.tolist()])
    way, fastest, hardest = np.abs(states - np.stack([pose, REST, REST])).max(axis=0)
    low, high = -1.0, 0.2
    for _ in range(30):
        middle = (low + high) / 2
        sure = nearby.surely_keeps(stance, pose, way, fastest, hardest, middle)
        low, high = (middle, high) if sure else (low, middle)
    for ground in stance.grounds:
        seen = ground.planted.see(states)
        flat = seen.centre @ ground.flat + np.array([ground.place, [0, 0], [0, 0]])
        z = seen.centre[:, 0] @ ground.up - ground.level
        for points in (flat[:, 0] - flat[:, 2] * (z / G)[:, None], flat[:, 0] + flat[:, 1] * np.sqrt(z / G)[:, None]):
            assert ground.polygon.signed_distances(points).min() >= low


def test_near_a_pose_most_is_known_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    nearby = Nearby(humanoids.balance(), CHECK.standing.planted, JOINTS)
    stance = stand(BOTH)
    small = np.full(JOINTS, 2e-4)
    assert nearby.surely_keeps(stance, POSE, small, small, small, 0.05)
    monkeypatch.setattr(type(stance.grounds[0].planted), "see", None)
    assert nearby.surely_keeps(stance, POSE + small, small, small, small, 0.05)


def sure_margin(stance: Stance, q: Array, way: Array, fastest: Array, hardest: Array) -> float:
    """The greatest margin that is sure, from what is known at `POSE`."""
    nearby = Nearby(humanoids.balance(slip=9.0), CHECK.standing.planted, JOINTS)
    assert nearby.surely_keeps(stance, POSE, REST, REST, REST, -9.0)
    nearby._ask = None  # type: ignore[method-assign, assignment]
    low, high = -9.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        known = nearby._known
        assert known is not None
        sure = nearby._sure(known, q, way, fastest, hardest, middle)
        low, high = (middle, high) if sure else (low, middle)
    return low


def at_margin(stance: Stance, pose: Array, speed: Array) -> float:
    found = CHECK.least_margin(stance, np.zeros(1), np.stack([pose, speed, REST])[None])
    assert isinstance(found, Margin)
    return found.value


@pytest.mark.parametrize("as_way", [True, False])
def test_what_is_sure_counts_the_way_from_the_known_pose(as_way: bool) -> None:
    """A lean, at rest: as a way from the known pose, or as another pose."""
    lean = REST.copy()
    lean[joint("waist_pitch_joint")] = 0.3
    stance = stand(BOTH)
    sure = sure_margin(stance, POSE if as_way else POSE + lean, lean if as_way else REST, REST, REST)
    assert sure <= at_margin(stance, POSE + lean, REST) < stance.margin.value - 0.005


def test_what_is_sure_counts_that_turning_accelerates() -> None:
    """An arm that turns at a constant 20 rad/s pulls: no joint accelerates."""
    stance, spin = stand(BOTH), REST.copy()
    spin[joint("left_shoulder_pitch_joint")] = 20.0
    sure = sure_margin(stance, POSE, REST, spin, REST)
    steady = stance.margin.value
    pulled = at_margin(stance, POSE, spin)
    assert sure <= pulled < steady - 0.05
    pushed = zero_moment_point(np.zeros((1, 2)), np.array([[1.0, 0.0]]), np.array([0.65]), G)
    assert abs(pushed[0, 0]) < 0.07
    planted = CHECK.standing.planted[0]
    reach, bend = planted.commanded(planted.centre, JOINTS)
    assert sure == pytest.approx(
        steady - max(reach @ spin * math.sqrt(height(stance) / G), spin @ bend @ spin * height(stance) / G), abs=1e-6
    )


def height(stance: Stance) -> float:
    ground = stance.grounds[0]
    state = np.stack([POSE, REST, REST])[None]
    return float(ground.planted.see(state).centre[0, 0] @ ground.up) - ground.level


def test_what_was_known_of_another_stance_is_forgotten() -> None:
    nearby = Nearby(humanoids.balance(), CHECK.standing.planted, JOINTS)
    assert nearby.surely_keeps(stand(BOTH), POSE, REST, REST, REST, 0.05)
    assert not nearby.surely_keeps(stand(ONE), POSE, REST, REST, REST, 0.05)


def test_a_foot_that_comes_and_goes_between_two_samples_is_seen() -> None:
    """Pose and rest are the same at both samples: between them the knee bends by 0.03 rad."""
    states = np.repeat(np.stack([POSE, REST, REST])[None], 2, axis=0)
    states[:, 2, joint("right_knee_joint")] = 200.0
    found = CHECK.least_margin(stand(BOTH), np.array([0.0, 0.1]), states)
    assert isinstance(found, Unjudged)
    assert found.reason is Unknown.FEET_MOVE
    _, slip = dense(stand(BOTH), np.array([0.0, 0.1]), states, 12)
    assert slip > 0.01


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("which", range(4))
def test_nothing_is_sure_of_what_is_not_finite(which: int) -> None:
    nearby = Nearby(humanoids.balance(), CHECK.standing.planted, JOINTS)
    rows = [POSE.copy(), REST.copy(), REST.copy(), REST.copy()]
    rows[which][20] = math.nan
    assert not nearby.surely_keeps(stand(BOTH), rows[0], rows[1], rows[2], rows[3], -9.0)


def test_a_foot_that_may_slip_is_not_sure() -> None:
    nearby = Nearby(humanoids.balance(), CHECK.standing.planted, JOINTS)
    way = REST.copy()
    way[joint("right_knee_joint")] = 0.1
    assert not nearby.surely_keeps(stand(BOTH), POSE, way, REST, REST, -9.0)
    assert nearby.surely_keeps(stand(ONE), POSE, way, REST, REST, -9.0)
