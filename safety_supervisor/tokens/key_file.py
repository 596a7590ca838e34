"""The private key of a source: a JWK in a file that nobody but its owner can read."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety_supervisor.config.bounds import open_regular
from safety_supervisor.config.public_key import decode_base64url, encode_base64url

_MODE: Final = 0o600
_LONGEST: Final = 4096
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_KIND: Final = {"kty": "OKP", "crv": "Ed25519"}


class KeyFileError(ValueError):
    """A key file is missing, unreadable by us, readable by others, or holds no key."""


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public key as the configuration spells it."""
    return encode_base64url(key.public_key().public_bytes_raw())


def write_new_key(path: Path) -> Ed25519PrivateKey:
    """Make a key and write it to a new file, mode 0600.

    Raises:
        OSError: there is such a file already, or it can not be written.
    """
    key = Ed25519PrivateKey.generate()
    held = _KIND | {"d": encode_base64url(key.private_bytes_raw()), "x": public_text(key)}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(descriptor, _MODE)
            file.write(json.dumps(held) + "\n")
            file.flush()
            os.fsync(descriptor)
    except OSError:
        path.unlink()  # half a key is none, and would keep the next one from being written
        raise
    return key


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        KeyFileError: see there.
    """
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                raise KeyFileError(f"{path} can be read by others: make a new key, and keep it at mode 0600")
            data = file.read(_LONGEST)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror or error}") from None
    try:
        held = json.loads(data)
    except (ValueError, RecursionError):
        held = None
    if not isinstance(held, dict) or any(held.get(name) != value for name, value in _KIND.items()):
        raise KeyFileError(f"{path} is no JWK of an Ed25519 key")
    seed = decode_base64url(held["d"]) if isinstance(held.get("d"), str) else None
    if seed is None or len(seed) != 32:
        raise KeyFileError(f"{path} holds no private key")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    if held.get("x") != public_text(key):
        raise KeyFileError(f"{path}: public and private key do not belong together")
    return key
