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
_MODE: Final = text("|".join(MODES)), " or ".join(MODES)
_TARGETS: Final = {
    "start": _MODE,
    "mode": _MODE,
    "tool": (text(rf"({NAME.pattern})?"), "the name of a tool, or empty"),
    "revoke": (text(NAME.pattern), "a source"),
    "promote": (
        text(rf"{NAME.pattern} ({'|'.join(STAGES)})"), f"a source and {', '.join(STAGES)}, with a space between",
    ),
    "approve": (text(_ID), "an id of `~/interventions`"),
    "deny": (text(f"{_ID}|{_GRANT}"), "an id of `~/interventions`, or KIND SOURCE"),
    "grant": (text(f"{_GRANT} [1-9][0-9]{{0,3}}"), "KIND SOURCE SECONDS"),
}  # fmt: skip
"""What the target of an act may be, and that in words; of an act that is not named here it is empty."""
_NONE: Final = text(""), "empty"


def wrong_target(act: str, target: str) -> str:
    """Say what the target of an act has to be; empty where it is that."""
    fits, words = _TARGETS.get(act, _NONE)
    return "" if fits(target) else words


def _contradiction(claims: Mapping[str, Any]) -> tuple[Code, str] | None:
    """A person signs as itself; what an act is about has to stand there, and nothing else."""
    act, target = claims["act"], claims["target"]
    if claims["sub"] != claims["iss"]:
        return Code.TOKEN_SUB, "sub has to be the person whose key signs, as iss"
    wrong = wrong_target(act, target)
    if wrong:
        return Code.TOKEN_TARGET, f"target of {act} has to be {wrong}"
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
