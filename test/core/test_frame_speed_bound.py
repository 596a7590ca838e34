"""The way of every point between two poses, read from one array, against the plain formula."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from safety_supervisor.config import load_config
from safety_supervisor.core.checks.frame_speed import FrameSpeed
from safety_supervisor.core.geometry.robot import RobotModel

CONFIGURATION = load_config(Path(__file__).parents[2] / "config" / "panda.yaml")
MODEL = RobotModel(CONFIGURATION.robot, CONFIGURATION.geometry.volumes)
ROWS = np.array([0, 3, 11, 12, 40, 69])


def plain(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the points go, from positions and rotations apart."""
    centres, rotations = MODEL.frame_positions(before), MODEL.frame_rotations()
    moved, turned = MODEL.frame_positions(after) - centres, MODEL.frame_rotations() - rotations
    turns = np.linalg.norm(turned.reshape(-1, 9), axis=1) / np.sqrt(2.0)
    return np.asarray(np.linalg.norm(moved, axis=1) + MODEL.frame_radius * turns)


@pytest.mark.parametrize("rows", [None, ROWS])
@pytest.mark.parametrize("size", [1e-4, 0.01, 1.0])
def test_ways_are_those_of_the_plain_formula(rows: NDArray[np.intp] | None, size: float) -> None:
    random = np.random.default_rng(7)
    speed = FrameSpeed(MODEL, 4_000_000, rows)
    lower, upper, _, _ = MODEL.urdf_limits()
    before = random.uniform(lower, upper)
    for _ in range(200):
        after = before + random.uniform(-size, size, 7)
        expected = plain(before, after)
        expected = expected if rows is None else expected[rows]
        # Before a step that begins where the last one ended, and before any other.
        for _ in range(2):
            np.testing.assert_allclose(speed._ways(before, after), expected, rtol=1e-12, atol=1e-14)
        before = after if random.random() < 0.7 else random.uniform(lower, upper)


@pytest.mark.parametrize("joint", range(7))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_never_slow(joint: int, value: float) -> None:
    speed = FrameSpeed(MODEL, 4_000_000)
    before = MODEL.middle()
    after = before.copy()
    after[joint] = value
    assert speed.exceeds(before, after, 1.6, "frame.speed") is not None
    assert speed.exceeds(after, before, 1.6, "frame.speed") is not None
    assert speed.exceeds(before, before, 1.6, "frame.speed") is None


# --- what is known of a step from another one


def asks(speed: FrameSpeed) -> list[int]:
    """Count from now on how often a step is asked."""
    count, ways = [0], speed._ways

    def counted(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
        count[0] += 1
        return ways(before, after)

    speed._ways = counted  # type: ignore[method-assign]
    return count


@pytest.mark.requirement("SR-026")
@settings(deadline=None, max_examples=200)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([1e-3, 0.01, 0.1, 1.0]),
    apart=st.sampled_from([0.0, 1e-3, 0.02, 0.3]),
    changed=st.sampled_from([0.0, 1e-3, 0.02, 0.3]),
)
def test_a_step_that_was_asked_bounds_another_one(seed: int, size: float, apart: float, changed: float) -> None:
    random = np.random.default_rng(seed)
    speed = FrameSpeed(MODEL, 4_000_000)
    lower, upper, _, _ = MODEL.urdf_limits()
    before = random.uniform(lower, upper)
    step = random.uniform(-size, size, 7)
    other = before + random.uniform(-apart, apart, 7)
    moved = step + random.uniform(-changed, changed, 7)
    speed._ask(before, before + step)
    assert speed._asked is not None
    bound = speed._asked.farthest + speed._change(speed._asked, other, other + moved, moved)
    assert plain(other, other + moved).max() <= bound + 1e-12
    # Many points of every ball, each where it really goes.
    directions = random.normal(size=(50, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    points = MODEL.frame_radius[:, None, None] * directions
    places = [
        MODEL.frame_positions(q)[:, None] + np.einsum("fij,fkj->fki", MODEL.frame_rotations(), points)
        for q in (other, other + moved)
    ]
    assert np.linalg.norm(places[1] - places[0], axis=2).max() <= bound + 1e-12


def test_the_bound_is_near_what_it_bounds() -> None:
    """So that it is worth its cost: of a quick motion's step, asked one before, it is some per cent too large."""
    speed = FrameSpeed(MODEL, 4_000_000)
    rows = np.array([0.4 * np.sin(2.5 * 0.004 * i + np.arange(7)) for i in range(400)]) + MODEL.middle()
    excess = []
    for i in range(390):
        speed._ask(rows[i], rows[i + 1])
        assert speed._asked is not None
        bound = speed._asked.farthest + speed._change(speed._asked, rows[i + 1], rows[i + 2], rows[i + 2] - rows[i + 1])
        excess.append(bound / plain(rows[i + 1], rows[i + 2]).max())
    assert min(excess) >= 1.0
    assert np.median(excess) < 1.1
    assert np.median(excess) > 1.001, "a bound, not the value itself"


@pytest.mark.requirement("SR-026")
def test_verdicts_do_not_depend_on_what_was_asked_before() -> None:
    speed, limit = FrameSpeed(MODEL, 4_000_000), 0.5
    random = np.random.default_rng(11)
    q, velocity = MODEL.middle(), random.uniform(-1.0, 1.0, 7)
    count, verdicts = asks(speed), []
    for _ in range(3000):
        velocity = np.clip(velocity + random.uniform(-0.02, 0.02, 7), -2.0, 2.0)
        velocity -= 0.02 * (q - MODEL.middle())
        after = q + 0.004 * velocity
        found = speed.exceeds(q, after, limit, "frame.speed")
        assert found == FrameSpeed(MODEL, 4_000_000).exceeds(q, after, limit, "frame.speed")
        verdicts.append(found is None)
        if random.random() < 0.7:
            speed.prepare()
        q = after
    assert 0.1 < np.mean(verdicts) < 0.95
    assert count[0] < 3000


def test_a_steady_motion_asks_behind_the_decision_and_seldom() -> None:
    speed, inside, behind = FrameSpeed(MODEL, 4_000_000), 0, 0
    count = asks(speed)
    rows = np.array([0.5 * np.sin(2.0 * 0.004 * i + np.arange(7)) for i in range(2000)]) + MODEL.middle()
    slow = float(np.median([speed.reach @ np.abs(b - a) for a, b in itertools.pairwise(rows)])) / 0.004
    for before, after in itertools.pairwise(rows):
        start = count[0]
        assert speed.exceeds(before, after, 0.9 * slow, "frame.speed") is None
        inside, start = inside + count[0] - start, count[0]
        speed.prepare()
        behind += count[0] - start
    assert inside < 20
    assert 0 < behind < 1000


def test_what_is_written_into_a_pose_later_does_not_count() -> None:
    speed = FrameSpeed(MODEL, 4_000_000)
    before, step = MODEL.middle(), np.full(7, 0.001)
    after = before + step
    speed._ask(before, after)
    asked = speed._asked
    assert asked is not None
    other = before + 0.3
    expected = speed._change(asked, other, other + step, step)
    before += 0.3
    after += 0.3
    assert speed._change(asked, other, other + step, step) == expected > 0.0
