"""Outputs: stamps follow a slewed clock and refuse a stepped one; no message has ended before it is received."""

from __future__ import annotations

import time

import pytest
from rclpy.serialization import deserialize_message
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor.config import load_config
from safety_supervisor.core.effects import Actuate, HorizonPoint
from safety_supervisor.ros.outputs import STEP, ClockOffset, ClockStepError, JointTrajectoryHorizon

CONFIGURATION = "config/panda.yaml"


@pytest.mark.requirement("SR-037")
@pytest.mark.redteam(11)
@pytest.mark.parametrize("step", [2 * STEP, -2 * STEP, 3_600_000_000_000])
def test_a_stepped_clock_is_an_error_once_and_then_counts(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    offset = ClockOffset()
    first = offset.read()
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + step)
    with pytest.raises(ClockStepError):
        offset.read()
    assert abs(offset.read() - first - step) < STEP


@pytest.mark.redteam(11)
def test_a_slewed_clock_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    offset = ClockOffset()
    real, shift = time.time_ns, 0
    monkeypatch.setattr(time, "time_ns", lambda: real() + shift)
    first = offset.read()
    for _ in range(50):
        shift += STEP // 10
        offset.read()
    assert abs(offset.read() - first - shift) < STEP


@pytest.mark.requirement("SR-039")
def test_a_message_begins_where_the_controller_is_and_outlives_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = load_config(CONFIGURATION)
    output = JointTrajectoryHorizon(configuration, configuration.outputs[0])
    period = configuration.timing.period
    rest, here, zero = (0.2,) * 7, (0.1,) * 7, (0.0,) * 7
    before = HorizonPoint(-period, here, zero, zero)
    scheduled = time.monotonic_ns()
    message = deserialize_message(
        output.encode(Actuate(scheduled, 1, rest, zero, zero, (), False, scheduled, before)), JointTrajectory
    )
    stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
    assert abs(stamp - time.time_ns()) < 10**9
    times = [point.time_from_start.sec * 10**9 + point.time_from_start.nanosec for point in message.points]
    assert times[:2] == [0, period]
    assert tuple(message.points[0].positions) == here
    assert tuple(message.points[1].positions) == rest
    # The last point is at rest, and so late that no way to the controller makes the message one of the past.
    assert times[-1] > period + 500_000_000
    assert tuple(message.points[-1].positions) == rest
    assert tuple(message.points[-1].velocities) == zero
