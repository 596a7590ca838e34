"""What the host sends and when: HELLO while it calls, CHECKIN in a session, SELFTEST at rest."""

from __future__ import annotations

from typing import Final

from safety_supervisor.core.estop_settings import EstopLine
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.frames import RUN_A, RUN_B, STOP_A, STOP_B, Frame, FrameType, encode
from safety_supervisor.estop.sequence import Sequence
from safety_supervisor.estop.times import CHECKIN_EVERY, MS, WATCHDOG

_EARLY: Final[Nanoseconds] = MS
"""A cycle that comes a little early must not leave the CHECKIN to the next one."""


class Sender:
    """Frames of the host on a raster of 20 ms, whatever the period of the cycles is.

    A demand to stop goes out at once, beside the raster, and stays for 100 ms: a demand that flickers would otherwise
    fill the 5 numbers of the echo window within a few milliseconds, and every STATUS would look stale.

    Attributes:
        checked_in: a CHECKIN was sent in this session.
        counts: frames sent, by kind.
    """

    def __init__(self, line: EstopLine, signature: int, sequence: Sequence) -> None:
        """Begin with nothing sent.

        Args:
            line: ids of both ends.
            signature: of the configuration.
            sequence: numbers the frames.
        """
        self.checked_in = False
        self.counts = {"hellos": 0, "checkins": 0, "self_tests": 0}
        self._line, self._signature, self._sequence = line, signature, sequence
        self._due: Nanoseconds = 0
        self._stop_until: Nanoseconds = 0
        self._stop_sent = False

    def restart(self, now: Nanoseconds) -> None:
        """A port was opened, or a session begins or ends: the next frame is due now."""
        self._due = now
        self.checked_in = False
        self._stop_sent = False

    def hello(self, now: Nanoseconds) -> bytes:
        """Return a HELLO, if one is due."""
        if not self._is_due(now):
            return b""
        self._schedule(now)
        self.counts["hellos"] += 1
        return self._encode(FrameType.HELLO, True, self._sequence.send(now, hello=True))

    def check_in(self, now: Nanoseconds, alive: bool, demand_stop: bool) -> bytes:
        """Return a CHECKIN, if one is due and the supervisor alive, or if a demand to stop is new.

        A demand to stop is no sign of life that could keep relays closed, so a late cycle sends it, too, once.
        """
        if demand_stop:
            self._stop_until = now + WATCHDOG
        due = alive and self._is_due(now)
        if not due and not (demand_stop and not self._stop_sent):
            return b""
        if due:
            self._schedule(now)
        self.checked_in = True
        self._stop_sent = now < self._stop_until
        self.counts["checkins"] += 1
        return self._encode(FrameType.CHECKIN, self._stop_sent, self._sequence.send(now))

    def self_test(self, now: Nanoseconds) -> tuple[bytes, int]:
        """Return a SELFTEST, which repeats the demand last sent, and its number."""
        self.counts["self_tests"] += 1
        number = self._sequence.send(now)
        return self._encode(FrameType.SELFTEST, self._stop_sent, number), number

    def _is_due(self, now: Nanoseconds) -> bool:
        return now + _EARLY >= self._due

    def _schedule(self, now: Nanoseconds) -> None:
        """Keep to the raster, and do not catch up."""
        due = self._due + CHECKIN_EVERY
        self._due = due if due > now else now + CHECKIN_EVERY

    def _encode(self, kind: FrameType, stop: bool, number: int) -> bytes:
        a, b = (STOP_A, STOP_B) if stop else (RUN_A, RUN_B)
        line = self._line
        frame = Frame(kind, line.host, line.device, number, self._sequence.received, a, b)
        return encode(frame, self._signature)
