"""The loop closed: supervisor, joint_trajectory_controller's double, drives, PyBullet's dynamics, in simulated time.

An agent drives at random at full allowed speed. What is measured is noisy; the drives answer 20 ms later than they
should; set-points of the agent, measurements and messages to the controller are lost now and then. The true motion of
the simulated robot is judged, and by the cell's oracle its joint limits as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from safety_supervisor.core.effects import Actuate, HorizonPoint
from safety_supervisor.core.events import JointStates
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.cell.cell_file import CellFile
from safety_supervisor_sim.cell.controllers import Point, Trajectory
from safety_supervisor_sim.cell.panda_cell import PandaCell
from safety_supervisor_sim.lab.arm import START, Arm, Stuck
from safety_supervisor_sim.lab.bench import Bench
from safety_supervisor_sim.lab.motions import Poses
from safety_supervisor_sim.lab.pace import Pace
from safety_supervisor_sim.lab.wanderer import Wanderer
from safety_supervisor_sim.oracle.way import Seen, WayJudge
from safety_supervisor_sim.oracle.world import Array

EXTRA_DELAY: Final = 0.020
LOST: Final = 0.02
"""Share of measurements, and of messages to the controller, that are lost."""
LOST_SET_POINTS: Final = 0.005
"""Share of the agent's set-points; where one is missing, the next is a leap, which is refused."""
_BEHIND: Final = 1_000_000_000  # after its end a trajectory goes on resting so long [ns]
_JUDGED: Final = 500  # true states at a time
_STREAM_CYCLES: Final = (2, 3)  # 100 Hz in cycles of 4 ms
_REST: Final = 25  # cycles at rest before it goes on after a refusal


@dataclass
class ClosedLoop:
    """What came of it.

    Attributes:
        seconds: simulated.
        travelled: of all joints, [rad].
        fastest: greatest true speed of each joint, shape (n,), [rad/s].
        refusals: by code.
        resets: acts of a person that became necessary.
        lost: messages by kind.
        seen: of the judge.
        violations: where something was touched.
        limits: breaches that the cell's oracle saw, by kind.
    """

    seconds: float = 0.0
    travelled: float = 0.0
    fastest: list[float] = field(default_factory=lambda: [0.0] * 7)
    refusals: Counter[str] = field(default_factory=Counter)
    resets: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    seen: Seen = field(default_factory=Seen)
    violations: list[dict[str, Any]] = field(default_factory=list)
    limits: Counter[str] = field(default_factory=Counter)

    def add(self, other: ClosedLoop) -> None:
        """Take over another chunk's results."""
        self.seconds += other.seconds
        self.travelled += other.travelled
        self.fastest = [max(pair) for pair in zip(self.fastest, other.fastest, strict=True)]
        self.refusals += other.refusals
        self.resets += other.resets
        self.lost += other.lost
        self.seen.add(other.seen)
        self.violations += other.violations
        self.limits += other.limits

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "seconds": self.seconds,
            "travelled": self.travelled,
            "fastest": self.fastest,
            "refusals": dict(self.refusals.most_common()),
            "resets": self.resets,
            "lost": dict(self.lost),
            "states": self.seen.set_points,
            "asked": self.seen.asked,
            "nearest_miss": self.seen.nearest_as_dict(),
            "violations": len(self.violations) + sum(self.limits.values()),
            "violation_list": self.violations[:50],
            "limits_passed": dict(self.limits),
        }


class _LoopedArm(Arm):
    """An arm whose measurements come from the simulated robot, and whose set-points go to its controller."""

    def __init__(
        self, configuration: Configuration, cell: PandaCell, random: np.random.Generator, lost: Counter[str]
    ) -> None:
        self._cell = cell
        self._random = random
        self._lost = lost
        self._steps = round(configuration.timing.period / cell.period_ns)
        self.true: list[Array] = [cell.position]
        super().__init__(configuration, cell.position)

    def cycle(self) -> None:
        """Run physics for one period, measure, decide, send."""
        self._cell.step(self._steps)
        self.now = self._cell.now_ns
        self.true.append(self._cell.position)
        measured = self._cell.measure()
        if not self._drops("measurements"):
            states = JointStates(
                self.now,
                measured.names,
                tuple(measured.positions.tolist()),
                tuple(measured.velocities.tolist()),
                self.now,
                self.now,
            )
            self.handle(states)
        before = len(self.sent)
        self.tick()
        if len(self.sent) > before and not self._drops("set-points to the controller"):
            refused = self._cell.send_trajectory(message(self.sent[-1], self._cell.joints, self.period))
            if refused is not None:
                self._lost[f"refused by the controller: {refused.reason}"] += 1

    def _drops(self, kind: str) -> bool:
        lost = bool(self._random.random() < LOST)
        self._lost[kind] += lost
        return lost


