"""The file format: what was written comes back, and damage is told from a torn tail."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from evidence_records import actuate, decision, effects, header, tick
from hypothesis import given
from hypothesis import strategies as st

from safety_supervisor.core.effects import DriveBase
from safety_supervisor.evidence import event_log, log_channels, segment_lock
from safety_supervisor.evidence.event_log import Entry, EventLog, Gap, LogError

encode = msgspec.msgpack.Encoder().encode


def records(count: int) -> list[bytes]:
    return [event_log.encode_entry(encode((tick(at), effects(at)))) for at in range(1, count + 1)]


def write(directory: Path, parts: list[bytes], name: str = "a.events.mcap") -> Path:
    path = directory / name
    path.write_bytes(event_log.encode_header(header()) + b"".join(parts))
    return path


def read(path: Path) -> tuple[list[Entry | Gap], str]:
    log = EventLog(path)
    items = list(log)
    return items, log.tail.state


@pytest.mark.requirement("SR-044")
def test_entries_come_back_with_the_digest_of_all_effects_and_all_effects_but_actuate(tmp_path: Path) -> None:
    items, state = read(write(tmp_path, records(4)))
    assert state == "complete"
    assert [item.event for item in items if isinstance(item, Entry)] == [tick(at) for at in (1, 2, 3, 4)]
    third = items[2]
    assert isinstance(third, Entry)
    assert third.effects == [decision(3)]
    assert third.digest == event_log.digest_effects((actuate(3), decision(3)))


@pytest.mark.requirement("SR-044")
def test_what_the_base_is_sent_is_in_the_digest_and_not_in_the_file(tmp_path: Path) -> None:
    driven = DriveBase(1, 0.1, 0.0, 0.2, True)
    every = (actuate(1), driven, decision(1))
    (item,), _ = read(write(tmp_path, [event_log.encode_entry(encode((tick(1), every)))]))
    assert isinstance(item, Entry)
    assert item.effects == [decision(1)]
    assert item.digest == event_log.digest_effects(every)
    assert item.digest != event_log.digest_effects((actuate(1), msgspec.structs.replace(driven, x=0.2), decision(1)))


def test_the_digest_depends_on_every_effect_and_their_order() -> None:
    one, two = actuate(1), decision(1)
    sets = [(), (one,), (two,), (one, two), (two, one), (msgspec.structs.replace(one, moving=False), two)]
    digests = {event_log.digest_effects(of) for of in sets}
    assert len(digests) == len(sets)
    assert {len(digest) for digest in digests} == {16}
    # A last bit of one joint is a difference.
    nudged = msgspec.structs.replace(one, positions=(0.1 + 2**-56, *one.positions[1:]))
    assert event_log.digest_effects((nudged,)) != event_log.digest_effects((one,))


@pytest.mark.requirement("SR-043")
def test_a_file_cut_anywhere_gives_the_whole_records_before_the_cut(tmp_path: Path) -> None:
    parts = records(5)
    head = len(event_log.encode_header(header()))
    whole = write(tmp_path, parts).read_bytes()
    ends = [head + sum(map(len, parts[:count])) for count in range(6)]
    for cut in range(head, len(whole)):
        path = tmp_path / "a.events.mcap"
        path.write_bytes(whole[:cut])
        items, state = read(path)
        assert len(items) == sum(end <= cut for end in ends) - 1
        assert state == ("complete" if cut in ends else "torn")


@pytest.mark.redteam(38)
def test_every_flipped_bit_of_a_record_in_the_middle_is_corruption(tmp_path: Path) -> None:
    parts = records(4)
    head = len(event_log.encode_header(header()))
    whole = write(tmp_path, parts).read_bytes()
    start = head + len(parts[0])
    path = tmp_path / "a.events.mcap"
    for bit in range(8 * len(parts[1])):
        damaged = bytearray(whole)
        damaged[start + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        items, state = read(path)
        assert (len(items), state) == (1, "corrupt"), bit


@contextlib.contextmanager
def being_written(path: Path) -> Iterator[None]:
    """Hold the file as its recorder does."""
    with path.open("ab") as file:
        segment_lock.lock_segment(file.fileno())
        yield


def test_what_a_recorder_still_writes_is_open_wherever_it_has_come_to(tmp_path: Path) -> None:
    parts = records(2)
    whole = write(tmp_path, parts).read_bytes()
    path = tmp_path / "a.events.mcap"
    for cut in range(len(whole) - len(parts[1]), len(whole) + 1):
        path.write_bytes(whole[:cut])
        with being_written(path):
            items, state = read(path)
        assert (len(items), state) == (2 if cut == len(whole) else 1, "open"), cut
    path.write_bytes(whole[:-1])
    assert read(path)[1] == "torn", "nobody writes it any more"


def test_a_log_that_grows_while_it_is_read_is_not_corrupt(tmp_path: Path) -> None:
    parts = records(4)
    path = write(tmp_path, [parts[0], parts[1], parts[2][:40]])
    with being_written(path):
        log = EventLog(path)
        reading = iter(log)
        items = [next(reading)]
        with path.open("ab") as file:
            file.write(parts[2][40:] + parts[3])
        items += reading
    assert [item.event.at for item in items if isinstance(item, Entry)] == [1, 2]
    assert log.tail.state == "open"
    assert read(path)[1] == "complete"


@pytest.mark.redteam(38)
def test_damage_in_the_middle_of_a_log_that_is_being_written_is_corruption(tmp_path: Path) -> None:
    parts = records(4)
    damaged = bytearray(parts[1])
    damaged[60] ^= 1
    path = write(tmp_path, [parts[0], bytes(damaged), parts[2], parts[3][:30]])
    with being_written(path):
        items, state = read(path)
    assert (len(items), state) == (1, "corrupt")


def test_a_header_that_is_being_written_is_not_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.events.mcap"
    whole = event_log.encode_header(header())
    for length in (0, 5, 14, 30, len(whole) - len(log_channels.definitions()) - 1):
        path.write_bytes(whole[:length])
        with being_written(path), pytest.raises(LogError, match="try again"):
            EventLog(path)


def test_a_zero_filled_tail_is_torn(tmp_path: Path) -> None:
    # What a power loss leaves when the size was written and the data was not.
    items, state = read(write(tmp_path, [*records(2), bytes(700)]))
    assert (len(items), state) == (2, "torn")


@pytest.mark.parametrize("at", [0, 5, 14, 30])
def test_a_damaged_header_is_no_log(tmp_path: Path, at: int) -> None:
    path = write(tmp_path, records(1))
    damaged = bytearray(path.read_bytes())
    damaged[at] ^= 0x10
    path.write_bytes(damaged)
    with pytest.raises(LogError):
        EventLog(path)


@given(st.binary(max_size=300))
def test_any_bytes_behind_the_header_are_read_without_an_exception(tmp_path_factory: object, junk: bytes) -> None:
    directory = tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    items, _ = read(write(directory, [*records(1), junk], "junk.events.mcap"))
    assert items[0] == read(write(directory, records(1), "junk.events.mcap"))[0][0]


def test_segments_are_read_in_order_and_up_to_where_the_next_one_begins(tmp_path: Path) -> None:
    parts = records(6)
    first = event_log.encode_header(header()) + parts[0] + parts[1]
    # What stands behind the durable end was written again in the next segment.
    (tmp_path / "b.events.mcap").write_bytes(first + parts[2][:50])
    for number, content in ((1, parts[2:4]), (2, parts[4:6])):
        previous = len(first) if number == 1 else (tmp_path / "a1.events.mcap").stat().st_size
        segment = msgspec.structs.replace(header(), segment=number, previous_bytes=previous)
        (tmp_path / f"a{number}.events.mcap").write_bytes(event_log.encode_header(segment) + b"".join(content))
    (tmp_path / "other.events.mcap").write_bytes(event_log.encode_header(header("boot2")) + parts[5])
    for any_of_them in ("b", "a1", "a2"):
        items, state = read(tmp_path / f"{any_of_them}.events.mcap")
        assert [item.event.at for item in items if isinstance(item, Entry)] == [1, 2, 3, 4, 5, 6]
        assert state == "complete"
    # Without the second one the first one is still read, and that more was there is said.
    (tmp_path / "a1.events.mcap").unlink()
    items, state = read(tmp_path / "a2.events.mcap")
    assert [item.event.at for item in items if isinstance(item, Entry)] == [1, 2]
    assert state == "incomplete"
    assert EventLog(tmp_path / "b.events.mcap").missing == (1,)
    (tmp_path / "b.events.mcap").unlink()
    with pytest.raises(LogError, match=r"segments \[0, 1\]"):
        EventLog(tmp_path / "a2.events.mcap")
