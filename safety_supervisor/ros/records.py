"""What a boot keeps on disk: the robot's lock, its latches, its log."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from safety_supervisor.core.errors import Code
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.evidence.decisions.files import file_robot
from safety_supervisor.evidence.event_log import LogHeader
from safety_supervisor.evidence.feed import EventFeed, FeedLimits, describe_boot
from safety_supervisor.evidence.instance_lock import LockHeldError, RobotLock
from safety_supervisor.evidence.latch_store import LatchStore
from safety_supervisor.evidence.retention import make_room
from safety_supervisor.evidence.stage_store import StageStore
from safety_supervisor.ros.process import RECORDER_PRIORITY

_BACKLOG: Final = 4 << 20
_NUMBER_BYTES: Final = 100
"""What one joint of a trajectory's point takes in one event at most: position, velocity and acceleration as they came,
8 bytes each, and as text, 25 each, where the command waits for people."""


class StartError(Exception):
    """The supervisor can not be configured; the text says why and what to do about it."""


class Records:
    """The directory of the logs of one robot, held by one supervisor.

    Args:
        configuration: names it.
        log: the node's logger.

    Attributes:
        latches: that survived the last boot.
        stages: of agents that were demoted before.
        feed: the way of events to the log, once it was begun.

    Raises:
        StartError: another supervisor holds the directory, or it can not be used.
    """

    feed: EventFeed

    def __init__(self, configuration: Configuration, log: Any) -> None:
        """Take the lock, and read the latches."""
        self._configuration = configuration
        self._log = log
        self._told = ""
        self._begun = False
        directory, robot = configuration.evidence.log_directory, configuration.robot.id
        self._lock = RobotLock(directory, robot)
        try:
            self._lock.acquire()
        except LockHeldError as error:
            raise StartError(f"{Code.SECOND_SUPERVISOR.value}: {error}") from error
        except OSError as error:
            raise StartError(f"{Code.LOG.value}: {directory} can not be used: {error.strerror}") from error
        self.latches = LatchStore(directory, robot).open()
        self.stages = StageStore(directory, robot).load()
        if self.stages.damaged:
            log.error(f"stages of agents: {self.stages.damaged}: every model begins in stage shadow")
        if self.latches.detail:
            log.error(f"latches: {self.latches.detail}")

    def begin(self, boot_id: str, nonce: str) -> LogHeader:
        """Begin the log of a boot; return what stands at its head."""
        evidence = self._configuration.evidence
        removed = self._make_room() if evidence.record_events else ()
        header = describe_boot(self._configuration, boot_id, nonce, removed)
        points = max((source.max_trajectory_points for source in self._configuration.sources), default=0)
        limits = FeedLimits(
            backlog_bytes=_BACKLOG + _NUMBER_BYTES * points * (1 + len(self._configuration.robot.joints)),
            decision_days=evidence.decision_days,
            intervention_days=evidence.intervention_days,
            snapshot_every=evidence.snapshot_every,
        )
        self.feed = EventFeed(
            evidence.log_directory,
            header,
            limits,
            sinks=self._sinks(),
            record_events=evidence.record_events,
            keep=(self._lock.fileno(),),
            priority=RECORDER_PRIORITY,
        )
        self._begun = True
        return header

    def _sinks(self) -> list[str]:
        """Return where heads go besides, as `evidence/decisions/sinks.py` is told."""
        heads = self._configuration.evidence.heads
        if heads is None:
            return []
        robot, directory = file_robot(self._configuration.robot.id), self._configuration.evidence.log_directory
        given = {"file": heads.file, "url": heads.url, "authority": heads.authority}
        told = [f"--{name}={value}" for name, value in given.items() if value]
        tokens = Path(directory) / f"{robot}.timestamps"
        return [*told, f"--tokens={tokens}", f"--every={heads.every}", f"--stamp-every={heads.stamp_every}"]

    def _make_room(self) -> tuple[str, ...]:
        """Remove the logs of the oldest boots where they are more than is kept; return the boots' ids."""
        evidence = self._configuration.evidence
        removal = make_room(evidence.log_directory, self._configuration.robot.id, evidence.keep_bytes)
        if removal.boots:
            self._log.info(f"{removal} (evidence.keep_bytes {evidence.keep_bytes})")
        if removal.failure:
            self._log.warning(f"an old event log can not be removed: {removal.failure}")
        return removal.boots

    def healthy(self, now: Nanoseconds) -> bool:
        """Return whether what was recorded is kept; why it is not is said once, whenever it begins."""
        healthy = self.feed.healthy(now)
        if self.feed.failure != self._told:
            self._told = self.feed.failure
            if self._told:
                self._log.error(f"{Code.LOG.value}: {self._told}")
        return healthy

    def close(self) -> None:
        """End the log and release the lock."""
        try:
            if self._begun:
                self.feed.close()
        finally:
            self._lock.release()
