"""Format of the event log: what the recorder writes and replay reads. Pure functions over bytes and paths.

A *segment* file is `MAGIC`, then records: u32 length, u32 CRC-32 of the payload, payload (little endian). The first
payload is a `LogHeader`; every other one is an `Entry` (one handled event) or a `Gap`. A boot's log is its segments
0, 1, 2, ... and replay needs all of them from 0.

Its recorder holds a lock on the segment that it writes, so that a reader can tell a record that is not finished yet
from one that never will be.

Of the effects an entry keeps a digest of all and, in full, those that are no `Actuate` and no `DriveBase`: set-points
are 90 % of the bytes and replay computes them again.
"""

from __future__ import annotations

import fcntl
import hashlib
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from safety_supervisor.core.effects import Effect
from safety_supervisor.core.events import Event

MAGIC = b"SSEVENTS\x00\x00\x00\x01"
"""Name and version of the format."""
SUFFIX = ".events"
SCHEMA = 1
"""Version of events and effects as `core.events` and `core.effects` define them."""
RECORD = struct.Struct("<II")
LONGEST_RECORD = 64 * 1024 * 1024

_LOCK_TRIES = 10
_SET_POINTS = (b"\xa4type\xa7Actuate", b"\xa4type\xa9DriveBase")
_ENTRY = 0x93  # a MessagePack array of three: every other payload is a map


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


class LogError(Exception):
    """A file that is no event log, or a boot of which segments are missing."""


@dataclass(frozen=True)
class Tail:
    """How a log ends."""

    state: str
    """`complete`; `open`: its recorder still writes it; `torn`: the last record is unfinished, as after SIGKILL or
    power loss; `corrupt`."""
    path: str
    offset: int
    """First byte that does not count."""


_header_decoder = msgspec.msgpack.Decoder(LogHeader)
_other_decoder = msgspec.msgpack.Decoder(LogHeader | Gap)
_entry_decoder = msgspec.msgpack.Decoder(Entry)
_raw_list_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])
_encoder = msgspec.msgpack.Encoder()


def digest_bytes(effects: bytes | memoryview) -> bytes:
    """Hash encoded effects, 16 bytes."""
    return hashlib.blake2b(effects, digest_size=16).digest()


def digest_effects(effects: Sequence[Effect]) -> bytes:
    """Hash the canonical encoding of all effects of one event, 16 bytes. Requirement: SR-044."""
    return digest_bytes(_encoder.encode(tuple(effects)))


def encode_record(payload: bytes) -> bytes:
    """Frame a payload with its length and CRC."""
    return RECORD.pack(len(payload), zlib.crc32(payload)) + payload


def encode_header(header: LogHeader) -> bytes:
    """Encode what a segment begins with."""
    return MAGIC + encode_record(_encoder.encode(header))


def encode_gap(gap: Gap) -> bytes:
    """Encode the record of a gap."""
    return encode_record(_encoder.encode(gap))


def encode_entry(pair: bytes) -> bytes:
    """Encode the record of one handled event from the encoding of the pair of the event and its effects."""
    event, effects = _raw_list_decoder.decode(pair)
    kept = [
        raw for raw in _raw_list_decoder.decode(effects) if not bytes(memoryview(raw)[1:17]).startswith(_SET_POINTS)
    ]
    return encode_record(b"\x93" + bytes(event) + b"\xc4\x10" + digest_bytes(effects) + _encoder.encode(kept))


def segment_name(header: LogHeader) -> str:
    """Return the file name of a segment."""
    stamp = "".join(character for character in header.started_at[:19] if character.isalnum())
    boot = "".join(character for character in header.boot_id if character.isalnum() or character in "-_")
    number = f".{header.segment:04d}" if header.segment else ""
    return f"{stamp}Z-{boot}{number}{SUFFIX}"


