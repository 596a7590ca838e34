"""The core with people: one control cycle, its step and stop kept from 10 points.

`people.panda` is the whole `Tick` of a Panda that moves at up to 0.5 rad/s in AUTO/REDUCED: 10 points stand where
distances must be asked in every cycle. `people.panda.far` is the same with points that one query a message proves
clear; `people.panda.message` is what a message of 10 points costs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.bench_decision import CONFIGURATION, Loop
from bench.measure import NoGarbageCollection, Row, Stopwatch, row
from safety_supervisor.config import load_config
from safety_supervisor.core.events import Humans
from safety_supervisor.core.settings import Configuration, ReducedSettings, SeparationSettings

POINTS = 10
SEPARATION = SeparationSettings(32, 8192, 80_000_000, 300_000_000, 1.6, 0.0, 0.03, 0.1)


def configure() -> Configuration:
    """The shipped Panda, people watched; REDUCED is as fast as AUTO, so that the motion is the same."""
    configuration = load_config(CONFIGURATION)
    envelope = replace(configuration.envelope, reduced=ReducedSettings(1.6, 1.0))
    return replace(configuration, envelope=envelope, separation=SEPARATION)


class PeopleLoop(Loop):
    """A loop that hears of people at 25 Hz."""

    def __init__(self, distance: float) -> None:
        """Stand around the robot at this distance from its base, [m]."""
        angles = np.linspace(0.0, 2.0 * np.pi, POINTS, endpoint=False)
        self._points = np.column_stack(
            (distance * np.cos(angles), distance * np.sin(angles), np.full(POINTS, 0.6))
        ).tobytes()
        self.message_clock = Stopwatch()
        self._told = 0
        super().__init__(configure())

    def run(self, cycles: int, stream: bool = False) -> None:
        """Run cycles, with a message each 40 ms."""
        for _ in range(cycles):
            if self.now >= self._told:
                self._told = self.now + 40_000_000
                event = Humans(self.now, "panda_link0", self._points, self.now, self.now)
                self.message_clock.call(self.supervisor.handle, event)
            super().run(1, stream)


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows."""
    n = 500 if quick else 5000
    result: list[Row] = []
    for name, distance, state in (("people.panda", 1.85, "AUTO/REDUCED"), ("people.panda.far", 4.0, "AUTO/MOVING")):
        loop = PeopleLoop(distance)
        with NoGarbageCollection():
            loop.run(500, stream=True)
            loop.tick_clock, loop.message_clock = Stopwatch(), Stopwatch()
            while len(loop.tick_clock.wall) < n:
                loop.run(250, stream=True)
        if loop.supervisor.state != state:
            raise RuntimeError(f"the benchmark's state is {loop.supervisor.state}")
        about = {"robot": "panda", "joints": len(loop.names)}
        result.append(row(name, loop.tick_clock.cpu, loop.tick_clock.wall, **about))
        if name == "people.panda":
            messages = loop.message_clock
            result.append(row(f"{name}.message", messages.cpu, messages.wall, **about))
    return result
