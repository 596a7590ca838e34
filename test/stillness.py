"""Whether this machine stood still while a test ran: a process of its own that sleeps 2 ms again and again, and notes.

Real-time tests on a shared machine fail when the host takes the processors away for tens of milliseconds. Such a run
says nothing about the product, so a failed test is repeated then, and only then; each repetition is listed at the end.
"""

from __future__ import annotations

import subprocess
import sys

_WATCH = """
import os, select, sys, time
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
    """Notes the longest time in which an urgent process did not come to run."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WATCH], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def longest(self) -> float:
        """Return the longest time since the last question, [s]."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.communicate("")
