"""Segments that retention has reduced, and the signed records that say so. Pure but for the paths."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Unexplained:
    """A reduced segment that no tombstone explains."""

    path: Path
    sequence: int
    """Number of the first record that is missing without a word."""
    detail: str


class Tombstones:
    """Compares what is left with what was said of it."""

    def __init__(self) -> None:
        """Begin with none."""
        self._left: dict[int, tuple[Path, str, int]] = {}
        self._ends: dict[int, tuple[int, str]] = {}
        self._told: dict[int, list[dict[str, Any]]] = {}
        self.removed = 0
        self.count = 0

    def left(self, segment: int, path: Path, data: bytes, first: int) -> None:
        """Note what is left of a segment.

        Args:
            segment: its number.
            path: of the file.
            data: its content.
            first: number of its first record.
        """
        self._left[segment] = (path, hashlib.sha256(data).hexdigest(), first)

    def ends(self, segment: int, last: int, last_sha256: str) -> None:
        """Note where a reduced segment had ended, as the signed record behind it says."""
        self._ends[segment] = (last, last_sha256)

    def take(self, tombstone: dict[str, Any]) -> None:
        """Take a tombstone of the chain."""
        self._told.setdefault(int(tombstone["of_segment"]), []).append(tombstone)

    def judge(self) -> Iterator[Unexplained]:
        """Yield what nothing explains, and count the rest."""
        for segment, (path, found, first) in self._left.items():
            told = self._told.get(segment, [])
            last = self._ends.get(segment)
            ends = next((one for one in told if (one["last"], one["last_sha256"]) == last), None)
            if ends is None:
                yield Unexplained(path, first + 1, f"segment {segment} was reduced, and no tombstone says so")
            elif found != told[-1]["kept_sha256"]:
                yield Unexplained(path, first + 1, f"what is left of segment {segment} is not what its tombstone says")
            else:
                self.count += 1
                apart = {one["kept_sha256"]: one for one in told}  # told twice where the first boot to do it was killed
                self.removed += sum(sum(one["removed"].values()) for one in apart.values())
