"""Keys of the section `policy`: who may do what, beyond the limits that hold for everybody."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from safety_supervisor.config.keys import DENIAL, Name, Reason, Section, key

DenialCode = Annotated[str, StringConstraints(pattern=DENIAL)]


class PolicyKeys(Section):
    """One program over the facts of a command, asked for every goal, and for a stream when a fact changes.

    docs/policy.md: the language, the facts, how to try it with examples. A policy only ever refuses: what it allows is
    verified as without one.
    """

    program: str = key(
        "rules in order, `condition ? verdict :`, then the verdict for all the rest; verdicts: `allow`, "
        '`deny("E_POLICY_...")`, `approve("kind", people, seconds)`',
        min_length=1,
        max_length=8192,
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
