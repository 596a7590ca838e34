"""Frames between the control process and its decoder and painter: a length, then the rest. All ends share this file."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

import msgspec

from safety_supervisor.core.events import CommandUnreadable, TrajectoryCommand
from safety_supervisor.tokens.claims import Claims, Refused

LENGTH = struct.Struct("<I")


class DecodeRequest(msgspec.Struct, frozen=True, array_like=True):
    """Bytes of a trajectory to decode."""

    number: int
    source: str
    clock: int
    """ROS clock at receipt, [ns]."""
    max_points: int
    data: bytes
    command: str = ""
    """Correlation id that takes the place of the header's; empty: the header's counts."""


class DecodeReply(msgspec.Struct, frozen=True, array_like=True):
    """The event that it became; its `at` is 0 until it enters the core. None: the decoder is ready."""

    number: int
    event: TrajectoryCommand | CommandUnreadable | None


class PaintRequest(msgspec.Struct, frozen=True, array_like=True):
    """What moves in the picture; positions of the joints in the configuration's order, [rad] or [m]."""

    positions: tuple[float, ...]
    """Commanded; empty while the robot was not measured."""
    stop: tuple[float, ...]
    """Where the kept stop ends; empty as above."""
    tool: str = ""
    """What the robot carries; empty for nothing."""
    state: str = ""
    """Of the supervisor; empty while it has told none."""
    rung: str = ""
    """Of the stop ladder; empty where none was told."""


class TokenKeys(msgspec.Struct, frozen=True, array_like=True):
    """What tokens are verified by; the first frame of a token judge."""

    robot: str
    keys: dict[str, dict[str, bytes]]
    """Ed25519 public keys, by the kind of token that their topic is called after, and by holder."""


class TokenRequest(msgspec.Struct, frozen=True, array_like=True):
    """A token to verify."""

    number: int
    kind: str
    """Whose its topic is: one of the keys of `TokenKeys.keys`."""
    token: bytes


class TokenReply(msgspec.Struct, frozen=True, array_like=True):
    """What became of it; number 0: the judge is ready."""

    number: int
    verdict: Claims | Refused | None


class PolicyRequest(msgspec.Struct, frozen=True, array_like=True):
    """A question to the policy server; a frame has a list of them."""

    number: int
    facts: str
    """JSON object."""


class PolicyReply(msgspec.Struct, frozen=True, array_like=True):
    """What came of it, as in `PolicyAnswer`."""

    number: int
    verdict: str
    error: str = ""


class FrameBuffer:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        """Nothing received yet."""
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._data += data

    def next(self) -> bytes | None:
        """Return the next whole frame, None when there is none yet."""
        if len(self._data) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._data)
        end = LENGTH.size + length
        if len(self._data) < end:
            return None
        frame = bytes(self._data[LENGTH.size : end])
        del self._data[:end]
        return frame


def encode_frame(payload: bytes) -> bytes:
    """Put the length before a payload."""
    return LENGTH.pack(len(payload)) + payload


def hash_content(parts: Sequence[object]) -> str:
    """Hash a message's content apart from its header, as REDTEAM 13 and 14 compare bodies."""
    return hashlib.sha256(msgspec.msgpack.encode(parts)).hexdigest()
