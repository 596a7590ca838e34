"""An agent's mouth in simulated time: does what `agent/speaker.py` does on the same orders, badly or well."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import numpy as np

from safety_supervisor.core.events import OutputEndpoints, SourceEndpoints, SourceLiveliness
from safety_supervisor_sim.agent.commands import (
    HUGE_POINTS,
    Trajectory,
    defective,
    huge_trajectory,
    quintic_trajectory,
    set_point,
    spoil,
)
from safety_supervisor_sim.agent.motions import NANO, PointToPoint
from safety_supervisor_sim.engine import wire
from safety_supervisor_sim.engine.clockwork import Clockwork, Work
from safety_supervisor_sim.scenario import Defect

WAY: Final = 300_000
"""From a publisher to the node's queue, [ns]."""
FOUND: Final = 100_000_000
"""Until the graph's watch has seen an endpoint that comes or goes, [ns]."""
BURST: Final = 1_000_000
"""A flood is sent in bursts this far apart, [ns], as the real one."""
ROGUE: Final = "/rogue_motor"


class CoreMouth:
    """Publishes on the topics of one source.

    Args:
        world: that hears.
        source: whose topics.
        names: of its joints.
        rogue: whether it is a second one there, `stream`, or speaks to the motors, `motor`; empty: neither.
    """

    def __init__(self, world: Clockwork, source: str, names: list[str], rogue: str = "") -> None:
        """Be there; a rogue is seen by nobody before `open`."""
        self._world = world
        self._source = source
        self._names = names
        self._rogue = rogue
        self._answers: deque[dict[str, Any]] = deque()
        self._orders: deque[dict[str, Any]] = deque()
        self._busy = self._halted = self._dead = False
        self._sent: list[bytes] = []
        self._prepared: dict[str, Trajectory | int] = {}
        self._last = ""

    # -- orders ---------------------------------------------------------------------------------

    def send(self, **order: Any) -> None:
        """Send an order without waiting for its answer."""
        if self._dead:
            raise RuntimeError(f"the agent of {self._source} is dead")
        if order["do"] == "halt":
            self._halted = True
            return
        self._orders.append(order)
        self._next()

    def answer(self) -> dict[str, Any]:
        """Let time pass until the oldest order without an answer has one."""
        while not self._answers:
            if not self._busy:
                raise RuntimeError("an answer is waited for, and nothing was ordered")
            self._world.cycle()
        return self._answers.popleft()

    def order(self, **order: Any) -> dict[str, Any]:
        """Send an order and wait for its answer."""
        self.send(**order)
        return self.answer()

    def kill(self) -> None:
        """End as a crash would: what plays goes on until the lease of its liveliness is over."""
        lease = self._world.configuration.source(self._source).liveliness_lease
        self._dead = self._halted = True
        if lease is not None:
            self._world.later(lease, SourceLiveliness(0, self._source, False))

    def close(self) -> None:
        """Leave the topics."""
        self._halted = True
        if self._rogue == "stream":
            self._world.later(FOUND, SourceEndpoints(0, self._source, 1))
        elif self._rogue:
            self._world.later(FOUND, OutputEndpoints(0, ()))

    def _next(self) -> None:
        if self._busy or not self._orders:
            return
        order = self._orders.popleft()
        self._busy = True
        work: Work = getattr(self, f"_{order.pop('do')}")(**order)
        self._world.begin(work, self._done)

    def _done(self, value: dict[str, Any]) -> None:
        self._busy = False
        self._answers.append({"at": self._world.now, **value})
        self._next()

    # -- what is done ---------------------------------------------------------------------------

    def _clock(self, at: int) -> int:
        return at + self._world.clock_offset

    def _publish(self, message: bytes | Trajectory | int, at: int) -> None:
        self._world.publish(self._source, message, at + WAY)

    def _open(self) -> Work:
        if self._rogue:
            seen = SourceEndpoints(0, self._source, 2) if self._rogue == "stream" else OutputEndpoints(0, (ROGUE,))
            self._world.later(FOUND, seen)
            # Whoever is heard was discovered: the watch sees him before his first message is taken.
            yield self._world.now + FOUND + 2 * self._world.configuration.timing.period
        return {"heard": True, "seconds": 0.0}

    def _stream(
        self,
        rows: list[list[float]],
        period: float,
        start_ns: int,
        order: list[int] | None = None,
        fault_at: int | None = None,
        defect: Defect | None = None,
    ) -> Work:
        self._halted, self._sent = False, []
        indices = order if order is not None else list(range(len(self._names)))
        names = [self._names[index] for index in indices]
        for number, row in enumerate(rows):
            due = start_ns + round(number * period * NANO)
            yield due
            broken = number == fault_at
            if self._halted or (broken and defect is None):
                break
            if broken and defect is not None:
                said = defective(defect, self._names, np.array(row), self._clock(due))
            else:
                said = set_point(names, [row[index] for index in indices], self._clock(due))
            self._sent.append(wire.joint_state(said))
            self._publish(self._sent[-1], due)
            if broken:
                break
        return {"count": len(self._sent), "late": 0.0}

    def _send(self, pose: list[float], defect: Defect, count: int, period: float, foreign: tuple[str, float]) -> Work:
        at = self._world.now
        for number in range(count):
            yield (due := at + round(number * period * NANO))
            said = defective(defect, self._names, np.array(pose), self._clock(due), foreign)
            self._publish(wire.joint_state(said), due)
        return {}

    def _replay(self, count: int, period: float) -> Work:
        at = self._world.now
        for number, data in enumerate(self._sent[:count]):
            yield (due := at + round(number * period * NANO))
            self._publish(data, due)
        yield at + round(count * period * NANO)
        return {"count": len(self._sent[:count])}

    def _flood(self, pose: list[float], rate_hz: float, seconds: float, start_ns: int) -> Work:
        self._halted = False
        data = wire.joint_state(set_point(self._names, pose, 0))
        sent, at = 0, start_ns
        while not self._halted and (elapsed := (at - start_ns) / NANO) < seconds:
            yield at
            while sent < rate_hz * elapsed:
                self._publish(data, at)
                sent += 1
            at += BURST
        return {"count": sent}

    def _prepare(
        self,
        name: str,
        start: list[float],
        goal: list[float],
        seconds: float,
        points: int,
        defect: str,
        key: str = "",
    ) -> Work:
        motion = PointToPoint(np.array(start), np.array(goal), seconds)
        if points > HUGE_POINTS:
            self._prepared[name] = len(huge_trajectory(self._names, motion.start, motion.goal, points))
        else:
            said = self._prepared[name] = spoil(quintic_trajectory(self._names, motion, points), defect)
            said.frame_id = f"cid:{key};key:{key}" if key else ""
        return {}
        yield 0

    def _trajectory(self, name: str) -> Work:
        name = self._last = name or self._last
        self._publish(self._prepared[name], self._world.now)
        return {}
        yield 0

    def _intrude(self, pose: list[float], count: int, period: float) -> Work:
        at = self._world.now
        for number in range(count):
            yield (due := at + round(number * period * NANO))
            self._world.motors.intrude(pose, self._clock(due))
        return {}
