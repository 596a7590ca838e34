"""Format of the event log: what the recorder writes and replay reads. Pure functions over bytes and paths.

A *segment* is an MCAP file without chunks (`evidence/mcap.py`), so that what was written is on the disk, and any MCAP
reader opens it, Foxglove too. Its attachment `header` is a `LogHeader`; each message of the channel `/events` is an
`Entry` (one handled event) or a `Gap`, in MessagePack. Decisions and states stand once more as JSON before their
entry, for people alone (`evidence/log_channels.py`). A recorder that came to its end wrote `END`; without it, as after
a kill, the file is read up to the last whole entry. A boot's log is its segments 0, 1, 2, ... and replay needs all of
them from 0.

Its recorder holds a lock on the segment that it writes, so that a reader can tell a record that is not finished yet
from one that never will be.

Of the effects an entry keeps a digest of all and, in full, those that are no `Actuate` and no `DriveBase`: set-points
are 90 % of the bytes and replay computes them again.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import BinaryIO

import msgspec

from safety_supervisor.core.effects import Decision, Effect, Status
from safety_supervisor.core.events import Event
from safety_supervisor.evidence import log_channels, mcap
from safety_supervisor.evidence.segment_lock import is_written

MAGIC = mcap.MAGIC + mcap.header("", "safety_supervisor event log 2")
"""What a segment begins with: name and version of the format."""
END = mcap.END
"""What it ends with where its recorder came to its end."""
SUFFIX = ".events.mcap"
EARLIER_SUFFIX = ".events"
"""Of logs that earlier versions wrote in a format of their own; they can not be read any more."""
SCHEMA = 1
"""Version of events and effects as `core.events` and `core.effects` define them."""
LONGEST_RECORD = 64 * 1024 * 1024

_SET_POINTS = (b"\xa4type\xa7Actuate", b"\xa4type\xa9DriveBase")
_DECISION, _STATUS = b"\xa4type\xa8Decision", b"\xa4type\xa6Status"
_ENTRY = b"\x93"  # a MessagePack array of three: every other payload is a map
_LONG_MAP = b"\xde"  # of more than fifteen fields
_EARLIER = b"SSEVENTS"
_HEADER_NAME = "header"
_AHEAD = mcap.HEAD.size + mcap.MESSAGE_HEAD.size


class LogHeader(msgspec.Struct, frozen=True, tag=True):
    """Who wrote the log and with what: enough to build the same supervisor again."""

    robot_id: str
    boot_id: str
    nonce: str
    configuration: bytes
    """Bytes of the YAML file."""
    urdf: bytes
    """Text of the URDF, UTF-8, zlib."""
    configuration_sha256: str
    versions: dict[str, str]
    """Software and CPU; bit-identical replay holds for the same ones."""
    started_at: str
    """Wall time, UTC. Data only: nothing is computed from it but the order in which old boots are removed."""
    schema: int = SCHEMA
    segment: int = 0
    previous_bytes: int = 0
    """Length up to which the previous segment counts; what stands beyond is repeated in this one."""
    removed_boots: tuple[str, ...] = ()
    """Ids of earlier boots whose logs were removed at this start."""
    baselines: dict[str, bytes] = {}
    """Files of the baselines that sources are watched by, by their SHA-256."""
    signature: str = ""
    """The token by which a safety officer signed the configuration; empty: a simulation, or an older version."""
    signed_by: str = ""
    """Who that is."""
    definitions: tuple[int, str] = (0, "")
    """Length and SHA-256 of the schemas and channels behind the header, which have no checksum; 0 in older logs."""


class Gap(msgspec.Struct, frozen=True, tag=True):
    """Events that could not be kept. Replay is not possible beyond it."""

    events: int
    bytes: int


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One handled event and what came of it."""

    event: Event
    digest: bytes
    """`digest_effects` of all effects."""
    effects: list[Effect]
    """The effects other than `Actuate` and `DriveBase`."""


class _Mark(Enum):
    """A record that is neither an entry nor a gap."""

    TOLD = "a decision or a state, as JSON; its entry follows"
    OTHER = "a schema or a channel"
    END = "the end of the data"


