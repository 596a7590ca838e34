"""Late cycles: one too late, and many a little late."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rig import MS, panda

from safety_supervisor.core.errors import Code
from safety_supervisor.core.intake.lateness import Lateness
from safety_supervisor.core.output_settings import OutputType

SHIPPED = panda()
PERIOD, ALLOWED = SHIPPED.timing.period, SHIPPED.timing.overrun


def make(kind: OutputType = OutputType.JOINT_VELOCITY, period: int = PERIOD) -> Lateness:
    timing = replace(SHIPPED.timing, period=period)
    return Lateness(replace(SHIPPED, timing=timing, outputs=(replace(SHIPPED.outputs[0], type=kind),)))


@pytest.mark.requirement("SR-038")
@pytest.mark.parametrize("period", [PERIOD, PERIOD // 4])
def test_one_cycle_may_be_as_late_as_the_kept_stop_covers(period: int) -> None:
    lateness = make(period=period)
    assert lateness.judge(ALLOWED, 0) is None
    assert lateness.judge(10**12 + ALLOWED + 1, 10**12) is Code.OVERRUN
    assert lateness.seen(Code.OVERRUN) == (pytest.approx((ALLOWED + 1) * 1e-9), pytest.approx(ALLOWED * 1e-9))


def first_stop(lateness: Lateness, most: int = 100) -> int:
    """Let every second cycle be one period late, until that is a stop; return how many were late before it."""
    for cycle in range(most):
        due = 2 * cycle * PERIOD
        if lateness.judge(due + PERIOD, due) is not None:
            return cycle
    raise AssertionError("no stop")


@pytest.mark.requirement("SR-038")
@pytest.mark.parametrize("kind", [OutputType.JOINT_VELOCITY, OutputType.JOINT_POSITION, OutputType.JOINT_STATE])
def test_a_controller_that_holds_what_it_was_sent_is_not_kept_waiting_again_and_again(kind: OutputType) -> None:
    """Each lateness is below the bound of one cycle; together they may not be more than it: 12 ms, 3 periods."""
    lateness = make(kind)
    assert first_stop(lateness) == 3
    assert lateness.seen(Code.OVERRUN) == (pytest.approx(0.016), pytest.approx(0.012))


def test_with_the_horizon_more_may_be_missed_and_not_any_number() -> None:
    assert first_stop(make(OutputType.JOINT_TRAJECTORY_HORIZON)) == 25, "a tenth of 250 a second"


def test_what_is_missed_now_and_then_is_forgotten() -> None:
    lateness = make()
    for cycle in range(100):
        due = cycle * 400 * MS
        assert lateness.judge(due + PERIOD, due) is None
        due += 10 * PERIOD
        assert lateness.judge(due + PERIOD - 1, due) is None, "less than a period is no miss"
