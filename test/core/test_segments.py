"""Segments between set-points: continuous, exact, and in step with a source whose clock differs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from safety_supervisor.core.motion.segments import Segment, Stream
from safety_supervisor.core.settings import CommandKind


def feed(
    stream: Stream, arrivals: np.ndarray, values: np.ndarray, begin: np.ndarray
) -> list[tuple[float, np.ndarray, Segment]]:
    """Give a stream its set-points; return receipt, value and segment of each. Stops at the first refusal."""
    taken = []
    for received, value in zip(arrivals.tolist(), values, strict=True):
        first = begin if not taken else None
        segment = stream.plan(received, value, first)
        if segment is None:
            break
        stream.take(segment, received)
        taken.append((received, value, segment))
    return taken


def rest(n: int) -> np.ndarray:
    return np.zeros((3, n))


@pytest.mark.requirement("SR-025")
@pytest.mark.parametrize("kind", [CommandKind.POSITION, CommandKind.VELOCITY])
@pytest.mark.parametrize("playout", [1, 2])
def test_the_motion_is_continuous_in_position_velocity_acceleration(kind: CommandKind, playout: int) -> None:
    random = np.random.default_rng(1)
    period = 0.01
    values = np.cumsum(random.normal(size=(60, 4)), axis=0) * 1e-3
    arrivals = 5.0 + period * np.arange(60) + random.uniform(0, 3e-4, 60)
    begin = random.normal(size=(3, 4))
    taken = feed(Stream(kind, period, playout), arrivals, values, begin)
    assert len(taken) == 60
    first = taken[0][2]
    assert first.start == pytest.approx(arrivals[0] + (playout - 1) * period, abs=1e-12)
    assert np.allclose(first.state(first.start), begin, rtol=0, atol=1e-9), "it begins from the state that it was given"
    for (_, _, one), (_, _, two) in pairwise(taken):
        assert two.start == one.end
        scale = np.array([[1.0], [period], [period**2]])
        assert np.allclose(one.state(one.end) * scale, two.state(two.start) * scale, rtol=0, atol=1e-12)


@pytest.mark.requirement("SR-025")
@pytest.mark.parametrize("period", [1 / 30, 0.01, 0.002])
def test_the_motion_passes_through_each_set_point_at_its_time(period: float) -> None:
    random = np.random.default_rng(2)
    values = random.uniform(-2.0, 2.0, size=(50, 7))
    arrivals = 3.0 + period * np.arange(50)
    stream = Stream(CommandKind.POSITION, period, 2)
    for k, (_, value, segment) in enumerate(feed(stream, arrivals, values, rest(7))):
        assert segment.end == pytest.approx(3.0 + (k + 2) * period, abs=1e-9), "two periods after it was received"
        assert np.abs(segment.state(segment.end)[0] - value).max() <= 1e-9
        assert np.abs(segment.end_state[0] - value).max() == 0.0


@pytest.mark.parametrize("kind", [CommandKind.POSITION, CommandKind.VELOCITY])
def test_state_plays_the_segments_in_order_and_knows_nothing_beyond(kind: CommandKind) -> None:
    period, values = 0.01, np.linspace(0.0, 0.01, 6)[:, None]
    stream = Stream(kind, period, 2)
    assert not stream.active
    assert stream.state(0.0) is None
    assert stream.end_state is None
    taken = feed(stream, 1.0 + period * np.arange(6), values, rest(1))
    assert stream.active
    assert stream.state(1.0 + 0.5 * period) is None, "the play-out delay has not passed"
    assert stream.pending
    for _, _, segment in taken:
        for share in (0.0, 0.3, 1.0):
            t = segment.start + share * segment.duration
            played = stream.state(t)
            assert played is not None
            assert np.allclose(played, segment.state(t), rtol=0, atol=1e-6)
    assert stream.state(taken[-1][2].end + 1e-6) is None
    assert not stream.pending
    assert stream.end_state is taken[-1][2].end_state


def cubic(c: np.ndarray) -> tuple[Callable[[float], np.ndarray], Callable[[float], np.ndarray]]:
    """A cubic and its state, coefficients of shape (4, n)."""

    def position(t: float) -> np.ndarray:
        return c[0] + c[1] * t + c[2] * t**2 + c[3] * t**3

    def state(t: float) -> np.ndarray:
        return np.stack([position(t), c[1] + 2 * c[2] * t + 3 * c[3] * t**2, 2 * c[2] + 6 * c[3] * t])

    return position, state


@pytest.mark.requirement("SR-031")
def test_a_cubic_motion_is_reproduced_exactly_between_its_set_points() -> None:
    """Nothing is smoothed: once three set-points are known the output is the source's own motion."""
    random = np.random.default_rng(3)
    period = 0.01
    position, state = cubic(random.normal(size=(4, 5)))
    values = np.array([position(k * period) for k in range(1, 40)])
    taken = feed(Stream(CommandKind.POSITION, period, 2), period * np.arange(39), values, state(0.0))
    for k, (_, _, segment) in enumerate(taken, start=1):
        if k <= 4:
            continue  # a segment joins two estimates of three set-points each
        for share in np.linspace(0.0, 1.0, 7):
            exact = state((k - 1 + share) * period)
            seen = segment.state(segment.start + share * segment.duration)
            assert np.abs(seen[0] - exact[0]).max() < 1e-10
            assert np.abs(seen[1] - exact[1]).max() < 1e-8
            assert np.abs(seen[2] - exact[2]).max() < 1e-5


