"""What a token may say by which an agent introduces itself; it is taken for no other kind, and no other for it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from safety_supervisor.ros.token_judge import FORMS
from safety_supervisor.tokens import agent_act, operator_act
from safety_supervisor.tokens.agent_session import FORM
from safety_supervisor.tokens.claims import AGENT_ACT, OPERATOR_ACT, AgentClaims, Refused, SessionClaims
from safety_supervisor.tokens.compact import kind_of
from safety_supervisor.tokens.signed_act import judge, sign

PLANNER, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = {"planner": PLANNER.public_key(), "walker": OTHER.public_key()}
COMMON: dict[str, Any] = {
    "iss": "planner", "sub": "test", "aud": "panda", "nonce": "0123456789abcdef" * 2, "jti": "token-0001",
    "iat": 1_700_000_000, "exp": 1_700_000_030, "reason": "",
}  # fmt: skip
GOOD: dict[str, Any] = COMMON | {
    "model": "cell_policy", "version": "1.2.0", "model_sha256": "ab" * 32, "contract": 1, "groups": ["arm"],
}  # fmt: skip
TOOL: dict[str, Any] = COMMON | {"act": "tool", "target": "gripper"}
OPERATOR: dict[str, Any] = COMMON | {
    "sub": "planner", "role": "technician", "act": "reset", "target": "", "command_sha256": "",
    "config_sha256": "ab" * 32, "epoch": 7,
}  # fmt: skip


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def made(payload: dict[str, Any] | str, typ: str = FORM.kind, key: Ed25519PrivateKey = PLANNER) -> str:
    """Sign anything as a token: nothing else is wrong with the bad ones."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    message = f"{encode(json.dumps({'alg': 'EdDSA', 'typ': typ}).encode())}.{encode(text.encode())}"
    return f"{message}.{encode(key.sign(message.encode()))}"


def code(token: str | bytes, form: Any = FORM) -> str:
    verdict = judge(token if isinstance(token, bytes) else token.encode(), form, "panda", KEYS)
    return verdict.code if isinstance(verdict, Refused) else ""


def test_a_good_one_says_what_it_says() -> None:
    wanted = SessionClaims(**(GOOD | {"groups": ("arm",)}))
    assert judge(made(GOOD).encode(), FORM, "panda", KEYS) == wanted
    assert judge(sign(PLANNER, FORM, wanted).encode(), FORM, "panda", KEYS) == wanted
    assert code(made(GOOD | {"groups": []})) == ""


@pytest.mark.redteam(7)
@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"model": ""}, "E_TOKEN_MODEL"), ({"model": "a b"}, "E_TOKEN_MODEL"), ({"model": "x" * 65}, "E_TOKEN_MODEL"),
        ({"model": "cell\n"}, "E_TOKEN_MODEL"), ({"model": 1}, "E_TOKEN_MODEL"),
        ({"model": "\u0441ell"}, "E_TOKEN_MODEL"),
        ({"version": ""}, "E_TOKEN_VERSION"), ({"version": 1.2}, "E_TOKEN_FORM"), ({"version": 1}, "E_TOKEN_VERSION"),
        ({"version": "x" * 33}, "E_TOKEN_VERSION"), ({"version": "1.2.0\n"}, "E_TOKEN_VERSION"),
        ({"model_sha256": "AB" * 32}, "E_TOKEN_MODEL_SHA256"), ({"model_sha256": "ab" * 31}, "E_TOKEN_MODEL_SHA256"),
        ({"model_sha256": ""}, "E_TOKEN_MODEL_SHA256"), ({"model_sha256": None}, "E_TOKEN_MODEL_SHA256"),
        ({"contract": "1"}, "E_TOKEN_CONTRACT"), ({"contract": True}, "E_TOKEN_CONTRACT"),
        ({"contract": -1}, "E_TOKEN_CONTRACT"), ({"contract": None}, "E_TOKEN_CONTRACT"),
        ({"groups": "arm"}, "E_TOKEN_GROUPS"), ({"groups": ["arm", "arm"]}, "E_TOKEN_GROUPS"),
        ({"groups": [1]}, "E_TOKEN_GROUPS"), ({"groups": [["arm"]]}, "E_TOKEN_GROUPS"),
        ({"groups": {}}, "E_TOKEN_GROUPS"),
        ({"groups": ["Arm"]}, "E_TOKEN_GROUPS"), ({"groups": [f"g{n}" for n in range(21)]}, "E_TOKEN_GROUPS"),
        ({"groups": None}, "E_TOKEN_GROUPS"), ({"iss": "nobody"}, "E_TOKEN_ISS"),
        ({"iss": "walker"}, "E_TOKEN_SIGNATURE"),
        ({"aud": "another"}, "E_TOKEN_AUD"), ({"exp": 1}, "E_TOKEN_EXP"), ({"reason": "\x1b"}, "E_TOKEN_REASON"),
        ({"act": "tool"}, "E_TOKEN_FIELD"), ({"stage": "autonomous"}, "E_TOKEN_FIELD"), ({"nbf": 0}, "E_TOKEN_FIELD"),
    ],
)  # fmt: skip
def test_every_wrong_claim_is_refused_by_its_own_code(changes: dict[str, Any], wanted: str) -> None:
    assert code(made(GOOD | changes)) == wanted


