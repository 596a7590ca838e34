"""A G1 that stands: the rig with an IMU on its pelvis and a force under each foot."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rig import CONFIGURATION, Rig

from safety_supervisor.boot_script import BootScript
from safety_supervisor.config import load_config
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import BalanceEndpoints, FootContact, Imu, JointStates, Tick
from safety_supervisor.core.settings import Configuration

MS = 1_000_000
LEFT, RIGHT = "left_ankle_roll_link", "right_ankle_roll_link"
ARMS = ("left_arm", "right_arm")


@lru_cache(maxsize=1)
def g1() -> Configuration:
    """The shipped G1, its planner streaming every cycle; without its stop ladder, which `test_stop_ladder.py` has."""
    shipped = load_config(CONFIGURATION.with_name("g1.yaml"))
    sources = tuple(
        replace(source, period=shipped.timing.period, refusals=10**6) if source.name == "planner" else source
        for source in shipped.sources
    )
    assert shipped.balance is not None
    return replace(shipped, sources=sources, balance=replace(shipped.balance, fall=None, ladder=None))


def leaned(roll: float = 0.0, pitch: float = 0.0, length: float = 1.0) -> tuple[float, float, float, float]:
    """Quaternion of a rotation by pitch about y behind one by roll about x."""
    a, b, c, d = math.sin(roll / 2), math.cos(roll / 2), math.sin(pitch / 2), math.cos(pitch / 2)
    x, y, z, w = a * d, b * c, a * c, b * d
    return x * length, y * length, z * length, w * length


class Upright:
    """The rig of a robot that stands; what is told of base and feet may be changed at any time."""

    def __init__(self, configuration: Configuration | None = None, *, told: bool = True) -> None:
        configuration = configuration or g1()
        start = configuration.robot.start
        assert start is not None
        self.home = np.array(start)
        self.rig = Rig(configuration, self.home)
        self.imu: dict[str, Any] = {"frame_id": "imu_in_pelvis", "orientation": leaned(), "angular": (0.0, 0.0, 0.0)}
        self.forces: dict[str, tuple[float, float, float]] = {LEFT: (0.0, 0.0, 170.0), RIGHT: (0.0, 0.0, 170.0)}
        self.frames = {LEFT: LEFT, RIGHT: RIGHT}
        self.speaks = {"imu", LEFT, RIGHT} if told else set()
        if told:
            for foot in ("", LEFT, RIGHT):
                self.rig.send(BalanceEndpoints(self.rig.now, foot, ("/driver",)))

    def tell(self) -> None:
        """Tell of base and feet, stamped 1 ms ago."""
        now = self.rig.now
        if "imu" in self.speaks:
            self.rig.send(Imu(now, stamp=now - MS, clock=now, received=now, **self.imu))
        for foot, force in self.forces.items():
            if foot in self.speaks:
                self.rig.send(FootContact(now, foot, self.frames[foot], force, now - MS, now, received=now))

    def cycle(self, count: int = 1, each: Callable[[int], None] | None = None) -> Upright:
        def both(index: int) -> None:
            self.tell()
            if each is not None:
                each(index)

        self.rig.cycle(count, both)
        return self

    def miss(self, duration: int) -> None:
        """Miss cycles: the controller runs on along the kept stop; all is heard again just before the late cycle."""
        rig = self.rig
        due, motion = rig.now + rig.period, rig.supervisor._motion
        rig.now = due + duration
        rig._pipeline.clear()
        ran = (motion.tick - motion.kept_tick) * rig.period + duration
        rig.robot = motion.kept.state(ran * 1e-9)[0].copy()
        rig.send(JointStates(rig.now - MS // 10, rig.names, tuple(rig.robot.tolist()), (), rig.now, rig.now))
        self.tell()
        rig.send(Tick(rig.now, due, EstopInput(rig.estop, received_at=rig.now - MS // 20), True))  # type: ignore[arg-type]

    def auto(self) -> Upright:
        self.cycle(100)
        assert self.rig.state == "LOCKED", self.rig.status
        assert self.rig.act("reset").ok, self.rig.status
        for event in BootScript(self.rig.configuration, "rig").sources(self.rig.now):
            self.rig.send(event)
        self.cycle(2)
        assert self.rig.act("start", "auto").ok
        return self

    def joint(self, name: str) -> int:
        return self.rig.names.index(name)

    def names(self, *groups: str) -> tuple[str, ...]:
        indices = [index for group in groups for index in self.rig.configuration.robot.groups[group]]
        return tuple(self.rig.names[index] for index in indices)

    def swing(
        self, seconds: float, joints: dict[str, float], share: Callable[[float], float], groups: tuple[str, ...] = ARMS
    ) -> Upright:
        """Stream poses: home and so much of each joint's way as `share` gives for a time."""
        names = self.names(*groups)
        indices = [self.joint(name) for name in names]
        period = self.rig.period

        def each(index: int) -> None:
            q: NDArray[np.float64] = self.home.copy()
            for name, way in joints.items():
                q[self.joint(name)] += way * share((index + 1) * period * 1e-9)
            self.rig.stream(q[indices], "planner", names=names)

        return self.cycle(round(seconds * 1e9 / period), each)


def smooth(duration: float) -> Callable[[float], float]:
    """From 0 to 1 by the polynomial of degree 5."""

    def share(t: float) -> float:
        s = min(1.0, t / duration)
        return s**3 * (10 - 15 * s + 6 * s * s)

    return share
