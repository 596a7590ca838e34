"""The token bucket on invented clocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety_supervisor.ros.rate import TokenBucket

SECOND = 1_000_000_000


@given(st.sampled_from([20.0, 100.0, 400.0]), st.lists(st.integers(0, 30_000_000), min_size=1, max_size=300))
@pytest.mark.redteam(25)
def test_never_more_than_the_rate_and_one_burst(rate: float, gaps: list[int]) -> None:
    bucket = TokenBucket(rate)
    now, times = SECOND, []
    for gap in gaps:
        now += gap
        if bucket.admit(now):
            times.append(now)
    burst = max(3, round(rate * 0.05))
    for first, start in enumerate(times):
        within = sum(start <= time <= start + SECOND // 10 for time in times[first:])
        assert within <= burst + rate / 10 + 1
    assert bucket.take_excess() == len(gaps) - len(times)
    assert bucket.take_excess() == 0


def test_a_steady_source_below_the_rate_loses_nothing() -> None:
    bucket = TokenBucket(400.0)
    assert all(bucket.admit(SECOND + index * SECOND // 100) for index in range(500))


def test_a_flood_does_not_lock_a_source_out_once_it_has_ended() -> None:
    bucket = TokenBucket(100.0)
    for index in range(10_000):
        bucket.admit(SECOND + index * 100_000)
    assert bucket.admit(3 * SECOND)
