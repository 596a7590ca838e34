"""Random joint states: what the supervisor's scene passes must touch nothing; what it refuses is the price.

Random states are rarely near anything that they do not touch. So of each `EDGE_EVERY` one is followed along the
straight way from the last state that was passed to the next that was refused, to the last pose that passes: the edge,
where what is wrong by a millimetre shows. And in every state, the supervisor's bodies of the pair that the judge finds
nearest may not be farther apart than its meshes are: that would be a mesh that its volumes do not hold. The judge knows
hulls of meshes: where several volumes leave a hollow that the hull fills, that says nothing, see `Stand.hollow`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from safety_supervisor.core.geometry.scene import RESERVE
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.verifier import Verifier
from safety_supervisor_sim.oracle.touch import Look, TouchJudge
from safety_supervisor_sim.oracle.way import SIGHT, Seen
from safety_supervisor_sim.oracle.world import Array

EDGE_EVERY: Final = 5
_HALVINGS: Final = 20

OVERSTATED: Final = 2e-4
"""By so much more than the judge's a distance may be: what both engines are wrong by, [m]."""


class Stand(Protocol):
    """A robot of any kind, its configuration and its judge."""

    @property
    def configuration(self) -> Configuration:
        """What the supervisor is given."""

    @property
    def hollow(self) -> frozenset[str]:
        """Links of which the judge's hulls may fill what the volumes leave out: their distances are not compared."""

    def judge(self) -> TouchJudge:
        """Return a judge with a world of its own."""

    def random_pose(self, random: np.random.Generator) -> Array:
        """Draw a pose inside the position limits, shape (n,), [rad]."""


@dataclass
class Refused:
    """States that one pair refused although nothing touches: how many, and how far apart its meshes really were.

    `measured` are those of `count` in which the pair has meshes; a link without a shape is a point to the supervisor.
    """

    count: int = 0
    measured: int = 0
    total: float = 0.0
    farthest: float = 0.0

    def add(self, other: Refused) -> None:
        """Take over what another one counted."""
        self.count += other.count
        self.measured += other.measured
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
        compared: distances of the nearest meshes, compared with those of the bodies around them.
        overstated: bodies that are farther apart than their meshes: pair, both distances, pose.
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
    compared: int = 0
    overstated: list[dict[str, Any]] = field(default_factory=list)
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
        self.compared += other.compared
        self.overstated += other.overstated
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
            "violations": len(self.violations) + len(self.overstated),
            "violation_list": self.violations[:50],
            "compared": self.compared,
            "overstated": len(self.overstated),
            "overstated_list": self.overstated[:50],
            "nearest_miss": self.seen.nearest_as_dict(),
            "safe": self.count - self.touching,
            "safe_refused": self.safe_refused,
            "price": {
                pair: {
                    "refused": one.count,
                    "mean_distance": one.total / one.measured if one.measured else None,
                    "farthest": one.farthest if one.measured else None,
                }
                for pair, one in price
            },
            "caught": dict(self.caught.most_common()),
            "left_out_touching": dict(self.apart.most_common()),
        }


def judge_states(bench: Stand, seed: tuple[int, ...], count: int) -> States:
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

    def __init__(self, bench: Stand, judge: TouchJudge) -> None:
        self._scene = Verifier(bench.configuration).scene
        self._bench = bench
        self._judge = judge
        self._result = States()
        self._numbers: dict[tuple[str, frozenset[str]], list[int]] = {}
        for number, pair in enumerate(self._scene.pairs):
            self._numbers.setdefault((pair.rule, frozenset(pair.links)), []).append(number)

    def run(self, random: np.random.Generator, count: int) -> States:
        passed: Array | None = None
        for number in range(count):
            pose = self._bench.random_pose(random)
            if self._judge_pose(pose):
                passed = pose
            elif passed is not None and number % EDGE_EVERY == 0:
                self._result.edges += 1
                edge = self._edge(passed, pose)
                self._judge_passed(edge, self._judge.look(edge, SIGHT))
        self._result.count += count
        return self._result

    def _judge_pose(self, pose: Array) -> bool:
        """Judge a random state; return whether it passes."""
        distances, look, result = self._scene.distances(pose), self._judge.look(pose, SIGHT), self._result
        self._compare(pose, distances, look)
        near = look.nearest
        result.touching += near.touches
        room = self._room(distances)
        if (room >= 0.0).all():
            result.passed += 1
            self._judge_passed(pose, look)
            return True
        if near.touches:
            result.caught[near.pair] += 1
        else:
            pair = self._scene.pairs[int(room.argmin())]
            self._charge(pair.rule, pair.links)
        return False

    def _room(self, distances: Array) -> Array:
        """What the supervisor asks of a pose, see core/checks/clearance.py: not negative where it passes."""
        return distances - self._scene.margins - RESERVE

    def _judge_passed(self, pose: Array, look: Look) -> None:
        near, result = look.nearest, self._result
        result.seen.note(look)
        if near.touches:
            result.violations.append({"pair": near.pair, "distance": near.distance, "pose": pose.tolist()})
        result.apart.update(one.pair for one in self._judge.touched_apart(pose))

    def _compare(self, pose: Array, distances: Array, look: Look) -> None:
        """Compare the distances of the nearest pairs with those of the bodies that the supervisor has for them."""
        for near in (look.own, look.cell):
            link, _, obstacle = near.second.partition(".")
            if obstacle:
                key = f"zones.{obstacle.split('.')[0]}", frozenset((near.first,))
            else:
                key = "geometry.self", frozenset((near.first, link))
            if near.touches or key not in self._numbers or key[1] & self._bench.hollow:  # how deep they touch is none
                continue
            self._result.compared += 1
            told = float(distances[self._numbers[key]].min())
            if told > near.distance + OVERSTATED:
                found = {"pair": near.pair, "meshes": near.distance, "bodies": told, "pose": pose.tolist()}
                self._result.overstated.append(found)

    def _edge(self, passed: Array, refused: Array) -> Array:
        """Return a passing pose between two that has a refused one right behind it."""
        for _ in range(_HALVINGS):
            middle = (passed + refused) / 2
            if (self._room(self._scene.distances(middle)) >= 0.0).all():
                passed = middle
            else:
                refused = middle
        return passed

    def _charge(self, rule: str, links: tuple[str, ...]) -> None:
        """Count a refusal by a pair, with the distance of its meshes where the judge was asked last."""
        refused = self._result.price.setdefault(f"{rule}: {' and '.join(links)}", Refused())
        if not set(links) <= set(self._judge.links):
            refused.add(Refused(1))
            return
        if len(links) == 2:
            distance = self._judge.between(*links)
        else:
            zone = rule.removeprefix("zones.")
            names = [name for name in self._judge.obstacles if name.split(".")[0] == zone]
            distance = min(self._judge.between(links[0], name) for name in names)
        refused.add(Refused(1, 1, distance, distance))
