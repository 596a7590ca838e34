"""All that judges bodies and points of a robot, for one tool that it carries: built at the start, never in a cycle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from safety_supervisor.core.checks.balance_step import BalanceStep
from safety_supervisor.core.checks.collision import CollisionCheck
from safety_supervisor.core.checks.frame_speed import FrameSpeed
from safety_supervisor.core.checks.restricted_zone import RestrictedZone
from safety_supervisor.core.checks.separation import SeparationCheck
from safety_supervisor.core.checks.speed_zone import SpeedZone
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.settings import Configuration, ZoneKind
from safety_supervisor.core.units import seconds


class Stage(NamedTuple):
    """What takes long to build, and learns nothing from what it is asked: kinematics, and pairs that must not touch."""

    model: RobotModel
    scene: Scene


@dataclass(frozen=True)
class Outfit:
    """The robot with one tool, or with none.

    Attributes:
        model: kinematics, with the points of the tool.
        scene: all pairs that must not touch, but those with speed zones.
        collision: proves steps clear.
        speed_zones: one check a zone.
        restricted: one check a zone that people can open; none of them is in `scene`.
        separation: from people; None where nobody is watched.
        speed: of all points.
        balance: of a robot that stands; None where the base stands fast by itself.
    """

    model: RobotModel
    scene: Scene
    collision: CollisionCheck
    speed_zones: tuple[SpeedZone, ...]
    restricted: tuple[RestrictedZone, ...]
    separation: SeparationCheck | None
    speed: FrameSpeed
    balance: BalanceStep | None

    def on_trial(self) -> Outfit:
        """Return the same for steps on trial: what the collision check learns there is its own."""
        restricted = tuple(zone.on_trial() for zone in self.restricted)
        return replace(self, collision=CollisionCheck(self.scene, trial=True), restricted=restricted)


def set_stage(configuration: Configuration) -> Stage:
    """Build kinematics and scene for the tool in `configuration.geometry`.

    Raises:
        RobotModelError: when the URDF does not have the configured joints and links.
    """
    model = RobotModel(configuration.robot, configuration.geometry.bodies)
    zones = tuple(z for z in configuration.zones if z.kind is not ZoneKind.SPEED and z.approval is None)
    return Stage(model, Scene(model, configuration.geometry, zones, configuration.tracking.path_error))


def dress(configuration: Configuration, stage: Stage | None = None) -> Outfit:
    """Build everything for the tool in `configuration.geometry`.

    Args:
        configuration: with that tool (`Configuration.with_tool`).
        stage: what `set_stage` built of it already, where somebody did.

    Raises:
        RobotModelError: when the URDF does not have the configured joints and links.
    """
    geometry, path_error = configuration.geometry, configuration.tracking.path_error
    period, separation, balance = configuration.timing.period, configuration.separation, configuration.balance
    model, scene = stage or set_stage(configuration)
    return Outfit(
        model,
        scene,
        CollisionCheck(scene),
        tuple(
            SpeedZone(zone, model, geometry, path_error, period, configuration.observed)
            for zone in configuration.zones
            if zone.kind is ZoneKind.SPEED
        ),
        tuple(RestrictedZone(zone, model, geometry, path_error) for zone in configuration.zones if zone.approval),
        None if separation is None else SeparationCheck(configuration, separation, model),
        FrameSpeed(model, period, observed=configuration.observed),
        None if balance is None else BalanceStep(model, balance, geometry.tool, seconds(period)),
    )
