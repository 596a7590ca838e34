"""Room for the record of a new boot: event logs of the oldest boots are removed at start, and nothing else ever.

Only whole boots of this robot go, and only files whose header says so; latches, their history and locks stay. The boot
before this one stays however long it is: an incident ends a boot, and its log is the one that is asked for next.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from safety_supervisor.evidence.event_log import SUFFIX, LogError, LogHeader, read_header
from safety_supervisor.evidence.snapshots.names import snapshots_of


@dataclass(frozen=True)
class Removal:
    """What was removed.

    Attributes:
        boots: ids, the oldest first.
        begun: when the first and the last of them had started, UTC; empty when none was removed.
        size: [bytes].
        failure: why one of them could not be removed; empty when none failed.
    """

    boots: tuple[str, ...] = ()
    begun: tuple[str, str] = ("", "")
    size: int = 0
    failure: str = ""

    def __str__(self) -> str:
        """Say it in one line."""
        first, last = self.begun
        return f"removed old event logs: boots {len(self.boots)}, {first} to {last}, {self.size / 1e6:.1f} MB"


@dataclass(frozen=True)
class _Boot:
    """The log of one boot: its files in the order of their numbers."""

    begun: str
    boot_id: str
    files: tuple[Path, ...]
    size: int


def make_room(directory: str | Path, robot_id: str, keep_bytes: int) -> Removal:
    """Remove the oldest boots of a robot until no more than `keep_bytes` are left, or only the newest one.

    Called at start, before the log of the new boot exists, by the holder of the robot's instance lock. Never raises:
    what can not be read is left alone, what can not be removed is told.

    Args:
        directory: log directory.
        robot_id: `robot.id` of the configuration.
        keep_bytes: for all earlier boots together.
    """
    boots = _boots_of(Path(directory), robot_id)
    left = sum(boot.size for boot in boots)
    removed: list[_Boot] = []
    failure = ""
    for boot in boots[:-1]:
        if left <= keep_bytes:
            break
        try:
            # The first one first: without it the rest is plainly no whole boot, if this is where we die.
            for file in (*snapshots_of(boot.files[0]), *boot.files):
                file.unlink()
        except OSError as error:
            failure = f"{error.filename}: {error.strerror}"
            continue
        left -= boot.size
        removed.append(boot)
    if not removed:
        return Removal(failure=failure)
    _sync(Path(directory))
    begun = (removed[0].begun, removed[-1].begun)
    return Removal(tuple(boot.boot_id for boot in removed), begun, sum(boot.size for boot in removed), failure)


def _boots_of(directory: Path, robot_id: str) -> list[_Boot]:
    """Return the boots of a robot, the oldest first."""
    found: dict[str, list[tuple[LogHeader, Path, int]]] = defaultdict(list)
    try:
        paths = list(directory.glob(f"*{SUFFIX}"))
    except OSError:
        return []
    for path in paths:
        try:
            header = read_header(path)
            if header.robot_id == robot_id and not path.is_symlink():
                found[header.boot_id].append((header, path, path.stat().st_size))
        except (LogError, OSError):
            continue  # not known whose it is
    boots = []
    for boot_id, segments in found.items():
        segments.sort(key=lambda segment: segment[0].segment)
        files = tuple(path for _, path, _ in segments)
        size = sum(size for _, _, size in segments) + _size_of(snapshots_of(files[0]))
        boots.append(_Boot(segments[0][0].started_at, boot_id, files, size))
    return sorted(boots, key=lambda boot: (boot.begun, boot.boot_id))


def _size_of(paths: list[Path]) -> int:
    with contextlib.suppress(OSError):
        return sum(path.stat().st_size for path in paths)
    return 0


def _sync(directory: Path) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
