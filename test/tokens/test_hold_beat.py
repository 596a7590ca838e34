"""Beats of a hold-to-run button: what each says, and that an old one never counts again."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.tokens import compact, operator_act
from safety_supervisor.tokens.claims import HoldClaims, Refused
from safety_supervisor.tokens.freshness import Freshness
from safety_supervisor.tokens.hold_beat import FORM
from safety_supervisor.tokens.signed_act import judge, sign

pytestmark = pytest.mark.redteam(53)
ADA, EVE = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
GOOD: dict[str, Any] = {"iss": "ada", "role": "technician", "aud": "panda", "nonce": "0" * 32, "count": 7}


def judged(token: str, form: Any = FORM) -> Any:
    return judge(token.encode(), form, "panda", {"ada": ADA.public_key()})


def test_a_beat_says_who_holds_it_and_which_it_is() -> None:
    assert judged(sign(ADA, FORM, HoldClaims(**GOOD))) == HoldClaims(**GOOD)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "eve"}, "E_TOKEN_ISS"), ({"role": "boss"}, "E_TOKEN_ROLE"), ({"aud": "g1"}, "E_TOKEN_AUD"),
        ({"nonce": "0"}, "E_TOKEN_NONCE"), ({"count": -1}, "E_TOKEN_COUNT"), ({"count": "7"}, "E_TOKEN_COUNT"),
        ({"count": True}, "E_TOKEN_COUNT"), ({"count": 2**53}, "E_TOKEN_COUNT"), ({"count": None}, "E_TOKEN_COUNT"),
        ({"jti": "abcdefgh"}, "E_TOKEN_FIELD"),
    ],
)  # fmt: skip
def test_every_claim_is_judged(changes: dict[str, Any], code: str) -> None:
    claims = {name: value for name, value in (GOOD | changes).items() if value is not None}
    found = judged(compact.sign(ADA, FORM.kind, claims))
    assert isinstance(found, Refused)
    assert found.code == code


def test_neither_another_key_nor_another_kind_of_token_is_a_beat() -> None:
    assert judged(sign(EVE, FORM, HoldClaims(**GOOD))).code == "E_TOKEN_SIGNATURE"
    assert judged(compact.sign(ADA, operator_act.FORM.kind, GOOD)).code == "E_TOKEN_HEADER"
    assert judged(sign(ADA, FORM, HoldClaims(**GOOD)), operator_act.FORM).code == "E_TOKEN_HEADER"


def fresh() -> Freshness:
    numbers = itertools.count()
    return Freshness(lambda: f"{next(numbers):032x}")


def code(one: Freshness, count: int, nonce: str, now: int, person: str = "ada") -> str:
    late = one.consume_count(person, count, nonce, now)
    return "" if late is None else late.code.value


def test_a_count_and_all_below_it_count_once_and_each_person_has_an_own_one() -> None:
    one = fresh()
    nonce = one.show(0)
    assert code(one, 5, nonce, 1) == ""
    assert [code(one, count, nonce, 2) for count in (5, 4, 0)] == ["E_TOKEN_COUNT"] * 3
    assert code(one, 6, nonce, 3) == ""
    assert code(one, 1, nonce, 4, "bob") == ""
    assert code(one, 7, "f" * 32, 5) == "E_TOKEN_NONCE"
    assert code(one, 7, nonce, 5) == "", "what was refused used nothing up"


def test_no_beat_that_was_recorded_counts_after_a_count_was_forgotten() -> None:
    """At every moment each earlier beat is refused, by its count or because its nonce is old."""
    one, recorded, count = fresh(), list[tuple[int, str]](), 0
    for step in range(160):  # 80 s: beats for 20 s, then silence, and the nonce goes on being shown
        now = step * NS_PER_S // 2
        nonce = one.show(now)
        if step < 40:
            count += 1
            assert code(one, count, nonce, now) == ""
            recorded.append((count, nonce))
        assert {code(one, *beat, now) for beat in recorded} <= {"E_TOKEN_COUNT", "E_TOKEN_NONCE"}, step
    assert code(one, 1, nonce, now) == "", "who begins anew after a while may count anew"
