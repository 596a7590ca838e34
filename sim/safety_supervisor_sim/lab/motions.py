"""Random motions through the real supervisor: at, along and between obstacles, as fast as is allowed, with stops.

Every set-point that comes out, to the end of the stop, and one kept stop a motion as a controller would play it if the
supervisor died, are judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from safety_supervisor_sim.agent.motions import Cruise, Motion, PointToPoint, set_points
from safety_supervisor_sim.lab.arm import STREAM_PERIOD, Arm, Stuck
from safety_supervisor_sim.lab.bench import Bench
from safety_supervisor_sim.lab.kept_stop import kept_stop
from safety_supervisor_sim.lab.pace import Pace
from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.way import Seen, WayJudge
from safety_supervisor_sim.oracle.world import Array

PER_BOOT: Final = 25
"""Motions in one boot, each from where the one before ended; then the arm is placed elsewhere."""
_POOL: Final = 60
_NEAR: Final = 0.04
_TRIES: Final = 6
_POINTS: Final = 12  # of a trajectory
_STUBBORN: Final = 5  # set-points that some agents send after a refusal
_LONGEST: Final = 1.2  # of a stream at something, [s]


@dataclass
class Motions:
    """What came of random motions.

    Attributes:
        count: all of them.
        kinds: how many of each kind.
        moved: those in which the arm moved.
        refused: those in which a command was refused or stopped.
        codes: of refusals; those of geometry with rule and links.
        stuck: boots that ended before their motions did, by why.
        kept_stops: judged besides.
        seen: of the judge.
        violations: where something was touched: kind, pair, distance, pose, seed.
    """

    count: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    moved: int = 0
    refused: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    stuck: Counter[str] = field(default_factory=Counter)
    kept_stops: int = 0
    seen: Seen = field(default_factory=Seen)
    violations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: Motions) -> None:
        """Take over another chunk's results."""
        self.count += other.count
        self.kinds += other.kinds
        self.moved += other.moved
        self.refused += other.refused
        self.codes += other.codes
        self.stuck += other.stuck
        self.kept_stops += other.kept_stops
        self.seen.add(other.seen)
        self.violations += other.violations

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        by_code: Counter[str] = Counter()
        for cause, count in self.codes.items():
            by_code[cause.split(" ")[0]] += count
        return {
            "motions": self.count,
            "kinds": dict(self.kinds.most_common()),
            "moved": self.moved,
            "refused": self.refused,
            "set_points": self.seen.set_points,
            "asked": self.seen.asked,
            "kept_stops": self.kept_stops,
            "violations": len(self.violations),
            "violation_list": self.violations[:50],
            "nearest_miss": self.seen.nearest_as_dict(),
            "refusals_by_code": dict(by_code.most_common()),
            "refusals_by_cause": dict(self.codes.most_common()),
            "stuck": dict(self.stuck),
        }


@dataclass(frozen=True)
class Poses:
    """Poses by what they are near, each shape (n,), [rad]."""

    touching: list[Array]
    near: list[Array]
    clear: list[Array]

    @classmethod
    def draw(cls, bench: Bench, judge: TouchJudge, random: np.random.Generator) -> Poses:
        """Draw poses until there are enough of each kind; those that touch themselves count as touching, too."""
        poses = cls([], [], [])
        while min(map(len, (poses.touching, poses.near, poses.clear))) < _POOL:
            pose = bench.random_pose(random)
            near = judge.nearest(pose, _NEAR)
            if near.touches:
                kind = poses.touching
            else:
                # Links 5 and 7 are always near each other: what counts is the cell.
                away = min(judge.between(near.first, name) for name in judge.obstacles) if near.first else _NEAR
                kind = poses.near if near.distance < 0.012 or away < _NEAR else poses.clear
            if len(kind) < 3 * _POOL:
                kind.append(pose)
        return poses

    def pick(self, random: np.random.Generator, touching: float) -> Array:
        """Pick one: a share that touches something; of the others half are near something."""
        free = self.near if random.random() < 0.5 else self.clear
        kind = self.touching if random.random() < touching else free
        return kind[random.integers(len(kind))]


