"""Where the e-stop comes from, and the device at the other end of its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from safety_supervisor.core.units import Nanoseconds

NO_DEVICE: Final = "none"
"""Driver: there is no device; the configuration accepts that in words."""
SIMULATED: Final = "simulated"
"""Driver: a topic, in simulation only."""
BUILT_IN: Final = ("frame_v1", "modem_lines", "byte", "vsc")
"""Drivers of the product that read a serial line."""

Integrity = Literal["high", "low"]
RelayEffect = Literal["sto", "damping", "none"]


@dataclass(frozen=True)
class EstopLine:
    """The serial line and the device behind it."""

    port: str
    """Device file, or a URL of pyserial."""
    baud: int
    host: int
    """Our id on the line, 1 to 65535."""
    device: int
    """The device's id, another one."""
    relay_delay: Nanoseconds
    """Time from the device's decision to open its relays until they open (SS1-t), [ns]."""
    relay_effect: RelayEffect
    """What the opened relays do to the motors; `none`: the device has no relays."""
    self_test_every: Nanoseconds | None
    """Time between self-tests beside the one at the begin of each session, [ns]; None: only that one."""


@dataclass(frozen=True)
class EstopSettings:
    """The e-stop."""

    driver: str
    """A name of `BUILT_IN`, `none`, `simulated`, or the name of a third party's entry point."""
    integrity: Integrity = "low"
    """`low`: its stop counts, its release and its reset button do not suffice."""
    line: EstopLine | None = None
    """None for `none` and `simulated`."""
    package: str | None = None
    """Distribution that the third party's driver comes from, and no other; None for drivers of the product."""

    @property
    def required(self) -> bool:
        """Whether there is a device that has to be heard."""
        return self.driver != NO_DEVICE
