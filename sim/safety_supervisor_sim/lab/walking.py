"""A humanoid that its maker's controller walks: the supervisor gates `cmd_vel` and commands the arms.

No legs are simulated: the base is a point that follows what it was sent, late, and sways as a gait does. What a
configuration for it looks like is `walking`: legs and waist are the maker's, so they are locked for the supervisor, a
box that they sweep is kept free of the arms, and nobody judges balance.
"""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from safety_supervisor.config import load_config
from safety_supervisor.core.effects import DriveBase, Effect
from safety_supervisor.core.events import BaseCommand, Event, JointStates
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.demo.places import shared
from safety_supervisor_sim.lab.arm import Arm
from safety_supervisor_sim.oracle.support import hull, inside
from safety_supervisor_sim.oracle.world import Array

KEEP_IN: Final = ((-2.5, -2.0), (3.0, -2.0), (3.0, 1.0), (1.0, 2.5), (-2.5, 2.5))
KEEP_OUT: Final = ((1.0, -0.6), (1.8, -0.6), (1.8, 0.2), (1.0, 0.2))
"""Corners of the fence, and of a place inside it that is forbidden, in the frame `odom`, [m]."""
SPEED: Final = 1.0
"""Of walking, [m/s]."""
RADIUS: Final = 0.6
"""Of the footprint, [m]: arms stretched out."""
SWAY: Final = (0.015, 0.03)
"""How far a step takes the base forward and to the side of where its twists lead, [m]."""
_STEPS_HZ: Final = 1.8
_MARGIN: Final = 0.05  # [m]: the sway, and some more
_REACTION: Final = 0.1  # [s]
_ODOMETRY_EVERY: Final = 5  # cycles
_FINE: Final = 4  # moments of a cycle that are judged
_FOLLOWING: Final = 0.1
"""[s], within `_REACTION`."""
WALKER: Final = "walker"
BASE: Final[dict[str, Any]] = {
    "speed": SPEED, "turning": 0.8, "acceleration": 0.8, "turning_acceleration": 1.5, "sideways": True,
    "reaction": _REACTION, "command_timeout": 0.2, "radius": RADIUS, "margin": _MARGIN,
    "fence": {"keep_in": [list(corner) for corner in KEEP_IN], "keep_out": [[list(corner) for corner in KEEP_OUT]]},
    "odometry": {
        "node": "/locomotion", "frame": "odom", "latency": 0.02, "timeout": 0.1, "jump": 0.1, "turn_jump": 0.2,
        "rest": 0.01, "turn_rest": 0.01,
    },
    "deadman": {"time": 0.1, "tested": "in simulation only: the laboratory's base brakes by itself"},
}  # fmt: skip
LEGS: Final = {
    "thighs": {"minimum": [-0.3, -0.2, -0.24], "maximum": [0.3, 0.2, -0.1]},
    "legs": {"minimum": [-0.6, -0.45, -1.1], "maximum": [0.6, 0.45, -0.24]},
}
"""What the legs sweep, in the pelvis' frame, [m]: nobody tells the supervisor where they are."""


def walking(directory: Path) -> Configuration:
    """Write `config/g1.yaml` for a robot that walks into a directory, and load it.

    Raises:
        safety_supervisor.config.ConfigurationError: it is not valid.
    """
    keys = walking_keys(yaml.safe_load(shared("config", "g1.yaml").read_text(encoding="utf-8")))
    path = directory / "g1_walking.yaml"
    path.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    return load_config(path)


