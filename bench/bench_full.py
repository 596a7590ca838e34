"""The whole decision on a streamed set-point: intake, limits, geometry, and the verified stop.

A decision is the handling of one `StreamCommand` (intake by name, smooth segment, limits and stop from its end) and the
`Verifier.verify` of the control cycle after it: envelope over the set-points, speed of all link volumes, self, cell and
zones along the step and its jerk-limited stop. The Panda of config/panda.yaml with its link volumes, in its cell with a
pole, a wall, a plate and a shelf more. `pairs` are those that are measured; those that
are proven never to touch are left out.
`cycle.full.panda` is the whole `Tick` around the verification. The same for the G1 of config/g1.yaml, its pelvis fixed.

`decision.full.panda`: pick-and-place, the fastest joint at 2 rad/s. `decision.margin.panda`: the hand sweeps to and fro
a few millimetres above the margin of the table and dips into it until it is refused, stops, and goes on from there.
`decision.limited.panda`: the same hand dips from farther above, with `limiting` on; only cycles that are slower than
their own pace, or stopped, count.

`decision.full.g1.fixed`: both arms, the waist and a squat of both legs at once, the fastest joint at 2 rad/s.
`decision.margin.g1.fixed`: the left hand dips to the hip until it is refused, while knees and the right arm sweep.
On its feet, with balance: `bench_standing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.bench_decision import CONFIGURATION, G1, HOME, Loop
from bench.measure import NoGarbageCollection, Row, Stopwatch, row
from safety_supervisor.config import load_config
from safety_supervisor.core.events import StreamCommand
from safety_supervisor.core.geometry.shapes import Box, Cylinder
from safety_supervisor.core.settings import Configuration, LimitingSettings, Zone, ZoneKind

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


@dataclass(frozen=True)
class Course:
    """What is measured on one robot.

    Attributes:
        robot: its name in the rows.
        configuration: of its supervisor.
        home: where it begins, shape (n,), [rad].
        ends: poses between which it moves to and fro.
        low: pose just above the margin of something.
        sweep: to be added to `low` or taken from it, so that what moves is not the dip alone.
        dip: to be added, ends in a refusal.
        speed: of the fastest joint to and fro, [rad/s].
        dipping: the same of sweeps with a dip.
    """

    robot: str
    configuration: Configuration
    home: NDArray[np.float64]
    ends: tuple[NDArray[np.float64], NDArray[np.float64]]
    low: NDArray[np.float64]
    sweep: NDArray[np.float64]
    dip: NDArray[np.float64]
    speed: float = 2.0
    dipping: float = 0.8


def panda_course() -> Course:
    """The Panda in its fuller cell."""
    sweep, dip = np.zeros(7), np.zeros(7)
    sweep[0], dip[1] = 0.35, 0.025
    return Course("panda", configuration(), HOME, (PICK, PLACE), LOW, sweep, dip)


def g1_course() -> Course:
    """The G1 on its stand, all groups moved by one source at the control rate."""
    shipped = replace(load_config(G1), balance=None)
    planner = replace(
        shipped.source("planner"), groups=tuple(shipped.robot.groups), period=shipped.timing.period, refusals=10**6
    )
    others = tuple(s for s in shipped.sources if s.name not in ("planner", "walker"))
    assert shipped.robot.start is not None
    home = np.array(shipped.robot.start)

    def pose(base: NDArray[np.float64], both: Mapping[str, float], **one: float) -> NDArray[np.float64]:
        """Set joints of both sides, mirrored, and single ones."""
        q = base.copy()
        for name, value in both.items():
            mirrored = -value if "roll" in name or "yaw" in name else value
            q[shipped.robot.joints.index(f"left_{name}_joint")] = value
            q[shipped.robot.joints.index(f"right_{name}_joint")] = mirrored
        for name, value in one.items():
            q[shipped.robot.joints.index(f"{name}_joint")] = value
        return q

    squat = {"hip_pitch": -0.7, "knee": 1.3, "ankle_pitch": -0.5}
    up = {"shoulder_pitch": -0.7, "shoulder_roll": 0.5, "shoulder_yaw": 0.2, "elbow": 0.2, "wrist_pitch": 0.3}
    down = {"shoulder_pitch": 0.3, "shoulder_roll": 0.4, "shoulder_yaw": -0.2, "elbow": 1.2, "wrist_roll": 0.4}
    ends = pose(home, {**squat, **up}, waist_yaw=0.2), pose(home, down, waist_yaw=-0.2)
    low = pose(home, {}, left_shoulder_pitch=0.2, left_shoulder_roll=0.29, left_shoulder_yaw=-0.3, left_elbow=0.9)
    still = np.zeros(len(home))
    sweep = pose(still, {"knee": 0.25}, right_elbow=0.35)
    dip = pose(still, {}, left_shoulder_roll=-0.06)
    return Course("g1.fixed", replace(shipped, sources=(planner, *others)), home, ends, low, sweep, dip)


def _to_and_fro(course: Course, n: int) -> tuple[FullLoop, int]:
    loop = FullLoop(course.configuration, course.home)
    queries = [0]
    at_least = loop.verifier.scene.at_least

    def counted(q: NDArray[np.float64], which: NDArray[np.intp], enough: NDArray[np.float64]) -> NDArray[np.float64]:
        queries[0] += 1
        return at_least(q, which, enough)

    first, second = course.ends
    for q in blend(course.home, first, 1.0):
        loop.send(q)
    loop.decisions, loop.ticks, loop.prepare_clock = Stopwatch(), Stopwatch(), Stopwatch()
    loop.verifier.scene.at_least = counted  # type: ignore[method-assign]
    while len(loop.decisions.cpu) < n:
        for start, goal in ((first, second), (second, first)):
            for q in blend(start, goal, course.speed):
                loop.send(q)
    if loop.supervisor.state != "AUTO/MOVING":
        raise RuntimeError(f"the benchmark's motion of {course.robot} was refused: {loop.supervisor.state}")
    return loop, queries[0]


def _at_the_margin(course: Course, n: int) -> tuple[FullLoop, int]:
    loop = FullLoop(course.configuration, course.home)
    for q in blend(course.home, course.low, 0.5):
        loop.send(q)
    loop.run(300)
    loop.decisions, loop.ticks = Stopwatch(), Stopwatch()
    refused, side = 0, 1.0
    while len(loop.decisions.cpu) < n:
        for q in blend(np.array(loop.robot), course.low + side * course.sweep + course.dip, course.dipping):
            loop.send(q)
            if loop.supervisor.state != "AUTO/MOVING":
                refused += 1
                break
        loop.run(150)  # past the time in which what is streamed on is excused
        back = np.array(loop.robot)
        for q in blend(back, np.where(course.sweep != 0.0, back, course.low), 0.3):
            loop.send(q)
        loop.run(50)
        side = -side
    if not refused:
        raise RuntimeError(f"the benchmark of {course.robot} never came to the margin")
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
        for course in (panda_course(), g1_course()):
            name = course.robot
            loop, queries = _to_and_fro(course, count)
            about = {"robot": name.split(".")[0], "joints": len(loop.names), "pairs": len(loop.verifier.scene.pairs)}
            share = round(queries / len(loop.decisions.cpu), 3)
            clock = loop.decisions
            result.append(row(f"decision.full.{name}", clock.cpu, clock.wall, poses_asked=share, **about))
            result.append(row(f"cycle.full.{name}", loop.ticks.cpu, loop.ticks.wall, **about))
            result.append(row(f"prepare.full.{name}", loop.prepare_clock.cpu, loop.prepare_clock.wall, **about))
            loop, refused = _at_the_margin(course, count)
            clock = loop.decisions
            result.append(row(f"decision.margin.{name}", clock.cpu, clock.wall, refused=refused, **about))
            if name == "panda":
                loop, slower = _limited(count // 3)
                result.append(row("decision.limited.panda", slower.cpu, slower.wall, **about))
    return result
