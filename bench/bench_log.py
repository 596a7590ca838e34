"""What the record of events costs the control process.

`log.append`: one `Tick` with an `Actuate` of 7 joints and a kept stop of 6 points: `record`, then `flush`, and nothing
else in the process, which wakes up for it once a millisecond. `log.event`, `log.cycle`: the same behind real decisions,
as in the node: the Panda of `decision.full.panda` in motion, a cycle every 2 ms. `log.event` is `record` of one event,
of a cycle's joint states, set-point and tick the last; `log.cycle` is all that a cycle pays: `record` of the three,
`flush` and `healthy`.

Cycles are spaced, as in use, so that caches are as cold and the recorder as busy as they are there.
"""

from __future__ import annotations

import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle

from bench.bench_full import FullLoop, blend, panda_course
from bench.measure import NoGarbageCollection, Row, Stopwatch, row
from safety_supervisor.core.effects import Actuate, Effect, HorizonPoint
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import Event, Tick
from safety_supervisor.evidence.event_log import LogHeader
from safety_supervisor.evidence.feed import EventFeed
from safety_supervisor.evidence.software import software_versions

COUNT = 5000
SPACING_S = 0.001
PERIOD_S = 0.002


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows, as `bench` prints them."""
    count = 500 if quick else COUNT
    return [_append(count), *_behind_decisions(count)]


@contextmanager
def _feed() -> Iterator[EventFeed]:
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
        try:
            yield feed
        finally:
            feed.close()


def _append(count: int) -> Row:
    joints = tuple(0.1234567 * index for index in range(7))
    horizon = tuple(HorizonPoint(4_000_000 * step, joints, joints, joints) for step in range(6))
    clock = Stopwatch()
    with _feed() as feed, NoGarbageCollection():

        def append() -> None:
            feed.record(event, effects)
            feed.flush()

        for number in range(count):
            at = time.monotonic_ns()
            event = Tick(at, at, EstopInput("run", received_at=at))
            effects = (Actuate(at, number, joints, joints, joints, horizon, True),)
            clock.call(append)
            if not feed.healthy(time.monotonic_ns()):
                raise RuntimeError(feed.failure)
            time.sleep(SPACING_S)
    return row("log.append", clock.cpu, clock.wall, robot="panda", joints=7)


def _behind_decisions(count: int) -> list[Row]:
    course = panda_course()
    loop = FullLoop(course.configuration, course.home)
    handle = loop.supervisor.handle
    records, rest = Stopwatch(), Stopwatch()
    ticks: dict[str, list[int]] = {"cpu": [], "wall": []}
    cycles: dict[str, list[int]] = {"cpu": [], "wall": []}

    with _feed() as feed, NoGarbageCollection():

        def recorded(event: Event) -> Sequence[Effect]:
            effects = handle(event)
            records.call(feed.record, event, effects)
            return effects

        loop.supervisor.handle = recorded  # type: ignore[method-assign,assignment]
        for q in blend(course.home, course.ends[0], 1.0):
            loop.send(q)
        ends = cycle((course.ends, course.ends[::-1]))
        due = time.monotonic()
        while len(ticks["cpu"]) < count:
            for q in blend(*next(ends), course.speed):
                due = max(due + PERIOD_S, time.monotonic())
                time.sleep(max(0.0, due - time.monotonic()))
                before = len(records.cpu)
                loop.send(q)
                rest.call(feed.flush)
                healthy = rest.call(feed.healthy, time.monotonic_ns())
                if not healthy:
                    raise RuntimeError(feed.failure)
                for kind in ("cpu", "wall"):
                    ticks[kind].append(getattr(records, kind)[-1])
                    cycles[kind].append(sum(getattr(records, kind)[before:]) + sum(getattr(rest, kind)[-2:]))
    if loop.supervisor.state != "AUTO/MOVING":
        raise RuntimeError(f"the benchmark's motion was refused: {loop.supervisor.state}")
    return [row(f"log.{name}", one["cpu"], one["wall"], robot="panda", joints=7) for name, one in
            (("event", ticks), ("cycle", cycles))]  # fmt: skip
