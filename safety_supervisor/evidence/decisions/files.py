"""Files of the decision log: their names, their order, and where the newest one ends."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from safety_supervisor.evidence.decisions.chain import SEGMENT, Point, sha256

SUFFIX: Final = ".decisions"
REDUCED: Final = ".kept"
"""Stands before `SUFFIX` where retention has left a part of a segment."""
_LONGEST_LINE: Final = 1 << 24


class LogEnd(NamedTuple):
    """Where the newest segment ends.

    Attributes:
        segment: its number; -1: there is none.
        point: of its last whole record; sequence 0 where even the first is not whole.
        size: bytes of the whole records.
        key: public key that it names as its own.
        damage: why that is not sure; empty: it is.
        torn: whether it was begun and not even its first record was written.
    """

    segment: int = -1
    point: Point = Point(0, "")
    size: int = 0
    key: str = ""
    damage: str = ""
    torn: bool = False


def file_robot(robot: str) -> str:
    """Return a robot's id as file names spell it."""
    return "".join(character for character in robot if character.isalnum() or character in "-_.") or "robot"


def segment_path(directory: Path, robot: str, segment: int) -> Path:
    """Return the file of a segment."""
    return directory / f"{file_robot(robot)}-{segment:08d}{SUFFIX}"


def reduced_path(directory: Path, robot: str, segment: int) -> Path:
    """Return the file of what retention has left of a segment."""
    return directory / f"{file_robot(robot)}-{segment:08d}{REDUCED}{SUFFIX}"


def segments(directory: Path, robot: str) -> dict[int, Path]:
    """Return the whole segments of a robot by number, in order.

    Raises:
        OSError: the directory can not be read.
    """
    return _numbered(directory, robot, SUFFIX)


def reduced(directory: Path, robot: str) -> dict[int, Path]:
    """Return what retention has left of segments, by number, in order.

    Raises:
        OSError: the directory can not be read.
    """
    return _numbered(directory, robot, REDUCED + SUFFIX)


def _numbered(directory: Path, robot: str, suffix: str) -> dict[int, Path]:
    found: dict[int, Path] = {}
    start = f"{file_robot(robot)}-"
    for path in directory.iterdir():
        number = path.name[len(start) : -len(suffix)]
        if path.name == f"{start}{number}{suffix}" and len(number) == 8 and number.isascii() and number.isdigit():
            found[int(number)] = path
    return dict(sorted(found.items()))


def robots(directory: Path) -> list[str]:
    """Return the robots, as file names spell them, of which there are segments.

    Raises:
        OSError: the directory can not be read.
    """
    names = (path.name[: -len(SUFFIX)].removesuffix(REDUCED) for path in directory.glob(f"*{SUFFIX}"))
    return sorted({name.rpartition("-")[0] for name in names if name.rpartition("-")[0]})


def find_end(directory: Path, robot: str) -> LogEnd:
    """Return where a robot's log ends, for whoever goes on with it: a segment that was hardly begun is removed.

    Raises:
        OSError: a file can not be read.
    """
    if not directory.is_dir():
        return LogEnd()
    present = segments(directory, robot)
    while present:
        number, path = present.popitem()
        end = end_of(path, number)
        if not end.torn:
            return end
        path.unlink()
    return LogEnd()


def end_of(path: Path, segment: int) -> LogEnd:
    """Return where a segment ends.

    Raises:
        OSError: it can not be read.
    """
    with path.open("rb") as file:
        first = file.readline(_LONGEST_LINE)
        if not first.endswith(b"\n"):
            return LogEnd(segment, torn=True)
        header = read_line(first)
        if header is None or header.get("kind") != SEGMENT:
            return LogEnd(segment, damage=f"{path.name} has no whole first record")
        size = file.seek(0, 2)
        start, block = size, b""
        while start > 0 and block.count(b"\n") < 2:
            start = max(0, start - 65536)
            file.seek(start)
            block = file.read(size - start)
            if len(block) > _LONGEST_LINE:
                return LogEnd(segment, key=str(header.get("key", "")), damage=f"{path.name} ends in no record")
    whole = block[: block.rfind(b"\n") + 1]
    last = whole[:-1].rpartition(b"\n")[2]
    record = read_line(last + b"\n")
    key = str(header.get("key", ""))
    if record is None or not isinstance(record.get("sequence"), int):
        return LogEnd(segment, key=key, damage=f"{path.name} ends in what is no record")
    return LogEnd(segment, Point(record["sequence"], sha256(last)), start + len(whole), key)


def is_locked(file: BinaryIO) -> bool:
    """Whether a recorder writes a segment now."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def read_line(line: bytes) -> dict[str, Any] | None:
    """Return the record of a whole line; None when it is none."""
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
