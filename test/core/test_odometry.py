"""Where the base was: people are told in its frame, and stand in the fence's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from base_rig import FRAME, with_base
from hypothesis import given, settings
from hypothesis import strategies as st

from safety_supervisor.core.base.odometry import OdometryJudge
from safety_supervisor.core.events import Odometry, OdometryEndpoints

MS = 1_000_000
START = 10_000 * MS


def pose(now: int, speed: float, turning: float) -> tuple[float, float, float]:
    """A base on a circle."""
    t = (now - START) / 1e9
    if abs(turning) < 1e-6:
        return speed * t, 0.0, 0.0
    return speed / turning * math.sin(turning * t), speed / turning * (1 - math.cos(turning * t)), turning * t


def told(now: int, place: tuple[float, float, float], age: int) -> Odometry:
    x, y, heading = place
    turned = (0.0, 0.0, math.sin(heading / 2), math.cos(heading / 2))
    return Odometry(now, "odom", FRAME, (x, y, 0.0), turned, (0.0,) * 3, (0.0,) * 3, now - age, now)  # type: ignore[arg-type]


def judge() -> OdometryJudge:
    settings = with_base().base
    assert settings is not None
    made = OdometryJudge(settings, FRAME)
    made.publishers(OdometryEndpoints(START, ("/base_driver",)))
    return made


@pytest.mark.requirement("SR-033")
@settings(deadline=None, max_examples=60)
@given(
    speed=st.floats(0.0, 0.8), turning=st.floats(-1.0, 1.0), ago=st.integers(0, 800), really=st.floats(0.0, 1.0),
    x=st.floats(-6.0, 6.0), y=st.floats(-6.0, 6.0),
)  # fmt: skip
def test_a_person_who_stands_is_placed_where_he_stands(
    speed: float, turning: float, ago: int, really: float, x: float, y: float
) -> None:
    """Seen `ago` ms ago at the latest age, really somewhen within the latency behind that; the base drove meanwhile."""
    known, latency, now = judge(), 100 * MS, START + 2000 * MS
    for at in range(START, now + 1, 20 * MS):
        assert known.take(told(at, pose(at - 20 * MS, speed, turning), 20 * MS)) is None
    seen = now - latency - ago * MS
    bx, by, heading = pose(seen + round(really * latency), speed, turning)
    cos, sin = math.cos(heading), math.sin(heading)
    point = np.array([[cos * (x - bx) + sin * (y - by), -sin * (x - bx) + cos * (y - by), 1.0]])
    people = known.place(point, np.array([seen]), latency)
    assert people is not None
    off = float(np.linalg.norm(people.points[0] - (x, y)))
    beside = float(np.max(people.beside))
    assert off <= beside + 0.005, "5 mm: between two poses 20 ms apart the way is no line"
    assert beside <= 0.25 * (speed + abs(turning) * (math.hypot(x - bx, y - by) + 0.1)) + 0.1 + 0.1 * 6.0


def test_nobody_is_placed_where_the_base_was_not_known() -> None:
    known = judge()
    points = np.array([[1.0, 0.0, 1.0]])
    assert known.place(points, np.array([START]), 100 * MS) is None
    for at in range(START, START + 1000 * MS, 20 * MS):
        known.take(told(at, (0.0, 0.0, 0.0), 20 * MS))
    assert known.place(points, np.array([START - 30 * MS]), 100 * MS) is None
    assert known.place(points, np.array([START]), 100 * MS) is not None
    for at in range(START + 1000 * MS, START + 6000 * MS, 20 * MS):
        known.take(told(at, (0.0, 0.0, 0.0), 20 * MS))
    assert known.place(points, np.array([START]), 100 * MS) is None, "too long ago"


@pytest.mark.requirement("SR-030")
def test_a_stamp_makes_a_pose_older_never_younger() -> None:
    known = judge()
    known.take(told(START, (0.0, 0.0, 0.0), 100 * MS))
    assert known.pose is not None
    assert known.pose.received == START - 100 * MS
    known.take(told(START + 20 * MS, (0.0, 0.0, 0.0), -90 * MS))
    assert known.pose.received == START, "the configured latency"
    assert "old" in known.unknown(START + 160 * MS)
    assert known.unknown(START + 140 * MS) == ""


def test_what_only_repeats_ages_and_a_fast_base_is_no_jump() -> None:
    known = judge()
    for at in range(START, START + 400 * MS, 20 * MS):
        assert known.take(told(at, (0.8 * (at - START) / 1e9, 0.0, 0.0), 20 * MS)) is None
    again = told(START + 380 * MS, (0.3, 0.0, 0.0), 20 * MS)
    refusal = known.take(again)
    assert refusal is not None
    assert refusal.code.value == "E_OUT_OF_ORDER"
    assert known.unknown(START + 400 * MS) == ""


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(("speed", "turning"), [(4.5, 0.0), (0.0, 9.0)])
def test_jumps_that_each_are_small_are_one_together(speed: float, turning: float) -> None:
    """Each step is within `jump` and `turn_jump`; a base that goes as fast as it may, told with noise, is none."""
    known, noise = judge(), np.random.default_rng(1)
    for at in range(START, START + 1000 * MS, 20 * MS):
        x, y, heading = pose(at, 0.8, 1.0)
        nx, ny = noise.uniform(-0.03, 0.03, 2).tolist()
        assert known.take(told(at, (x + nx, y + ny, heading), 20 * MS)) is None
    known = judge()
    found = [
        known.take(told(at, (speed * (at - START) / 1e9, 0.0, turning * (at - START) / 1e9), 20 * MS))
        for at in range(START, START + 200 * MS, 20 * MS)
    ]
    assert found[1] is None
    assert [one.code.value for one in found if one is not None][:1] == ["E_BASE_JUMP"]
