"""No overshoot of a position limit, ever: 1 rad/s toward a limit, as velocities, as positions, as a trajectory.

REQUIREMENTS.md, last paragraph: ros2_control's limiter passes the limit by 0.09, 0.24 and 0.98 rad at 5, 2 and
0.5 rad/s^2. Here the way past the limit is 0, measured, commanded and planned.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rig import HOME, Rig, panda

from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.settings import JointLimits

SPEED = 1.0


def ready_rig(acceleration: float, hertz: int, room: float) -> Rig:
    """A rig in AUTO whose joint 1 is `room` before its upper limit; sources at the control rate, never quarantined."""
    shipped = panda()
    limits = shipped.envelope.joints
    period = round(1e9 / hertz)
    sources = tuple(replace(s, period=period, refusals=10**6) for s in shipped.sources)
    joints = JointLimits(limits.lower, limits.upper, limits.velocity, np.full(7, acceleration), np.full(7, 5000.0))
    configuration = replace(
        shipped,
        sources=sources,
        zones=(),
        envelope=replace(shipped.envelope, joints=joints),
        timing=replace(shipped.timing, period=period, overrun=30_000_000),
    )
    start = HOME.copy()
    start[0] = limits.upper[0] - room
    return Rig(configuration, start).auto()


def judge(rig: Rig, what: str) -> float:
    """Assert that nothing went past the limit; return the least distance to it."""
    upper = rig.configuration.envelope.joints.upper[0]
    q = np.array(rig.outputs)[:, 0]
    past = max(0.0, float(q.max() - upper))
    assert past == 0.0, f"{what}: past the limit by {past} rad"
    ends = [e.horizon[-1].positions[0] for e in rig.effects if isinstance(e, Actuate) and e.horizon]
    between = [p.positions[0] for e in rig.effects if isinstance(e, Actuate) for p in e.horizon]
    assert max(ends) <= upper
    assert max(between) <= upper + 1e-12
    dt = rig.period * 1e-9
    limits = rig.configuration.envelope.joints
    for order, limit in ((1, limits.velocity[0]), (2, limits.acceleration[0]), (3, limits.jerk[0])):
        assert np.abs(np.diff(q, n=order)).max() / dt**order <= limit * (1 + 1e-6) + 1e-14 / dt**order
    speed = float(np.abs(np.diff(q)).max()) / dt
    print(f"{what}: overshoot {past:g} rad, stopped {upper - q.max():.6f} rad before the limit, {speed:.3f} rad/s")
    return float(upper - q.max())


CASES = [(a, hz) for a in (5.0, 2.0, 0.5) for hz in (100, 250, 1000)]


def profile(acceleration: float, hertz: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Velocity and position samples of a smooth start to 1 rad/s that then goes on, and the way to full speed."""
    rise = 1.6 * SPEED / acceleration  # a half cosine peaks at pi / 2 of its mean acceleration
    way = rise * SPEED / 2
    seconds = rise + 1.2 + 0.5 * SPEED / acceleration
    t = np.arange(int(seconds * hertz)) / hertz
    x = np.minimum(t / rise, 1.0)
    v = SPEED * (1 - np.cos(np.pi * x)) / 2
    q = np.where(t < rise, SPEED * (t / 2 - rise / (2 * np.pi) * np.sin(np.pi * x)), way + SPEED * (t - rise))
    return v, q, way + 0.3 + 0.5 * SPEED**2 / acceleration


@pytest.mark.sampled(3)
@pytest.mark.requirement("SR-025")
@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize(("acceleration", "hertz"), CASES)
def test_a_velocity_stream_toward_a_limit(acceleration: float, hertz: int) -> None:
    velocities, _, room = profile(acceleration, hertz)
    rig = ready_rig(acceleration, hertz, room)
    rig.cycle(
        len(velocities),
        lambda i: rig.stream([velocities[i], 0, 0, 0, 0, 0, 0], source="joystick", velocity=True) and None,
    )
    rig.seconds(0.3)
    left = judge(rig, f"velocities, {acceleration} rad/s2, {hertz} Hz")
    assert np.abs(np.diff(np.array(rig.outputs)[:, 0])).max() * hertz > 0.97 * SPEED, "it really moved at 1 rad/s"
    assert left < 0.35, "it is let near the limit"
    assert "E_POSITION_LIMIT" in rig.codes()


@pytest.mark.sampled(3)
@pytest.mark.requirement("SR-025")
@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize(("acceleration", "hertz"), CASES)
def test_a_position_stream_toward_and_past_a_limit(acceleration: float, hertz: int) -> None:
    _, positions, room = profile(acceleration, hertz)
    rig = ready_rig(acceleration, hertz, room)
    start = rig.output

    def each(i: int) -> None:
        target = start.copy()
        target[0] += positions[i]
        rig.stream(target)

    rig.cycle(len(positions), each)
    rig.seconds(0.3)
    assert start[0] + positions[-1] > rig.configuration.envelope.joints.upper[0] + 0.1
    left = judge(rig, f"positions, {acceleration} rad/s2, {hertz} Hz")
    assert np.abs(np.diff(np.array(rig.outputs)[:, 0])).max() * hertz > 0.97 * SPEED, "it really moved at 1 rad/s"
    assert left < 0.35
    assert "E_POSITION_LIMIT" in rig.codes()


@pytest.mark.sampled(3)
@pytest.mark.requirement("SR-025")
@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize(("acceleration", "hertz"), CASES)
def test_a_trajectory_to_a_limit_and_one_past_it(acceleration: float, hertz: int) -> None:
    """A quintic from rest to rest peaks at 1.875 d / T and 5.774 d / T^2: at 1 rad/s or the limit."""
    upper = panda().envelope.joints.upper[0]
    duration = 1.9 * 5.774 / 1.875 * SPEED / acceleration / 1.6 if acceleration < 5 else 1.2
    way = min(SPEED * duration / 1.875, 0.9 * acceleration * duration**2 / 5.774)
    rig = ready_rig(acceleration, hertz, way)
    zero = np.zeros((1, 7))

    def go(target: float) -> None:
        q = rig.output[None, :].copy()
        q[0, 0] = target
        rig.trajectory([duration], q, zero, zero)

    before = len(rig.outputs)
    go(upper + 1e-9)
    rig.seconds(0.2)
    assert rig.codes()[-1] == "E_POSITION_LIMIT"
    assert len({row[0] for row in rig.outputs[before:]}) == 1, "nothing of it was played"
    go(upper)
    rig.seconds(duration + 0.5)
    left = judge(rig, f"trajectory, {acceleration} rad/s2, {hertz} Hz")
    assert left == 0.0, "the limit itself may be reached"


@pytest.mark.requirement("SR-025")
def test_a_cubic_that_swings_past_the_limit_between_its_points_is_refused() -> None:
    rig = ready_rig(5.0, 250, 0.2)
    upper = rig.configuration.envelope.joints.upper[0]
    q = np.tile(rig.output, (3, 1))
    v = np.zeros((3, 7))
    q[:, 0] = upper - 0.05  # inside the limit at every point, but a cubic swings out by 4/27 v T = 0.071 between them
    v[0, 0] = 0.6
    start = len(rig.outputs)
    rig.trajectory([0.6, 1.4, 2.4], q, v)
    rig.seconds(3.0)
    assert "E_POSITION_LIMIT" in rig.codes()
    assert len(set(rig.outputs[start:])) == 1
