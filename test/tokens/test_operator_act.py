"""What a person's token may say, where it differs from a source's (test_agent_act.py); none is taken for the other."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from safety_supervisor.tokens import agent_act
from safety_supervisor.tokens.claims import AgentClaims, OperatorClaims, Refused
from safety_supervisor.tokens.operator_act import FORM
from safety_supervisor.tokens.signed_act import judge, sign

ADA, BOB = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = {"ada": ADA.public_key(), "bob": BOB.public_key()}
GOOD: dict[str, Any] = {
    "iss": "ada", "sub": "ada", "role": "technician", "aud": "panda", "nonce": "0123456789abcdef" * 2,
    "jti": "token-0001", "iat": 1_700_000_000, "exp": 1_700_000_030, "act": "reset", "target": "",
    "command_sha256": "", "config_sha256": "ab" * 32, "epoch": 7, "reason": "",
}  # fmt: skip


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def made(payload: dict[str, Any] | str, typ: str = FORM.kind, key: Ed25519PrivateKey = ADA) -> str:
    """Sign anything as a token: nothing else is wrong with the bad ones."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    message = f"{encode(json.dumps({'alg': 'EdDSA', 'typ': typ}).encode())}.{encode(text.encode())}"
    return f"{message}.{encode(key.sign(message.encode()))}"


def code(token: str | bytes) -> str:
    verdict = judge(token if isinstance(token, bytes) else token.encode(), FORM, "panda", KEYS)
    return verdict.code if isinstance(verdict, Refused) else ""


@pytest.mark.parametrize(
    ("act", "target"),
    [("reset", ""), ("start", "auto"), ("start", "manual"), ("mode", "manual"), ("recover", ""), ("maintainer", ""),
     ("tool", "gripper"), ("tool", ""), ("revoke", "planner"), ("promote", "planner supervised"),
     ("promote", "planner shadow"), ("approve", "w1"), ("deny", "w12"), ("deny", "zone planner"),
     ("grant", "zone planner 600")],
)  # fmt: skip
def test_a_good_one_says_what_it_says(act: str, target: str) -> None:
    sha = "ab" * 32 if target.startswith("w") else ""
    wanted = OperatorClaims(**(GOOD | {"act": act, "target": target, "command_sha256": sha}))
    assert judge(sign(ADA, FORM, wanted).encode(), FORM, "panda", KEYS) == wanted


