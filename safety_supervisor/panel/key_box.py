"""A person's private key in a file that only the person's password opens.

    {"kind": "safety-supervisor-panel-key", "version": 1, "name": ..., "public_key": ...,
     "memory_kib": ..., "passes": ..., "lanes": ..., "salt": ..., "nonce": ..., "sealed": ...}

Argon2id (RFC 9106) makes the key from the password, ChaCha20-Poly1305 (RFC 8439) seals the seed with it and everything
else in the file, so that nothing of it can be exchanged.
"""

from __future__ import annotations

import json
import os
import secrets
import unicodedata
from pathlib import Path
from typing import Any, Final, NamedTuple

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from safety_supervisor.config.bounds import open_regular
from safety_supervisor.config.public_key import decode_base64url, encode_base64url
from safety_supervisor.tokens.key_file import public_text

SUFFIX: Final = ".panelkey"
SHORTEST: Final = 10
"""Characters of a password."""
_LONGEST_PASSWORD: Final = 256
_LONGEST_FILE: Final = 4096
_KIND: Final = {"kind": "safety-supervisor-panel-key", "version": 1}
_FIELDS: Final = {*_KIND, "name", "public_key", "memory_kib", "passes", "lanes", "salt", "nonce", "sealed"}


class Cost(NamedTuple):
    """Of one try of a password."""

    memory_kib: int = 65536
    passes: int = 3
    lanes: int = 4


DEFAULT: Final = Cost()
"""RFC 9106, 4: the second recommended option."""
_MOST: Final = Cost(1 << 20, 16, 16)


class KeyBoxError(ValueError):
    """The file is missing, or is no key box of that person; says nothing of any password."""


class Box(NamedTuple):
    """A sealed key."""

    name: str
    public_key: str
    cost: Cost
    salt: bytes
    nonce: bytes
    sealed: bytes


def write_new_box(path: Path, name: str, password: str, cost: Cost = DEFAULT) -> str:
    """Make a key, seal it into a new file of mode 0600, and return its public part as the configuration spells it.

    Raises:
        OSError: there is such a file already, or it can not be written.
        ValueError: the password is none that may be.
    """
    if problem := unfit(password):
        raise ValueError(problem)
    key = Ed25519PrivateKey.generate()
    box = Box(name, public_text(key), cost, secrets.token_bytes(16), secrets.token_bytes(12), b"")
    sealed = ChaCha20Poly1305(_derive(password, box.salt, cost)).encrypt(
        box.nonce, key.private_bytes_raw(), _bound(box)
    )
    text = json.dumps(_told(box) | {"sealed": encode_base64url(sealed)}, indent=1) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        path.unlink()  # half a key is none
        raise
    return box.public_key


def unfit(password: str) -> str:
    """Say why a password may not be one; empty where it may."""
    if not SHORTEST <= len(password) <= _LONGEST_PASSWORD:
        return f"a password has {SHORTEST} to {_LONGEST_PASSWORD} characters"
    return ""


def read_box(path: Path, name: str) -> Box:
    """Read a sealed key.

    Raises:
        KeyBoxError: see there.
    """
    try:
        with open_regular(path) as file:
            data = file.read(_LONGEST_FILE)
        held = json.loads(data)
        if not isinstance(held, dict) or set(held) != _FIELDS or any(held[key] != _KIND[key] for key in _KIND):
            raise KeyBoxError(f"{path} is no key of the panel")
        cost = Cost(*(_number(held[key], most) for key, most in zip(Cost._fields, _MOST, strict=True)))
        box = Box(held["name"], held["public_key"], cost, *(_bytes(held[key]) for key in ("salt", "nonce", "sealed")))
    except OSError as error:
        raise KeyBoxError(f"{path}: {error.strerror or error}") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise error if isinstance(error, KeyBoxError) else KeyBoxError(f"{path} is no key of the panel") from None
    if box.name != name or len(box.salt) < 16 or len(box.nonce) != 12:
        raise KeyBoxError(f"{path} is no key of {name}")
    return box


def open_box(box: Box, password: str) -> Ed25519PrivateKey | None:
    """Return the key; None where the password, or anything of the file, is not the one that it was sealed with."""
    derived = _derive(password, box.salt, box.cost)
    try:
        seed = ChaCha20Poly1305(derived).decrypt(box.nonce, box.sealed, _bound(box))
        key = Ed25519PrivateKey.from_private_bytes(seed)
    except (InvalidTag, ValueError):
        return None
    return key if public_text(key) == box.public_key else None


def waste(password: str) -> None:
    """Take as long as a try with the default cost does."""
    _derive(password, bytes(16), DEFAULT)


def _derive(password: str, salt: bytes, cost: Cost) -> bytes:
    text = unicodedata.normalize("NFC", password[:_LONGEST_PASSWORD]).encode("utf-8", "surrogatepass")
    try:
        return hash_secret_raw(text, salt, cost.passes, cost.memory_kib, cost.lanes, 32, Type.ID)
    except HashingError as error:  # as of memory that is less than the lanes need
        raise KeyBoxError(str(error)) from None


def _told(box: Box) -> dict[str, Any]:
    salt, nonce = encode_base64url(box.salt), encode_base64url(box.nonce)
    known = {"name": box.name, "public_key": box.public_key, "salt": salt, "nonce": nonce}
    return _KIND | known | box.cost._asdict()


def _bound(box: Box) -> bytes:
    return json.dumps(_told(box), sort_keys=True, separators=(",", ":")).encode("ascii")


def _number(value: Any, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError
    return int(value)


def _bytes(value: Any) -> bytes:
    decoded = decode_base64url(value) if isinstance(value, str) else None
    if decoded is None:
        raise ValueError
    return decoded
