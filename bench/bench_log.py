"""What the record of events costs the control process a cycle: `log.append`.

One `Tick` with an `Actuate` of 7 joints and a kept stop of 6 points: `record`, then `flush` into the pipe. Cycles are
spaced, as in use, so that caches are as cold and the recorder as busy as they are there.
"""

from __future__ import annotations

import gc
import tempfile
import time
import zlib
from typing import Any

import numpy as np

from safety_supervisor.core.types import Actuate, EstopInput, HorizonPoint, Tick
from safety_supervisor.evidence.event_log import LogHeader
from safety_supervisor.evidence.feed import EventFeed, software_versions

COUNT = 5000
SPACING_S = 0.001


def _summary(samples: list[int]) -> dict[str, float]:
    """Return median, p99, p99.9 and maximum of times in [ns], in [us]."""
    ordered = np.array(samples) / 1e3
    names = {"median": 50.0, "p99": 99.0, "p999": 99.9, "max": 100.0}
    return {name: round(float(np.percentile(ordered, share)), 3) for name, share in names.items()}


def rows() -> list[dict[str, Any]]:
    """Measure and return the rows, as INTERFACES.md describes them."""
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
    cpu: list[int] = []
    wall: list[int] = []
    with tempfile.TemporaryDirectory(prefix="bench-log-") as place:
        feed = EventFeed(place, header)
        if feed.failure:
            raise RuntimeError(feed.failure)
        gc.collect()
        gc.disable()
        try:
            for cycle in range(COUNT):
                at = time.monotonic_ns()
                event = Tick(at, at, EstopInput("run", received_at=at))
                effects = (Actuate(at, cycle, joints, joints, joints, horizon, True),)
                wall_begin = time.perf_counter_ns()
                cpu_begin = time.thread_time_ns()
                feed.record(event, effects)
                feed.flush()
                cpu.append(time.thread_time_ns() - cpu_begin)
                wall.append(time.perf_counter_ns() - wall_begin)
                if not feed.healthy(time.monotonic_ns()):
                    raise RuntimeError(feed.failure)
                time.sleep(SPACING_S)
        finally:
            gc.enable()
            feed.close()
    row = {"name": "log.append", "robot": "panda", "joints": 7, "pairs": 0, "n": COUNT}
    return [{**row, "cpu_us": _summary(cpu), "wall_us": _summary(wall)}]


if __name__ == "__main__":
    for row in rows():
        print(row)