@pytest.mark.parametrize("name", FORM.claims)
def test_every_claim_is_mandatory(name: str) -> None:
    assert code(made({key: value for key, value in GOOD.items() if key != name})) == f"E_TOKEN_{name.upper()}"


@pytest.mark.redteam(8)
@pytest.mark.parametrize("name", FORM.claims)
def test_no_claim_may_stand_twice(name: str) -> None:
    text = json.dumps(GOOD)
    assert code(made(text[:-1] + f', "{name}": {json.dumps(GOOD[name])}}}')) == "E_TOKEN_FORM"


@pytest.mark.redteam(7)
@pytest.mark.redteam(19)
def test_no_kind_of_token_is_taken_for_another() -> None:
    forms = {"session": FORM, "tool": agent_act.FORM, "person": operator_act.FORM}
    claims = {"session": GOOD, "tool": TOOL, "person": OPERATOR}
    for said, payload in claims.items():
        for asked, form in forms.items():
            token = made(payload, forms[said].kind)
            assert code(token, form) == ("" if said == asked else "E_TOKEN_HEADER"), (said, asked)
            if said != asked:
                # Even with the other's header its claims are others.
                assert code(made(payload, form.kind), form).startswith("E_TOKEN_"), (said, asked)


@pytest.mark.redteam(19)
def test_each_topic_takes_its_own_kinds_alone() -> None:
    def on(topic: str, token: str) -> Any:
        form = FORMS[topic].get(kind_of(token.encode()), FORMS[topic][topic])
        return judge(token.encode(), form, "panda", KEYS)

    assert isinstance(on(AGENT_ACT, made(GOOD)), SessionClaims)
    assert isinstance(on(AGENT_ACT, made(TOOL, agent_act.FORM.kind)), AgentClaims)
    for topic, payload, typ in (
        (AGENT_ACT, OPERATOR, operator_act.FORM.kind), (OPERATOR_ACT, GOOD, FORM.kind),
        (OPERATOR_ACT, TOOL, agent_act.FORM.kind), (AGENT_ACT, GOOD, "agent-session.v2+jwt"), (AGENT_ACT, GOOD, "JWT"),
    ):  # fmt: skip
        refused = on(topic, made(payload, typ))
        assert isinstance(refused, Refused)
        assert refused.code == "E_TOKEN_HEADER"


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    assert isinstance(kind_of(data), str)
    assert code(data).startswith("E_TOKEN_")


def test_every_changed_byte_is_refused() -> None:
    good = made(GOOD).encode()
    for at in range(len(good)):
        assert code(good[:at] + bytes([good[at] ^ 0x01]) + good[at + 1 :]) != "", at
