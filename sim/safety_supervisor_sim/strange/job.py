"""Good work: an agent that picks and places all day through the real core, with the small mistakes that agents make."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from safety_supervisor.core.anomaly.baseline import AnomalySettings, blank
from safety_supervisor.core.effects import Effect, Status
from safety_supervisor.core.events import Event
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Vector
from safety_supervisor_sim.agent.motions import PointToPoint, Sample
from safety_supervisor_sim.demo.places import shared
from safety_supervisor_sim.lab.arm import SOURCE, STREAM_PERIOD, Arm, Stuck
from safety_supervisor_sim.lab.bench import Bench, load_bench
from safety_supervisor_sim.lab.pace import Pace
from safety_supervisor_sim.lab.pick_place import ClearWay, Place, draw_places
from safety_supervisor_sim.oracle.world import Array

SECOND: Final = "second"
"""An agent of higher priority for the same joints."""
PACES: Final = (0.25, 0.5)
"""Of the fastest that is allowed: how fast good work is done."""
_LAYOUT: Final = 20
"""Seed of the places: a baseline is of one job, and its places are a part of that."""
_TRIES: Final = 40
_POINTS: Final = 0.05  # between points of trajectories [s]
_REFUSED: Final = 0.1  # share of tasks with a set-point that is refused
_CANCELLED: Final = 0.05  # share of tasks of which a motion is cancelled and taken back
_STREAMED: Final = 0.5  # share of tasks that are streamed
_DWELL: Final = (0.1, 0.4)  # with the gripper; streams go on meanwhile [s]
_PAUSE: Final = (0.3, 2.0)  # between tasks, silent [s]


BASELINE: Final = "panda_job_baseline.json"
"""Shipped beside the cells: of good work with other seeds than any that is reported."""


def load_job(baseline: Path | None = None) -> Bench:
    """Return the laboratory's cell with two agents, watched by a baseline where one is given.

    Raises:
        FileNotFoundError: a file is not installed.
        OSError: the baseline can not be read.
        safety_supervisor.config.ConfigurationError: it does not fit.
    """
    sources: dict[str, Any] = yaml.safe_load(shared("config", "panda.yaml").read_text(encoding="utf-8"))["sources"]
    highest = max(one["priority"] for one in sources.values())
    sources[SECOND] = {**copy.deepcopy(sources[SOURCE]), "priority": highest + 1}
    if baseline is not None:
        sha256 = hashlib.sha256(baseline.read_bytes()).hexdigest()
        for name in (SOURCE, SECOND):
            sources[name]["anomaly"] = {"baseline": str(baseline.absolute()), "sha256": sha256}
    return load_bench({"sources": sources})


def listening(configuration: Configuration, listener: Callable[[Vector], None]) -> Configuration:
    """Return a configuration whose agent is listened to and not judged."""
    settings = AnomalySettings(blank(configuration.robot.joints), None, listener)
    sources = (replace(one, anomaly=settings) if one.name == SOURCE else one for one in configuration.sources)
    return replace(configuration, sources=tuple(sources))


class WatchedArm(Arm):
    """An arm that hears what the status tells of its agents' behaviour.

    Attributes:
        alarms: when an alarm was first told, [ns], of which source, its score and why; once while it lasts.
        states: of the supervisor, as told.
    """

    def __init__(self, configuration: Configuration, pose: Array) -> None:
        """Boot."""
        self.alarms: list[tuple[int, str, float, str]] = []
        self._lasting: set[str] = set()
        super().__init__(configuration, pose)
        self.shares[SECOND] = list(range(len(pose)))

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Give the supervisor an event and keep what comes out."""
        effects = super().handle(event)
        for effect in effects:
            if isinstance(effect, Status):
                for source, score, why in effect.anomalies:
                    if score < 1.0:
                        self._lasting.discard(source)
                    elif source not in self._lasting:
                        self._lasting.add(source)
                        self.alarms.append((self.now, source, score, why))
        return effects

    @property
    def seconds(self) -> float:
        """Time of the clock, [s]."""
        return self.now * 1e-9


