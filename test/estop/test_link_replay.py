"""A recorded session, played back at any offset and pace, never feeds the watchdog."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from line_rig import MS, SEED, SETTINGS, Rig, running

from safety_supervisor.estop.link import FrameV1


def recorded(milliseconds: int = 1500) -> bytes:
    """What the device sent in a whole session, HELLO included."""
    rig = Rig().open()
    rig.step(milliseconds)
    assert rig.driver.statistics["sessions"] == 1
    return rig.record


RECORD = recorded()


def replay(driver: FrameV1, now: int, data: bytes, piece: int) -> None:
    """Play it back; nothing of it may count."""
    before, at = driver.statistics["frames"], driver.sample(now).received_at
    for place in range(0, len(data), piece):
        now += 2 * MS
        driver.receive(data[place : place + piece], now)
        word = driver.sample(now)
        assert word.received_at == at
        assert word.state != "run" or now - at <= 100 * MS
        driver.cycle(now, True, False, False)
        driver.notices()
    assert driver.statistics["frames"] == before


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("seed", [0, 5, SEED + 1000, 2**31, SEED - 200, SEED ^ 2**31])
def test_to_a_host_that_calls(seed: int) -> None:
    """Another seed than the recorded session's, as 32 bits of chance give it."""
    driver = FrameV1(SETTINGS)
    driver.opened(10**12, seed)
    replay(driver, 10**12, RECORD, 24)
    assert driver.statistics["sessions"] == 0


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("gap", [0, 20, 90, 150, 5000])
def test_to_the_host_itself_in_its_session_and_after_it(gap: int) -> None:
    rig = running()
    rig.sends = rig.answers = False
    rig.step(gap + 10)
    assert isinstance(rig.driver, FrameV1)
    replay(rig.driver, rig.now, rig.record, 24)


@pytest.mark.requirement("SR-035")
def test_after_the_port_was_opened_again_with_the_same_seed() -> None:
    rig = running()
    assert isinstance(rig.driver, FrameV1)
    rig.driver.closed(rig.now, "unplugged")
    rig.driver.opened(rig.now, SEED)
    replay(rig.driver, rig.now, rig.record, 24)


@settings(max_examples=150)
@given(st.integers(0, len(RECORD)), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_from_any_byte_in_any_pieces(place: int, piece: int, seed: int) -> None:
    # The seed of the record and its numbers would make it fresh: 2^-32 a number for 32 bits of chance.
    if (seed - SEED + 500) % 2**32 < 1000:
        return
    driver = FrameV1(SETTINGS)
    driver.opened(10**12, seed)
    replay(driver, 10**12, RECORD[place:], piece)


def test_the_check_can_fail() -> None:
    """With the seed of the record, which chance gives once in 2^32 times, the same bytes do count."""
    driver = FrameV1(SETTINGS)
    driver.opened(10**12, SEED)
    with pytest.raises(AssertionError):
        replay(driver, 10**12, RECORD, 24)
