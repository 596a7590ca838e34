"""Segments are MCAP files: the reader of the MCAP project reads them, whole, torn and while they are written."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import jsonschema
import msgspec
import pytest
from evidence_records import decision, effects, header, status, tick, wait_for
from mcap.exceptions import EndOfFile
from mcap.reader import NonSeekingReader
from mcap.records import Attachment, Channel, Message, Schema
from mcap.stream_reader import StreamReader
from typer.testing import CliRunner

from safety_supervisor.evidence import event_log, log_channels, mcap, segment_lock
from safety_supervisor.evidence.cli import app
from safety_supervisor.evidence.event_log import Entry, EventLog, Gap, LogError, LogHeader
from safety_supervisor.evidence.feed import EventFeed

pytestmark = [pytest.mark.requirement("SR-042")]
encode = msgspec.msgpack.Encoder().encode
Read = tuple[Schema | None, Channel, Message]


def judged(path: Path) -> tuple[list[Read], bool]:
    """All messages that the other reader finds, and whether it came to the end of the file."""
    found: list[Read] = []
    with path.open("rb") as file:
        try:
            found += ((s, c, m) for s, c, m in NonSeekingReader(file, validate_crcs=True).iter_messages())
        except EndOfFile:
            return _until_the_tear(path), False
    return found, True


def _until_the_tear(path: Path) -> list[Read]:
    """Read message by message: the reader above sorts all of them by time first."""
    found: list[Read] = []
    with path.open("rb") as file:
        schemas: dict[int, Schema] = {}
        channels: dict[int, Channel] = {}
        try:
            for record in StreamReader(file).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    channels[record.id] = record
                elif isinstance(record, Message):
                    channel = channels[record.channel_id]
                    found.append((schemas.get(channel.schema_id), channel, record))
        except EndOfFile:
            return found
    raise AssertionError("it ended well")


def of(topic: str, read: list[Read]) -> list[Message]:
    return [message for _, channel, message in read if channel.topic == topic]


def test_a_log_is_a_whole_mcap_file_with_decisions_that_people_can_see(start: Callable[..., EventFeed]) -> None:
    feed = start()
    for at in range(1, 31):
        told = (status(at, "LOCKED", "E_LOG"), *effects(at)) if at % 10 == 0 else effects(at)
        feed.record(tick(at), told)
        feed.flush()
    assert feed.close(30.0)
    (path,) = (Path(feed._store.directory)).glob("*.events.mcap")
    read, whole = judged(path)
    assert whole
    log = EventLog(path)
    items = list(log)
    assert log.tail.state == "complete"
    entries = [msgspec.msgpack.decode(message.data, type=Entry) for message in of("/events", read)]
    assert entries == items
    assert len(entries) == 30
    assert [message.log_time for message in of("/events", read)] == list(range(1, 31))
    # What is told as JSON is what the entries hold, and fits its schema.
    told = [json.loads(message.data) for message in of("/decisions", read)]
    assert [(one["at"], one["code"]) for one in told] == [(at, "E_NOT_FINITE") for at in range(3, 31, 3)]
    assert [json.loads(message.data)["state"] for message in of("/status", read)] == ["LOCKED"] * 3
    for schema, channel, message in read:
        if channel.message_encoding == "json":
            assert schema is not None
            jsonschema.validate(json.loads(message.data), json.loads(schema.data))
    with path.open("rb") as file:
        attached = [record for record in StreamReader(file).records if isinstance(record, Attachment)]
    heads = [msgspec.msgpack.decode(one.data, type=LogHeader) for one in attached]
    (head,) = heads
    assert (attached[0].name, msgspec.structs.replace(head, definitions=(0, ""))) == ("header", header())


@pytest.mark.redteam(41)
def test_a_killed_recorder_leaves_a_file_that_is_read_up_to_the_tear(start: Callable[..., EventFeed]) -> None:
    feed = start()
    for at in range(1, 200):
        feed.record(tick(at), effects(at))
        feed.flush()
        if at == 150:
            assert wait_for(lambda: (bool(feed.healthy(0)) and feed.pending == 0) or feed.flush() is not None)
    os.kill(feed.process_id, signal.SIGKILL)
    (path,) = Path(feed._store.directory).glob("*.events.mcap")
    assert wait_for(lambda: not written(path))
    # As a loss of power may leave it, too: in the middle of a record.
    path.write_bytes(path.read_bytes()[:-3])
    read, whole = judged(path)
    assert not whole
    log = EventLog(path)
    entries = [msgspec.msgpack.decode(message.data, type=Entry) for message in of("/events", read)]
    assert entries == list(log)
    assert len(entries) >= 149
    assert log.tail.state == "torn"


def written(path: Path) -> bool:
    with path.open("rb") as file:
        return segment_lock.is_written(file)


def test_each_segment_is_a_file_of_its_own_with_its_end(start: Callable[..., EventFeed]) -> None:
    feed = start(segment_bytes=20_000)
    for at in range(1, 400):
        feed.record(tick(at), effects(at))
        feed.flush()
        if at % 20 == 0:
            assert wait_for(lambda: bool(feed.healthy(0)) and feed.pending == 0)
    assert feed.close(30.0)
    one = next(Path(feed._store.directory).glob("*.events.mcap"))
    paths = [path for path, _ in EventLog(one).segments]
    assert len(paths) > 3
    found: list[Message] = []
    for path in paths:
        read, whole = judged(path)
        assert whole, path
        found += of("/events", read)
    assert [message.log_time for message in found] == list(range(1, 400))
    assert len(list(EventLog(paths[2]))) == 399


def whole_file(path: Path, count: int = 3) -> bytes:
    parts = [event_log.encode_entry(encode((tick(at), (decision(at),)))) for at in range(1, count + 1)]
    data = event_log.encode_header(header()) + b"".join(parts) + event_log.END
    path.write_bytes(data)
    return data


@pytest.mark.redteam(38)
def test_an_end_that_is_torn_or_damaged_or_not_the_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.events.mcap"
    data = whole_file(path)
    states: Counter[str] = Counter()
    for cut in range(len(data) - len(event_log.END) + 1, len(data)):
        path.write_bytes(data[:cut])
        log = EventLog(path)
        assert len(list(log)) == 3
        states[log.tail.state] += 1
    assert set(states) == {"torn"}
    for bit in range(8 * len(event_log.END)):
        damaged = bytearray(data)
        damaged[len(data) - len(event_log.END) + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        log = EventLog(path)
        assert (len(list(log)), log.tail.state in ("corrupt", "torn")) == (3, True), bit
    path.write_bytes(data + event_log.encode_gap(Gap(1, 1)))
    log = EventLog(path)
    assert (len(list(log)), log.tail.state) == (3, "corrupt")


@pytest.mark.redteam(38)
def test_what_is_told_without_its_event_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "a.events.mcap"
    data = whole_file(path)
    body = data[: -len(event_log.END)]
    last = len(event_log.encode_entry(encode((tick(3), (decision(3),)))))
    start = len(body) - last
    states = set()
    for cut in range(start + 1, len(body)):
        path.write_bytes(body[:cut])
        log = EventLog(path)
        assert len(list(log)) == 2
        assert log.tail.offset == start
        states.add(log.tail.state)
    assert states == {"torn"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"SSEVENTS\x00\x00\x00\x01" + bytes(40), "earlier version"),
        (b"\x89MCAP0\r\n" + bytes(60), "though an MCAP file"),
        (b"robot: panda", "no event log of this version"),
        (event_log.encode_header(header())[:200], "the header is damaged"),
    ],
)
def test_files_of_others_are_named(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "a.events.mcap"
    path.write_bytes(data)
    with pytest.raises(LogError, match=said):
        EventLog(path)
    for command in ("show", "replay"):
        done = CliRunner().invoke(app, [command, str(path)])
        assert (done.exit_code, said in done.output.replace("\n", "")) == (2, True), done.output


def test_an_attachment_with_any_flipped_bit_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.events.mcap"
    data = whole_file(path)
    begin = len(event_log.MAGIC)
    end = len(event_log.encode_header(header())) - len(log_channels.definitions())
    for at in range(begin, end, 7):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        with pytest.raises(LogError):
            EventLog(path)


@pytest.mark.redteam(38)
def test_schemas_and_channels_have_no_checksum_of_their_own_and_every_changed_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.events.mcap"
    data = whole_file(path)
    end = len(event_log.encode_header(header()))
    begin = end - len(log_channels.definitions())
    assert end - begin > 1000
    for at in range(begin, end):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        log = EventLog(path)
        assert (list(log), log.tail.state, log.tail.offset) == ([], "corrupt", begin), at
    # And what is defined once more, in the middle.
    entry = event_log.encode_entry(encode((tick(1), (decision(1),))))
    path.write_bytes(data[: end + len(entry)] + log_channels.definitions() + data[end + len(entry) :])
    log = EventLog(path)
    assert (len(list(log)), log.tail.state) == (1, "corrupt")


@pytest.mark.redteam(41)
def test_definitions_that_a_loss_of_power_left_unfinished_are_torn(tmp_path: Path) -> None:
    path = tmp_path / "a.events.mcap"
    whole_file(path)
    data = event_log.encode_header(header())
    begin = len(data) - len(log_channels.definitions())
    for cut in range(begin, len(data)):
        for left in (data[:cut], data[:cut] + bytes(len(data) - cut), data[:cut] + bytes(4096)):
            path.write_bytes(left)
            log = EventLog(path)
            assert (list(log), log.tail.state, log.tail.offset) == ([], "torn", begin), cut


def test_a_log_without_a_hash_of_its_definitions_is_read(tmp_path: Path) -> None:
    """As versions before wrote it."""
    path = tmp_path / "a.events.mcap"
    older = msgspec.msgpack.decode(encode(header()))
    del older["definitions"]
    attached = mcap.attachment("header", "application/msgpack", encode(older))
    entry = event_log.encode_entry(encode((tick(1), (decision(1),))))
    path.write_bytes(event_log.MAGIC + attached + log_channels.definitions() + entry + event_log.END)
    log = EventLog(path)
    assert (len(list(log)), log.tail.state) == (1, "complete")
