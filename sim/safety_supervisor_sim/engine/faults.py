"""What goes wrong around the supervisor of a lock-step, and who walks in its cell, as a scenario says."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from safety_supervisor.core.events import ConfigurationChanged, IncompatibleEndpoint, JointStateEndpoints
from safety_supervisor_sim.agent.motions import NANO
from safety_supervisor_sim.engine.clockwork import Clockwork, Work
from safety_supervisor_sim.engine.motors import Measured
from safety_supervisor_sim.scenario import Fault, Walker

FOUND: Final = 100_000_000
"""Until a watch has seen what changed, [ns]."""
STRANGER: Final = "/somebody_else"
HEIGHTS: Final = (0.3, 0.9, 1.5)
"""Where the points of a person are told, [m]."""
TOLD_EVERY: Final = NANO // 10
"""[ns]"""


class Faults:
    """The faults of one run; `Clockwork` asks at each place where one may act."""

    def __init__(self, world: Clockwork, faults: Iterable[Fault], seed: int) -> None:
        """None is active before its act begins."""
        self._world = world
        self._faults = tuple(faults)
        self._random = np.random.default_rng((seed, 0xFA))
        self._active: list[Fault] = []
        self._frozen: Measured | None = None
        self._clock = 0

    def begin_act(self, name: str) -> None:
        """Have the faults of an act come and go."""
        for fault in self._faults:
            if fault.act == name:
                self._world.begin(self._last(fault), lambda _: None)

    def _last(self, fault: Fault) -> Work:
        begins = self._world.now + round(fault.begin * NANO)
        yield begins
        self._active.append(fault)
        self._switch(fault, True)
        yield begins + round(fault.duration * NANO)
        self._active.remove(fault)
        self._switch(fault, False)

    def _switch(self, fault: Fault, on: bool) -> None:
        world = self._world
        match fault.fault:
            case "frozen_states":
                self._frozen = None
            case "states_publisher":
                ours = tuple(one.node for one in world.configuration.robot.state_publishers)
                world.later(FOUND, JointStateEndpoints(0, (*ours, STRANGER) if on else ours))
            case "clock_jump":
                world.step_clock(round(fault.seconds * NANO) * (1 if on else -1))
            case "serial":
                for order in fault.orders if on else ["good"]:
                    world.line.order(order)
            case "disk_full":
                world.log_ok = not on
            case "standstill":
                world.stands_still = on
            case "configuration_edited":
                world.later(FOUND, ConfigurationChanged(0, "the file on disk is another one"))
            case "incompatible_endpoint":
                world.later(FOUND, IncompatibleEndpoint(0, "joint_states", "RELIABILITY", True, on))

    def _of(self, kind: str, what: str = "") -> Any:
        return [one for one in self._active if one.fault == kind and (not what or getattr(one, "what", "") == what)]

    def lost(self, what: str) -> bool:
        """Whether a message of this kind is lost now."""
        return any(self._random.random() < one.share for one in self._of("drop", what))

    def wait(self, what: str) -> int:
        """Return how much later a message of this kind comes, [ns]."""
        return sum(round(one.seconds * NANO) for one in self._of("delay", what))

    def told(self, measured: Measured) -> Measured:
        """Return what joint_states tell instead of what was measured."""
        names, positions, velocities = measured
        if self._of("frozen_states"):
            self._frozen = self._frozen or measured
            names, positions, velocities = self._frozen
        for one in self._of("noise"):
            positions = tuple((np.array(positions) + one.position * self._random.standard_normal(len(names))).tolist())
        for one in self._of("spoofed_states"):
            index = names.index(one.joint)
            positions = (*positions[:index], positions[index] + one.offset, *positions[index + 1 :])
        return names, positions, velocities


class People:
    """Everybody who walks in the cell of one run, and what perception tells of them."""

    def __init__(self, world: Clockwork, walkers: Iterable[Walker]) -> None:
        """All stand at their first places."""
        self._world = world
        self._walkers = {one.name: one for one in walkers}
        self._since: dict[str, int] = {}
        self._told_at = -TOLD_EVERY

    def begin_act(self, name: str) -> None:
        """Have those set out who do with an act."""
        for walker in self._walkers.values():
            if walker.act == name and walker.name not in self._since:
                self._since[walker.name] = self._world.now + round(walker.begin * NANO)

    def where(self, name: str) -> tuple[float, float]:
        """Return where somebody truly is now, [m]."""
        walker = self._walkers[name]
        left = max(0.0, self._walked(name)) * walker.speed
        for first, second in zip(walker.way, walker.way[1:], strict=False):
            length = math.dist(first, second)
            if left < length:
                share = left / length
                return first[0] + share * (second[0] - first[0]), first[1] + share * (second[1] - first[1])
            left -= length
        return walker.way[-1][0], walker.way[-1][1]

    def _walked(self, name: str) -> float:
        since = self._since.get(name)
        return -1.0 if since is None else (self._world.now - since) / NANO

    def told(self, now: int) -> tuple[bytes, int] | None:
        """Return the points that are told now, and when they were seen, [ns]; None between two messages."""
        if now - self._told_at < TOLD_EVERY:
            return None
        self._told_at = now
        rows = []
        for name, walker in self._walkers.items():
            away = self._walked(name)
            if walker.untold and walker.untold[0] <= away < walker.untold[1]:
                continue
            x, y = self.where(name)
            rows += [struct.pack("<3d", x, y, z) for z in HEIGHTS]
        return b"".join(rows), now
