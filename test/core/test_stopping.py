"""The stop from a state, against numerical integration and differences of its samples."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from safety_supervisor.core.motion.path_stop import PathStop
from safety_supervisor.core.motion.stopping import BrakeProfile, Stop, StopLimits, StraightStop, straight_stop_reach
from safety_supervisor.core.motion.trajectory import PlannedTrajectory
from safety_supervisor.core.settings import JointLimits

DT = 0.004


def make_limits(n: int, random: np.random.Generator) -> JointLimits:
    """Limits of `n` joints between those of a soft humanoid joint and a quick arm's."""
    return JointLimits(
        np.full(n, -100.0),
        np.full(n, 100.0),
        random.uniform(1.0, 3.0, n),
        random.uniform(2.0, 20.0, n),
        10.0 ** random.uniform(1.5, 4.0, n),
    )


def make_state(limits: JointLimits, random: np.random.Generator, kind: str) -> np.ndarray:
    n = len(limits.velocity)
    state = np.stack(
        [
            random.uniform(-2.0, 2.0, n),
            random.uniform(-1.0, 1.0, n) * limits.velocity,
            random.uniform(-1.0, 1.0, n) * limits.acceleration,
        ]
    )
    if kind == "no velocity":
        state[1] = 0.0
    elif kind == "no acceleration":
        state[2] = 0.0
    elif kind == "acceleration against velocity":
        state[2] = -np.sign(state[1]) * np.abs(state[2])
    elif kind == "turning":
        state[1] *= 1e-3
    elif kind == "one joint":
        state[1:, 1:] = 0.0
    elif kind == "rest":
        state[1:] = 0.0
    return state


KINDS = ["any", "no velocity", "no acceleration", "acceleration against velocity", "turning", "one joint", "rest"]


