"""What approvals that open restricted zones demand of each other, and of the policy beside them."""

from __future__ import annotations

from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.sections import Sections
from safety_supervisor.core.agents.speaker import STAGE_APPROVAL


def check_zone_approvals(sections: Sections, problems: Problems) -> None:
    """Check that a kind of approval takes as many people, and the same button, wherever it is named."""
    policy = sections.compiled_policy
    asked = {} if policy is None else {kind: ask.people for kind, ask in policy.kinds.items()}
    held: dict[str, bool] = {kind: kind in policy.hold_kinds for kind in asked} if policy is not None else {}
    for name, zone in sections.zones.items():
        opens, path = zone.approval, f"zones.{name}.approval"
        if opens is None:
            continue
        if opens.kind == STAGE_APPROVAL.kind:
            problems.add(
                f"{path}.kind", Code.POLICY, f"{opens.kind} is the kind of stage `approve_each`", "Name another."
            )
        if asked.setdefault(opens.kind, opens.people) != opens.people:
            message = f"is {opens.people}, elsewhere an approval of kind {opens.kind} takes {asked[opens.kind]}"
            cure = "Name two kinds: an approval of one person must never stand for one of two."
            problems.add(f"{path}.people", Code.POLICY, message, cure)
        if held.setdefault(opens.kind, opens.hold_to_run) != opens.hold_to_run:
            message = f"is {str(opens.hold_to_run).lower()}, and not what it is elsewhere for kind {opens.kind}"
            problems.add(f"{path}.hold_to_run", Code.POLICY, message, "Name two kinds.")
