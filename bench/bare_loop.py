"""A loop that only wakes up on a grid, `python -m bench.bare_loop RATE RESULT`: what the machine itself misses.

It runs above the control cycle (SCHED_FIFO where permitted), so that nothing of ours can hold it up, until SIGINT.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from pathlib import Path

from safety_supervisor.ros.process import CONTROL_PRIORITY


def main(rate: int, result: Path) -> None:
    """Write when the loop had to wake up, and how late it did, [ns] each."""
    ended: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: ended.append(number))
    gc.disable()
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(CONTROL_PRIORITY + 10))
        scheduler = f"SCHED_FIFO {CONTROL_PRIORITY + 10}"
    except OSError as error:
        scheduler = f"no SCHED_FIFO ({error.strerror})"
    period, due, late = 1_000_000_000 // rate, time.monotonic_ns(), list[tuple[int, int]]()
    while not ended:
        due += period
        time.sleep(max(0, due - time.monotonic_ns()) * 1e-9)
        late.append((due, time.monotonic_ns() - due))
    result.write_text(json.dumps({"scheduler": scheduler, "late": late}), encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
