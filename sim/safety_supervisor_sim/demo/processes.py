"""The processes of a run, and their end: the robot is stopped first, then everything ends, nothing is left."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from safety_supervisor_sim import shared_memory

PATIENCE: Final = 10.0
"""How long a process may take to end when nobody is in a hurry, [s]."""
HURRY: Final = 1.3
"""The same for the supervisor after Ctrl-C, [s]: all end within 2 s. On a starved machine it waits for standstill."""
OTHERS: Final = 0.35
"""Share of it for those that have no robot to stop."""
_PR_SET_PDEATHSIG: Final = 1


def _end_with_parent() -> None:
    """In the child: be interrupted when this program dies, so that nothing is left even then."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)


class Process:
    """One process with a session of its own, so that Ctrl-C in a terminal reaches this program alone."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path, listen: bool = False
    ) -> None:
        """Start `python ARGUMENTS`.

        Args:
            name: for people.
            arguments: behind the interpreter.
            environment: whole environment.
            log: file for what it writes.
            listen: keep its standard output for `output`.
        """
        self.name = name
        self.log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if listen else file,
                stderr=file,
                env=dict(environment),
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )

    @property
    def output(self) -> IO[bytes]:
        """Its standard output, when it is listened to."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return self._process.poll()

    @property
    def id(self) -> int:
        """Its process id."""
        return self._process.pid

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Ask it to end."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, timeout: float) -> bool:
        """Wait for its end; False when it still runs."""
        try:
            self._process.wait(max(0.0, timeout))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> bool:
        """Kill what is left of its session; return whether the process itself had to be killed."""
        alive = self._process.poll() is None
        left = shared_memory.files_of_session(self._process.pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shared_memory.clear(left)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return alive

    def last_words(self, lines: int = 5) -> str:
        """Return the end of its log, for the message about its failure."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])


def end_all(supervisor: Process | None, others: Sequence[Process | None], patience: float) -> list[str]:
    """Stop the robot, then end everything.

    The supervisor stops the robot before it ends, and needs the cell and the e-stop button for it; so it goes first.

    Args:
        supervisor: None when it was not started.
        others: in the order in which they are asked; all at once.
        patience: for the supervisor, [s]; the others get a share of it (`OTHERS`).

    Returns:
        Names of those that had to be killed.
    """
    if supervisor is not None:
        supervisor.interrupt()
        supervisor.wait(patience)
    rest = [process for process in others if process is not None]
    for process in rest:
        process.interrupt(signal.SIGTERM)
    due = time.monotonic() + OTHERS * patience
    for process in rest:
        process.wait(due - time.monotonic())
    everyone = [*([] if supervisor is None else [supervisor]), *rest]
    return [process.name for process in everyone if process.kill()]
