"""The joint envelope on set-points, against a judge of its own."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from safety_supervisor.core.checks.envelope import HISTORY, STOP_SAMPLES, JointEnvelope
from safety_supervisor.core.errors import Code
from safety_supervisor.core.settings import JointLimits

DT = 0.004
LIMITS = JointLimits(
    np.array([-1.0, -2.0]), np.array([1.0, 2.0]), np.array([2.0, 1.0]), np.array([10.0, 5.0]), np.array([2000.0, 900.0])
)
NAMES = ("shoulder", "elbow")
WINDOW = HISTORY + 1 + STOP_SAMPLES


@pytest.fixture
def envelope() -> JointEnvelope:
    return JointEnvelope(LIMITS, NAMES, DT)


def parabola(velocity: float, acceleration: float, jerk: float, joint: int = 0, rows: int = WINDOW) -> np.ndarray:
    """Set-points whose first, second or third difference is constant: sums by hand, no derivative."""
    q = np.zeros((rows, 2))
    v, a = velocity, acceleration
    for i in range(1, rows):
        a += jerk * DT
        v += a * DT
        q[i, joint] = q[i - 1, joint] + v * DT
    return q


@pytest.mark.requirement("SR-025")
@pytest.mark.parametrize("joint", [0, 1])
@pytest.mark.parametrize(
    ("order", "code"),
    [(1, Code.VELOCITY_LIMIT), (2, Code.ACCELERATION_LIMIT), (3, Code.JERK_LIMIT)],
)
def test_each_limit_passes_below_and_refuses_above(envelope: JointEnvelope, order: int, code: Code, joint: int) -> None:
    limit = (LIMITS.velocity, LIMITS.acceleration, LIMITS.jerk)[order - 1][joint]

    def at(value: float) -> np.ndarray:
        """Only the difference of this order is large: the window of a motion that ran before is centred on zero."""
        middle = (WINDOW - 1) / 2
        if order == 1:
            return parabola(value, 0.0, 0.0, joint)
        if order == 2:
            return parabola(-value * DT * (middle + 0.5), value, 0.0, joint)
        q = np.zeros((WINDOW, 2))
        q[HISTORY, joint] = value * DT**3 / 3.0  # one set-point beside a rest: its third differences are 1, -3, 3, -1
        return q

    assert envelope.check_window(at(0.999 * limit)) is None
    violation = envelope.check_window(at(1.001 * limit))
    assert violation is not None
    assert (violation.code, violation.joint, violation.limit) == (code, NAMES[joint], limit)
    assert violation.value == pytest.approx(1.001 * limit, rel=1e-6)


@pytest.mark.requirement("SR-025")
def test_a_window_is_judged_as_numpy_differences_judge_it(envelope: JointEnvelope) -> None:
    random = np.random.default_rng(3)
    seen = {True: 0, False: 0}
    for _ in range(2000):
        scale = 10.0 ** random.uniform(-8, -2.5)
        window = np.cumsum(np.cumsum(random.normal(size=(WINDOW, 2)) * scale * 1e-1, axis=0), axis=0)
        window += random.uniform(-1, 1, size=2)
        bad = False
        for order, limit in enumerate((LIMITS.velocity, LIMITS.acceleration, LIMITS.jerk), start=1):
            # Only differences that end in the new set-point or in the stop: those before it were judged before.
            peaks = np.abs(np.diff(window, n=order, axis=0)[HISTORY - order :]) / DT**order
            bad = bad or bool((peaks > limit * (1 + 1e-6)).any())
        assert (envelope.check_window(window) is not None) == bad
        seen[bad] += 1
    assert min(seen.values()) > 300


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", range(WINDOW))
def test_what_is_not_finite_never_passes(envelope: JointEnvelope, value: float, row: int) -> None:
    window = np.zeros((WINDOW, 2))
    window[row, 1] = value
    with np.errstate(invalid="ignore"):
        assert envelope.check_window(window) is not None
        assert envelope.check_rows(window) is not None
        assert envelope.check_positions(window, LIMITS.lower, LIMITS.upper) is not None
        assert envelope.check_state(window[row], np.zeros(2)) is not None
        assert envelope.check_state(np.zeros(2), window[row]) is not None
    state = np.zeros((3, 2))
    state[row % 3, 1] = value
    assert not envelope.passes_stop(state, [0.0, 0.0], [0.0, 0.0])
    assert not envelope.passes_stop(np.zeros((3, 2)), [0.0, value], [0.0, 0.0])
    assert not envelope.passes_stop(np.zeros((3, 2)), [0.0, 0.0], [value, 0.0])


@pytest.mark.requirement("SR-025")
def test_rounding_of_still_set_points_is_no_motion() -> None:
    limits = JointLimits(*(np.full(2, x) for x in (-3.0, 3.0, 1e-2, 1e-2, 1e-2)))
    fast = JointEnvelope(limits, NAMES, 0.001)
    one = np.nextafter(2.9, 3.0)
    window = np.array([[2.9, 2.9], [one, 2.9]] * 4)[:WINDOW]
    assert fast.check_window(window) is None, "one unit in the last place is no jerk"
    window[HISTORY] += 1e-8
    assert fast.check_window(window) is not None


def test_positions_name_the_farthest_joint_and_its_limit(envelope: JointEnvelope) -> None:
    rows = np.array([[0.0, 0.0], [1.1, -2.3], [1.0, 2.0]])
    violation = envelope.check_positions(rows, LIMITS.lower, LIMITS.upper)
    assert violation is not None
    assert (violation.code, violation.joint, violation.value, violation.limit) == (
        Code.POSITION_LIMIT,
        "elbow",
        -2.3,
        -2.0,
    )
    assert envelope.check_positions(rows[[0, 2]], LIMITS.lower, LIMITS.upper) is None


def test_a_run_of_set_points_is_the_same_as_its_windows(envelope: JointEnvelope) -> None:
    random = np.random.default_rng(5)
    for _ in range(200):
        rows = np.cumsum(np.cumsum(random.normal(size=(30, 2)), axis=0), axis=0) * 10.0 ** random.uniform(-7, -4)
        windows = [rows[a : a + WINDOW] for a in range(0, 30 - WINDOW + 1)]
        assert all(np.array_equal(x[1:], y[:-1]) for x, y in pairwise(windows))
        whole = envelope.check_rows(rows)
        assert (whole is None) == all(envelope.check_window(window) is None for window in windows)
