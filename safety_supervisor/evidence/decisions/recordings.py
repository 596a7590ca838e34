"""Event logs, compared with what the chain says of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, BinaryIO, Final

_BLOCK: Final = 1 << 20


class Recordings:
    """Reads the pieces that the chain names.

    Args:
        directory: log directory.
    """

    def __init__(self, directory: Path) -> None:
        """Open nothing yet."""
        self._directory = directory
        self._name = ""
        self._file: BinaryIO | None = None
        self.compared = self.absent = 0

    def compare(self, chunk: dict[str, Any]) -> str:
        """Return what is wrong with a piece of an event log; empty: nothing, or its file is not there."""
        name, begin, end = str(chunk["file"]), int(chunk["begin"]), int(chunk["end"])
        if name != self._name:
            self.close()
            self._name = name
            try:
                self._file = (self._directory / Path(name).name).open("rb")
            except OSError:
                self._file = None
        if self._file is None:
            self.absent += 1
            return ""
        self._file.seek(begin)
        left, found = end - begin, hashlib.sha256()
        while left > 0 and (block := self._file.read(min(_BLOCK, left))):
            found.update(block)
            left -= len(block)
        self.compared += 1
        if left or found.hexdigest() != chunk["sha256"]:
            return f"{name}, bytes {begin} to {end}, is not what was recorded"
        return ""

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
