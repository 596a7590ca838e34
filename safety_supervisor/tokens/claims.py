"""What a token says, and why one is refused: apart from the verification, so that reading them needs no OpenSSL."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

AGENT_ACT: Final = "agent-act.v1+jwt"
AGENT_SESSION: Final = "agent-session.v1+jwt"
OPERATOR_ACT: Final = "operator-act.v1+jwt"
HOLD: Final = "hold.v1+jwt"
CONFIGURATION: Final = "configuration.v1+jwt"
COMMISSIONING: Final = "commissioning.v1+jwt"
"""`typ` of the headers. Other claims, or another meaning of one, make another version."""


class AgentClaims(msgspec.Struct, frozen=True, tag=True):
    """What a verified token of a source says."""

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


class SessionClaims(msgspec.Struct, frozen=True, tag=True):
    """What a verified token says by which the agent of a source introduces itself; the rest as in `AgentClaims`."""

    iss: str
    sub: str
    aud: str
    nonce: str
    jti: str
    iat: int
    exp: int
    model: str
    version: str
    model_sha256: str
    """Of the model's file, as the agent says it."""
    contract: int
    """Version of the interface that the agent was built against."""
    groups: tuple[str, ...]
    """Joint groups that it will command."""
    reason: str


class OperatorClaims(msgspec.Struct, frozen=True, tag=True):
    """What a verified token of a person says; what is not explained here is as in `AgentClaims`."""

    iss: str
    """The key's holder, a name of `operators.people`."""
    sub: str
    """The person who acts: the same."""
    role: str
    """As which the person acts."""
    aud: str
    nonce: str
    jti: str
    iat: int
    exp: int
    act: str
    target: str
    """Mode of `start` and `mode`, tool of `tool`, source of `revoke`, source and stage of `promote`, what waits of
    `approve` and `deny`; `KIND SOURCE SECONDS` of `grant`, `KIND SOURCE` of `deny`; else empty."""
    command_sha256: str
    """Of the canonical text of the command that `approve` or `deny` is about, as the person saw it; else empty."""
    config_sha256: str
    """Of the configuration that the person saw."""
    epoch: int
    """That the person saw."""
    reason: str


class HoldClaims(msgspec.Struct, frozen=True, tag=True):
    """What each beat of a held hold-to-run button says."""

    iss: str
    """Who holds it, a name of `operators.people`."""
    role: str
    aud: str
    nonce: str
    count: int
    """Of this person's beats: each is greater than all before it."""


class ConfigurationClaims(msgspec.Struct, frozen=True, tag=True):
    """What a safety officer says of a configuration by signing it."""

    iss: str
    """The key's holder: an officer who is trusted on the robot's machine."""
    role: str
    aud: str
    """Robot."""
    config_sha256: str
    """`Configuration.sha256`, of the file and its URDF."""
    iat: int
    """When, by the officer's wall clock, [s]; advisory."""
    reason: str


class CommissioningClaims(msgspec.Struct, frozen=True, tag=True):
    """What a person says of a record of measured stops by signing it."""

    iss: str
    """The key's holder, a name of `operators.people`."""
    role: str
    aud: str
    """Robot."""
    record_sha256: str
    """Of the record's bytes."""
    iat: int
    """When, by the wall clock of who signed, [s]; advisory."""
    reason: str


Claims: TypeAlias = AgentClaims | SessionClaims | OperatorClaims | HoldClaims
"""What a verified token says that acts on a running supervisor."""


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
