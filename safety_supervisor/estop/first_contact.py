"""Why no session begins, in words: what came since the port was opened or the session ended, and what to do.

A device of another configuration understands none of our calls, and we none of its frames: the check sum holds a
signature that is not sent. But version and ids stand in the open, and without a session the device says HELLO once a
second. What is read from a frame whose check sum failed serves these words alone; it never counts for anything else.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_settings import EstopLine
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.frames import VERSION, Frame, FrameType, Refusal
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
_FLASH: Final = "Flash the firmware of this release, or keep to its protocol in your own"
_EQUAL: Final = 2
"""So many equal frames whose check sum failed say what the device is; one may be noise."""
_LATE, _MUTE, _FOREIGN, _UNHEARD, _OUTSIDE, _VERSION, _IDS, _CONFIGURATION, _STRAY = range(9)
"""What was seen, the most telling first. What a sound frame showed counts before what a broken one did."""
_CURE: Final = "flash it with `safety-supervisor estop firmware-header`"


def other_ids(line: EstopLine, source: int, destination: int) -> str:
    """Return what to do about a frame of other ids."""
    return (
        f"a frame from {source} to {destination} came; allowed: {line.device} to {line.host}. Set `estop.device` and "
        f"`estop.host` as the device has them ({_CURE}), or name the port of the right one"
    )


def refusal(why: Refusal, frame: bytes) -> str:
    """Return what to do about 24 bytes with a sound check sum that are no frame of this protocol."""
    if why is Refusal.VERSION:
        return other_version(frame[2])
    if why is Refusal.TYPE:
        return f"a frame of type {frame[3]} came; allowed: 1 to 4. {_FLASH}"
    seen = f"flags {frame[18]:02x}, inputs {frame[19]:02x}"
    return f"a frame with reserved bits came: {seen}; allowed: 00 to 0f. {_FLASH}"


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


class _Evidence(NamedTuple):
    """What was seen last of one kind, and how often alike in a row."""

    at: Nanoseconds
    code: Code
    why: str
    times: int


class FirstContact:
    """Collects evidence while no session runs, and judges it every 0.5 s."""

    def __init__(self, line: EstopLine) -> None:
        """Begin with nothing to judge, as with a closed port."""
        self._line = line
        self._signature = signature(line)
        self._due: Nanoseconds | None = None
        self._known = False
        self._refused = self._bytes = 0
        self._heard_at: Nanoseconds | None = None
        self._seen: dict[int, _Evidence] = {}

    def restart(self, now: Nanoseconds, known: bool) -> None:
        """The port was opened, or a session ended.

        Args:
            now: when.
            known: the device was understood before: many bad frames are noise, until they last.
        """
        self._due = now + PATIENCE
        self._known = known
        self._refused = self._bytes = 0
        self._heard_at = None
        self._seen.clear()

    def ended(self, now: Nanoseconds, spoken: bool) -> None:
        """A session ended; `spoken`: a STATUS counted in it. One without is no begin of anything: patience goes on."""
        if spoken:
            self.restart(now, known=True)
            return
        why = "the device answers our call, but no STATUS follows that counts: sessions end after 0.1 s"
        cure = "It must send STATUS every 20 ms, each with the next number and with the echo of our newest frame"
        self._note(_MUTE, now, Code.ESTOP_SILENT, f"{why}. {cure}")

    def heard(self, now: Nanoseconds) -> None:
        """Bytes came, whatever they are."""
        self._heard_at = now

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
            self._note(_VERSION, now, Code.ESTOP_PEER, other_version(version))
        elif (source, destination) != (line.device, line.host):
            self._note(_IDS, now, Code.ESTOP_PEER, other_ids(line, source, destination))
        elif self._known:
            why = "the device was understood before, and now its frames come corrupted"
            cure = f"Check cable, plug and earth; if it was flashed meanwhile, its configuration: {_CURE}"
            self._note(_CONFIGURATION, now, Code.ESTOP_CORRUPTED, f"{why}. {cure}")
        else:
            why = f"the device has another configuration: its frames do not hold our signature {self._signature:08x}"
            cure = f"Compare `estop.relay_delay` and `estop.relay_effect` with its config.h, or {_CURE}"
            self._note(_CONFIGURATION, now, Code.ESTOP_PEER, f"{why}. {cure}")

    def stray(self, count: int, now: Nanoseconds) -> None:
        """Take the number of bytes that were no frame."""
        self._bytes += count
        why = f"bytes come, but no frame: another speed ({self._line.baud} Bd here), or no e-stop device"
        cure = "Set `estop.baud` as the device has it; check which port it is"
        self._note(_STRAY, now, Code.ESTOP_PEER, f"{why}. {cure}")

    def no_answer(self, echo: int, foreign: bool, now: Nanoseconds) -> str:
        """Take a sound HELLO that begins no session; return the name of its counter.

        Args:
            echo: of the frame; 0: the device has heard nobody.
            foreign: whether the echo was never sent here.
            now: when.
        """
        if not echo:
            why = "the device is heard, but hears nothing of us. Check the wire from the computer to the device (TX)"
            self._note(_UNHEARD, now, Code.ESTOP_SILENT, why)
            return "unheard"
        if foreign:
            why = "the device answers calls that are not ours: another program or computer calls it, too"
            self._note(_FOREIGN, now, Code.ESTOP_SILENT, f"{why}. End it, or check which port this is")
            return "replayed"
        why = "the device answers too late: more than 5 of our calls, 0.1 s, lie between"
        cure = "Take a direct serial port or a USB adapter with low latency, and no network or hub between"
        self._note(_LATE, now, Code.ESTOP_STALE, f"{why}. {cure}")
        return "stale"

    def outside(self, now: Nanoseconds) -> None:
        """A sound STATUS came, and no session runs."""
        why = "STATUS comes outside a session: the device speaks in an old session and does not hear our calls"
        cure = "Check the wire from the computer to the device (TX), then the device's reset or power"
        self._note(_OUTSIDE, now, Code.ESTOP_SILENT, f"{why}. {cure}")

    def _note(self, place: int, now: Nanoseconds, code: Code, why: str) -> None:
        before = self._seen.get(place)
        same = before is not None and before.why == why and now - before.at <= _REMEMBERED
        self._seen[place] = _Evidence(now, code, why, before.times + 1 if same and before is not None else 1)

    def judge(self, now: Nanoseconds) -> tuple[Code, str] | None:
        """Return code and reason when it is time to tell; None mostly. For times without a session alone."""
        if self._due is None:
            return None
        many = self._refused >= _MANY_REFUSED or self._bytes > _MANY_BYTES
        if now < self._due and (self._known or not many):
            return None
        self._due = now + _AGAIN
        self._refused = self._bytes = 0
        recent = {place: one for place, one in self._seen.items() if now - one.at <= _REMEMBERED}
        if not many:
            lone = [place for place in (_VERSION, _IDS, _CONFIGURATION) if place in recent]
            if lone and all(recent[place].times < _EQUAL for place in lone) and min(recent) >= _VERSION:
                return None  # its next frame will tell, or that it was noise
        told = [place for place, one in recent.items() if not _VERSION <= place < _STRAY or one.times >= _EQUAL]
        if told:
            one = recent[min(told)]
            return one.code, one.why
        if self._heard_at is not None and now - self._heard_at <= _REMEMBERED:
            return Code.ESTOP_SILENT, (
                "bytes come, but no whole frame and no answer to our calls. Check cable and plug, and which port it is"
            )
        why = (
            "the port is open, but nothing comes: no power, RX and TX not crossed, another speed "
            f"({self._line.baud} Bd here), or another configuration, so that it refuses our calls (signature "
            f"{self._signature:08x} here). Check plug and power, then {_CURE}"
        )
        return Code.ESTOP_SILENT, why
