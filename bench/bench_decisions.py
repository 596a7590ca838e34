"""What the decision log costs: its verification, the recorder's work a cycle, and bytes an hour at 500 Hz.

`log.verify`: a record, streaming, hashes and links (signatures once a second are in it). `log.derive`: what the
recorder's process spends on one cycle of 500 Hz for it, beside the event log: a set-point of 7 joints and joint states,
a streamed command every fifth. The control process pays `log.append` as before (`bench_log.py`): records are made
behind it.
"""

from __future__ import annotations

import tempfile
import time
import zlib
from pathlib import Path

import msgspec

from bench.measure import NoGarbageCollection, Row, Stopwatch, row
from safety_supervisor.core.effects import Actuate, Decision, HorizonPoint, Status
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import JointStates, StreamCommand, Tick
from safety_supervisor.evidence.decisions.keeper import Keeper
from safety_supervisor.evidence.decisions.verify import Verifier
from safety_supervisor.evidence.event_log import LogHeader

PERIOD = 2_000_000
"""500 Hz, [ns]."""
HEADER = LogHeader("bench", "bench", "", b"", zlib.compress(b""), "", {}, "1970-01-01T00:00:00+00:00")


class _Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_000_000

    def __call__(self) -> int:
        return self.now


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows, as `bench` prints them."""
    with tempfile.TemporaryDirectory(prefix="bench-decisions-") as place:
        derive, size = _drive(Path(place) / "drive", 2 if quick else 20)
        verify, records = _verify(Path(place) / "verify", 20_000 if quick else 200_000)
    more = {"bytes_hour": size, "gb_day": round(size * 24 / 1e9, 3)}
    return [
        row("log.derive", derive.cpu, derive.wall, robot="panda", joints=7, **more),
        row("log.verify", verify.cpu, verify.wall, records=records),
    ]


def _drive(place: Path, seconds: int) -> tuple[Stopwatch, int]:
    """Return the recorder's times of cycles at 500 Hz, and bytes an hour."""
    joints = tuple(0.1234567 * index for index in range(7))
    horizon = tuple(HorizonPoint(4_000_000 * step, joints, joints, joints) for step in range(6))
    names = tuple(f"joint{index}" for index in range(7))
    encode = msgspec.msgpack.Encoder().encode
    clock, watch = _Clock(), Stopwatch()
    keeper = Keeper(place, clock=clock)
    keeper.begin(HEADER)
    keeper.sync()
    with NoGarbageCollection():
        for cycle in range(500 * seconds):
            clock.now += PERIOD
            at = clock.now
            pairs = [encode((JointStates(at, names, joints, joints, at, at), ()))]
            if cycle % 5 == 0:
                pairs.append(encode((StreamCommand(at, "planner", names, joints, (), 0, at, at, "", ""), ())))
            effects: list[object] = [Actuate(at, cycle, joints, joints, joints, horizon, True)]
            if cycle % 50 == 0:
                effects.append(
                    Status(at, "MOVING", "", (), "", "auto", 1.0, 1, "n", "c", "planner", 0.5 + cycle * 1e-6, 0.1)
                )
            if cycle % 250 == 0:  # somebody is refused twice a second
                told = Decision(at, "planner", "c", "REJECT", "E_VELOCITY", "v", "joint1", 2.0, 1.0, -1.0, "too fast")
                effects.append(told)
            pairs.append(encode((Tick(at, at, EstopInput("run", received_at=at)), tuple(effects))))

            def take(pairs: list[bytes] = pairs) -> None:
                for pair in pairs:
                    keeper.take(pair)

            watch.call(take)
            if cycle % 5 == 4:
                keeper.sync()
    keeper.close()
    size = sum(path.stat().st_size for path in place.glob("*.decisions"))
    return watch, size * 3600 // seconds


def _verify(place: Path, records: int) -> tuple[Stopwatch, int]:
    """Return the time of one verification, a record; and how many records there were."""
    clock, watch = _Clock(), Stopwatch()
    keeper = Keeper(place, segment_bytes=16 << 20, clock=clock)
    keeper.begin(HEADER)
    encode = msgspec.msgpack.Encoder().encode
    for number in range(records // 5):
        clock.now += PERIOD
        at = clock.now
        told = tuple(
            Decision(at, "planner", f"c{number}", "REJECT", f"E_{number}_{one}", "v", "joint1", 2.0, 1.0, -1.0, "fast")
            for one in range(5)
        )
        keeper.take(encode((Tick(at, at, EstopInput("run", received_at=at)), told)))
        if number % 1000 == 0:
            keeper.sync()
    keeper.finish()
    keeper.sync()
    keeper.close()
    report = Verifier(place, "bench").verify()
    if report.broken is not None:
        raise RuntimeError(report.broken.detail)
    for _ in range(3):
        began, cpu = time.perf_counter_ns(), time.process_time_ns()
        Verifier(place, "bench").verify()
        watch.wall.append((time.perf_counter_ns() - began) / report.records)
        watch.cpu.append((time.process_time_ns() - cpu) / report.records)
    return watch, report.records
