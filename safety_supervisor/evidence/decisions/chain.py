"""The chain: canonical JSON lines, each with the hash of the line before it. Pure functions over bytes and keys.

A *record* is one line: a JSON object in ASCII, keys sorted, no spaces, floats as the shortest text that reads back to
the same bits, NaN and infinities as the texts `NaN`, `Infinity`, `-Infinity`. Its *hash* is SHA-256 over the line
without its line feed, hexadecimal. `previous` is the hash of the line before, empty for the first of all; `sequence`
counts records over all segments and boots of a robot. A signed record has `signature` besides: Ed25519 over the same
line without that member. Whoever has `sha256` and an Ed25519 verifier can check a log without this program.
Requirement: SR-042.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Body: TypeAlias = dict[str, Any]
"""A record before it has its place in the chain."""

FORMAT: Final = 1
"""Version of the records' form, in each segment's first one."""
SEGMENT, HEAD, TOMBSTONE = "segment", "head", "tombstone"
"""Kinds of records that are about the chain itself; `record.py` has the others."""


class Point(NamedTuple):
    """A place in the chain: the record that was written last."""

    sequence: int
    sha256: str


START: Final = Point(0, "")
"""Before the first record of all, which has sequence 1."""


def canonical(body: Mapping[str, Any]) -> bytes:
    """Return the one text of a record."""
    try:
        return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
    except ValueError:  # a value that was refused may be no number: that is what is to be recorded
        return json.dumps(_spelled(body), sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _spelled(value: Any) -> Any:
    """Return a value with each float that JSON does not know spelled out."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {name: _spelled(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(member) for member in value]
    return value


def sha256(line: bytes) -> str:
    """Return the hash of a line."""
    return hashlib.sha256(line).hexdigest()


def sign(body: Body, key: Ed25519PrivateKey) -> Body:
    """Return a record with its signature, which the same record and key give again."""
    return body | {"signature": key.sign(canonical(body)).hex()}


def is_signed(record: Mapping[str, Any], key: str) -> bool:
    """Return whether a record carries the signature of a key.

    Args:
        record: with `signature`.
        key: public, hexadecimal.
    """
    bare = {name: value for name, value in record.items() if name != "signature"}
    try:
        signature = bytes.fromhex(record["signature"])
        if signature.hex() != record["signature"]:
            return False  # another spelling of the same signature is another record
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, canonical(bare))
    except (InvalidSignature, KeyError, TypeError, ValueError):
        return False
    return True


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public key, hexadecimal."""
    return key.public_key().public_bytes_raw().hex()


def link(bodies: Iterable[Body], after: Point, key: Ed25519PrivateKey) -> tuple[bytes, Point]:
    """Give records their places in the chain.

    Args:
        bodies: in order; heads are signed with the key. What is signed already keeps its place and must come first.
        after: what was written last.
        key: of the segment.

    Returns:
        The lines, each with its line feed, and the place of the last one.
    """
    lines = []
    sequence, previous = after
    for body in bodies:
        sequence += 1
        placed = body | {"sequence": sequence, "previous": previous}
        line = canonical(sign(placed, key) if body["kind"] == HEAD else placed)
        previous = sha256(line)
        lines.append(line)
    return b"".join(line + b"\n" for line in lines), Point(sequence, previous)
