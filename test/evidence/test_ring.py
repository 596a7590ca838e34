"""The memory that control process and recorder share, against a queue of bytes."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator

import pytest

from safety_supervisor.evidence.ring import FRAME, RingReader, RingWriter

pytestmark = pytest.mark.requirement("SR-043")
SIZE = 8192


@pytest.fixture
def ring() -> Iterator[tuple[RingWriter, RingReader]]:
    writer = RingWriter(SIZE)
    reader = RingReader(os.dup(writer.descriptor))
    yield writer, reader
    os.close(writer.descriptor)
    writer.close()


def frames(stream: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(stream):
        kind, length = FRAME.unpack_from(stream, at)
        at += FRAME.size + length
        found.append((kind, stream[at - length : at]))
    assert at == len(stream)
    return found


def test_what_was_put_comes_out_in_order_however_it_lies_in_the_ring(ring: tuple[RingWriter, RingReader]) -> None:
    writer, reader = ring
    chance = random.Random(3)
    put: list[tuple[int, bytes]] = []
    got = bytearray()
    refused = 0
    for _ in range(20_000):
        kind, block = chance.randrange(256), chance.randbytes(chance.choice((0, 1, 100, 2000, 5000)))
        fits = writer.written - len(got) + FRAME.size + len(block) <= SIZE
        assert writer.put(kind, block) is fits
        put += [(kind, block)] if fits else []
        refused += not fits
        if chance.random() < 0.3:
            reader.read(got, chance.choice((7, 4000, 1 << 20)))
    while reader.read(got, 1 << 20):
        pass
    assert frames(bytes(got)) == put
    assert writer.written == len(got) > 100 * SIZE
    assert refused > 1000


def test_a_block_counts_when_its_counter_was_moved(ring: tuple[RingWriter, RingReader]) -> None:
    writer, reader = ring
    writer.put(1, b"whole")
    writer._store(FRAME.pack(1, 4) + b"half")  # as far as a killed writer came
    got = bytearray()
    reader.read(got, SIZE)
    assert frames(bytes(got)) == [(1, b"whole")]


def test_a_long_block_goes_through_in_parts(ring: tuple[RingWriter, RingReader]) -> None:
    writer, reader = ring
    sent = random.Random(4).randbytes(3 * SIZE + 5)
    rest, got = memoryview(sent), bytearray()
    while rest:
        rest = rest[writer.put_part(rest) :]
        assert writer.room() == 0 or not rest
        reader.read(got, 3000)
    while reader.read(got, 3000):
        pass
    assert got == sent


def test_the_reader_may_neither_write_nor_shrink_the_stream(ring: tuple[RingWriter, RingReader]) -> None:
    writer, reader = ring
    with pytest.raises(TypeError, match="readonly"):
        reader._stream[0:1] = b"x"
    for size in (0, 1 << 20):
        with pytest.raises(OSError, match="not permitted") as raised:
            os.ftruncate(writer.descriptor, size)
        assert raised.value.errno == errno.EPERM


def test_numbers_that_can_not_be_right_are_no_room_and_no_stream(ring: tuple[RingWriter, RingReader]) -> None:
    writer, reader = ring
    for wrong in (SIZE + 1, 1 << 63, -1):
        writer._words[0] = wrong & (1 << 64) - 1
        with pytest.raises(ValueError, match="bytes in a ring"):
            reader.read(bytearray(), SIZE)
    writer._words[0] = 0
    assert writer.put(1, bytes(SIZE - FRAME.size))
    for wrong in (SIZE + 1, 1 << 63):
        writer._words[1] = wrong
        assert not writer.put(1, b"")
        assert writer.room() == 0


def test_acknowledgements_come_back_whole(ring: tuple[RingWriter, RingReader]) -> None:
    writer, reader = ring
    assert writer.acknowledged() == (0, 0, 0, 0)
    for index, value in enumerate((1 << 40, 7, errno.EIO, -1)):
        reader.acknowledge(index, value)
    assert writer.acknowledged() == (1 << 40, 7, errno.EIO, -1)
    assert writer.put(1, b"x")
    assert writer.acknowledged() == (1 << 40, 7, errno.EIO, -1)
