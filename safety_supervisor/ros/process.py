"""What the operating system gives the control process: real-time priority, locked memory, a quiet collector.

Measured on two cores: without SCHED_FIFO a cycle wakes up to 7 ms late under load, with it 0.1 ms; a full garbage
collection of a warm heap takes 50 to 180 ms.
"""

from __future__ import annotations

import ctypes
import gc
import os
import stat
import threading
from pathlib import Path

CONTROL_PRIORITY = 50
MIDDLEWARE_PRIORITY = 40
"""Below the control thread, so that no flood of messages starves it; above everything ordinary."""
RECORDER_PRIORITY = 10
"""Below both, above everything ordinary: a record that is late stops the robot (E_LOG), and what the recorder has not
written when it is killed is lost. It takes a twentieth of a processor at 500 Hz."""
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_PR_SET_TIMERSLACK, _PR_SET_PDEATHSIG = 29, 1


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


class RealTime:
    """Takes what the operating system permits while a cycle runs; whatever it refuses is said, never fatal.

    Processes and threads that are started later are ordinary ones (SCHED_RESET_ON_FORK).
    """

    def __init__(self) -> None:
        """Nothing is taken yet."""
        self._fifo_refused = "not taken"
        self._lock_refused = "not taken"

    @property
    def text(self) -> str:
        """One line for log and status."""
        fifo = f"no SCHED_FIFO ({self._fifo_refused})" if self._fifo_refused else f"SCHED_FIFO {CONTROL_PRIORITY}"
        locked = f"memory not locked ({self._lock_refused})" if self._lock_refused else "memory locked"
        return f"{fifo}, {locked}"

    @property
    def complete(self) -> bool:
        """Whether all of it was permitted."""
        return not self._fifo_refused and not self._lock_refused

    def take(self) -> None:
        """Quiet the collector, lock memory, raise the control thread and below it those of the middleware."""
        gc.collect()
        gc.freeze()
        gc.disable()
        libc = _libc()
        libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)  # ordinary threads else sleep up to 50 us too long
        # ONFAULT: pages stay once they were used, instead of reserving every thread's whole stack.
        locked = libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0
        reason = os.strerror(ctypes.get_errno())
        self._lock_refused = "" if locked else f"{reason}; allow memlock in /etc/security/limits.d"
        try:
            _raise_thread(0, CONTROL_PRIORITY)
            self._fifo_refused = ""
        except OSError as error:
            self._fifo_refused = f"{error.strerror}; allow rtprio {CONTROL_PRIORITY} in /etc/security/limits.d"
            return
        for entry in _other_threads():
            try:
                _raise_thread(entry, MIDDLEWARE_PRIORITY)
            except OSError:
                continue  # it ended meanwhile

    def give_back(self) -> None:
        """Become an ordinary process again."""
        if not self._fifo_refused:
            for entry in (0, *_other_threads()):
                try:
                    os.sched_setscheduler(entry, os.SCHED_OTHER, os.sched_param(0))
                except OSError:
                    continue
        _libc().munlockall()
        gc.unfreeze()
        gc.enable()
        self._fifo_refused = self._lock_refused = "not taken"


def _raise_thread(thread: int, priority: int) -> None:
    os.sched_setscheduler(thread, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))


def _other_threads() -> list[int]:
    control = threading.get_native_id()
    return [int(entry) for entry in os.listdir("/proc/self/task") if int(entry) != control]


def never_wait_for_readers() -> None:
    """Let nobody hold this process by not reading its standard output or error: what does not fit is dropped.

    The pipe or terminal is opened anew, so that only this process's way into it becomes non-blocking and not that of
    whoever shares it.
    """
    for descriptor in (1, 2):
        kind = os.fstat(descriptor).st_mode
        if not stat.S_ISFIFO(kind) and not stat.S_ISCHR(kind):
            continue
        try:
            fresh = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_APPEND)
        except OSError:
            continue  # nothing to gain: /dev/null, or not permitted
        os.dup2(fresh, descriptor)
        os.close(fresh)


def listens_in_shared_memory() -> bool:
    """Whether this process receives through the shared memory of Fast DDS, whose threads are named by their ports.

    A participant that joins or goes may then hold up every publisher for a third of a second (config/fastdds.xml).
    """
    tasks = Path("/proc/self/task")
    try:
        names = [task.joinpath("comm").read_text(encoding="utf-8") for task in tasks.iterdir()]
    except OSError:
        return False  # it ended meanwhile, or there is no such system: nothing to warn of
    return any(name.startswith("dds.shm.") and name.strip() != "dds.shm.wdog" for name in names)


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process a signal when its parent ends, by SIGKILL too."""
    _libc().prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def write_all(sink: int, data: bytes) -> None:
    """Write to a descriptor that waits, until nothing is left."""
    view = memoryview(data)
    while view:
        view = view[os.write(sink, view) :]
