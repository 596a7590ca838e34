"""Random joint states: what the supervisor's scene passes must touch nothing; what it refuses is the price.

Random states are rarely near anything that they do not touch. So of each `EDGE_EVERY` one is followed along the straight
way from the last state that was passed to the next that was refused, to the last pose that passes: the edge, where what
is wrong by a millimetre shows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from safety_supervisor.core.checks.clearance import RESERVE
from safety_supervisor.core.robot import RobotModel
from safety_supervisor.core.scene import Scene
from safety_supervisor.core.settings import ZoneKind
from safety_supervisor_sim.lab.bench import Bench
from safety_supervisor_sim.oracle.touch import Array, Near, TouchJudge
from safety_supervisor_sim.oracle.way import SIGHT, Seen

EDGE_EVERY: Final = 5
_HALVINGS: Final = 20


@dataclass
class Refused:
    """States that one pair refused although nothing touches: how many, and how far apart its meshes really were."""

    count: int = 0
    total: float = 0.0
    farthest: float = 0.0

    def add(self, other: Refused) -> None:
        """Take over what another one counted."""
        self.count += other.count
        self.total += other.total
        self.farthest = max(self.farthest, other.farthest)


@dataclass
class States:
    """What came of random states.

    Attributes:
        count: all of them.
        passed: those that the scene passes.
        edges: poses at the edge of what passes.
        touching: random states that touch something by the judge.
        violations: passed and touching, edges among them: pair, distance, pose.
        seen: smallest distances in those that passed.
        price: refused and touching nothing, by the pair that refused.
        apart: pairs that the configuration leaves out and that touch in a passed state.
        caught: states that touch and were refused, by the pair that touches.
    """

    count: int = 0
    passed: int = 0
    edges: int = 0
    touching: int = 0
    violations: list[dict[str, Any]] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    price: dict[str, Refused] = field(default_factory=dict)
    apart: Counter[str] = field(default_factory=Counter)
    caught: Counter[str] = field(default_factory=Counter)

    def add(self, other: States) -> None:
        """Take over another chunk's results."""
        self.count += other.count
        self.passed += other.passed
        self.edges += other.edges
        self.touching += other.touching
        self.violations += other.violations
        self.seen.add(other.seen)
        self.apart += other.apart
        self.caught += other.caught
        for pair, refused in other.price.items():
            self.price.setdefault(pair, Refused()).add(refused)

    @property
    def safe_refused(self) -> int:
        """States that touch nothing and were refused."""
        return sum(one.count for one in self.price.values())

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        price = sorted(self.price.items(), key=lambda item: -item[1].count)
        return {
            "states": self.count,
            "passed": self.passed,
            "edges": self.edges,
            "touching": self.touching,
            "violations": len(self.violations),
            "violation_list": self.violations[:50],
            "nearest_miss": self.seen.nearest_as_dict(),
            "safe": self.count - self.touching,
            "safe_refused": self.safe_refused,
            "price": {
                pair: {"refused": one.count, "mean_distance": one.total / one.count, "farthest": one.farthest}
                for pair, one in price
            },
            "caught": dict(self.caught.most_common()),
            "left_out_touching": dict(self.apart.most_common()),
        }


def judge_states(bench: Bench, seed: tuple[int, ...], count: int) -> States:
    """Judge random states inside the position limits, and edges between them.

    Args:
        bench: both sides.
        seed: of the poses.
        count: how many.
    """
    judge = bench.judge()
    try:
        return _Laboratory(bench, judge).run(np.random.default_rng(seed), count)
    finally:
        judge.close()


class _Laboratory:
    """Scene and judge side by side."""

    def __init__(self, bench: Bench, judge: TouchJudge) -> None:
        configuration = bench.configuration
        model = RobotModel(configuration.robot, configuration.geometry.volumes)
        zones = tuple(zone for zone in configuration.zones if zone.kind is not ZoneKind.SPEED)
        self._scene = Scene(model, configuration.geometry, zones, configuration.tracking.path_error)
        self._bench = bench
        self._judge = judge
        self._result = States()

    def run(self, random: np.random.Generator, count: int) -> States:
        passed: Array | None = None
        for number in range(count):
            pose = self._bench.random_pose(random)
            if self._judge_pose(pose):
                passed = pose
            elif passed is not None and number % EDGE_EVERY == 0:
                self._result.edges += 1
                self._judge_passed(self._edge(passed, pose))
        self._result.count += count
        return self._result

    def _room(self, pose: Array) -> Array:
        """What the supervisor asks of a pose, see core/checks/clearance.py: not negative where it passes."""
        return self._scene.distances(pose) - self._scene.margins - RESERVE

    def _judge_pose(self, pose: Array) -> bool:
        """Judge a random state; return whether it passes."""
        room, result = self._room(pose), self._result
        if (room >= 0.0).all():
            result.passed += 1
            result.touching += self._judge_passed(pose).touches
            return True
        near = self._judge.nearest(pose, SIGHT)
        result.touching += near.touches
        if near.touches:
            result.caught[near.pair] += 1
        else:
            pair = self._scene.pairs[int(room.argmin())]
            self._charge(pair.rule, pair.links)
        return False

    def _judge_passed(self, pose: Array) -> Near:
        look, result = self._judge.look(pose, SIGHT), self._result
        near = look.nearest
        result.seen.note(look)
        if near.touches:
            result.violations.append({"pair": near.pair, "distance": near.distance, "pose": pose.tolist()})
        result.apart.update(one.pair for one in self._judge.touched_apart(pose))
        return near

    def _edge(self, passed: Array, refused: Array) -> Array:
        """Return a passing pose between two that has a refused one right behind it."""
        for _ in range(_HALVINGS):
            middle = (passed + refused) / 2
            if (self._room(middle) >= 0.0).all():
                passed = middle
            else:
                refused = middle
        return passed

    def _charge(self, rule: str, links: tuple[str, ...]) -> None:
        """Count a refusal by a pair, with the distance of its meshes where the judge was asked last."""
        if len(links) == 2:
            distance = self._judge.between(*links)
        else:
            zone = rule.removeprefix("zones.")
            names = [name for name in self._judge.obstacles if name.split(".")[0] == zone]
            distance = min(self._judge.between(links[0], name) for name in names)
        cause = f"{rule}: {' and '.join(links)}"
        self._result.price.setdefault(cause, Refused()).add(Refused(1, distance, distance))
