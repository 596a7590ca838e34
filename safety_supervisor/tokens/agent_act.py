"""The act of a source, signed by the holder of its key: which tool it has taken."""

from __future__ import annotations

from typing import Final

from safety_supervisor.config.keys import NAME
from safety_supervisor.core.errors import Code
from safety_supervisor.tokens.claims import AGENT_ACT, AgentClaims
from safety_supervisor.tokens.signed_act import COMMON, Claim, Form, is_name, text

ACT: Final = "tool"
FORM: Final = Form(
    kind=AGENT_ACT,
    claims={
        "iss": Claim(Code.TOKEN_ISS, is_name, "the name of a source"),
        **COMMON,
        "act": Claim(Code.TOKEN_ACT, lambda value: value == ACT, ACT),
        "target": Claim(Code.TOKEN_TARGET, text(rf"({NAME.pattern})?"), "the name of a tool, or empty"),
    },
    made=AgentClaims,
    holder="a source",
    contradiction=lambda claims: None,
)
