"""Writes the decision log: segments, their keys, signed heads. In the recorder's process; requirement: SR-042, SR-043.

Records get their places in the chain when they are written, not before, so that a disk that fails changes no order:
what was tried and failed is written again at the same place, with what came since. Nothing is handed on as a head
before it is on disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety_supervisor.evidence.decisions.chain import (
    FORMAT,
    HEAD,
    SEGMENT,
    START,
    Body,
    Point,
    link,
    public_text,
    sign,
)
from safety_supervisor.evidence.decisions.files import find_end, segment_path
from safety_supervisor.evidence.decisions.keys import KeyRing
from safety_supervisor.evidence.log_writer import GONE, write_at
from safety_supervisor.evidence.segment_lock import lock_segment

SEGMENT_BYTES = 64 << 20
SEGMENT_AGE = 24 * 3600 * 1_000_000_000
"""A segment is ended when it is so old, [ns] of the steady clock: the key of one signs no longer than that."""
MOST_PENDING = 20_000
"""Records that are kept in memory while the disk fails."""

Place = Callable[[Body], Body]
"""Gives a record time, robot and boot."""


class DecisionWriter:
    """The segments of one boot.

    Args:
        directory: log directory.
        robot: id.
        keys: of the robot.
        header: members of each segment's first record, beside those of the chain.
        place: gives a record time, robot and boot.
        segment_bytes: size at which the next segment is begun.
        segment_age: age, [ns].
    """

    def __init__(
        self,
        directory: Path,
        robot: str,
        keys: KeyRing,
        header: Body,
        place: Place,
        segment_bytes: int = SEGMENT_BYTES,
        segment_age: int = SEGMENT_AGE,
    ) -> None:
        """Open nothing yet."""
        self._directory = directory
        self._robot = robot
        self._keys = keys
        self._header = header
        self._place = place
        self._segment_bytes = segment_bytes
        self._segment_age = segment_age
        self._file: int | None = None
        self._path = directory
        self._makes = not directory.is_dir()  # as of the event log
        self._left: Path | None = None  # a file that nothing durable is in, and that could not be removed
        self._segment = -1
        self._point = START  # durable
        self._size = 0  # durable bytes of the present segment
        self._began = 0
        self._found = False
        self._unlinked = ""  # why the log before can not be followed
        self._before = 0, ""  # `_size` and `_unlinked` before the present segment was begun
        self._first: list[Body] = []
        self._pending: list[Body] = []
        self._lost = 0
        self._heads: list[bytes] = []
        self._retire = False
        self._ahead: tuple[int, Point] | None = None  # where records go meanwhile, see `write_ahead`; None: nowhere
        self._in_work = 0  # records of `_pending` that it is waited for with
        self.disk: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
        """Is entered while the disk is waited for: others may call `add` and `write_ahead` then."""
        self.error = 0
        """errno of the last try, 0 when it succeeded."""

    @property
    def point(self) -> Point:
        """The durable end."""
        return self._point

    @property
    def idle(self) -> bool:
        """Whether everything is on disk."""
        return self._file is not None and not (self._first or self._pending or self._lost or self._retire)

    def add(self, body: Body) -> None:
        """Queue a record; count it as lost when the memory for a failing disk is full."""
        if self._lost or len(self._pending) >= MOST_PENDING:
            self._lost += 1
        else:
            self._pending.append(body)

    def add_head(self, *, last: bool = False) -> None:
        """Queue a signed head of all that was queued before; the last one ends the segment."""
        self.add(self._place({"kind": HEAD, "last": True} if last else {"kind": HEAD}))

    def take_heads(self) -> list[bytes]:
        """Return the lines of heads that have become durable since the last time."""
        heads, self._heads = self._heads, []
        return heads

    def sync(self, now: int) -> bool:
        """Write what is queued and make it durable; return whether all that was added before is.

        Args:
            now: steady clock, [ns].
        """
        if self.idle and now - self._began < self._segment_age:
            return self.error == 0
        try:
            self._retire_key()
            full = self._size > self._segment_bytes or now - self._began >= self._segment_age
            ends = bool(self._pending) and "last" in self._pending[-1]
            if self._file is not None and full and self._size and not ends:
                self._write([*self._take_pending(), self._place({"kind": HEAD, "last": True})])
                self._close()
            if self._file is None:
                self._begin(now)
            self._write(self._take_pending())
            self._retire_key()
        except OSError as error:
            self._ahead = None
            self.error = error.errno or -1
            if self.error in GONE:
                self._close()  # what it holds behind the durable end does not count: the next segment says so
            return False
        self.error = 0
        return True

    def close(self) -> None:
        """Close the segment as it is."""
        self._close()

    def _take_pending(self) -> list[Body]:
        gap = [self._place({"kind": "gap", "records": self._lost})] if self._lost else []
        return [*self._first, *self._pending, *gap]

    def _write(self, bodies: Sequence[Body]) -> None:
        """Write records at the durable end, with all that was queued; they are then queued no more."""
        assert self._file is not None
        if not bodies:
            return
        signed = self._first[0] if self._first else None
        self._in_work, lost = len(self._pending), self._lost
        block, point = self._link(bodies, self._point, self._signer(signed is not None))
        write_at(self._file, block, self._size)
        if self.error:  # what a failed try left behind the block
            os.ftruncate(self._file, self._size + len(block))
        ends = bodies[-1]["kind"] == HEAD and "last" in bodies[-1]  # nothing comes behind it
        self._ahead = None if ends else (self._size + len(block), point)
        with self.disk:
            os.fdatasync(self._file)
        if os.fstat(self._file).st_nlink == 0:
            raise OSError(errno.ENOENT, "the decision log was deleted")
        self._size += len(block)
        self._point = point
        self._ahead = None if ends else (self._size, point)
        if signed is not None:
            self._first = []
            self._retire = True
        del self._pending[: self._in_work]
        self._in_work = 0
        self._lost -= lost
        self._heads += [line for line in block.split(b"\n") if b'"kind":"head"' in line]

    def _link(self, bodies: Sequence[Body], point: Point, signer: Ed25519PrivateKey) -> tuple[bytes, Point]:
        return link(
            ({**body, "segment": self._segment} if body["kind"] == HEAD else body for body in bodies), point, signer
        )

    def write_ahead(self) -> None:
        """Write what came while the disk is waited for, where `sync` will write it again: a kill loses it no more.

        It does not count before that, and no head is handed on. What fails here is left to `sync`.
        """
        if self._ahead is None or self._file is None or self._first or len(self._pending) <= self._in_work:
            return
        offset, point = self._ahead
        block, _ = self._link(self._pending[self._in_work :], point, self._signer(False))
        with contextlib.suppress(OSError):
            write_at(self._file, block, offset)

    def _signer(self, begins: bool) -> Ed25519PrivateKey:
        if begins:
            return self._keys.prepare()  # heads in a segment's first block are signed with its own key
        assert self._keys.present is not None
        return self._keys.present

    def _begin(self, now: int) -> None:
        """Begin the segment after the newest one that there is."""
        self._remove_left()
        if self._makes:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._makes = False
        if not self._found:
            end = find_end(self._directory, self._robot)
            self._keys.open(end.key)
            self._segment, self._size, self._point = end.segment, end.size, end.point
            self._unlinked = "; ".join(filter(None, (end.damage, self._keys.damage)))
            self._found = True
        present = self._keys.present
        assert present is not None
        later = self._keys.prepare()
        number = self._segment + 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        path = segment_path(self._directory, self._robot, number)
        file = os.open(path, flags, 0o600)
        lock_segment(file)
        header = self._place(
            {
                **self._header,
                "kind": SEGMENT,
                "format": FORMAT,
                "segment": number,
                "previous_bytes": self._size,
                "signed_with": public_text(present),
                "key": public_text(later),
                "unlinked": self._unlinked,
                "sequence": self._point.sequence + 1,
                "previous": self._point.sha256,
            }
        )
        self._file, self._path, self._segment = file, path, number
        self._before = self._size, self._unlinked
        self._first = [sign(header, present)]
        self._size = 0
        self._began = now
        self._unlinked = ""
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _retire_key(self) -> None:
        if self._retire:
            self._keys.advance()
            self._retire = False

    def _remove_left(self) -> None:
        if self._left is not None:
            self._left.unlink(missing_ok=True)
            self._left = None

    def _close(self) -> None:
        if self._file is None:
            return
        os.close(self._file)
        self._file = self._ahead = None
        if self._first:  # not even the first record is durable: the number is used again
            self._left = self._path
            with contextlib.suppress(OSError):  # such a disk may not even remove: the next try does
                self._remove_left()
            self._first = []
            self._segment -= 1
            # Not what the disk says: behind the durable end stand records there that are written again.
            self._size, self._unlinked = self._before
