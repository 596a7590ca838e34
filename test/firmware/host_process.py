"""A host in a process of its own, which a test can freeze: the product's port and driver, 250 cycles a second.

Standard output: one JSON object for each word that differs from the one before, with `t`, the steady clock in ns.
"""

from __future__ import annotations

import json
import sys
import time

from safety_supervisor.core.estop_settings import EstopLine, EstopSettings
from safety_supervisor.ros.estop_line import EstopLine as Line


def main() -> None:
    """Serve the line until killed."""
    settings = EstopSettings("frame_v1", "high", EstopLine(sys.argv[1], 115200, 1, 2, 300_000_000, "sto", None))
    line = Line(settings, lambda report: print(json.dumps({"t": report.at, "told": report.code}), flush=True))
    line.start()
    last: tuple[str, str, str] | None = None
    while True:
        at = time.monotonic_ns()
        word = line.sample(at)
        now = word.state, word.fault, word.relays
        if now != last:
            last = now
            print(json.dumps({"t": at, "state": word.state, "fault": word.fault, "relays": word.relays}), flush=True)
        line.serve(at, True, False, False)
        time.sleep(0.004)


if __name__ == "__main__":
    main()
