"""What a policy answers, and what the core asks: one call without clock, chance or I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Allow:
    """The command passes."""

    @property
    def text(self) -> str:
        """As a program spells it."""
        return "allow"


@dataclass(frozen=True, slots=True)
class Approve:
    """The command passes while an approval of that kind is held.

    Attributes:
        kind: of approval.
        people: who have to approve, each by an own key.
        seconds: how long an approval lasts, and a request waits for one.
    """

    kind: str
    people: int
    seconds: int

    @property
    def text(self) -> str:
        """As a program spells it."""
        return f'approve("{self.kind}", {self.people}, {self.seconds})'


@dataclass(frozen=True, slots=True)
class Deny:
    """The command is refused.

    Attributes:
        code: `E_POLICY_...`, one of the configuration's `policy.denials`.
    """

    code: str

    @property
    def text(self) -> str:
        """As a program spells it."""
        return f'deny("{self.code}")'


@dataclass(frozen=True, slots=True)
class Unjudged:
    """There is no answer, which is a no: facts are missing or wrong, or the evaluation failed.

    Attributes:
        detail: what is wrong, for people.
    """

    detail: str

    @property
    def text(self) -> str:
        """For people: no program can spell it."""
        return "no verdict"


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A policy server that is asked has not answered yet, or has given no verdict: a no, and nobody's mistake.

    Attributes:
        detail: why, for people.
        waits: whether its answer may still come.
    """

    detail: str
    waits: bool

    @property
    def text(self) -> str:
        """For people: no program can spell it."""
        return "no answer"


Verdict: TypeAlias = Allow | Approve | Deny | Unjudged | Unanswered


class Policy(Protocol):
    """A compiled policy. The same facts give the same verdict; it raises nothing."""

    @property
    def used(self) -> frozenset[str]:
        """Facts that the verdict can depend on."""
        ...

    @property
    def denials(self) -> Mapping[str, str]:
        """What each code that it may deny with means, for people."""
        ...

    @property
    def kinds(self) -> Mapping[str, Approve]:
        """Kinds of approvals that it may ask for, each with the shortest time that it asks for anywhere."""
        ...

    @property
    def hold_kinds(self) -> frozenset[str]:
        """Kinds that count only while the hold-to-run button is held."""
        ...

    def judge(self, facts: Mapping[str, object]) -> Verdict:
        """Judge the facts `core.policy.facts.FACTS`, all of them; anything wrong with them is `Unjudged`."""
        ...


class _NoPolicy:
    """Where the configuration has none: whatever is verified passes."""

    used: frozenset[str] = frozenset()
    denials: Mapping[str, str] = {}
    kinds: Mapping[str, Approve] = {}
    hold_kinds: frozenset[str] = frozenset()

    def judge(self, facts: Mapping[str, object]) -> Verdict:
        """Allow it."""
        return Allow()


NO_POLICY: Policy = _NoPolicy()
