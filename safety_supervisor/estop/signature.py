"""The signature of the configuration of an e-stop line: what both ends must hold to understand each other."""

from __future__ import annotations

import hashlib
from typing import Final

from safety_supervisor.core.estop_settings import EstopLine
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


def canonical(line: EstopLine) -> str:
    """Return ids and times as the one line of ASCII that is hashed; the device's firmware is built from the same."""
    return (
        f"estop/1 host={line.host} device={line.device} status_ms={STATUS_EVERY // MS} "
        f"checkin_ms={CHECKIN_EVERY // MS} watchdog_ms={WATCHDOG // MS} discrepancy_ms={DISCREPANCY // MS} "
        f"echo_lag={ECHO_LAG} reset_ms={RESET_SHORTEST // MS}..{RESET_LONGEST // MS} rearm_ms={REARM // MS} "
        f"relay_delay_ms={line.relay_delay // MS} relay_effect={line.relay_effect}"
    )


def signature(line: EstopLine) -> int:
    """Return the first 32 bits of the SHA-256 of the canonical line."""
    return int.from_bytes(hashlib.sha256(canonical(line).encode("ascii")).digest()[:4], "big")
