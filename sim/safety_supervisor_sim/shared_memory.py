"""What the middleware keeps in shared memory for a process, and leaves there when the process is killed.

Fast DDS names such files by the ports that a participant listens on. A participant that takes the port of a killed one
is not found healthy at first, and whoever sends to it waits a third of a second for its answer, with every publisher
of the process held up meanwhile. So whoever kills a process here clears away behind it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

PLACE: Final = Path("/dev/shm")
_LOCK: Final = "_el"
"""Only the owner of a segment or port has its lock file open."""


def files_of(process: int) -> set[Path]:
    """Return the files of the segments and ports that a process owns; none where the system does not tell."""
    found: set[Path] = set()
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                target = descriptor.readlink()
                if target.parent == PLACE and target.name.endswith(_LOCK):
                    name = target.name.removesuffix(_LOCK)
                    found |= {target, PLACE / name, PLACE / f"sem.{name}_mutex"}
    return found


def files_of_session(leader: int) -> set[Path]:
    """Return the files of every process of a session."""
    return _files_of_all(lambda process: os.getsid(process) == leader)


def clear(files: set[Path]) -> None:
    """Remove what killed processes have left, but for what a living one has taken over.

    Whoever still sends to a participant that has gone makes the port's file anew: once all have ended, clear again.
    """
    for file in files - _files_of_all(lambda process: True):
        file.unlink(missing_ok=True)


def _files_of_all(wanted: Callable[[int], bool]) -> set[Path]:
    found: set[Path] = set()
    with contextlib.suppress(OSError):
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if wanted(int(entry.name)):
                    found |= files_of(int(entry.name))
    return found
