"""The act of a source, signed by the holder of its key: every claim, and what it may say.

A token says by itself whose it is; who published it proves nothing. `iat` and `exp` have to be there and say nothing:
no wall clock is trusted, what makes a token fresh is its nonce (`freshness.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from safety_supervisor.config.keys import NAME
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.tokens import compact
from safety_supervisor.tokens.claims import Claims, Refused

KIND: Final = "agent-act.v1+jwt"
"""`typ` of the header. Other claims, or another meaning of one, make another version."""
ACT: Final = "tool"


def _text(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _time(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


_is_id = _text(r"[A-Za-z0-9_.-]{8,64}")
_SHOWN: Final = r"[ -~]"
CLAIMS: Final[dict[str, tuple[Code, Callable[[Any], bool], str]]] = {
    "iss": (Code.TOKEN_ISS, _text(NAME.pattern), "the name of a source"),
    "sub": (Code.TOKEN_SUB, _text(_SHOWN + "{1,64}"), "1 to 64 printable ASCII characters"),
    "aud": (Code.TOKEN_AUD, lambda value: isinstance(value, str), "the robot's id, as text"),
    "nonce": (Code.TOKEN_NONCE, _text("[0-9a-f]{32}"), "32 hexadecimal digits"),
    "jti": (Code.TOKEN_JTI, _is_id, "8 to 64 letters, digits, '_', '.' and '-'"),
    "iat": (Code.TOKEN_IAT, _time, "a whole number of seconds"),
    "exp": (Code.TOKEN_EXP, _time, "a whole number of seconds, not before iat"),
    "act": (Code.TOKEN_ACT, lambda value: value == ACT, f"{ACT}"),
    "target": (Code.TOKEN_TARGET, _text(rf"({NAME.pattern})?"), "the name of a tool, or empty"),
    "reason": (Code.TOKEN_REASON, _text(_SHOWN + "{0,200}"), "at most 200 printable ASCII characters"),
}
"""Every claim: the code of its refusal, what it may be, and that in words."""


def judge(token: bytes, robot: str, keys: Mapping[str, Ed25519PublicKey]) -> Claims | Refused:
    """Verify a token as far as that needs no memory: form, signature, every claim by itself.

    Args:
        token: as it was received.
        robot: id, which `aud` has to name.
        keys: public key of each source that may sign.

    Returns:
        What it says; it is not known yet to be fresh (`Freshness.consume`). Or why it is refused.
    """
    opened = compact.open_token(token, KIND)
    if isinstance(opened, Violation):
        return Refused(opened.code.value, opened.detail or opened.code.cause, opened.value, opened.limit)
    claims = opened.claims
    source = claims.get("iss")
    if not isinstance(source, str) or not CLAIMS["iss"][1](source):
        return _refused(Code.TOKEN_ISS, "iss is missing, or no name of a source")
    if source not in keys:
        return _refused(Code.TOKEN_ISS, "no source of that name has a key")
    try:
        keys[source].verify(opened.signature, opened.message)
    except InvalidSignature:
        return _refused(Code.TOKEN_SIGNATURE, Code.TOKEN_SIGNATURE.cause)
    # From here on it is known whose it is.
    jti = claims.get("jti")
    whose = source, jti if isinstance(jti, str) and _is_id(jti) else ""
    for name, (code, fits, words) in CLAIMS.items():
        if name not in claims:
            return _refused(code, f"{name} is missing", *whose)
        if not fits(claims[name]):
            return _refused(code, f"{name} has to be {words}", *whose)
    if len(claims) != len(CLAIMS):
        return _refused(Code.TOKEN_FIELD, f"claims are {', '.join(CLAIMS)}, and no others", *whose)
    if claims["exp"] < claims["iat"]:
        return _refused(Code.TOKEN_EXP, f"exp has to be {CLAIMS['exp'][2]}", *whose)
    if claims["aud"] != robot:
        return _refused(Code.TOKEN_AUD, "aud names another robot", *whose)
    return Claims(**claims)


def sign(key: Ed25519PrivateKey, claims: Claims) -> str:
    """Return the token that says this."""
    return compact.sign(key, KIND, msgspec.structs.asdict(claims))


def _refused(code: Code, detail: str, source: str = "", jti: str = "") -> Refused:
    return Refused(code.value, detail, 0.0, 0.0, source, jti)
