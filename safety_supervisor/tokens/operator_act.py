"""The act of a person, signed with that person's own key (INTERFACES, Tokens; SR-010, SR-022).

Whether the person may do this, and may do it now, the core judges: `core/states/authority.py`, `core/states/acts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from safety_supervisor.config.keys import NAME
from safety_supervisor.core.act_events import Act
from safety_supervisor.core.agents.settings import Stage
from safety_supervisor.core.errors import Code
from safety_supervisor.core.operator_settings import Role
from safety_supervisor.tokens.claims import OPERATOR_ACT, OperatorClaims
from safety_supervisor.tokens.signed_act import COMMON, Claim, Form, is_name, text, whole

ACTS: Final[tuple[str, ...]] = get_args(Act)
ROLES: Final[tuple[str, ...]] = tuple(role.value for role in Role)
MODES: Final = ("auto", "manual")
STAGES: Final = tuple(stage.value for stage in Stage)
_ID: Final = "w[1-9][0-9]{0,8}"
_GRANT: Final = f"{NAME.pattern} {NAME.pattern}"
is_tool: Final = text(rf"({NAME.pattern})?")
_TARGETS: Final = {
    "revoke": text(NAME.pattern),
    "promote": text(rf"{NAME.pattern} ({'|'.join(STAGES)})"),
    "approve": text(_ID),
    "deny": text(f"{_ID}|{_GRANT}"),
    "grant": text(f"{_GRANT} [1-9][0-9]{{0,3}}"),
}
"""Targets of the acts on agents, and on what waits for people, by act."""
_TARGET_WORDS: Final = {
    "revoke": "a source",
    "promote": f"a source and {', '.join(STAGES)}, with a space between",
    "approve": "an id of `~/interventions`",
    "deny": "an id of `~/interventions`, or KIND SOURCE",
    "grant": "KIND SOURCE SECONDS",
}


def _contradiction(claims: Mapping[str, Any]) -> tuple[Code, str] | None:
    """A person signs as itself; what an act is about has to stand there, and nothing else."""
    act, target = claims["act"], claims["target"]
    if claims["sub"] != claims["iss"]:
        return Code.TOKEN_SUB, "sub has to be the person whose key signs, as iss"
    if act in ("start", "mode") and target not in MODES:
        return Code.TOKEN_TARGET, f"target of {act} has to be {' or '.join(MODES)}"
    if act in _TARGETS and not _TARGETS[act](target):
        return Code.TOKEN_TARGET, f"target of {act} has to be {_TARGET_WORDS[act]}"
    if act == "tool" and not is_tool(target):
        return Code.TOKEN_TARGET, "target of tool has to be the name of a tool, or empty"
    if act not in ("start", "mode", "tool", *_TARGETS) and target:
        return Code.TOKEN_TARGET, f"target of {act} has to be empty"
    if bool(claims["command_sha256"]) != (act in ("approve", "deny") and " " not in target):
        return Code.TOKEN_COMMAND, "command_sha256 belongs to approve and deny of a command, and to nothing else"
    return None


FORM: Final = Form(
    kind=OPERATOR_ACT,
    claims={
        "iss": Claim(Code.TOKEN_ISS, is_name, "a name of `operators.people`"),
        **COMMON,
        "role": Claim(Code.TOKEN_ROLE, lambda value: value in ROLES, f"one of {', '.join(ROLES)}"),
        "act": Claim(Code.TOKEN_ACT, lambda value: value in ACTS, f"one of {', '.join(ACTS)}"),
        "target": Claim(Code.TOKEN_TARGET, text("[a-z0-9_ ]{0,80}"), "what the act is about, or empty"),
        "command_sha256": Claim(Code.TOKEN_COMMAND, text("([0-9a-f]{64})?"), "64 hexadecimal digits, or empty"),
        "config_sha256": Claim(Code.TOKEN_CONFIG, text("[0-9a-f]{64}"), "`configuration_sha256` of the status"),
        "epoch": Claim(Code.TOKEN_EPOCH, whole, "`epoch` of the status, a whole number"),
    },
    made=OperatorClaims,
    holder="a person",
    contradiction=_contradiction,
)
