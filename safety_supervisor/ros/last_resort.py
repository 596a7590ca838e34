"""Ends the process when its end hangs: a third party's driver that blocks, or that left a thread behind.

Nothing of ours waits without a bound, but a driver of the e-stop runs in the control thread, and the interpreter waits
at its end for every thread that is no daemon. The stop is never cut short: the time for it passes first.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

GRACE: Final = 5.0
"""Time for the end behind the stop, [s]."""
STUCK: Final = 3
"""Exit status of a process that was ended so."""
_ENDS: Final = frozenset((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
_STOPPED: Final = 0
_TEXT: Final = (
    "supervisor: the end hangs, 5 s after the stop: a driver of a third party blocks, or left a thread. The process is "
    "ended now\n"
)


class LastResort:
    """A thread that waits for a signal, then for the time that the end may take.

    It learns of the signal from the operating system's side, so that a main thread that is blocked hides none. Code
    that blocks and never gives the interpreter's lock back blocks this thread, too.

    Attributes:
        longest_stop: returns how long the stop may take at the longest, [s]; asked when a signal comes.
    """

    def __init__(self) -> None:
        """Begin to wait; for the main thread alone, behind the installation of handlers."""
        self.longest_stop: Callable[[], float] = lambda: 0.0
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="last-resort", daemon=True).start()

    def stopped(self) -> None:
        """The stop was played: the end takes `GRACE` at most from now on."""
        with suppress(OSError):  # full of signals: the time runs already
            os.write(self._write, bytes((_STOPPED,)))

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        ends: float | None = None
        while True:
            if poll.poll(None if ends is None else max(0, round(1000 * (ends - time.monotonic())))):
                came = os.read(self._read, 4096)
                now = time.monotonic()
                if _STOPPED in came:
                    ends = now + GRACE
                elif ends is None and _ENDS.intersection(came):
                    ends = now + self.longest_stop() + GRACE
            elif ends is not None and time.monotonic() >= ends:
                with suppress(OSError):
                    os.write(2, _TEXT.encode("ascii"))
                os._exit(STUCK)
