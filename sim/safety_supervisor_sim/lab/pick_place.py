"""Usefulness: pick-and-place motions that stay 3 cm clear by the judge pass unchanged, without a stop.

The clearance is computed before, by the judge alone. Links that can never be much farther from each other than that
(links 5 and 7 of the Panda: 23 mm at most) have to be `CLOSE_SHARE` of the farthest apart that they can be.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np

from safety_supervisor_sim.agent.motions import PointToPoint, Sample
from safety_supervisor_sim.demo.unchanged import Output, find
from safety_supervisor_sim.lab.arm import STREAM_PERIOD, Arm, Stuck
from safety_supervisor_sim.lab.bench import Bench
from safety_supervisor_sim.lab.pace import Pace
from safety_supervisor_sim.lab.reaching import TIP, reach
from safety_supervisor_sim.oracle.way import SIGHT
from safety_supervisor_sim.oracle.world import Array

CLEAR: Final = 0.03
"""Distance that a motion keeps, by the judge, [m]."""
CLOSE: Final = 0.035
"""Links that are never farther apart than this are close by build, [m]."""
CLOSE_SHARE: Final = 0.8
_CLOSE_SAMPLES: Final = 300
_LIFT: Final = 0.12  # above where it picks and places [m]
_DWELL: Final = 0.2  # with the gripper [s]
_MARGIN: Final = 20  # cycles around a part's time, less than half a dwell
_POINT_PERIOD: Final = 0.05  # of trajectories [s]
_STEP: Final = 2e-3  # [m]
_PLACES: Final = 40
_REACHABLE: Final = (np.array([0.30, -0.65, CLEAR + 0.005]), np.array([0.65, 0.48, 0.30]))
"""Corners of where the fingers' tips pick and place, [m]."""


@dataclass
class PickPlace:
    """What came of pick-and-place motions.

    Attributes:
        count: motions that are clear by the judge.
        streamed: of those, sent as a stream; the others as one trajectory.
        unchanged: passed without refusal or stop, each set-point within 1e-9 rad at its time.
        drawn: motions that were drawn for them.
        causes: of the first refusal of each other motion.
        fastest: greatest joint speed, [rad/s].
    """

    count: int = 0
    streamed: int = 0
    unchanged: int = 0
    drawn: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    fastest: float = 0.0

    def add(self, other: PickPlace) -> None:
        """Take over another chunk's results."""
        self.count += other.count
        self.streamed += other.streamed
        self.unchanged += other.unchanged
        self.drawn += other.drawn
        self.causes += other.causes
        self.fastest = max(self.fastest, other.fastest)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "motions": self.count,
            "streamed": self.streamed,
            "unchanged": self.unchanged,
            "drawn": self.drawn,
            "refused_by_cause": dict(self.causes.most_common()),
            "fastest_joint": self.fastest,
        }


class ClearWay:
    """Judges whether a way keeps its distance; a judge of its own, with the pairs that are close by build apart."""

    def __init__(self, bench: Bench, random: np.random.Generator) -> None:
        """Find the pairs that are close by build."""
        whole = bench.judge()
        names = whole.pairs
        farthest = np.max([whole.distances(bench.random_pose(random)) for _ in range(_CLOSE_SAMPLES)], axis=0)
        whole.close()
        self.least = {
            pair: CLOSE_SHARE * float(distance)
            for pair, distance in zip(names, farthest, strict=True)
            if distance < CLOSE
        }
        geometry = bench.configuration.geometry
        left_out = geometry.left_out | {frozenset(pair) for pair in self.least}
        configuration = replace(bench.configuration, geometry=replace(geometry, left_out=left_out))
        self.judge = replace(bench, configuration=configuration).judge()

    def dense(self, start: Array, goal: Array) -> Array:
        """Return poses along a straight way, at most `_STEP` of travel from each other, shape (m, n)."""
        steps = math.ceil(float(np.abs(goal - start) @ self.judge.reach) / _STEP) + 1
        return start + (goal - start) * np.linspace(0.0, 1.0, steps + 1)[:, None]

    def keeps(self, rows: Array) -> bool:
        """Whether a way of dense set-points, shape (m, n), keeps its distance everywhere."""
        steps = np.abs(np.diff(rows, axis=0)) @ self.judge.reach
        along = np.concatenate(([0.0], np.cumsum(steps)))
        between = float(steps.max(initial=0.0)) / 2  # to the nearer of two set-points
        row = 0
        while row < len(rows):
            spare = self.judge.nearest(rows[row], CLEAR + SIGHT).distance - CLEAR - between
            close = [self.judge.between(*pair) - least - between for pair, least in self.least.items()]
            spare = min([spare, *close])
            if spare < 0.0:
                return False
            row = max(row + 1, int(np.searchsorted(along, along[row] + spare)))
        return True


@dataclass(frozen=True)
class Task:
    """A pick and a place, as motions from rest to rest with a dwell after each."""

    parts: tuple[PointToPoint, ...]

    @property
    def duration(self) -> float:
        """All of it, [s]."""
        return sum(part.duration + _DWELL for part in self.parts)

    def at(self, time: float) -> Sample:
        """Return the state at a time, [s]."""
        for part in self.parts:
            if time <= part.duration + _DWELL:
                return part.at(time)
            time -= part.duration + _DWELL
        return self.parts[-1].at(math.inf)

    def samples(self, period: float) -> list[Sample]:
        """Sample it every `period`, its beginning left out."""
        return [self.at(period * (k + 1)) for k in range(round(self.duration / period))]


