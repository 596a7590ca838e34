"""One beat of a hold-to-run button, signed by the person who holds it (INTERFACES, `~/hold`; REDTEAM 53).

It is made where the button is, while it is pressed, ten times a second, and never beforehand: who has signed beats in
advance could let the robot run when nobody holds anything.
"""

from __future__ import annotations

from typing import Final

from safety_supervisor.core.errors import Code
from safety_supervisor.tokens.claims import HOLD, HoldClaims
from safety_supervisor.tokens.operator_act import ROLES
from safety_supervisor.tokens.signed_act import COMMON, Claim, Form, is_name, whole

FORM: Final = Form(
    kind=HOLD,
    claims={
        "iss": Claim(Code.TOKEN_ISS, is_name, "a name of `operators.people`"),
        "role": Claim(Code.TOKEN_ROLE, lambda value: value in ROLES, f"one of {', '.join(ROLES)}"),
        "aud": COMMON["aud"],
        "nonce": COMMON["nonce"],
        "count": Claim(Code.TOKEN_COUNT, whole, "a whole number"),
    },
    made=HoldClaims,
    holder="a person",
    contradiction=lambda claims: None,
)
