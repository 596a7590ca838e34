"""Who speaks at a source: the agent that introduced itself there, for as long as its publisher stays the same."""

from __future__ import annotations

from typing import Final, NamedTuple

from safety_supervisor.core.agents.settings import ModelKey, Stage
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.policy.verdict import Allow, Approve, Verdict
from safety_supervisor.core.units import Nanoseconds

STAGE_APPROVAL: Final = Approve("stage", 1, 120)
"""What each command of an agent in stage `approve_each` needs, besides what the policy asks for."""


class Speaker(NamedTuple):
    """An agent with a session."""

    key: ModelKey
    stage: Stage
    groups: frozenset[str]
    """Joint groups that it may command."""
    since: Nanoseconds

    @property
    def shown(self) -> str:
        """For people."""
        return f"{self.key.name} {self.key.version}, {self.stage.value}"

    def may_command(self, groups: tuple[str, ...]) -> Violation | None:
        """Say why a command of joint groups is beyond its session."""
        beyond = sorted(set(groups) - self.groups)
        if not beyond:
            return None
        return Violation(Code.SESSION_GROUP, "session.groups", detail=f"not {', '.join(beyond)}")


def approval_of_stage(stage: str, verdict: Verdict, held: tuple[str, ...]) -> Approve | None:
    """Return the approval that a stage demands of a command that the policy lets pass; None: none, or it is held."""
    if stage != Stage.APPROVE_EACH.value or STAGE_APPROVAL.kind in held:
        return None
    passes = isinstance(verdict, Allow) or (isinstance(verdict, Approve) and verdict.kind in held)
    return STAGE_APPROVAL if passes else None
