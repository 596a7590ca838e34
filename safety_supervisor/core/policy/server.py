"""A policy that a server answers: the core asks by an effect, an event brings the answer, and nothing moves meanwhile.

An answer holds for the very facts that it was asked for, and for a second since it was asked. What moves is asked about
anew before that ends; no answer, an error and what is no verdict take the one before with them. So nothing moves by an
answer that is old, for other facts, or of a server that is gone. Answers are events: recorded, and replayed without it.

Requirements: SR-036, SR-044; REDTEAM 37.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from safety_supervisor.core.effects import Effect, PolicyQuestion
from safety_supervisor.core.events import PolicyAnswer
from safety_supervisor.core.policy.facts import wrong_fact
from safety_supervisor.core.policy.verdict import Allow, Approve, Deny, Policy, Unanswered, Unjudged, Verdict
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, seconds

HOLDS: Final[Nanoseconds] = NS_PER_S
"""How long an answer holds, from when it was asked, [ns]."""
RENEWED: Final[Nanoseconds] = HOLDS // 2
"""What moves is asked about anew after so long; no server may take longer to answer, [ns]."""
PAUSE: Final[Nanoseconds] = NS_PER_S // 5
"""After a failure the same facts are not asked again for so long, [ns]: a server in trouble is not hammered."""
MOST_OPEN: Final = 8
"""Questions of one source that wait for an answer: who asks about ever other things keeps nobody else out."""
MOST_HELD: Final = 64
"""Answers that are held for one source; of more the oldest are dropped."""
LONGEST_ERROR: Final = 200
_TURNS: Final = {
    State.AUTO_HOLDING.value: State.AUTO_MOVING.value,
    State.AUTO_MOVING.value: State.AUTO_HOLDING.value,
}
"""States that motion itself turns into each other."""


@dataclass(frozen=True)
class PolicyServer:
    """Settings of a server that is asked: `core.policy.verdict.Policy`, which by itself allows nothing.

    Attributes:
        url: of its answer, OPA's data API.
        timeout: for an answer, [ns].
        denials: codes that it may deny with, to what they mean.
        kinds: of approvals that it may ask for.
        told: facts that it is told, sorted; its answer can depend on no other.
        hold_kinds: kinds of approvals that count only while the hold-to-run button is held.
    """

    url: str
    timeout: Nanoseconds
    denials: Mapping[str, str]
    kinds: Mapping[str, Approve]
    told: tuple[str, ...]
    hold_kinds: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def used(self) -> frozenset[str]:
        """Facts that the verdict can depend on."""
        return frozenset(self.told)

    def judge(self, facts: Mapping[str, object]) -> Verdict:
        """Refuse: who asks here asks no server."""
        return Unjudged(wrong_fact(facts) or "the policy server was not asked")

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Everything that it may say, as an answer spells it."""
        said: dict[str, Verdict] = {"allow": Allow()}
        said |= {f'deny("{code}")': Deny(code) for code in self.denials}
        return said | {f'approve("{kind}")': asked for kind, asked in self.kinds.items()}


_Key = tuple[object, ...]


class _Held(NamedTuple):
    verdict: Verdict
    renew: Nanoseconds
    until: Nanoseconds


class _Open(NamedTuple):
    source: str
    key: _Key
    asked: Nanoseconds


@dataclass
class _Side:
    """What is known and asked for one source."""

    held: dict[_Key, _Held] = field(default_factory=dict)
    open: set[_Key] = field(default_factory=set)


