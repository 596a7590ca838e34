"""The recorder process: takes events from shared memory and latches from a pipe, makes them durable and says so.

From the same events it makes the decision log (`decisions/`), unasked by the control process.

    python -m safety_supervisor.evidence.recorder --directory D --robot R --ring FD --bell FD --latches FD

It never blocks the control process: it reads whatever happens to the disk. Every `PERIOD_S`, and at once when the bell
rings, it writes what came and calls fdatasync, so the disk is at most about 20 ms behind; the acknowledgement names the
durable end of the stream. With `--priority` it does so above all ordinary work, however much of that there is.
While the disk fails, up to `--retain` bytes are kept and written later; what exceeds them is counted and becomes a
`Gap`. It ends when bell and pipe end, also when the control process was killed, after all that had been put into the
ring is on disk.
Latches go their own way, in a thread of their own: a slow log does not delay them. Requirement: SR-043, SR-047.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from safety_supervisor.core.agents.stored import StoredStage
from safety_supervisor.evidence import event_log
from safety_supervisor.evidence.background import become_background
from safety_supervisor.evidence.children import HeadPipe, start_sinks, start_snapshots
from safety_supervisor.evidence.decisions.expiry import DAY, Expiry
from safety_supervisor.evidence.decisions.keeper import Keeper
from safety_supervisor.evidence.latch_store import LatchStore
from safety_supervisor.evidence.log_writer import LogWriter
from safety_supervisor.evidence.ring import FRAME, RingReader
from safety_supervisor.evidence.stage_store import StageStore

HEADER, HANDLED, LOST, NOTE = 1, 2, 3, 4
"""Kinds of frames: a `LogHeader`; a pair of an event and its effects; a number of events that the feed had to drop; an
act that enters only when this is on disk."""
PERIOD_S = 0.010
RETRY_S = 0.2
LAST_TRIES_S = 1.0
"""How long a failing disk is tried again after the control process has ended."""
_READ = 1 << 20
Result = TypeVar("Result")


class Acknowledgements:
    """What both threads tell the control process, which looks at it once a cycle.

    Args:
        ring: takes it.
    """

    def __init__(self, ring: RingReader) -> None:
        """Say nothing yet."""
        self._ring = ring

    def send(
        self,
        durable: int | None = None,
        latches: int | None = None,
        log_error: int | None = None,
        latch_error: int | None = None,
    ) -> None:
        """Update what is given: errors first, so that nothing is durable beside an old one."""
        for index, value in ((2, log_error), (3, latch_error), (0, durable), (1, latches)):
            if value is not None:
                self._ring.acknowledge(index, value)


def store_latches(store: LatchStore, stages: StageStore, waiting: dict[str, dict[str, Any]]) -> None:
    """Store the newest latches and stages of agents that wait; each that is on disk waits no more.

    Raises:
        OSError: when one of them can not be stored; it goes on waiting.
    """
    if "latches" in waiting:
        newest = waiting["latches"]
        store.write(bool(newest["emergency_stop"]), str(newest["fault"]))
        del waiting["latches"]
    if "stages" in waiting:
        stages.write(msgspec.convert(waiting["stages"]["stages"], tuple[StoredStage, ...]))
        del waiting["stages"]


def keep_latches(store: LatchStore, stages: StageStore, descriptor: int, acks: Acknowledgements) -> bool:
    """Store latches and stages as they come, the newest of several, until the pipe ends.

    Returns:
        Whether the last of each is on disk.
    """
    inbound = b""
    arrived = stored = 0
    waiting: dict[str, dict[str, Any]] = {}
    ends: float | None = None
    while True:
        if ends is None and select.select([descriptor], [], [], RETRY_S if stored < arrived else None)[0]:
            chunk = os.read(descriptor, 65536)
            if not chunk:
                ends = time.monotonic() + LAST_TRIES_S
            *lines, inbound = (inbound + chunk).split(b"\n")
            for line in lines:
                body = json.loads(line)
                waiting["stages" if "stages" in body else "latches"] = body
            arrived += len(lines)
        if stored < arrived:
            try:
                store_latches(store, stages, waiting)
                stored = arrived
                acks.send(latches=stored, latch_error=0)
            except OSError as error:
                acks.send(latch_error=error.errno or -1)
                if ends is not None:
                    time.sleep(RETRY_S / 4)
        if ends is not None and (stored == arrived or time.monotonic() >= ends):
            return stored == arrived


class Released:
    """A context in which a lock that is held is not.

    Args:
        lock: that whoever enters holds.
    """

    def __init__(self, lock: threading.Lock) -> None:
        """Name it."""
        self._lock = lock

    def __enter__(self) -> None:
        """Let others have it."""
        self._lock.release()

    def __exit__(self, *_: object) -> None:
        """Take it again."""
        self._lock.acquire()


class Logs:
    """The event log and the decision log of one boot, which is made from the same events.

    Args:
        directory: log directory.
        segment_bytes: of the event log.
        retain: bytes of the event log kept in memory while the disk fails.
        recording: False keeps decisions, and no events.
        heads: descriptors that take the lines of the decision log's signed heads.
        days: how long decisions, and interventions, are kept.
        begin_thread: is called in each thread that records.
    """

    def __init__(
        self,
        directory: Path,
        segment_bytes: int,
        retain: int,
        recording: bool = True,
        heads: Sequence[int] = (),
        days: Sequence[int] = (365, 1826),
        begin_thread: Callable[[], None] = lambda: None,
    ) -> None:
        """Open nothing yet: the header comes first."""
        self._decisions = Keeper(directory, expiry=Expiry(days[0] * DAY, days[1] * DAY))
        self._beside = ThreadPoolExecutor(2, "logs", begin_thread)
        self._turn = threading.Lock()
        """Held by whoever works on the logs; nobody works while the disk is waited for."""
        self._wrote: list[tuple[Path, int, bytes]] = []
        """What the event log has on disk, and the decision log has not been told."""
        self._events = LogWriter(directory, segment_bytes, retain, self._note) if recording else None
        self._decisions.disk = Released(self._turn)
        if self._events is not None:
            self._events.disk = Released(self._turn)
        self._heads = [HeadPipe(descriptor) for descriptor in heads]

    @property
    def error(self) -> int:
        """errno of the last try, 0 when it succeeded."""
        return (self._events.error if self._events is not None else 0) or self._decisions.error

    def take(self, kind: int, block: bytes) -> None:
        """Take the content of a frame."""
        if kind == HANDLED:
            if self._events is not None:
                self._events.add(event_log.encode_entry(block))
            self._decisions.take(block)
        elif kind == NOTE:
            self._decisions.asked(block)
        elif kind == HEADER:
            header = msgspec.msgpack.decode(block, type=event_log.LogHeader)
            if self._events is not None:
                self._events.begin(header)
            self._decisions.begin(header)
        else:
            events = msgspec.msgpack.decode(block, type=int)
            if self._events is not None:
                self._events.add_gap(events)
            self._decisions.lost(events)

    def sync(self, meanwhile: Callable[[], object] | None = None) -> bool:
        """Make everything durable that came before; return whether it is.

        Args:
            meanwhile: takes what comes while the disk is waited for. That is written, so that a kill loses it no more,
                and made durable by the next call.
        """
        parts = [] if self._decisions.idle else [self._decisions.sync]
        parts += [] if self._events is None else [self._events.sync]
        # Both at once: two that wait for the disk one behind the other take twice as long, and a late record stops.
        jobs = [self._beside.submit(self._in_turn, part) for part in parts]
        while wait(jobs, PERIOD_S).not_done:
            if meanwhile is not None:
                self._in_turn(meanwhile)
                self._in_turn(self._write_ahead)
        durable = all(job.result() for job in jobs) and self._decisions.error == 0
        for path, offset, block in self._wrote:
            self._decisions.wrote(path, offset, block)
        self._wrote.clear()
        lines = self._decisions.take_heads()
        for pipe in self._heads:
            pipe.send(lines)
        return durable

    def _in_turn(self, work: Callable[[], Result]) -> Result:
        with self._turn:
            return work()

    def _write_ahead(self) -> None:
        self._decisions.write_ahead()
        if self._events is not None:
            self._events.write_ahead()

    def _note(self, path: Path, offset: int, block: bytes) -> None:
        self._wrote.append((path, offset, block))

    def finish(self) -> None:
        """Tell the decision log that the boot ends, once the event log is whole."""
        self._decisions.finish()

    def close(self) -> None:
        """Say in the event log that it has ended."""
        if self._events is not None:
            self._events.close()


def keep_events(logs: Logs, ring: RingReader, bell: int, acks: Acknowledgements) -> bool:
    """Write events as they come until the bell's pipe ends; return whether all are on disk."""
    os.set_blocking(bell, False)
    inbound = bytearray()
    consumed = 0
    due = next_try = 0.0
    ended = False

    def take() -> int:
        nonlocal consumed
        came = ring.read(inbound, _READ)
        consumed += _take_frames(inbound, logs)
        return came

    while not ended:
        ended = _wait(bell, due)
        begun = time.monotonic()
        came = take()
        while ended and take():
            pass  # nobody adds anything any more
        if not logs.error or begun >= next_try:
            mark = consumed
            durable = logs.sync(take)
            next_try = time.monotonic() + RETRY_S
            acks.send(durable=mark if durable else None, log_error=logs.error)
        due = begun + PERIOD_S if came < _READ else 0.0
    ends = time.monotonic() + LAST_TRIES_S
    while not logs.sync() and time.monotonic() < ends:
        time.sleep(RETRY_S / 4)
    logs.finish()
    while not logs.sync() and time.monotonic() < ends:
        time.sleep(RETRY_S / 4)
    logs.close()
    acks.send(durable=None if logs.error else consumed, log_error=logs.error)
    return not logs.error


