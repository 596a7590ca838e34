"""The channels of an event log's files, as MCAP readers see them.

`events` is what replay reads, in MessagePack. Beside it, before its event, each decision, status and gap stands once
more as JSON with a schema, so that Foxglove shows something. Every message's `sequence` is the CRC-32 of channel,
times and data.
"""

from __future__ import annotations

import json
import zlib
from typing import Any, Final, get_origin, get_type_hints

import msgspec

from safety_supervisor.core.effects import Decision, Status
from safety_supervisor.evidence import mcap

EVENTS, DECISIONS, STATES = 1, 2, 3
"""Numbers of the channels; a schema has its channel's."""
_KINDS: Final = {int: "number", float: "number", bool: "boolean"}
"""Of JSON; tuples are arrays, all else is text."""
_FACTS: Final = {"clock": "steady, ns", "sequence": "CRC-32 of channel, both times and data"}


def json_schema(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return a JSON schema of decisions or states."""
    properties: dict[str, Any] = {}
    for name, hint in get_type_hints(struct).items():
        if name in struct.__struct_fields__:
            is_list = get_origin(hint) is tuple
            properties[name] = {"type": "array", "items": {}} if is_list else {"type": _KINDS.get(hint, "string")}
    return {"type": "object", "properties": properties}


def definitions() -> bytes:
    """Return the records of schemas and channels."""
    parts = [mcap.channel(EVENTS, 0, "/events", "msgpack", _FACTS)]
    for number, topic, struct in ((DECISIONS, "/decisions", Decision), (STATES, "/status", Status)):
        definition = json.dumps(json_schema(struct), sort_keys=True).encode()
        parts.append(mcap.schema(number, f"safety_supervisor.{struct.__name__}", "jsonschema", definition))
        parts.append(mcap.channel(number, number, topic, "json", _FACTS))
    return b"".join(parts)


def message(channel: int, at: int, data: bytes) -> bytes:
    """Return a message with its checksum.

    Args:
        channel: number.
        at: steady clock, [ns].
        data: its content.
    """
    return mcap.message(channel, at, data, zlib.crc32(data, zlib.crc32(mcap.MESSAGE_HEAD.pack(channel, 0, at, at))))


def read_message(content: bytes) -> tuple[int, bytes] | None:
    """Return channel and data of a message's content; None when its checksum is wrong."""
    if len(content) < mcap.MESSAGE_HEAD.size:
        return None
    channel, checksum, at, published = mcap.MESSAGE_HEAD.unpack_from(content)
    data = content[mcap.MESSAGE_HEAD.size :]
    head = mcap.MESSAGE_HEAD.pack(channel, 0, at, published)
    return (channel, data) if zlib.crc32(data, zlib.crc32(head)) == checksum else None
