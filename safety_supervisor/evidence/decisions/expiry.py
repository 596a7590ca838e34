"""What is kept no longer: old segments are reduced, and a signed tombstone says what went.

After `short` only what people did is left of a segment, versions and configurations: its lines as they stood. After
`long` its first record is, so that numbers and keys still follow from each other, and tombstones. The chain gets a
`tombstone` with the hash of what is left and of the last record that went; when that is on disk, and signed, the
segment is removed.
Requirement: SR-042.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import msgspec

from safety_supervisor.evidence.decisions.chain import TOMBSTONE, Body, sha256
from safety_supervisor.evidence.decisions.files import reduced, reduced_path, segments
from safety_supervisor.evidence.decisions.record import SHORT
from safety_supervisor.evidence.latch_store import replace_file

DAY: Final = 86_400
LEAP: Final = 31 * DAY
"""The clock is believed up to so long after the newest record of the boots before, [s]: one that is set wrong by years
must not take the evidence of years with it."""


@dataclass(frozen=True)
class Expiry:
    """How long records are kept, [s] by the wall clock.

    Attributes:
        short: decisions, motion, states.
        long: interventions, acts, versions.
    """

    short: float = 365 * DAY
    long: float = 1826 * DAY


@dataclass(frozen=True)
class Due:
    """A segment that is to be reduced."""

    number: int
    path: Path
    first_only: bool
    """Whether only its first record stays."""


@dataclass(frozen=True)
class Reduced:
    """A segment of which a smaller file is on disk now."""

    tombstone: Body
    source: Path
    """To be removed once the tombstone is on disk."""
    target: Path


class _Kind(msgspec.Struct, gc=False):
    kind: str
    sequence: int
    intervention: Any = ""


_decode = msgspec.json.Decoder(_Kind).decode


def due(directory: Path, robot: str, expiry: Expiry, now: float) -> list[Due]:
    """Return the segments that are to be reduced, the oldest first; never the newest two.

    Args:
        directory: log directory.
        robot: id.
        expiry: how long records are kept.
        now: wall clock, seconds since 1970.

    Raises:
        OSError: a file can not be read.
    """
    whole, left = segments(directory, robot), reduced(directory, robot)
    numbers = sorted(whole)[:-2]
    newest = max((_begun(whole[number]) for number in whole), default=0.0)
    before = max((_begun(whole[number]) for number in numbers), default=newest)
    now = min(now, before + LEAP)
    found = []
    for number in numbers:
        age = now - _begun(whole[number])
        if age > expiry.short:
            found.append(Due(number, whole[number], age > expiry.long))
    for number, path in left.items():
        if number not in whole and now - _begun(path) > expiry.long and _holds_more(path):
            found.append(Due(number, path, True))
    return sorted(found, key=lambda one: one.number)


def _holds_more(path: Path) -> bool:
    """Whether more is left of a segment than what stays for ever."""
    return any(b'"kind":"tombstone"' not in line for line in path.read_bytes().splitlines()[1:])


def _begun(path: Path) -> float:
    """Return when a segment began; where it can not be told, now and ever: it is not reduced."""
    try:
        with path.open("rb") as file:
            return datetime.fromisoformat(json.loads(file.readline())["utc"].replace("Z", "+00:00")).timestamp()
    except (ValueError, KeyError, TypeError, AttributeError):
        return float("inf")


def reduce(directory: Path, robot: str, one: Due) -> Reduced:
    """Write what stays of a segment beside it.

    Raises:
        OSError: it can not be read or written.
        msgspec.MsgspecError: it is damaged, and stays as it is.
    """
    kept, removed = [], Counter[str]()
    last = (0, "")
    with one.path.open("rb") as file:
        for number, line in enumerate(file):
            if not line.endswith(b"\n"):
                break  # what a kill left counts for nothing
            found = _decode(line)
            last = (found.sequence, sha256(line[:-1]))
            stays = not one.first_only and (found.kind not in SHORT or found.intervention)
            if number == 0 or stays or found.kind == TOMBSTONE:
                kept.append(line)
            else:
                removed[found.kind] += 1
    data = b"".join(kept)
    target = reduced_path(directory, robot, one.number)
    if target == one.path:  # what was left once is made smaller when the tombstone is on disk
        target = target.with_suffix(target.suffix + ".next")
    replace_file(target, data)
    tombstone = {
        "kind": TOMBSTONE,
        "of_segment": one.number,
        "kept": len(kept),
        "kept_sha256": hashlib.sha256(data).hexdigest(),
        "removed": dict(sorted(removed.items())),
        "last": last[0],
        "last_sha256": last[1],
    }
    return Reduced(tombstone, one.path, target)


class Retirer:
    """Reduces old segments in a thread of its own, one after the other, and hands over what is to be told.

    Args:
        directory: log directory.
        robot: id.
        expiry: how long records are kept.
        wall: wall clock, [ns].
    """

    def __init__(self, directory: Path, robot: str, expiry: Expiry, wall: Callable[[], int]) -> None:
        """Start."""
        self._ready: SimpleQueue[Reduced] = SimpleQueue()
        self._given = directory, robot, expiry, wall() / 1e9
        self._thread = threading.Thread(target=self._run, name="expiry", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        directory, robot, expiry, now = self._given
        try:
            for one in due(directory, robot, expiry, now):
                try:
                    self._ready.put(reduce(directory, robot, one))
                except msgspec.MsgspecError:
                    continue  # `log verify` tells it; what is broken is not made to look whole
        except OSError:
            return  # the next boot tries again

    def take(self) -> Iterator[Reduced]:
        """Yield what is ready."""
        while not self._ready.empty():
            yield self._ready.get()

    def wait(self) -> None:
        """Wait until everything is ready."""
        self._thread.join()


def finish(one: Reduced) -> None:
    """Remove what the durable tombstone says is gone.

    Raises:
        OSError: it can not be removed; the next boot does it.
    """
    if one.target.suffix == ".next":
        one.target.rename(one.source)
    else:
        one.source.unlink(missing_ok=True)
