"""The recorder process: takes events and latches from pipes, makes them durable and says so.

    python -m safety_supervisor.evidence.recorder --directory D --robot R --events FD --latches FD --acks FD

It never blocks the control process: it reads whatever happens to the disk. Every `PERIOD_S` it writes what came and
calls fdatasync, so the disk is at most about 20 ms behind; the acknowledgement names the durable end of the stream.
While the disk fails, up to `--retain` bytes are kept and written later; what exceeds them is counted and becomes a
`Gap`. It ends when its pipes end, also when the control process was killed, after everything is on disk.
Latches go their own way, in a thread of their own: a slow log does not delay them. Requirement: SR-043, SR-047.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import select
import signal
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from safety_supervisor.core.agents.stored import StoredStage
from safety_supervisor.evidence import event_log
from safety_supervisor.evidence.latch_store import LatchStore
from safety_supervisor.evidence.stage_store import StageStore

FRAME = struct.Struct("<BI")
"""Kind and length of what follows."""
HEADER, HANDLED, LOST = 1, 2, 3
"""Kinds of frames: a `LogHeader`; a pair of an event and its effects; a number of events that the feed had to drop."""
ACK = struct.Struct("<QQii")
"""Durable bytes of the event stream, latches on disk, errno of the log, errno of the latches (0: none)."""
PERIOD_S = 0.010
RETRY_S = 0.2
LAST_TRIES_S = 1.0
"""How long a failing disk is tried again after the control process has ended."""
_READ = 1 << 20


class LogWriter:
    """The files of one boot: what is pending, what is durable.

    Args:
        directory: log directory.
        segment_bytes: size at which the next segment is begun.
        retain: bytes kept in memory while the disk fails.
    """

    def __init__(self, directory: Path, segment_bytes: int, retain: int) -> None:
        """Open nothing yet: the header comes first."""
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._retain = retain
        self._header: event_log.LogHeader | None = None
        self._file: int | None = None
        self._path = directory
        self._preamble = b""
        self._durable = 0  # bytes of the present segment that are on disk
        self._pending = bytearray()
        self._lost = event_log.Gap(0, 0)
        self.error = 0
        """errno of the last try, 0 when it succeeded."""

    def begin(self, header: event_log.LogHeader) -> None:
        """Take the header of this boot."""
        self._header = header

    def add(self, record: bytes) -> None:
        """Queue a record; count it as lost when the memory for a failing disk is full."""
        if self._lost.events or len(self._pending) + len(record) > self._retain:
            self._lose(1, len(record))
        else:
            self._pending += record

    def add_gap(self, events: int) -> None:
        """Queue the record of events that the feed had to drop."""
        if self._lost.events:
            self._lose(events, 0)
        else:
            self._pending += event_log.encode_gap(event_log.Gap(events, 0))

    def _lose(self, events: int, size: int) -> None:
        """Count events that are not kept. Later ones are not kept either until the gap is on disk, to keep order."""
        self._lost = event_log.Gap(self._lost.events + events, self._lost.bytes + size)

    def sync(self) -> bool:
        """Write what is pending and make it durable; return whether all that was added before is."""
        idle = self._file is not None and not (self._pending or self._preamble or self._lost.events)
        if self._header is None or idle:
            return self.error == 0
        try:
            if self._file is None or self._durable + len(self._pending) > self._segment_bytes:
                self._next_segment()
            gap = event_log.encode_gap(self._lost) if self._lost.events else b""
            block = self._preamble + self._pending + gap
            # At the durable end, not at the end: what a failed try left there is overwritten.
            _write_at(self._descriptor(), block, self._durable)
            os.fdatasync(self._descriptor())
            if os.fstat(self._descriptor()).st_nlink == 0:
                raise OSError(errno.ENOENT, "the log was deleted")
        except OSError as error:
            self.error = error.errno or -1
            if self.error in (errno.EIO, errno.ENOENT):
                # EIO: the kernel may have dropped the pages; this file can not be trusted to take more.
                self._close()
            return False
        self._durable += len(block)
        self._preamble = b""
        self._pending.clear()
        self._lost = event_log.Gap(0, 0)
        self.error = 0
        return True

    def _descriptor(self) -> int:
        assert self._file is not None
        return self._file

    def _next_segment(self) -> None:
        """Begin segment 0, or the one after the present one."""
        self._close()
        assert self._header is not None
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._path = self._directory / event_log.segment_name(self._header)
        self._file = os.open(self._path, flags, 0o600)
        event_log.lock_segment(self._file)
        self._preamble = event_log.encode_header(self._header)
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _close(self) -> None:
        if self._file is None or self._header is None:
            return
        os.close(self._file)
        self._file = None
        if self._durable == 0:  # not even the header arrived: the number is used again
            self._path.unlink(missing_ok=True)
            return
        self._header = msgspec.structs.replace(
            self._header, segment=self._header.segment + 1, previous_bytes=self._durable
        )
        self._durable = 0


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


class Acknowledgements:
    """What both threads tell the control process; sending never blocks and never raises."""

    def __init__(self, descriptor: int) -> None:
        """Send on a pipe's writing end."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._state = [0, 0, 0, 0]

    def send(
        self,
        durable: int | None = None,
        latches: int | None = None,
        log_error: int | None = None,
        latch_error: int | None = None,
    ) -> None:
        """Update what is given and send the whole state."""
        with self._lock:
            for index, value in enumerate((durable, latches, log_error, latch_error)):
                if value is not None:
                    self._state[index] = value
            # A stopped reader gets the next one, a dead one needs none.
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._descriptor, ACK.pack(*self._state))


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


