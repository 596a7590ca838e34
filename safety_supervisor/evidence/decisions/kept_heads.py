"""A file of heads, kept where the robot's root can not write: what `log verify --heads` reads.

Of each segment the newest head is kept, so that the file stays small for years. What is no head of the robot is not
taken; whose it is tells its signature, when it is verified: here nobody knows the key. Requirement: SR-042.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import Any, Final

from safety_supervisor.evidence.decisions.chain import HEAD, canonical
from safety_supervisor.evidence.latch_store import replace_file

LONGEST: Final = 2048
"""Characters of a head that is taken."""
MOST_SEGMENTS: Final = 4096
"""Of more the oldest are forgotten."""
_COMPACT_BYTES: Final = 4 << 20
_NEWEST: Final = 2**53


class KeptHeads:
    """The heads of one robot in one file.

    Args:
        path: of the file; its directory is made.
        robot: id.

    Raises:
        OSError: it can not be read, or its directory not be made.
    """

    def __init__(self, path: Path, robot: str) -> None:
        """Read what is there."""
        self.path = path
        self._robot = robot
        self._heads: dict[int, tuple[int, str]] = {}
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._size, self._torn = 0, False
        if path.exists():
            text = path.read_text(encoding="ascii", errors="replace")
            self._size, self._torn = path.stat().st_size, bool(text) and not text.endswith("\n")
            lines = text.splitlines()
            for line in lines:
                self._accept(line)
            if len(lines) > len(self._heads):
                with contextlib.suppress(OSError):  # it is as good as it was: a full disk ends nothing here
                    self._compact()

    def take(self, line: str) -> bool:
        """Keep a head, durably; return whether it is one, and newer than what is kept of its segment.

        Raises:
            OSError: it can not be written; then it counts as never taken, and may be given again.
        """
        before = dict(self._heads)
        if not self._accept(line):
            return False
        data = b"\n" * self._torn + line.encode("ascii") + b"\n"
        try:
            if self._size + len(data) > _COMPACT_BYTES:
                self._compact()
            else:
                self._append(data)
        except OSError:
            self._heads = before
            raise
        return True

    def _append(self, data: bytes) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            begin = os.fstat(descriptor).st_size
            try:
                # Where the disk fills up amid it, a part is written, and no error raised.
                if os.write(descriptor, data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fdatasync(descriptor)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, begin)
                raise
        finally:
            os.close(descriptor)
        self._size, self._torn = self._size + len(data), False

    def _accept(self, line: str) -> bool:
        head = parse_head(line, self._robot)
        if head is None:
            return False
        segment, sequence = head["segment"], head["sequence"]
        if self._heads.get(segment, (0, ""))[0] >= sequence:
            return False
        self._heads[segment] = (sequence, line)
        if len(self._heads) > MOST_SEGMENTS:
            del self._heads[min(self._heads)]
        return True

    def _compact(self) -> None:
        data = "".join(f"{line}\n" for _, (_, line) in sorted(self._heads.items())).encode("ascii")
        replace_file(self.path, data)
        self._size, self._torn = len(data), False


def parse_head(line: str, robot: str) -> dict[str, Any] | None:
    """Return a head of a robot; None where it is none, or is not spelled as the chain spells it."""
    if len(line) > LONGEST or not line.isascii():
        return None
    try:
        head = json.loads(line)
        if not isinstance(head, dict) or canonical(head) != line.encode("ascii"):
            return None
    except (ValueError, RecursionError):
        return None
    numbers = [head.get("segment"), head.get("sequence")]
    if not all(type(number) is int and 0 <= number < _NEWEST for number in numbers):
        return None
    texts = [head.get("signature"), head.get("previous")]
    whole = head.get("kind") == HEAD and head.get("robot") == robot and all(isinstance(text, str) for text in texts)
    return head if whole else None
