"""Random motions of a robot on its feet through the real supervisor: nothing that passes may touch or tip.

All joints, on both feet or on one, at full allowed pace, by streams and trajectories that touch, tip or run free; each
set-point that comes out and one kept stop a motion are judged. What was refused although the motion, as it was asked
for, neither touches nor tips is the price.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from safety_supervisor_sim.agent.motions import Motion, PointToPoint
from safety_supervisor_sim.lab.arm import SOURCE, STREAM_PERIOD, Stuck
from safety_supervisor_sim.lab.footed import FootedArm
from safety_supervisor_sim.lab.motions import PER_BOOT, Driver, Motions, Poses, judge_motion
from safety_supervisor_sim.lab.pace import Pace
from safety_supervisor_sim.lab.stances import FootedBench
from safety_supervisor_sim.lab.standing_states import Product
from safety_supervisor_sim.oracle.tipping import TipJudge
from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.way import WayJudge
from safety_supervisor_sim.oracle.world import Array

PRICED: Final = ("stream", "trajectory")
"""Kinds of motion that an agent asks for from rest to rest: of the others the end is a stop anyway."""
_POOL: Final = 16
_TRIES: Final = 600  # draws for a pool
_SHARE: Final = 0.4
"""Of how far the base goes in poses: between two of them the feet come out of their places a little."""
_NEAR: Final = 0.008  # of a mesh, [m]
_EDGE: Final = 0.03  # of the soles' edge, [m]


@dataclass
class StandingMotions(Motions):
    """What came of random motions.

    Attributes:
        stances: how many on which feet.
        least_inside: smallest distance of any point from the edge of the soles, [m].
        priced: motions of the kinds `PRICED` that, as asked for, neither touch nor tip.
        price: those of them that were refused, by the first code.
    """

    stances: Counter[str] = field(default_factory=Counter)
    least_inside: float = np.inf
    priced: int = 0
    price: Counter[str] = field(default_factory=Counter)

    def add(self, other: Motions) -> None:
        """Take over another chunk's results."""
        super().add(other)
        assert isinstance(other, StandingMotions)
        self.stances += other.stances
        self.least_inside = min(self.least_inside, other.least_inside)
        self.priced += other.priced
        self.price += other.price

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            **super().as_dict(),
            "stances": dict(self.stances.most_common()),
            "least_inside": None if np.isinf(self.least_inside) else self.least_inside,
            "safe": self.priced,
            "safe_refused": self.price.total(),
            "price": dict(self.price.most_common()),
        }


class FootedDriver(Driver):
    """Plays one motion, and remembers what was asked for.

    Attributes:
        wished: rows every `STREAM_PERIOD`, shape (m, n), [rad], the start first.
    """

    wished: Array

    def play(self) -> str:
        """Play one motion to its end at rest; return its kind."""
        self.wished = self._arm.pose[None]
        return super().play()

    def set_points(self, motion: Motion) -> Array:
        """Return the rows of a stream; an even number, so that the slower agent sends the last one, too."""
        rows = super().set_points(motion)
        rows = rows if len(rows) % 2 == 0 else np.concatenate([rows, rows[-1:]])
        self.wished = np.concatenate([self.wished[:1], rows])
        return rows

    def _send(self, motion: PointToPoint, most: int = 12) -> None:
        """Send a trajectory of the joints of the agent that may; the others stay."""
        own = self._arm.shares[SOURCE]
        goal = motion.start.copy()
        goal[own] = motion.goal[own]
        motion = PointToPoint(motion.start, goal, motion.duration)
        self.wished = np.concatenate([self.wished[:1], super().set_points(motion)])
        super()._send(motion, most)


def judge_standing_motions(bench: FootedBench, seed: tuple[int, ...], count: int) -> StandingMotions:
    """Play and judge random motions.

    Args:
        bench: both sides.
        seed: of everything that is drawn.
        count: how many motions.

    Raises:
        Stuck: no pose that was drawn is one to start from.
    """
    touch, tip = bench.judge(), bench.tip_judge()
    try:
        return _Laboratory(bench, touch, tip, np.random.default_rng(seed)).run(count, list(seed))
    finally:
        touch.close()
        tip.close()