class Driver:
    """Plays one motion on an arm; each method is a kind of motion."""

    def __init__(self, arm: Arm, pace: Pace, poses: Poses, judge: TouchJudge, random: np.random.Generator) -> None:
        """Drive an arm at random."""
        self._arm = arm
        self._judge = judge
        self._pace = pace
        self._poses = poses
        self._random = random
        self.kinds: dict[str, Callable[[], None]] = {
            "at": self._at,
            "stream": self._stream_to,
            "silence": self._silence,
            "trajectory": self._trajectory,
            "cancel": self._cancel,
            "stop": self._stop,
            "preempt": self._preempt,
        }

    def play(self) -> str:
        """Play one motion to its end at rest; return its kind."""
        kind = list(self.kinds)[self._random.integers(len(self.kinds))]
        self.kinds[kind]()
        self._arm.settle()
        return kind

    def set_points(self, motion: Motion) -> Array:
        """Return what an agent streams of a motion, one row every `STREAM_PERIOD`, shape (m, n), [rad]."""
        return set_points(motion, STREAM_PERIOD)

    def _some_pace(self) -> float:
        """Full speed three times of four."""
        return 1.0 if self._random.random() < 0.75 else float(self._random.uniform(0.3, 1.0))

    def _straight(self, touching: float) -> PointToPoint:
        return self._pace.straight(self._arm.pose, self._poses.pick(self._random, touching), self._some_pace())

    def _passage(self) -> PointToPoint:
        """A motion that will mostly be accepted whole, since its way looks free."""
        start = self._arm.pose
        for _ in range(_TRIES):
            goal = self._poses.pick(self._random, 0.0)
            ways = start + (goal - start) * np.linspace(0.1, 1.0, 10)[:, None]
            if not any(self._judge.nearest(pose, _NEAR).touches for pose in ways):
                return self._pace.straight(start, goal, self._some_pace())
        return self._straight(0.2)

    def _feed(self, motion: Motion, until: float) -> None:
        """Stream a motion until a time of it, [s], or a refusal; some agents do not hear the refusal at once."""
        arm, stubborn = self._arm, self._random.integers(_STUBBORN + 1)
        begin, sent = arm.now, 0
        rows = self.set_points(motion)
        while sent < len(rows) and sent * STREAM_PERIOD <= until:
            while sent < len(rows) and sent * STREAM_PERIOD <= (arm.now - begin) * 1e-9:
                arm.stream(rows[sent])
                sent += 1
                if arm.refused is not None:
                    stubborn -= 1
                    if stubborn < 0:
                        return
            arm.cycle()

    def _at(self) -> None:
        """Straight at a pose and on through it."""
        arm = self._arm
        way = self._poses.pick(self._random, 0.8) - arm.pose
        velocity = self._pace.cruise(arm.pose, way / max(float(np.linalg.norm(way)), 1e-9), self._some_pace())
        self._feed(Cruise(arm.pose, velocity, self._pace.ramp(velocity), _LONGEST), _LONGEST)

    def _stream_to(self) -> None:
        self._feed(self._straight(0.6), np.inf)

    def _silence(self) -> None:
        """Fall silent on the way."""
        motion = self._straight(0.6)
        self._feed(motion, float(self._random.uniform(0.2, 0.9)) * motion.duration)

    def _send(self, motion: PointToPoint, most: int = _POINTS) -> None:
        count = int(self._random.integers(1, most + 1))
        times = [motion.duration * (k + 1) / count for k in range(count)]
        self._arm.trajectory(times, [motion.at(time) for time in times])

    def _trajectory(self) -> None:
        self._send(self._passage() if self._random.random() < 0.7 else self._straight(0.2))

    def _part_way(self) -> None:
        """Send a trajectory and run into the middle of it."""
        motion = self._passage()
        self._send(motion)
        for _ in range(round(float(self._random.uniform(0.2, 0.8)) * motion.duration * 250.0) + 10):
            if not self._arm.moving:
                return
            self._arm.cycle()

    def _cancel(self) -> None:
        self._part_way()
        self._arm.trajectory([], [])

    def _stop(self) -> None:
        self._part_way()
        self._arm.request_stop()

    def _preempt(self) -> None:
        """Another trajectory takes over in mid-motion, from where the first will be."""
        self._part_way()
        self._send(self._pace.straight(self._arm.pose, self._poses.pick(self._random, 0.1), 0.6), most=1)


def judge_motions(bench: Bench, seed: tuple[int, ...], count: int) -> Motions:
    """Play and judge random motions.

    Args:
        bench: both sides.
        seed: of everything that is drawn.
        count: how many motions.
    """
    judge, random, result = bench.judge(), np.random.default_rng(seed), Motions()
    try:
        way, pace = WayJudge(judge), Pace(bench.configuration)
        poses = Poses.draw(bench, judge, random)
        while result.count < count:
            arm = _boot(bench, poses, random, result)
            if arm is not None:
                _play(
                    arm,
                    Driver(arm, pace, poses, judge, random),
                    way,
                    result,
                    min(PER_BOOT, count - result.count),
                    random,
                )
        result.seen = way.seen
    finally:
        judge.close()
    for found in result.violations:
        found["seed"] = list(seed)
    return result


def _boot(bench: Bench, poses: Poses, random: np.random.Generator, result: Motions) -> Arm | None:
    start = poses.clear[random.integers(len(poses.clear))]
    try:
        return Arm(bench.configuration, start)
    except Stuck:
        # Clear of all, yet nearer than the margins: no place to start from.
        result.stuck["no place to start from"] += 1
        return None


def _play(arm: Arm, driver: Driver, way: WayJudge, result: Motions, count: int, random: np.random.Generator) -> None:
    for _ in range(count):
        arm.begin()
        kind = "none"
        try:
            kind = driver.play()
        except Stuck as error:
            result.stuck[str(error)] += 1
        judge_motion(arm, kind, way, result, random)
        try:
            arm.arm()
        except Stuck as error:
            result.stuck[str(error)] += 1
            return


def judge_motion(
    arm: Arm, kind: str, way: WayJudge, result: Motions, random: np.random.Generator
) -> list[tuple[Array, Array]]:
    """Judge what came out of a motion, and one kept stop of it; note everything in `result`.

    Returns:
        What was judged: rows, shape (m, n), [rad], and their times, shape (m,), [s]; the kept stop, if any, behind.
    """
    rows = np.array(arm.rows)
    times: Array = np.arange(len(rows), dtype=np.float64) * (arm.period * 1e-9)
    ways = [(rows, times)]
    result.count += 1
    result.kinds[kind] += 1
    result.moved += bool(np.ptp(rows, axis=0).max() > 1e-6)
    refused = [one for one in arm.decisions if one.verdict in ("REJECT", "STOP")]
    result.refused += bool(refused)
    result.codes.update(
        f"{one.code} {one.rule} {one.joint}".strip() if one.rule.startswith(("geometry", "zones")) else one.code
        for one in refused
    )
    moving = [one for one in arm.sent if one.horizon]
    if moving:
        result.kept_stops += 1
        after, stop = kept_stop(moving[random.integers(len(moving))])
        ways.append((stop, np.array(after) * 1e-9))
    for one, _ in ways:
        touched = way.follow(one)
        if touched is not None:
            pose, near = list(touched.pose), touched.near
            result.violations.append({"kind": kind, "pair": near.pair, "distance": near.distance, "pose": pose})
    return ways
