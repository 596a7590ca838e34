"""Sequence numbers of both ends: what is newer, what was lost, and whether an echo proves that a frame is fresh.

Freshness is the host's: a frame of the device counts only while it echoes one of the last 5 numbers that the host sent.
The host sends every 20 ms, so a frame that counts answers something no older than 100 ms. Both ways together take about
40 ms at worst (2 ms of line each, 16 ms of a USB adapter, the device's 20 ms), a lag of 3. Three rules keep that true:
a demand to stop stays for 100 ms once it is sent (`sender`), or toggling would press five numbers into 12 ms; numbers
go on from one session to the next while a port is open, so that no echo of an old session is ever fresh again; and a
session that was silent for 100 ms is over before another byte is judged, so that what piled up in a buffer counts for
nothing.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.times import ECHO_LAG

MASK: Final = 0xFFFFFFFF
HALF: Final = 0x80000000
LOST_ALLOWED: Final = 3
"""Frames that may be missing in a row."""
_APART: Final = 2 * ECHO_LAG
_RING: Final = 8


class Echo(Enum):
    """What an echo says."""

    FRESH = "answers one of the last numbers"
    STALE = "answers an older number of this port"
    FOREIGN = "answers a number that was never sent here"


class Sequence:
    """Numbers of one port. All of them modulo 2^32.

    Attributes:
        received: the device's last number that was accepted.
        lag: how many numbers behind the last fresh echo was.
    """

    __slots__ = ("_call", "_device_first", "_hellos", "_next", "_port", "_sent_at", "_used", "lag", "received")

    def __init__(self) -> None:
        """Begin with nothing sent."""
        self.received = 0
        self.lag = 0
        self._next = 0
        self._port = 0
        self._used = 0
        self._call = 0
        self._hellos = 0
        self._device_first = 0
        self._sent_at: list[Nanoseconds] = [0] * _RING

    def opened(self, seed: int) -> None:
        """A port was opened: go on at `seed`, unless that lies among the numbers that were used lately.

        A seed that comes twice, from a broken source of chance, would make a recorded session fresh again.
        """
        seed &= MASK
        if self._used and (self._next - seed) & MASK <= self._used + _APART:
            self._next = (self._next + _APART) & MASK
            self._used = min(self._used + _APART, HALF)
        else:
            self._next = seed
            self._used = 0
        self._port = 0
        self.call()

    def call(self) -> None:
        """The device is called anew: nothing that was sent before proves anything."""
        self._call = 0
        self._hellos = 0

    def send(self, at: Nanoseconds, hello: bool = False) -> int:
        """Return the number of the next frame."""
        number = self._next
        self._next = (number + 1) & MASK
        # Saturating: numbers older than half the circle can not be told from new ones anyway.
        self._port = min(self._port + 1, HALF - 1)
        self._used = min(self._used + 1, HALF)
        self._call = min(self._call + 1, HALF - 1)
        if hello:
            self._hellos = self._call
        self._sent_at[number % _RING] = at
        return number

    def judge(self, echo: int) -> Echo:
        """Say what an echo proves."""
        lag = (self._next - 1 - echo) & MASK
        if lag < min(ECHO_LAG, self._call):
            self.lag = lag
            return Echo.FRESH
        return Echo.STALE if lag < self._port else Echo.FOREIGN

    def reached(self, echo: int, number: int) -> bool:
        """Whether a fresh echo is `number` or newer."""
        return (echo - number) & MASK < HALF

    def round_trip(self, echo: int, at: Nanoseconds) -> Nanoseconds:
        """Return the time since the number of a fresh echo was sent, [ns]."""
        return at - self._sent_at[echo % _RING]

    def is_answer(self, echo: int) -> bool:
        """Whether an echo answers a HELLO of this call."""
        first = (self._next - self._call) & MASK
        return (echo - first) & MASK < self._hellos

    def begin(self, sequence: int) -> None:
        """The device answered with this number."""
        self.received = self._device_first = sequence

    def repeated(self, sequence: int) -> bool:
        """Whether the device's number lies within this session's."""
        return (sequence - self._device_first) & MASK <= (self.received - self._device_first) & MASK

    def missing(self, sequence: int) -> int:
        """Return how many numbers are missing before this one; -1 when it is not newer."""
        ahead = (sequence - self.received) & MASK
        return ahead - 1 if 0 < ahead < HALF else -1
