"""Standing approvals: a person lets a source pass where the policy asks for that kind, for a time.

Streams can not wait for a person, so whoever lets one pass does so beforehand. A grant ends with its time, when it is
taken back, when the robot is stopped or leaves the states in which it may move, and when the source's publisher
changes. It raises no limit (SR-023): all it does is to stand among the approvals that the policy is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.effects import StandingGrant
from safety_supervisor.core.errors import Code
from safety_supervisor.core.policy.verdict import Approve
from safety_supervisor.core.states.acts import ActRefusal
from safety_supervisor.core.states.state_table import MOTION, State
from safety_supervisor.core.units import NS_PER_S, Nanoseconds

LONGEST: Final = 600
"""A grant lasts no longer, [s]."""
GRANTABLE: Final = frozenset({State.READY, *MOTION})
"""States in which people may grant, and in which a grant stands: a person has reset the robot, and it may move soon."""


@dataclass(slots=True)
class _Grant:
    """One kind for one source.

    Attributes:
        asked: who has granted, and until when, while others are missing.
        until: until when it is held, 0: it is not.
        by: who granted what is held.
    """

    asked: dict[str, Nanoseconds] = field(default_factory=dict)
    until: Nanoseconds = 0
    by: tuple[str, ...] = ()


class Grants:
    """All standing approvals.

    Attributes:
        version: counts changes.
    """

    def __init__(self, kinds: Mapping[str, Approve], owners: Mapping[str, str]) -> None:
        """Begin with none.

        Args:
            kinds: the policy's kinds of approvals, with people and seconds.
            owners: of every source the person whose it is, empty where nobody is known.
        """
        self._kinds = kinds
        self._owners = owners
        self._grants: dict[tuple[str, str], _Grant] = {}
        self.version = 0

    def held(self) -> dict[str, frozenset[str]]:
        """Return the kinds that are held now, by source."""
        held: dict[str, set[str]] = {}
        for (kind, source), grant in self._grants.items():
            if grant.until:
                held.setdefault(source, set()).add(kind)
        return {source: frozenset(kinds) for source, kinds in held.items()}

    def told(self) -> tuple[StandingGrant, ...]:
        """Return what people are shown."""
        return tuple(
            StandingGrant(kind, source, self._kinds[kind].people, grant.until, grant.by, tuple(grant.asked))
            for (kind, source), grant in self._grants.items()
        )

    def grant(self, event: OperatorAct, state: State) -> ActRefusal | str:
        """Take a person's grant, target `KIND SOURCE SECONDS`.

        Args:
            event: may be done by that person.
            state: of the supervisor.

        Returns:
            Why not, or what has become of it, in words.
        """
        parts = event.target.split(" ")
        if len(parts) != 3 or not parts[2].isdecimal():
            return ActRefusal(Code.ACT_GRANT, "target is `KIND SOURCE SECONDS`, seconds a whole number")
        if parts[0] not in self._kinds:
            kinds = ", ".join(self._kinds) or "none"
            return ActRefusal(Code.ACT_GRANT, f"there is no kind {parts[0][:32]}; kinds of approvals: {kinds}")
        if parts[1] not in self._owners:
            sources = ", ".join(sorted(self._owners))
            return ActRefusal(Code.ACT_GRANT, f"there is no source {parts[1][:32]}; sources: {sources}")
        kind, source, seconds = parts[0], parts[1], int(parts[2][:6])
        wanted = self._kinds[kind]
        longest = min(LONGEST, wanted.seconds)
        if not 1 <= seconds <= longest:
            return ActRefusal(Code.ACT_GRANT, f"{seconds} s; a grant of {kind} lasts 1 to {longest} s")
        if state not in GRANTABLE:
            return ActRefusal(Code.ACT_STATE, f"state is {state.value}: what is granted there would end at once")
        if event.person in (source, self._owners[source]):
            return ActRefusal(Code.ACT_SELF, f"{source} is commanded by {event.person}")
        grant = self._grants.setdefault((kind, source), _Grant())
        if event.person in grant.asked:
            return ActRefusal(Code.ACT_TWICE, f"{event.person} has granted it already: it takes {wanted.people} people")
        grant.asked[event.person] = event.at + seconds * NS_PER_S
        self.version += 1
        if len(grant.asked) < wanted.people:
            return f"granted by {len(grant.asked)} of {wanted.people} people: it is not held yet"
        grant.until, grant.by = min(grant.asked.values()), tuple(grant.asked)
        grant.asked = {}
        return f"{source} holds {kind} for {(grant.until - event.at) // NS_PER_S} s"

    def revoke(self, kind: str, source: str) -> ActRefusal | str:
        """Take back what was granted, by one person or by all."""
        if self._grants.pop((kind, source), None) is None:
            return ActRefusal(Code.ACT_GRANT, f"{source} holds no {kind}, and nobody has begun to grant it")
        self.version += 1
        return f"{source} holds {kind} no more"

    def expire(self, now: Nanoseconds, state: State) -> None:
        """End what is over, and everything where the robot may not move."""
        if not self._grants:
            return
        if state not in GRANTABLE:
            self.clear()
            return
        for key, grant in tuple(self._grants.items()):
            live = {person: until for person, until in grant.asked.items() if now < until}
            over = grant.until and now >= grant.until
            if over or len(live) != len(grant.asked):
                self.version += 1
                grant.asked = live
                if over:
                    grant.until, grant.by = 0, ()
            if not grant.until and not grant.asked:
                del self._grants[key]

    def forget(self, source: str) -> None:
        """End what was granted to a source: who speaks in its name is another one."""
        for key in [key for key in self._grants if key[1] == source]:
            del self._grants[key]
            self.version += 1

    def clear(self) -> None:
        """End all of them."""
        if self._grants:
            self._grants.clear()
            self.version += 1
