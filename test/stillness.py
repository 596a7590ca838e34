"""Whether this machine stood still while a test ran: processes of its own that sleep 2 ms again and again, and note.

Real-time tests on a shared machine fail when the host takes a processor away for tens of milliseconds. Such a run says
nothing about the product, so a failed test is repeated then, and only then; each repetition is listed at the end. There
is one on each processor: the host takes them one by one.
"""

from __future__ import annotations

import os
import subprocess
import sys

MOST = 8
"""Processors that are watched."""
_WATCH = """
import os, select, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(90))
except OSError:
    pass
longest, last = 0.0, time.monotonic()
while True:
    if select.select([sys.stdin], [], [], 0.002)[0]:
        if not sys.stdin.readline():
            break
        print(longest, flush=True)
        longest = 0.0
    now = time.monotonic()
    longest, last = max(longest, now - last), now
"""


class StillnessWatch:
    """Notes the longest time in which an urgent process did not come to run on one of the processors."""

    def __init__(self) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", _WATCH, str(processor)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for processor in sorted(os.sched_getaffinity(0))[:MOST]
        ]

    def longest(self) -> float:
        """Return the longest time since the last question, [s]."""
        return max(map(_ask, self._processes))

    def close(self) -> None:
        """End them."""
        for process in self._processes:
            process.communicate("")


def _ask(process: subprocess.Popen[str]) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("?\n")
    process.stdin.flush()
    return float(process.stdout.readline())
