"""Random people and hosts against the logic: it opens in time, and closes only after a reset in order."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from benches import LibraryBench
from host import Host
from wire import RUN, STOP

MS = 1000
OPEN_US = 300 * MS + 4 * MS
"""The delay, and a frame on the line with the tick that reads it."""


class Watched(LibraryBench):
    """Judges every millisecond by what was done to the board and to the line, not by what the logic says of itself."""

    def __init__(self, library: Path, seed: int) -> None:
        super().__init__(library, first_number=seed * 0x01234567)
        self.host = Host(self, sequence=seed * 0x07654321)
        self.bad_button = 0
        self.bad_host = 0
        self.must_open: int | None = None
        self.down_at: int | None = None
        self.push = (0, 0)
        """When the last push of the reset button ended, and how long it was."""
        self.stop_sent = False
        self.last_run_sent = 0
        self.closings = 0
        self.openings = 0

    def send(self, data: bytes) -> None:
        super().send(data)
        if data[3] == 3 and data[16:18] == bytes(RUN):
            self.last_run_sent = self.us
        else:  # another demand, or a new session
            self.stop_sent = data[3] != 4

    def _tick(self) -> None:
        super()._tick()
        button = self.board.channel_a != 1 or self.board.channel_b != 1
        host = self.stop_sent or self.us - self.last_run_sent > 103 * MS
        self.stop_sent = False
        if button:
            self.bad_button = self.us
        if host:
            self.bad_host = self.us
        if self.board.reset and self.down_at is None:
            self.down_at = self.us
        elif not self.board.reset and self.down_at is not None:
            self.push = (self.us, self.us - self.down_at)
            self.down_at = None
        energised = self.last("coils") == 3
        if energised and (button or host) and self.must_open is None:
            self.must_open = self.us + OPEN_US
        if not energised and self.must_open is not None:
            self.openings += 1
            self.must_open = None
        assert self.must_open is None or self.us <= self.must_open, "a cause to open was not followed"
        if self.values("coils") and self.moments[-1].us == self.us and energised and self._closed_now():
            self.closings += 1
            assert self.us - self.bad_button >= 150 * MS
            assert self.us - self.bad_host >= 1100 * MS - 4 * MS
            ended, width = self.push
            assert 100 * MS <= width <= 3000 * MS
            assert 19 * MS <= self.us - ended <= 22 * MS

    def _closed_now(self) -> bool:
        states = self.values("state")
        return bool(states) and states[-1].us == self.us and states[-1].value == 0x5A


@pytest.mark.sampled(3)
@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-004")
@pytest.mark.requirement("SR-039")
@pytest.mark.parametrize("seed", range(1, 11))
def test_a_random_walk_never_closes_without_a_reset_nor_misses_a_cause_to_open(library: Path, seed: int) -> None:
    dice = random.Random(seed)
    bench = Watched(library, seed)
    host = bench.host
    host.connect()
    while bench.us < 20_000 * MS:
        act = dice.randrange(9)
        if act == 0:
            bench.command(dice.choice(["press", "release", "channel A stop", "channel B stop", "channel A run"]))
        elif act == 1:
            host.demand = dice.choice([RUN, RUN, STOP, None, (0x3C, 0x3C)])
        elif act == 2:
            bench.command(dice.choice(["reset down", "reset up"]))
        elif act == 3:
            host.ask_selftest()
        elif act == 4 and not dice.randrange(4):
            host.connect()
        elif act >= 6:
            bench.command("reset up")
            bench.command("press")
            host.run(30)
            bench.command("release")
            host.demand = RUN
            host.run(dice.choice([900, 1200, 1500]))
            host.push_reset(dice.choice([50, 120, 400]))
        host.run(dice.choice([1, 3, 20, 60, 110, 350]))
    assert bench.closings >= 2
    assert bench.openings >= 2
