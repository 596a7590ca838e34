"""A signed act of any kind: form, signature, every claim by itself. What the claims are, each kind says.

A token says by itself whose it is; who published it proves nothing. `iat` and `exp` have to be there and say nothing:
no wall clock is trusted, what makes a token fresh is its nonce (`freshness.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from safety_supervisor.config.keys import NAME
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.tokens import compact
from safety_supervisor.tokens.claims import Refused

Said = TypeVar("Said", bound=msgspec.Struct)
"""Claims of one kind."""


class Claim(NamedTuple):
    """One claim: the code of its refusal, what it may be, and that in words."""

    code: Code
    fits: Callable[[Any], bool]
    words: str


@dataclass(frozen=True)
class Form(Generic[Said]):
    """A kind of act.

    Attributes:
        kind: `typ` of the header.
        claims: all that have to be there, and no others.
        made: what a token of this kind becomes.
        holder: who has keys for it, in words.
        contradiction: says which claim the others contradict, and how; None: they agree.
    """

    kind: str
    claims: Mapping[str, Claim]
    made: Callable[..., Said]
    holder: str
    contradiction: Callable[[Mapping[str, Any]], tuple[Code, str] | None]


def text(pattern: str) -> Callable[[Any], bool]:
    """Return what tells texts that match the whole of a pattern."""
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def whole(value: Any) -> bool:
    """Tell whole numbers that JSON's readers agree on, from 0."""
    return type(value) is int and 0 <= value < 2**53


_is_id = text(r"[A-Za-z0-9_.-]{8,64}")
SHOWN: Final = r"[ -~]"
"""A printable character."""
COMMON: Final[dict[str, Claim]] = {
    "sub": Claim(Code.TOKEN_SUB, text(SHOWN + "{1,64}"), "1 to 64 printable ASCII characters"),
    "aud": Claim(Code.TOKEN_AUD, lambda value: isinstance(value, str), "the robot's id, as text"),
    "nonce": Claim(Code.TOKEN_NONCE, text("[0-9a-f]{32}"), "32 hexadecimal digits"),
    "jti": Claim(Code.TOKEN_JTI, _is_id, "8 to 64 letters, digits, '_', '.' and '-'"),
    "iat": Claim(Code.TOKEN_IAT, whole, "a whole number of seconds"),
    "exp": Claim(Code.TOKEN_EXP, whole, "a whole number of seconds, not before iat"),
    "reason": Claim(Code.TOKEN_REASON, text(SHOWN + "{0,200}"), "at most 200 printable ASCII characters"),
}
"""Claims of every kind."""
is_name: Final = text(NAME.pattern)


def judge(token: bytes, form: Form[Said], robot: str, keys: Mapping[str, Ed25519PublicKey]) -> Said | Refused:
    """Verify a token as far as that needs no memory: form, signature, every claim by itself.

    Args:
        token: as it was received.
        form: that it has to have, by the topic on which it came.
        robot: id, which `aud` has to name.
        keys: public key of each holder that may sign such a token.

    Returns:
        What it says; it is not known yet to be fresh (`Freshness.consume`). Or why it is refused.
    """
    opened = compact.open_token(token, form.kind)
    if isinstance(opened, Violation):
        return Refused(opened.code.value, opened.detail or opened.code.cause, opened.value, opened.limit)
    claims = opened.claims
    holder = claims.get("iss")
    if not isinstance(holder, str) or not is_name(holder):
        return _refused(Code.TOKEN_ISS, f"iss is missing, or no name of {form.holder}")
    if holder not in keys:
        return _refused(Code.TOKEN_ISS, f"{form.holder} of that name has no key here")
    try:
        keys[holder].verify(opened.signature, opened.message)
    except InvalidSignature:
        return _refused(Code.TOKEN_SIGNATURE, Code.TOKEN_SIGNATURE.cause)
    # From here on it is known whose it is.
    jti = claims.get("jti")
    whose = holder, jti if isinstance(jti, str) and _is_id(jti) else ""
    for name, claim in form.claims.items():
        if name not in claims:
            return _refused(claim.code, f"{name} is missing", *whose)
        if not claim.fits(claims[name]):
            return _refused(claim.code, f"{name} has to be {claim.words}", *whose)
    if len(claims) != len(form.claims):
        return _refused(Code.TOKEN_FIELD, f"claims are {', '.join(form.claims)}, and no others", *whose)
    if "exp" in form.claims and claims["exp"] < claims["iat"]:
        return _refused(Code.TOKEN_EXP, f"exp has to be {form.claims['exp'].words}", *whose)
    if claims["aud"] != robot:
        return _refused(Code.TOKEN_AUD, f"aud has to be {robot}: `robot.id` of this robot", *whose)
    contradiction = form.contradiction(claims)
    if contradiction is not None:
        return _refused(*contradiction, *whose)
    return form.made(**{name: tuple(value) if isinstance(value, list) else value for name, value in claims.items()})


def sign(key: Ed25519PrivateKey, form: Form[Said], claims: Said) -> str:
    """Return the token that says this."""
    return compact.sign(key, form.kind, msgspec.structs.asdict(claims))


def _refused(code: Code, detail: str, source: str = "", jti: str = "") -> Refused:
    return Refused(code.value, detail, 0.0, 0.0, source, jti)
