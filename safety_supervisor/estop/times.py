"""Times and counts of the e-stop's protocol, which both ends hold."""

from __future__ import annotations

from typing import Final

from safety_supervisor.core.units import Nanoseconds

MS: Final[Nanoseconds] = 1_000_000

STATUS_EVERY: Final[Nanoseconds] = 20 * MS
CHECKIN_EVERY: Final[Nanoseconds] = 20 * MS
HELLO_EVERY: Final[Nanoseconds] = 1_000 * MS
"""A device without a session says HELLO so often: the host can tell why none begins. No part of the signature."""
WATCHDOG: Final[Nanoseconds] = 100 * MS
DISCREPANCY: Final[Nanoseconds] = 100 * MS
ECHO_LAG: Final = 5
RESET_SHORTEST: Final[Nanoseconds] = 100 * MS
RESET_LONGEST: Final[Nanoseconds] = 3_000 * MS
REARM: Final[Nanoseconds] = 1_000 * MS
"""CHECKIN must have been valid for so long before the device closes its relays."""
