"""Events by which people and holders of keys ask for something; `core/events.py` has the others."""

from __future__ import annotations

from typing import Literal, TypeAlias

from safety_supervisor.core.values import Value

Act: TypeAlias = Literal[
    "reset", "start", "mode", "recover", "maintainer", "tool", "promote", "revoke", "approve", "deny", "grant"
]


class StopRequested(Value, frozen=True, tag=True):
    """Anyone asks for a protective stop; always acts."""

    at: int
    origin: str
    reason: str
    request: str = ""
    """Id to which a `Reply` is owed; empty for none."""


class OperatorAct(Value, frozen=True, tag=True):
    """An act of a person: signed, or by a way in that only a simulation or the cabinet's button has."""

    at: int
    act: Act
    person: str
    """Name in `operators.people` where it was signed, else what way it came."""
    target: str
    """Mode for `start` and `mode` (`auto`, `manual`); for `tool` its name, empty to take it off; a source for
    `revoke`, a source and a stage for `promote`; for `approve` and `deny` the id of what waits; for `grant`
    `KIND SOURCE SECONDS`, which `deny` of `KIND SOURCE` takes back."""
    epoch: int
    """Epoch that the person saw; -1 where the way in can not carry one (unsigned services in simulation)."""
    request: str
    jti: str = ""
    """Id of the token that was verified; empty: nobody signed."""
    role: str = ""
    """As which the person signed."""
    config_sha256: str = ""
    """Hash of the configuration that the person saw."""
    reason: str = ""
    """In the person's words; told, not judged."""
    command_sha256: str = ""
    """Hash of the command that the person saw, of `approve` and `deny`; else empty."""


class ToolChange(Value, frozen=True, tag=True):
    """A source has taken a tool, or put down the one that it had."""

    at: int
    source: str
    tool: str
    """Name; empty when it was put down."""
    request: str = ""
    """Id to which a `Reply` is owed; empty for none."""
    jti: str = ""
    """Id of the token that said so."""
    subject: str = ""
    reason: str = ""
    """Who or what acted for the source, and why, by that token; told, not judged."""


class AgentSession(Value, frozen=True, tag=True):
    """The agent of a source introduces itself."""

    at: int
    source: str
    model: str
    version: str
    sha256: str
    """Of the model's file, as the agent says it, 64 hexadecimal digits."""
    contract: int
    """Version of the interface that it was built against."""
    groups: tuple[str, ...]
    """Joint groups that it will command."""
    request: str = ""
    """Id to which a `Reply` is owed; empty for none."""
    jti: str = ""
    """Id of the token that said so."""
    subject: str = ""
    reason: str = ""


class TokenRefused(Value, frozen=True, tag=True):
    """Tokens were refused before they counted; tells, and stops nothing: anyone can send such tokens."""

    at: int
    source: str
    """Whose they are, where that was verified; else empty."""
    code: str
    value: float
    limit: float
    detail: str
    count: int
    topic: str = "agent_sessions"
    """On which they came; stands for the source where nobody knows whose they are."""


class HoldToRun(Value, frozen=True, tag=True):
    """The pressed hold-to-run button's counter."""

    at: int
    counter: int
    person: str = ""
    """Who holds it, by a verified signature; empty: nobody signed, in a simulation (`operators.unsigned_services`)."""
    role: str = ""
    """That the token says."""
