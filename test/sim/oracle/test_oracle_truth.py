"""Every judgement of true motion is seen green on lawful motion and red beyond its limit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from safety_supervisor_sim.oracle import Box, Judging, Limits, Oracle

PERIOD = 0.001
LIMITS = Limits(
    position_lower=np.array([-1.0, -2.0]),
    position_upper=np.array([1.0, 2.0]),
    velocity=np.array([1.0, 2.0]),
    acceleration=np.array([10.0, 20.0]),
    jerk=np.array([1000.0, 1000.0]),
    link_speed=0.5,
    keep_in=(Box("room", np.array([-1.0, -1.0, 0.0]), np.array([1.0, 1.0, 1.0])),),
    keep_out=(Box("shelf", np.array([0.5, -0.1, 0.0]), np.array([0.6, 0.1, 0.3])),),
)
JUDGING = Judging(
    period=PERIOD,
    command_period=0.004,
    acceleration_window=0.010,
    standstill_speed=0.01,
    history=5.0,
    tolerance={"position": 0.01, "acceleration": 1.0, "zone": 0.002},
)


def make_oracle(limits: Limits = LIMITS) -> Oracle:
    return Oracle(limits, JUDGING, ("a", "b"), ("hand",))


def feed(
    oracle: Oracle,
    q: Callable[[float], list[float]],
    hand: Callable[[float], list[float]] = lambda t: [0.0, 0.0, 0.5],
    seconds: float = 1.0,
    start_ns: int = 0,
) -> None:
    """Feed a motion given as functions of time; velocities by central differences."""
    for step in range(round(seconds / PERIOD)):
        t = step * PERIOD
        speed = (np.array(q(t + 1e-6)) - np.array(q(t - 1e-6))) / 2e-6
        oracle.add_sample(start_ns + round(t * 1e9), np.array(q(t)), speed, np.array([hand(t)]))


def kinds(oracle: Oracle) -> set[str]:
    return {found["kind"] for found in oracle.report()["violations"]}


def test_lawful_motion_is_clean_and_its_margins_are_the_hand_computed_ones() -> None:
    oracle = make_oracle()
    # 0.5 sin(1.6 t): peak speed 0.8, peak acceleration 1.28.
    feed(oracle, lambda t: [0.5 * np.sin(1.6 * t), 0.0], seconds=3.0)
    report = oracle.report()
    assert report["violations"] == []
    assert report["samples"] == 3000
    assert report["worst"]["position"]["margin"] == pytest.approx(0.5, abs=1e-3)
    assert report["worst"]["position"]["item"] == "a"
    assert report["worst"]["velocity"]["margin"] == pytest.approx(0.2, abs=1e-3)
    assert report["worst"]["acceleration"]["margin"] == pytest.approx(8.72, abs=0.01)
    assert report["worst"]["keep_in"]["margin"] == pytest.approx(0.5)
    assert report["worst"]["keep_out"]["margin"] == pytest.approx(np.hypot(0.5, 0.2))


@pytest.mark.parametrize(("value", "lawful"), [(1.009, True), (1.011, False)])
def test_position_is_judged_with_its_tolerance(value: float, lawful: bool) -> None:
    oracle = make_oracle()
    feed(oracle, lambda t: [value, 0.0], seconds=0.1)
    assert kinds(oracle) == (set() if lawful else {"position"})
    assert oracle.report()["worst"]["position"]["margin"] == pytest.approx(1.0 - value)


def test_lower_position_limit_is_judged() -> None:
    oracle = make_oracle()
    feed(oracle, lambda t: [0.0, -2.5], seconds=0.1)
    (found,) = oracle.report()["violations"]
    assert (found["kind"], found["item"], found["limit"]) == ("position", "b", -2.0)
    assert found["count"] == 100


@pytest.mark.parametrize(("speed", "lawful"), [(-0.99, True), (-1.01, False)])
def test_velocity_is_judged(speed: float, lawful: bool) -> None:
    oracle = make_oracle()
    feed(oracle, lambda t: [0.4 + speed * t, 0.0], seconds=0.5)
    assert kinds(oracle) == (set() if lawful else {"velocity"})


@pytest.mark.parametrize(("slope", "lawful"), [(10.9, True), (11.2, False)])
def test_acceleration_is_judged_over_its_window(slope: float, lawful: bool) -> None:
    oracle = make_oracle()
    feed(oracle, lambda t: [0.5 * slope * t * t, 0.0], seconds=0.08)
    assert kinds(oracle) == (set() if lawful else {"acceleration"})
    value = oracle.report()["worst"]["acceleration"]["value"]
    assert value == pytest.approx(slope, rel=1e-3)


def test_one_short_spike_of_velocity_is_no_acceleration_breach_but_a_step_is() -> None:
    spike, step = make_oracle(), make_oracle()
    for index in range(200):
        noise = 0.05 if index == 100 else 0.0
        spike.add_sample(index, np.zeros(2), np.array([noise, 0.0]), np.array([[0, 0, 0.5]]))
        jump = 0.5 if index >= 100 else 0.0
        step.add_sample(index, np.zeros(2), np.array([jump, 0.0]), np.array([[0, 0, 0.5]]))
    assert kinds(spike) == set()
    assert kinds(step) == {"acceleration"}


@pytest.mark.parametrize(("speed", "lawful"), [(0.49, True), (0.51, False)])
def test_link_speed_is_judged_from_positions(speed: float, lawful: bool) -> None:
    oracle = make_oracle()
    feed(oracle, lambda t: [0.0, 0.0], lambda t: [0.0, speed * t, 0.5], seconds=0.5)
    assert kinds(oracle) == (set() if lawful else {"link_speed"})


def test_a_breach_across_the_border_of_two_chunks_is_found() -> None:
    for at in range(250, 300):
        oracle = make_oracle()
        for index in range(600):
            y = 0.002 if index >= at else 0.0  # 2 m/s for one sample
            oracle.add_sample(index, np.zeros(2), np.zeros(2), np.array([[0, y, 0.5]]))
        (found,) = oracle.report()["violations"]
        assert (found["kind"], found["first_ns"], found["count"]) == ("link_speed", at, 1)


@pytest.mark.parametrize(
    ("hand", "kind", "depth"),
    [
        ([0.0, 0.0, -0.003], "keep_in", -0.003),
        ([1.3, 1.4, 0.5], "keep_in", -0.5),
        ([0.55, 0.0, 0.2], "keep_out", -0.05),
        ([0.55, 0.0, 0.297], "keep_out", -0.003),
    ],
)
def test_zones_are_judged(hand: list[float], kind: str, depth: float) -> None:
    oracle = make_oracle()
    feed(oracle, lambda t: [0.0, 0.0], lambda t: hand, seconds=0.02)
    assert kinds(oracle) == {kind}
    assert oracle.report()["worst"][kind]["margin"] == pytest.approx(depth)


def test_zones_are_clean_within_tolerance() -> None:
    oracle = make_oracle()
    feed(oracle, lambda t: [0.0, 0.0], lambda t: [0.55, 0.0, 0.2985], seconds=0.02)
    assert kinds(oracle) == set()


def test_true_motion_that_is_not_finite_is_a_breach_and_the_report_stays_json() -> None:
    oracle = make_oracle()
    oracle.add_sample(1, np.array([np.nan, 0.0]), np.array([0.0, np.inf]), np.zeros((1, 3)))
    assert "not_finite" in kinds(oracle)
    json.dumps(oracle.report(), allow_nan=False)


def test_a_limit_looser_than_the_motion_turns_the_same_motion_green() -> None:
    """The limits decide, not the code."""
    loose = replace(LIMITS, velocity=np.array([5.0, 5.0]), acceleration=np.array([99.0, 99.0]))
    tight, wide = make_oracle(), make_oracle(loose)
    for oracle in (tight, wide):
        feed(oracle, lambda t: [0.9 * np.sin(2.0 * t), 0.0], seconds=1.0)
    assert kinds(tight) == {"velocity"}
    assert kinds(wide) == set()


def test_limits_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="2 joints, not 3"):
        Oracle(LIMITS, JUDGING, ("a", "b", "c"), ("hand",))
    with pytest.raises(ValueError, match="min must lie below max"):
        Box("flat", np.zeros(3), np.array([1.0, 1.0, 0.0]))
