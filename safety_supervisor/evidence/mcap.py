"""Records of MCAP files (https://mcap.dev/spec), as many of them as are written here: no chunks, no index.

A file is `MAGIC`, records and, where its writer came to an end, `END`. A record is its kind, one byte; its length, u64;
its content. All numbers are little endian. Without chunks each message is on the disk when it was written, and a file
that ends in the middle of a record, as after a kill, is read up to there.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Final

MAGIC: Final = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, ATTACHMENT, METADATA, DATA_END = (
    0x01,
    0x02,
    0x03,
    0x04,
    0x05,
    0x09,
    0x0C,
    0x0F,
)
HEAD: Final = struct.Struct("<BQ")
"""Kind and length of a record."""
MESSAGE_HEAD: Final = struct.Struct("<HIQQ")
"""Channel, sequence, log time and publish time, [ns], before a message's data."""
_WHOLE_HEAD: Final = struct.Struct("<BQHIQQ")
_U16, _U32, _U64 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")


def record(kind: int, content: bytes) -> bytes:
    """Frame a record."""
    return HEAD.pack(kind, len(content)) + content


END: Final = record(DATA_END, _U32.pack(0)) + record(FOOTER, _U64.pack(0) * 2 + _U32.pack(0)) + MAGIC
"""What a file ends with: no checksum of the whole, no summary."""


def text(value: str) -> bytes:
    """Encode a string: its length, UTF-8."""
    data = value.encode()
    return _U32.pack(len(data)) + data


def mapping(values: Mapping[str, str]) -> bytes:
    """Encode a map of strings, sorted."""
    data = b"".join(text(key) + text(value) for key, value in sorted(values.items()))
    return _U32.pack(len(data)) + data


def header(profile: str, library: str) -> bytes:
    """Return the record that a file begins with."""
    return record(HEADER, text(profile) + text(library))


def schema(number: int, name: str, encoding: str, data: bytes) -> bytes:
    """Return a schema, numbered from 1 on."""
    return record(SCHEMA, _U16.pack(number) + text(name) + text(encoding) + _U32.pack(len(data)) + data)


def channel(
    number: int, schema_number: int, topic: str, encoding: str, metadata: Mapping[str, str] | None = None
) -> bytes:
    """Return a channel; schema 0 is none."""
    content = _U16.pack(number) + _U16.pack(schema_number) + text(topic) + text(encoding) + mapping(metadata or {})
    return record(CHANNEL, content)


def message(number: int, at: int, data: bytes, sequence: int = 0) -> bytes:
    """Return a message of a channel; `at` is its log time, [ns]."""
    return _WHOLE_HEAD.pack(MESSAGE, MESSAGE_HEAD.size + len(data), number, sequence, at, at) + data


def attachment(name: str, media_type: str, data: bytes) -> bytes:
    """Return a file inside the file, without a time. It carries a checksum of its own."""
    content = _U64.pack(0) * 2 + text(name) + text(media_type) + _U64.pack(len(data)) + data
    return record(ATTACHMENT, content + _U32.pack(zlib.crc32(content)))


def read_attachment(content: bytes, name: str) -> bytes | None:
    """Return the data of an attachment of that name; None when it is another one, or damaged."""
    prefix = _U64.pack(0) * 2 + text(name)
    if len(content) < len(prefix) + 16 or zlib.crc32(content[:-4]) != _U32.unpack(content[-4:])[0]:
        return None
    if not content.startswith(prefix):
        return None
    at = len(prefix)
    at += 4 + _U32.unpack_from(content, at)[0]
    length = _U64.unpack_from(content, at)[0] if at + 8 <= len(content) else -1
    return content[at + 8 : -4] if length == len(content) - at - 12 else None


def metadata(name: str, values: Mapping[str, str]) -> bytes:
    """Return named facts."""
    return record(METADATA, text(name) + mapping(values))
