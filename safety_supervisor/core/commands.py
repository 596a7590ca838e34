"""What becomes of a command: intake, standing, priority, and the motion's own verdict.

One owner a joint group at a time, by priority. A refused command of the source that moves the robot lets its groups run
the kept stop; the next good command resumes (SR-054).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from safety_supervisor.core.anomaly.watch import AnomalyWatch
from safety_supervisor.core.checks.envelope import HISTORY
from safety_supervisor.core.errors import CODE_OF, Code, Violation
from safety_supervisor.core.events import BaseCommand, CommandUnreadable, StreamCommand, TrajectoryCommand
from safety_supervisor.core.intake.intake import Intake
from safety_supervisor.core.intake.results import Cancel, Refused, Repeat, SetPoint, TrajectoryPoints
from safety_supervisor.core.interventions.interventions import Book
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.motion.trajectory_job import NOBODY, Approval, TrajectoryJob
from safety_supervisor.core.owners import Owners
from safety_supervisor.core.policy.gate import NOT_ASKED, Judged, gate_of
from safety_supervisor.core.policy.server import AskedPolicy
from safety_supervisor.core.ruling import Ruling
from safety_supervisor.core.sessions import Session, other_kind
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.states.state_table import AUTO, State
from safety_supervisor.core.units import Matrix, seconds
from safety_supervisor.core.verifier import Verifier

_WAITING_LIMIT: Final = 16
"""Accepted trajectories of a group that may wait to begin: a bound of memory and work."""


class Commands:
    """Rules on the commands of all sources."""

    def __init__(self, configuration: Configuration, motion: Motion, verifier: Verifier, state: SafetyState) -> None:
        """Start with no session known."""
        self._configuration = configuration
        self._motion = motion
        self._verifier = verifier
        self._state = state
        self._intake = Intake(configuration)
        self._period = configuration.timing.period
        self.sessions = {source.name: Session(source) for source in configuration.sources}
        self._jobs: dict[str, tuple[TrajectoryJob, bool]] = {}
        self.owners = Owners(motion, self.sessions, self._jobs)
        self._dropped: list[Ruling] = []
        self._started = 0
        self.asked = AskedPolicy(configuration.policy)
        """Asks the policy server, where the policy is one."""
        self.policy = gate_of(configuration, self.asked, state, motion, verifier, self.sessions)
        """Asks the policy, and the stages of agents, where there are any."""
        gate, remember = self.policy, self._intake.remember
        self.book = None if gate is None else Book(configuration, gate, state, motion, remember)
        """What waits for people, where a policy or a stage may ask them."""
        self.anomalies = AnomalyWatch(configuration)
        """Watches how sources behave."""
        if self.policy is not None:
            self.policy.anomalies = self.anomalies.told
        self.hands_off: Code | None = None
        """What a person has to hold for motion and does not hold now: the enabling switch, the hold-to-run button."""

    # --- commands

    def stream(self, event: StreamCommand, last_tick: int) -> Ruling | None:
        """Rule on a streamed set-point. Returns None for a repeated PASS."""
        taken = self._intake.stream(event)
        if not isinstance(taken, SetPoint):
            return self._unusual(taken)
        session = self.sessions[taken.source]
        violation = self._standing(session, event.received) or self.owners.refuse(session, taken.groups)
        if violation is None:
            self.anomalies.command(taken.source)
        judged = NOT_ASKED
        if violation is None and self.policy is not None:
            judged = self._heed(self.policy.stream(taken, session.settings, event.at), session, event.at)
            violation = judged.violation
        if violation is None:
            settings = session.settings
            since = seconds(min(self._period, max(0, (event.received or event.at) - last_tick)))
            outcome = self._motion.offer(
                taken,
                seconds(settings.period),
                settings.playout_periods,
                self._motion.play_time + since,
                recovery=self._state.state is State.RECOVERY,
            )
            if not isinstance(outcome, Violation):
                self._intake.remember(taken.source, taken.command, "PASS", "")
                # A stream that goes on is told of again only where the policy's verdict is another one.
                passed = Ruling(taken.source, taken.command, "PASS", began=outcome, detail=judged.said)
                return passed if outcome or judged.fresh else None
            violation = outcome
        return replace(self._refuse(taken.source, taken.command, violation), foldable=True)

    def trajectory(self, event: TrajectoryCommand) -> Ruling | None:
        """Rule on a trajectory, or begin its verification; the ruling then comes from `advance`."""
        taken = self._intake.trajectory(event)
        if isinstance(taken, Cancel):
            return self._cancel(taken)
        if not isinstance(taken, TrajectoryPoints):
            return self._unusual(taken)
        return self._verify(taken, event.received)

    def release(self, points: TrajectoryPoints, approved: Approval) -> Ruling | None:
        """Verify a command that waited, `approved` by people, from where the robot is, as if it had just come."""
        return self._verify(points, 0, approved)

    def _verify(self, points: TrajectoryPoints, received: int, approved: Approval = NOBODY) -> Ruling | None:
        """Begin the verification of a trajectory; or refuse it."""
        session = self.sessions[points.source]
        violation = self._standing(session, received) or self.owners.refuse(session, points.groups)
        if violation is None and not session.live:
            violation = Violation(Code.SOURCE_NOT_ALIVE, "source.liveliness")
        if violation is None and points.source in self._jobs:
            violation = Violation(Code.BUSY, "source.verifying")
        if violation is None:
            violation = self._begin_job(points, approved)
        return None if violation is None else self._refuse(points.source, points.command, violation)

    def unreadable(self, event: CommandUnreadable) -> Ruling:
        """Rule on what was refused before it was decoded."""
        code = CODE_OF.get(event.code, Code.UNDECODABLE)
        violation = Violation(code, "source.bytes", event.value, event.limit, detail=event.detail)
        ruling = self._refuse(event.source, event.command, violation)
        return replace(ruling, count=event.count, foldable=not event.command)

    # --- trajectories under verification

    def advance(self) -> tuple[Ruling, ...]:
        """Do one slice of each verification under way, and begin what is done."""
        self._end_denied()
        rulings, self._dropped = self._dropped, []
        for source in tuple(self._jobs):
            job, floating = self._jobs[source]
            violation = job.advance()
            if violation is None and not floating and self._motion.tick > job.start_tick:
                violation = Violation(Code.STATE_CHANGED, "trajectory.start", detail="verified too late for its start")
            if violation is None and job.done:
                outcome = self._begin(job, floating)
                if outcome is None:
                    del self._jobs[source]
                    continue
                if not isinstance(outcome, Violation):
                    del self._jobs[source]
                    self._intake.remember(source, job.points.command, "PASS", "")
                    rulings.append(Ruling(source, job.points.command, "PASS", began=True, detail=outcome))
                    continue
                violation = outcome
            if violation is not None and violation.code is Code.POLICY_WAIT:
                continue  # verified, and begun or refused with the server's answer, or without one in time
            if violation is not None:
                del self._jobs[source]
                rulings.append(self._refuse(source, job.points.command, violation))
        rulings += (Ruling(one.source, "", "STOP", one.violation) for one in self.anomalies.take())
        return tuple(rulings)

    def _begin_job(self, points: TrajectoryPoints, approved: Approval) -> Violation | None:
        """Begin to verify a trajectory, `approved` by people, each for it alone."""
        motion = self._motion
        for group in points.groups:
            lane = motion.lanes[group]
            if lane.stream is not None and not self.sessions[points.source].shadowed:
                if lane.source == points.source:
                    return Violation(Code.MOTION_ACTIVE, "source.motion", detail="its stream is still active")
                motion.preempt((group,), points.source, points.command)
        facts = None if self.policy is None else self.policy.facts_of_goal()
        floating = motion.at_rest and points.start_in == 0
        tick = motion.tick
        if not floating:
            slices = TrajectoryJob.slices_for(int(points.times[-1]), self._period, len(self._verifier.restricted))
            if facts is not None:
                slices += facts.slices_for(int(points.times[-1]) // self._period) + self.asked.cycles(self._period)
            tick += max(slices, -(-points.start_in // self._period))
        wait = max(motion.lanes[group].waits_before(tick) for group in points.groups)
        if wait >= _WAITING_LIMIT:
            return Violation(
                Code.RATE, "source.rate", float(wait), float(_WAITING_LIMIT), detail="too many trajectories wait"
            )
        predicted: list[Matrix] = []
        for back in range(HISTORY, -1, -1):
            state = motion.predict(points.groups, tick - back) if tick - back > motion.tick else None
            if state is None:
                if not floating and tick - back > motion.tick:
                    return Violation(Code.MOTION_ACTIVE, "source.motion", detail="the state at the start is not known")
                state = motion.state
            predicted.append(state)
        begin = predicted[-1]
        history = np.stack([state[0] for state in predicted])
        job = TrajectoryJob(points, begin, history, tick, self._configuration, self._verifier, facts)
        job.approved = approved
        self._jobs[points.source] = (job, floating)
        if self.book is not None:
            preempted = Violation(Code.PREEMPTED, "source.goal", detail="its source wants something else")
            self.book.end_of(points.source, preempted, points.groups)
        return None

    def _begin(self, job: TrajectoryJob, floating: bool) -> Violation | str | None:
        """Hand a verified trajectory to the motion, if the robot is where the verification began from.

        Returns:
            Why not, or what the policy said, empty where there is none; None where the command waits for people.
        """
        points = job.points
        session = self.sessions[points.source]
        violation = self._standing(session) or self.owners.refuse(session, points.groups)
        if violation is None and not session.live:
            violation = Violation(Code.SOURCE_NOT_ALIVE, "source.liveliness")
        if violation is not None:
            return violation
        violation = self.owners.shares(job)
        if violation is None and any(self._motion.lanes[group].stream is not None for group in points.groups):
            violation = Violation(Code.MOTION_ACTIVE, "source.motion", detail="a stream has begun meanwhile")
        if violation is not None:
            return violation
        tick = self._motion.tick if floating else job.start_tick
        now = self._motion.state if floating else self._motion.predict(points.groups, tick)
        if now is None or not np.array_equal(now[:, points.indices], job.begin[:, points.indices]):
            return Violation(Code.STATE_CHANGED, "trajectory.start")
        said = ""
        if self.policy is not None and job.facts is not None:
            judged = self.policy.goal(session.settings, points, job.facts, job.approved.kind, job.needs_open)
            if judged.violation is not None:
                if judged.asks is None or job.approved.kind or self.book is None:
                    return judged.violation
                return self.book.ask(job, judged.asks, floating, judged.violation)
            said = judged.said
        parts = job.parts({group: self._motion.lanes[group].indices for group in points.groups})
        self._motion.begin_trajectory(parts, tick, points.source, points.command, frozenset(job.needs_open))
        return said

    # --- policy

    def prepare(self, now: int) -> None:
        """Do what can wait until the set-point is on its way; `now`: of the cycle, [ns]."""
        rests_at = self._motion.state[0] if self._motion.at_rest else None
        self._verifier.prepare(rests_at)
        self.anomalies.cycle(now, self._motion.state, self._motion.lanes.values(), self._state.state in AUTO)

    def begin(self, now: int, people: str, held: bool) -> None:
        """Begin a cycle; `people` is what a policy is told of them, `held` whether the hold-to-run button is."""
        if self.policy is not None:
            self.policy.begin(now, people, held)

    def policy_on_drive(self, event: BaseCommand, session: Session) -> Judged:
        """Ask the policy about a twist of the base."""
        if self.policy is None:
            return NOT_ASKED
        return self._heed(self.policy.drive(event, session.settings), session, event.at)

    @staticmethod
    def _heed(judged: Judged, session: Session, now: int) -> Judged:
        if judged.turned:
            session.excuse(now)
        return judged

    def _end_denied(self) -> None:
        """Let the goals that the policy denies now, since the world has changed, end in the kept stop."""
        if self.policy is None:
            return
        for source, command, violation in self.policy.turned_down(self._is_under_way):
            self.sessions[source].excuse(self.policy.now)
            lanes = tuple(name for name, lane in self._motion.lanes.items() if lane.has(source, command))
            self._motion.stop_lanes(lanes, source, violation, violation.detail)

    def _is_under_way(self, source: str, command: str) -> bool:
        return any(lane.has(source, command) for lane in self._motion.lanes.values())

    # --- standing

    @property
    def verifying(self) -> bool:
        """Whether a trajectory is being verified."""
        return bool(self._jobs)

    def standing(self, source: str) -> Violation | None:
        """Say why a source may not act now, apart from priorities."""
        session = self.sessions.get(source)
        return Violation(Code.UNKNOWN_SOURCE, "source") if session is None else self._standing(session)

    def may_drive(self, source: str, received: int) -> Violation | None:
        """Say why a source may not drive the base now, apart from priorities; `received`: 0 or when, [ns]."""
        return self.standing(source) or self._too_old(self.sessions[source], received)

    def _too_old(self, session: Session, received: int) -> Violation | None:
        """Say why a command counts no more: a start, or its agent's session, began behind it; `received` as above."""
        if 0 < received < self._started:
            return Violation(Code.PURGED, "start", detail="received before the last start")
        if session.speaker is not None and 0 < received < session.speaker.since:
            return Violation(Code.PURGED, "session", detail="received before the agent introduced itself")
        return None

    def refuse(self, source: str, command: str, violation: Violation) -> Ruling:
        """Refuse a command that was judged elsewhere; what its source moves runs the kept stop."""
        return replace(self._refuse(source, command, violation), foldable=True)

    def purge(self) -> tuple[Ruling, ...]:
        """Discard everything that waits (SR-013): one ruling for each trajectory under verification."""
        for source in tuple(self._jobs):
            self._drop(source, Violation(Code.PURGED, "stop"))
        rulings, self._dropped = self._dropped, []
        if self.book is not None:
            self.book.purge()
            rulings += self.book.take_ended()
        return tuple(rulings)

    def _drop(self, source: str, violation: Violation) -> None:
        """Give up the verification of a source's trajectory, if there is one; the ruling comes with the next cycle."""
        job, _ = self._jobs.pop(source, (None, False))
        if job is not None:
            self._intake.remember(source, job.points.command, "REJECT", violation.told)
            self._dropped.append(Ruling(source, job.points.command, "REJECT", violation))

    def started(self, now: int) -> None:
        """A person has started: what was received before is old (SR-013, REDTEAM 40)."""
        self._started = now
        self.recovers(now)

    def recovers(self, now: int) -> None:
        """A person has begun to recover the robot, or has started it: from now on a policy counts the time."""
        if self.policy is not None:
            self.policy.started(now)

    def forgive(self) -> None:
        """A person has reset: lift quarantines."""
        for session in self.sessions.values():
            session.forgive()
        self.anomalies.forget()

    def cut_off(self, source: str, violation: Violation) -> tuple[Ruling, ...]:
        """Let whatever a source moves run the kept stop, and forget what it had queued; return what was dropped."""
        self._drop(source, violation)
        if self.book is not None:
            self.book.forget(source, violation)
        lanes = tuple(name for name, lane in self._motion.lanes.items() if lane.holds_for(source))
        self._motion.stop_lanes(lanes, source, violation.code, violation.detail or violation.code.cause)
        rulings, self._dropped = self._dropped, []
        return tuple(rulings)

    def lose(self, source: str) -> bool:
        """A trajectory's publisher was lost: let its groups run the kept stop. Returns whether it moved anything."""
        violation = Violation(Code.SOURCE_NOT_ALIVE, "source.liveliness")
        self._drop(source, violation)
        if self.book is not None:
            self.book.end_of(source, violation)
        lost = tuple(name for name, lane in self._motion.lanes.items() if lane.plays_for(source))
        self._motion.stop_lanes(lost, source, Code.SOURCE_DIED, Code.SOURCE_DIED.cause)
        return bool(lost)

    def forget(self, source: str) -> None:
        """A source's publishers are others: what waits, was approved or granted is nobody's any more."""
        violation = Violation(Code.APPROVAL_VOID, "approval.source", detail="its publisher is another one")
        if self.book is not None:
            self.book.forget(source, violation)
        if source in self._jobs and self._jobs[source][0].approved.kind:
            self._drop(source, violation)

    def _standing(self, session: Session, received: int = 0) -> Violation | None:
        kind = session.settings.kind
        violation = session.may_not_command(self._state.permits(kind), self._state.permits(other_kind(kind)))
        if violation is None and self.hands_off is not None:
            violation = Violation(self.hands_off, "person.holds")
        return violation or self._too_old(session, received)

    def _cancel(self, cancel: Cancel) -> Ruling | None:
        lanes = tuple(name for name, lane in self._motion.lanes.items() if lane.plays_for(cancel.source))
        violation = Violation(cancel.code, "source.cancel")
        self._drop(cancel.source, violation)
        if self.book is not None:
            self.book.end_of(cancel.source, violation)
        self._motion.stop_lanes(lanes, cancel.source, cancel.code, cancel.code.cause)
        if cancel.code is not Code.CANCELLED:
            return None  # nobody asked: the end of each trajectory tells it
        return Ruling(cancel.source, cancel.command, "PASS", code=cancel.code.value)

    def _unusual(self, taken: Refused | Repeat) -> Ruling:
        if isinstance(taken, Repeat):
            return Ruling(taken.source, taken.command, taken.earlier.verdict, code=taken.earlier.code, repeated=True)
        return self._refuse(taken.source, taken.command, taken.violation)

    def _refuse(self, source: str, command: str, violation: Violation) -> Ruling:
        """Refuse a command; where its source moves the robot, the kept stop runs."""
        if source in self.sessions:
            if command:
                self._intake.remember(source, command, "REJECT", violation.told)
            groups = tuple(
                name
                for name, lane in self._motion.lanes.items()
                if lane.holds_for(source)
                and not (violation.code is Code.PRIORITY and self.owners.is_taken(name, source))
            )
            self._motion.stop_lanes(groups, source, Code.PURGED, f"{command or 'a command'} was refused")
        return Ruling(source, command, "REJECT", violation)
