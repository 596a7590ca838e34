"""Commands that wait for people, from the request to its end: an approval, a denial, or anything that makes it old.

What waits holds no joint group, and moves nothing: all that an approval does is to let the command be verified again
from where the robot is then, as if it had just come, once. Its end by any other way is a refusal. Time is that of
events; what is done in a cycle is bounded. Requirements: SR-022, SR-023; REDTEAM 16 to 21, 55.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.effects import Effect, InterventionAsked, Interventions, StandsBy, Verdict
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.interventions.command_text import MOST_NUMBERS, CommandText, numbers_of
from safety_supervisor.core.interventions.grants import Grants
from safety_supervisor.core.interventions.waiting import CoolDown, Waiting
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.motion.trajectory_job import TrajectoryJob
from safety_supervisor.core.policy.gate import PolicyGate
from safety_supervisor.core.policy.verdict import Approve
from safety_supervisor.core.ruling import Ruling
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.acts import ActRefusal
from safety_supervisor.core.states.authority import ACTS_OF
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, Vector

MOST_OF_SOURCE: Final = 4
"""Commands of a source that may wait."""
MOST: Final = 8
"""Commands of all sources that may wait."""
DEPARTURE: Final = 0.02
"""Farther no joint may be from where it was when the command came, commanded or measured, [rad] or [m]; of those that
another controller commands no farther than twice their band, where that is more."""
COOL_DOWN: Final[Nanoseconds] = 30 * NS_PER_S
"""A source that was denied, that nobody answered, or that asks too often, asks nothing for so long."""
MOST_REQUESTS: Final = 10
REQUESTS_WITHIN: Final[Nanoseconds] = 60 * NS_PER_S
"""So many requests in that time are too often."""


class Book:
    """Everything that waits for people, and what they have granted.

    Attributes:
        grants: standing approvals.
    """

    def __init__(
        self,
        configuration: Configuration,
        gate: PolicyGate,
        state: SafetyState,
        motion: Motion,
        remember: Callable[[str, str, Verdict, str], None],
    ) -> None:
        """Begin with nothing that waits.

        Args:
            configuration: of the robot.
            gate: is told what is granted.
            state: of the supervisor.
            motion: says where the robot was commanded to.
            remember: stores what became of a command, for its idempotency key.
        """
        self._gate = gate
        self._state = state
        self._motion = motion
        self._remember = remember
        self._hash = configuration.sha256
        self._joints = configuration.robot.joints
        # What another controller moves may sway from one end of its band to the other.
        band = 0.0 if configuration.observed is None else configuration.observed.band
        self._room: Vector = np.maximum(2.0 * band, np.full(len(self._joints), DEPARTURE))
        self._owners = {source.name: source.person for source in configuration.sources}
        self._judges = frozenset(p.name for p in configuration.operators.people if "approve" in ACTS_OF[p.role])
        self._waiting: dict[str, Waiting] = {}
        self._ended: list[Ruling] = []
        self._count = 0
        self._version = 0
        self._shown = (0, 0)
        self._known = 0
        self._cool_down = CoolDown(COOL_DOWN, MOST_REQUESTS, REQUESTS_WITHIN)
        self._asked: list[InterventionAsked] = []
        self.grants = Grants(gate.kinds, self._owners)

    @property
    def waits(self) -> bool:
        """Whether anything waits, or is about to."""
        return bool(self._waiting)

    # --- a request

    def ask(self, job: TrajectoryJob, verdict: Approve, floating: bool, refusal: Violation) -> Violation | None:
        """Let a verified command wait for people; or say why it may not.

        Args:
            job: all of it was verified.
            verdict: what the policy asks for.
            floating: whether it begins from rest, at once.
            refusal: what a command is told that can not wait.
        """
        points, now = job.points, self._gate.now
        source = points.source
        others = self._judges - {self._owners[source]}
        left = self._cool_down.left(source, now)
        own = sum(one.points.source == source for one in self._waiting.values())
        numbers = numbers_of(points)
        if not floating or not self._motion.at_rest:
            return _because(refusal, "it can wait only for a start at once, from rest")
        if len(others) < verdict.people:
            return _because(refusal, f"`operators.people` has {len(others)} who may approve it")
        if left:
            detail = f"ask again in {left / NS_PER_S:.1f} s"
            return Violation(Code.APPROVAL_COOL_DOWN, "approval.pause", left / NS_PER_S, detail=detail)
        if own >= MOST_OF_SOURCE or len(self._waiting) >= MOST:
            limit = MOST_OF_SOURCE if own >= MOST_OF_SOURCE else MOST
            return Violation(Code.APPROVAL_FULL, "approval.waiting", float(max(own, len(self._waiting))), float(limit))
        if numbers > MOST_NUMBERS:
            return Violation(Code.APPROVAL_LONG, "approval.numbers", float(numbers), float(MOST_NUMBERS))
        self._cool_down.count(source, now)
        self._count += 1
        facts, pose = job.facts, self._motion.state[0].copy()
        assert facts is not None
        self._waiting[f"w{self._count}"] = Waiting(
            f"w{self._count}", points, verdict, CommandText(points, self._joints, pose), self._state.epoch, pose,
            (*facts.zones, *job.needs_open), facts.joint_speed, facts.frame_speed, self._gate.people,
        )  # fmt: skip
        return None

    # --- once a cycle

    def look(self, now: Nanoseconds, measured: Vector | None, drives: bool) -> tuple[Ruling, ...]:
        """End what is over, tell people of what is new, and let the policy know what is granted.

        Args:
            now: [ns].
            measured: pose of the robot, shape (n,), [rad]; None: nobody knows.
            drives: whether the base is driven.

        Returns:
            What became of commands.
        """
        self.grants.expire(now, self._state.state)
        self._let_know()
        rulings, self._ended = self._ended, []
        for one in tuple(self._waiting.values()):
            violation = self._over(one, now, measured, drives)
            if violation is not None:
                self._end(one, violation, now)
        rulings, self._ended = rulings + self._ended, []
        writes = next((one for one in self._waiting.values() if not one.told), None)
        if writes is not None and writes.written.advance():
            rulings.append(self._tell(writes, now))
        return tuple(rulings)

    def _over(self, one: Waiting, now: Nanoseconds, measured: Vector | None, drives: bool) -> Violation | None:
        """Say why nobody may approve a command any more; None: it waits on."""
        if one.told and now >= one.deadline:
            wait = float(one.verdict.seconds)
            return Violation(Code.APPROVAL_EXPIRED, "approval.seconds", wait, wait)
        if self._state.epoch != one.epoch:
            detail = f"epoch is {self._state.epoch}, it was asked for in {one.epoch}: state {self._state.state.value}"
            return Violation(Code.APPROVAL_VOID, "approval.epoch", detail=detail)
        if one.measured is None and measured is not None:
            one.measured = measured.copy()
        poses = ((one.commanded, self._motion.state[0]), (one.measured, measured))
        for then, at in poses:
            gone = np.zeros(1) if then is None or at is None else np.abs(then - at)
            if not (gone <= self._room).all():
                joint = int((gone - self._room).argmax())
                far, room = float(gone[joint]), float(self._room[joint])
                return Violation(Code.APPROVAL_VOID, "approval.pose", far, room, self._joints[joint], "it has moved")
        if drives or not self._motion.at_rest:
            return Violation(Code.APPROVAL_VOID, "approval.pose", detail="the robot moves")
        return None

    def _tell(self, one: Waiting, now: Nanoseconds) -> Ruling:
        points, verdict = one.points, one.verdict
        one.deadline = now + verdict.seconds * NS_PER_S
        self._version += 1
        self._asked.append(
            InterventionAsked(
                now, one.id, points.source, points.command, verdict.kind, verdict.people, one.deadline,
                one.written.text, one.written.sha256, one.epoch, self._hash, points.why, one.zones, one.joint_speed,
                one.frame_speed, one.people,
            )
        )  # fmt: skip
        detail = f"{verdict.text}: waits for {_people(verdict.people)} as {one.id}, {verdict.seconds} s"
        return Ruling(
            points.source, points.command, "WAIT", code=Code.APPROVAL_REQUIRED.value, detail=detail, intervention=one.id
        )

    def take_news(self, now: Nanoseconds) -> list[Effect]:
        """Return the whole list of what waits and what is granted, where it has changed; what is new before it."""
        shown = (self._version, self.grants.version)
        if shown == self._shown:
            return []
        self._shown = shown
        asked, self._asked = self._asked, []
        waiting = tuple(StandsBy(one.id, one.approved) for one in self._waiting.values() if one.told)
        return [*asked, Interventions(now, waiting, self.grants.told())]

    # --- ends

    def _end(self, one: Waiting, violation: Violation, now: Nanoseconds) -> None:
        del self._waiting[one.id]
        self._version += 1
        if violation.code in (Code.APPROVAL_EXPIRED, Code.APPROVAL_DENIED):
            self._cool_down.begin(one.points.source, now)
        self._remember(one.points.source, one.points.command, "REJECT", violation.told)
        self._ended.append(
            Ruling(one.points.source, one.points.command, "REJECT", violation, intervention=one.id if one.told else "")
        )

    def end_of(self, source: str, violation: Violation, groups: tuple[str, ...] | None = None) -> None:
        """End what waits of a source, all of it or what commands one of these groups."""
        for one in tuple(self._waiting.values()):
            if one.points.source == source and (groups is None or set(groups) & set(one.points.groups)):
                self._end(one, violation, self._gate.now)

    def forget(self, source: str, violation: Violation) -> None:
        """Who speaks for a source is another one, or nobody: what was asked for, and what was granted, is over."""
        self.end_of(source, violation)
        self.grants.forget(source)
        self._let_know()

    def purge(self) -> None:
        """A stop: nothing waits any more, nothing is granted."""
        for one in tuple(self._waiting.values()):
            self._end(one, Violation(Code.PURGED, "stop"), self._gate.now)
        self.grants.clear()
        self._let_know()

    def take_ended(self) -> tuple[Ruling, ...]:
        """Return what has ended since the last cycle."""
        ended, self._ended = self._ended, []
        return tuple(ended)

    # --- acts

    def decide(self, event: OperatorAct) -> ActRefusal | str | Waiting:
        """Do what a person asks for, who may.

        Returns:
            Why not; what has become of it, in words; or the command that is to be verified again and begun now: its
            approvals are used up, whatever comes of that.
        """
        if not event.jti:
            return ActRefusal(Code.ACT_ROLE, "who decides on what waits, signs")
        kind, _, source = event.target.partition(" ")
        if event.act == "grant" or (event.act == "deny" and source):
            grants = self.grants
            answer = grants.grant(event, self._state.state) if event.act == "grant" else grants.revoke(kind, source)
            self._let_know()
            return answer
        one = self._waiting.get(event.target)
        if one is None or not one.told:
            return ActRefusal(Code.ACT_INTERVENTION, f"{event.target or 'nothing'} does not wait")
        if event.command_sha256 != one.written.sha256:
            return ActRefusal(Code.ACT_COMMAND, Code.ACT_COMMAND.cause)
        if event.epoch != one.epoch or self._over(one, event.at, None, drives=False) is not None:
            return ActRefusal(Code.ACT_EPOCH, f"{one.id} was asked for in another situation, or its time is over")
        if event.act == "deny":
            self._end(one, Violation(Code.APPROVAL_DENIED, "approval", detail=_said(event)), event.at)
            return f"denied {one.id}"
        person, wanted = event.person, one.verdict.people
        if person in (one.points.source, self._owners[one.points.source]):
            return ActRefusal(Code.ACT_SELF, f"{one.points.source} is commanded by {person}")
        if person in one.approved:
            return ActRefusal(Code.ACT_TWICE, f"{person} has approved it already: it takes {wanted} people")
        if not self._gate.counts(one.verdict.kind):
            return ActRefusal(Code.HOLD_TO_RUN, f"{one.verdict.kind} counts only while the hold-to-run button is held")
        one.approved = (*one.approved, person)
        self._version += 1
        if len(one.approved) < wanted:
            return f"approved by {len(one.approved)} of {wanted} people"
        del self._waiting[one.id]
        return one

    def _let_know(self) -> None:
        """Tell the policy what is granted, where that has changed."""
        if self.grants.version != self._known:
            self._known = self.grants.version
            self._gate.approvals = self.grants.held()


def _because(refusal: Violation, why: str) -> Violation:
    return Violation(refusal.code, refusal.rule, detail=f"{refusal.detail}; {why}")


def _people(count: int) -> str:
    return "one person" if count == 1 else f"{count} people"


def _said(event: OperatorAct) -> str:
    return f"by {event.person}: {event.reason}" if event.reason else f"by {event.person}"
