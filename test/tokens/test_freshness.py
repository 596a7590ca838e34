"""What makes a token fresh, on a steady clock that the test moves."""

from __future__ import annotations

import itertools

import pytest

from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.tokens.freshness import MOST_IDS, ROTATION, VALID, Freshness


def fresh() -> Freshness:
    numbers = itertools.count()
    return Freshness(lambda: f"{next(numbers):032x}")


def code(freshness: Freshness, jti: str, nonce: str, now: int, source: str = "planner") -> str:
    violation = freshness.consume(source, jti, nonce, now)
    return "" if violation is None else violation.code.value


def test_the_nonce_rotates_and_counts_for_half_a_minute_after_it_was_shown_last() -> None:
    one = fresh()
    first = one.show(0)
    assert one.show(ROTATION - 1) == first
    second = one.show(ROTATION)
    assert second != first
    assert code(one, "a", first, ROTATION - 1 + VALID) == ""
    assert code(one, "b", first, ROTATION + VALID) == "E_TOKEN_NONCE"
    assert code(one, "b", second, ROTATION + VALID) == ""
    assert code(one, "c", second, ROTATION + VALID + 1) == "E_TOKEN_NONCE"


def test_before_anything_was_shown_and_of_another_boot_nothing_is_fresh() -> None:
    one, other = fresh(), Freshness(lambda: "f" * 32)
    assert code(one, "a", "", 0) == "E_TOKEN_NONCE"
    one.show(0)
    assert code(one, "a", other.show(0), 0) == "E_TOKEN_NONCE"


@pytest.mark.redteam(16)
def test_a_thousand_replays_act_once() -> None:
    one = fresh()
    nonce = one.show(0)
    codes = [code(one, "a", nonce, 10 + replay) for replay in range(1000)]
    assert codes == ["", *["E_TOKEN_USED"] * 999]
    later = one.show(ROTATION)
    assert code(one, "a", later, ROTATION) == "E_TOKEN_USED", "an id counts once, whatever nonce it comes with"
    assert code(one, "a", nonce, ROTATION, source="joystick") == "", "each source has ids of its own"


def test_a_replay_after_its_id_was_forgotten_is_stale() -> None:
    one = fresh()
    nonce = one.show(0)
    assert code(one, "a", nonce, 0) == ""
    for second in range(1, 120):
        one.show(second * NS_PER_S)
        assert code(one, "a", nonce, second * NS_PER_S) in ("E_TOKEN_USED", "E_TOKEN_NONCE")


def test_memory_is_bounded_and_nothing_is_forgotten_for_it() -> None:
    one = fresh()
    nonce = one.show(0)
    assert {code(one, f"id-{number}", nonce, 1) for number in range(MOST_IDS)} == {""}
    assert code(one, "one more", nonce, 1) == "E_TOKEN_FULL"
    assert code(one, "id-0", nonce, 1) == "E_TOKEN_USED"
    assert code(one, "id", nonce, 1, source="joystick") == "", "one source uses up nothing of another"
    later = one.show(VALID + 1)
    assert code(one, "one more", later, VALID + 1) == ""


def count_code(one: Freshness, count: int, nonce: str, now: int, person: str = "ada") -> str:
    late = one.consume_count(person, count, nonce, now)
    return "" if late is None else late.code.value


@pytest.mark.redteam(53)
def test_a_count_and_all_below_it_count_once_and_each_person_has_an_own_one() -> None:
    one = fresh()
    nonce = one.show(0)
    assert count_code(one, 5, nonce, 1) == ""
    assert [count_code(one, count, nonce, 2) for count in (5, 4, 0)] == ["E_TOKEN_COUNT"] * 3
    assert count_code(one, 6, nonce, 3) == ""
    assert count_code(one, 1, nonce, 4, "bob") == ""
    assert count_code(one, 7, "f" * 32, 5) == "E_TOKEN_NONCE"
    assert count_code(one, 7, nonce, 5) == "", "what was refused used nothing up"


@pytest.mark.redteam(53)
def test_no_beat_that_was_recorded_counts_after_a_count_was_forgotten() -> None:
    """At every moment each earlier beat is refused, by its count or because its nonce is old."""
    one, recorded, count = fresh(), list[tuple[int, str]](), 0
    for step in range(160):  # 80 s: beats for 20 s, then silence, and the nonce goes on being shown
        now = step * NS_PER_S // 2
        nonce = one.show(now)
        if step < 40:
            count += 1
            assert count_code(one, count, nonce, now) == ""
            recorded.append((count, nonce))
        assert {count_code(one, *beat, now) for beat in recorded} <= {"E_TOKEN_COUNT", "E_TOKEN_NONCE"}, step
    assert count_code(one, 1, nonce, now) == "", "who begins anew after a while may count anew"
