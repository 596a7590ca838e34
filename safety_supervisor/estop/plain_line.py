"""What the drivers of simple devices share: a word, its age, and faults. All of them are of low integrity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.estop_settings import EstopSettings
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.channels import Channels
from safety_supervisor.estop.driver import EstopNotice
from safety_supervisor.estop.fault_memory import FaultMemory
from safety_supervisor.estop.notices import Notices
from safety_supervisor.estop.times import WATCHDOG

MOST_READ: Final = 2048
"""Bytes taken at once; more is an old buffer, and only its end is looked at."""


class PlainLine:
    """A `Driver` without a session. RUN is said while the last word is RUN and not older than 100 ms.

    The age counts from the receipt time of the word itself: a word that waited for us is as old as it is.
    """

    def __init__(self, settings: EstopSettings) -> None:
        """Begin with a closed port; `settings` are of the e-stop."""
        self._settings = settings
        self._channels = Channels()
        self._faults = FaultMemory()
        self._notices = Notices()
        self._counts = {"words": 0, "corrupted": 0, "ignored_bytes": 0}
        self._now: Nanoseconds = 0
        self._open = False
        self._heard_at: Nanoseconds | None = None
        self._stop_unseen = False

    def opened(self, at: Nanoseconds, seed: int) -> None:
        """Begin to listen; `seed` is not needed."""
        self._advance(at)
        self._open = True
        self._heard_at = None
        self._faults.end(Code.ESTOP_PORT)

    def closed(self, at: Nanoseconds, why: str) -> None:
        """Stop: E_ESTOP_PORT until the port is open again."""
        now = self._advance(at)
        self._open = False
        self._heard_at = None
        self._faults.begin(Code.ESTOP_PORT)
        self._notices.add(now, Code.ESTOP_PORT, why[:500])

    def receive(self, data: bytes, at: Nanoseconds) -> None:
        """Count bytes: the device has none to say."""
        self._advance(at)
        self._counts["ignored_bytes"] += len(data)

    def contacts(self, dsr: bool, cts: bool, at: Nanoseconds) -> None:
        """Ignore the modem's lines."""

    def cycle(self, at: Nanoseconds, alive: bool, demand_stop: bool, resting: bool) -> bytes:
        """Send nothing."""
        self._advance(at)
        return b""

    def sample(self, at: Nanoseconds) -> EstopInput:
        """Return the word; a stop since the last call is told even if it is over."""
        now = self._advance(at)
        self._watch(now)
        fault = self._faults.take(now)
        state: Literal["run", "stop", "unknown"] = "unknown"
        if fault is None and self._heard_at is not None and now - self._heard_at <= WATCHDOG:
            state = "stop" if self._stop_unseen or self._channels.word(now) != "run" else "run"
        self._stop_unseen = False
        return EstopInput(
            state=state,
            integrity="low",
            received_at=self._heard_at or 0,
            fault="" if fault is None else fault.value,
        )

    def notices(self) -> list[EstopNotice]:
        """Return what is to be told since the last call."""
        return self._notices.take()

    @property
    def statistics(self) -> Mapping[str, int]:
        """Counters since the start."""
        return self._counts

    def _advance(self, at: Nanoseconds) -> Nanoseconds:
        """Take a time; one that goes back counts as standing still."""
        self._now = max(self._now, at)
        return self._now

    def _take(self, data: bytes, now: Nanoseconds) -> bytes:
        """Return the bytes to look at."""
        if not self._open:
            self._counts["ignored_bytes"] += len(data)
            return b""
        if len(data) > MOST_READ:
            self._counts["ignored_bytes"] += len(data) - MOST_READ
            self._fault(Code.ESTOP_STALE, now, "more bytes came at once than the device sends in a second")
            return data[-MOST_READ:]
        if data:
            self._faults.end(Code.ESTOP_STALE)
        return data

    def _heard(self, a: bool, b: bool, at: Nanoseconds) -> None:
        """Take a sound word that was received at `at`: True is RUN."""
        now = self._advance(at)
        self._counts["words"] += 1
        self._heard_at = at
        self._faults.end(Code.ESTOP_VALUE)
        if self._channels.update(a, b, now) != "run":
            self._stop_unseen = True
        self._watch(now)

    def _wrong_value(self, detail: str, now: Nanoseconds) -> None:
        """Take a word that does not exist: a fault until a sound one comes, and no sign of life."""
        self._fault(Code.ESTOP_VALUE, now, detail)

    def _watch(self, now: Nanoseconds) -> None:
        if self._channels.word(now) == "discrepancy":
            self._fault(Code.ESTOP_DISCREPANCY, now, "press until both channels say STOP, then release")
        else:
            self._faults.end(Code.ESTOP_DISCREPANCY)

    def _fault(self, code: Code, now: Nanoseconds, detail: str) -> None:
        """Begin a fault that lasts until it is ended."""
        if self._faults.begin(code):
            self._notices.add(now, code, detail)