class _Timed(msgspec.Struct):
    """Of any event, when it was received."""

    at: int


class LogError(Exception):
    """A file that is no event log, or a boot of which segments are missing."""


@dataclass(frozen=True)
class Tail:
    """How a log ends."""

    state: str
    """`complete`; `open`: its recorder still writes it; `torn`: the last record is unfinished, as after SIGKILL or
    power loss; `corrupt`; `incomplete`: the next segment is missing."""
    path: str
    offset: int
    """First byte that does not count."""


_header_decoder = msgspec.msgpack.Decoder(LogHeader)
_other_decoder = msgspec.msgpack.Decoder(LogHeader | Gap)
_entry_decoder = msgspec.msgpack.Decoder(Entry)
_raw_list_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])
_told_decoder = msgspec.msgpack.Decoder(Decision | Status)
_time_decoder = msgspec.msgpack.Decoder(_Timed)
_encoder = msgspec.msgpack.Encoder()
_json = msgspec.json.Encoder().encode


def digest_bytes(effects: bytes | memoryview) -> bytes:
    """Hash encoded effects, 16 bytes."""
    return hashlib.blake2b(effects, digest_size=16).digest()


def digest_effects(effects: Sequence[Effect]) -> bytes:
    """Hash the canonical encoding of all effects of one event, 16 bytes. Requirement: SR-044."""
    return digest_bytes(_encoder.encode(tuple(effects)))


def encode_record(payload: bytes, at: int = 0) -> bytes:
    """Frame a payload as a message; `at` is its time, steady clock, [ns]."""
    return log_channels.message(log_channels.EVENTS, at, payload)


def encode_header(header: LogHeader) -> bytes:
    """Encode what a segment begins with, its `definitions` included."""
    told = log_channels.definitions()
    header = msgspec.structs.replace(header, definitions=(len(told), hashlib.sha256(told).hexdigest()))
    return MAGIC + mcap.attachment(_HEADER_NAME, "application/msgpack", _encoder.encode(header)) + told


def encode_gap(gap: Gap) -> bytes:
    """Encode the record of a gap."""
    return encode_record(_encoder.encode(gap))


def encode_entry(pair: bytes) -> bytes:
    """Encode the record of one handled event from the encoding of the pair of the event and its effects."""
    event, effects = _raw_list_decoder.decode(pair)
    at = _time_decoder.decode(event).at
    kept = []
    told = b""
    for raw in _raw_list_decoder.decode(effects):
        head = bytes(memoryview(raw)[:18])
        kind = head[3:] if head[:1] == _LONG_MAP else head[1:]
        if kind.startswith(_SET_POINTS):
            continue
        kept.append(raw)
        if kind.startswith((_DECISION, _STATUS)):
            channel = log_channels.STATES if kind.startswith(_STATUS) else log_channels.DECISIONS
            with contextlib.suppress(msgspec.MsgspecError):  # it is for people alone: the entry must come
                told += log_channels.message(channel, at, _json(_told_decoder.decode(raw)))
    payload = b"\x93" + bytes(event) + b"\xc4\x10" + digest_bytes(effects) + _encoder.encode(kept)
    return told + encode_record(payload, at)


def segment_name(header: LogHeader) -> str:
    """Return the file name of a segment."""
    stamp = "".join(character for character in header.started_at[:19] if character.isalnum())
    boot = "".join(character for character in header.boot_id if character.isalnum() or character in "-_")
    number = f".{header.segment:04d}" if header.segment else ""
    return f"{stamp}Z-{boot}{number}{SUFFIX}"


def _read_record(file: BinaryIO) -> tuple[int, bytes] | None:
    """Read kind and content of a record; None when it is unfinished or can not be one."""
    head = file.read(mcap.HEAD.size)
    if len(head) < mcap.HEAD.size:
        return None
    kind, length = mcap.HEAD.unpack(head)
    if not 0 < length <= LONGEST_RECORD:
        return None
    content = file.read(length)
    return (kind, content) if len(content) == length else None


