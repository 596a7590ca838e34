"""What the recorder's process is to the operating system: no part of the control process, and before ordinary work."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable


def become_background(priority: int) -> Callable[[], None]:
    """Leave the control process's priority, processor and signals: only the end of the pipes ends the recorder.

    Args:
        priority: of SCHED_FIFO; 0: stay an ordinary process. A record that is late stops the robot (E_LOG), so it
            should wait behind no ordinary work.

    Returns:
        Gives a thread the same priority. It is not handed on: what takes its time here is ordinary work.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR):  # one that was put below others stays there
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, max(0, os.getpriority(os.PRIO_PROCESS, 0)))
    with contextlib.suppress(OSError):  # a container may forbid it: then it stays where it was put
        os.sched_setaffinity(0, range(os.cpu_count() or 1))

    def rise() -> None:
        if priority:
            with contextlib.suppress(OSError):  # without the permission an ordinary process records
                os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))

    rise()
    return rise
