"""A robot hung up at a foot, and with its base anywhere: mass, motion and their bounds by other code."""

from __future__ import annotations

from pathlib import Path

import humanoids
import numpy as np
import pybullet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import polynomial
from numpy.typing import NDArray

from safety_supervisor.core.balance.planted import Planted
from safety_supervisor.core.balance.whole_body import BaseState, WholeBody
from safety_supervisor.core.geometry.carried import bell
from safety_supervisor.core.geometry.mimic import RobotModelError
from safety_supervisor.core.geometry.spline_bounds import derivative_bounds
from safety_supervisor.core.settings import ToolSettings

pytestmark = pytest.mark.requirement("SR-034")

Array = NDArray[np.float64]
NAMES = (humanoids.G1, humanoids.TALOS)
PLANTED = {
    name: tuple(
        Planted(humanoids.robot(name), sole, tuple(other for other in humanoids.soles(name) if other is not sole))
        for sole in humanoids.soles(name)
    )
    for name in NAMES
}


def random_pose(name: str, random: np.random.Generator) -> Array:
    lower, upper, _, _ = humanoids.robot(name).urdf_limits()
    return random.uniform(np.maximum(lower, -3.0), np.minimum(upper, 3.0))


@pytest.mark.requirement("SR-044")
@pytest.mark.parametrize("name", NAMES)
def test_a_pose_is_looked_at_as_a_state_at_rest_is_seen_to_the_bit(name: str) -> None:
    random = np.random.default_rng(6)
    for _ in range(500):
        states = np.zeros((1, 3, len(humanoids.robot(name).joints)))
        states[0, 0] = random_pose(name, random)
        for planted in PLANTED[name]:
            seen = planted.see(states)
            planted.see(random.uniform(-1.0, 1.0, states.shape))  # what it leaves behind does not count
            centre, corners = planted.look(states[0, 0])
            assert (centre.tobytes(), corners.tobytes()) == (seen.centre[:, 0].tobytes(), seen.corners.tobytes())


@pytest.mark.parametrize("name", NAMES)
def test_centre_and_soles_are_where_pybullet_says(name: str, tmp_path: Path) -> None:
    random, robot = np.random.default_rng(5), humanoids.robot(name)
    whole = WholeBody(robot, humanoids.soles(name))
    for _ in range(6):
        position = random.uniform(-1.0, 1.0, 3)
        orientation = np.array(pybullet.getQuaternionFromEuler(random.uniform(-3.0, 3.0, 3).tolist()))
        bullet = humanoids.Bullet(name, tmp_path, position, orientation)
        try:
            for _ in range(5):
                q = random_pose(name, random)
                bullet.set(dict(zip(robot.joints, q.tolist(), strict=True)))
                centre, mass = bullet.centre()
                base = BaseState(tuple(position), tuple(orientation), (0.0,) * 3, (0.0,) * 3, 0)
                assert whole.mass == pytest.approx(mass, rel=1e-9)
                np.testing.assert_allclose(whole.centre(base, q, 0.0 * q)[0], centre, rtol=0, atol=2e-6)
                for planted, placed in zip(PLANTED[name], whole.soles(base), strict=True):
                    assert planted.mass == pytest.approx(mass, rel=1e-9)
                    origin, turn = bullet.frame(planted.foot)
                    middle = np.mean(humanoids.CORNERS[name], axis=0)
                    np.testing.assert_allclose(placed.translation, origin + turn @ middle, rtol=0, atol=2e-6)
                    np.testing.assert_allclose(placed.rotation, turn, rtol=0, atol=2e-6)
                    seen = planted.see(np.stack([q, 0.0 * q, 0.0 * q])[None])
                    np.testing.assert_allclose(seen.centre[0, 0], (centre - origin) @ turn - middle, rtol=0, atol=2e-6)
                    other_origin, other_turn = bullet.frame(planted.others[0].foot)
                    corners = np.array(humanoids.CORNERS[name]) @ other_turn.T + other_origin
                    np.testing.assert_allclose(seen.corners[0], (corners - origin) @ turn - middle, rtol=0, atol=2e-6)
        finally:
            pybullet.disconnect(bullet.client)


def curve(random: np.random.Generator, name: str, size: float, degree: int = 4) -> Array:
    """Coefficients of a motion of the joints about a random pose, shape (degree + 1, n)."""
    rows = [random_pose(name, random)]
    return np.array(rows + [size * random.normal(size=len(rows[0])) for _ in range(degree)])


def states_of(coefficients: Array, times: Array) -> Array:
    rows = [
        polynomial.polyval(times, polynomial.polyder(coefficients, order) if order else coefficients).T
        for order in range(3)
    ]
    return np.stack(rows, axis=1)


