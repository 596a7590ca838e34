"""The control process's end of the painter: in spare time only, never waits, and goes without when it fails."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections import deque

import msgspec
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from visualization_msgs.msg import MarkerArray

from safety_supervisor.core.units import NS_PER_S, Nanoseconds, Vector
from safety_supervisor.evidence.event_log import LogHeader
from safety_supervisor.ros.frames import FrameBuffer, PaintRequest, encode_frame
from safety_supervisor.ros.quality import Endpoints

PERIOD = NS_PER_S // 5
"""Time between two pictures while somebody looks, [ns]."""
TIMEOUT = 60 * NS_PER_S
"""A painter that does not answer for so long is ended, [ns]; it starts at the lowest priority."""
RESTARTS = 3
"""A painter that ended is started again so often in a boot."""
_SLICE = 1 << 16
_LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Painting:
    """Starts, feeds and watches the painter process, and publishes what it makes.

    Args:
        endpoints: makes the publisher.
        header: describes the robot to the painter.
    """

    def __init__(self, endpoints: Endpoints, header: LogHeader) -> None:
        """Start the process; the first picture comes when it is ready and somebody looks."""
        self._publisher = endpoints.advertise(MarkerArray, "~/markers", _LATCHED)
        self._encoder = msgspec.msgpack.Encoder()
        self._header = encode_frame(self._encoder.encode(header))
        self._ended: list[subprocess.Popen[bytes]] = []
        self._starts = 0
        self._due: Nanoseconds = 0
        self._start()

    def _start(self) -> None:
        self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
            [sys.executable, "-m", "safety_supervisor.ros.painter"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C at the terminal reaches the control process alone
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._unsent: deque[memoryview] = deque([memoryview(self._header)])
        self._received = FrameBuffer()
        self._picture: bytes | None = None
        self._asked: Nanoseconds = 0
        self._starts += 1

    @property
    def pid(self) -> int | None:
        """Process id, None while it is down."""
        return None if self._process is None else self._process.pid

    @property
    def text(self) -> str:
        """How it is, for the status."""
        if self._process is not None:
            return "shown"
        return "off: the painter has ended" if self._starts > RESTARTS else "off until LOCKED: the painter has ended"

    def slice(self, now: Nanoseconds, commanded: tuple[Vector, Vector] | None, may_restart: bool) -> bool:
        """Do one short piece of work; return whether there was any.

        Args:
            now: steady clock, [ns].
            commanded: positions and where the kept stop ends, each shape (n,), [rad]; None: not known yet.
            may_restart: whether the milliseconds of starting a process may be spent now.
        """
        try:
            return self._work(now, commanded, may_restart)
        except Exception:  # a picture is worth no fault
            self._end()
            return True

    def _work(self, now: Nanoseconds, commanded: tuple[Vector, Vector] | None, may_restart: bool) -> bool:
        if self._ended:
            self._ended = [process for process in self._ended if process.poll() is None]
        if self._process is None:
            if not may_restart or self._starts > RESTARTS:
                return False
            self._start()
        elif self._picture is not None:
            picture, self._picture = self._picture, None
            self._publisher.publish(picture)
        elif self._unsent:
            self._send()
        elif self._asked:
            self._receive(now)
        elif now >= self._due and self._publisher.get_subscription_count():
            self._ask(now, commanded)
        else:
            return False
        return True

    def _ask(self, now: Nanoseconds, commanded: tuple[Vector, Vector] | None) -> None:
        self._due, self._asked = now + PERIOD, now
        rows = ((), ()) if commanded is None else tuple(tuple(row.tolist()) for row in commanded)
        self._unsent.append(memoryview(encode_frame(self._encoder.encode(PaintRequest(*rows)))))
        self._send()

    def _send(self) -> None:
        """Write what waits, as far as the pipe takes it.

        Raises:
            OSError: the painter has ended.
        """
        head = self._unsent.popleft()
        with contextlib.suppress(BlockingIOError):
            head = head[os.write(self._to, head[:_SLICE]) :]
        if head:
            self._unsent.appendleft(head)

    def _receive(self, now: Nanoseconds) -> None:
        """Read a part of the answer.

        Raises:
            OSError: the painter has ended, or does not answer.
        """
        try:
            data = os.read(self._from, _SLICE)
        except BlockingIOError:
            if now - self._asked > TIMEOUT:
                raise TimeoutError from None
            return
        if not data:
            raise BrokenPipeError
        self._received.feed(data)
        self._picture = self._received.next()
        if self._picture is not None:
            self._asked = 0

    def _end(self) -> None:
        """Kill the process and leave its burial to later calls."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        self._ended.append(process)

    def retire(self) -> None:
        """End the process for good, and do not wait for it."""
        self._starts = RESTARTS + 1
        self._end()

    def close(self) -> None:
        """End the process."""
        self.retire()
        for process in self._ended:
            process.wait(timeout=2.0)