@dataclass(frozen=True)
class Place:
    """Where the hand picks or places: poses above it and in it, shape (n,), [rad]."""

    above: Array
    down: Array


def draw_places(bench: Bench, clear: ClearWay, random: np.random.Generator) -> list[Place]:
    """Draw places that the hand reaches and in which the arm keeps its distance."""
    home = np.array(bench.cell.robot.home)
    places: list[Place] = []
    while len(places) < _PLACES:
        place = random.uniform(*_REACHABLE) + np.array([0.0, 0.0, TIP])
        yaw = float(random.uniform(-math.pi / 2, math.pi / 2))
        above = reach(bench, clear.judge, place + np.array([0.0, 0.0, _LIFT]), yaw, home)
        if above is None or not clear.keeps(above[None]):
            continue
        down = reach(bench, clear.judge, place, yaw, above)
        if down is not None and clear.keeps(down[None]):
            places.append(Place(above, down))
    return places


def draw_task(places: list[Place], clear: ClearWay, pace: Pace, random: np.random.Generator, result: PickPlace) -> Task:
    """Draw a pick and a place until the whole motion keeps its distance."""
    while True:
        result.drawn += 1
        pick, put = (places[index] for index in random.choice(len(places), 2, replace=False))
        middles = (
            pick.above + (put.above - pick.above) * share for share in (0.5, 0.25, 0.75, 0.125, 0.375, 0.625, 0.875)
        )
        if not all(clear.keeps(pose[None]) for pose in middles):
            continue
        poses = [pick.above, pick.down, pick.above, put.above, put.down, put.above]
        share = float(random.uniform(0.5, 1.0))
        task = Task(tuple(_on_grid(pace, a, b, share) for a, b in pairwise(poses)))
        ways = [clear.dense(part.start, part.goal) for part in task.parts]
        if all(map(clear.keeps, ways)):
            return task


def _on_grid(pace: Pace, start: Array, goal: Array, share: float) -> PointToPoint:
    """A motion that lasts a whole number of points."""
    motion = pace.straight(start, goal, share)
    return replace(motion, duration=math.ceil(motion.duration / _POINT_PERIOD) * _POINT_PERIOD)


def judge_pick_place(bench: Bench, seed: tuple[int, ...], count: int) -> PickPlace:
    """Let clear pick-and-place motions pass through the supervisor.

    Args:
        bench: both sides.
        seed: of the tasks.
        count: how many.
    """
    random, result = np.random.default_rng(seed), PickPlace()
    pace, clear = Pace(bench.configuration), ClearWay(bench, np.random.default_rng(0))
    try:
        places = draw_places(bench, clear, random)
        for number in range(count):
            task = draw_task(places, clear, pace, random, result)
            cause = _run(bench, task, streamed=number % 2 == 0, result=result)
            result.count += 1
            result.unchanged += not cause
            if cause:
                result.causes[cause] += 1
    finally:
        clear.judge.close()
    return result


def _run(bench: Bench, task: Task, streamed: bool, result: PickPlace) -> str:
    """Return why a task did not pass unchanged; empty when it did."""
    period = STREAM_PERIOD if streamed else _POINT_PERIOD
    samples = task.samples(period)
    try:
        arm = Arm(bench.configuration, task.parts[0].start)
        arm.begin()
        _send(arm, samples, streamed)
        arm.settle()
    except Stuck as stuck:
        return f"stuck: {stuck}"
    result.streamed += streamed
    refused = arm.refused
    if refused is not None:
        return f"{refused.code} {refused.rule} {refused.joint}"
    stopped = [one for one in arm.decisions if one.code not in ("", "E_ENDED")]
    if stopped:
        return f"stopped: {stopped[0].code}"
    rows = [np.array([getattr(one, name) for one in arm.sent]) for name in ("positions", "velocities", "accelerations")]
    result.fastest = max(result.fastest, float(np.abs(rows[1]).max()))
    return _changed(task, period, rows, bench.period)


def _changed(task: Task, period: float, rows: list[Array], cycle: float) -> str:
    """Say what is changed, part by part: a task passes the same poses twice, so each is looked for in its own time."""
    first = int(np.flatnonzero((rows[0] != rows[0][0]).any(axis=1))[0])
    begin = 0.0
    for part in task.parts:
        points = np.array([part.at(period * (k + 1)).position for k in range(round(part.duration / period))])
        low = max(0, first + round(begin / cycle) - _MARGIN)
        high = first + round((begin + part.duration) / cycle) + _MARGIN
        positions, velocities, accelerations = (row[low:high] for row in rows)
        arrival = find(points, period, Output(positions, velocities, accelerations, cycle))
        if not arrival.ok:
            return f"changed: {arrival.missing} of {arrival.checked} set-points missing, {arrival.off_beat} off beat"
        begin += part.duration + _DWELL
    return ""


def _send(arm: Arm, samples: list[Sample], streamed: bool) -> None:
    if not streamed:
        arm.trajectory([_POINT_PERIOD * (k + 1) for k in range(len(samples))], samples)
        return
    begin, sent = arm.now, 0
    while sent < len(samples) and arm.refused is None:
        while sent < len(samples) and sent * STREAM_PERIOD <= (arm.now - begin) * 1e-9:
            arm.stream(samples[sent].position)
            sent += 1
        arm.cycle()