class AskedPolicy:
    """Asks one server, by way of whoever carries out effects: `core.policy.verdict.Policy`.

    Attributes:
        server: its settings; None where there is none, and nothing is ever asked.
        now: time of the event that is handled, [ns].
    """

    def __init__(self, policy: Policy | None) -> None:
        """Start with nothing asked and nothing known."""
        self.server = policy if isinstance(policy, PolicyServer) else None
        self.now: Nanoseconds = 0
        self._told = () if self.server is None else self.server.told
        self._verdicts = {} if self.server is None else self.server.verdicts
        self._sides: dict[str, _Side] = {}
        self._open: dict[int, _Open] = {}
        self._unsent: list[Effect] = []
        self._number = 0

    @property
    def used(self) -> frozenset[str]:
        """Facts that the verdict can depend on."""
        return frozenset(self._told)

    @property
    def denials(self) -> Mapping[str, str]:
        """What each code that it may deny with means."""
        return {} if self.server is None else self.server.denials

    @property
    def kinds(self) -> Mapping[str, Approve]:
        """Kinds of approvals that it may ask for."""
        return {} if self.server is None else self.server.kinds

    @property
    def hold_kinds(self) -> frozenset[str]:
        """Kinds that count only while the hold-to-run button is held."""
        return frozenset() if self.server is None else self.server.hold_kinds

    def judge(self, facts: Mapping[str, object]) -> Verdict:
        """Return the answer that is held for exactly these facts now, and ask where there is none, or soon will be."""
        if self.server is None:
            return Unjudged("there is no policy server")
        wrong = wrong_fact(facts)
        if wrong:
            return Unjudged(wrong)
        verdict = self._answer(facts)
        for after, begins in self._ahead(facts):
            later = self._answer(after)
            if begins and isinstance(later, Unanswered) and not isinstance(verdict, (Deny, Unanswered)):
                verdict = later  # what begins must not stop again for its own beginning
        return verdict

    def _answer(self, facts: Mapping[str, object]) -> Verdict:
        source, key = str(facts["source"]), tuple(facts[name] for name in self._told)
        side = self._sides.setdefault(source, _Side())
        held = side.held.get(key)
        if held is not None and self.now <= held.until and self.now < held.renew:
            return held.verdict
        waits = len(side.open) < MOST_OPEN or key in side.open
        if waits and key not in side.open:
            self._ask(source, side, key)
        if held is not None and self.now <= held.until:
            return held.verdict
        side.held.pop(key, None)
        if not waits:
            return Unanswered(f"{MOST_OPEN} questions of this source wait for an answer", waits=False)
        return Unanswered("the policy server is asked; send it again", waits=True)

    def _ahead(self, facts: Mapping[str, object]) -> Iterator[tuple[dict[str, object], bool]]:
        """Yield the facts that these become by motion and by time alone, and whether they do so with the first step."""
        states = [facts["state"]]
        other = _TURNS.get(str(facts["state"])) if "state" in self._told else None
        if other is not None:
            states.append(other)
            yield {**facts, "state": other}, other == State.AUTO_MOVING.value
        since = facts["since_start"]
        if "since_start" in self._told and isinstance(since, int):
            for state in states:
                yield {**facts, "state": state, "since_start": since + 1}, False

    def _ask(self, source: str, side: _Side, key: _Key) -> None:
        self._number += 1
        side.open.add(key)
        self._open[self._number] = _Open(source, key, self.now)
        facts = json.dumps(dict(zip(self._told, key, strict=True)), allow_nan=False, separators=(",", ":"))
        self._unsent.append(PolicyQuestion(self.now, self._number, facts))

    def cycles(self, period: Nanoseconds) -> int:
        """Return within how many cycles a question is answered or has failed; 0 where there is no server."""
        return 0 if self.server is None else 2 - (-self.server.timeout // period)

    # --- events

    def begin(self, now: Nanoseconds) -> None:
        """Begin a cycle: what was not answered in time is a failure."""
        self.now = now
        if self.server is None:
            return
        for number, question in tuple(self._open.items()):
            if now - question.asked >= self.server.timeout:
                self._fail(number, f"no answer within {seconds(self.server.timeout):g} s")

    def take(self, event: PolicyAnswer) -> list[Effect]:
        """Take an answer; one to a question that is not open, or no more, counts for nothing."""
        self.now = max(self.now, event.at)
        question = self._open.get(event.number)
        if self.server is None or question is None:
            return []
        verdict = self._verdicts.get(event.verdict)
        if event.at - question.asked >= self.server.timeout:
            self._fail(event.number, f"no answer within {seconds(self.server.timeout):g} s")
        elif event.error:
            self._fail(event.number, event.error[:LONGEST_ERROR])
        elif verdict is None:
            self._fail(event.number, f"{event.verdict[:LONGEST_ERROR]!a} is no verdict that the configuration knows")
        else:
            asked = question.asked
            self._close(event.number, _Held(verdict, asked + RENEWED, asked + HOLDS))
        return []

    def questions(self) -> list[Effect]:
        """Return what is to be asked, once."""
        unsent, self._unsent = self._unsent, []
        return unsent

    def _fail(self, number: int, detail: str) -> None:
        """Forget what was held for these facts, too: it is never what moves a robot whose server has failed."""
        until = self.now + PAUSE
        self._close(number, _Held(Unanswered(detail, waits=False), until, until))

    def _close(self, number: int, held: _Held) -> None:
        question = self._open.pop(number)
        side = self._sides[question.source]
        side.open.discard(question.key)
        side.held.pop(question.key, None)
        side.held[question.key] = held
        while len(side.held) > MOST_HELD:
            del side.held[next(iter(side.held))]
