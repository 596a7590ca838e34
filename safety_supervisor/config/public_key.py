"""Public keys of the configuration: base64url of a point of Ed25519 that a private key can belong to.

Nothing but arithmetic: a signature is never checked here. OpenSSL takes any 32 bytes for a public key; by a point of
low order everybody can sign everything.

Source: RFC 8032, 5.1.3 (decoding), RFC 8037 (`x` of a JWK), RFC 4648, 5 (base64url).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

LENGTH: Final = 43
"""Characters of a key: 32 bytes, without padding."""
_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*")
_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE: Final = pow(2, (_P - 1) // 4, _P)
_COFACTOR_DOUBLINGS: Final = 3


def decode_base64url(text: str) -> bytes | None:
    """Decode base64url without padding; None for what an encoder would not have written, unused bits included."""
    if _ALPHABET.fullmatch(text) is None:
        return None
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return None
    return data if encode_base64url(data) == text else None


def encode_base64url(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def refuse_public_key(text: str) -> str:
    """Say why a text is no usable Ed25519 public key; empty where it is one."""
    data = decode_base64url(text) if len(text) == LENGTH else None
    if data is None:
        return f"is not {LENGTH} characters of base64url (`x` of a JWK)"
    point = _decode(data)
    if point is None:
        return "is no point of Ed25519"
    for _ in range(_COFACTOR_DOUBLINGS):
        point = _double(point)
    return "is a point of low order, by which everybody can sign" if point == (0, 1) else ""


def _decode(data: bytes) -> tuple[int, int] | None:
    """Return the point's x and y; None where the bytes encode none, or not in the one way that counts."""
    number = int.from_bytes(data, "little")
    y, odd = number & (2**255 - 1), number >> 255
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if x * x % _P != square or (x == 0 and odd):
        return None
    return (x if x & 1 == odd else _P - x), y


def _double(point: tuple[int, int]) -> tuple[int, int]:
    """Add a point to itself; the curve's formula has no exceptions (RFC 8032, 5.1.4)."""
    x, y = point
    product = _D * x * x * y * y % _P
    return (
        2 * x * y * pow(1 + product, -1, _P) % _P,
        (y * y + x * x) * pow(1 - product, -1, _P) % _P,
    )
