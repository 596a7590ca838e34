"""Why no session begins, in words: what came since the port was opened or the session ended, and what to do.

A device of another configuration understands none of our calls, and we none of its frames: the check sum holds a
signature that is not sent. But version and ids stand in the open, and without a session the device says HELLO once a
second. What is read from a frame whose check sum failed serves these words alone; it never counts for anything else.
"""

from __future__ import annotations

import struct
from typing import Final

from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_settings import EstopLine
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.frames import VERSION, Frame, FrameType
from safety_supervisor.estop.signature import signature
from safety_supervisor.estop.times import MS

PATIENCE: Final[Nanoseconds] = 1_500 * MS
"""A device that is sound answers within 0.1 s of its boot; one that is not has said HELLO once by then."""
_AGAIN: Final[Nanoseconds] = 500 * MS
_REMEMBERED: Final[Nanoseconds] = 2_500 * MS
"""Two HELLOs and a half: the device may be mended, or another one plugged in."""
_MANY_REFUSED: Final = 5
_MANY_BYTES: Final = 240
_PLAIN: Final = struct.Struct("<2xBBHH8xxxBB")
_CURE: Final = "flash it with `safety-supervisor estop firmware-header`"


def other_ids(line: EstopLine, source: int, destination: int) -> str:
    """Return what to do about a frame of other ids."""
    return (
        f"a frame from {source} to {destination} came; allowed: {line.device} to {line.host}. Set `estop.device` and "
        f"`estop.host` as the device has them ({_CURE}), or name the port of the right one"
    )


def strange(line: EstopLine, frame: Frame) -> str:
    """Return why a sound frame is not our device's; empty when it is."""
    if frame.source == line.host:
        return "our own frames come back: the line is looped"
    if frame.source != line.device or frame.destination != line.host:
        return other_ids(line, frame.source, frame.destination)
    if frame.type is FrameType.CHECKIN:
        return "the device sent CHECKIN, which only the host sends"
    return ""


def other_version(version: int) -> str:
    """Return what to do about a frame of another protocol version."""
    return f"a frame of protocol version {version} came; allowed: {VERSION}. Flash the firmware of this release"


class FirstContact:
    """Collects evidence while no session runs, and judges it every 0.5 s."""

    def __init__(self, line: EstopLine) -> None:
        """Begin with nothing to judge, as with a closed port."""
        self._line = line
        self._signature = signature(line)
        self._due: Nanoseconds | None = None
        self._known = False
        self._refused = self._bytes = 0
        self._seen: dict[int, tuple[Nanoseconds, Code, str]] = {}

    def restart(self, now: Nanoseconds, known: bool) -> None:
        """The port was opened, or a session ended.

        Args:
            now: when.
            known: the device was understood before: many bad frames are noise, until they last.
        """
        self._due = now + PATIENCE
        self._known = known
        self._refused = self._bytes = 0
        self._seen.clear()

    def end(self) -> None:
        """The port is closed."""
        self._due = None

    def refused(self, frame: bytes, now: Nanoseconds) -> None:
        """Take 24 bytes behind a sync word whose check sum does not hold."""
        version, kind, source, destination, flags, inputs = _PLAIN.unpack(frame[:20])
        if kind not in (FrameType.HELLO, FrameType.STATUS) or flags > 0x0F or inputs > 0x0F:
            return  # noise, which has its bytes counted
        self._refused += 1
        line = self._line
        if version != VERSION:
            self._seen[1] = now, Code.ESTOP_PEER, other_version(version)
        elif (source, destination) != (line.device, line.host):
            self._seen[2] = now, Code.ESTOP_PEER, other_ids(line, source, destination)
        else:
            why = f"the device has another configuration: its frames do not hold our signature {self._signature:08x}"
            cure = f"Compare `estop.relay_delay` and `estop.relay_effect` with its config.h, or {_CURE}"
            self._seen[3] = now, Code.ESTOP_PEER, f"{why}. {cure}"

    def stray(self, count: int, now: Nanoseconds) -> None:
        """Take the number of bytes that were no frame."""
        self._bytes += count
        why = f"bytes come, but no frame: another speed ({self._line.baud} Bd here), or no e-stop device"
        self._seen[4] = now, Code.ESTOP_PEER, f"{why}. Set `estop.baud` as the device has it; check which port it is"

    def unheard(self, now: Nanoseconds) -> None:
        """A HELLO came that answers none of ours."""
        why = "the device is heard, but hears nothing of us. Check the wire from the computer to the device (TX)"
        self._seen[0] = now, Code.ESTOP_SILENT, why

    def judge(self, now: Nanoseconds) -> tuple[Code, str] | None:
        """Return code and reason when it is time to tell; None mostly. For times without a session alone."""
        if self._due is None:
            return None
        many = self._refused >= _MANY_REFUSED or self._bytes > _MANY_BYTES
        if now < self._due and (self._known or not many):
            return None
        self._due = now + _AGAIN
        self._refused = self._bytes = 0
        recent = [place for place, (at, _, _) in self._seen.items() if now - at <= _REMEMBERED]
        if recent:
            _, code, why = self._seen[min(recent)]
            return code, why
        why = (
            "the port is open, but nothing comes: no power, RX and TX not crossed, another speed "
            f"({self._line.baud} Bd here), or another configuration, so that it refuses our calls (signature "
            f"{self._signature:08x} here). Check plug and power, then {_CURE}"
        )
        return Code.ESTOP_SILENT, why
