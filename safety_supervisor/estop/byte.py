"""Driver `byte`: one byte again and again, as cheap button boxes send it.

`01` is RUN, `00` is STOP, which a line that is broken (held low) reads as, too; every other byte is a stop and a fault
until the next `00` or `01`. 100 ms of silence is a stop, so the box must send at least every 50 ms.

The greatest rate is `estop.baud` / 10 bytes a second, what such a line carries, and 256 bytes in a control cycle; one
byte every 5 to 20 ms is best. Beyond twice `estop.baud` the port is closed, a stop: with native USB the speed is what
the box makes of it, so its program needs a delay.

Assumed: there is no standard for such boxes. One that says RUN by `00` can not be used with this driver.
"""

from __future__ import annotations

from typing import Final

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.plain_line import PlainLine

STOP: Final = 0x00
RUN: Final = 0x01


class Byte(PlainLine):
    """One byte is the whole protocol: nothing guards it against noise, a loop or another device. Integrity `low`."""

    def receive(self, data: bytes, at: Nanoseconds) -> None:
        """Take bytes."""
        now = self._advance(at)
        for value in self._take(data, now):
            if value in (STOP, RUN):
                self._heard(value == RUN, value == RUN, at)
            else:
                self._counts["corrupted"] += 1
                self._wrong_value(f"byte {value:02x}; allowed: 00 for STOP, 01 for RUN", now)
