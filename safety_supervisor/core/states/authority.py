"""May this person do this at all? Roles, and that the person saw what runs. Whether it is possible now: `acts.py`.

Requirements: SR-010, SR-017, SR-041; REDTEAM 19, 36, 40.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from safety_supervisor.core.act_events import HoldToRun, OperatorAct
from safety_supervisor.core.errors import Code
from safety_supervisor.core.operator_settings import OperatorSettings, Role
from safety_supervisor.core.states.acts import ActRefusal

DECISIONS: Final = frozenset({"approve", "deny", "grant"})
"""Acts on what waits for people."""
_OPERATOR: Final = frozenset({"reset", "start", "mode"})
_TECHNICIAN: Final = _OPERATOR | {"recover", "tool", "revoke"} | DECISIONS
ACTS_OF: Final[Mapping[Role, frozenset[str]]] = {
    Role.VIEWER: frozenset(),
    Role.OPERATOR: _OPERATOR,
    Role.TECHNICIAN: _TECHNICIAN,
    Role.SAFETY_OFFICER: _TECHNICIAN | {"promote"},
    Role.MAINTAINER: frozenset({"maintainer"}),
}
"""What each role may do. A stop is not among it: anybody may stop, without a key."""


def who_may(act: str) -> str:
    """Name the roles that may do an act, for people."""
    return " or ".join(role.value for role, acts in ACTS_OF.items() if act in acts)


def judge_authority(event: OperatorAct, operators: OperatorSettings, configuration: str) -> ActRefusal | None:
    """Say why a person may not do this; None where the person may.

    Acts that nobody signed pass: their ways in are there only in a simulation (`operators.unsigned_services`), or are
    the button in the cabinet.

    Args:
        event: an act; where it carries a token's id, the signature was verified.
        operators: who may act.
        configuration: hash of the one that runs.
    """
    if not event.jti:
        return None
    if lacking := _lacking(event.person, event.role, event.act, operators):
        return ActRefusal(Code.ACT_ROLE, lacking)
    if event.config_sha256 != configuration:
        return ActRefusal(Code.ACT_CONFIGURATION, Code.ACT_CONFIGURATION.cause)
    if event.epoch < 0:
        return ActRefusal(Code.ACT_EPOCH, "the act carries no epoch")
    return None


def judge_holder(event: HoldToRun, operators: OperatorSettings) -> str:
    """Say why the hold-to-run button does not count in this person's hand; empty where it does.

    Who may recover the robot may hold it. A beat that nobody signed passes: its way in is there only in a simulation
    (`operators.unsigned_services`).

    Args:
        event: a beat; where it names a person, the signature was verified.
        operators: who may act.
    """
    return _lacking(event.person, event.role, "recover", operators) if event.person else ""


def _lacking(name: str, role: str, act: str, operators: OperatorSettings) -> str:
    """Say why whoever signed in that name and role may not do an act at all; empty where it may be done."""
    person = next((person for person in operators.people if person.name == name), None)
    if person is None:
        return f"{name} is none of `operators.people`"
    if role != person.role.value:
        return f"{person.name} is {person.role.value}, the token says {role}"
    if act not in ACTS_OF[person.role]:
        return f"{person.name} is {person.role.value}; {act} needs {who_may(act)}"
    return ""
