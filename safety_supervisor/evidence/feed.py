"""The control process's side of the recorder: a few microseconds a cycle, and it never blocks.

    feed = EventFeed(log_directory, describe_boot(configuration, boot_id, nonce), keep=(lock.fileno(),))
    effects = supervisor.handle(event)
    feed.record(event, effects)        # is in shared memory: a kill of this process loses it no more
    ...                                # the motors are served
    feed.flush()                       # tells what could not be handed over before
    log_ok = feed.healthy(now)         # into the next Tick

Requirement: SR-043.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from safety_supervisor.config import files_sha256
from safety_supervisor.config.bounds import MAXIMUM_BYTES, read_bounded
from safety_supervisor.core.effects import Effect, Latches, Stages
from safety_supervisor.core.events import Event
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.evidence.decisions.sink_words import SinkWords, places_of
from safety_supervisor.evidence.event_log import LogHeader
from safety_supervisor.evidence.latch_store import LatchStore
from safety_supervisor.evidence.recorder import HANDLED, HEADER, LOST, NOTE, store_latches
from safety_supervisor.evidence.ring import FRAME, RingWriter
from safety_supervisor.evidence.software import software_versions
from safety_supervisor.evidence.stage_store import StageStore

_NEVER = 1 << 63
"""A position that no stream reaches."""


@dataclass(frozen=True)
class FeedLimits:
    """Bounds of the record of events.

    Attributes:
        durable_within: data older than this that is not on disk makes the feed unhealthy, [ns].
        backlog_bytes: size of the ring: what the recorder has not read. What exceeds it is lost and counted.
        retain_bytes: kept in the recorder while the disk fails; what exceeds it is lost and counted.
        segment_bytes: size at which the next file is begun.
        decision_days: how long decisions are kept.
        intervention_days: how long interventions, acts and versions are.
        snapshot_every: time between two snapshots of the core, [s]; 0: none.
    """

    durable_within: Nanoseconds = 500_000_000
    backlog_bytes: int = 4 << 20
    retain_bytes: int = 8 << 20
    segment_bytes: int = 256 << 20
    decision_days: int = 365
    intervention_days: int = 1826
    snapshot_every: float = 0.0


class EventFeed:
    """The way to a recorder process that this starts and that ends by itself when this process ends.

    The constructor waits until the header is on disk (at boot, where time does not matter); when that fails the feed
    exists and is unhealthy, and becomes healthy when the disk does.

    Args:
        log_directory: where log and latches stand; created with mode 0700.
        header: see `describe_boot`.
        limits: bounds.
        record_events: False keeps latches and the decision log only.
        keep: descriptors that the recorder holds until it ends: the directory lock.
        start_s: how long to wait for the recorder, [s].
        sinks: where heads of the decision log go besides: arguments of `evidence/decisions/sinks.py`.
        priority: of the recorder, SCHED_FIFO; 0: an ordinary process, which it is too where that is not permitted.
    """

    def __init__(
        self,
        log_directory: str | Path,
        header: LogHeader,
        limits: FeedLimits | None = None,
        record_events: bool = True,
        keep: Sequence[int] = (),
        start_s: float = 10.0,
        sinks: Sequence[str] = (),
        priority: int = 0,
    ) -> None:
        """Start the recorder and hand it the header."""
        self.limits = limits or FeedLimits()
        self.failure = ""
        """Why the feed is not healthy, for people; empty when it is."""
        self._record_events = record_events
        self._sinks = list(sinks)
        self._priority = priority
        self._store = LatchStore(log_directory, header.robot_id)
        self._stages = StageStore(log_directory, header.robot_id)
        self._encoder_of_lines = msgspec.json.Encoder()
        self._encoder = msgspec.msgpack.Encoder()
        self._encode = self._encoder.encode
        self._ring = RingWriter(self.limits.backlog_bytes)
        self._lost_events = 0
        self._gap = ""  # why events were lost; told by `healthy` at least once
        self._latches_sent = 0
        self._unsent_latches = b""
        self._ack = (0, 0, 0, 0)
        self._dead = False
        self._complete: bool | None = None
        self._mark = (0, 0)  # bytes and latches queued at `_mark_at`
        self._mark_at = 0
        self._heads = -1
        self._head_rest = b""
        self._process = self._start(Path(log_directory), header, keep)
        self._begin(self._encoder.encode(header), start_s)

    def _start(self, directory: Path, header: LogHeader, keep: Sequence[int]) -> subprocess.Popen[bytes]:
        bell_in, self._bell = os.pipe()
        latches_in, self._latches = os.pipe()
        self._life, life_out = os.pipe()  # nothing goes through it: it ends with the recorder
        self._heads, heads_out = os.pipe()
        words, words_out = os.pipe() if self._sinks else (-1, -1)
        self.sinks = SinkWords(places_of(self._sinks), words)
        for descriptor in (self._bell, self._latches, self._heads, *([words] if self._sinks else [])):
            os.set_blocking(descriptor, False)
        self._end = select.poll()
        self._end.register(self._life, 0)
        theirs = [
            bell_in,
            latches_in,
            life_out,
            heads_out,
            self._ring.descriptor,
            *([words_out] if self._sinks else []),
        ]
        package = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH", ""))))
        command = [sys.executable, "-m", "safety_supervisor.evidence.recorder"]
        command += ["--directory", str(directory.absolute()), "--robot", header.robot_id]
        command += ["--ring", str(self._ring.descriptor), "--bell", str(bell_in), "--latches", str(latches_in)]
        command += ["--segment-bytes", str(self.limits.segment_bytes), "--retain", str(self.limits.retain_bytes)]
        command += ["--days", str(self.limits.decision_days), str(self.limits.intervention_days)]
        command += ["--priority", str(self._priority)]
        if self.limits.snapshot_every and self._record_events:
            command += ["--snapshots", str(self.limits.snapshot_every), header.boot_id]
        if self._sinks:
            command += ["--sinks", json.dumps(self._sinks), "--sink-words", str(words_out)]
        command += ["--heads", str(heads_out)] + ([] if self._record_events else ["--decisions-only"])
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # No threads of numpy's: a process has ended when all its threads have, and those are ordinary ones.
                env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                cwd="/",  # holds no directory busy
                pass_fds=(*theirs, *keep),
                start_new_session=True,  # Ctrl-C at the terminal must not end it before the last record
            )
        finally:
            for descriptor in theirs:
                os.close(descriptor)

    def _begin(self, header: bytes, start_s: float) -> None:
        """Hand over the header, which may be longer than the ring, and wait until it is on disk."""
        ends = time.monotonic() + start_s
        rest = memoryview(FRAME.pack(HEADER, len(header)) + header)
        while time.monotonic() < ends:
            rest = rest[self._ring.put_part(rest) :]
            self._look()
            if self._dead or self._ack[2] or (not rest and self._ack[0] >= self._ring.written):
                break
            time.sleep(0.001)
        self._dead |= bool(rest)  # what follows would be taken for the rest of it
        self._mark = (self._ring.written, 0)
        self._mark_at = time.monotonic_ns()
        self.healthy(self._mark_at)

    @property
    def process_id(self) -> int:
        """Process of the recorder."""
        return self._process.pid

    @property
    def pending(self) -> int:
        """Bytes of the record that were not on disk at the last `healthy`."""
        return self._ring.written - self._ack[0]

    def record(self, event: Event, effects: Sequence[Effect]) -> None:
        """Hand over one handled event with its effects. Never raises, never blocks."""
        if self._dead:
            return
        if self._lost_events:
            self._lose()
            return
        try:
            block = self._encode((event, effects))
        except Exception as error:
            self._lose(f"an event can not be encoded: {error}")
            return
        if not self._ring.put(HANDLED, block):
            self._lose()

    def _lose(self, reason: str = "the recorder does not keep up: events were lost") -> None:
        self._lost_events += 1
        self._gap = reason

    def flush(self) -> None:
        """Hand over what could not be before. Once a cycle, after the motors."""
        if self._unsent_latches:
            self._send_latches()
        # Only with room for what follows, behind all that was kept: the gap stands where the events are missing.
        if self._lost_events and not self._dead and self._ring.room() >= self._ring.capacity // 2:
            told = self._ring.put(LOST, self._encoder.encode(self._lost_events))
            self._lost_events = 0 if told else self._lost_events

    def save_latches(self, latches: Latches) -> None:
        """Hand latches to the recorder, which stores them also when this process is killed right afterwards.

        Called after the stop was sent. Never raises, never blocks.
        """
        line = json.dumps({"emergency_stop": latches.emergency_stop, "fault": latches.fault}).encode() + b"\n"
        self._latches_sent += 1
        self._unsent_latches += line
        self._send_latches()

    def save_stages(self, stages: Stages) -> None:
        """Hand the stages of agents to the recorder, as latches. Never raises, never blocks."""
        self._latches_sent += 1
        self._unsent_latches += self._encoder_of_lines.encode({"stages": stages.demoted}) + b"\n"
        self._send_latches()

    def _send_latches(self) -> None:
        try:
            written = os.write(self._latches, self._unsent_latches)
            self._unsent_latches = self._unsent_latches[written:]
        except BlockingIOError:
            return
        except OSError:
            self._dead = True
            # Without a recorder a thread writes: better late than only in memory, and still not in the way.
            lines = [json.loads(line) for line in self._unsent_latches.splitlines()]
            waiting = {"stages" if "stages" in line else "latches": line for line in lines}
            self._unsent_latches = b""
            where = (self._store, self._stages, waiting)
            threading.Thread(target=_write_latches, args=where, name="latches", daemon=True).start()

    def _look(self) -> None:
        """Take what the recorder says, and whether it lives."""
        if self._dead:
            return
        self._ack = self._ring.acknowledged()
        self._dead = bool(self._end.poll(0))

    def note(self, event: Event) -> int:
        """Hand over at once what has to be on disk before it takes effect. Never raises, never blocks.

        Returns:
            Up to where the stream has to be durable: see `is_durable`.
        """
        if self._dead or not self._ring.put(NOTE, self._encode(event)):
            return _NEVER
        try:
            os.write(self._bell, b"!")
        except BlockingIOError:
            pass  # it rings still
        except OSError:
            self._dead = True
        return self._ring.written

    def is_durable(self, mark: int) -> bool:
        """Return whether the stream was on disk so far at the last `healthy`."""
        return self._ack[0] >= mark

    def newest_head(self) -> str:
        """Return the newest signed head of the decision log that came since the last call; empty where none did."""
        try:
            data = os.read(self._heads, 1 << 16)
        except OSError:  # nothing there, or closed
            return ""
        *lines, self._head_rest = (self._head_rest + data).split(b"\n")
        return lines[-1].decode("ascii") if lines else ""

    def healthy(self, now: Nanoseconds) -> bool:
        """Return whether the record of motion is being kept: into `Tick.log_ok`.

        Args:
            now: steady clock, [ns].
        """
        self._look()
        durable, latches, log_error, latch_error = self._ack
        if durable >= self._mark[0] and latches >= self._mark[1]:
            self._mark = (self._ring.written, self._latches_sent)
            self._mark_at = now
        if self._dead:
            self.failure = "the recorder has ended"
        elif log_error or latch_error:
            self.failure = f"the log can not be written: {os.strerror(log_error or latch_error)}"
        elif self._gap:
            self.failure = self._gap
            if not self._lost_events:
                self._gap = ""
        elif now - self._mark_at > self.limits.durable_within:
            self.failure = f"the log is not on disk after {self.limits.durable_within / 1e6:.0f} ms"
        else:
            self.failure = ""
        return not self.failure

    def close(self, wait_s: float = 2.0) -> bool:
        """Hand over the rest and wait for the recorder; return whether everything is on disk.

        After `wait_s` it is left alone: it ends by itself when its disk answers or is given up. A second call only
        tells the same again.
        """
        if self._complete is not None:
            return self._complete
        ends = time.monotonic() + wait_s
        self.flush()
        while self._lost_events and not self._dead and time.monotonic() < ends:
            time.sleep(0.001)
            self._look()
            self.flush()
        complete = not self._lost_events and not self._dead
        for descriptor in (self._bell, self._latches):
            os.close(descriptor)
        try:
            complete &= self._process.wait(max(0.0, ends - time.monotonic())) == 0
        except subprocess.TimeoutExpired:
            complete = False
        self.sinks.close()
        self._dead = True
        os.close(self._life)
        os.close(self._heads)
        self._ring.close()
        self._complete = complete
        return complete


def _write_latches(store: LatchStore, stages: StageStore, waiting: dict[str, dict[str, Any]]) -> None:
    try:
        store_latches(store, stages, waiting)
    except OSError as error:
        print(f"latches can not be written: {error}", file=sys.stderr)


def describe_boot(
    configuration: Configuration, boot_id: str, nonce: str, removed_boots: tuple[str, ...] = ()
) -> LogHeader:
    """Build the header of a boot's log.

    Raises:
        OSError: when the configuration file can not be read any more, or is not what was loaded.
    """
    data, urdf = read_bounded(Path(configuration.path), MAXIMUM_BYTES), configuration.robot.urdf.encode()
    # Beside the signature of one file no other one is recorded, whoever exchanged it for that moment.
    if files_sha256(data, urdf) != configuration.sha256:
        raise OSError(f"{configuration.path} is not what was loaded")
    return LogHeader(
        robot_id=configuration.robot.id,
        boot_id=boot_id,
        nonce=nonce,
        configuration=data,
        urdf=zlib.compress(urdf),
        configuration_sha256=configuration.sha256,
        versions=software_versions(),
        started_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        removed_boots=removed_boots,
        baselines={
            source.anomaly.baseline.sha256: source.anomaly.baseline.data
            for source in configuration.sources
            if source.anomaly is not None
        },
        signature=configuration.signature,
        signed_by=configuration.signed_by,
    )
