"""A source's agent introduces itself, signed by the holder of the source's key: which model, and what it will command.

Whether that model may, the core judges: `core/agents/roll.py`. What it says of itself nobody has measured.
"""

from __future__ import annotations

from typing import Any, Final

from safety_supervisor.config.keys import MODEL, SHA256, VERSION
from safety_supervisor.core.errors import Code
from safety_supervisor.tokens.claims import AGENT_SESSION, SessionClaims
from safety_supervisor.tokens.signed_act import COMMON, Claim, Form, is_name, text, whole

_MOST_GROUPS: Final = 20


def _are_groups(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= _MOST_GROUPS
        and all(map(is_name, value))
        and len(set(value)) == len(value)
    )


FORM: Final = Form(
    kind=AGENT_SESSION,
    claims={
        "iss": Claim(Code.TOKEN_ISS, is_name, "the name of a source"),
        **COMMON,
        "model": Claim(Code.TOKEN_MODEL, text(MODEL.strip("^$")), "the name of a model, at most 64 characters"),
        "version": Claim(Code.TOKEN_VERSION, text(VERSION.strip("^$")), "its version, at most 32 characters"),
        "model_sha256": Claim(Code.TOKEN_MODEL_SHA256, text(SHA256.strip("^$")), "64 hexadecimal digits"),
        "contract": Claim(Code.TOKEN_CONTRACT, whole, "the version of the interface, a whole number"),
        "groups": Claim(Code.TOKEN_GROUPS, _are_groups, f"a list of at most {_MOST_GROUPS} joint groups, each once"),
    },
    made=SessionClaims,
    holder="a source",
    contradiction=lambda claims: None,
)
