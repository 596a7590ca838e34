"""A process of ours, spoken with in frames over two pipes. The control process never waits for it."""

from __future__ import annotations

import os
import subprocess
from collections import deque
from collections.abc import Sequence
from typing import Final

from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.interpreter import module_command
from safety_supervisor.ros.frames import FrameBuffer, encode_frame

_SLICE = 1 << 16
"""Bytes moved in one call, so that a huge frame is sliced over cycles."""
SHORTEST_WAIT: Final[Nanoseconds] = NS_PER_S
LONGEST_WAIT: Final[Nanoseconds] = 60 * NS_PER_S
"""Between two restarts, [ns]: each costs the control process milliseconds, so one that dies of it is started less and
less often, and after a long life soon again."""


class FramePipe:
    """Frames over a pair of descriptors, which are made non-blocking.

    Args:
        source: descriptor that is read.
        sink: descriptor that is written.
    """

    def __init__(self, source: int, sink: int) -> None:
        """Begin with nothing on its way."""
        self._source, self._sink = source, sink
        os.set_blocking(source, False)
        os.set_blocking(sink, False)
        self._unsent: deque[memoryview] = deque()
        self._received = FrameBuffer()

    @property
    def backlog(self) -> int:
        """Frames that wait to be sent."""
        return len(self._unsent)

    def send(self, payload: bytes) -> None:
        """Put a frame behind those that wait; `exchange` sends it."""
        self._unsent.append(memoryview(encode_frame(payload)))

    def exchange(self) -> list[bytes] | None:
        """Move some bytes; return the frames that are whole, None when the other end is gone."""
        return self._receive() if self._send() else None

    def _send(self) -> bool:
        if not self._unsent:
            return True
        head = self._unsent[0]
        try:
            sent = os.write(self._sink, head[:_SLICE])
        except BlockingIOError:
            return True
        except OSError:
            return False
        if sent == len(head):
            self._unsent.popleft()
        else:
            self._unsent[0] = head[sent:]
        return True

    def _receive(self) -> list[bytes] | None:
        try:
            data = os.read(self._source, _SLICE)
        except BlockingIOError:
            return []
        if not data:
            return None
        self._received.feed(data)
        frames = []
        while (frame := self._received.next()) is not None:
            frames.append(frame)
        return frames


class Child:
    """Starts, feeds, ends and buries a process.

    Args:
        module: of this package, run as a process.
        arguments: of its command line.
    """

    def __init__(self, module: str, arguments: Sequence[str] = ()) -> None:
        """Start it."""
        self._command = module_command(module, *arguments)
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: FramePipe | None = None
        self._ended: list[subprocess.Popen[bytes]] = []
        self._due: Nanoseconds = 0
        self._wait = SHORTEST_WAIT
        self.start()

    def restart(self, now: Nanoseconds) -> bool:
        """Start it anew, if it is time for that and the system has a process to spare; return whether that was done.

        Args:
            now: steady clock, [ns].
        """
        if now < self._due:
            return False
        if now - self._due > LONGEST_WAIT:
            self._wait = SHORTEST_WAIT
        self._due, self._wait = now + self._wait, min(2 * self._wait, LONGEST_WAIT)
        try:
            self.start()
        except OSError:  # no process, descriptor or memory left: a reason to try again, and none for a fault
            return False
        return True

    def start(self) -> None:
        """Start it anew; that takes milliseconds.

        Raises:
            OSError: the system has none to spare.
        """
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C at the terminal reaches the control process alone
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._pipe = FramePipe(process.stdout.fileno(), process.stdin.fileno())

    @property
    def pid(self) -> int | None:
        """Process id, None while it is down."""
        return None if self._process is None else self._process.pid

    @property
    def backlog(self) -> int:
        """Frames that wait to be sent."""
        return 0 if self._pipe is None else self._pipe.backlog

    def send(self, payload: bytes) -> None:
        """Send a frame; lost while the process is down."""
        if self._pipe is not None:
            self._pipe.send(payload)

    def exchange(self) -> list[bytes] | None:
        """Move some bytes; return the frames that came, None when the process is gone."""
        self.bury()
        return None if self._pipe is None else self._pipe.exchange()

    def bury(self) -> None:
        """Take leave of processes that have ended meanwhile."""
        if self._ended:
            self._ended = [process for process in self._ended if process.poll() is None]

    def end(self) -> None:
        """Kill it and leave its burial to later calls: a starved machine takes its time over that."""
        process, self._process, self._pipe = self._process, None, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        self._ended.append(process)

    def close(self) -> None:
        """End it for good."""
        self.end()
        for process in self._ended:
            process.wait(timeout=2.0)
