"""The double of joint_trajectory_controller against values computed by hand from the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from safety_supervisor_sim.cell.controllers import (
    JointTrajectoryController,
    Point,
    Refused,
    Trajectory,
)
from safety_supervisor_sim.cell.controllers.spline import Segment

MS = 1_000_000
T0 = 1_000_000 * MS


def point(ms: float, q: float, v: float | None = None, a: float | None = None) -> Point:
    def field(value: float | None) -> np.ndarray:
        return np.zeros(0) if value is None else np.array([value])

    return Point(round(ms * MS), np.array([q]), field(v), field(a))


class Driven:
    """A controller of one joint, updated at 1 kHz from T0 on, where it stands at `q`."""

    def __init__(self, q: float = 0.0) -> None:
        self.controller = JointTrajectoryController(("a",), MS)
        self.now = T0
        self.controller.activate(self.now, np.array([q]), np.zeros(1))
        self.commanded: list[float] = []
        self.run(1)

    def run(self, cycles: int) -> list[float]:
        """Commands of the next cycles."""
        out = []
        for _ in range(cycles):
            target = self.controller.update(self.now)
            assert target is not None
            out.append(float(target.values[0]))
            self.now += MS
        return out

    def send(self, *points: Point, stamp: int = 0) -> Refused | None:
        return self.controller.command(self.now, self.now, Trajectory(("a",), points, stamp))


def test_it_holds_the_measured_position_after_activation() -> None:
    assert Driven(q=0.7).run(5) == [0.7] * 5


def test_linear_from_the_desired_state_to_the_first_point() -> None:
    driven = Driven()
    # In the first cycle at t the last state is dated t - 1 ms and the command is that of
    # t + 1 ms: 2/11, 3/11, ... of the way to the point at t + 10 ms.
    assert driven.send(point(10, 0.11)) is None
    assert driven.run(12) == pytest.approx([0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.10, 0.11, 0.11, 0.11])


def test_points_are_played_from_zero_time_without_blending() -> None:
    driven = Driven()
    driven.send(point(0, 5.0), point(4, 6.0))
    assert driven.run(5) == pytest.approx([5.25, 5.5, 5.75, 6.0, 6.0])


@pytest.mark.parametrize(
    ("start", "end", "at_quarter", "at_half"),
    [
        (point(0, 0), point(1000, 1), 0.25, 0.5),
        # cubic 3 s^2 - 2 s^3
        (point(0, 0, 0), point(1000, 1, 0), 0.15625, 0.5),
        # cubic with v0 = 2 only: 2 (s - 2 s^2 + s^3)
        (point(0, 0, 2), point(1000, 0, 0), 0.28125, 0.25),
        # quintic 10 s^3 - 15 s^4 + 6 s^5
        (point(0, 0, 0, 0), point(1000, 1, 0, 0), 0.103515625, 0.5),
        # quintic with a0 = 1 only: s^2/2 - 3 s^3/2 + 3 s^4/2 - s^5/2
        (point(0, 0, 0, 1), point(1000, 0, 0, 0), 0.01318359375, 0.015625),
        # a field that only one end has does not count
        (point(0, 0, 0), point(1000, 1), 0.25, 0.5),
    ],
)
def test_splines_have_the_values_of_their_polynomials(
    start: Point, end: Point, at_quarter: float, at_half: float
) -> None:
    segment = Segment(0, start, 1000 * MS, end)
    assert segment.at(250 * MS)[0] == pytest.approx([at_quarter])
    assert segment.at(500 * MS)[0] == pytest.approx([at_half])


def test_splines_meet_position_velocity_acceleration_at_both_ends() -> None:
    segment = Segment(0, point(0, 0.3, -0.4, 0.9), 250 * MS, point(250, 0.5, 1.1, -2.0))
    for time, expected in ((0, [0.3, -0.4, 0.9]), (250 * MS, [0.5, 1.1, -2.0])):
        assert np.concatenate(segment.at(time)) == pytest.approx(expected)


def test_accelerations_without_velocities_give_zero_as_the_real_one_does() -> None:
    segment = Segment(0, point(0, 3.0, None, 0.0), 10 * MS, point(10, 3.1, None, 0.0))
    assert segment.at(5 * MS)[0] == pytest.approx([0.0])


def test_the_last_point_is_held_for_ever() -> None:
    driven = Driven()
    driven.send(point(0, 1.0, 0.5), point(4, 2.0, 0.5))
    driven.run(10)
    assert driven.run(1000) == [2.0] * 1000


def test_a_new_message_replaces_the_old_one_whole() -> None:
    driven = Driven()
    driven.send(point(0, 0.0), point(100, 100.0))
    assert driven.run(3) == pytest.approx([1.0, 2.0, 3.0])
    driven.send(point(3, 1.0))
    # from 3.0 dated one cycle ago, over 4 ms, to 1.0
    assert driven.run(4) == pytest.approx([2.0, 1.5, 1.0, 1.0])


def test_a_stream_of_replacements_ripples_at_constant_speed() -> None:
    """The last state is dated one period too early: at 250 Hz the first step is 65 % too fast."""
    driven = Driven()
    out: list[float] = []
    for k in range(1, 20):
        driven.send(point(4, 4.0 * k, 1000.0))  # 1 per ms
        out += driven.run(4)
    steps = np.diff(out)[-8:]
    assert steps == pytest.approx([1.648, 0.704, 0.752, 0.896] * 2)


def test_a_future_stamp_blends_until_its_start() -> None:
    driven = Driven()
    driven.send(point(0, 0.11), point(1000, 0.11), stamp=driven.now + 10 * MS)
    assert driven.run(3) == pytest.approx([0.02, 0.03, 0.04])


def test_past_points_are_dropped_and_the_rest_is_played_on_time() -> None:
    driven = Driven()
    stamp = driven.now - 500 * MS
    driven.send(point(200, 5.0), point(400, 6.0), point(1400, 16.0), stamp=stamp)
    # 101 ms after the second point: 10 per second
    assert driven.run(2) == pytest.approx([7.01, 7.02])


def test_stamped_messages_play_by_their_stamp_whenever_they_arrive() -> None:
    """What makes a horizon independent of jitter: no ripple, no drift."""
    driven, plan = Driven(), T0
    out: list[float] = []
    for k, late in enumerate([0, 1, 0, 3, 2, 0, 1, 0]):
        start = plan + 4 * k * MS
        while driven.now < start + late * MS:
            out += driven.run(1)
        # the point of now and the next two steps, so that a late message joins on the path
        points = [point(4 * i, 4.0 * (k + i)) for i in range(4)]
        assert driven.send(*points, stamp=start) is None
    assert np.diff(out)[3:] == pytest.approx(np.ones(len(out) - 4))


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ((), "no points"),
        ((point(10, 1.0), point(10, 2.0)), "times not increasing"),
        ((point(10, 1.0), point(5, 2.0)), "times not increasing"),
        ((replace(point(10, 1.0), positions=np.zeros(2)),), "positions size"),
        ((replace(point(10, 1.0), positions=np.zeros(0)),), "positions size"),
        ((replace(point(10, 1.0), velocities=np.zeros(3)),), "velocities size"),
        ((replace(point(10, 1.0), accelerations=np.zeros(2)),), "accelerations size"),
    ],
)
def test_bad_messages_are_refused_and_the_old_motion_goes_on(points: Sequence[Point], reason: str) -> None:
    driven = Driven()
    driven.send(point(0, 0.0), point(10, 10.0))
    driven.run(2)
    assert driven.send(*points) == Refused(reason)
    assert driven.controller.refusals[reason] == 1
    assert driven.run(2) == pytest.approx([3.0, 4.0])


def test_partial_and_unknown_joints_and_effort_are_refused() -> None:
    controller = JointTrajectoryController(("a", "b"), MS)
    controller.activate(T0, np.zeros(2), np.zeros(2))
    both = Point(MS, np.zeros(2), np.zeros(0), np.zeros(0))
    one = point(1, 0.0)
    cases = {
        "partial joints": Trajectory(("a",), (one,)),
        "joint names": Trajectory(("a", "c"), (both,)),
        "effort": Trajectory(("a", "b"), (both,), has_effort=True),
        "ends in the past": Trajectory(("a", "b"), (both,), stamp_ns=T0 - 2 * MS),
    }
    for reason, message in cases.items():
        assert controller.command(T0, T0, message) == Refused(reason)
    assert controller.accepted == 0
    assert controller.last_accepted_ns is None


def test_joints_are_mapped_by_name() -> None:
    controller = JointTrajectoryController(("a", "b"), MS)
    controller.activate(T0, np.zeros(2), np.zeros(2))
    controller.update(T0)
    message = Trajectory(("b", "a"), (Point(0, np.array([2.0, 1.0]), np.zeros(0), np.zeros(0)),))
    assert controller.command(T0, T0, message) is None
    target = controller.update(T0 + MS)
    assert target is not None
    assert target.values.tolist() == [1.0, 2.0]


def test_nan_passes_as_in_the_real_one() -> None:
    driven = Driven()
    assert driven.send(point(0, np.nan)) is None
    assert np.isnan(driven.run(1)[0])
