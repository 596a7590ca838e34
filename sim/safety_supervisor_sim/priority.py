"""Real-time priority for what stands for hardware in a simulation, where the machine permits it.

A drive, an e-stop button and a controller do not slow down because a computer compiles something; their doubles would,
and a busy machine would look like a broken robot. All stay below the supervisor's own priority.
"""

from __future__ import annotations

import os
from typing import Final

BUTTON: Final = 30
CELL: Final = 20
MOUTH: Final = 10


def take(priority: int) -> bool:
    """Ask for SCHED_FIFO for this thread and those it starts; return whether it was permitted."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (OSError, AttributeError):
        return False
    return True
