"""The sums of a campaign."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from safety_supervisor_sim.campaign.table import upper_bound


@pytest.mark.parametrize("runs", [1, 150, 1500])
def test_without_a_violation_the_bound_has_a_closed_form(runs: int) -> None:
    """(1 - p)^n = 0.05: with a greater rate, seeing none has a chance below 5 %."""
    assert upper_bound(0, runs) == pytest.approx(1.0 - 0.05 ** (1.0 / runs), rel=1e-9)


@pytest.mark.parametrize(("count", "runs"), [(1, 20), (3, 1500), (19, 20)])
def test_the_bound_is_that_of_clopper_and_pearson(count: int, runs: int) -> None:
    exact = binomtest(count, runs, alternative="less").proportion_ci(0.95, "exact").high
    assert upper_bound(count, runs) == pytest.approx(exact, rel=1e-6)


def test_nothing_tried_and_nothing_but_violations_bound_nothing() -> None:
    assert upper_bound(0, 0) == upper_bound(5, 5) == 1.0