def test_a_parabolic_motion_is_reproduced_from_its_first_set_point_on() -> None:
    random = np.random.default_rng(4)
    period = 0.02
    c = random.normal(size=(4, 3))
    c[3] = 0.0
    position, state = cubic(c)
    values = np.array([position(k * period) for k in range(1, 10)])
    for k, (_, _, segment) in enumerate(
        feed(Stream(CommandKind.POSITION, period, 1), period * np.arange(9), values, state(0.0)), start=1
    ):
        for share in (0.25, 0.5, 1.0):
            seen = segment.state(segment.start + share * period)
            assert np.allclose(seen[0], position((k - 1 + share) * period), rtol=0, atol=1e-12)


def test_a_velocity_ramp_is_integrated_exactly() -> None:
    """v(t) = b t: the travel of k periods is b (k P)^2 / 2, by hand."""
    period, slope = 0.02, 1.5
    values = slope * period * np.arange(1, 30)[:, None]
    begin = np.array([[0.3], [0.0], [slope]])
    for k, (_, _, segment) in enumerate(
        feed(Stream(CommandKind.VELOCITY, period, 2), period * np.arange(29), values, begin), start=1
    ):
        assert segment.end_state[0, 0] == pytest.approx(0.3 + slope * (k * period) ** 2 / 2, abs=1e-12)
        assert segment.end_state[1, 0] == pytest.approx(slope * k * period, abs=1e-15)
        middle = segment.state(segment.start + period / 2)
        assert middle[1, 0] == pytest.approx(slope * (k - 0.5) * period, abs=1e-12)


def test_any_velocities_integrate_to_the_position_of_the_segments() -> None:
    random = np.random.default_rng(5)
    period = 0.02
    taken = feed(Stream(CommandKind.VELOCITY, period, 2), period * np.arange(40), random.normal(size=(40, 2)), rest(2))
    for (_, _, before), (_, _, segment) in pairwise(taken):
        # The velocity between two set-points is the cubic through both, by Hermite's formula in the middle.
        (_, v0, a0), (_, v1, a1) = before.end_state, segment.end_state
        middle = (v0 + v1) / 2 + period / 8 * (a0 - a1)
        assert np.allclose(segment.state(segment.start + period / 2)[1], middle, rtol=0, atol=1e-9)
    position = np.zeros(2)
    nodes, weights = np.polynomial.legendre.leggauss(5)
    for _, _, segment in taken:
        times = segment.start + (nodes + 1) / 2 * period
        position = position + sum(w * segment.state(t)[1] for t, w in zip(times, weights, strict=True)) * period / 2
        assert np.allclose(position, segment.end_state[0], rtol=0, atol=1e-10)


@pytest.mark.requirement("SR-054")
@pytest.mark.parametrize("skew", [-0.005, -0.002, 0.0, 0.002, 0.005])
@pytest.mark.parametrize("period", [0.01, 0.002])
def test_a_source_with_another_clock_is_followed_without_a_late_set_point(period: float, skew: float) -> None:
    """1 + skew times the declared period, received with up to 0.3 ms of jitter, for 10,000 set-points."""
    random = np.random.default_rng(6)
    count = 10_000
    arrivals = 1.0 + period * (1.0 + skew) * np.arange(count) + random.uniform(0.0, 3e-4, count)
    values = 0.3 * (1 - np.cos(0.02 * np.arange(count)))[:, None]
    taken = feed(Stream(CommandKind.POSITION, period, 2), arrivals, values, rest(1))
    assert len(taken) == count, "a set-point was refused"
    spare = np.array([segment.start - received for received, _, segment in taken[1:]])
    lengths = np.array([segment.duration for _, _, segment in taken])
    print(
        f"period {period}, skew {skew:+.3f}: {spare.min() / period:.2f} to {spare.max() / period:.2f} periods to spare"
    )
    assert spare.min() > 0.0, "a set-point came after the segment that it ends had to begin"
    assert spare.max() < 3.0 * period, "the delay grows"
    settled = lengths[2000:]
    assert settled.mean() == pytest.approx(period * (1 + skew), rel=2e-4)
    assert np.abs(np.diff(lengths)).max() < 1e-3 * period, "jitter must not reach the motion"


def test_jitter_alone_changes_nothing() -> None:
    random = np.random.default_rng(7)
    arrivals = 1.0 + 0.002 * np.arange(2000) + random.uniform(-1.5e-4, 1.5e-4, 2000)
    taken = feed(Stream(CommandKind.POSITION, 0.002, 2), arrivals, np.zeros((2000, 1)), rest(1))
    assert {segment.duration for _, _, segment in taken} == {0.002}


@pytest.mark.redteam(25)
def test_a_burst_is_refused_beyond_four_waiting_periods() -> None:
    stream = Stream(CommandKind.POSITION, 0.01, 2)
    taken = feed(stream, np.full(50, 2.0), np.zeros((50, 1)), rest(1))
    # k set-points received at once end k - 1 periods later than the play-out delay explains; 4 may wait.
    assert len(taken) == 5
    assert stream.plan(2.0, np.zeros(1), None) is None
    assert stream.plan(2.0 + 0.01, np.zeros(1), None) is not None, "one period later there is room again"


@pytest.mark.redteam(25)
def test_a_source_two_percent_too_fast_is_refused_in_the_end() -> None:
    arrivals = 1.0 + 0.0098 * np.arange(20_000)
    taken = feed(Stream(CommandKind.POSITION, 0.01, 2), arrivals, np.zeros((20_000, 1)), rest(1))
    assert 100 < len(taken) < 20_000


def test_a_stream_needs_a_state_to_begin_from() -> None:
    with pytest.raises(ValueError, match="begins from a state"):
        Stream(CommandKind.POSITION, 0.01, 2).plan(0.0, np.zeros(1), None)
