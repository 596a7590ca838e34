"""What a token says, and why one is refused: apart from the verification, so that reading them needs no OpenSSL."""

from __future__ import annotations

import msgspec


class Claims(msgspec.Struct, frozen=True, tag=True):
    """What a verified token says."""

    iss: str
    """Source, the key's holder."""
    sub: str
    """Who or what acted for it."""
    aud: str
    """Robot."""
    nonce: str
    """As it was shown in the status."""
    jti: str
    """Id of the token, used once."""
    iat: int
    """When it was made, by the sender's wall clock, [s]; advisory."""
    exp: int
    """Until when, likewise."""
    act: str
    target: str
    """The tool that is taken; empty: what was carried is put down."""
    reason: str


class Refused(msgspec.Struct, frozen=True, tag=True):
    """A token that is refused."""

    code: str
    detail: str
    value: float = 0.0
    limit: float = 0.0
    source: str = ""
    """Whose it is; empty unless its signature was verified."""
    jti: str = ""
    """Its id; empty unless its signature was verified and the id is one."""
