"""A plate of 5 mm between way-points: at no speed is it crossed.

The arm stands on one side, its goal lies on the other, and the straight way of the joints leads through the plate: as a
stream, and as a trajectory of one point, between which and the start the plate stands. The same streams before a
supervisor that knows no plate are the control: there the judge has to see the arm cross it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.agent.motions import PointToPoint, set_points
from safety_supervisor_sim.lab.arm import STREAM_PERIOD, Arm, Stuck
from safety_supervisor_sim.lab.bench import Bench
from safety_supervisor_sim.lab.pace import Pace
from safety_supervisor_sim.lab.reaching import reach
from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.way import Seen, WayJudge
from safety_supervisor_sim.oracle.world import Array

PLATE: Final = "plate"
PACES: Final = tuple(round(0.05 * k, 2) for k in range(1, 21))
"""Shares of the greatest speed that is allowed."""
_HERE: Final = (np.array([0.42, -0.05, 0.15]), np.array([0.66, 0.14, 0.48]))
"""Corners of where the hand begins, [m], and of where it is to go: the plate is at y = 0.25, 0.6 high."""
_THERE: Final = (np.array([0.42, 0.36, 0.15]), np.array([0.66, 0.42, 0.48]))
_CLEAR: Final = 0.035  # of the cell, at the beginning [m]
_CONTROL: Final = (0.3, 1.0)
_AT_START: Final = 1e-6


@dataclass
class Tunnel:
    """What came of it.

    Attributes:
        motions: sent through the plate.
        moved: those in which the arm moved before it was stopped.
        crossed: those in which it touched anything.
        paces: motions by pace.
        codes: of the first refusal of each motion.
        control: motions before a supervisor without the plate.
        control_crossed: those that the judge saw touch the plate.
        seen: of the judge, controls left out.
    """

    motions: int = 0
    moved: int = 0
    crossed: list[dict[str, Any]] = field(default_factory=list)
    paces: Counter[float] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    control: int = 0
    control_crossed: int = 0
    seen: Seen = field(default_factory=Seen)

    def add(self, other: Tunnel) -> None:
        """Take over another chunk's results."""
        self.motions += other.motions
        self.moved += other.moved
        self.crossed += other.crossed
        self.paces += other.paces
        self.codes += other.codes
        self.control += other.control
        self.control_crossed += other.control_crossed
        self.seen.add(other.seen)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "motions": self.motions,
            "moved": self.moved,
            "violations": len(self.crossed),
            "violation_list": self.crossed[:50],
            "paces": {str(pace): count for pace, count in sorted(self.paces.items())},
            "first_refusals": dict(self.codes.most_common()),
            "nearest_miss": self.seen.nearest_as_dict(),
            "control": self.control,
            "control_crossed": self.control_crossed,
        }


def judge_tunnel(bench: Bench, seed: tuple[int, ...], ways: int) -> Tunnel:
    """Try ways through the plate at every pace.

    Args:
        bench: both sides.
        seed: of the ways.
        ways: pairs of a start and a goal.
    """
    judge, random, result = bench.judge(), np.random.default_rng(seed), Tunnel()
    without = bench.without(PLATE)
    try:
        way, pace = WayJudge(judge), Pace(bench.configuration)
        for _ in range(ways):
            start, goal = _draw(bench, judge, random)
            _try(bench.configuration, start, goal, pace, way, result)
            result.control += len(_CONTROL)
            result.control_crossed += _control(without.configuration, start, goal, pace, judge)
        result.seen = way.seen
    finally:
        judge.close()
    return result


def _draw(bench: Bench, judge: TouchJudge, random: np.random.Generator) -> tuple[Array, Array]:
    """Draw a start on this side and a goal on the other, with the plate on the straight way between them."""
    home = np.array(bench.cell.robot.home)
    while True:
        yaw = float(random.uniform(-1.0, 1.0))
        start = reach(bench, judge, random.uniform(*_HERE), yaw, home)
        if start is None or judge.look(start, _CLEAR).cell.distance < _CLEAR:
            continue
        goal = reach(bench, judge, random.uniform(*_THERE), yaw, start)
        if goal is None or judge.look(goal, _CLEAR).nearest.touches:
            continue
        ways = start + (goal - start) * np.linspace(0.0, 1.0, 80)[:, None]
        # The plate has to be the only thing in the way.
        found = {near.second.split(".")[-1] for pose in ways for near in judge.touched(pose)}
        if found == {PLATE}:
            return start, goal


def _try(configuration: Configuration, start: Array, goal: Array, pace: Pace, way: WayJudge, result: Tunnel) -> None:
    arm = Arm(configuration, start)
    for share in PACES:
        for streamed in (True, False):
            if np.abs(arm.pose - start).max() > _AT_START:
                arm = Arm(configuration, start)
            motion = pace.straight(arm.pose, goal, share)
            arm.begin()
            _send(arm, motion, streamed)
            arm.settle()
            rows = np.array(arm.rows)
            touched = way.follow(rows)
            if touched is not None:
                found = {"pace": share, "streamed": streamed, "pair": touched.near.pair, "pose": list(touched.pose)}
                result.crossed.append({**found, "start": start.tolist(), "goal": goal.tolist()})
            result.motions += 1
            result.paces[share] += 1
            result.moved += bool(np.ptp(rows, axis=0).max() > 1e-6)
            result.codes["none" if arm.refused is None else arm.refused.code] += 1
            _go_back(arm, start, pace)


def _go_back(arm: Arm, start: Array, pace: Pace) -> None:
    motion = pace.straight(arm.pose, start, 0.9)
    if np.abs(arm.pose - start).max() <= _AT_START:
        return
    try:
        arm.arm()
        arm.trajectory([motion.duration], [motion.at(motion.duration)])
        arm.settle()
    except Stuck:
        return  # booted anew at the start


def _send(arm: Arm, motion: PointToPoint, streamed: bool) -> None:
    if not streamed:
        arm.trajectory([motion.duration], [motion.at(motion.duration)])
        return
    rows, begin, sent = set_points(motion, STREAM_PERIOD), arm.now, 0
    while sent < len(rows) and arm.refused is None:
        while sent < len(rows) and sent * STREAM_PERIOD <= (arm.now - begin) * 1e-9:
            arm.stream(rows[sent])
            sent += 1
        arm.cycle()


def _control(configuration: Configuration, start: Array, goal: Array, pace: Pace, judge: TouchJudge) -> int:
    """Count the motions that cross the plate where the supervisor knows none."""
    crossed = 0
    for share in _CONTROL:
        arm = Arm(configuration, start)
        arm.begin()
        _send(arm, pace.straight(start, goal, share), streamed=True)
        arm.settle()
        touched = WayJudge(judge).follow(np.array(arm.rows))
        crossed += touched is not None and touched.near.second.endswith(PLATE)
    return crossed
