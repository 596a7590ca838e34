"""Figures of stops whose course is known in closed form: a lag, a weak brake, noise, a request that was late."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from safety_supervisor.commission.figures import Figures, UnfitRecordingError, measure
from safety_supervisor.commission.judging import disturbed, judge
from safety_supervisor.commission.model import Expected
from safety_supervisor.commission.recording import Recording, Series
from safety_supervisor.core.motion.stopping import BrakeProfile

pytestmark = pytest.mark.requirement("SR-026")
PERIOD, ASKED = 0.004, 100.0
SPEED = np.array([1.0, 0.0, -0.5])
DECELERATION = 5.0
JOINTS = ("a", "b", "c")
LIMITS = {"a": DECELERATION, "b": 3.0, "c": 4.0}
PROFILE = BrakeProfile.within(1.0 / DECELERATION, 1e-4)
EXPECTED = Expected(
    reaction=0.016, duration=PROFILE.duration, profile=PROFILE, delay=0.06,
    travel=np.abs(SPEED) * 0.5 * PROFILE.duration, path_error=np.full(3, 0.002), bound=np.full(3, 0.15),
    speed=np.abs(SPEED),
)  # fmt: skip


def course(times: np.ndarray, begins: float, profile: BrakeProfile = PROFILE) -> np.ndarray:
    """Positions of a steady motion that begins to stop at a time; 0 at the request."""
    gone = np.array([t if t < begins else begins + profile.used(t - begins) for t in times - ASKED])
    return gone[:, None] * SPEED


def stop(
    lag: float = 0.02, reaction: float = 0.008, brakes: BrakeProfile = PROFILE, noise: float = 0.0, beyond: float = 0.0
) -> Recording:
    """A robot that does after `lag` what it is told, with brakes of its own, and goes `beyond` the end."""
    times = np.arange(ASKED - 0.5, ASKED + 1.2, PERIOD)
    commanded = Series(times + PERIOD, course(times + PERIOD, reaction + PERIOD))
    measured = course(times - lag, reaction + PERIOD, brakes)
    late = (times > ASKED + reaction + lag)[:, None]
    measured = measured + np.where(late, beyond * np.sign(SPEED), 0.0)
    measured = measured + np.random.default_rng(7).normal(0.0, noise, measured.shape)
    return Recording(Series(times, measured), commanded, ASKED, SPEED)


def figures(recording: Recording, expected: Expected = EXPECTED) -> Figures:
    return measure(recording, expected, 0.005, PERIOD)


def findings(recording: Recording, expected: Expected = EXPECTED) -> dict[str, Any]:
    """The first finding of each figure."""
    return {one.figure: one for one in reversed(judge(figures(recording, expected), expected, JOINTS, LIMITS))}


@pytest.mark.parametrize("noise", [0.0, 1e-4])
@pytest.mark.parametrize("lag", [0.0, 0.012, 0.04])
def test_a_robot_that_lags_is_measured_so(lag: float, noise: float) -> None:
    found = figures(stop(lag, noise=noise))
    assert found.speed == pytest.approx(SPEED, abs=2e-3)
    # The first set-point that differs is sent a period before it is to be reached.
    assert found.reaction == pytest.approx(0.008 + PERIOD, abs=1.01 * PERIOD)
    # Of joint a what is allowed beside the path, and five times the noise, is passed that much sooner.
    assert lag - 0.003 - 5.0 * noise - PERIOD <= found.delay <= lag + PERIOD
    # From the pose at the request to rest: the steady motion goes on for reaction and lag, then the stop.
    way = (0.008 + PERIOD + lag + 0.5 * PROFILE.duration) * np.abs(SPEED)
    assert found.travel == pytest.approx(way, abs=1e-3)
    assert found.latency == pytest.approx(0.008 + PERIOD + lag, abs=2 * PERIOD)
    ends = 0.008 + PERIOD + lag + PROFILE.duration
    # The last 2 mm go by in sqrt(2 * 0.002 / 5) = 28 ms.
    assert ends - 0.035 <= found.time <= ends + PERIOD
    assert found.beyond == pytest.approx(np.zeros(3), abs=1e-3)
    assert (found.error <= 1e-9 + 5 * noise).all()
    assert found.braking[0] == pytest.approx(1.0 / PROFILE.duration, rel=0.1)


def test_a_robot_as_good_as_the_model_is_within_it() -> None:
    assert findings(stop()) == {}
    assert findings(stop(noise=1e-4)) == {}


def test_more_delay_than_the_model_is_too_kind_and_names_the_setting_and_a_value_that_would_hold() -> None:
    found = findings(stop(lag=0.1))["delay behind set-points"]
    assert (found.setting, found.joint) == ("tracking.delay", "")
    assert 0.095 <= found.measured <= 0.104
    assert found.value >= found.measured
    repaired = replace(EXPECTED, delay=found.value)
    assert findings(stop(lag=0.1), repaired) == {}


def test_brakes_weaker_than_the_model_are_too_kind_and_the_deceleration_is_named() -> None:
    weak = BrakeProfile.within(2.0 / DECELERATION, 1e-4)
    found = findings(stop(brakes=weak))
    assert {"stopping distance", "stopping time", "way beyond the end of the stop"} <= found.keys()
    one = found["stopping distance"]
    assert one.setting == f"envelope.joints.{one.joint}.acceleration"
    # It brakes with half of what it was told.
    assert one.value == pytest.approx(LIMITS[one.joint] / 2.0 / 1.1, rel=0.1)


def test_a_robot_that_brakes_well_and_goes_beyond_the_end_needs_more_room_beside_its_path() -> None:
    found = findings(stop(beyond=0.004))
    one = found["way beyond the end of the stop"]
    assert (one.setting, one.allowed) == ("tracking.path_error", 0.002)
    assert 0.004 <= one.value <= 0.006
    assert math.isfinite(one.measured)


def test_a_tracking_error_beyond_the_bound_is_told() -> None:
    found = findings(stop(lag=0.3), replace(EXPECTED, bound=np.full(3, 0.1)))
    assert found["tracking error"].setting == "tracking.bound"
    assert found["tracking error"].joint == "a"
    # Outside of what was commanded during 60 ms: 0.3 s of lag, less those, at 1 rad/s; never more than a stop is long.
    assert 0.2 <= found["tracking error"].measured <= 0.25


def test_a_request_that_was_long_on_its_way_says_nothing_of_the_robot() -> None:
    assert disturbed(figures(stop()), EXPECTED) == ""
    assert "the request took" in disturbed(figures(stop(reaction=0.05)), EXPECTED)


def test_without_set_points_time_and_distance_are_judged_all_the_same() -> None:
    deaf = replace(stop(lag=0.2), commanded=Series(np.zeros(0), np.zeros((0, 3))))
    found = figures(deaf)
    assert math.isnan(found.delay)
    assert math.isnan(found.reaction)
    assert {"stopping time", "stopping distance"} <= {one.figure for one in judge(found, EXPECTED, JOINTS, LIMITS)}


def test_what_is_no_measurement_is_refused_with_the_reason() -> None:
    good = stop()
    with pytest.raises(UnfitRecordingError, match="did not rest"):
        figures(replace(good, measured=good.measured.between(0.0, ASKED + 0.1)))
    with pytest.raises(UnfitRecordingError, match="too few"):
        figures(replace(good, measured=good.measured.between(ASKED, math.inf)))
    with pytest.raises(UnfitRecordingError, match="not steady"):
        figures(replace(good, cruise=2.0 * SPEED))
    with pytest.raises(UnfitRecordingError, match="no joint"):
        figures(replace(good, cruise=np.zeros(3)))