def lock_segment(descriptor: int) -> None:
    """Show that a segment is being written, until the file is closed or its writer dies."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.001)  # a reader looks at it in this very moment
        except OSError:
            return  # a file system without locks: a log that grows is then taken for a torn one


def _is_written(file: BinaryIO) -> bool:
    """Whether a recorder writes a segment now."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _read_payload(file: BinaryIO) -> bytes | None:
    """Read one record; None when it is unfinished or its CRC is wrong."""
    head = file.read(RECORD.size)
    if len(head) < RECORD.size:
        return None
    length, crc = RECORD.unpack(head)
    if not 0 < length <= LONGEST_RECORD:
        return None
    payload = file.read(length)
    return payload if len(payload) == length and zlib.crc32(payload) == crc else None


def read_header(path: Path) -> LogHeader:
    """Read the header of a segment.

    Raises:
        LogError: when the file is no event log or its header is damaged.
        OSError: when it can not be read.
    """
    with path.open("rb") as file:
        written = _is_written(file)  # before the first byte is read: what is missing there may come
        magic = file.read(len(MAGIC))
        payload = _read_payload(file) if magic == MAGIC else None
    if payload is None and written:
        raise LogError(f"{path}: its recorder has just begun to write it: try again")
    if magic != MAGIC:
        raise LogError(f"{path}: no event log of this version")
    if payload is None:
        raise LogError(f"{path}: the header is damaged")
    try:
        return _header_decoder.decode(payload)
    except msgspec.MsgspecError as error:
        raise LogError(f"{path}: the header is damaged: {error}") from error


class EventLog:
    """All segments of one boot, in order.

    Raises:
        LogError: when the file is no event log, or a segment is missing.
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
        if missing:
            raise LogError(f"{path}: segments {missing} of boot {header.boot_id} are missing; replay needs all from 0")
        self.segments = [segments[number] for number in sorted(segments)]
        self.header = self.segments[0][1]
        self.size = sum(segment.stat().st_size for segment, _ in self.segments)
        self.position = 0
        """Bytes read so far, for a progress bar."""
        self.tail = Tail("complete", str(self.segments[-1][0]), self.size)

    def __iter__(self) -> Iterator[Entry | Gap]:
        """Yield entries and gaps; `tail` tells afterwards how the log ended.

        A log that is being written is read as far as it had come when this reached its last segment.
        """
        self.position = 0
        for number, (path, _) in enumerate(self.segments):
            last = number == len(self.segments) - 1
            with path.open("rb") as file:
                written = last and _is_written(file)  # before its end is looked up, which does not move any more if not
                end = path.stat().st_size if last else self.segments[number + 1][1].previous_bytes
                file.seek(len(MAGIC))
                file.seek(RECORD.unpack(file.read(RECORD.size))[0], 1)  # read_header has checked it
                while file.tell() < end:
                    start = file.tell()
                    item = _decode(_read_payload(file))
                    if item is None or file.tell() > end:
                        whole = last and not _resumes(path, start, end)
                        state = "corrupt" if not whole else "open" if written else "torn"
                        self.tail = Tail(state, str(path), start)
                        return
                    self.position += file.tell() - start
                    yield item
                if file.tell() != end:
                    self.tail = Tail("corrupt", str(path), file.tell())
                    return
                self.tail = Tail("open" if written else "complete", str(path), end)


def _decode(payload: bytes | None) -> Entry | Gap | None:
    """Decode a record; None when it is damaged."""
    if payload is None:
        return None
    try:
        if payload[0] == _ENTRY:
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
    if len(data) >= RECORD.size:
        length, _ = RECORD.unpack_from(data)
        if 0 < length <= len(data) - RECORD.size and data[RECORD.size + length - 1 :].strip(b"\x00"):
            return True
    found = data.find(b"\xa4type", RECORD.size)
    while found != -1:
        for begin in (found - 2 - RECORD.size, found - 1 - RECORD.size):  # an entry's event, or a gap
            if begin > 0:
                length, crc = RECORD.unpack_from(data, begin)
                payload = data[begin + RECORD.size : begin + RECORD.size + length]
                if 0 < length == len(payload) and zlib.crc32(payload) == crc:
                    return True
        found = data.find(b"\xa4type", found + 1)
    return False
