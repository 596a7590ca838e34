"""What the record of events costs the control process a cycle: `log.append`.

One `Tick` with an `Actuate` of 7 joints and a kept stop of 6 points: `record`, then `flush` into the pipe. Cycles are
spaced, as in use, so that caches are as cold and the recorder as busy as they are there.
"""

from __future__ import annotations

import tempfile
import time
import zlib

from bench.measure import NoGarbageCollection, Row, Stopwatch, row
from safety_supervisor.core.effects import Actuate, HorizonPoint
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import Tick
from safety_supervisor.evidence.event_log import LogHeader
from safety_supervisor.evidence.feed import EventFeed
from safety_supervisor.evidence.software import software_versions

COUNT = 5000
SPACING_S = 0.001


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows, as `bench` prints them."""
    joints = tuple(0.1234567 * index for index in range(7))
    horizon = tuple(HorizonPoint(4_000_000 * step, joints, joints, joints) for step in range(6))
    header = LogHeader(
        robot_id="bench",
        boot_id="bench",
        nonce="",
        configuration=b"",
        urdf=zlib.compress(b""),
        configuration_sha256="",
        versions=software_versions(),
        started_at="1970-01-01T00:00:00+00:00",
    )
    with tempfile.TemporaryDirectory(prefix="bench-log-") as place:
        feed = EventFeed(place, header)
        if feed.failure:
            raise RuntimeError(feed.failure)
        clock = Stopwatch()

        def append() -> None:
            feed.record(event, effects)
            feed.flush()

        try:
            with NoGarbageCollection():
                for cycle in range(500 if quick else COUNT):
                    at = time.monotonic_ns()
                    event = Tick(at, at, EstopInput("run", received_at=at))
                    effects = (Actuate(at, cycle, joints, joints, joints, horizon, True),)
                    clock.call(append)
                    if not feed.healthy(time.monotonic_ns()):
                        raise RuntimeError(feed.failure)
                    time.sleep(SPACING_S)
        finally:
            feed.close()
    return [row("log.append", clock.cpu, clock.wall, robot="panda", joints=7)]
