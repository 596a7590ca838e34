"""The configuration of the device's firmware as a C header, from the robot's configuration."""

from __future__ import annotations

from safety_supervisor.core.estop_settings import EstopLine
from safety_supervisor.estop.signature import canonical, signature
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


def render_header(line: EstopLine) -> str:
    """Return the text of `config.h`: ids, times in [ms], and the signature that both ends must share."""
    defines = {
        "SIGNATURE": f"0x{signature(line):08X}UL",
        "HOST_ID": f"{line.host}U",
        "DEVICE_ID": f"{line.device}U",
        "STATUS_MS": f"{STATUS_EVERY // MS}U",
        "CHECKIN_MS": f"{CHECKIN_EVERY // MS}U",
        "WATCHDOG_MS": f"{WATCHDOG // MS}U",
        "DISCREPANCY_MS": f"{DISCREPANCY // MS}U",
        "ECHO_LAG": f"{ECHO_LAG}U",
        "RESET_MIN_MS": f"{RESET_SHORTEST // MS}U",
        "RESET_MAX_MS": f"{RESET_LONGEST // MS}U",
        "REARM_MS": f"{REARM // MS}U",
        "RELAY_DELAY_MS": f"{line.relay_delay // MS}U",
        "RELAY_EFFECT_STO": str(int(line.relay_effect == "sto")),
        "RELAY_EFFECT_DAMPING": str(int(line.relay_effect == "damping")),
    }
    lines = "\n".join(f"#define ESTOP_CONFIG_{n} {v}" if n == "SIGNATURE" else f"#define ESTOP_{n} {v}"
                      for n, v in defines.items())  # fmt: skip
    return f"""/*
 * Configuration of this device. The configuration signature is the first four bytes, read big-endian, of the
 * SHA-256 of the ASCII text between the quotes below, without a newline:
 *
 * "{canonical(line)}"
 *
 * Both ends must hold the same text: a frame of a peer with another one fails its CRC. Do not edit by hand; write it
 * with `safety-supervisor estop firmware-header --config FILE`.
 */
#ifndef ESTOP_CONFIG_H
#define ESTOP_CONFIG_H

{lines}

#endif
"""
