"""Driver `vsc`: vehicle safety controller of Humanistic Robotics (HRI), today FORT Robotics.

From public sources (HRI's own interface library, `VehicleMessages.h` and `VehicleInterface.c`, version 1.1 of 2013, and
its ROS driver; read for the format, nothing copied):

- A message is `10 01`, type, length of the data, at most 248 bytes of data, two bytes of check sum: the two sums of a
  Fletcher sum modulo 256 over all bytes before it, the plain sum first.
- The controller's heartbeat is type 20: mode (1 searching, 4 local, 9 operational, 0A menu, 0B pause), autonomy mode,
  then 32 bits of e-stop status, little-endian, two bits each for the remote control (bits 0 and 1), the controller (2
  and 3), a reserved one (4 and 5) and the host (6 and 7). A value above 0 is a stop.
- The host's heartbeat is type 21 with one byte, 1 for a stop, sent at 20 Hz.

Assumed, not found in writing:

- The controller sends its heartbeat at 20 Hz or faster; 100 ms of silence is a stop.
- Only the mode `operational` permits RUN, since in all others the remote control does not rule the machine.
- The host's bits only repeat the host's own demand. They do not count while the host demands a stop and for 0.5 s after
  that, or its demand would keep its own latch closed for ever. At all other times they are a stop as the others are.

Counted: of the 4,560 two-bit errors of a RUN heartbeat the sums miss 25. Nothing guards against repeated or stale ones
either: integrity `low`.
"""

from __future__ import annotations

from typing import Final

from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.estop_settings import EstopSettings
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.plain_line import PlainLine
from safety_supervisor.estop.times import MS

HEADER: Final = b"\x10\x01"
HEARTBEAT: Final = 0x20
HOST_HEARTBEAT: Final = 0x21
HEARTBEAT_LENGTH: Final = 6
LONGEST: Final = 248
OPERATIONAL: Final = 0x09
HOST_BITS: Final = 0xC0
SEND_EVERY: Final[Nanoseconds] = 50 * MS
ECHO_LASTS: Final[Nanoseconds] = 500 * MS
PATIENCE: Final[Nanoseconds] = 30 * MS
"""The rest of a message comes within that, beside its time on the line: an adapter holds bytes for up to 16 ms."""
_EARLY: Final[Nanoseconds] = MS
_OVERHEAD: Final = 6


def checksum(data: bytes) -> bytes:
    """Return the two bytes of the Fletcher sum modulo 256, the plain sum first."""
    first = second = 0
    for value in data:
        first = first + value & 0xFF
        second = second + first & 0xFF
    return bytes((first, second))


def message(kind: int, data: bytes) -> bytes:
    """Return a whole message of a type with its data of at most 248 bytes."""
    body = HEADER + bytes((kind, len(data))) + data
    return body + checksum(body)


class Vsc(PlainLine):
    """The controller's heartbeat in, the host's heartbeat out."""

    def __init__(self, settings: EstopSettings) -> None:
        """Begin with a closed port."""
        super().__init__(settings)
        self._waiting = b""
        self._since: Nanoseconds = 0
        self._byte_time = 0 if settings.line is None else round(1e10 / settings.line.baud)
        self._due: Nanoseconds = 0
        self._stop_sent = False
        self._demanded_until: Nanoseconds = -1

    def opened(self, at: Nanoseconds, seed: int) -> None:
        """Begin to listen."""
        super().opened(at, seed)
        self._waiting = b""
        self._due = self._now

    def receive(self, data: bytes, at: Nanoseconds) -> None:
        """Take bytes; a message with a wrong sum is counted, more than 5 in 10 s are a stop."""
        now = self._advance(at)
        self._parse(self._take(data, now), at)

    def sample(self, at: Nanoseconds) -> EstopInput:
        """Return the word; what waited too long for the rest of its message is looked at before."""
        self._advance(at)
        if self._waiting:
            self._parse(b"", at)
        return super().sample(at)

    def _parse(self, data: bytes, at: Nanoseconds) -> None:
        """Find messages in what waits and in what came at `at`."""
        old = len(self._waiting)
        buffer = self._waiting + data
        since = self._since if old else at
        start = 0
        while True:
            found = buffer.find(HEADER, start)
            if found < 0:
                start = max(start, len(buffer) - (1 if buffer.endswith(HEADER[:1]) else 0))
                break
            start = found
            size = _OVERHEAD + (buffer[start + 3] if len(buffer) - start > 3 else 0)
            end = start + size
            body = buffer[start : end - 2]
            whole = len(buffer) >= end and len(body) >= 4
            if whole and checksum(body) == buffer[end - 2 : end] and size <= LONGEST + _OVERHEAD:
                start = end
                if body[2] == HEARTBEAT:
                    # What lies whole in what waited is as old as that.
                    self._heartbeat(body[4:], since if end <= old else at)
                continue
            waits = since if start < old else at
            if whole or self._is_wrong(body) or self._now - waits > PATIENCE + size * self._byte_time:
                # A length that is wrong must not swallow the messages behind it.
                self._corrupted()
                start += 1
                continue
            break
        self._waiting = buffer[start:]
        self._since = since if start < old else at

    def _is_wrong(self, begin: bytes) -> bool:
        """Whether no message begins so, whatever follows."""
        if len(begin) < 4:
            return False
        return begin[3] > LONGEST or (begin[2] == HEARTBEAT and begin[3] != HEARTBEAT_LENGTH)

    def _corrupted(self) -> None:
        self._counts["corrupted"] += 1
        if self._faults.corrupted(self._now):
            self._notices.add(self._now, Code.ESTOP_CORRUPTED, "more than 5 messages within 10 s")

    def _heartbeat(self, data: bytes, at: Nanoseconds) -> None:
        now = self._now
        if len(data) != HEARTBEAT_LENGTH:
            self._wrong_value(f"a heartbeat of {len(data)} bytes; allowed: {HEARTBEAT_LENGTH}", now)
            return
        status = int.from_bytes(data[2:], "little")
        if now < self._demanded_until:
            status &= ~HOST_BITS
        run = status == 0 and data[0] == OPERATIONAL
        self._heard(run, run, at)

    def cycle(self, at: Nanoseconds, alive: bool, demand_stop: bool, resting: bool) -> bytes:
        """Return the host's heartbeat every 50 ms while alive, and at once with a new demand to stop."""
        now = self._advance(at)
        if demand_stop:
            self._demanded_until = now + ECHO_LASTS
        if not self._open:
            return b""
        at_once = demand_stop and not self._stop_sent
        if not at_once and not (alive and now + _EARLY >= self._due):
            return b""
        due = self._due + SEND_EVERY
        self._due = due if due > now else now + SEND_EVERY
        self._stop_sent = demand_stop
        return message(HOST_HEARTBEAT, bytes((1 if demand_stop else 0,)))
