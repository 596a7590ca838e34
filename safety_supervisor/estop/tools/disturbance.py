"""What can go wrong on the way from the device to the host, made to happen: every row of the protocol's fault table."""

from __future__ import annotations

import random
import struct
from collections import deque
from typing import Final, Literal

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.frames import SYNC, Frame, FrameType, crc32_autosar, encode

Wrong = Literal["id", "version", "signature"]

_RECORDED: Final = 200
_FLOOD_PIECE: Final = 4096
_FLOOD_WAITS: Final = 65_536


class Disturbance:
    """The line from the device, between its frames and the port's bytes.

    Attributes:
        corrupt: so many of the next frames get a bit flipped.
        drop: so many of the next frames are lost.
        duplicate: so many of the next frames come twice.
        reorder: so many pairs of the next frames change places.
        delay: every byte comes so much later, [ns].
        wrong: what all frames have wrong, until it is taken away.
        flood_until: garbage without end until then, steady clock, [ns].
    """

    def __init__(self, signature: int, seed: int) -> None:
        """Begin with a good line.

        Args:
            signature: of the configuration.
            seed: of garbage and flipped bits: the same gives the same.
        """
        self.corrupt = self.drop = self.duplicate = self.reorder = 0
        self.delay: Nanoseconds = 0
        self.wrong: set[Wrong] = set()
        self.flood_until: Nanoseconds = 0
        self._signature = signature
        self._chance = random.Random(seed)
        self._waiting: deque[tuple[Nanoseconds, bytes]] = deque()
        self._held: bytes | None = None
        self._inside = 0
        self._session: deque[bytes] = deque(maxlen=_RECORDED)
        self._old_session: list[bytes] = []

    def put(self, frames: list[Frame], at: Nanoseconds) -> None:
        """Put frames on the line at `at`."""
        for frame in frames:
            data = self._encode(frame)
            if frame.type is FrameType.HELLO and self._session:
                self._old_session = list(self._session)
                self._session.clear()
            self._session.append(data)
            self._disturb(data, at)

    def raw(self, data: bytes, at: Nanoseconds) -> None:
        """Put bytes on the line."""
        self._waiting.append((at + self.delay, data))

    def garbage(self, count: int, at: Nanoseconds) -> None:
        """Put random bytes on the line, sync words among them."""
        data = bytearray(self._chance.randbytes(count))
        for place in range(0, count - 1, 7):
            data[place : place + 2] = SYNC
        self.raw(bytes(data), at)

    def garbage_inside(self, count: int) -> None:
        """Have random bytes break into the next frame."""
        self._inside = count

    def replay(self, count: int, at: Nanoseconds) -> int:
        """Send again what was recorded of the session before, else the oldest of this one; return how many frames."""
        recorded = (self._old_session or list(self._session))[:count]
        for data in recorded:
            self.raw(data, at)
        return len(recorded)

    def take(self, at: Nanoseconds) -> bytes:
        """Return the bytes that reach the host now."""
        if at < self.flood_until and sum(len(data) for _, data in self._waiting) < _FLOOD_WAITS:
            self.garbage(_FLOOD_PIECE, at - self.delay)
        taken = bytearray()
        while self._waiting and self._waiting[0][0] <= at:
            taken += self._waiting.popleft()[1]
        return bytes(taken)

    def due(self) -> Nanoseconds | None:
        """Return when the next bytes arrive, None when nothing is under way."""
        return self._waiting[0][0] if self._waiting else None

    def clear(self) -> None:
        """Lose what is under way: the plug was pulled."""
        self._waiting.clear()
        self._held = None

    def _disturb(self, data: bytes, at: Nanoseconds) -> None:
        if self.drop:
            self.drop -= 1
            return
        if self.corrupt:
            self.corrupt -= 1
            broken = bytearray(data)
            bit = self._chance.randrange(16, 8 * len(data))
            broken[bit // 8] ^= 1 << bit % 8
            data = bytes(broken)
        if self._inside:
            data = data[:11] + self._chance.randbytes(self._inside) + data[11:]
            self._inside = 0
        if self.reorder and self._held is None:
            self._held = data
            return
        self.raw(data, at)
        if self._held is not None:
            self.raw(self._held, at)
            self._held = None
            self.reorder -= 1
        if self.duplicate:
            self.duplicate -= 1
            self.raw(data, at)

    def _encode(self, frame: Frame) -> bytes:
        signature = self._signature ^ 1 if "signature" in self.wrong else self._signature
        data = bytearray(encode(frame, signature))
        if "version" in self.wrong:
            data[2] = 2
        if "id" in self.wrong:
            data[4] ^= 0x40
        if self.wrong:
            data[20:] = struct.pack("<I", crc32_autosar(bytes(data[:20]) + struct.pack("<I", signature)))
        return bytes(data)