class _Laboratory:
    """The product and both judges side by side."""

    def __init__(self, bench: FootedBench, touch: TouchJudge, tip: TipJudge, random: np.random.Generator) -> None:
        self._bench, self._touch, self._tip, self._random = bench, touch, tip, random
        self._product = Product(bench)
        self._pace = Pace(bench.configuration)
        timing = bench.configuration.timing
        self._pause = 2 * timing.standstill_window // timing.period
        self._way, self._asked = WayJudge(touch), WayJudge(touch)
        self._result = StandingMotions()
        self._poses: dict[tuple[str, ...], tuple[Poses, list[Array]]] = {}
        self._nowhere: set[tuple[str, ...]] = set()

    def run(self, count: int, seed: list[int]) -> StandingMotions:
        both = tuple(self._bench.feet)
        kinds, result = [both, both[:1], both, both[1:]], self._result
        boot = int(self._random.integers(len(kinds)))
        while result.count < count:
            bearing = kinds[boot % len(kinds)]
            boot += 1
            if bearing not in self._nowhere:
                self._boot(bearing, min(PER_BOOT, count - result.count))
            elif self._nowhere >= set(kinds):
                raise Stuck("nowhere is a place to start from")
        result.seen = self._way.seen
        for found in result.violations:
            found["seed"] = seed
        return result

    def _boot(self, bearing: tuple[str, ...], count: int) -> None:
        result = self._result
        try:
            poses, starts = self._poses.get(bearing) or self._draw(bearing)
        except Stuck as error:
            result.stuck[str(error)] += 1
            self._nowhere.add(bearing)
            return
        try:
            arm = FootedArm(self._bench, starts[self._random.integers(len(starts))], bearing)
        except Stuck:
            result.stuck["no place to start from"] += 1
            return
        driver = FootedDriver(arm, self._pace, poses, self._touch, self._random)
        for _ in range(count):
            arm.run(self._pause)  # where it rests is where its feet stand, for judge and supervisor
            arm.begin()
            kind = "none"
            try:
                kind = driver.play()
            except Stuck as error:
                result.stuck[str(error)] += 1
            result.stances[" and ".join(bearing)] += 1
            self._judge(arm, driver, kind)
            try:
                arm.arm()
            except Stuck as error:
                result.stuck[str(error)] += 1
                return

    def _judge(self, arm: FootedArm, driver: FootedDriver, kind: str) -> None:
        result, before = self._result, len(self._result.violations)
        ways = judge_motion(arm, kind, self._way, result, self._random)
        for rows, times in ways:
            tip = self._tip.follow(rows, times, arm.bearing)
            result.least_inside = min(result.least_inside, tip.inside)
            if tip.tips:
                found = {"kind": kind, "tips": tip.inside, "point": tip.point, "slid": tip.slid}
                result.violations.append({**found, "bearing": arm.bearing, "pose": rows[tip.row].tolist()})
        if kind not in PRICED or len(result.violations) > before:
            return
        refused = arm.refused
        if refused is None:
            result.priced += 1
            return
        steps: Array = np.arange(len(driver.wished), dtype=np.float64) * STREAM_PERIOD
        if self._asked.follow(driver.wished) is None and not self._tip.follow(driver.wished, steps, arm.bearing).tips:
            result.priced += 1
            result.price[refused.code] += 1

    def _draw(self, bearing: tuple[str, ...]) -> tuple[Poses, list[Array]]:
        """Draw poses: that touch or tip, that nearly do, that are clear; and places to start from."""
        poses, starts, stances = Poses([], [], []), list[Array](), self._bench.stances
        for _ in range(_TRIES):
            if min(len(poses.touching), len(poses.near), len(poses.clear), 4 * len(starts)) >= _POOL:
                break
            pose = stances.pose(stances.draw(self._random, _SHARE), bearing)
            if pose is None:
                continue
            near, tip = self._touch.look(pose, _NEAR).own, self._tip.stands(pose, bearing)
            if near.touches or tip.tips:
                kind = poses.touching
            else:
                kind = poses.near if near.distance < _NEAR or tip.inside < _EDGE else poses.clear
            if len(kind) < 3 * _POOL:
                kind.append(pose)
            clear = kind is not poses.touching and len(starts) < _POOL
            if clear and not self._product.refused(stances.stand(pose, bearing)):
                starts.append(pose)
        if not starts:
            raise Stuck(f"of {_TRIES} poses on {' and '.join(bearing)} none is a place to start from")
        drawn = Poses(poses.touching or starts, poses.near or starts, poses.clear or starts), starts
        self._poses[bearing] = drawn
        return drawn
