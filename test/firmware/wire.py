"""Frames as the specification writes them, by code of the tests' own: nothing of firmware or package."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace

HELLO, STATUS, CHECKIN, SELFTEST = 1, 2, 3, 4
RUN, STOP = (0x3C, 0xC3), (0xC3, 0x3C)
TESTING, TEST_FAILED, RELAYS_OPEN, RESTARTED = 1, 2, 4, 8
MIDDLE, KEY_AUTO, RESET_DOWN, PANICKED = 1, 2, 4, 8
LENGTH = 24

CONFIGURATION = (
    "estop/1 host=1 device=2 status_ms=20 checkin_ms=20 watchdog_ms=100 discrepancy_ms=100 echo_lag=5 "
    "reset_ms=100..3000 rearm_ms=1000 relay_delay_ms=300 relay_effect=sto"
)
SIGNATURE = int.from_bytes(hashlib.sha256(CONFIGURATION.encode("ascii")).digest()[:4], "big")

_POLYNOMIAL = 0xF4ACFB13


def _reflect(value: int, bits: int) -> int:
    return int(format(value, f"0{bits}b")[::-1], 2)


def _row(byte: int) -> int:
    """Divide one byte by the polynomial as it is printed, highest bit first."""
    register = byte << 24
    for _ in range(8):
        register = ((register << 1) ^ (_POLYNOMIAL if register & 0x80000000 else 0)) & 0xFFFFFFFF
    return register


_ROWS = [_row(byte) for byte in range(256)]
_REFLECTED = [_reflect(byte, 8) for byte in range(256)]


def crc(data: bytes) -> int:
    """CRC-32/AUTOSAR by definition: reflect every byte, divide, reflect the rest."""
    register = 0xFFFFFFFF
    for byte in data:
        register = ((register << 8) & 0xFFFFFFFF) ^ _ROWS[(register >> 24) ^ _REFLECTED[byte]]
    return _reflect(register, 32) ^ 0xFFFFFFFF


@dataclass(frozen=True)
class Frame:
    """The fields between the sync bytes and the CRC; by default a CHECKIN that demands RUN."""

    kind: int = CHECKIN
    source: int = 1
    destination: int = 2
    sequence: int = 0
    echo: int = 0
    channels: tuple[int, int] = RUN
    flags: int = 0
    inputs: int = 0
    version: int = 1

    def encode(self, signature: int = SIGNATURE) -> bytes:
        head = struct.pack(
            "<2sBBHHIIBBBB",
            b"\xa5\x5a",
            self.version,
            self.kind,
            self.source,
            self.destination,
            self.sequence & 0xFFFFFFFF,
            self.echo & 0xFFFFFFFF,
            *self.channels,
            self.flags,
            self.inputs,
        )
        return head + struct.pack("<I", crc(head + struct.pack("<I", signature)))

    def with_(self, **fields: object) -> Frame:
        return replace(self, **fields)  # type: ignore[arg-type]


def decode(data: bytes, signature: int = SIGNATURE) -> Frame:
    """Read one whole frame; ValueError when it is none."""
    sync, version, kind, source, destination, sequence, echo, a, b, flags, inputs = struct.unpack(
        "<2sBBHHIIBBBB", data[:20]
    )
    if sync != b"\xa5\x5a" or len(data) != LENGTH:
        raise ValueError(f"no frame: {data.hex()}")
    if struct.unpack("<I", data[20:])[0] != crc(data[:20] + struct.pack("<I", signature)):
        raise ValueError(f"wrong CRC: {data.hex()}")
    return Frame(kind, source, destination, sequence, echo, (a, b), flags, inputs, version)
