"""Random bytes never yield RUN, never raise, and fill no memory."""

from __future__ import annotations

import os
import random

import pytest
from fuzz_frames import SEEDS, both
from line_rig import DEVICE, HOST, MS, SEED, SETTINGS, START, frame

from safety_supervisor.estop.link import FrameV1

MEGABYTES = float(os.environ.get("ESTOP_NOISE_MB", "20"))
"""By hand once: ESTOP_NOISE_MB=100."""
PIECE = 2048


def uniform(dice: random.Random) -> bytes:
    return dice.randbytes(PIECE)


def headers(dice: random.Random) -> bytes:
    """Right sync, version, type, ids and a fresh echo, everything else by chance: the check sum alone is in the way."""
    good = frame(echo=SEED)[:8]
    return b"".join(good + dice.randbytes(16) for _ in range(PIECE // 24))


def nearly(dice: random.Random) -> bytes:
    """Good frames of the right device with 3 to 40 flipped bits."""
    parts = []
    for _ in range(PIECE // 24):
        number = int.from_bytes(GOOD, "big")
        for _ in range(dice.randint(3, 40)):
            number ^= 1 << dice.randrange(192)
        data = number.to_bytes(24, "big")
        parts.append(data if data != GOOD else bytes(24))
    return b"".join(parts)


def syncs(dice: random.Random) -> bytes:
    return bytes(dice.choice((0xA5, 0x5A, 0x01, 0x02, 0x3C, 0xC3)) for _ in range(PIECE))


GOOD = frame(1, 5, SEED)
SHARES = {uniform: 0.5, headers: 0.45, nearly: 0.025, syncs: 0.025}


@pytest.mark.requirement("SR-035")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", SHARES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("in_session", [False, True])
def test_noise_is_never_run(kind: object, in_session: bool) -> None:
    dice = random.Random(f"{kind} {in_session}")
    driver = FrameV1(SETTINGS)
    now = START
    driver.opened(now, SEED)
    driver.cycle(now, True, False, False)
    if in_session:
        driver.receive(GOOD + frame(2, 6, SEED), now)
        assert driver.sample(now).state == "run"
    pieces = int(MEGABYTES * 1e6 * SHARES[kind] / 2 / PIECE)  # type: ignore[index]
    assert pieces > 0
    most = 0
    for _ in range(pieces):
        now += 2 * MS
        driver.receive(kind(dice), now)  # type: ignore[operator]
        word = driver.sample(now)
        assert word.received_at == (START if in_session else 0)
        assert word.state != "run" or (in_session and now - START <= 100 * MS)
        driver.cycle(now, True, False, False)
        most = max(most, len(driver.notices()))
    assert most <= 4
    assert driver.statistics["frames"] == in_session


def test_the_noise_is_near_enough_to_frames() -> None:
    """The check of the check: with the right sum the same noise does yield RUN."""
    driver = FrameV1(SETTINGS)
    driver.opened(START, SEED)
    driver.cycle(START, True, False, False)
    dice = random.Random(1)
    noise = headers(dice)
    driver.receive(noise[:960] + GOOD + noise[:960] + frame(2, 6, SEED), START)
    assert driver.sample(START).received_at == START
    assert driver.statistics["sessions"] == 1
    assert (HOST, DEVICE) == (1, 2)


def test_the_fuzzers_corpus() -> None:
    for seed in SEEDS:
        both(bytes([24]) + seed)
        both(seed)
    begin = bytes((1, 5, 0, 0, 0, 0, 2, 5))
    both(begin + b"".join(bytes((2, 6 + number, 1, 0, 0, 0, 2, 5)) for number in range(30)))
    dice = random.Random(3)
    for _ in range(300):
        both(begin + dice.randbytes(400))
