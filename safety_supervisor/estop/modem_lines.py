"""Driver `modem_lines`: a button with two contacts on a bare serial port, without any electronics.

The port holds DTR and RTS up. Contact A closes DTR to DSR, contact B closes RTS to CTS: closed is RUN, open is STOP.
There are no test pulses, so a welded contact or a short to a supply is not found: integrity `low`.
"""

from __future__ import annotations

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.plain_line import PlainLine


class ModemLines(PlainLine):
    """Two contacts, read by the port as DSR and CTS."""

    def contacts(self, dsr: bool, cts: bool, at: Nanoseconds) -> None:
        """Take both contacts; True is closed, which is RUN."""
        self._advance(at)
        if self._open:
            self._heard(dsr, cts, at)
