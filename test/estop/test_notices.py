"""Notices: another reason at once, the same one with a count, and never a flood."""

from __future__ import annotations

from safety_supervisor.core.errors import Code
from safety_supervisor.estop.notices import MOST, Notices
from safety_supervisor.estop.times import MS


def test_notices_are_bounded() -> None:
    notices = Notices()
    for number in range(10_000):
        notices.add(number * 10 * MS, Code.ESTOP_PEER, "again")
    told = notices.take()
    assert len(told) == 20
    assert told[1].detail == "again (499 more before)"
    assert notices.take() == []
    for number in range(100):
        notices.add((number + 1) * 10**12, Code.ESTOP_VALUE, str(number))
    assert [notice.detail for notice in notices.take()] == [str(number) for number in range(100 - MOST, 100)]


def test_another_reason_is_told_at_once_and_the_same_with_a_count() -> None:
    notices = Notices()
    for step in range(700):  # 7 s
        notices.add(step * 10 * MS, Code.ESTOP_PEER, "one")
        notices.add(step * 10 * MS, Code.ESTOP_PEER, "other")
    told = notices.take()
    assert [(one.at, one.detail) for one in told] == [
        (0, "one"), (0, "other"), (5_000 * MS, "one (499 more before)"), (5_000 * MS, "other (499 more before)"),
    ]  # fmt: skip


def test_texts_that_differ_each_time_are_counted_behind_the_fourth() -> None:
    notices = Notices()
    for step in range(1000):  # 10 s, a text of its own each time
        notices.add(step * 10 * MS, Code.ESTOP_VALUE, f"channel A {step:02x}")
    told = [one.detail for one in notices.take()]
    assert len(told) == 8
    assert told[3] == "channel A 03"
    assert told[4] == "channel A 1f4 (496 of other reasons before)"
    notices.add(10_000 * MS, Code.ESTOP_PEER, "another code")
    assert [one.detail for one in notices.take()] == ["another code"]
