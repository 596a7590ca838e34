"""Run a recorded boot again and compare every effect, bit for bit. Requirement: SR-044.

The same effects are promised for the same software, CPU class and one BLAS thread. With others they are compared all
the same, and the difference is said.
"""

from __future__ import annotations

import tempfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from safety_supervisor.config import load_config
from safety_supervisor.core.effects import Actuate, Decision, DriveBase, Effect, Status
from safety_supervisor.core.events import Event
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.evidence.event_log import Entry, EventLog, Gap, LogError, LogHeader, digest_effects
from safety_supervisor.evidence.snapshots.store import Found
from safety_supervisor.evidence.software import software_versions

LONGEST_URDF = 64 * 1024 * 1024


class Handler(Protocol):
    """What `Supervisor` is to replay."""

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Handle one event."""
        ...


@dataclass(frozen=True)
class Divergence:
    """The first event whose effects are not what was recorded."""

    index: int
    at: Nanoseconds
    event: Event
    recorded: tuple[Effect, ...]
    """Without `Actuate`, of which only the digest is kept."""
    replayed: tuple[Effect, ...]
    only_actuate: bool
    """The recorded effects stand equal among the replayed ones: a set-point differs."""


@dataclass
class ReplayReport:
    """What came of a replay."""

    boot_id: str
    robot_id: str
    segments: int
    events: int = 0
    first_event: int = 0
    """The first one that was run again; those before are of the snapshot."""
    snapshot: str = ""
    """Name of the snapshot that replay began from; empty: it began with the boot."""
    set_points: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    final_state: str = ""
    divergence: Divergence | None = None
    gap: Gap | None = None
    """Where events are missing, replay ends."""
    tail: str = "complete"
    tail_path: str = ""
    tail_offset: int = 0
    different_software: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name to recorded and present version."""

    @property
    def same(self) -> bool:
        """Whether everything that was recorded came out again. A torn tail is normal after a kill."""
        whole = self.gap is None and self.tail not in ("corrupt", "incomplete")
        return self.divergence is None and whole and self.events > self.first_event

    @property
    def cause(self) -> str:
        """Why effects differ, as far as the log tells; empty when none do. The configuration is the recorded one."""
        if self.divergence is None:
            return ""
        other = {name: f"{name} was {then}, is {now}" for name, (then, now) in self.different_software.items()}
        processor = other.pop("cpu", "")
        causes = [f"another version: {', '.join(other.values())}"] if other else []
        causes += [f"another processor: {processor}"] if processor else []
        if causes:
            return f"{'; '.join(causes)}. The configuration is the recorded one: its hash is right."
        return (
            "version, processor and configuration are the recorded ones: the log was changed after it was written, or "
            "this is a defect of the supervisor; keep the file, and report it"
        )


def recorded_configuration(header: LogHeader) -> Configuration:
    """Build the configuration that a log was made with.

    Raises:
        LogError: when it does not hash to what was recorded, or the URDF is damaged.
        ConfigurationError: when this version does not accept it.
    """
    inflate = zlib.decompressobj()
    try:
        urdf = inflate.decompress(header.urdf, LONGEST_URDF).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise LogError(f"the recorded URDF is damaged: {error}") from error
    if inflate.unconsumed_tail:
        raise LogError(f"the recorded URDF is longer than {LONGEST_URDF} bytes")
    with tempfile.TemporaryDirectory(prefix="replay-") as place:
        path = Path(place) / "configuration.yaml"
        path.write_bytes(header.configuration)
        configuration = load_config(path, urdf_text=urdf, baselines=header.baselines)
    if configuration.sha256 != header.configuration_sha256:
        raise LogError(
            f"the recorded configuration hashes to {configuration.sha256}, recorded was {header.configuration_sha256}"
        )
    return configuration


def replay(
    log: EventLog,
    supervisor: Handler,
    until: Nanoseconds | None = None,
    seen: Callable[[int, Event, tuple[Effect, ...]], None] | None = None,
    start: Found | None = None,
    same: Callable[[ReplayReport, Event], None] | None = None,
) -> ReplayReport:
    """Feed all recorded events to a fresh supervisor and compare.

    Args:
        log: the boot.
        supervisor: fresh, of `recorded_configuration(log.header)`; brought to the snapshot where there is one.
        until: stop after this much time since the first event, [ns].
        seen: called with index, event and effects of each handled event.
        start: the snapshot to begin from; what was counted before it is in the report.
        same: called behind each event whose effects came out again.
    """
    report = ReplayReport(log.header.boot_id, log.header.robot_id, len(log.segments))
    begun: Nanoseconds | None = None
    if start is not None:
        head = start.head
        log.begin, begun = head.place, head.begun
        report.events = report.first_event = head.events
        report.set_points, report.final_state, report.snapshot = head.set_points, head.final_state, start.path.name
        report.verdicts.update(head.verdicts)
    present = software_versions()
    names = sorted({*log.header.versions, *present})
    versions = {name: (log.header.versions.get(name, "not recorded"), present.get(name, "")) for name in names}
    report.different_software = {name: pair for name, pair in versions.items() if pair[0] != pair[1]}
    for item in log:
        if isinstance(item, Gap):
            report.gap = item
            break
        if begun is None:
            begun = item.event.at
        if until is not None and item.event.at - begun > until:
            return report
        effects = supervisor.handle(item.event)
        _count(report, effects)
        if seen is not None:
            seen(report.events - 1, item.event, effects)
        if digest_effects(effects) != item.digest:
            report.divergence = _diverged(report.events - 1, item, effects)
            break
        if same is not None:
            same(report, item.event)
    report.tail, report.tail_path, report.tail_offset = log.tail.state, log.tail.path, log.tail.offset
    return report


def _count(report: ReplayReport, effects: tuple[Effect, ...]) -> None:
    report.events += 1
    for effect in effects:
        if isinstance(effect, Actuate):
            report.set_points += 1
        elif isinstance(effect, Decision):
            report.verdicts[effect.verdict] += effect.count
        elif isinstance(effect, Status):
            report.final_state = effect.state


def _diverged(index: int, entry: Entry, effects: tuple[Effect, ...]) -> Divergence:
    rest = [effect for effect in effects if not isinstance(effect, (Actuate, DriveBase))]
    return Divergence(
        index,
        entry.event.at,
        entry.event,
        tuple(entry.effects),
        effects,
        digest_effects(rest) == digest_effects(entry.effects),
    )
