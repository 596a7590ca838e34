"""Real-time priority for what stands for hardware in a simulation, where the machine permits it.

A drive, an e-stop button and a controller do not slow down because a computer compiles something; their doubles would,
and a busy machine would look like a broken robot. All stay below the supervisor's own priority, and none takes it
before it has started: 0.3 s of imports at real time would hold up everybody else.
"""

from __future__ import annotations

import os
from typing import Final

BUTTON: Final = 30
CELL: Final = 20
MOUTH: Final = 10


def take(priority: int) -> bool:
    """Ask for SCHED_FIFO for this thread; return whether it was permitted."""
    return give(0, priority)


def give(thread: int, priority: int) -> bool:
    """Ask for SCHED_FIFO for a thread; return whether it was permitted."""
    try:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(priority))
    except (OSError, AttributeError):
        return False
    return True


def give_all(process: int, priority: int) -> bool:
    """Ask for SCHED_FIFO for all threads of a process; return whether it was permitted."""
    try:
        threads = [int(name) for name in os.listdir(f"/proc/{process}/task")]
    except OSError:
        return False
    return [thread for thread in threads if not give(thread, priority)] == []