@pytest.mark.redteam(7)
@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"iss": "nobody"}, "E_TOKEN_ISS"), ({"iss": "Ada"}, "E_TOKEN_ISS"), ({"iss": "bob"}, "E_TOKEN_SIGNATURE"),
        ({"sub": "bob"}, "E_TOKEN_SUB"), ({"sub": ""}, "E_TOKEN_SUB"),
        ({"role": "admin"}, "E_TOKEN_ROLE"), ({"role": ""}, "E_TOKEN_ROLE"), ({"role": ["operator"]}, "E_TOKEN_ROLE"),
        ({"aud": "g1"}, "E_TOKEN_AUD"),
        ({"act": "decide"}, "E_TOKEN_ACT"), ({"act": "Reset"}, "E_TOKEN_ACT"), ({"act": None}, "E_TOKEN_ACT"),
        ({"act": ["reset"]}, "E_TOKEN_ACT"),
        ({"act": "start"}, "E_TOKEN_TARGET"), ({"act": "start", "target": "AUTO"}, "E_TOKEN_TARGET"),
        ({"act": "start", "target": "gripper"}, "E_TOKEN_TARGET"), ({"act": "mode"}, "E_TOKEN_TARGET"),
        ({"target": "auto"}, "E_TOKEN_TARGET"), ({"act": "recover", "target": "x"}, "E_TOKEN_TARGET"),
        ({"act": "revoke"}, "E_TOKEN_TARGET"), ({"act": "revoke", "target": "planner shadow"}, "E_TOKEN_TARGET"),
        ({"act": "promote"}, "E_TOKEN_TARGET"), ({"act": "promote", "target": "planner"}, "E_TOKEN_TARGET"),
        ({"act": "promote", "target": "planner trusted"}, "E_TOKEN_TARGET"),
        ({"act": "promote", "target": "planner  shadow"}, "E_TOKEN_TARGET"),
        ({"act": "promote", "target": "planner shadow "}, "E_TOKEN_TARGET"),
        ({"act": "promote", "target": "planner shadow auto"}, "E_TOKEN_TARGET"),
        ({"act": "tool", "target": "gripper shadow"}, "E_TOKEN_TARGET"),
        ({"act": "maintainer", "target": "x"}, "E_TOKEN_TARGET"), ({"target": None}, "E_TOKEN_TARGET"),
        ({"act": "approve"}, "E_TOKEN_TARGET"), ({"act": "approve", "target": "w1"}, "E_TOKEN_COMMAND"),
        ({"act": "approve", "target": "w0", "command_sha256": "ab" * 32}, "E_TOKEN_TARGET"),
        ({"act": "approve", "target": "zone planner"}, "E_TOKEN_TARGET"),
        ({"act": "deny", "target": "w1", "command_sha256": "AB" * 32}, "E_TOKEN_COMMAND"),
        ({"act": "deny", "target": "zone planner", "command_sha256": "ab" * 32}, "E_TOKEN_COMMAND"),
        ({"act": "grant", "target": "zone planner"}, "E_TOKEN_TARGET"),
        ({"act": "grant", "target": "zone planner 0"}, "E_TOKEN_TARGET"),
        ({"act": "grant", "target": "zone planner 9 9"}, "E_TOKEN_TARGET"),
        ({"act": "tool", "target": "w 1"}, "E_TOKEN_TARGET"),
        ({"command_sha256": "ab" * 32}, "E_TOKEN_COMMAND"), ({"command_sha256": None}, "E_TOKEN_COMMAND"),
        ({"config_sha256": ""}, "E_TOKEN_CONFIG"), ({"config_sha256": "AB" * 32}, "E_TOKEN_CONFIG"),
        ({"config_sha256": "ab" * 31}, "E_TOKEN_CONFIG"), ({"config_sha256": 1}, "E_TOKEN_CONFIG"),
        ({"epoch": -1}, "E_TOKEN_EPOCH"), ({"epoch": "7"}, "E_TOKEN_EPOCH"), ({"epoch": True}, "E_TOKEN_EPOCH"),
        ({"epoch": None}, "E_TOKEN_EPOCH"), ({"epoch": 2**53}, "E_TOKEN_EPOCH"),
        ({"stage": "autonomous"}, "E_TOKEN_FIELD"), ({"nbf": 0}, "E_TOKEN_FIELD"),
    ],
)  # fmt: skip
def test_every_wrong_claim_is_refused_by_its_own_code(changes: dict[str, Any], wanted: str) -> None:
    assert code(made(GOOD | changes)) == wanted


CODES = {"command_sha256": "E_TOKEN_COMMAND", "config_sha256": "E_TOKEN_CONFIG"}


@pytest.mark.parametrize("name", FORM.claims)
def test_every_claim_is_mandatory_and_stands_once(name: str) -> None:
    assert code(made({key: value for key, value in GOOD.items() if key != name})) == CODES.get(
        name, f"E_TOKEN_{name.upper()}"
    )
    assert code(made(json.dumps(GOOD)[:-1] + f', "{name}": {json.dumps(GOOD[name])}}}')) == "E_TOKEN_FORM"


@pytest.mark.redteam(19)
def test_the_act_of_a_source_is_none_of_a_person_and_the_other_way_round() -> None:
    """With one key for both: the configuration refuses that, and here it would not help either."""
    of_source = {name: GOOD[name] for name in AgentClaims.__struct_fields__} | {"act": "tool", "target": "gripper"}
    token = sign(ADA, agent_act.FORM, AgentClaims(**of_source))
    assert judge(token.encode(), agent_act.FORM, "panda", KEYS) == AgentClaims(**of_source)
    assert code(token) == "E_TOKEN_HEADER"
    assert code(made(of_source)) == "E_TOKEN_ROLE", "the claims of a source behind the header of a person"
    of_person = sign(ADA, FORM, OperatorClaims(**(GOOD | {"act": "tool"})))
    verdict = judge(of_person.encode(), agent_act.FORM, "panda", KEYS)
    assert isinstance(verdict, Refused)
    assert verdict.code == "E_TOKEN_HEADER"


@given(st.data())
def test_no_mutation_passes_and_none_raises(data: st.DataObject) -> None:
    good = sign(ADA, FORM, OperatorClaims(**GOOD)).encode()
    begin = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(begin, min(len(good), begin + 40)))
    middle = data.draw(st.binary(max_size=40) | st.text("ABCabc019-_.=", max_size=40).map(str.encode))
    mutated = good[:begin] + middle + good[end:]
    assert (code(mutated) == "") == (mutated == good)