def message(actuate: Actuate, joints: tuple[str, ...], period: int) -> Trajectory:
    """Return the message of `output.type: joint_trajectory_horizon`, see ros/outputs.py."""
    step = HorizonPoint(0, actuate.positions, actuate.velocities, actuate.accelerations)
    points = [] if actuate.before is None else [(0, actuate.before)]
    points.append((period, step))
    points += [(period + point.time, point) for point in actuate.horizon if point.time > 0]
    points.append((points[-1][0] + _BEHIND, points[-1][1]))
    made = tuple(
        Point(time, np.array(point.positions), np.array(point.velocities), np.array(point.accelerations))
        for time, point in points
    )
    return Trajectory(joints, made, actuate.scheduled)


def slower(cell: CellFile) -> CellFile:
    """Return the cell with drives that answer later."""
    drive = cell.drive.model_copy(update={"delay": cell.drive.delay + EXTRA_DELAY})
    return cell.model_copy(update={"drive": drive})


def judge_closed_loop(
    bench: Bench, seed: tuple[int, ...], seconds: float, progress: Callable[[float], None] | None = None
) -> ClosedLoop:
    """Drive at random and judge the true motion.

    Args:
        bench: both sides.
        seed: of everything that is drawn.
        seconds: simulated time.
        progress: told the seconds that have passed.
    """
    random, result, judge = np.random.default_rng(seed), ClosedLoop(), bench.judge()
    way = WayJudge(judge)
    poses = Poses.draw(bench, judge, random)
    noise = int(random.integers(2**31))
    cell = PandaCell(slower(bench.cell), "joint_trajectory_controller", seed=noise, start_ns=START)
    try:
        arm = _LoopedArm(bench.configuration, cell, random, result.lost)
        wanderer = Wanderer(Pace(bench.configuration), poses, random)
        while result.seconds < seconds:
            try:
                _drive(arm, wanderer, random, result)
                if not arm.supervisor.state.startswith("AUTO"):
                    arm.settle()
                    result.resets += 1
                    arm.arm()
            except Stuck as stuck:
                result.violations.append({"stuck": str(stuck), "at": result.seconds})
                return result
            _judge(arm, way, result)
            if progress is not None:
                progress(result.seconds)
        _read_oracle(cell, result)
        result.seen = way.seen
    finally:
        cell.close()
        judge.close()
    return result


def _drive(arm: _LoopedArm, wanderer: Wanderer, random: np.random.Generator, result: ClosedLoop) -> None:
    """Drive until something is refused, or for a while; then let it come to rest."""
    wanderer.begin(arm.pose)
    due = 0
    for cycle in range(_JUDGED):
        if cycle == due:
            due += _STREAM_CYCLES[int(random.integers(2))]
            set_point = wanderer.next()
            if random.random() >= LOST_SET_POINTS:
                arm.stream(set_point)
            else:
                result.lost["set-points of the agent"] += 1
        if arm.refused is not None:
            break
        arm.cycle()
    for _ in range(_REST):
        arm.cycle()
    arm.settle()


def _judge(arm: _LoopedArm, way: WayJudge, result: ClosedLoop) -> None:
    rows = np.array(arm.true)
    result.seconds += (len(rows) - 1) * arm.period * 1e-9
    result.travelled += float(np.abs(np.diff(rows, axis=0)).sum())
    speed = (np.abs(np.diff(rows, axis=0)).max(axis=0) / (arm.period * 1e-9)).tolist()
    result.fastest = [max(pair) for pair in zip(result.fastest, speed, strict=True)]
    result.refusals.update(one.code for one in arm.decisions if one.verdict in ("REJECT", "STOP"))
    touched = way.follow(rows)
    if touched is not None:
        near = touched.near
        found = {"pair": near.pair, "distance": near.distance, "pose": list(touched.pose), "at": result.seconds}
        result.violations.append(found)
    arm.true = arm.true[-1:]
    arm.begin()


def _read_oracle(cell: PandaCell, result: ClosedLoop) -> None:
    """Take over what the cell's oracle saw of joints; its zones are another cell's."""
    for breach in cell.report()["violations"]:
        if breach["kind"] in ("not_finite", "position", "velocity", "link_speed"):
            result.limits[breach["kind"]] += 1
