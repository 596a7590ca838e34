"""Marks, rest, deceleration, and what the robot did after an instant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from safety_supervisor_sim.oracle import Judging, Limits, Oracle

PERIOD_NS = 1_000_000
ONE = np.array([1.0])


def make_oracle(history: float = 10.0) -> Oracle:
    limits = Limits(-5 * ONE, 5 * ONE, 2 * ONE, 100 * ONE, 1e4 * ONE, link_speed=1.0)
    return Oracle(limits, Judging(0.001, 0.004, 0.01, 0.01, history, {}), ("a",), ("hand",))


class Ramp:
    """1 rad/s until `brake_at`, then -4 rad/s^2: standstill 0.25 s and 0.125 rad later."""

    def __init__(self, oracle: Oracle, brake_at: int) -> None:
        self.oracle, self.brake_at, self.step = oracle, brake_at, 0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            t = self.step * 1e-3
            since = max(0.0, (self.step - self.brake_at) * 1e-3)
            since = min(since, 0.25)
            q = min(t, self.brake_at * 1e-3) + since - 2.0 * since * since
            moving = 1.0 - 4.0 * since
            self.oracle.add_sample(self.step * PERIOD_NS, np.array([q]), np.array([moving]), np.zeros((1, 3)))
            self.step += 1


def test_motion_after_an_instant_is_measured() -> None:
    oracle = make_oracle()
    Ramp(oracle, brake_at=1000).run(2000)
    motion = oracle.motion_after(1_000 * PERIOD_NS, end_pose=np.array([1.1]))
    assert motion is not None
    assert motion.speed == pytest.approx([1.0])
    assert motion.travelled == pytest.approx([0.125])
    assert motion.farthest == pytest.approx([0.125])
    # |v| <= 0.01 from 0.2475 s on
    assert motion.standstill_after == pytest.approx(0.248, abs=0.0011)
    assert motion.peak_deceleration == pytest.approx([4.0])
    assert motion.end == pytest.approx([1.125])
    assert motion.end_deviation == pytest.approx(0.025)


def test_a_robot_that_still_moves_has_no_standstill_and_the_future_no_measure() -> None:
    oracle = make_oracle()
    Ramp(oracle, brake_at=1000).run(1100)
    motion = oracle.motion_after(1_000 * PERIOD_NS)
    assert motion is not None
    assert motion.standstill_after is None
    assert motion.end_deviation is None
    assert oracle.motion_after(9_000 * PERIOD_NS) is None


def test_way_and_distance_differ_when_the_joint_comes_back() -> None:
    oracle = make_oracle()
    for step in range(1000):
        q = 0.1 * np.sin(2 * np.pi * step / 1000)
        oracle.add_sample(step, np.array([q]), ONE, np.zeros((1, 3)))
    motion = oracle.motion_after(0)
    assert motion is not None
    assert motion.travelled == pytest.approx([0.4], rel=0.01)
    assert motion.farthest == pytest.approx([0.1], rel=0.01)


def test_acts_are_told_apart() -> None:
    oracle = make_oracle()
    ramp = Ramp(oracle, brake_at=1000)
    ramp.run(1000)
    oracle.mark(1_000 * PERIOD_NS, "brake")
    ramp.run(1000)
    oracle.mark(2_000 * PERIOD_NS, "rest")
    ramp.run(500)
    oracle.add_position_command(2_500 * PERIOD_NS, np.array([np.nan]), np.zeros(1))
    start, brake, rest = oracle.report()["acts"]
    assert [act["name"] for act in (start, brake, rest)] == ["start", "brake", "rest"]
    assert start["moved"]
    assert start["rest_after"] is None
    assert start["peak_deceleration"] == pytest.approx([0.0])
    assert brake["rest_after"] == pytest.approx(0.248, abs=0.0011)
    assert brake["peak_deceleration"] == pytest.approx([4.0])
    assert brake["farthest"] == pytest.approx([0.125])
    assert brake["end_pose"] == pytest.approx([1.125])
    assert not rest["moved"]
    assert rest["rest_after"] == 0.0
    assert [act["violations"] for act in (start, brake, rest)] == [0, 0, 1]
    assert oracle.report()["violations"][0]["act"] == "rest"


def test_the_report_measures_what_was_asked() -> None:
    oracle = make_oracle()
    oracle.request_measurement("death", 1_000 * PERIOD_NS, np.array([1.125]))
    oracle.request_measurement("never", 99_000 * PERIOD_NS, None)
    Ramp(oracle, brake_at=1000).run(2000)
    measured = oracle.report()["measured"]
    assert measured["death"]["end_deviation"] == pytest.approx(0.0, abs=1e-9)
    assert measured["never"] is None


def test_the_summary_is_live() -> None:
    oracle = make_oracle()
    Ramp(oracle, brake_at=1000).run(100)
    assert oracle.summary()["margins"]["velocity"] == pytest.approx(1.0)
    assert oracle.summary()["violations"] == 0


def test_the_record_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    oracle = make_oracle(history=0.5)
    Ramp(oracle, brake_at=5000).run(1800)
    path = tmp_path / "trace.npz"
    oracle.save_trace(path)
    with np.load(path) as trace:
        assert trace["time_ns"].tolist() == [n * PERIOD_NS for n in range(1300, 1800)]
        assert trace["position"][-1, 0] == pytest.approx(1.799)
        assert trace["link_position"].shape == (500, 1, 3)
        assert trace["joints"].tolist() == ["a"]


def test_breaches_are_bounded() -> None:
    oracle = make_oracle()
    for index in range(1000):
        oracle.add_malformed_command(index, f"reason {index}")
    report = oracle.report()
    assert len(report["violations"]) == 500
    assert report["violations_dropped"] == 500
