"""A rig on a base: what it is sent is followed late and integrated, and told by an odometry of 50 Hz."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from rig import HOME, MS, Rig, panda

from safety_supervisor.config.base_checks import freeze_base
from safety_supervisor.config.base_keys import BaseKeys
from safety_supervisor.core.base.geofence import Geofence
from safety_supervisor.core.effects import DriveBase, Effect
from safety_supervisor.core.events import BaseCommand, Event, Odometry, OdometryEndpoints
from safety_supervisor.core.settings import CommandKind, Configuration

FRAME = "panda_link0"
BASE: dict[str, Any] = {
    "speed": 0.8, "turning": 1.0, "acceleration": 1.0, "turning_acceleration": 2.0, "sideways": True,
    "reaction": 0.06, "command_timeout": 0.2, "radius": 0.5, "margin": 0.02,
    "fence": {
        "keep_in": [[-3.0, -3.0], [3.0, -3.0], [3.0, 3.0], [-3.0, 3.0]],
        "keep_out": [[[-2.0, 1.2], [-1.0, 1.2], [-1.0, 2.0], [-2.0, 2.0]]],
    },
    "odometry": {
        "node": "/base_driver", "frame": "odom", "latency": 0.02, "timeout": 0.15, "jump": 0.1, "turn_jump": 0.2,
        "rest": 0.005, "turn_rest": 0.01,
    },
    "deadman": {"time": 0.1, "tested": "in this test, by silence"},
}  # fmt: skip


def with_base(configuration: Configuration | None = None, **changes: Any) -> Configuration:
    """The Panda on a base that both of its sources may drive."""
    found = configuration or panda()
    keys = BaseKeys.model_validate({**BASE, **changes})
    timing = found.timing
    base = freeze_base(keys, None, timing.period, timing.overrun)
    if found.separation is not None:
        separation = found.separation
        reach = separation.body_radius + separation.intrusion + separation.sensor_uncertainty
        from safety_supervisor.core.base.gate import PeopleDistance

        base = replace(base, gate=replace(base.gate, people=PeopleDistance(separation.walking_speed, reach)))
    sources = tuple(replace(source, commands=source.commands | {CommandKind.CMD_VEL}) for source in found.sources)
    return replace(found, base=base, sources=sources)


class BaseRig(Rig):
    """A rig whose base follows what it was sent `behind` cycles ago."""

    def __init__(self, configuration: Configuration | None = None, start: NDArray[np.float64] = HOME) -> None:
        self.place = np.zeros(3)
        """Where the base truly is: x, y [m], heading [rad]."""
        self.behind = 8
        self.odometry: dict[str, Any] = {}
        """What the next messages say otherwise."""
        self.tells = True
        self.sent: list[DriveBase] = []
        self.least_room = math.inf
        configuration = configuration or with_base()
        assert configuration.base is not None
        self.base = configuration.base
        self._fence = Geofence(self.base.gate.fence)
        super().__init__(configuration, start)
        self.send(OdometryEndpoints(self.now, ("/base_driver",)))

    def send(self, event: Event) -> tuple[Effect, ...]:
        effects = super().send(event)
        self.sent.extend(effect for effect in effects if isinstance(effect, DriveBase))
        return effects

    def cycle(self, count: int = 1, each: Callable[[int], None] | None = None) -> None:
        for number in range(count):
            self._move()
            if self.tells and (self.now // self.period) % 5 == 0:
                self.tell()
            super().cycle(1, None if each is None else lambda _, number=number: each(number))  # type: ignore[misc]

    def tell(self, **changes: Any) -> tuple[Effect, ...]:
        """Tell where the base is, as it is or otherwise."""
        x, y, heading = self.place.tolist()
        turned = (0.0, 0.0, math.sin(heading / 2), math.cos(heading / 2))
        event = Odometry(
            self.now, "odom", FRAME, (x, y, 0.0), turned, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), self.now, self.now
        )
        return self.send(msgspec.structs.replace(event, **{**self.odometry, **changes}))

    def _move(self) -> None:
        if len(self.sent) > self.behind:
            twist, dt = self.sent[-1 - self.behind], self.period / 1e9
            heading = self.place[2] + twist.turn * dt / 2
            cos, sin = math.cos(heading), math.sin(heading)
            self.place += dt * np.array([cos * twist.x - sin * twist.y, sin * twist.x + cos * twist.y, twist.turn])
        self.least_room = min(self.least_room, self.room)

    @property
    def room(self) -> float:
        """What is left beside the footprint, [m]."""
        return float(self._fence.room(self.place[None, :2])[0]) - self.base.gate.radius

    @property
    def twist(self) -> tuple[float, float, float]:
        """What was sent last."""
        return self.sent[-1].x, self.sent[-1].y, self.sent[-1].turn

    def drive(
        self, x: float, y: float = 0.0, turn: float = 0.0, source: str = "planner", **changes: Any
    ) -> tuple[Effect, ...]:
        """Send one cmd_vel now."""
        event = BaseCommand(self.now, source, (x, y, 0.0), (0.0, 0.0, turn), FRAME, 0, self.now)
        return self.send(msgspec.structs.replace(event, **changes))

    def keep_driving(self, seconds: float, *twist: float, source: str = "planner") -> None:
        """Send cmd_vel at 25 Hz."""
        every = 40 * MS // self.period
        self.seconds(seconds, lambda number: None if number % every else self._drive(*twist, source=source))

    def _drive(self, *twist: float, source: str) -> None:
        self.drive(*twist, source=source)
