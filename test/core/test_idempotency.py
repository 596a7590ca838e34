"""Idempotency keys: bounded, aged, first result again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety_supervisor.core.errors import Code
from safety_supervisor.core.intake.idempotency import UNDECIDED, Earlier, IdempotencyKeys

LIFETIME = 1_000
PASS = Earlier("PASS", "")


def keys(capacity: int = 3) -> IdempotencyKeys:
    return IdempotencyKeys(capacity, LIFETIME)


@pytest.mark.redteam(13)
def test_the_first_result_stays() -> None:
    known = keys()
    assert known.judge("k", "body", 0) is None
    known.open("k", "body", "c1", 0)
    assert known.judge("k", "body", 1) is UNDECIDED
    known.close("c1", PASS)
    known.close("c1", Earlier("REJECT", "E_LATE"))
    assert known.judge("k", "body", 2) == PASS


@pytest.mark.redteam(13)
def test_a_result_reaches_every_key_of_its_command_and_no_other() -> None:
    known = keys()
    for key, command in (("a", "c1"), ("b", "c1"), ("c", "c2")):
        known.open(key, "body", command, 0)
    known.close("nobody", PASS)
    known.close("c1", PASS)
    assert [known.judge(key, "body", 1) for key in "abc"] == [PASS, PASS, UNDECIDED]


@pytest.mark.redteam(13)
def test_a_refusal_is_of_one_key_only() -> None:
    known = keys()
    known.open("a", "body", "c1", 0)
    known.open("b", "body", "c1", 0)
    known.refuse("b", Code.STAMP)
    assert known.judge("b", "body", 1) == Earlier("REJECT", "E_STAMP")
    known.close("c1", PASS)
    assert known.judge("a", "body", 1) == PASS
    assert known.judge("b", "body", 1) == Earlier("REJECT", "E_STAMP")


@pytest.mark.redteam(14)
def test_another_body_is_a_conflict_and_changes_nothing() -> None:
    known = keys()
    known.open("k", "body", "c1", 0)
    known.close("c1", PASS)
    assert known.judge("k", "other", 1) is Code.KEY_CONFLICT
    assert known.judge("k", "body", 1) == PASS


@pytest.mark.redteam(15)
def test_a_full_cache_refuses_new_keys_until_old_ones_age_out() -> None:
    known = keys(2)
    known.open("a", "body", "c1", 0)
    known.open("b", "body", "c2", 10)
    assert known.judge("c", "body", LIFETIME - 1) is Code.KEYS_FULL
    assert known.judge("a", "body", LIFETIME - 1) is UNDECIDED
    assert known.judge("c", "body", LIFETIME) is None
    assert known.judge("a", "body", LIFETIME) is None
    assert known.judge("b", "body", LIFETIME) is UNDECIDED


def test_a_result_that_comes_after_its_key_aged_out_is_lost_quietly() -> None:
    known = keys(1)
    known.open("a", "body", "c1", 0)
    assert known.judge("b", "body", LIFETIME) is None
    known.open("b", "body", "c1", LIFETIME)
    known.close("c1", PASS)
    assert known.judge("b", "body", LIFETIME) == PASS
    assert known.judge("a", "body", 2 * LIFETIME) is None


@pytest.mark.redteam(15)
@settings(deadline=None)
@given(
    capacity=st.integers(0, 4),
    steps=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xy"), st.integers(0, 400)), max_size=60),
)
def test_never_more_keys_than_the_capacity_and_never_two_motions_of_a_living_key(
    capacity: int, steps: list[tuple[str, str, int]]
) -> None:
    known, now = keys(capacity), 0
    taken: dict[str, tuple[str, int]] = {}
    for number, (key, body, wait) in enumerate(steps):
        now += wait
        taken = {name: entry for name, entry in taken.items() if now - entry[1] < LIFETIME}
        answer = known.judge(key, body, now)
        if key in taken:
            assert answer == (Earlier("PASS", "") if taken[key][0] == body else Code.KEY_CONFLICT)
        elif len(taken) >= capacity:
            assert answer is Code.KEYS_FULL
        else:
            assert answer is None
            known.open(key, body, str(number), now)
            known.close(str(number), PASS)
            taken[key] = (body, now)
