"""Frames of the e-stop line, version 1: bytes to frames and back, without port and clock.

24 bytes, little-endian, the same layout both ways. The check sum also covers the 32-bit signature of the configuration,
which is not sent: ends that were configured differently never understand each other. A black channel's defences (IEC
61784-3, EN 50159) are borrowed; nothing here is certified.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import Enum, IntEnum
from typing import Final

import msgspec

SYNC: Final = b"\xa5\x5a"
VERSION: Final = 1
LENGTH: Final = 24
RUN_A: Final = 0x3C
STOP_A: Final = 0xC3
RUN_B: Final = 0xC3
STOP_B: Final = 0x3C

_BODY: Final = struct.Struct("<2sBBHHIIBBBB")
_WORD: Final = struct.Struct("<I")
_ALL_ONES: Final = 0xFFFFFFFF


class FrameType(IntEnum):
    """What a frame is for."""

    HELLO = 1
    STATUS = 2
    CHECKIN = 3
    SELFTEST = 4


class Flag(IntEnum):
    """Flags of the device: bits. No `IntFlag`, whose every `&` costs more than a check sum's byte."""

    SELF_TEST_RUNNING = 1
    SELF_TEST_FAILED = 2
    RELAYS_OPEN = 4
    RESTARTED = 8


class Input(IntEnum):
    """Inputs of the device; middle and panicked together are a stop."""

    ENABLING_MIDDLE = 1
    MODE_AUTO = 2
    RESET_DOWN = 4
    ENABLING_PANICKED = 8


class Refusal(Enum):
    """Why 24 bytes behind a sync word are no frame of ours."""

    CHECK_SUM = "check sum: corrupted, or the other end has another configuration"
    VERSION = "version"
    TYPE = "type"
    RESERVED = "reserved bits are set"


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame. The channel bytes are kept as they came: judging them is the link monitor's task."""

    type: FrameType
    source: int
    destination: int
    sequence: int
    """+1 per frame, modulo 2^32."""
    echo: int
    """The last sequence number received from the peer."""
    channel_a: int = STOP_A
    channel_b: int = STOP_B
    flags: int = 0
    inputs: int = 0


def _table() -> tuple[int, ...]:
    """Table of CRC-32/AUTOSAR: polynomial F4ACFB13, here bit-reversed, a byte at a time."""
    reflected = int(f"{0xF4ACFB13:032b}"[::-1], 2)
    table: list[int] = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (reflected if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE: Final = _table()
_TYPES: Final = {int(kind): kind for kind in FrameType}


def crc32_autosar(data: bytes) -> int:
    """Return the CRC-32/AUTOSAR of bytes: reflected, initial value and final xor FFFFFFFF.

    Its Hamming distance is at least 8 at our length.

    Source: AUTOSAR, Specification of CRC Routines, Crc_CalculateCRC32P4.
    """
    value = _ALL_ONES
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ _ALL_ONES


def encode(frame: Frame, signature: int) -> bytes:
    """Return the 24 bytes of a frame.

    Args:
        frame: what to send.
        signature: of the configuration, 32 bits, which both ends hold.
    """
    body = _BODY.pack(
        SYNC, VERSION, frame.type, frame.source, frame.destination, frame.sequence, frame.echo,
        frame.channel_a, frame.channel_b, frame.flags, frame.inputs,
    )  # fmt: skip
    return body + _WORD.pack(crc32_autosar(body + _WORD.pack(signature)))


class FrameReader:
    """Finds frames in a stream of bytes.

    After 24 bytes that are no frame the search goes on one byte behind their sync word, so that no valid frame is lost
    to garbage before, between or over it. At most 23 bytes wait for more.

    Attributes:
        discarded: bytes that belonged to no frame.
        refused: the last 24 bytes behind a sync word that were no frame of ours.
    """

    def __init__(self, signature: int) -> None:
        """Begin with nothing received.

        Args:
            signature: of the configuration, 32 bits.
        """
        self.discarded = 0
        self.refused = b""
        self._signature = _WORD.pack(signature)
        self._waiting = b""

    def feed(self, data: bytes) -> Iterator[Frame | Refusal]:
        """Yield frames, and refusals of what looked like one, in the order of the line. Read it to its end."""
        buffer = self._waiting + data
        start = 0
        while True:
            found = buffer.find(SYNC, start)
            if found < 0:
                keep = len(buffer) - 1 if buffer.endswith(SYNC[:1]) and len(buffer) > start else len(buffer)
                self.discarded += keep - start
                start = keep
                break
            self.discarded += found - start
            start = found
            if len(buffer) - start < LENGTH:
                break
            result = self._judge(buffer[start : start + LENGTH])
            if isinstance(result, Frame):
                start += LENGTH
            else:
                self.refused = buffer[start : start + LENGTH]
                self.discarded += 1
                start += 1
            yield result
        self._waiting = buffer[start:]

    def clear(self) -> None:
        """Forget what waits for more: the line was closed."""
        self._waiting = b""

    def _judge(self, data: bytes) -> Frame | Refusal:
        body, crc = data[:20], data[20:]
        if crc32_autosar(body + self._signature) != _WORD.unpack(crc)[0]:
            self.refused = data
            return Refusal.CHECK_SUM
        _, version, kind, source, destination, sequence, echo, channel_a, channel_b, flags, inputs = _BODY.unpack(body)
        if version != VERSION:
            return Refusal.VERSION
        if kind not in _TYPES:
            return Refusal.TYPE
        if flags > 0x0F or inputs > 0x0F:
            return Refusal.RESERVED
        return Frame(
            _TYPES[kind], source, destination, sequence, echo, channel_a, channel_b, flags, inputs
        )  # fmt: skip
