"""Writes the event log: what is pending, what is durable. In the recorder's process. Requirement: SR-043."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from safety_supervisor.evidence import event_log, segment_lock

GONE = (errno.EIO, errno.ENOENT, errno.EROFS, errno.ESTALE)
"""What a file does not come back from: another one is begun when the disk does. A disk that was mounted anew has no
part in what was open on the old one."""

Wrote = Callable[[Path, int, bytes], None]


class LogWriter:
    """The files of one boot: what is pending, what is durable.

    Args:
        directory: log directory.
        segment_bytes: size at which the next segment is begun.
        retain: bytes kept in memory while the disk fails.
        wrote: is told what is on disk: file, offset, bytes.
    """

    def __init__(self, directory: Path, segment_bytes: int, retain: int, wrote: Wrote | None = None) -> None:
        """Open nothing yet: the header comes first."""
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._retain = retain
        self._header: event_log.LogHeader | None = None
        self._file: int | None = None
        self._path = directory
        self._makes = not directory.is_dir()  # one that was there and is gone was mounted: below it nothing is kept
        self._left: Path | None = None  # a file that nothing is in, and that could not be removed
        self._preamble = b""
        self._durable = 0  # bytes of the present segment that are on disk
        self._pending = bytearray()
        self._lost = event_log.Gap(0, 0)
        self._wrote = wrote
        self._ahead: int | None = None  # where bytes go that come while the disk is waited for; None: nowhere
        self._in_work = 0  # bytes of `_pending` that it is waited for with
        self.disk: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
        """Is entered while the disk is waited for: others may call `add` and `write_ahead` then."""
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
            lost = self._lost
            gap = event_log.encode_gap(lost) if lost.events else b""
            block = self._preamble + self._pending + gap
            self._in_work = len(self._pending)
            # At the durable end, not at the end: what a failed try left there is overwritten.
            write_at(self._descriptor(), block, self._durable)
            self._ahead = self._durable + len(block)
            with self.disk:
                os.fdatasync(self._descriptor())
            if os.fstat(self._descriptor()).st_nlink == 0:
                raise OSError(errno.ENOENT, "the log was deleted")
        except OSError as error:
            self._ahead = None
            self.error = error.errno or -1
            if self.error in GONE:
                # EIO: the kernel may have dropped the pages; this file can not be trusted to take more.
                self._close()
            return False
        if self._wrote is not None:
            self._wrote(self._path, self._durable, block)
        self._durable += len(block)
        self._preamble = b""
        del self._pending[: self._in_work]
        self._ahead, self._in_work = self._durable, 0
        self._lost = event_log.Gap(self._lost.events - lost.events, self._lost.bytes - lost.bytes)
        self.error = 0
        return True

    def write_ahead(self) -> None:
        """Write what came while the disk is waited for, where `sync` will write it again: a kill loses it no more.

        It does not count before that. What fails here is left to `sync`.
        """
        if self._ahead is not None and len(self._pending) > self._in_work:
            with contextlib.suppress(OSError):
                write_at(self._descriptor(), bytes(self._pending[self._in_work :]), self._ahead)

    def _descriptor(self) -> int:
        assert self._file is not None
        return self._file

    def _next_segment(self) -> None:
        """Begin segment 0, or the one after the present one, which says that it has ended."""
        if self._file is not None and self._durable and not self.error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._durable)  # what was written ahead stands in the next one
                write_at(self._file, event_log.END, self._durable)
        self._close()
        self._remove_left()
        assert self._header is not None
        if self._makes:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._makes = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._path = self._directory / event_log.segment_name(self._header)
        self._file = os.open(self._path, flags, 0o600)
        segment_lock.lock_segment(self._file)
        self._preamble = event_log.encode_header(self._header)
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Say in the file that it has ended, where all of it is on disk; nothing is lost where that fails."""
        if self._file is not None and not (self.error or self._pending or self._preamble or self._lost.events):
            with contextlib.suppress(OSError):
                write_at(self._file, event_log.END, self._durable)
                os.fdatasync(self._file)
        self._close()

    def _remove_left(self) -> None:
        if self._left is not None:
            self._left.unlink(missing_ok=True)
            self._left = None

    def _close(self) -> None:
        if self._file is None or self._header is None:
            return
        os.close(self._file)
        self._file = self._ahead = None
        if self._durable == 0:  # not even the header arrived: the number is used again
            self._left = self._path
            with contextlib.suppress(OSError):  # such a disk may not even remove: the next try does
                self._remove_left()
            return
        self._header = msgspec.structs.replace(
            self._header, segment=self._header.segment + 1, previous_bytes=self._durable
        )
        self._durable = 0


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of it at an offset.

    Raises:
        OSError: a part may have been written.
    """
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