class Job:
    """Drives one arm through task after task."""

    def __init__(self, bench: Bench, clear: ClearWay, random: np.random.Generator) -> None:
        """Begin over one of the job's places; they are always the same, what is done where is drawn."""
        self._clear, self._random = clear, random
        self.pace = Pace(bench.configuration)
        self.places = draw_places(bench, clear, np.random.default_rng(_LAYOUT))
        self.start = self._begin()

    def task(self, arm: WatchedArm, paces: tuple[float, float]) -> None:
        """Pick something and place it elsewhere."""
        random = self._random
        arm.begin()
        poses = self.way(arm.pose)
        share = float(random.uniform(*paces))
        parts = [self.pace.straight(a, b, share) for a, b in pairwise(poses)]
        if random.random() < _REFUSED:
            arm.stream_of(SOURCE, arm.pose + 1.0)
            self._wait(arm, 0.2)
        if random.random() < _CANCELLED:
            self._take_back(arm, parts[0])
        if random.random() < _STREAMED:
            self._stream(arm, parts)
        else:
            for part in parts:
                send(arm, part)
                arm.settle()
                self._wait(arm, float(random.uniform(*_DWELL)))
        self._wait(arm, float(random.uniform(*_PAUSE)))

    def _begin(self) -> Array:
        """Draw a place from which clear ways lead: some have none."""
        while True:
            pose = self.places[int(self._random.integers(len(self.places)))].above
            if self._try_way(pose, _TRIES) is not None:
                return pose

    def way(self, pose: Array) -> list[Array]:
        """Draw where it goes: over a place, down, up, over another one, down, up; all clear.

        Raises:
            Stuck: no clear way leads from that pose.
        """
        poses = self._try_way(pose, 100 * _TRIES)
        if poses is None:
            raise Stuck("no clear way leads on")
        return poses

    def _try_way(self, pose: Array, tries: int) -> list[Array] | None:
        for _ in range(tries):
            pick, put = (self.places[index] for index in self._random.choice(len(self.places), 2, replace=False))
            poses = [pose, *_of(pick), *_of(put)]
            if all(self._clear.keeps(self._clear.dense(a, b)) for a, b in pairwise(poses)):
                return poses
        return None

    def _stream(self, arm: WatchedArm, parts: list[PointToPoint]) -> None:
        for part in parts:
            stream(arm, part.at, part.duration + float(self._random.uniform(*_DWELL)))
        arm.settle()

    def _take_back(self, arm: WatchedArm, part: PointToPoint) -> None:
        send(arm, part)
        self._wait(arm, float(self._random.uniform(0.3, 0.7)) * part.duration)
        arm.trajectory([], [])
        arm.settle()
        self._wait(arm, 0.3)
        send(arm, self.pace.straight(arm.pose, part.start, PACES[0]))
        arm.settle()
        self._wait(arm, 0.3)

    @staticmethod
    def _wait(arm: WatchedArm, duration: float) -> None:
        arm.run(round(duration * 1e9 / arm.period))


def send(arm: WatchedArm, motion: PointToPoint, source: str = SOURCE) -> None:
    """Send a motion as a trajectory."""
    count = max(1, round(motion.duration / _POINTS))
    times = [motion.duration * (k + 1) / count for k in range(count)]
    arm.trajectory(times, [motion.at(time) for time in times], source)


def stream(arm: WatchedArm, at: Callable[[float], Sample], duration: float) -> None:
    """Stream a motion in time."""
    begin, sent = arm.now, 0
    while sent * STREAM_PERIOD < duration:
        while sent * STREAM_PERIOD < duration and sent * STREAM_PERIOD <= (arm.now - begin) * 1e-9:
            sent += 1
            arm.stream_of(SOURCE, at(sent * STREAM_PERIOD).position)
        arm.cycle()


def _of(place: Place) -> tuple[Array, Array, Array]:
    return place.above, place.down, place.above