@pytest.mark.parametrize("name", NAMES)
def test_velocity_and_acceleration_of_the_centre_are_its_differences(name: str) -> None:
    random, step = np.random.default_rng(6), 1e-4
    for planted in PLANTED[name]:
        for _ in range(20):
            seen = planted.see(states_of(curve(random, name, 1.0), np.array([-step, 0.0, step]))).centre
            before, here, after = seen[:, 0]
            np.testing.assert_allclose(seen[1, 1], (after - before) / (2 * step), rtol=0, atol=1e-5)
            np.testing.assert_allclose(seen[1, 2], (after - 2 * here + before) / step**2, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_motion_of_a_moving_base_is_the_difference_of_its_positions(name: str) -> None:
    """The base moves along a curve in space and turns; twist and its rate are told in its own frame."""
    random, step = np.random.default_rng(7), 1e-4
    whole = WholeBody(humanoids.robot(name), humanoids.soles(name))
    for _ in range(10):
        joints = states_of(curve(random, name, 1.0), np.array([-step, 0.0, step]))
        start, v, a, w, dw = random.normal(size=(5, 3))
        turned = np.array(pybullet.getQuaternionFromEuler(random.uniform(-1.0, 1.0, 3).tolist()))

        def rotation(t: float, turned: Array = turned, w: Array = w, dw: Array = dw) -> Array:
            """R(t) = R0 Exp(w t + dw t^2 / 2): to second order the twist of the base frame."""
            angle = w * t + dw * t * t / 2.0
            size = float(np.linalg.norm(angle))
            (x, y, z), w_ = np.sin(size / 2.0) * angle / (size or 1.0), np.cos(size / 2.0)
            by = np.array([[w_, z, -y, x], [-z, w_, x, y], [y, -x, w_, z], [-x, -y, -z, w_]])  # quaternion product
            return np.asarray(by @ turned)

        places = []
        for row, t in zip(joints, (-step, 0.0, step), strict=True):
            base = BaseState(tuple(start + v * t + a * t * t / 2.0), tuple(rotation(t)), (0.0,) * 3, (0.0,) * 3, 0)
            places.append(whole.centre(base, row[0], row[1])[0])
        turn = np.array(pybullet.getMatrixFromQuaternion(turned)).reshape(3, 3)
        base = BaseState(tuple(start), tuple(turned), tuple(turn.T @ v), tuple(w), 0)
        # The component derivative of the told twist is not the acceleration of the origin: that is R^T a.
        found = whole.centre(base, *joints[1], np.concatenate([turn.T @ a, dw]))
        np.testing.assert_allclose(found[1], (places[2] - places[0]) / (2 * step), rtol=0, atol=1e-5)
        np.testing.assert_allclose(found[2], (places[2] - 2 * places[1] + places[0]) / step**2, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_load_moves_the_centre_by_its_share(name: str) -> None:
    robot, sole, mass = humanoids.robot(name), humanoids.soles(name)[0], 5.0
    random = np.random.default_rng(8)
    q = random_pose(name, random)
    rest = np.stack([q, 0.0 * q, 0.0 * q])[None]
    bare = PLANTED[name][0]
    # Carried by the other foot, whose place is known from `corners`.
    at = humanoids.CORNERS[name][2]
    load = Planted(robot, sole, (), ToolSettings("load", humanoids.FEET[name][1], (), frozenset(), mass, at))
    without = bare.see(rest)
    expected = (without.centre[0, 0] * bare.mass + without.corners[0, 2] * mass) / (bare.mass + mass)
    np.testing.assert_allclose(load.see(rest).centre[0, 0], expected, rtol=0, atol=1e-9)
    base = BaseState((0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 1.0), (0.0,) * 3, (0.0,) * 3, 0)
    tool = ToolSettings("load", humanoids.FEET[name][1], (), frozenset(), mass, at)
    whole = WholeBody(robot, humanoids.soles(name), tool)
    placed = whole.centre(base, q, 0.0 * q)[0]
    np.testing.assert_allclose(whole.soles(base)[0].actInv(placed), expected, rtol=0, atol=1e-9)


def test_an_unknown_foot_is_refused() -> None:
    sole = humanoids.soles(humanoids.TALOS)[0]
    with pytest.raises(RobotModelError, match="left_sole_link"):
        Planted(humanoids.robot(humanoids.G1), sole)


# --- bounds


@settings(deadline=None)
@given(s=st.lists(st.floats(0.0, 3.0), min_size=4, max_size=4))
def test_bell_polynomials_are_the_derivatives_of_an_exponential(s: list[float]) -> None:
    """exp(s1 t + s2 t^2 / 2 + s3 t^3 / 6 + s4 t^4 / 24), its series multiplied out."""
    exponent = np.array([0.0, s[0], s[1] / 2, s[2] / 6, s[3] / 24])
    series, power = np.eye(5)[0], np.eye(5)[0]
    for order in range(1, 5):
        power = np.convolve(power, exponent)[:5] / order
        series = series + power
    expected = series[1:5] * [1.0, 2.0, 6.0, 24.0]
    for count in range(1, 5):
        np.testing.assert_allclose(bell(np.array(s[:count])), expected[:count], rtol=1e-12, atol=1e-300)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([0.1, 0.5, 1.5]), name=st.sampled_from(NAMES))
def test_no_derivative_in_time_is_longer_than_its_bound(seed: int, size: float, name: str) -> None:
    """Derivatives by a polynomial through 13 places near the pose; of few joints too, where a bound is nearly sharp."""
    random = np.random.default_rng(seed)
    coefficients = curve(random, name, size)
    coefficients[1:, random.random(coefficients.shape[1]) < random.random()] = 0.0
    joints = np.abs(coefficients[1:]) * np.array([1.0, 2.0, 6.0, 24.0])[:, None]
    times = 0.05 / max(size, 0.3) * np.cos(np.linspace(0.0, np.pi, 13))
    for planted in PLANTED[name]:
        seen = planted.see(states_of(coefficients, times))
        for points, carried in (
            (seen.centre[:, 0], planted.centre),
            *((seen.corners[:, corner], planted.soles[0]) for corner in range(4)),
        ):
            fit = polynomial.polyfit(times / times[0], points, 12)
            bounds = carried.bounds(planted.of_joints(joints))
            for order, factorial in ((1, 1.0), (2, 2.0), (3, 6.0), (4, 24.0)):
                length = factorial * float(np.linalg.norm(fit[order])) / times[0] ** order
                assert length <= bounds[order - 1] * (1 + 1e-3) + 10.0 ** (order - 8) / times[0] ** (order - 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_bound_is_not_far_from_what_one_joint_does(name: str) -> None:
    """A bound of 1e9 would be sound: the joint next to the foot is bounded within a third of its worst pose."""
    random = np.random.default_rng(9)
    for planted in PLANTED[name]:
        worst = np.zeros(len(planted.centre.reach))
        for _ in range(300):
            q = random_pose(name, random)
            for joint in range(len(q)):
                state = np.zeros((1, 3, len(q)))
                state[0, 0], state[0, 1, joint] = q, 1.0
                length = float(np.linalg.norm(planted.see(state).centre[0, 1]))
                commanded = planted.commanded(planted.centre, len(q))[0][joint]
                assert length <= commanded + 1e-12
                worst[joint] = max(worst[joint], length / commanded if commanded else 0.0)
        assert worst.max() >= 0.66


@pytest.mark.parametrize("name", NAMES)
def test_commanded_bounds_are_those_of_the_joints(name: str) -> None:
    random = np.random.default_rng(10)
    count = len(humanoids.robot(name).joints)
    for planted in PLANTED[name]:
        for carried in (planted.centre, *planted.soles):
            reach, bend = planted.commanded(carried, count)
            speed, hard = random.uniform(0.0, 2.0, (2, count))
            first, second = carried.bounds(planted.of_joints(np.array([speed, hard])))
            assert reach @ speed == pytest.approx(first, rel=1e-12)
            assert reach @ hard + speed @ bend @ speed == pytest.approx(second, rel=1e-12)


def hermite(h: float, first: Array, last: Array) -> Array:
    """Coefficients of the polynomial of degree 5 between two states, each shape (3, n), by solving for them."""
    rows = np.array([[np.prod(range(p, p - k, -1)) * t ** max(p - k, 0) * (p >= k) for p in range(6)]
                     for t in (0.0, h) for k in range(3)])  # fmt: skip
    solved: Array = np.linalg.solve(rows, np.concatenate([first, last]))
    return solved


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), h=st.floats(0.01, 1.0))
def test_derivatives_between_samples_stay_in_their_bounds(seed: int, h: float) -> None:
    random = np.random.default_rng(seed)
    states = random.normal(size=(2, 3, 4))
    bounds = derivative_bounds(np.array([0.0, h]), states)
    coefficients = hermite(h, *states)
    times = np.linspace(0.0, h, 200)
    for order in range(1, 5):
        values = np.abs(polynomial.polyval(times, polynomial.polyder(coefficients, order)))
        assert (values.max(axis=1) <= bounds[order - 1, 0] * (1 + 1e-9) + 1e-6).all()


def test_of_a_cubic_the_bounds_are_exact() -> None:
    coefficients = np.array([[0.3, -1.0], [0.5, 0.0], [-2.0, 1.0], [4.0, -3.0]])
    times = np.array([0.1, 0.2, 0.35])
    bounds = derivative_bounds(times, states_of(coefficients, times))
    np.testing.assert_allclose(bounds[2], np.tile([24.0, 18.0], (2, 1)), rtol=1e-9)
    np.testing.assert_allclose(bounds[3], 0.0, atol=1e-6)
    expected = np.maximum(
        *np.abs(np.stack([states_of(coefficients, times)[:-1, 2], states_of(coefficients, times)[1:, 2]]))
    )
    np.testing.assert_allclose(bounds[1], expected, rtol=1e-9)
