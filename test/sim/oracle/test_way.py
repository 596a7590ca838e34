"""The judge of ways sees what lies between set-points, and tells the nearest miss of all of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from safety_supervisor_sim.cell.robot import robots_share
from safety_supervisor_sim.oracle.obstacles import Block
from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.way import SIGHT, WayJudge

JOINTS = [f"panda_joint{k}" for k in range(1, 8)]
HELD = {"panda_finger_joint1": 0.02, "panda_finger_joint2": 0.02}
LOWER = np.array([-2.8473, -1.7128, -2.8473, -3.0218, -2.8473, 0.0325, -2.8473])
UPPER = np.array([2.8473, 1.7128, 2.8473, -0.1198, 2.8473, 3.7025, 2.8473])
HOME = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
PLATE = {"plate": Block((0.2, 0.25, 0.0), (0.8, 0.255, 1.2))}


@pytest.fixture(scope="module")
def judge() -> Iterator[TouchJudge]:
    share = robots_share()
    file = share / "example-robot-data" / "robots" / "panda_description" / "urdf" / "panda.urdf"
    judge = TouchJudge(file, share, JOINTS, HELD, PLATE)
    yield judge
    judge.close()


def turned(angle: float) -> np.ndarray:
    q = HOME.copy()
    q[0] = angle
    return q


def test_a_thin_plate_between_two_set_points_is_seen(judge: TouchJudge) -> None:
    """Both ends are more than 10 cm clear of it; it is 5 mm thick."""
    ends = np.stack([turned(-0.3), turned(1.9)])
    assert not any(judge.nearest(q, 0.1).second.startswith("cell") for q in ends)
    touched = WayJudge(judge).follow(ends)
    assert touched is not None
    assert touched.near.second == "cell.plate"
    assert judge.nearest(np.array(touched.pose), 0.05).touches


def test_a_way_beside_the_plate_is_clear_and_what_is_far_from_it_costs_little(judge: TouchJudge) -> None:
    way = WayJudge(judge)
    folded = turned(-0.2)
    folded[5] = 0.3  # links 5 and 7 nearer to each other than in what comes
    assert way.follow(folded[None]) is None
    angles = np.linspace(-0.2, 0.5, 200)
    near = next(angle for angle in angles if judge.look(turned(angle), SIGHT).cell.distance < 0.02)
    assert way.follow(turned(near)[None]) is None
    rows = np.array([turned(angle) for angle in np.linspace(-0.2, -2.0, 400)])
    assert way.follow(rows) is None
    assert way.seen.set_points == 402
    assert way.seen.asked < 250
    assert way.seen.touched == []


def test_the_nearest_miss_and_the_first_touch_are_those_of_every_set_point(judge: TouchJudge) -> None:
    random, touching, clear = np.random.default_rng(11), 0, 0
    for _ in range(60):
        start = random.uniform(LOWER, UPPER)
        goal = np.clip(start + random.uniform(-0.5, 0.5, 7), LOWER, UPPER)
        rows = start + (goal - start) * np.linspace(0.0, 1.0, 60)[:, None]
        looks = [judge.look(q, SIGHT) for q in rows]
        way = WayJudge(judge)
        touched = way.follow(rows)
        first = next((k for k, look in enumerate(looks) if look.nearest.touches), None)
        if first is not None:
            touching += 1
            assert touched is not None
            assert touched.row <= first
        elif touched is not None:
            assert judge.nearest(np.array(touched.pose), SIGHT).touches, "between two set-points"
        else:
            clear += 1
            assert way.seen.nearest.own.distance == pytest.approx(min(look.own.distance for look in looks), abs=1e-6)
            assert way.seen.nearest.cell.distance == pytest.approx(min(look.cell.distance for look in looks), abs=1e-6)
    assert touching >= 5
    assert clear >= 5


def test_a_touch_before_does_not_blind_it_afterwards(judge: TouchJudge) -> None:
    way = WayJudge(judge)
    inside = np.array([turned(angle) for angle in np.linspace(-0.2, 1.0, 50)])
    assert way.follow(inside) is not None
    assert way.follow(inside) is not None
    assert way.follow(np.stack([turned(-0.3), turned(1.9)])) is not None
    assert len(way.seen.touched) == 3
