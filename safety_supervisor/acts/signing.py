"""What a person's signed act says: one place for all that let people act, so that they sign the same."""

from __future__ import annotations

from typing import NamedTuple

from safety_supervisor.core.operator_settings import Person
from safety_supervisor.core.states.authority import ACTS_OF, who_may
from safety_supervisor.tokens.claims import OperatorClaims


class SignedFor(NamedTuple):
    """What a person saw and decided.

    Attributes:
        act: what to do.
        target: what it is about, or empty.
        epoch: that the person saw.
        command_sha256: of the command that the person saw, for `approve` and `deny` of one; else empty.
        reason: printable ASCII, at most 200 characters.
    """

    act: str
    target: str
    epoch: int
    command_sha256: str = ""
    reason: str = ""


def claims_of(
    person: Person, robot: str, nonce: str, configuration: str, what: SignedFor, jti: str, begins: int, ends: int
) -> OperatorClaims:
    """Return the claims of a person's act.

    Args:
        person: whose key will sign.
        robot: its id.
        nonce: of the newest status.
        configuration: hash of the one that the person saw.
        what: the act.
        jti: a new id.
        begins: wall clock, [s]; advisory.
        ends: likewise.
    """
    return OperatorClaims(
        person.name, person.name, person.role.value, robot, nonce, jti, begins, ends, what.act, what.target,
        what.command_sha256, configuration, what.epoch, what.reason,
    )  # fmt: skip


def lacks_role(person: Person, act: str) -> str:
    """Say why a person may not do this at all; empty where the person may."""
    return "" if act in ACTS_OF[person.role] else f"{person.name} is {person.role.value}; {act} needs {who_may(act)}"
