"""Makes the snapshots of a boot while it runs its events again: only where every effect came out again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from safety_supervisor.core.effects import Effect
from safety_supervisor.core.events import Event
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.evidence.event_log import EventLog
from safety_supervisor.evidence.lines import Lines
from safety_supervisor.evidence.replay import ReplayReport, replay
from safety_supervisor.evidence.snapshots import store
from safety_supervisor.evidence.snapshots.graph import Fixtures
from safety_supervisor.evidence.snapshots.names import path_of
from safety_supervisor.evidence.snapshots.telling import NotTellableError


class Maker:
    """Follows a boot, event by event.

    Attributes:
        written: the snapshots, in order.
        report: of what was run again so far; None before `run`.

    Args:
        log: the boot.
        configuration: of the log.
        every: time between two snapshots, [ns].
        wrote: called with each snapshot that is on the disk.
    """

    def __init__(
        self,
        log: EventLog,
        configuration: Configuration,
        every: Nanoseconds,
        wrote: Callable[[Path, int], None] | None = None,
    ) -> None:
        """Begin at the boot."""
        self.written: list[Path] = []
        self.report: ReplayReport | None = None
        self._log, self._configuration, self._every = log, configuration, every
        self._wrote = wrote
        self._supervisor = Supervisor(configuration)
        self._fixtures = Fixtures(self._supervisor)
        self._prefix = store.Prefix(log)
        self._lines = Lines()
        self._begun: Nanoseconds | None = None
        self._last: Nanoseconds = 0

    def run(self, seen: Callable[[int, Event, tuple[Effect, ...]], None] | None = None) -> ReplayReport:
        """Run the boot to its end, or to the first effect that differs.

        Raises:
            OSError: a snapshot can not be written.
        """

        def count(index: int, event: Event, effects: tuple[Effect, ...]) -> None:
            for _ in self._lines.take(event, effects):
                pass
            if seen is not None:
                seen(index, event, effects)

        self.report = replay(self._log, self._supervisor, seen=count, same=self._same)
        return self.report

    def _same(self, report: ReplayReport, event: Event) -> None:
        if self._begun is None:
            self._begun = self._last = event.at
        if event.at - self._last < self._every:
            return
        try:
            state = self._fixtures.take()
        except NotTellableError:
            return  # in this moment; the next event is as good
        self._last = event.at
        # What does not come back as it went is no snapshot.
        again = Fixtures(Supervisor(self._configuration))
        again.put(state)
        if again.take() != state:
            raise store.SnapshotError("a state did not come back as it was: this is a defect of the supervisor")
        header = self._log.header
        head = store.SnapshotHead(
            robot_id=header.robot_id,
            boot_id=header.boot_id,
            nonce=header.nonce,
            configuration_sha256=header.configuration_sha256,
            versions=store.software_versions(),
            fresh_sha256=self._fixtures.sha256,
            events=report.events,
            place=self._log.place,
            recording_sha256=self._prefix.until(self._log.place),
            begun=self._begun,
            at=event.at,
            set_points=report.set_points,
            verdicts=dict(report.verdicts),
            final_state=report.final_state,
            lines=self._lines.count,
            lines_state=self._lines.state,
        )
        path = path_of(self._log.segments[0][0], report.events)
        store.write(path, head, state)
        self.written.append(path)
        if self._wrote is not None:
            self._wrote(path, report.events)
