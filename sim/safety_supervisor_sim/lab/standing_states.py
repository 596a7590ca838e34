"""Random poses of a robot on its feet: what the supervisor passes must neither touch nor tip; the rest is the price.

The whole product decides: the scene on the pose, and the balance on a robot at rest in it, told of its base and feet as
by an IMU and force sensors. Half of the poses stand on both feet, the others on one. Of each `EDGE_EVERY` one is
followed to the edge of what passes, as `states` does.

The two judgements are held apart, too: no pose that the scene passes may touch, whatever the balance said, and none
whose balance passes may tip.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from safety_supervisor.core.balance.model import Contact
from safety_supervisor.core.geometry.scene import RESERVE
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.verifier import Verifier
from safety_supervisor_sim.lab.stances import FootedBench, Stood
from safety_supervisor_sim.lab.states import EDGE_EVERY
from safety_supervisor_sim.oracle.tipping import Tip, TipJudge
from safety_supervisor_sim.oracle.touch import Look, TouchJudge
from safety_supervisor_sim.oracle.way import SIGHT, Seen
from safety_supervisor_sim.oracle.world import Array

_HALVINGS: Final = 20
_NOW: Final = 1_000_000_000


@dataclass
class StandingStates:
    """What came of it.

    Attributes:
        count: all poses, without edges.
        kinds: of them by what they stand on.
        passed: those that scene and balance pass, by what they stand on.
        edges: poses at the edge of what passes.
        touching: those of all that touch.
        tipping: those of all that tip.
        clear: those that the scene passes.
        balanced: those whose balance passes.
        violations: clear and touching, or balanced and tipping.
        refusals: of all that do not pass, by code; one that breaks both counts twice.
        safe: neither touching nor tipping.
        price: of them those refused, by code.
        seen: smallest distances of what passed.
        least_inside: smallest distance from the edge of the soles of what the balance passed, [m].
    """

    count: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    edges: int = 0
    touching: int = 0
    tipping: int = 0
    clear: int = 0
    balanced: int = 0
    violations: list[dict[str, Any]] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    safe: int = 0
    price: Counter[str] = field(default_factory=Counter)
    safe_refused: int = 0
    seen: Seen = field(default_factory=Seen)
    least_inside: float = np.inf

    def add(self, other: StandingStates) -> None:
        """Take over another chunk's results."""
        self.count += other.count
        self.kinds += other.kinds
        self.passed += other.passed
        self.edges += other.edges
        self.touching += other.touching
        self.tipping += other.tipping
        self.clear += other.clear
        self.balanced += other.balanced
        self.violations += other.violations
        self.refusals += other.refusals
        self.safe += other.safe
        self.price += other.price
        self.safe_refused += other.safe_refused
        self.seen.add(other.seen)
        self.least_inside = min(self.least_inside, other.least_inside)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "states": self.count,
            "kinds": dict(self.kinds.most_common()),
            "passed": dict(self.passed.most_common()),
            "edges": self.edges,
            "touching": self.touching,
            "tipping": self.tipping,
            "clear": self.clear,
            "balanced": self.balanced,
            "violations": len(self.violations),
            "violation_list": self.violations[:50],
            "refusals_by_code": dict(self.refusals.most_common()),
            "safe": self.safe,
            "safe_refused": self.safe_refused,
            "price": dict(self.price.most_common()),
            "nearest_miss": self.seen.nearest_as_dict(),
            "least_inside": None if np.isinf(self.least_inside) else self.least_inside,
        }


def judge_standing(bench: FootedBench, seed: tuple[int, ...], count: int) -> StandingStates:
    """Judge random poses of a robot on its feet, and edges between them.

    Args:
        bench: both sides.
        seed: of the poses.
        count: how many.
    """
    touch, tip = bench.judge(), bench.tip_judge()
    try:
        return _Laboratory(bench, touch, tip).run(np.random.default_rng(seed), count)
    finally:
        touch.close()
        tip.close()