def keep_events(writer: LogWriter, descriptor: int, acks: Acknowledgements) -> bool:
    """Write events as they come until the pipe ends; return whether all are on disk."""
    os.set_blocking(descriptor, False)
    inbound = bytearray()
    consumed = 0
    next_try = 0.0
    ended = False
    while not ended:
        select.select([descriptor], [], [], RETRY_S / 2)
        came, ended = _drain(descriptor, inbound)
        consumed += _take_frames(inbound, writer)
        if not writer.error or time.monotonic() >= next_try:
            durable = writer.sync()
            next_try = time.monotonic() + RETRY_S
            acks.send(durable=consumed if durable else None, log_error=writer.error)
        if came < _READ and not ended:
            time.sleep(PERIOD_S)
    ends = time.monotonic() + LAST_TRIES_S
    while not writer.sync() and time.monotonic() < ends:
        time.sleep(RETRY_S / 4)
    acks.send(durable=None if writer.error else consumed, log_error=writer.error)
    return not writer.error


def _drain(descriptor: int, inbound: bytearray) -> tuple[int, bool]:
    """Read what is there, at most `_READ` and a bit; return how much, and whether the pipe ended."""
    came = 0
    while came < _READ:
        try:
            chunk = os.read(descriptor, _READ)
        except BlockingIOError:
            return came, False
        if not chunk:
            return came, True
        inbound += chunk
        came += len(chunk)
    return came, False


def _take_frames(inbound: bytearray, writer: LogWriter) -> int:
    """Hand whole frames to the writer and remove them; return their bytes."""
    at = 0
    while len(inbound) - at >= FRAME.size:
        kind, length = FRAME.unpack_from(inbound, at)
        end = at + FRAME.size + length
        if end > len(inbound):
            break
        block = bytes(inbound[at + FRAME.size : end])
        if kind == HANDLED:
            writer.add(event_log.encode_entry(block))
        elif kind == HEADER:
            writer.begin(msgspec.msgpack.decode(block, type=event_log.LogHeader))
        else:
            writer.add_gap(msgspec.msgpack.decode(block, type=int))
        at = end
    del inbound[:at]
    return at


def _become_background() -> None:
    """Leave the control process's priority, processor and signals: only the end of the pipes ends the recorder.

    It stays an ordinary process: a record that is late stops the robot (E_LOG), so it waits behind no ordinary work.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, max(0, os.getpriority(os.PRIO_PROCESS, 0)))
    with contextlib.suppress(OSError):  # a container may forbid it: then it stays where it was put
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


def main() -> int:
    """Record until the pipes end; return 0 when everything is on disk."""
    _become_background()
    parser = argparse.ArgumentParser(prog="safety_supervisor.evidence.recorder")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--robot", required=True)
    for name in ("--events", "--latches", "--acks", "--segment-bytes", "--retain"):
        parser.add_argument(name, type=int, required=True)
    given = parser.parse_args()
    acks = Acknowledgements(given.acks)
    kept = [False]

    def latches() -> None:
        try:
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
    logged = keep_events(LogWriter(given.directory, given.segment_bytes, given.retain), given.events, acks)
    thread.join()
    return 0 if logged and kept[0] else 1


if __name__ == "__main__":
    sys.exit(main())
