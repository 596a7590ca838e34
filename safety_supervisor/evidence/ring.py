"""Memory that the control process shares with the recorder: a ring of bytes one way, a few numbers the other way.

    ring = RingWriter(4 << 20)              # control process
    ring.put(kind, block)                   # no system call: memory is copied, then a counter is moved
    reader = RingReader(descriptor, size)   # recorder
    reader.read(into, most)

What was put is there for the reader whatever becomes of the writer, by SIGKILL too: the memory lives as long as one of
both. A block counts when the counter behind it was moved, so half of one is never read. Neither side waits for the
other, and the reader has no right to write to the stream.

The first page holds the numbers, in one line of the cache: between two cycles everything else goes out of it, and each
line and page that is touched costs more than what is done there.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import platform
import struct
import threading
from collections.abc import Callable
from typing import Final

FRAME: Final = struct.Struct("<BI")
"""Kind and length of what follows, before each block."""
_WRITTEN, _CONSUMED, _ACKS = 0, 1, 2
"""Words of the first page: the writer's, the reader's, and the first of its acknowledgements."""
_ACK: Final = struct.Struct("@QQqq")  # native: each number is copied as a whole
_PAGE: Final = mmap.PAGESIZE
_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def _fence() -> Callable[[], object] | None:
    """Return what keeps stores before it before stores behind it, and reads likewise; None where the processor does."""
    if platform.machine() in ("x86_64", "AMD64"):
        return None
    lock = threading.Lock()
    lock.acquire()

    def pass_on() -> None:
        lock.release()
        lock.acquire()

    return pass_on


class RingWriter:
    """The writing side, and the owner.

    Args:
        capacity: bytes that it holds at least; rounded up to pages.

    Attributes:
        descriptor: of the memory, for the process that reads it; whoever starts that closes it.
        capacity: bytes that it holds.
        written: bytes that were ever put into it: positions of the stream are counted so.
    """

    def __init__(self, capacity: int) -> None:
        """Allocate it, every page now."""
        self.capacity = -(-capacity // _PAGE) * _PAGE
        self.written = 0
        self._full = self.capacity  # `written` may come so far, as the reader was last seen
        self.descriptor = os.memfd_create("events", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        size = _PAGE + self.capacity
        os.ftruncate(self.descriptor, size)
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)  # nobody takes a page from under the control thread
        self._memory = mmap.mmap(self.descriptor, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self._words = memoryview(self._memory)[:_PAGE].cast("Q")
        self._fence = _fence()

    def room(self) -> int:
        """Look how far the reader has come; return the bytes that are free."""
        consumed = self._words[_CONSUMED]
        if consumed <= self.written:  # else its number is wrong, and nothing is free
            self._full = consumed + self.capacity
        return self._full - self.written

    def put(self, kind: int, block: bytes) -> bool:
        """Put a frame; return whether there was room for all of it. Never blocks."""
        length = len(block)
        written = self.written
        end = written + FRAME.size + length
        if end > self._full and end > written + self.room():
            return False
        start = written % self.capacity + _PAGE
        stop = start + FRAME.size + length
        if stop <= _PAGE + self.capacity:
            FRAME.pack_into(self._memory, start, kind, length)
            self._memory[start + FRAME.size : stop] = block
        else:
            self._store(FRAME.pack(kind, length) + block)
        if self._fence is not None:
            self._fence()
        self._words[_WRITTEN] = self.written = end  # one aligned word: never seen half
        return True

    def put_part(self, data: memoryview) -> int:
        """Put as much of a frame as there is room for; return how much. Its rest has to come before anything else."""
        part = data[: self.room()]
        self._store(part)
        if self._fence is not None:
            self._fence()
        self.written += len(part)
        self._words[_WRITTEN] = self.written
        return len(part)

    def _store(self, data: bytes | memoryview) -> None:
        start = self.written % self.capacity
        first = min(len(data), self.capacity - start)
        self._memory[_PAGE + start : _PAGE + start + first] = data[:first]
        self._memory[_PAGE : _PAGE + len(data) - first] = data[first:]

    def acknowledged(self) -> tuple[int, int, int, int]:
        """Return what the reader said last: see `RingReader.acknowledge`."""
        durable, latches, log_error, latch_error = _ACK.unpack_from(self._memory, _ACKS * 8)
        return durable, latches, log_error, latch_error

    def close(self) -> None:
        """Let go of the memory; the reader keeps what it has."""
        self._words.release()
        self._memory.close()


class RingReader:
    """The reading side.

    Args:
        descriptor: of the writer's memory; closed here.
    """

    def __init__(self, descriptor: int) -> None:
        """Map it."""
        self._capacity = os.fstat(descriptor).st_size - _PAGE
        self._words = memoryview(mmap.mmap(descriptor, _PAGE)).cast("Q")
        self._stream = mmap.mmap(descriptor, self._capacity, prot=mmap.PROT_READ, offset=_PAGE)
        self._fence = _fence()
        os.close(descriptor)

    def read(self, into: bytearray, most: int) -> int:
        """Append what came to `into`, at most `most` bytes; return how much.

        Raises:
            ValueError: the writer's counter can not be right.
        """
        consumed = self._words[_CONSUMED]
        there = self._words[_WRITTEN] - consumed
        if not 0 <= there <= self._capacity:
            raise ValueError(f"{there} bytes in a ring of {self._capacity}")
        if self._fence is not None:
            self._fence()
        size = min(there, most)
        start = consumed % self._capacity
        first = min(size, self._capacity - start)
        into += self._stream[start : start + first]
        into += self._stream[: size - first]
        if self._fence is not None:
            self._fence()
        self._words[_CONSUMED] = consumed + size
        return size

    def acknowledge(self, index: int, value: int) -> None:
        """Tell the writer a number.

        Args:
            index: 0: durable bytes of the stream; 1: latches on disk; 2, 3: errno of the log, of the latches, else 0.
            value: the number; negative ones for the errno alone.
        """
        self._words[_ACKS + index] = value & 0xFFFF_FFFF_FFFF_FFFF
