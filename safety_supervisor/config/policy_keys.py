"""Keys of the section `policy`: who may do what, beyond the limits that hold for everybody."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from safety_supervisor.config.keys import DENIAL, Name, Reason, Section, key

DenialCode = Annotated[str, StringConstraints(pattern=DENIAL)]
Told = Literal[
    "source", "kind", "verb", "groups", "zones", "joint_speed", "frame_speed", "mode", "state", "people",
    "since_start", "anomaly", "approvals", "model", "model_version", "stage",
]  # fmt: skip
"""Names of `core.policy.facts.FACTS`."""


class ApprovalKeys(Section):
    """An approval that is asked for."""

    people: int = key("who have to approve, each by an own key", ge=1, le=2)
    seconds: int = key("how long an approval lasts, and a request waits for one", "s", ge=1, le=3600)


class PolicyKeys(Section):
    """Who may do what: one program over the facts of a command, or the URL of a server that is asked; one of the two.

    docs/policy.md: the language, the facts, how to try it with examples, the server. A policy only ever refuses: what
    it allows is verified as without one.
    """

    program: str | None = key(
        "rules in order, `condition ? verdict :`, then the verdict for all the rest; verdicts: `allow`, "
        '`deny("E_POLICY_...")`, `approve("kind", people, seconds)`',
        "",
        None,
        min_length=1,
        max_length=8192,
    )
    url: str | None = key(
        "of a server that speaks OPA's data API, such as http://127.0.0.1:8181/v1/data/robot/verdict; http on this "
        "machine alone, else https",
        "",
        None,
        min_length=1,
        max_length=512,
    )
    timeout: float | None = key(
        "`url` only, 0.2 where it is missing: within it the server answers, or nothing moves",
        "s",
        None,
        ge=0.02,
        le=0.5,
    )
    uses: list[Told] | None = key("`url` only: facts that the server is told", "", None, min_length=1, max_length=16)
    approvals: dict[Name, ApprovalKeys] = key(
        "`url` only: kinds of approvals that it may ask for", "", {}, max_length=16
    )
    denials: dict[DenialCode, Reason] = key(
        "code of each `deny` to what it means and what to do, in words; told with every refusal", "", {}, max_length=50
    )
    hold_kinds: list[Name] = key(
        "kinds of approvals that count only while the hold-to-run button (`~/hold`) is held; released: the kept stop",
        "",
        [],
        max_length=50,
    )
