"""The way of every point between two poses, read from one array, against the plain formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from safety_supervisor.config import load_config
from safety_supervisor.core.frame_speed import FrameSpeed
from safety_supervisor.core.robot import RobotModel

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
