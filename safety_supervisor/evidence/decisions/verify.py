"""Verifies a decision log: names the first record that is not what was written. Streaming; writes nothing.

What is checked, record by record: form, place (`sequence`), link (`previous`), signatures of heads and of segments'
first records, keys that follow from each other, segments that are missing. With a root key: who wrote it. With heads
that were kept elsewhere: that nothing behind the newest of them was cut off or rolled back; without: "completeness
unknown". Requirement: SR-042, REDTEAM row 38.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from safety_supervisor.evidence.decisions.chain import FORMAT, HEAD, SEGMENT, TOMBSTONE, canonical, is_signed, sha256
from safety_supervisor.evidence.decisions.files import is_locked, reduced, segments
from safety_supervisor.evidence.decisions.recordings import Recordings
from safety_supervisor.evidence.decisions.report import Broken, Report
from safety_supervisor.evidence.decisions.tombstones import Tombstones

_BLOCK: Final = 1 << 20
_LONGEST: Final = 1 << 24


class _Link(msgspec.Struct, gc=False):
    """What is read of each record."""

    sequence: int
    previous: str
    kind: str


class _Found(Exception):
    """Ends the reading at the first broken record."""

    def __init__(self, broken: Broken) -> None:
        super().__init__(broken.detail)
        self.broken = broken


_decode = msgspec.json.Decoder(_Link).decode


class Verifier:
    """Verifies the log of one robot.

    Args:
        directory: log directory.
        robot: as file names spell it.
        key: root key, public, hexadecimal; empty: unknown.
        heads: that were kept elsewhere.
        recordings: whether event logs are compared with their hashes in the chain.
        progress: is told how many bytes were read.
    """

    def __init__(
        self,
        directory: Path,
        robot: str,
        key: str = "",
        heads: Iterable[dict[str, Any]] = (),
        recordings: bool = True,
        progress: Callable[[int], None] = lambda _bytes: None,
    ) -> None:
        """Read nothing yet."""
        self._directory = directory
        self._robot = robot
        self._key = key
        self._heads = {head["sequence"]: head for head in heads}
        self._recordings = Recordings(directory) if recordings else None
        self._progress = progress
        self._report = Report()
        self._previous = ""
        self._segment_key = ""
        self._keys: dict[Any, str] = {}
        self._next_signer = ""
        self._place = ("", 0)
        self._following: Path | None = None
        self._last_line = ("", 0)
        self._short = ("", "")
        self._ended = False
        self._left = 0
        self._tombstones = Tombstones()
        self._gap = False

    def verify(self) -> Report:
        """Read everything up to the first broken record.

        Raises:
            OSError: a file can not be read.
        """
        report = self._report
        whole = segments(self._directory, self._robot)
        left = reduced(self._directory, self._robot)
        found = dict(sorted({**left, **whole}.items()))
        try:
            self._check_root_of(found)
            numbers = list(found)
            for number in numbers:
                if number and number - 1 not in found and number != numbers[0]:
                    raise self._broken("segment", f"segment {number - 1} is missing", sequence=report.last + 1)
                self._following = found.get(number + 1)
                if number in whole:
                    self._read(found[number], last=number == numbers[-1], number=number)
                else:
                    self._read_reduced(found[number], number)
                report.segments += 1
            self._close(found)
            self._judge_reduced()
        except _Found as ended:
            report.broken = ended.broken
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError) as error:
            report.broken = self._broken("form", f"no record: {error}").broken
        finally:
            if self._recordings is not None:
                self._recordings.close()
                report.recordings, report.absent_recordings = self._recordings.compared, self._recordings.absent
        report.last_sha256 = self._previous
        if report.broken is not None and report.last >= report.broken.sequence:
            report.records -= report.last + 1 - report.broken.sequence  # it was read, and is not good
            report.last, report.last_sha256 = report.broken.sequence - 1, ""
        return report

    def _broken(self, reason: str, detail: str, sequence: int | None = None, line: int | None = None) -> _Found:
        file, at = self._place
        number = self._report.last + 1 if sequence is None else sequence
        return _Found(Broken(file, at if line is None else line, number, reason, detail, self._report.signed))

    def _check_root_of(self, found: dict[int, Path]) -> None:
        if not found:
            self._place = (str(self._directory), 0)
            raise self._broken("missing", f"no decision log of {self._robot or 'any robot'} is there", sequence=1)
        first = min(found)
        if first:
            self._place = (str(found[first]), 0)
            raise self._broken("segment", f"segments before {first} are missing", sequence=1)

    def _read(self, path: Path, number: int, last: bool) -> None:
        """Read one segment."""
        with path.open("rb") as file:
            written = last and is_locked(file)
            lines = self._lines(file, path, None if last else self._end_of(path, number))
            self._place = (str(path), 1)
            first = next(lines, None)
            if first is None:
                if not last:
                    raise self._broken("short", "the segment is empty")
                self._report.tail = "open" if written else "torn"
                return
            self._ended = False
            self._begin_segment(first, number, path)
            self._take_all(lines, path)
            if self._ended and (self._left or self._report.dropped):
                raise self._broken("form", "bytes stand behind the head that ends the segment")
            if last:
                self._report.tail = "open" if written else "complete" if self._ended else "torn"

    def _read_reduced(self, path: Path, number: int) -> None:
        """Read what retention has left of a segment; whether that is all is judged by its tombstone, at the end."""
        data = path.read_bytes()
        self._progress(len(data))
        self._place = (str(path), 1)
        lines = data.splitlines()
        self._begin_segment(lines[0] if lines else b"", number, path)
        for line in lines[1:]:
            if _decode(line).kind == TOMBSTONE:
                self._tombstones.take(json.loads(line))
        self._tombstones.left(number, path, data, self._report.last)
        self._gap = True

    def _judge_reduced(self) -> None:
        for wrong in self._tombstones.judge():
            self._place = (str(wrong.path), 0)
            raise self._broken("missing", wrong.detail, sequence=wrong.sequence)
        self._report.removed, self._report.reduced = self._tombstones.removed, self._tombstones.count

    def _end_of(self, path: Path, number: int) -> int:
        """Return how many bytes of a segment count, as the next one says."""
        if self._following is None:
            return path.stat().st_size
        with self._following.open("rb") as file:
            try:
                header = json.loads(file.readline(_LONGEST))
                end = header["previous_bytes"] if header["segment"] == number + 1 else 0
            except (ValueError, TypeError, KeyError, RecursionError):
                return path.stat().st_size  # what is wrong there is told when it is read
        return end if isinstance(end, int) and end > 0 else path.stat().st_size

    def _lines(self, file: BinaryIO, path: Path, end: int | None) -> Iterator[bytes]:
        """Yield the whole lines of a file up to `end`; what is left of it stands in the report."""
        rest, left = b"", end
        self._left = max(0, path.stat().st_size - end) if end is not None else 0
        while block := file.read(_BLOCK if left is None else min(_BLOCK, left)):
            self._progress(len(block))
            if left is not None:
                left -= len(block)
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
            if len(rest) > _LONGEST:
                raise self._broken("form", f"a line is longer than {_LONGEST} bytes")
        if end is None:
            self._report.dropped = len(rest)
        elif rest or left:
            self._short = (str(path), f"the segment ends before byte {end}, as the next one says")

    def _begin_segment(self, line: bytes, number: int, path: Path) -> None:
        """Judge a segment's first record."""
        report = self._report
        header = self._signed(line)
        if header.get("kind") != SEGMENT:
            raise self._broken("form", "a segment begins with another record")
        if header.get("format") != FORMAT:
            raise self._broken("format", f"format {header.get('format')}: this program reads {FORMAT}")
        if header.get("segment") != number:
            raise self._broken("segment", f"it says that it is segment {header.get('segment')}, its name says {number}")
        signer = str(header.get("signed_with"))
        if not report.root:
            report.root, report.robot = signer, str(header.get("robot"))
            report.first = int(header.get("sequence", 0))
            report.authentic = None if not self._key else signer == self._key
            if report.authentic is False:
                raise self._broken("key", "it does not begin with the key that was given")
        elif signer != self._segment_key:
            why = header.get("unlinked") or "it is signed with a key that the segment before does not name"
            raise self._broken("key", f"another key: {why}")
        if header.get("robot") != report.robot:
            raise self._broken("robot", f"it is of robot {header.get('robot')}")
        if not is_signed(header, signer):
            raise self._broken("signature", "the signature of the segment's first record is wrong")
        link = _decode(line)
        if self._gap:  # what stood before is gone: this signed record says where it had come to
            self._gap = False
            self._tombstones.ends(number - 1, link.sequence - 1, link.previous)
            report.last, self._previous = link.sequence - 1, link.previous
        if self._short[1]:
            self._place = (self._short[0], 0)
            raise self._broken("short", self._short[1])
        if link.sequence == report.last + 1 and link.previous != self._previous:
            self._place = self._last_line  # what is signed says so
            raise self._broken("edited", "the segment after it links to another one", sequence=report.last)
        self._link(link, line)
        self._segment_key = self._keys[number] = str(header.get("key"))
        report.signed = report.last
        boot = str(header.get("boot"))
        if not report.boots or report.boots[-1] != boot:
            report.boots.append(boot)

    def _link(self, link: _Link, line: bytes) -> None:
        """Judge place and link of a record, and take it."""
        report = self._report
        if link.sequence != report.last + 1:
            gone = link.sequence > report.last + 1
            word = "missing" if gone else "order"
            raise self._broken(word, f"record {link.sequence} stands where {report.last + 1} should")
        if link.previous != self._previous:
            raise self._broken("link", "it does not follow the record before")
        report.last, self._previous = link.sequence, sha256(line)
        report.records += 1
        if link.sequence in self._heads:
            self._compare(link.sequence, line)

    def _take_all(self, lines: Iterator[bytes], path: Path) -> None:
        """Judge the records of a segment behind its first one: the loop that has to be fast."""
        report, heads, hashed = self._report, self._heads, hashlib.sha256
        number = 1
        for line in lines:
            number += 1
            if self._ended:
                self._place = (str(path), number)
                raise self._broken("form", "a record stands behind the head that ends the segment")
            try:
                link = _decode(line)
            except msgspec.MsgspecError as error:
                self._place = (str(path), number)
                raise self._broken("form", f"no record: {error}") from error
            if link.previous != self._previous or link.sequence != report.last + 1:
                self._place = (str(path), number)
                self._misfit(link, line, next(lines, None))
            report.last = link.sequence
            self._previous = hashed(line).hexdigest()
            report.records += 1
            if link.kind in _WATCHED or link.sequence in heads:
                self._place = (str(path), number)
                self._look(link, line)
        self._last_line = (str(path), number)

    def _misfit(self, link: _Link, line: bytes, after: bytes | None) -> None:
        """Tell which of two records that do not fit together is the broken one."""
        report = self._report
        if link.sequence != report.last + 1:
            self._link(link, line)
        # What links to this record tells whether it is as it was; then it is the one before that is not.
        if self._next_previous(link, line, after) == sha256(line):
            file, number = self._place
            self._place = (file, number - 1)
            raise self._broken("edited", "the record after it links to another one", sequence=report.last)
        raise self._broken("link", "it does not follow the record before")

    def _next_previous(self, link: _Link, line: bytes, after: bytes | None) -> str:
        """Return the hash of a record as what follows it says, or its own where its own signature says so."""
        if after is None and link.kind == HEAD:
            return sha256(line) if is_signed(self._signed(line), self._segment_key) else ""
        if after is None and self._following is not None:
            with self._following.open("rb") as file:
                after = file.readline(_LONGEST).rstrip(b"\n")
        try:
            return _decode(after or b"").previous
        except msgspec.MsgspecError:
            return ""

    def _look(self, link: _Link, line: bytes) -> None:
        """Judge heads, hashes of recordings, and what heads from elsewhere say of this record."""
        report = self._report
        if link.kind == SEGMENT:
            raise self._broken("form", "a segment's first record stands inside one", sequence=link.sequence)
        if link.kind == HEAD:
            head = self._signed(line, link.sequence)
            self._ended = head.get("last") is True
            if not is_signed(head, self._segment_key):
                since = f"between {report.signed} and this one something is not what was signed"
                raise self._broken("signature", f"the head's signature is wrong: {since}", sequence=link.sequence)
            report.signed = link.sequence
        elif link.kind == TOMBSTONE:
            self._tombstones.take(json.loads(line))
        elif link.kind == "chunk" and self._recordings is not None:
            wrong = self._recordings.compare(json.loads(line))
            if wrong:
                raise self._broken("recording", wrong, sequence=link.sequence)
        if link.sequence in self._heads:
            self._compare(link.sequence, line)

    def _compare(self, sequence: int, line: bytes) -> None:
        """Compare a record with the head from elsewhere that has its number."""
        head = self._heads.pop(sequence)
        if head.get("robot") != self._report.robot:
            self._report.skipped_heads += 1
            return
        if canonical(head) != line:
            detail = f"a head that was kept elsewhere says that record {sequence} was another one"
            raise self._broken(
                "heads",
                f"{detail}: replaced behind record {max(0, self._report.complete_to)}{self._whose(head)}",
                sequence,
            )
        self._report.heads += 1
        self._report.complete_to = sequence

    def _whose(self, head: dict[str, Any]) -> str:
        """Say where a head from elsewhere is not by a key of this log."""
        key = self._keys.get(head.get("segment"))
        if key is None or is_signed(head, key):
            return ""
        return "; no key of this log has signed that head: the log was replaced, or the head is forged"

    def _signed(self, line: bytes, sequence: int | None = None) -> dict[str, Any]:
        """Return a record that carries a signature; its text is the canonical one, so that nothing else reads alike."""
        try:
            record: dict[str, Any] = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._broken("form", f"no record: {error}", sequence) from error
        if not isinstance(record, dict) or canonical(record) != line:
            raise self._broken("form", "its text is not the canonical one", sequence)
        return record

    def _close(self, found: dict[int, Path]) -> None:
        """Judge what heads from elsewhere say of what is behind the end."""
        report = self._report
        left = [head for head in self._heads.values() if head.get("robot") == report.robot]
        report.skipped_heads += len(self._heads) - len(left)
        behind = [head["sequence"] for head in left if head["sequence"] > report.last]
        report.skipped_heads += len(left) - len(behind)
        if behind:
            self._place = (str(found[max(found)]), 0)
            newest = max(behind)
            detail = f"a head that was kept elsewhere is of record {newest}: the log was cut off or rolled back"
            detail += self._whose(next(head for head in left if head["sequence"] == newest))
            raise self._broken("missing", detail)


_WATCHED: Final = frozenset({SEGMENT, HEAD, TOMBSTONE, "chunk"})
