"""Whether a segment is being written now: its recorder holds a lock on it, until it is closed or its writer dies."""

from __future__ import annotations

import fcntl
import time
from typing import BinaryIO

_LOCK_TRIES = 10


def lock_segment(descriptor: int) -> None:
    """Show that a segment is being written, until the file is closed or its writer dies."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.001)  # a reader looks at it in this very moment
        except OSError:
            return  # a file system without locks: a log that grows is then taken for a torn one


def is_written(file: BinaryIO) -> bool:
    """Whether a recorder writes a segment now."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
