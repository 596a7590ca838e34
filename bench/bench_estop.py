"""What the e-stop line costs the control thread: `estop.link`.

One sample is what falls into 20 ms at 50 Hz each way: `receive` of a STATUS of 24 bytes, `sample`, `cycle` with a
CHECKIN. `share_of_core_percent` is its median over these 20 ms. `estop.idle` is a cycle between them: `sample` and
`cycle` without a byte either way. The device is an encoder outside the measured time.
"""

from __future__ import annotations

import random

from bench.measure import NoGarbageCollection, Row, Stopwatch, percentiles, row
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.estop_settings import EstopLine, EstopSettings
from safety_supervisor.estop.frames import RUN_A, RUN_B, Frame, FrameReader, FrameType, encode
from safety_supervisor.estop.link import FrameV1
from safety_supervisor.estop.signature import signature
from safety_supervisor.estop.times import CHECKIN_EVERY, MS

COUNT = 10_000
LINE = EstopLine("/dev/none", 115200, 1, 2, 300 * MS, "sto", None)


class _Exchange:
    """A session that runs, 20 ms a step."""

    def __init__(self) -> None:
        self.signature = signature(LINE)
        self.driver = FrameV1(EstopSettings("frame_v1", "high", LINE))
        self.reader = FrameReader(self.signature)
        self.now = 10**12
        self.sequence = random.Random(1).randrange(2**32)
        self.driver.opened(self.now, 7)
        self.heard(self.driver.cycle(self.now, True, False, False))
        self.driver.receive(self.status(FrameType.HELLO), self.now)
        self.heard(self.busy(self.status())[1])

    def heard(self, data: bytes) -> None:
        for frame in self.reader.feed(data):
            assert isinstance(frame, Frame)
            self.echo = frame.sequence

    def status(self, kind: FrameType = FrameType.STATUS) -> bytes:
        self.sequence = (self.sequence + 1) % 2**32
        return encode(Frame(kind, 2, 1, self.sequence, self.echo, RUN_A, RUN_B, 0, 2), self.signature)

    def busy(self, data: bytes) -> tuple[EstopInput, bytes]:
        self.driver.receive(data, self.now)
        return self.driver.sample(self.now), self.driver.cycle(self.now, True, False, False)

    def idle(self) -> tuple[EstopInput, bytes]:
        return self.driver.sample(self.now), self.driver.cycle(self.now, True, False, False)


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows."""
    count = 500 if quick else COUNT
    exchange, busy, idle = _Exchange(), Stopwatch(), Stopwatch()
    with NoGarbageCollection():
        for _ in range(count + 200):
            exchange.now += CHECKIN_EVERY - 10 * MS
            word, sent = idle.call(exchange.idle)
            assert sent == b""
            exchange.now += 10 * MS
            word, sent = busy.call(exchange.busy, exchange.status())
            assert word.state == "run"
            assert len(sent) == 24
            exchange.heard(sent)
    del busy.cpu[:200], busy.wall[:200], idle.cpu[:200], idle.wall[:200]
    share = percentiles(busy.cpu)["median"] * 1000 / CHECKIN_EVERY * 100
    checks = f"every word RUN, every CHECKIN valid, {exchange.driver.statistics['frames']} STATUS counted"
    return [
        row("estop.link", busy.cpu, busy.wall, share_of_core_percent=round(share, 2), checks=checks),
        row("estop.idle", idle.cpu, idle.wall),
    ]
