"""Processes that the recorder starts: one hands heads on to other places, one records snapshots of the core."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_MOST_HEADS: Final = 1 << 16
"""Bytes of heads that wait for the control process."""


class HeadPipe:
    """Hands heads on to one process; of what it does not take the newest is enough, and nobody waits.

    Args:
        descriptor: a pipe's writing end.
    """

    def __init__(self, descriptor: int) -> None:
        """Begin."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._unsent = b""

    def send(self, lines: Sequence[bytes]) -> None:
        """Hand on what is signed and on disk."""
        if lines and len(self._unsent) < _MOST_HEADS:
            self._unsent += b"".join(line + b"\n" for line in lines)
        if self._unsent:
            try:
                self._unsent = self._unsent[os.write(self._descriptor, self._unsent) :]
            except BlockingIOError:
                return
            except BrokenPipeError:
                self._unsent = b""


def start_sinks(robot: str, arguments: Sequence[str], words: int = -1) -> int:
    """Start the process that hands heads on to other places; return the pipe to it. It ends behind this one.

    It alone has the pipe `words`, by which it tells the control process what fails.
    """
    source, sink = os.pipe()
    command = [sys.executable, "-m", "safety_supervisor.evidence.decisions.sinks", "--robot", robot, *arguments]
    kept = () if words < 0 else (words,)
    command += [f"--words={words}"] if kept else []
    subprocess.Popen(command, stdin=source, stdout=subprocess.DEVNULL, pass_fds=kept, start_new_session=True)
    os.close(source)
    for descriptor in kept:
        os.close(descriptor)
    return sink


def start_snapshots(directory: Path, robot: str, every: str, boot: str) -> None:
    """Start the process that records snapshots of the core; it reads what is on the disk, and ends behind the boot."""
    command = [sys.executable, "-m", "safety_supervisor.evidence.snapshots.following", "--directory", str(directory)]
    command += ["--robot", robot, "--boot", boot, "--every", every]
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    quiet = subprocess.DEVNULL
    subprocess.Popen(command, stdin=quiet, stdout=quiet, env={**os.environ, **one}, start_new_session=True)
