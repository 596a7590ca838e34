"""The whole decision on a streamed set-point: intake, limits, geometry, and the verified stop.

A decision is the handling of one `StreamCommand` (intake by name, smooth segment, limits and stop from its end) and the
`Verifier.verify` of the control cycle after it: envelope over the set-points, speed of all link volumes, self, cell and
zones along the step and its jerk-limited stop. The Panda of config/panda.yaml with its link volumes, in its cell with a
pole, a wall, a plate and a shelf more. `pairs` are those that are measured; those that
are proven never to touch are left out.
`cycle.full.panda` is the whole `Tick` around the verification.

`decision.full.panda`: pick-and-place, the fastest joint at 2 rad/s. `decision.margin.panda`: the hand sweeps to and fro
a few millimetres above the margin of the table and dips into it until it is refused, stops, and goes on from there.
`decision.limited.panda`: the same hand dips from farther above, with `limiting` on; only cycles that are slower than
their own pace, or stopped, count.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.bench_decision import CONFIGURATION, HOME, Loop
from bench.measure import NoGarbageCollection, Row, Stopwatch, row
from safety_supervisor.config import load_config
from safety_supervisor.core.events import StreamCommand
from safety_supervisor.core.settings import Configuration, LimitingSettings, Zone, ZoneKind
from safety_supervisor.core.shapes import Box, Cylinder

PICK = np.array([0.5, -0.5, 0.2, -2.1, 0.1, 1.7, 0.9])
PLACE = np.array([-0.6, -0.4, 0.0, -2.0, 0.0, 1.7, 0.6])
LOW = np.array([0.0, 0.581, 0.0, -2.1, 0.0, 2.668, 0.785])
"""The fingers a few millimetres above the margin of the table."""

CELL = (
    Zone("pole", ZoneKind.KEEP_OUT, Cylinder((-0.5, 0.4, 0.0), (-0.5, 0.4, 1.2), 0.05), (), 0.02),
    Zone("wall", ZoneKind.KEEP_OUT, Box((0.0, -0.85, 0.6), (1.6, 0.02, 1.2)), (), 0.02),
    Zone("shelf", ZoneKind.KEEP_OUT, Box((-0.7, -0.3, 0.9), (0.3, 0.6, 0.02)), (), 0.02),
    Zone("plate", ZoneKind.KEEP_OUT, Box((0.2, -0.65, 0.4), (0.3, 0.2, 0.005)), (), 0.01),
)


def configuration() -> Configuration:
    """The shipped configuration with a fuller cell, streams at the control rate, and an agent that may be refused."""
    shipped = load_config(CONFIGURATION)
    sources = tuple(replace(s, period=shipped.timing.period, refusals=10**6) for s in shipped.sources)
    return replace(shipped, zones=(*shipped.zones, *CELL), sources=sources)


class FullLoop(Loop):
    """Streams a motion and notes what each decision takes."""

    def __init__(
        self,
        other: Configuration | None = None,
        home: NDArray[np.float64] = HOME,
        limiting: LimitingSettings | None = None,
    ) -> None:
        """Bring the robot into AUTO; the Panda in its fuller cell unless another configuration is given."""
        super().__init__(replace(other or configuration(), limiting=limiting), home)
        self.verifier = self.supervisor._verifier
        self.decisions, self.ticks = Stopwatch(), Stopwatch()
        self._verifying = Stopwatch()
        limiter = self.supervisor._motion._limiter
        self._verify = self.verifier.verify if limiting is None else limiter.judge  # type: ignore[assignment]
        if limiting is None:
            self.verifier.verify = self._timed  # type: ignore[method-assign]
        else:
            limiter.judge = self._timed  # type: ignore[method-assign,assignment]

    def _timed(self, *arguments: object) -> object:
        return self._verifying.call(self._verify, *arguments)

    def send(self, q: NDArray[np.float64]) -> None:
        """Stream a set-point, run the cycle, and note both."""
        command = StreamCommand(
            self.now - 100_000, "planner", self.names, tuple(q.tolist()), (), 0, 0, self.now, "", ""
        )
        self.stream_clock.call(self.supervisor.handle, command)
        before = len(self._verifying.cpu)
        self.run(1)
        for kind in ("cpu", "wall"):
            verified = sum(getattr(self._verifying, kind)[before:])
            getattr(self.decisions, kind).append(getattr(self.stream_clock, kind)[-1] + verified)
            getattr(self.ticks, kind).append(getattr(self.tick_clock, kind)[-1])


def blend(start: NDArray[np.float64], goal: NDArray[np.float64], speed: float) -> NDArray[np.float64]:
    """Set-points at 250 Hz from rest to rest: 35 u^4 - 84 u^5 + 70 u^6 - 20 u^7, peak 2.1875 of the mean speed."""
    way = goal - start
    count = int(2.1875 * np.abs(way).max() / speed / 0.004)
    u = np.arange(1, count + 1)[:, None] / count
    return start + way * (35 * u**4 - 84 * u**5 + 70 * u**6 - 20 * u**7)


def _pick_and_place(n: int) -> tuple[FullLoop, int]:
    loop = FullLoop()
    queries = [0]
    distances = loop.verifier.scene.distances

    def counted(q: NDArray[np.float64]) -> NDArray[np.float64]:
        queries[0] += 1
        return distances(q)

    for q in blend(HOME, PICK, 1.0):
        loop.send(q)
    loop.decisions, loop.ticks, loop.prepare_clock = Stopwatch(), Stopwatch(), Stopwatch()
    loop.verifier.scene.distances = counted  # type: ignore[method-assign]
    while len(loop.decisions.cpu) < n:
        for start, goal in ((PICK, PLACE), (PLACE, PICK)):
            for q in blend(start, goal, 2.0):
                loop.send(q)
    if loop.supervisor.state != "AUTO/MOVING":
        raise RuntimeError(f"the benchmark's motion was refused: {loop.supervisor.state}")
    return loop, queries[0]


def _at_the_margin(n: int) -> tuple[FullLoop, int]:
    loop = FullLoop()
    for q in blend(HOME, LOW, 0.5):
        loop.send(q)
    loop.run(300)
    loop.decisions, loop.ticks = Stopwatch(), Stopwatch()
    refused = 0
    while len(loop.decisions.cpu) < n:
        start = np.array(loop.robot)
        goal = LOW + [0.35 if start[0] < 0 else -0.35, 0.025, 0, 0, 0, 0, 0]
        for q in blend(start, goal, 0.8):
            loop.send(q)
            if loop.supervisor.state != "AUTO/MOVING":
                refused += 1
                break
        loop.run(150)  # past the time in which what is streamed on is excused
        back = np.array(loop.robot)
        for q in blend(back, np.array([back[0], *LOW[1:]]), 0.3):
            loop.send(q)
        loop.run(50)
    if not refused:
        raise RuntimeError("the benchmark never came to the margin")
    return loop, refused


def _limited(n: int) -> tuple[FullLoop, Stopwatch]:
    loop = FullLoop(limiting=LimitingSettings(("planner",), 500_000_000))
    (lane,) = loop.supervisor._motion.lanes.values()
    for q in blend(HOME, LOW, 0.5):
        loop.send(q)
    loop.run(300)
    slower = Stopwatch()
    while len(slower.cpu) < n:
        start = np.array(loop.robot)
        high = np.array([start[0], *LOW[1:]]) - [0, 0.15, 0, 0, 0, 0, 0]
        low = high + [0.3 if start[0] < 0 else -0.3, 0.3, 0, 0, 0, 0, 0]
        for goal, speed in ((high, 0.5), (low, 1.2)):
            for q in blend(np.array(loop.robot), goal, speed):
                loop.send(q)
                if lane.pace is None or not lane.pace.full:
                    slower.cpu.append(loop.decisions.cpu[-1])
                    slower.wall.append(loop.decisions.wall[-1])
                if loop.supervisor.state != "AUTO/MOVING":
                    break
            loop.run(150)
    return loop, slower


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows."""
    count = 500 if quick else 6000
    result: list[Row] = []
    with NoGarbageCollection():
        loop, queries = _pick_and_place(count)
        about = {"robot": "panda", "joints": len(loop.names), "pairs": len(loop.verifier.scene.pairs)}
        share = round(queries / len(loop.decisions.cpu), 3)
        result.append(row("decision.full.panda", loop.decisions.cpu, loop.decisions.wall, poses_asked=share, **about))
        result.append(row("cycle.full.panda", loop.ticks.cpu, loop.ticks.wall, **about))
        row_of = loop.prepare_clock
        result.append(row("prepare.full.panda", row_of.cpu, row_of.wall, **about))
        loop, refused = _at_the_margin(count)
        result.append(row("decision.margin.panda", loop.decisions.cpu, loop.decisions.wall, refused=refused, **about))
        loop, slower = _limited(count // 3)
        result.append(row("decision.limited.panda", slower.cpu, slower.wall, **about))
    return result
