"""What a token may say: the table of bad ones, each with one thing wrong, and every single byte changed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from safety_supervisor.tokens.agent_act import FORM
from safety_supervisor.tokens.claims import AgentClaims, OperatorClaims, Refused
from safety_supervisor.tokens.signed_act import judge, sign

CLAIMS, KIND = FORM.claims, FORM.kind
PLANNER, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = {"planner": PLANNER.public_key(), "joystick": OTHER.public_key()}
HEADER = {"alg": "EdDSA", "typ": KIND}
GOOD: dict[str, Any] = {
    "iss": "planner", "sub": "test", "aud": "panda", "nonce": "0123456789abcdef" * 2, "jti": "token-0001",
    "iat": 1_700_000_000, "exp": 1_700_000_030, "act": "tool", "target": "gripper", "reason": "",
}  # fmt: skip


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def made(payload: Any = None, header: Any = None, key: Ed25519PrivateKey = PLANNER) -> str:
    """Sign any bytes as a token: the bad ones are properly signed, so that nothing else is wrong with them."""
    parts = [HEADER if header is None else header, GOOD if payload is None else payload]
    texts = [part if isinstance(part, str) else json.dumps(part) for part in parts]
    message = ".".join(encode(text.encode()) for text in texts)
    return f"{message}.{encode(key.sign(message.encode()))}"


def judged(token: str | bytes) -> AgentClaims | OperatorClaims | Refused:
    return judge(token if isinstance(token, bytes) else token.encode(), FORM, "panda", KEYS)


def code(token: str | bytes) -> str:
    verdict = judged(token)
    return verdict.code if isinstance(verdict, Refused) else ""


def but(**changes: Any) -> dict[str, Any]:
    return GOOD | changes


def test_a_good_one_says_what_it_says() -> None:
    assert judged(made()) == AgentClaims(**GOOD)
    assert judged(sign(PLANNER, FORM, AgentClaims(**GOOD))) == AgentClaims(**GOOD)
    assert judged(made(but(target=""))) == AgentClaims(**but(target=""))


@pytest.mark.redteam(7)
@pytest.mark.redteam(8)
@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ({"alg": "none", "typ": KIND}, "E_TOKEN_HEADER"),
        ({"alg": "ES256", "typ": KIND}, "E_TOKEN_HEADER"),
        ({"alg": "eddsa", "typ": KIND}, "E_TOKEN_HEADER"),
        ({"alg": "EdDSA", "typ": "JWT"}, "E_TOKEN_HEADER"),
        ({"alg": "EdDSA", "typ": "agent-act.v2+jwt"}, "E_TOKEN_HEADER"),
        ({"alg": "EdDSA"}, "E_TOKEN_HEADER"),
        ({"typ": KIND}, "E_TOKEN_HEADER"),
        (HEADER | {"kid": "planner"}, "E_TOKEN_HEADER"),
        (HEADER | {"crit": ["exp"]}, "E_TOKEN_HEADER"),
        (f'{{"alg":"none","alg":"EdDSA","typ":"{KIND}"}}', "E_TOKEN_HEADER"),
        ("[]", "E_TOKEN_HEADER"),
        ("{", "E_TOKEN_HEADER"),
    ],
)
def test_every_other_header_is_refused(header: Any, wanted: str) -> None:
    assert code(made(header=header)) == wanted


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"iss": "nobody"}, "E_TOKEN_ISS"), ({"iss": 1}, "E_TOKEN_ISS"), ({"iss": ["planner"]}, "E_TOKEN_ISS"),
        ({"sub": ""}, "E_TOKEN_SUB"), ({"sub": "x" * 65}, "E_TOKEN_SUB"), ({"sub": "a\nb"}, "E_TOKEN_SUB"),
        ({"sub": "\u202e"}, "E_TOKEN_SUB"), ({"sub": None}, "E_TOKEN_SUB"),
        ({"aud": "another"}, "E_TOKEN_AUD"), ({"aud": ["panda"]}, "E_TOKEN_AUD"), ({"aud": ""}, "E_TOKEN_AUD"),
        ({"nonce": "0"}, "E_TOKEN_NONCE"), ({"nonce": "0123456789ABCDEF" * 2}, "E_TOKEN_NONCE"),
        ({"nonce": 1}, "E_TOKEN_NONCE"),
        ({"jti": "short"}, "E_TOKEN_JTI"), ({"jti": "x" * 65}, "E_TOKEN_JTI"), ({"jti": "a b c d e f"}, "E_TOKEN_JTI"),
        ({"jti": 12345678}, "E_TOKEN_JTI"),
        ({"iat": "now"}, "E_TOKEN_IAT"), ({"iat": True}, "E_TOKEN_IAT"), ({"iat": -1}, "E_TOKEN_IAT"),
        ({"iat": 2**53}, "E_TOKEN_IAT"), ({"exp": None}, "E_TOKEN_EXP"), ({"exp": 1_699_999_999}, "E_TOKEN_EXP"),
        ({"act": "reset"}, "E_TOKEN_ACT"), ({"act": ["tool"]}, "E_TOKEN_ACT"), ({"act": "Tool"}, "E_TOKEN_ACT"),
        ({"target": "Gripper"}, "E_TOKEN_TARGET"), ({"target": "gripper\n"}, "E_TOKEN_TARGET"),
        ({"target": None}, "E_TOKEN_TARGET"), ({"target": "x" * 33}, "E_TOKEN_TARGET"),
        ({"reason": "x" * 201}, "E_TOKEN_REASON"), ({"reason": "<b>\x1b"}, "E_TOKEN_REASON"),
        ({"reason": {}}, "E_TOKEN_REASON"),
        ({"role": "maintainer"}, "E_TOKEN_FIELD"), ({"nbf": 0}, "E_TOKEN_FIELD"),
    ],
)  # fmt: skip
def test_every_wrong_claim_is_refused_by_its_own_code(changes: dict[str, Any], wanted: str) -> None:
    assert code(made(but(**changes))) == wanted


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_is_mandatory(name: str) -> None:
    assert code(made({key: value for key, value in GOOD.items() if key != name})) == f"E_TOKEN_{name.upper()}"


@pytest.mark.redteam(8)
@pytest.mark.parametrize("name", CLAIMS)
def test_no_claim_may_stand_twice(name: str) -> None:
    text = json.dumps(GOOD)
    assert code(made(text[:-1] + f', "{name}": {json.dumps(GOOD[name])}}}')) == "E_TOKEN_FORM"
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in name)
    assert code(made(text[:-1] + f', "{escaped}": {json.dumps(GOOD[name])}}}')) == "E_TOKEN_FORM"


@pytest.mark.parametrize(
    "payload",
    ["", "null", "[1]", '"text"', "{", json.dumps(GOOD) + "x", json.dumps(GOOD)[:-1] + ', "x": NaN}',
     json.dumps(GOOD)[:-1] + ', "x": 1e999}', json.dumps(GOOD)[:-1] + ', "x": 1.0}', "[" * 2900, '{"a":' * 500],
)  # fmt: skip
def test_what_is_no_plain_json_object_is_refused(payload: str) -> None:
    assert code(made(payload)) == "E_TOKEN_FORM"


def test_what_is_no_compact_jws_is_refused() -> None:
    good = made()
    header, payload, signature = good.split(".")
    wrong = [
        "",
        ".",
        "...",
        header,
        f"{header}.{payload}",
        f"{good}.",
        f"{good}.x",
        f".{good}",
        good + "=",
        good + "\n",
    ]
    wrong += [" " + good, f"{header}.{payload}.{signature} ", good.replace(".", ","), good[:-1] + "\u00e9"]
    for token in wrong:
        assert code(token) == "E_TOKEN_FORM", token
    assert code(good.encode() + b"\xff") == "E_TOKEN_FORM"
    assert code(f"{header}.{payload}.") == "E_TOKEN_SIGNATURE"
    assert code(b"A" * 4097) == "E_TOKEN_LONG"
    assert code(b"A" * 4096) == "E_TOKEN_FORM"


def test_what_the_holder_of_the_key_has_not_signed_is_refused() -> None:
    assert code(made(key=OTHER)) == "E_TOKEN_SIGNATURE"
    assert code(made(but(iss="joystick"))) == "E_TOKEN_SIGNATURE", "with the key of another source"
    assert code(made(key=Ed25519PrivateKey.generate())) == "E_TOKEN_SIGNATURE"
    header, payload, _ = made(header={"alg": "none", "typ": KIND}).split(".")
    assert code(f"{header}.{payload}.") == "E_TOKEN_HEADER"


def test_the_public_key_is_no_secret() -> None:
    message = f"{encode(json.dumps({'alg': 'HS256', 'typ': KIND}).encode())}.{encode(json.dumps(GOOD).encode())}"
    secret = PLANNER.public_key().public_bytes_raw()
    mac = hmac.new(secret, message.encode(), hashlib.sha256).digest()
    assert code(f"{message}.{encode(mac)}") == "E_TOKEN_HEADER"


def test_of_an_unverified_one_nothing_is_told() -> None:
    refused = judged(made(but(reason="x" * 200), key=OTHER))
    assert isinstance(refused, Refused)
    assert (refused.source, refused.jti) == ("", "")
    verified = judged(made(but(act="reset")))
    assert isinstance(verified, Refused)
    assert (verified.source, verified.jti) == ("planner", "token-0001")
    nameless = judged(made(but(jti="x" * 2000)))
    assert isinstance(nameless, Refused)
    assert (nameless.code, nameless.source, nameless.jti) == ("E_TOKEN_JTI", "planner", "")


def test_every_single_byte_that_is_changed_is_noticed() -> None:
    good = sign(PLANNER, FORM, AgentClaims(**GOOD)).encode()
    assert code(good) == ""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    for place, byte in enumerate(good):
        for other in {alphabet[(alphabet.index(byte) + step) % len(alphabet)] for step in (1, 2, 16, 32)} | {
            byte ^ 0x80
        }:
            assert code(good[:place] + bytes([other]) + good[place + 1 :]) != "", (place, other)
    last = good[-1:]
    for other in alphabet:  # the last character has unused bits: one spelling only
        assert (code(good[:-1] + bytes([other])) == "") == (bytes([other]) == last)


@given(st.data())
def test_no_mutation_passes_and_none_raises(data: st.DataObject) -> None:
    good = sign(PLANNER, FORM, AgentClaims(**GOOD)).encode()
    begin = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(begin, min(len(good), begin + 40)))
    middle = data.draw(st.binary(max_size=40) | st.text("ABCabc019-_.=", max_size=40).map(str.encode))
    mutated = good[:begin] + middle + good[end:]
    assert (code(mutated) == "") == (mutated == good)


@given(st.binary(max_size=5000))
def test_garbage_is_refused(data: bytes) -> None:
    assert code(data) in ("E_TOKEN_FORM", "E_TOKEN_LONG", "E_TOKEN_HEADER")
