"""The signature of the configuration of an e-stop line: what both ends must hold to understand each other."""

from __future__ import annotations

import hashlib

from safety_supervisor.core.estop_settings import EstopLine
from safety_supervisor.estop.times import (
    CHECKIN_EVERY,
    DISCREPANCY,
    ECHO_LAG,
    MS,
    REARM,
    RESET_LONGEST,
    RESET_SHORTEST,
    STATUS_EVERY,
    WATCHDOG,
)


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
