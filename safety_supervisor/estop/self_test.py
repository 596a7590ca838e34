"""When the device is asked to test itself, and what it answered."""

from __future__ import annotations

from typing import Final

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.frames import Flag
from safety_supervisor.estop.times import MS

ANSWER: Final[Nanoseconds] = 2_000 * MS
"""The device answers so long after its relays are steady, [ns]."""
REPEAT: Final[Nanoseconds] = 500 * MS
"""A request that the device does not take up, because its frame was lost, is repeated after so long, [ns]."""
AGAIN: Final[Nanoseconds] = 60_000 * MS
"""A test that failed is repeated after so long: the next good one ends the fault, not the latch outside."""


class SelfTest:
    """Asks at rest: at the begin of each session, and then every so often.

    A pass is: the device has the request (its echo reached the request's number), then said "running", then neither
    "running" nor "failed". A STATUS that was under way before the request proves nothing.
    """

    def __init__(self, every: Nanoseconds | None, relay_delay: Nanoseconds) -> None:
        """Begin with a test due.

        Args:
            every: time between tests, [ns]; None: only at the begin of sessions.
            relay_delay: the device waits for its relays first, which may be opening, [ns].
        """
        self._every = every
        self._answer = ANSWER + relay_delay
        self._due: Nanoseconds | None = 0
        self._asked_at: Nanoseconds | None = None
        self._repeat_at: Nanoseconds = 0
        self._running = False
        self._flag = False
        self._silent = False

    @property
    def failed(self) -> bool:
        """Whether the last test failed or was not answered."""
        return self._flag or self._silent

    def session(self) -> None:
        """A session begins: a test that was under way is forgotten, another one is due."""
        self._due = 0
        self._asked_at = None

    def wanted(self, at: Nanoseconds) -> bool:
        """Whether the device should be asked now, if the robot rests."""
        if self._asked_at is not None:
            return not self._running and at >= self._repeat_at
        return self._due is not None and at >= self._due

    def asked(self, at: Nanoseconds) -> None:
        """The request was sent."""
        self._repeat_at = at + REPEAT
        if self._asked_at is None:
            self._asked_at = at
            self._running = False

    def heard(self, flags: int, has_request: bool, answers: bool, at: Nanoseconds) -> bool:
        """Take the flags of a fresh frame; return whether a failure began with it.

        Args:
            flags: of the frame.
            has_request: whether the frame's echo shows that the device has the request.
            answers: whether the frame is of the type SELFTEST.
            at: when it was received.
        """
        before = self.failed
        self._flag = bool(flags & Flag.SELF_TEST_FAILED)
        if self._asked_at is not None and has_request:
            if flags & Flag.SELF_TEST_RUNNING:
                self._running = True
            elif self._running or answers or self._flag:
                self._silent = False
                self._ended(at)
        return self.failed and not before

    def late(self, at: Nanoseconds) -> bool:
        """Return whether the time for the answer ran out just now."""
        if self._asked_at is None or at - self._asked_at <= self._answer:
            return False
        self._silent = True
        self._ended(at)
        return True

    def _ended(self, at: Nanoseconds) -> None:
        self._asked_at = None
        wait = AGAIN if self.failed else self._every
        self._due = None if wait is None else at + wait
