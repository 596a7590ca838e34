"""The hold-to-run button's count: what rules out older beats, and for how long."""

from __future__ import annotations

import pytest

from safety_supervisor.core.states.switches import REMEMBERED, HoldToRunButton
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.tokens.freshness import ROTATION, VALID

TIMEOUT = NS_PER_S // 4


def held_until(now: int) -> HoldToRunButton:
    """One that `ada` let go at a time, [ns], having counted to 1,000."""
    button = HoldToRunButton(TIMEOUT)
    button.take(1_000, now, "ada")
    assert button.held(now)
    return button


@pytest.mark.requirement("SR-042")
@pytest.mark.redteam(53)
@pytest.mark.parametrize("count", [0, 999, 1_000])
def test_an_older_beat_is_no_press_while_it_may_still_be_on_its_way(count: int) -> None:
    button = held_until(NS_PER_S)
    late = NS_PER_S + REMEMBERED
    button.take(count, late, "ada")
    assert not button.held(late)
    button.take(1_001, late, "ada")
    assert button.held(late)


@pytest.mark.redteam(53)
def test_a_panel_whose_clock_was_put_back_can_be_held_again_when_the_token_judge_lets_it() -> None:
    """Else its page would say HELD, by beats that count for nobody else, for ever."""
    button = held_until(NS_PER_S)
    later = NS_PER_S + REMEMBERED + 1
    button.take(3, later, "ada")
    assert button.held(later)
    button.take(2, later + TIMEOUT, "ada")
    assert not button.held(later + TIMEOUT + 1), "and it counts on from there"


def test_both_remember_equally_long() -> None:
    assert REMEMBERED == ROTATION + VALID
