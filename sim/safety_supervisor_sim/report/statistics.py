"""Exact binomial bounds: what a count of runs says about a rate.

Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26
(1934). Exact means: whatever the true rate is, the bound holds at least as often as it says. It takes the runs for
independent draws from what a campaign draws, and says nothing of what no campaign draws.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Final

CONFIDENCE: Final = 0.95


def upper_bound(events: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Return the one-sided upper bound p of a rate: P(X <= events | trials, p) = 1 - confidence.

    Args:
        events: how many of the trials went wrong.
        trials: how many there were.
        confidence: how often the bound holds at least.

    Returns:
        The bound; 1 when everything went wrong or nothing was tried: then nothing is known.

    Raises:
        ValueError: such counts can not be.
    """
    _check(events, trials)
    if events == trials:
        return 1.0
    from scipy.stats import beta

    return float(beta.ppf(confidence, events + 1, trials - events))


def interval(events: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the two-sided interval of a rate: each side is passed with probability (1 - confidence) / 2 at most.

    Args, Raises: as `upper_bound`. Of no trials it is (0, 1).
    """
    _check(events, trials)
    side = (1.0 + confidence) / 2.0
    lower = 0.0 if events == 0 else 1.0 - upper_bound(trials - events, trials, side)
    return lower, upper_bound(events, trials, side)


def percent(rate: float) -> str:
    """Return a rate in percent with two significant digits, rounded up: a bound that is told is never too small."""
    exact = Decimal(rate) * 100
    if exact == 0:
        return "0 %"
    step = Decimal(1).scaleb(exact.adjusted() - 1)
    return f"{format(exact.quantize(step, ROUND_CEILING), 'f')} %"


def _check(events: int, trials: int) -> None:
    if not 0 <= events <= trials:
        raise ValueError(f"{events} of {trials}: there are 0 to {trials} events in so many trials")
