"""Who commands now: the standing of each source, and what it got wrong lately."""

from __future__ import annotations

from collections import deque
from typing import Final

from safety_supervisor.core.agents.settings import Stage
from safety_supervisor.core.agents.speaker import Speaker
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.settings import SourceKind, SourceSettings
from safety_supervisor.core.units import NS_PER_S, Nanoseconds

REACTION: Final[Nanoseconds] = NS_PER_S
"""How long a source may take to notice that its motion was stopped."""


class Session:
    """The standing of one source."""

    def __init__(self, settings: SourceSettings) -> None:
        """Start with no publisher seen."""
        self.settings = settings
        self.publishers = 0
        self.alive = False
        self.quarantined = False
        self.speaker: Speaker | None = None
        """The agent that introduced itself; None for none."""
        self._refused: deque[Nanoseconds] = deque(maxlen=settings.refusals + 1)
        self._excused_until: Nanoseconds = 0

    @property
    def doubled(self) -> bool:
        """Whether more than one publisher speaks in its name (SR-050)."""
        return self.publishers > 1

    @property
    def shadowed(self) -> bool:
        """Whether its commands are judged and told, and none is forwarded."""
        return self.speaker is not None and self.speaker.stage is Stage.SHADOW

    @property
    def live(self) -> bool:
        """Whether its trajectories may play: its publisher is known to be alive, or that was waived in words."""
        return self.alive or self.settings.liveliness_lease is None

    def beyond(self, groups: tuple[str, ...]) -> Violation | None:
        """Say why a command of joint groups is beyond the session of its agent; None where it is not."""
        return None if self.speaker is None else self.speaker.may_command(groups)

    def count_refusals(self, count: int, now: Nanoseconds) -> bool:
        """Count refused commands; return whether the source has now had too many within the window."""
        for _ in range(min(count, self.settings.refusals + 1)):
            self._refused.append(now)
        full = len(self._refused) == self._refused.maxlen
        return full and now - self._refused[0] <= self.settings.refusal_window

    def excuse(self, now: Nanoseconds) -> None:
        """Its motion was stopped by lateness: until it has noticed, what it streams on can not be joined (SR-054)."""
        self._excused_until = now + REACTION

    def excused(self, now: Nanoseconds) -> bool:
        """Whether it may still not know that its motion was stopped."""
        return now < self._excused_until

    def forgive(self) -> None:
        """Lift the quarantine: a person has reset."""
        self.quarantined = False
        self._refused.clear()

    def may_not_command(self, permitted: bool, kinds_differ: bool) -> Violation | None:
        """Say why the source may not command now, apart from priorities.

        Args:
            permitted: whether the present state lets this kind of source move the robot.
            kinds_differ: whether another kind of source could.
        """
        if self.doubled:
            return Violation(Code.SOURCE_ENDPOINTS, "source.publishers", float(self.publishers), 1.0)
        if self.quarantined:
            return Violation(Code.QUARANTINED, "source.refusals")
        if self.settings.needs_session and self.speaker is None:
            return Violation(Code.SESSION_REQUIRED, "source.session")
        if not permitted:
            if kinds_differ:
                return Violation(
                    Code.SOURCE_KIND, "mode.source_kind", detail=f"not for {self.settings.kind.value}s now"
                )
            return Violation(Code.NOT_MOVING_STATE, "state")
        return None


def other_kind(kind: SourceKind) -> SourceKind:
    """Return the kind of source that the given one is not."""
    return SourceKind.PERSON if kind is SourceKind.AGENT else SourceKind.AGENT
