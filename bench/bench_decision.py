"""The core alone: one decision on a streamed set-point, one control cycle, one trajectory, one start.

`decision.joints.panda` is the whole way of a set-point through the core at joint level: intake by name, the smooth
segment, limits, and the jerk-limited stop from its end. `cycle.joints.panda` is a `Tick`: step, stop and geometry
verified again, set-point and horizon made. The Panda moves all joints by sines at up to 0.5 rad/s, streamed at 100 Hz
into a control cycle of 250 Hz.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.measure import NoGarbageCollection, Row, Stopwatch, row
from safety_supervisor.boot_script import BootScript
from safety_supervisor.config import load_config
from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.events import JointStates, StreamCommand, TrajectoryCommand
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.supervisor import Supervisor

CONFIGURATION = Path(__file__).parents[1] / "config" / "panda.yaml"
G1 = CONFIGURATION.with_name("g1.yaml")
HOME = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
AMPLITUDE = 0.3
OMEGA = 0.5 / AMPLITUDE
START_BY = 10_000_000_000
"""Scripted time at which the robot has started, [ns]."""


class Loop:
    """A supervisor with an ideal robot, cycle by cycle."""

    def __init__(self, configuration: Configuration | None = None, home: NDArray[np.float64] = HOME) -> None:
        """Bring it into AUTO; with the shipped configuration unless another one is given."""
        configuration = configuration or load_config(CONFIGURATION)
        self.supervisor = Supervisor(configuration)
        self.names = configuration.robot.joints
        self.period = configuration.timing.period
        self.now = 1_000_000_000
        self.robot = tuple(home.tolist())
        self.stream_clock, self.tick_clock, self.state_clock = Stopwatch(), Stopwatch(), Stopwatch()
        self.prepare_clock = Stopwatch()
        self.script = BootScript(configuration, "bench")
        for event in self.script.begin(self.now):
            self.supervisor.handle(event)
        while not self.supervisor.state.startswith("AUTO"):
            self.run(5)
            act = self.script.act(self.now, self.supervisor.state)
            if act is not None:
                self.supervisor.handle(act)
            if self.now > START_BY:
                raise RuntimeError(f"the benchmark's robot does not start: {self.supervisor.state}")
        self._sent = 0
        self._begin = self.now

    def run(self, cycles: int, stream: bool = False) -> None:
        """Run cycles, with a set-point each 10 ms if asked."""
        handle = self.supervisor.handle
        for _ in range(cycles):
            self.now += self.period
            states = JointStates(self.now - 200_000, self.names, self.robot, (), self.now, self.now)
            self.state_clock.call(handle, states)
            while stream and self._sent * 0.01 <= (self.now - self._begin) / 1e9:
                q = HOME + AMPLITUDE * (1.0 - np.cos(OMEGA * 0.01 * self._sent))
                self._sent += 1
                command = StreamCommand(
                    self.now - 100_000, "planner", self.names, tuple(q.tolist()), (), 0, 0, self.now, "", ""
                )
                self.stream_clock.call(handle, command)
            effects = self.tick_clock.call(handle, self.script.tick(self.now))
            self.prepare_clock.call(self.supervisor.prepare)
            self.robot = effects[0].positions if effects and isinstance(effects[0], Actuate) else self.robot


def _stream_rows(n: int) -> list[Row]:
    loop = Loop()
    with NoGarbageCollection():
        loop.run(500, stream=True)
        loop.stream_clock, loop.tick_clock, loop.state_clock = Stopwatch(), Stopwatch(), Stopwatch()
        while len(loop.stream_clock.wall) < n:
            loop.run(250, stream=True)
    if loop.supervisor.state != "AUTO/MOVING":
        raise RuntimeError(f"the benchmark's motion was refused: {loop.supervisor.state}")
    about = {"robot": "panda", "joints": len(loop.names)}
    return [
        row("decision.joints.panda", loop.stream_clock.cpu, loop.stream_clock.wall, **about),
        row("cycle.joints.panda", loop.tick_clock.cpu, loop.tick_clock.wall, **about),
        row("measured.joints.panda", loop.state_clock.cpu, loop.state_clock.wall, **about),
    ]


def trajectory(loop: Loop, count: int, duration: float) -> TrajectoryCommand:
    """A quintic out and back, `count` points."""
    s = np.linspace(0.0, 1.0, count + 1)[1:, None]
    w = 2.0 * np.pi / duration
    away = np.full((1, len(loop.names)), AMPLITUDE / 2)
    q = HOME + away * (1.0 - np.cos(2.0 * np.pi * s))
    v = away * w * np.sin(2.0 * np.pi * s)
    a = away * w * w * np.cos(2.0 * np.pi * s)
    counts = (len(loop.names),) * count
    times = tuple(round(t * 1e9) for t in (s[:, 0] * duration).tolist())
    v[-1] = 0.0
    return TrajectoryCommand(
        loop.now,
        "planner",
        loop.names,
        times,
        q.tobytes(),
        counts,
        v.tobytes(),
        counts,
        a.tobytes(),
        counts,
        0,
        0,
        loop.now,
        "",
        "",
    )


def _trajectory_rows(n: int) -> list[Row]:
    """From receipt to acceptance: the sum over all slices, and the longest slice."""
    loop = Loop()
    total_cpu: list[int] = []
    total_wall: list[int] = []
    longest: list[int] = []
    with NoGarbageCollection():
        for _ in range(n):
            intake, slices = Stopwatch(), Stopwatch()
            intake.call(loop.supervisor.handle, trajectory(loop, 200, 5.0))
            loop.tick_clock = slices
            before = len(slices.wall)
            while loop.supervisor.state != "AUTO/MOVING":
                loop.run(1)
                if len(slices.wall) - before > 500:
                    raise RuntimeError("the benchmark's trajectory was refused")
            total_cpu.append(intake.cpu[-1] + sum(slices.cpu[before:]))
            total_wall.append(intake.wall[-1] + sum(slices.wall[before:]))
            longest.append(max(slices.wall[before:]))
            while loop.supervisor.state == "AUTO/MOVING":
                loop.run(50)
    about = {"robot": "panda", "joints": len(loop.names)}
    return [
        row("trajectory.200.panda", total_cpu, total_wall, **about),
        row("trajectory.200.panda.longest_cycle", None, longest, **about),
    ]


def _startup_rows(n: int) -> list[Row]:
    clock = Stopwatch()
    for _ in range(n):
        clock.call(lambda: Supervisor(load_config(CONFIGURATION)))
    return [row("startup.panda", clock.cpu, clock.wall, robot="panda", joints=7)]


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows."""
    result = _stream_rows(500 if quick else 5000)
    result += _trajectory_rows(2 if quick else 20)
    result += _startup_rows(2 if quick else 10)
    return result