class Product:
    """The supervisor's own answer on a robot at rest."""

    def __init__(self, bench: FootedBench) -> None:
        """Build its verifier."""
        self._verifier = Verifier(bench.configuration)
        self._limits = StopLimits(bench.configuration.envelope.joints)
        self._feet = bench.feet

    def refused(self, stood: Stood) -> set[str]:
        """Return the codes for which the supervisor would not have the robot rest in a pose; none: it passes."""
        scene, codes = self._verifier.scene, set[str]()
        room = scene.distances(stood.pose) - scene.margins - RESERVE
        if not (room >= 0.0).all():
            own = scene.pairs[int(room.argmin())].rule.startswith("geometry")
            codes.add("E_SELF_COLLISION" if own else "E_WORKSPACE")
        balance = self._verifier.balance
        if balance is not None:
            still = np.zeros_like(stood.pose)
            contacts = {foot: Contact(foot in stood.bearing, _NOW) for foot in self._feet}
            balance.forget()
            balance.stand(
                balance.standing.stand_turning(
                    _NOW, stood.orientation, (0.0, 0.0, 0.0), _NOW, contacts, stood.pose, still
                ),
                rests=True,
            )
            state = np.stack([stood.pose, still, still])
            found = balance.check(state, state, StraightStop(state, self._limits))
            if found is not None:
                codes.add(found.code.value)
        return codes


class _Laboratory:
    """The product and both judges side by side."""

    def __init__(self, bench: FootedBench, touch: TouchJudge, tip: TipJudge) -> None:
        self._product = Product(bench)
        self._stances = bench.stances
        self._touch, self._tip = touch, tip
        self._result = StandingStates()
        both = tuple(bench.feet)
        self._kinds = [both if number % 2 == 0 else (both[number // 2 % 2],) for number in range(4)]

    def run(self, random: np.random.Generator, count: int) -> StandingStates:
        result = self._result
        passed: dict[tuple[str, ...], Array] = {}
        while result.count < count:
            bearing = self._kinds[result.count % len(self._kinds)]
            drawn = self._stances.draw(random)
            pose = self._stances.pose(drawn, bearing)
            if pose is None:
                continue
            result.count += 1
            result.kinds[_name(bearing)] += 1
            if self._judge(self._stances.stand(pose, bearing)):
                passed[bearing] = drawn
            elif bearing in passed and result.count // len(self._kinds) % EDGE_EVERY == 0:
                self._judge_edge(passed[bearing], drawn, bearing)
        return result

    def _judge(self, stood: Stood) -> bool:
        """Judge a pose; return whether it passes."""
        result = self._result
        codes = self._product.refused(stood)
        look, tip = self._ask(stood)
        touches, tips = look.nearest.touches, tip.tips
        result.touching += touches
        result.tipping += tips
        result.safe += not touches and not tips
        self._hold(stood, codes, look, tip)
        if not codes:
            result.passed[_name(stood.bearing)] += 1
            return True
        result.refusals.update(codes)
        if not touches and not tips:
            result.safe_refused += 1
            result.price.update(codes)
        return False

    def _ask(self, stood: Stood) -> tuple[Look, Tip]:
        return self._touch.look(stood.pose, SIGHT), self._tip.stands(stood.pose, stood.bearing)

    def _hold(self, stood: Stood, codes: set[str], look: Look, tip: Tip) -> None:
        """Hold what the supervisor passes of a pose against what the judges say."""
        result, where = self._result, {"bearing": stood.bearing, "pose": stood.pose.tolist()}
        if not codes & {"E_SELF_COLLISION", "E_WORKSPACE"}:
            result.clear += 1
            near = look.nearest
            if near.touches:
                result.violations.append({"touches": near.pair, "distance": near.distance, **where})
            if not codes:
                result.seen.note(look)
        if not codes & {"E_BALANCE", "E_BALANCE_UNKNOWN"}:
            result.balanced += 1
            result.least_inside = min(result.least_inside, tip.inside)
            if tip.tips:
                result.violations.append({"tips": tip.inside, "slid": tip.slid, **where})

    def _judge_edge(self, passed: Array, refused: Array, bearing: tuple[str, ...]) -> None:
        """Judge the last pose that passes on the way from one that does to one that does not."""
        for _ in range(_HALVINGS):
            middle = (passed + refused) / 2
            pose = self._stances.pose(middle, bearing)
            if pose is not None and not self._product.refused(self._stances.stand(pose, bearing)):
                passed = middle
            else:
                refused = middle
        pose = self._stances.pose(passed, bearing)
        if pose is not None:
            self._result.edges += 1
            stood = self._stances.stand(pose, bearing)
            self._hold(stood, set(), *self._ask(stood))


def _name(bearing: tuple[str, ...]) -> str:
    return " and ".join(bearing)
