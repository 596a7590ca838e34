"""What a driver of an e-stop device is: bytes and times in, the device's word and bytes to send out.

A driver opens no port, reads no clock and starts no thread, so that its whole table of faults is tested without a
device. `port` moves the bytes, the node's control thread calls the driver. A third party adds one by the entry point
`safety_supervisor.estop_drivers`: a callable that takes an `EstopSettings` and returns a `Driver`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.units import Nanoseconds


@dataclass(frozen=True, slots=True)
class EstopNotice:
    """Something that a person should read: a fault with its cause, or an input that was ignored."""

    at: Nanoseconds
    code: Code
    detail: str


class Driver(Protocol):
    """One device on one line. All times are of the steady clock, [ns], and never go back."""

    def opened(self, at: Nanoseconds, seed: int) -> None:
        """The port was opened: a new session begins, which lifts no latch.

        Args:
            at: when.
            seed: 32 random bits of the operating system, for the first sequence number.
        """

    def closed(self, at: Nanoseconds, why: str) -> None:
        """The port is gone, failed or could not be opened: a stop. `why` is for people."""

    def receive(self, data: bytes, at: Nanoseconds) -> None:
        """Take bytes that came at `at`. Garbage is data, never an exception."""

    def contacts(self, dsr: bool, cts: bool, at: Nanoseconds) -> None:
        """Take the modem's status lines as read at `at`."""

    def cycle(self, at: Nanoseconds, alive: bool, demand_stop: bool, resting: bool) -> bytes:
        """Once in each control cycle, behind the motors' message: return what to send now, mostly nothing.

        Args:
            at: now.
            alive: whether the control cycles since the last call met their deadlines; without, no sign of life is sent.
            demand_stop: whether the supervisor demands that the device opens its relays.
            resting: whether the robot stands still in a stopped state, so that the device may test itself.
        """

    def sample(self, at: Nanoseconds) -> EstopInput:
        """Return the word for this control cycle. A stop that came since the last call is told even if it is over."""

    def notices(self) -> list[EstopNotice]:
        """Return what is to be told since the last call, the oldest first, bounded."""

    @property
    def statistics(self) -> Mapping[str, int]:
        """Counters and gauges by name, for status and `estop watch`."""