def _wait(bell: int, due: float) -> bool:
    """Wait until a time, or until the bell rings; return whether its pipe has ended."""
    if not select.select([bell], [], [], max(0.0, due - time.monotonic()))[0]:
        return False
    return not os.read(bell, 4096)


def _take_frames(inbound: bytearray, logs: Logs) -> int:
    """Hand whole frames on and remove them; return their bytes."""
    at = 0
    while len(inbound) - at >= FRAME.size:
        kind, length = FRAME.unpack_from(inbound, at)
        end = at + FRAME.size + length
        if end > len(inbound):
            break
        logs.take(kind, bytes(inbound[at + FRAME.size : end]))
        at = end
    del inbound[:at]
    return at


def main() -> int:
    """Record until the pipes end; return 0 when everything is on disk."""
    parser = argparse.ArgumentParser(prog="safety_supervisor.evidence.recorder")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--robot", required=True)
    for name in ("--ring", "--bell", "--latches", "--segment-bytes", "--retain"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--heads", type=int)
    parser.add_argument("--sinks", help="JSON: arguments of evidence/decisions/sinks.py")
    parser.add_argument("--sink-words", type=int, default=-1)
    parser.add_argument("--days", type=int, nargs=2, default=(365, 1826), metavar=("SHORT", "LONG"))
    parser.add_argument("--snapshots", nargs=2, metavar=("SECONDS", "BOOT"))
    parser.add_argument("--decisions-only", action="store_true")
    parser.add_argument("--priority", type=int, default=0, help="of SCHED_FIFO")
    given = parser.parse_args()
    rise = become_background(given.priority)
    ring = RingReader(given.ring)
    acks = Acknowledgements(ring)
    kept = [False]

    def latches() -> None:
        try:
            rise()
            kept[0] = keep_latches(
                LatchStore(given.directory, given.robot),
                StageStore(given.directory, given.robot),
                given.latches,
                acks,
            )
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)  # half a recorder is none: the feed sees the pipe end

    thread = threading.Thread(target=latches, name="latches")
    thread.start()
    heads = [] if given.heads is None else [given.heads]
    if given.sinks:
        heads.append(start_sinks(given.robot, json.loads(given.sinks), given.sink_words))
    if given.snapshots:
        start_snapshots(given.directory, given.robot, *given.snapshots)
    limits = given.segment_bytes, given.retain
    logs = Logs(given.directory, *limits, not given.decisions_only, heads, given.days, rise)
    logged = keep_events(logs, ring, given.bell, acks)
    thread.join()
    return 0 if logged and kept[0] else 1


if __name__ == "__main__":
    sys.exit(main())
