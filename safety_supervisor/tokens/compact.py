"""Compact JWS, read strictly: one way to write a token, or it is refused.

PyJWT is not used: it takes duplicate keys, unknown header fields and claims, and more than one spelling of a signature
(base64url with unused bits set). Here alg is EdDSA over Ed25519 and nothing else, the header has exactly two fields.

Source: RFC 7515, RFC 8037; RFC 8725 for what goes wrong with such tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety_supervisor.config.public_key import decode_base64url, encode_base64url
from safety_supervisor.core.errors import Code, Violation

LONGEST: Final = 4096
"""Bytes of a token."""
ALGORITHM: Final = "EdDSA"


class Opened(NamedTuple):
    """A token that is well-formed, and not verified yet."""

    claims: dict[str, Any]
    message: bytes
    """What was signed."""
    signature: bytes


def open_token(token: bytes, kind: str) -> Opened | Violation:
    """Take a token apart; nothing of it may be believed before its signature is verified.

    Args:
        token: as it was received.
        kind: `typ` that the header has to name, the version of the claims included.
    """
    if len(token) > LONGEST:
        return Violation(Code.TOKEN_LONG, "token.bytes", float(len(token)), float(LONGEST))
    if not token.isascii():
        return _malformed("not ASCII")
    message, _, last = token.decode("ascii").rpartition(".")
    parts = [decode_base64url(part) for part in (*message.split("."), last)]
    if len(parts) != 3 or None in parts:
        return _malformed("not three parts of base64url, parted by dots")
    header, payload, signature = (part or b"" for part in parts)
    fields = _read_object(header)
    if isinstance(fields, str):
        return Violation(Code.TOKEN_HEADER, "token.header", detail=f"the header {fields}")
    for name, wanted in (("alg", ALGORITHM), ("typ", kind)):
        if fields.get(name) != wanted:
            return Violation(Code.TOKEN_HEADER, f"token.{name}", detail=f"{name} has to be {wanted}")
    if len(fields) != 2:
        return Violation(Code.TOKEN_HEADER, "token.header", detail="the header has other fields than alg and typ")
    claims = _read_object(payload)
    if isinstance(claims, str):
        return _malformed(f"the payload {claims}")
    return Opened(claims, message.encode("ascii"), signature)


def kind_of(token: bytes) -> str:
    """Return what a token says that it is, unverified; empty where it says nothing readable."""
    first = decode_base64url(token[:LONGEST].partition(b".")[0].decode("ascii", "replace"))
    fields = _read_object(first or b"")
    kind = "" if isinstance(fields, str) else fields.get("typ")
    return kind if isinstance(kind, str) else ""


def sign(key: Ed25519PrivateKey, kind: str, claims: Mapping[str, object]) -> str:
    """Return the token."""
    header = {"alg": ALGORITHM, "typ": kind}
    parts = (json.dumps(part, separators=(",", ":")).encode("ascii") for part in (header, claims))
    message = ".".join(encode_base64url(part) for part in parts)
    return f"{message}.{encode_base64url(key.sign(message.encode('ascii')))}"


def _malformed(detail: str) -> Violation:
    return Violation(Code.TOKEN_FORM, "token.form", detail=detail)


def _read_object(data: bytes) -> dict[str, Any] | str:
    """Read a JSON object; a text says what is wrong with it (stdlib's json takes NaN and duplicate keys)."""
    try:
        value = json.loads(
            data.decode("ascii"), object_pairs_hook=_once, parse_float=_no_number, parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:
        return str(error) if isinstance(error, _Wrong) else "is not JSON in ASCII"
    return value if isinstance(value, dict) else "is no JSON object"


class _Wrong(ValueError):
    """What is wrong, in words of ours."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _Wrong("has a key twice")
    return fields


def _no_number(text: str) -> float:
    raise _Wrong("has a number that is not whole")
