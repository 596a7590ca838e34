"""The codec: known values, and that nothing but a whole, unchanged frame of the same configuration is ever one."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from line_rig import LINE, MS, SIGNATURE, crc, frame

from safety_supervisor.estop.frames import Frame, FrameReader, FrameType, Refusal, crc32_autosar, encode
from safety_supervisor.estop.signature import canonical, signature

GOOD = frame(sequence=0x12345678, echo=0x9ABCDEF0)
FIELDS = st.builds(
    Frame, st.sampled_from(FrameType), st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, 255), st.integers(0, 15), st.integers(0, 15),
)  # fmt: skip


def read(data: bytes, sign: int = SIGNATURE) -> list[Frame]:
    return [item for item in FrameReader(sign).feed(data) if isinstance(item, Frame)]


def test_the_check_sum_is_autosars() -> None:
    assert crc32_autosar(b"123456789") == crc(b"123456789") == 0x1697D06A


def test_the_layout_is_the_protocols() -> None:
    assert encode(Frame(FrameType.STATUS, 2, 1, 0x12345678, 0x9ABCDEF0, 0x3C, 0xC3, 0, 2), SIGNATURE) == GOOD
    assert GOOD[:20].hex() == "a55a01020200010078563412f0debc9a3cc30002"


def test_the_signature_covers_ids_times_and_effect() -> None:
    assert canonical(LINE).isascii()
    others = [
        replace(LINE, host=3), replace(LINE, device=3), replace(LINE, relay_delay=301 * MS),
        replace(LINE, relay_effect="damping"),
    ]  # fmt: skip
    assert len({signature(line) for line in [LINE, *others]}) == 5
    for line in others:
        assert read(frame(sequence=1, sign=signature(line))) == []
    assert signature(replace(LINE, port="/dev/other", baud=9600, self_test_every=60_000 * MS)) == SIGNATURE


@pytest.mark.requirement("SR-035")
def test_every_single_and_every_double_bit_flip_is_refused() -> None:
    """192 and 18,336: all there are."""
    as_number = int.from_bytes(GOOD, "big")
    tried = 0
    reader = FrameReader(SIGNATURE)
    for flips in [(bit,) for bit in range(192)] + list(combinations(range(192), 2)):
        data = (as_number ^ sum(1 << bit for bit in flips)).to_bytes(24, "big")
        reader.clear()
        assert not any(isinstance(item, Frame) for item in reader.feed(data)), flips
        tried += 1
    assert tried == 192 + 18_336


def test_every_truncation_is_no_frame_and_costs_none() -> None:
    for length in range(24):
        assert read(GOOD[:length]) == []
        assert len(read(GOOD[:length] + GOOD)) == 1
        assert len(read(GOOD[24 - length :] + GOOD)) == 1


def test_every_splice_of_two_frames_is_no_frame() -> None:
    other = frame(sequence=0x12345679, echo=0x9ABCDEF1, channels=(0xC3, 0x3C), inputs=6)
    for one, two in ((GOOD, other), (other, GOOD)):
        for cut in range(1, 24):
            spliced = one[:cut] + two[cut:]
            assert (read(spliced) == []) == (spliced not in (one, two)), cut
            for keep in range(24):
                assert len(read(one[:cut] + two[keep:] + GOOD)) in (1, 2)


@given(FIELDS, st.integers(0, 2**32 - 1))
def test_what_is_written_is_read(made: Frame, sign: int) -> None:
    assert read(encode(made, sign), sign) == [made]


@given(st.lists(st.one_of(st.just(GOOD), st.binary(max_size=40), st.just(b"\xa5"), st.just(b"\xa5\x5a"))), st.data())
def test_pieces_do_not_matter_and_no_valid_frame_is_lost(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    whole = list(FrameReader(SIGNATURE).feed(stream))
    reader, pieces, place = FrameReader(SIGNATURE), [], 0
    while place < len(stream):
        length = data.draw(st.integers(1, 30))
        pieces += list(reader.feed(stream[place : place + length]))
        assert len(reader._waiting) <= 23
        place += length
    assert pieces == whole
    assert sum(isinstance(item, Frame) for item in whole) >= parts.count(GOOD)


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"version": 2}, Refusal.VERSION), ({"version": 0}, Refusal.VERSION), ({"kind": 0}, Refusal.TYPE),
        ({"kind": 5}, Refusal.TYPE), ({"flags": 16}, Refusal.RESERVED), ({"inputs": 128}, Refusal.RESERVED),
        ({"sign": SIGNATURE ^ 1}, Refusal.CHECK_SUM),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(about: dict[str, int], why: Refusal) -> None:
    assert next(iter(FrameReader(SIGNATURE).feed(frame(**about)))) is why  # type: ignore[arg-type]