def walking_keys(keys: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a G1 that walks for those of one that stands."""
    robot = keys["robot"]
    arms = [*robot["groups"]["left_arm"], *robot["groups"]["right_arm"]]
    robot["locked_joints"] = {joint: value for joint, value in robot["start"].items() if joint not in arms}
    robot["groups"] = {name: robot["groups"][name] for name in ("left_arm", "right_arm")}
    robot["start"] = {joint: robot["start"][joint] for joint in arms}
    robot["joints"] = arms
    robot["joint_states"] = [{"node": "/locomotion", "joints": list(arms)}]
    keys["envelope"]["joints"] = {joint: keys["envelope"]["joints"][joint] for joint in arms}
    walker = keys["sources"]["walker"] | {"groups": [], "commands": ["cmd_vel"], "period": 0.05, "rate_limit_hz": 60.0}
    joystick = keys["sources"]["joystick"] | {"groups": list(robot["groups"])}
    keys["sources"] = {"planner": keys["sources"]["planner"], WALKER: walker, "joystick": joystick}
    moving = [link for link in keys["geometry"]["volumes"] if any(part in link for part in ("elbow", "wrist", "hand"))]
    for name, box in LEGS.items():
        keys["zones"][name] = {"kind": "keep_out", **box, "links": list(moving), "margin": 0.02}
    return keys | {"base": BASE, "balance": None}


class Walker(Arm):
    """One boot of a supervisor, its arms, and the base that walks.

    Attributes:
        place: where the base truly is, x, y, [m], and heading, [rad].
        twists: what it was sent, each x, y, [m/s], and turn, [rad/s].
        least: least distance of the footprint's circle inside the fence, and outside the forbidden place, so far, [m].
    """

    def __init__(self, configuration: Configuration, x: float = -0.5, y: float = 0.0) -> None:
        """Lead the supervisor of a robot at its start pose, at a place, [m], into AUTO.

        Raises:
            Stuck: it does not reach AUTO.
        """
        start = configuration.robot.start
        assert start is not None, "as config/g1.yaml has it"
        self.place: Array = np.array([x, y, 0.0])
        self.twists: list[tuple[float, float, float]] = []
        self.least = math.inf
        self._configuration = configuration
        self._followed: deque[tuple[float, float, float]] = deque([(0.0, 0.0, 0.0)])
        self._gait = 0.0  # share of the sway that there is
        self._time = 0.0
        self._around = hull(np.array(KEEP_IN)), hull(np.array(KEEP_OUT))
        super().__init__(configuration, np.array(start))

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Give the supervisor an event; what the base is sent is followed later."""
        effects = super().handle(event)
        for effect in effects:
            if isinstance(effect, DriveBase):
                self.twists.append((effect.x, effect.y, effect.turn))
                self._followed.append(self.twists[-1])
        return effects

    def cycle(self) -> None:
        """Walk for one period, measure, decide."""
        self.now += self.period
        behind = round(_FOLLOWING * 1e9 / self.period)
        while len(self._followed) > behind + 1:
            self._followed.popleft()
        for _ in range(_FINE):
            self._walk(self._followed[0], self.period * 1e-9 / _FINE)
        if self._cycles % _ODOMETRY_EVERY == 0:
            positions = self._measured[0]
            self.handle(JointStates(self.now - 200_000, self._names, positions, (), self.now, self.now))
            x, y = self.origin
            for told in self._script.odometry(self.now, x, y, float(self.place[2])):
                self.handle(told)
        self._cycles += 1
        self.tick()

    def _walk(self, twist: tuple[float, float, float], dt: float) -> None:
        x, y, turn = twist
        heading = float(self.place[2]) + turn * dt / 2.0
        cos, sin = math.cos(heading), math.sin(heading)
        self.place += dt * np.array([cos * x - sin * y, sin * x + cos * y, turn])
        steps = min(1.0, math.hypot(x, y) / 0.2 + abs(turn) / 0.2)
        self._gait += (steps - self._gait) * min(1.0, dt / 0.2)
        self._time += dt
        inner, outer = self._around
        at = np.array(self.origin)
        self.least = min(self.least, inside(at, inner) - RADIUS, -inside(at, outer) - RADIUS)

    @property
    def origin(self) -> tuple[float, float]:
        """Where the base's origin truly is, its sway included, x, y, [m]."""
        phase = 2.0 * math.pi * _STEPS_HZ * self._time
        ahead, aside = SWAY[0] * math.sin(phase) * self._gait, SWAY[1] * math.sin(phase / 2.0) * self._gait
        cos, sin = math.cos(self.place[2]), math.sin(self.place[2])
        return float(self.place[0] + cos * ahead - sin * aside), float(self.place[1] + sin * ahead + cos * aside)

    def walk(self, x: float, y: float = 0.0, turn: float = 0.0) -> None:
        """Send one `cmd_vel`."""
        frame = self._configuration.robot.base_frame
        self.handle(BaseCommand(self.now, WALKER, (x, y, 0.0), (0.0, 0.0, turn), frame, 0, self.now))
