"""Snapshots beside a recording: what they are bound to, and which one replay may begin from.

A snapshot is a file, `RECORDING.NNNNNNNNN.snapshot`, N events handled before it:

    MAGIC | SHA-256 of all that follows | MessagePack: a `SnapshotHead`, the state (zlib)

It is bound to every byte of the recording before it (SHA-256), to configuration, code, Python and processor, and to
what a fresh supervisor looks like. It is made while a replay runs, and only where every effect before it came out
again: so what a replay from it says of the events behind it, the whole one says, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.evidence.event_log import EventLog
from safety_supervisor.evidence.snapshots.graph import Fixtures
from safety_supervisor.evidence.snapshots.names import snapshots_of
from safety_supervisor.evidence.snapshots.reading import StateError
from safety_supervisor.evidence.software import software_versions

MAGIC = b"safety_supervisor snapshot 1\n"
LONGEST = 256 << 20
"""Of a file and of a state, [bytes]."""
_BLOCK = 1 << 20


class SnapshotHead(msgspec.Struct, frozen=True):
    """Where a snapshot stands and what it is bound to."""

    robot_id: str
    boot_id: str
    nonce: str
    configuration_sha256: str
    versions: dict[str, str]
    fresh_sha256: str
    """Of a fresh supervisor (`Fixtures.sha256`)."""
    events: int
    """Handled before; the next one is number `events`, from 0 on as `log replay` counts."""
    place: tuple[int, int]
    """Segment, and byte of it, where the next record begins."""
    recording_sha256: str
    """Of every byte of the recording before that place."""
    begun: Nanoseconds
    """Steady time of the first event, and of the last one before."""
    at: Nanoseconds
    set_points: int
    verdicts: dict[str, int]
    final_state: str
    lines: int
    """Lines of the log before, as `log show` numbers them, and the state that was told last."""
    lines_state: str


class SnapshotError(Exception):
    """A file that is no snapshot of this recording, or of which this program can make nothing."""


class Prefix:
    """Hashes the bytes of a recording before a place, which only moves on."""

    def __init__(self, log: EventLog) -> None:
        """Begin at its first byte."""
        self._log = log
        self._hash = hashlib.sha256()
        self._at = (0, 0)

    def until(self, place: tuple[int, int]) -> str:
        """Return the hash of all before a place.

        Raises:
            SnapshotError: the recording does not reach so far, or the place is before the last one.
            OSError: it can not be read.
        """
        if place < self._at or not place[0] < len(self._log.segments):
            raise SnapshotError("the recording does not reach so far")
        while self._at[0] < place[0]:
            self._take(self._log.segments[self._at[0] + 1][1].previous_bytes)
            self._at = (self._at[0] + 1, 0)
        self._take(place[1])
        return self._hash.hexdigest()

    def _take(self, end: int) -> None:
        path, at = self._log.segments[self._at[0]][0], self._at[1]
        with path.open("rb") as file:
            file.seek(at)
            while at < end:
                block = file.read(min(_BLOCK, end - at))
                if not block:
                    raise SnapshotError("the recording does not reach so far")
                self._hash.update(block)
                at += len(block)
        self._at = (self._at[0], at)


@dataclass(frozen=True)
class Found:
    """A snapshot that fits."""

    path: Path
    head: SnapshotHead
    state: bytes


def write(path: Path, head: SnapshotHead, state: bytes) -> None:
    """Write a snapshot, whole or not at all.

    Raises:
        OSError: it can not be written.
    """
    body = msgspec.msgpack.encode((head, zlib.compress(state, 6)))
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(MAGIC + hashlib.sha256(body).digest() + body)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def read(path: Path) -> tuple[SnapshotHead, bytes]:
    """Read a snapshot; it may be of any recording.

    Raises:
        SnapshotError: it is damaged, or none.
        OSError: it can not be read.
    """
    with path.open("rb") as file:
        data = file.read(LONGEST + 1)
    if not data.startswith(MAGIC):
        raise SnapshotError("no snapshot of this version")
    body = data[len(MAGIC) + 32 :]
    if len(data) > LONGEST or hashlib.sha256(body).digest() != data[len(MAGIC) : len(MAGIC) + 32]:
        raise SnapshotError("damaged: its content is not what its hash says")
    try:
        head, packed = msgspec.msgpack.decode(body, type=tuple[SnapshotHead, bytes])
        inflate = zlib.decompressobj()
        state = inflate.decompress(packed, LONGEST)
    except (msgspec.MsgspecError, zlib.error) as error:
        raise SnapshotError(f"damaged: {error}") from None
    return head, state


def refusal(head: SnapshotHead, log: EventLog, fresh_sha256: str) -> str:
    """Say why a snapshot is not of this recording and program; empty: it is, as far as its head tells."""
    header = log.header
    if (head.robot_id, head.boot_id, head.nonce) != (header.robot_id, header.boot_id, header.nonce):
        return f"foreign: of robot {head.robot_id!r}, boot {head.boot_id!r}"
    if head.configuration_sha256 != header.configuration_sha256:
        return f"of another configuration, {head.configuration_sha256[:16]}"
    present = software_versions()
    other = [name for name in sorted({*head.versions, *present}) if head.versions.get(name) != present.get(name)]
    if other:
        told = (f"{name} {head.versions.get(name, 'none')}, here {present.get(name, 'none')}" for name in other)
        return f"of another version: {'; '.join(told)}"
    if head.fresh_sha256 != fresh_sha256:
        return "a fresh supervisor looks otherwise here: it can not be put into one"
    return ""


def nearest(
    log: EventLog, before: Nanoseconds | None, event: int | None, fresh_sha256: str
) -> tuple[Found | None, list[str]]:
    """Find the snapshot nearest before a time or an event.

    Args:
        log: the boot.
        before: steady time, [ns].
        event: number of an event, from 0.
        fresh_sha256: of `Fixtures` of a fresh supervisor of the log's configuration.

    Returns:
        The snapshot, None where there is none that fits; and what was refused, by name, with the reason.
    """
    refused: list[str] = []
    for path in snapshots_of(log.segments[0][0]):
        try:
            head, state = read(path)
            why = refusal(head, log, fresh_sha256)
            if not why and ((event is not None and head.events > event) or (before is not None and head.at >= before)):
                continue
            if not why and Prefix(log).until(head.place) != head.recording_sha256:
                why = "the recording before it is not the one that it was made of"
        except OSError as error:
            why = f"can not be read: {error.strerror}"
        except SnapshotError as error:
            why = str(error)
        if not why:
            return Found(path, head, state), refused
        refused.append(f"{path.name}: {why}")
    return None, refused


def restore(found: Found, fixtures: Fixtures) -> None:
    """Bring a fresh supervisor to a snapshot.

    Raises:
        SnapshotError: its state is none of this program; the supervisor is of no use any more.
    """
    try:
        fixtures.put(found.state)
    except StateError as error:
        raise SnapshotError(f"{found.path.name}: {error}") from None