def _read_header_payload(file: BinaryIO) -> bytes | None:
    """Read the attachment behind the magic; None when it is unfinished or damaged."""
    found = _read_record(file)
    return mcap.read_attachment(found[1], _HEADER_NAME) if found is not None and found[0] == mcap.ATTACHMENT else None


def read_header(path: Path) -> LogHeader:
    """Read the header of a segment.

    Raises:
        LogError: when the file is no event log or its header is damaged.
        OSError: when it can not be read.
    """
    with path.open("rb") as file:
        written = is_written(file)  # before the first byte is read: what is missing there may come
        magic = file.read(len(MAGIC))
        payload = _read_header_payload(file) if magic == MAGIC else None
    if payload is None and written:
        raise LogError(f"{path}: its recorder has just begun to write it: try again")
    if magic.startswith(_EARLIER):
        raise LogError(f"{path}: an event log of an earlier version (.events): the version that wrote it reads it")
    if magic != MAGIC:
        other = ", though an MCAP file" if magic.startswith(mcap.MAGIC) else ""
        raise LogError(f"{path}: no event log of this version{other}")
    if payload is None:
        raise LogError(f"{path}: the header is damaged")
    try:
        return _header_decoder.decode(payload)
    except msgspec.MsgspecError as error:
        raise LogError(f"{path}: the header is damaged: {error}") from error


class EventLog:
    """All segments of one boot, in order, up to the first one that is missing.

    Raises:
        LogError: when the file is no event log, or the first segment is missing.
        OSError: when a file can not be read.
    """

    def __init__(self, path: Path) -> None:
        """Open the boot that the segment `path` belongs to."""
        header = read_header(path)
        segments: dict[int, tuple[Path, LogHeader]] = {header.segment: (path, header)}
        for other in sorted(path.parent.glob(f"*{SUFFIX}")):
            if other == path:
                continue
            try:
                found = read_header(other)
            except (LogError, OSError):
                continue
            if found.boot_id == header.boot_id and found.robot_id == header.robot_id:
                segments.setdefault(found.segment, (other, found))
        missing = sorted(set(range(max(segments) + 1)) - set(segments))
        if 0 in missing:
            raise LogError(f"{path}: segments {missing} of boot {header.boot_id} are missing; replay needs all from 0")
        self.missing = tuple(missing)
        """Numbers of segments that are not there: the log is read up to the first of them."""
        self.segments = [segments[number] for number in sorted(segments) if not missing or number < missing[0]]
        self.header = self.segments[0][1]
        self.size = sum(segment.stat().st_size for segment, _ in self.segments)
        self.position = 0
        """Bytes read so far, for a progress bar."""
        self.begin = self.place = (0, 0)
        """Where iteration begins, and has come to: a segment, and its byte behind an entry or gap (0: its first)."""
        self.tail = Tail("complete", str(self.segments[-1][0]), self.size)

    def __iter__(self) -> Iterator[Entry | Gap]:
        """Yield entries and gaps; `tail` tells afterwards how the log ended.

        A log that is being written is read as far as it had come when this reached its last segment.
        """
        yield from self._read()
        if self.missing and self.tail.state != "corrupt":
            self.tail = replace(self.tail, state="incomplete")

    def _read(self) -> Iterator[Entry | Gap]:
        begin, self.position = self.begin, 0
        for number, (path, header) in enumerate(self.segments[begin[0] :], begin[0]):
            last = number == len(self.segments) - 1
            with path.open("rb") as file:
                written = last and is_written(file)  # before its end is looked up, which does not move any more if not
                end = path.stat().st_size if last else self.segments[number + 1][1].previous_bytes
                file.seek(len(MAGIC))
                _read_record(file)  # read_header has checked it
                whole = file.tell()  # up to here all that was told is kept, too
                defined: set[tuple[int, bytes]] | None = set()
                if header.definitions[0]:
                    state, defined = _read_definitions(file, header, end), None
                    if state != "complete":
                        torn = state == "torn" and last
                        self.tail = Tail(("open" if written else "torn") if torn else "corrupt", str(path), whole)
                        return
                    whole = file.tell()
                if begin == (number, max(begin[1], whole)):
                    whole = begin[1]
                    file.seek(whole)
                while file.tell() < end:
                    start = file.tell()
                    found = _read_record(file)
                    item = None if found is None or file.tell() > end else _decode(*found, defined)
                    if item is None:
                        torn = last and not _resumes(path, start, end)
                        self.tail = Tail(("open" if written else "torn") if torn else "corrupt", str(path), whole)
                        return
                    if item is _Mark.TOLD:
                        continue
                    if item is _Mark.END:
                        self.tail = Tail(_state_at_end(file.read(len(END)), last), str(path), whole)
                        return
                    self.position += file.tell() - whole
                    whole = file.tell()
                    if not isinstance(item, _Mark):
                        self.place = (number, whole)
                        yield item
                if file.tell() != end or (whole != end and not last):
                    self.tail = Tail("corrupt", str(path), whole)
                    return
                state = "open" if written else "complete" if whole == end else "torn"
                self.tail = Tail(state, str(path), whole)


