"""Who commands a joint group: one source at a time, by priority."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.motion.trajectory_job import TrajectoryJob
from safety_supervisor.core.sessions import Session


class Owners:
    """Judges whether a source may take joint groups.

    Attributes:
        observed: why joints can not be commanded now: others move that another controller commands.
    """

    def __init__(
        self, motion: Motion, sessions: Mapping[str, Session], jobs: Mapping[str, tuple[TrajectoryJob, bool]]
    ) -> None:
        """Look at what moves, and at the trajectories under verification by source, as they are when somebody asks."""
        self._motion = motion
        self._sessions = sessions
        self._jobs = jobs
        self.observed: Violation | None = None

    def refuse(self, session: Session, groups: tuple[str, ...]) -> Violation | None:
        """One source a group: a higher priority takes it, an equal or lower one waits; none beside what others move."""
        violation = self.observed or session.beyond(groups)
        if violation is not None:
            return violation
        reserved: dict[str, str] = {}
        for name, job in self._moving_jobs():
            reserved |= dict.fromkeys(job.points.groups, name)
        # What people opened a zone for moves alone: anything beside it would use what was opened for that.
        alone = next((lane.owner for lane in self._motion.lanes.values() if lane.lets_in), "")
        for group in groups:
            # A trajectory under verification holds its groups already: else a stream would keep it out for ever.
            waiting = reserved.get(group, "")
            holds = waiting and waiting != session.settings.name and self._outranks(waiting, session)
            owner = waiting if holds else self._motion.owner(group) or alone
            if owner and owner != session.settings.name:
                held = self._sessions[owner].settings.priority
                if session.settings.priority <= held:
                    return Violation(
                        Code.PRIORITY, "source.priority", float(session.settings.priority), float(held), detail=owner
                    )
        return None

    def shares(self, job: TrajectoryJob) -> Violation | None:
        """Say that a goal for which zones are opened would not move alone, or opens more than people were shown."""
        if not job.needs_open:
            return None
        lanes, kind, zones = self._motion.lanes, *job.approved
        unseen = [zone for zone in job.needs_open if kind and zone not in zones]
        if unseen:
            detail = "it reaches there from where the robot is now: nobody was shown that"
            return Violation(Code.APPROVAL_VOID, f"zones.{unseen[0]}", detail=detail)
        busy = (name for name, lane in lanes.items() if (lane.moving or lane.stop) and name not in job.points.groups)
        other = next(busy, "")
        if not other:
            return None
        detail = f"{other} moves: it would be open for that, too"
        return Violation(Code.RESTRICTED, f"zones.{job.needs_open[0]}", detail=detail)

    def engages(self, source: str) -> bool:
        """Whether a source moves a joint, or has motion that waits to begin or is being verified."""
        return source in self._jobs or self._motion.moves_for(source)

    def is_taken(self, group: str, source: str) -> bool:
        """Whether another source's trajectory will take a group over, as planned from the motion that it has."""
        if self._motion.owner(group) != source:
            return True
        session = self._sessions[source]
        return any(group in job.points.groups for name, job in self._moving_jobs() if self._outranks(name, session))

    def _outranks(self, name: str, session: Session) -> bool:
        """Whether another source has a higher priority."""
        return self._sessions[name].settings.priority > session.settings.priority

    def _moving_jobs(self) -> Iterator[tuple[str, TrajectoryJob]]:
        """Verifications that hold joint groups: those of agents in `shadow` hold none."""
        return ((name, job) for name, (job, _) in self._jobs.items() if not self._sessions[name].shadowed)
