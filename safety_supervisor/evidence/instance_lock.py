"""One supervisor a robot: locks that the kernel releases when their holder dies. REDTEAM 48.

Two locks, because two things must not be shared. The *machine* lock (robot id and ROS domain) is held by the
supervisor alone: a second one for the same robot is refused at once. The *directory* lock (log directory and robot
id) guards latches and log; the recorder process inherits it and so keeps it until the last latch of a killed
supervisor is on disk. A supervisor that is started in that moment waits for it and then reads the latches.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from safety_supervisor.evidence.latch_store import file_stem

_POLL_S = 0.02


class LockHeldError(Exception):
    """Another process serves this robot, or has not yet ended its record."""


def machine_directory() -> Path:
    """Return where locks of the whole machine stand: /run/lock, or /tmp."""
    shared = Path("/run/lock")
    return shared if os.access(shared, os.W_OK) else Path("/tmp")


def _open(path: Path) -> int:
    """Open a lock file, whoever made it.

    Raises:
        LockHeldError: when it belongs to somebody who lets nobody in.
    """
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o644)
    except PermissionError:
        pass
    try:
        return os.open(path, os.O_RDONLY | flags)  # enough for a lock
    except PermissionError as error:
        raise LockHeldError(f"{path} belongs to another user, who may serve this robot") from error


def _take(path: Path, wait_s: float) -> int:
    """Lock a file exclusively and note our process in it."""
    descriptor = _open(path)
    ends = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= ends:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                os.close(descriptor)
                raise LockHeldError(
                    f"{path} is held by another supervisor or its recorder (process {holder})"
                ) from None
            time.sleep(_POLL_S)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        pass  # a read-only or full place: the lock holds, only the number for the message is missing
    return descriptor


class RobotLock:
    """Exclusive right to serve one robot on this machine; released by `release` or by the death of the process.

    Args:
        directory: log directory, created when missing.
        robot_id: `robot.id` of the configuration.
        domain: ROS domain; ROS_DOMAIN_ID when None.
        locks: directory of the machine lock; `machine_directory()` when None.
    """

    def __init__(
        self, directory: str | Path, robot_id: str, domain: int | None = None, locks: str | Path | None = None
    ) -> None:
        """Name the locks; nothing is taken yet."""
        number = os.environ.get("ROS_DOMAIN_ID", "") or "0" if domain is None else str(domain)
        stem = file_stem(robot_id)
        self.directory_path = Path(directory) / f"{stem}.lock"
        self.machine_path = Path(locks or machine_directory()) / f"safety_supervisor-{stem}-{file_stem(number)}.lock"
        self._machine: int | None = None
        self._directory: int | None = None

    def acquire(self, wait_s: float = 5.0) -> None:
        """Take both locks; wait for the directory lock, because the recorder of a killed supervisor still writes.

        Raises:
            LockHeldError: when another supervisor serves this robot.
            OSError: when a lock file can not be created (a read-only log directory).
        """
        self._machine = _take(self.machine_path, 0.0)
        try:
            self.acquire_directory(wait_s)
        except BaseException:
            self.release()
            raise

    def acquire_directory(self, wait_s: float = 0.0) -> None:
        """Take the directory lock alone, to work on the latches while no supervisor runs.

        Raises:
            LockHeldError: when a supervisor or its recorder holds it.
            OSError: when the lock file can not be created.
        """
        self.directory_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = _take(self.directory_path, wait_s)

    def fileno(self) -> int:
        """Return the directory lock's descriptor, for the recorder to inherit.

        Raises:
            ValueError: when the lock is not held.
        """
        if self._directory is None:
            raise ValueError("the lock is not held")
        return self._directory

    def release(self) -> None:
        """Give both locks back. Lock files stay: removing one would let two processes lock two files of one name."""
        for descriptor in (self._directory, self._machine):
            if descriptor is not None:
                os.close(descriptor)
        self._directory = self._machine = None