def _read_definitions(file: BinaryIO, header: LogHeader, end: int) -> str:
    """Read schemas and channels, which carry no checksum; return how they are: `complete`, `torn` or `corrupt`."""
    length, sha256 = header.definitions
    told = file.read(min(length, max(0, end - file.tell())))
    if hashlib.sha256(told).hexdigest() == sha256:
        return "complete"
    # A loss of power leaves less of them, or zeros from somewhere on, and nothing behind.
    zeros = told.endswith(b"\0") and not file.read(end - file.tell()).strip(b"\0")
    return "torn" if len(told) < length or zeros else "corrupt"


def _state_at_end(rest: bytes, last: bool) -> str:
    """Say how a log ends that says that it has ended."""
    expected = END[mcap.HEAD.size + 4 :]
    if rest == expected and last:
        return "complete"
    return "torn" if expected.startswith(rest) and last else "corrupt"


def _decode(kind: int, content: bytes, defined: set[tuple[int, bytes]] | None) -> Entry | Gap | _Mark | None:
    """Decode a record; None when it is damaged, and where a schema or channel is defined again or (None) at all."""
    if kind == mcap.DATA_END and content == bytes(4):
        return _Mark.END
    if kind in (mcap.SCHEMA, mcap.CHANNEL) and defined is not None:
        known = len(defined)
        defined.add((kind, content[:2]))
        return _Mark.OTHER if len(defined) > known else None
    found = log_channels.read_message(content) if kind == mcap.MESSAGE else None
    if found is None:
        return None
    channel, payload = found
    if channel != log_channels.EVENTS:
        return _Mark.TOLD if channel in (log_channels.DECISIONS, log_channels.STATES) else None
    try:
        if payload[:1] == _ENTRY:
            return _entry_decoder.decode(payload)
        other = _other_decoder.decode(payload)
    except msgspec.MsgspecError:
        return None
    return other if isinstance(other, Gap) else None


def _resumes(path: Path, start: int, end: int) -> bool:
    """Return whether damage at `start`, in what the file held up to `end`, is damage in the middle and no torn tail.

    A record with a right CRC stands behind it, or the record is whole and wrong: a kill or a power loss leaves a
    record unfinished or zero-filled, and nothing behind it.
    """
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(end - start)
    if not data.strip(b"\x00"):
        return False
    if len(data) >= mcap.HEAD.size:
        _, length = mcap.HEAD.unpack_from(data)
        if 0 < length <= len(data) - mcap.HEAD.size and data[mcap.HEAD.size + length - 1 :].strip(b"\x00"):
            return True
    found = data.find(b"\xa4type", mcap.HEAD.size)
    while found != -1:
        for begin in (found - 2 - _AHEAD, found - 1 - _AHEAD):  # an entry's event, or a gap
            if begin > 0:
                kind, length = mcap.HEAD.unpack_from(data, begin)
                content = data[begin + mcap.HEAD.size : begin + mcap.HEAD.size + length]
                if kind == mcap.MESSAGE and len(content) == length and log_channels.read_message(content):
                    return True
        found = data.find(b"\xa4type", found + 1)
    return data.endswith(END)
