"""Fuzz target of the e-stop line: any bytes at any times never raise and never say RUN.

Under coverage guidance, in an environment that has atheris (which is no dependency of the product):

    PYTHONPATH=.:test/estop python test/estop/fuzz_frames.py -max_total_time=600 CORPUS_FOLDER

Without it the same target runs over a corpus of seeds in `test_noise.py`.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from line_rig import MS, SEED, SETTINGS, SIGNATURE, frame

from safety_supervisor.estop.byte import Byte
from safety_supervisor.estop.driver import Driver
from safety_supervisor.estop.link import FrameV1
from safety_supervisor.estop.modem_lines import ModemLines
from safety_supervisor.estop.vsc import Vsc

SEEDS = [
    frame(kind, 5, SEED, channels, flags, inputs)
    for kind in (1, 2, 3, 4)
    for channels in ((0x3C, 0xC3), (0xC3, 0x3C), (0, 0))
    for flags, inputs in ((0, 2), (15, 15))
]


class Guarded(FrameV1):
    """The driver with another signature than the corpus was made with: nothing here can be a frame of its device."""


def target(data: bytes) -> None:
    """Play bytes to each driver: the first byte of each piece gives its length and the time to the next."""
    other = replace(SETTINGS, line=replace(SETTINGS.line, host=3))  # type: ignore[type-var]
    guarded = Guarded(other)
    drivers: list[Driver] = [kind(SETTINGS) for kind in (Vsc, Byte, ModemLines, FrameV1)]
    drivers.append(guarded)
    now = 10**12
    for driver in drivers:
        driver.opened(now, SEED)
    place = 0
    while place < len(data):
        length, now = data[place] & 31, now + (data[place] >> 5) * 7 * MS
        piece = data[place + 1 : place + 1 + length]
        place += 1 + length
        for driver in drivers:
            driver.receive(piece, now)
            word = driver.sample(now)
            driver.cycle(now, bool(length & 1), bool(length & 2), bool(length & 4))
            assert len(driver.notices()) <= 32
            if driver is guarded:
                assert word.state != "run"


def valid(data: bytes) -> None:
    """Interpret the fuzzer's bytes as frames with right check sums, so that what is behind the codec is reached."""
    driver = FrameV1(SETTINGS)
    now = 10**12
    driver.opened(now, SEED)
    driver.cycle(now, True, False, False)
    heard = False
    for place in range(0, len(data) - 7, 8):
        kind, sequence, echo, a, b, flags, inputs, time = data[place : place + 8]
        now += time * MS
        channels = ((0x3C, 0xC3, a)[a % 3], (0xC3, 0x3C, b)[b % 3])
        made = frame(kind % 6, sequence, SEED + echo % 24, channels, flags % 20, inputs % 18)
        heard = heard or kind % 6 == 1
        counted = driver.statistics["frames"]
        driver.receive(made, now)
        word = driver.sample(now)
        driver.cycle(now, bool(time & 1), bool(time & 2), bool(time & 4))
        if word.state == "run":
            assert heard
            assert now - word.received_at <= 100 * MS
            assert counted == driver.statistics["frames"] or not flags % 20 & 2


def both(data: bytes) -> None:
    """Play the bytes as they are, then as frames."""
    target(data)
    valid(data)


def main() -> None:
    """Run atheris, which instruments what is imported."""
    import atheris  # type: ignore[import-not-found]

    atheris.instrument_all()
    atheris.Setup(sys.argv, both)
    atheris.Fuzz()


if __name__ == "__main__":
    assert SIGNATURE
    main()