def integrate(stop: Stop, start: np.ndarray, count: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integrate the stop's acceleration twice by Simpson's rule; return times, velocities, positions."""
    times = np.linspace(0.0, stop.duration, 2 * count + 1)
    acceleration = np.array([stop.state(t)[2] for t in times])
    h = times[1]
    # Simpson over each half cell needs the middle: use the quadratic through three neighbours.
    a0, a1, a2 = acceleration[:-2:2], acceleration[1::2], acceleration[2::2]
    velocity = np.empty_like(acceleration)
    velocity[0] = start[1]
    velocity[2::2] = start[1] + np.cumsum((a0 + 4 * a1 + a2) * h / 3, axis=0)
    velocity[1::2] = velocity[:-2:2] + (5 * a0 + 8 * a1 - a2) * h / 12
    v0, v1, v2 = velocity[:-2:2], velocity[1::2], velocity[2::2]
    position = np.empty_like(acceleration)
    position[0] = start[0]
    position[2::2] = start[0] + np.cumsum((v0 + 4 * v1 + v2) * h / 3, axis=0)
    position[1::2] = position[:-2:2] + (5 * v0 + 8 * v1 - v2) * h / 12
    return times, velocity, position


def differences_keep(rows: np.ndarray, limits: JointLimits, dt: float) -> dict[int, float]:
    """Return the worst difference of each order relative to its limit; 1 is the limit."""
    return {
        order: float((np.abs(np.diff(rows, n=order, axis=0)) / dt**order / limit).max())
        for order, limit in ((1, limits.velocity), (2, limits.acceleration), (3, limits.jerk))
    }


@pytest.mark.requirement("SR-025")
@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize("n", [1, 7, 29])
@pytest.mark.parametrize("kind", KINDS)
def test_straight_stop_is_what_integrating_its_acceleration_gives(n: int, kind: str) -> None:
    random = np.random.default_rng([n, KINDS.index(kind)])
    limits = make_limits(n, random)
    for _ in range(3):
        state = make_state(limits, random, kind)
        stop = StraightStop(state, StopLimits(limits))
        times, velocity, position = integrate(stop, state, 800)
        samples = np.array([stop.state(t) for t in times])
        # Simpson's rule errs only in the three cells that hold a corner of the acceleration.
        tolerance = 10 * float((limits.jerk * (times[1]) ** 2).max()) + 1e-12
        assert np.abs(samples[:, 1] - velocity).max() <= tolerance
        assert np.abs(samples[:, 0] - position).max() <= tolerance * max(1.0, stop.duration) + 1e-12
        assert np.array_equal(samples[0], state) or np.allclose(samples[0], state, rtol=0, atol=1e-15)
        assert np.abs(samples[-1, 1:]).max() < 1e-9, "it ends at rest"
        assert np.allclose(samples[-1, 0], stop.end, rtol=0, atol=1e-12)
        assert (np.abs(samples[:, 2]) <= limits.acceleration * (1 + 1e-9)).all()
        # The fade adds at most |a0| fade / 2 to the velocity; a step with too much is refused.
        assert (np.abs(samples[:, 1]) <= np.maximum(np.abs(state[1]), np.abs(stop.top_velocity)) + 1e-12).all()
        jerk = np.abs(np.diff(samples[:, 2], axis=0)) / times[1] if times[1] > 0 else np.zeros((1, n))
        assert (jerk <= limits.jerk * (1 + 1e-6)).all()
        assert np.allclose(stop.positions(tuple(times)), samples[:, 0], rtol=0, atol=1e-13)


@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize("kind", KINDS)
def test_straight_stop_takes_no_longer_than_one_joint_would_by_the_formula(kind: str) -> None:
    """T = v / a + a / j from zero acceleration (or 2 sqrt(v / j) when a is not reached), of the slowest joint."""
    random = np.random.default_rng(KINDS.index(kind))
    limits = make_limits(5, random)
    for _ in range(20):
        state = make_state(limits, random, kind)
        fade = float((np.abs(state[2]) / limits.jerk).max())
        left = np.abs(state[1] + 0.5 * fade * state[2])
        alone = np.where(
            left * limits.jerk >= limits.acceleration**2,
            left / limits.acceleration + limits.acceleration / limits.jerk,
            2.0 * np.sqrt(left / limits.jerk),
        )
        stop = StraightStop(state, StopLimits(limits))
        assert stop.duration >= fade + alone.max() - 1e-12
        # Joints of one profile: bounded by the slowest ramp together with the slowest deceleration.
        slowest = (left / limits.acceleration).max() + max(
            np.sqrt((left / limits.jerk).max()),
            (left / limits.jerk).max() / max((left / limits.acceleration).max(), 1e-9),
        )
        assert stop.duration <= fade + slowest + np.sqrt((left / limits.jerk).max()) + 1e-9


@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize(("acceleration", "travel"), [(0.0, 0.15), (5.0, 0.335)])
def test_stopping_distance_of_the_requirements(acceleration: float, travel: float) -> None:
    """REQUIREMENTS.md: v = 1, a = 5, j = 50: 0.15 rad, and 0.335 from +5."""
    limits = JointLimits(*(np.array([x]) for x in (-9.0, 9.0, 2.0, 5.0, 50.0)))
    stop = StraightStop(np.array([[0.0], [1.0], [acceleration]]), StopLimits(limits))
    assert stop.end[0] == pytest.approx(travel, abs=5e-3)


@pytest.mark.requirement("SR-025")
@pytest.mark.parametrize("n", [1, 7, 29])
def test_sampled_stop_keeps_all_limits_in_every_phase(n: int) -> None:
    """Samples may fall anywhere after the beginning of the stop; before it the motion was smooth."""
    random = np.random.default_rng(n)
    worst = {1: 0.0, 2: 0.0, 3: 0.0}
    for trial in range(20):
        limits = make_limits(n, random)
        state = make_state(limits, random, KINDS[trial % 6])
        stop = StraightStop(state, StopLimits(limits))
        if (np.abs(stop.top_velocity) > limits.velocity).any():
            state[1] *= 0.4
            state[2] *= 0.4
            stop = StraightStop(state, StopLimits(limits))
        for phase in np.linspace(0.0, 1.0, 8, endpoint=False):
            times = (np.arange(-3, int(stop.duration / DT) + 5) + phase) * DT
            before = times[times < 0][:, None]
            # At constant acceleration up to the stop: velocity may be above the limit there, which is not judged.
            rows = np.concatenate(
                (state[0] + state[1] * before + state[2] * before**2 / 2, stop.positions(tuple(times[times >= 0])))
            )
            seen = differences_keep(rows, limits, DT)
            inside = differences_keep(rows[len(before) :], limits, DT) if len(rows) - len(before) > 3 else {1: 0.0}
            worst = {1: max(worst[1], inside[1]), 2: max(worst[2], seen[2]), 3: max(worst[3], seen[3])}
    print(f"worst share of velocity, acceleration, jerk limit with {n} joints: {worst}")
    assert all(share <= 1 + 1e-6 for share in worst.values())
    assert worst[3] > 0.9, "the jerk limit is really used"


@pytest.mark.requirement("SR-026")
def test_straight_stop_stays_on_a_line_after_the_fade() -> None:
    random = np.random.default_rng(11)
    limits = make_limits(6, random)
    state = make_state(limits, random, "any")
    stop = StraightStop(state, StopLimits(limits))
    points = stop.positions(tuple(np.linspace(stop.fade, stop.duration, 50)))
    way = points[-1] - points[0]
    aside = points - points[0] - np.outer((points - points[0]) @ way / (way @ way), way)
    assert np.abs(aside).max() < 1e-12


@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize("n", [1, 7, 29])
def test_extremes_and_travel_bound_the_whole_stop(n: int) -> None:
    random = np.random.default_rng(100 + n)
    for trial in range(60):
        limits = make_limits(n, random)
        stop = StraightStop(make_state(limits, random, KINDS[trial % len(KINDS)]), StopLimits(limits))
        rows = stop.positions(tuple(np.linspace(0.0, stop.duration, 200)))
        low, high = stop.extremes().min(axis=0), stop.extremes().max(axis=0)
        assert (rows >= low - 1e-12).all()
        assert (rows <= high + 1e-12).all()
        assert (np.abs(rows - rows[0]) <= stop.travel + 1e-12).all()
        assert (np.abs(np.diff(rows, axis=0)).sum(axis=0) <= 2 * stop.travel + 1e-12).all()


@pytest.mark.requirement("SR-026")
def test_many_stops_at_once_are_the_same_stops() -> None:
    random = np.random.default_rng(17)
    limits = make_limits(7, random)
    states = np.stack([make_state(limits, random, KINDS[i % len(KINDS)]) for i in range(300)])
    low, high, top = straight_stop_reach(states, limits)
    for i, state in enumerate(states):
        stop = StraightStop(state, StopLimits(limits))
        assert np.allclose(top[i], stop.top_velocity, rtol=1e-12, atol=1e-14)
        assert (low[i] <= np.minimum(stop.end, state[0]) + 1e-12).all()
        assert (high[i] >= np.maximum(stop.end, state[0]) - 1e-12).all()
        if not stop.turning:
            assert np.allclose(low[i], np.minimum(stop.end, state[0]), rtol=0, atol=1e-12)
            assert np.allclose(high[i], np.maximum(stop.end, state[0]), rtol=0, atol=1e-12)
        rows = stop.positions(tuple(np.linspace(0.0, stop.duration, 100)))
        assert (rows >= low[i] - 1e-12).all()
        assert (rows <= high[i] + 1e-12).all()


@pytest.mark.parametrize(
    ("slowness", "smoothness"), [(0.2, 0.001), (0.01, 0.04), (1.0, 1e-9), (1e-9, 1e-4), (0.3, 0.09)]
)
def test_brake_profile_is_its_own_integral(slowness: float, smoothness: float) -> None:
    profile = BrakeProfile.within(slowness, smoothness)
    times = np.linspace(0.0, profile.duration, 20001)
    s, sigma, rate = np.array([profile.at(t) for t in times]).T
    h = times[1]
    assert np.abs(np.diff(s) - h * (sigma[1:] + sigma[:-1]) / 2).max() <= h**3 / smoothness
    assert np.abs(np.diff(sigma) - h * (rate[1:] + rate[:-1]) / 2).max() <= h**2 / smoothness
    assert np.abs(rate).max() <= 1 / slowness * (1 + 1e-9)
    assert np.abs(np.diff(rate)).max() / h <= 1 / smoothness * (1 + 1e-5)
    assert (sigma[0], sigma[-1], rate[0], rate[-1]) == (1.0, 0.0, pytest.approx(0.0, abs=1e-12), 0.0)
    assert s[-1] == pytest.approx(profile.duration / 2)
    assert profile.at(profile.duration * 2) == (profile.duration / 2, 0.0, 0.0)


def spline_value(before: tuple[np.ndarray, ...], after: tuple[np.ndarray, ...], span: float, t: float) -> np.ndarray:
    """Quintic between two states at t, solved as a linear system: what a spline controller does with two points."""
    rows, right = [], []
    for at, state in ((0.0, before), (span, after)):
        for order, value in enumerate(state):
            row = [0.0] * 6
            for power in range(order, 6):
                factor = np.prod([power - k for k in range(order)]) if order else 1.0
                row[power] = factor * at ** (power - order)
            rows.append(row)
            right.append(value)
    coefficients = np.linalg.solve(np.array(rows), np.array(right))
    return np.array([t**power for power in range(6)]) @ coefficients


@pytest.mark.requirement("SR-048")
@pytest.mark.parametrize("kind", KINDS[:-1])
def test_a_spline_controller_rebuilds_the_stop_from_its_horizon(kind: str) -> None:
    random = np.random.default_rng(KINDS.index(kind) + 50)
    for _ in range(5):
        limits = make_limits(7, random)
        state = make_state(limits, random, kind)
        stop = StraightStop(state, StopLimits(limits))
        points = stop.horizon()
        assert not any(points[-1].velocities)
        assert not any(points[-1].accelerations)
        assert np.allclose(points[-1].positions, stop.end, rtol=0, atol=1e-12)
        knots = [(0.0, tuple(state))] + [
            (p.time * 1e-9, tuple(np.array(x) for x in (p.positions, p.velocities, p.accelerations))) for p in points
        ]
        assert all(x[0] < y[0] for x, y in pairwise(knots))
        worst = 0.0
        for t in np.linspace(0.0, stop.duration, 100):
            index = min(len(knots) - 2, max(0, int(np.searchsorted([k[0] for k in knots], t, side="right")) - 1))
            (t0, first), (t1, last) = knots[index], knots[index + 1]
            worst = max(worst, float(np.abs(spline_value(first, last, t1 - t0, t - t0) - stop.state(t)[0]).max()))
        assert worst < 1e-8, worst


# --- along a path


def random_path(
    random: np.random.Generator, limits: JointLimits, quintic: bool, share: float
) -> PlannedTrajectory | None:
    """A smooth motion of sines as way-points, at a share of the limits; None when it can not be stopped along."""
    n = len(limits.velocity)
    duration = random.uniform(0.5, 3.0)
    knots = np.sort(random.uniform(0.05, duration, random.integers(2, 12)))
    knots = np.append(knots[np.insert(np.diff(knots) > 0.03, 0, True)], duration + 0.1)
    w = 2 * np.pi * random.uniform(0.2, 1.2, n)
    amplitude = share * np.minimum.reduce([limits.velocity / w, limits.acceleration / w**2, limits.jerk / w**3]) / 2
    if not quintic:
        amplitude /= 4
    phase = knots[:, None] * w
    begin = np.stack([np.zeros(n), np.zeros(n), amplitude * w**2])
    q = amplitude * (1 - np.cos(phase))
    v = amplitude * w * np.sin(phase)
    a = amplitude * w**2 * np.cos(phase)
    v[-1] = a[-1] = 0.0
    path = PlannedTrajectory(begin, knots, q, v, a if quintic else None)
    for order in (1, 2, 3):
        path.bound_derivative(order)
    path.choose_path_stop(limits, DT)
    return path if path.stop_from(0.0) is not None else None


@pytest.mark.requirement("SR-025")
@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize("quintic", [True, False], ids=["quintic", "cubic"])
def test_path_stop_stays_on_its_path_and_keeps_all_limits(quintic: bool) -> None:
    random = np.random.default_rng(23 + quintic)
    found, worst, off_path = 0, {1: 0.0, 2: 0.0, 3: 0.0}, 0.0
    for _ in range(130):
        n = int(random.choice([1, 7, 29]))
        limits = make_limits(n, random)
        path = random_path(random, limits, quintic, random.uniform(0.1, 1.0))
        if path is None:
            continue
        found += 1
        dense = path.positions_at(np.linspace(0.0, path.duration, 4001))
        for tau in random.uniform(0.0, path.duration, 6):
            stop = path.stop_from(tau)
            assert isinstance(stop, PathStop)
            for phase in (0.0, 0.37, 0.8):
                ticks = np.arange(-3, int(stop.duration / DT) + 5) + phase
                before = tau + ticks[ticks < 0] * DT
                rows = np.concatenate(
                    (path.positions_at(before[before >= 0]), stop.positions(tuple(ticks[ticks >= 0] * DT)))
                )
                seen = differences_keep(rows, limits, DT)
                worst = {order: max(worst[order], seen[order]) for order in worst}
            rows = stop.positions(tuple(np.linspace(0.0, stop.duration, 40)))
            starts, ways = dense[:-1], np.diff(dense, axis=0)
            for row in rows:
                share = np.clip(((row - starts) * ways).sum(axis=1) / np.maximum((ways**2).sum(axis=1), 1e-30), 0, 1)
                off_path = max(off_path, float(np.linalg.norm(starts + share[:, None] * ways - row, axis=1).min()))
            final = stop.state(stop.duration)
            assert not final[1:].any()
            assert np.allclose(final[0], stop.end, rtol=0, atol=1e-12)
            state = stop.state(0.0)
            assert np.allclose(state, path.state(tau), rtol=0, atol=1e-12), "it leaves from the very state of the path"
    print(f"{found} paths; worst shares of the limits {worst}; off the path by {off_path:.1e} rad")
    assert found >= 20
    assert all(share <= 1 + 1e-6 for share in worst.values())
    assert off_path < 1e-5, "the polyline of the judge itself errs by that much"


@pytest.mark.requirement("SR-048")
def test_a_spline_controller_stays_near_the_path_stop() -> None:
    random = np.random.default_rng(31)
    limits = JointLimits(*(np.full(7, x) for x in (-9.0, 9.0, 2.0, 12.0, 6000.0)))
    worst, count = 0.0, 0
    while count < 10:
        path = random_path(random, limits, True, 0.6)
        if path is None:
            continue
        count += 1
        stop = path.stop_from(random.uniform(0.0, path.duration / 2))
        assert stop is not None
        points = stop.horizon()
        knots = [(0.0, tuple(stop.state(0.0)))] + [
            (p.time * 1e-9, tuple(np.array(x) for x in (p.positions, p.velocities, p.accelerations))) for p in points
        ]
        assert not any(points[-1].velocities)
        assert points[-1].time * 1e-9 == pytest.approx(stop.duration, abs=1e-9)
        for (t0, first), (t1, last) in pairwise(knots):
            for t in np.linspace(t0, t1, 5):
                worst = max(worst, float(np.abs(spline_value(first, last, t1 - t0, t - t0) - stop.state(t)[0]).max()))
    print(f"a spline controller is off the kept path stop by {worst:.1e} rad at most")
    assert worst < 1e-4
