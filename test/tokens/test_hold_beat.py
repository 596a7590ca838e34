"""Beats of a hold-to-run button: what each says; that an old one never counts again: test_freshness.py."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety_supervisor.tokens import compact, operator_act
from safety_supervisor.tokens.claims import HoldClaims, Refused
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
