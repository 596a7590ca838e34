"""Exact bounds, against sums of binomial tails in fractions: no library of statistics."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from safety_supervisor_sim.report.statistics import interval, percent, upper_bound

COUNTS = [(0, 1), (0, 150), (0, 1500), (1, 1500), (3, 40), (39, 40), (7, 7), (12, 600)]


def at_most(events: int, trials: int, rate: float) -> float:
    """P(X <= events) of a binomial, summed exactly."""
    p = Fraction(rate)
    return float(sum(comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(events + 1)))


@pytest.mark.parametrize(("events", "trials"), [one for one in COUNTS if one[0] < one[1]])
def test_at_the_bound_so_few_events_are_as_unlikely_as_it_says(events: int, trials: int) -> None:
    assert at_most(events, trials, upper_bound(events, trials)) == pytest.approx(0.05, rel=1e-9)
    assert at_most(events, trials, upper_bound(events, trials, 0.99)) == pytest.approx(0.01, rel=1e-9)


@pytest.mark.parametrize(("events", "trials"), COUNTS)
def test_each_side_of_the_interval_is_passed_with_half_the_rest(events: int, trials: int) -> None:
    lower, upper = interval(events, trials)
    assert 0.0 <= lower <= events / trials <= upper <= 1.0
    if events < trials:
        assert at_most(events, trials, upper) == pytest.approx(0.025, rel=1e-9)
    if events:
        assert 1.0 - at_most(events - 1, trials, lower) == pytest.approx(0.025, rel=1e-9)


def test_without_events_it_is_what_is_left_of_a_root() -> None:
    """(1 - p)^n = 0.05; and nothing is known of what was not tried, or always happened."""
    assert upper_bound(0, 1500) == pytest.approx(1.0 - 0.05 ** (1.0 / 1500), rel=1e-12)
    assert percent(upper_bound(0, 1500)) == "0.20 %"
    assert (upper_bound(0, 0), upper_bound(4, 4)) == (1.0, 1.0)
    assert interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("events", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_counts_that_can_not_be_are_refused(events: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"{events} of {trials}"):
        upper_bound(events, trials)


@pytest.mark.parametrize(
    ("rate", "said"),
    [(0.0019952, "0.20 %"), (0.00201, "0.21 %"), (1.0, "100 %"), (0.0, "0 %"), (0.058155, "5.9 %"), (0.999, "100 %")],
)
def test_a_bound_is_never_told_too_small(rate: float, said: str) -> None:
    assert percent(rate) == said
    assert float(said.removesuffix(" %")) >= 100 * rate
