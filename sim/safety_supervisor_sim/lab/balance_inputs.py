"""What the supervisor is told of base and feet. The one place where the laboratory hands over what balance needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from safety_supervisor.core.events import Event
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor_sim.cell.standing import StandingRobot
from safety_supervisor_sim.oracle.world import Array


@dataclass(frozen=True)
class Telling:
    """What an IMU in the base and force sensors in the feet would tell; true, without noise.

    Attributes:
        orientation: of the base in the world, quaternion x, y, z, w.
        turning: angular velocity in the base's axes, shape (3,), [rad/s].
        position: of the base's origin in the world, shape (3,), [m].
        velocity: of the base's origin in the world's axes, shape (3,), [m/s].
        forces: by foot, along the vertical, [N].
    """

    orientation: Array
    turning: Array
    position: Array
    velocity: Array
    forces: dict[str, float]


def telling(robot: StandingRobot) -> Telling:
    """Read the sensors now."""
    import pybullet

    position, orientation = robot.base_pose()
    velocity, turning = robot.base_twist()
    axes = np.array(pybullet.getMatrixFromQuaternion(orientation.tolist())).reshape(3, 3)
    forces = {name: foot.force for name, foot in robot.stance().feet.items()}
    return Telling(orientation, axes.T @ turning, position, velocity, forces)


def checks_balance(configuration: Configuration) -> bool:
    """Whether the supervisor judges balance; its core knows no such section yet."""
    return getattr(configuration, "balance", None) is not None


def balance_events(configuration: Configuration, robot: StandingRobot, now: Nanoseconds) -> tuple[Event, ...]:
    """Return the events by which the core hears of base and feet; none while it does not ask.

    Raises:
        NotImplementedError: the core judges balance, and nobody has written here what it is to be told.
    """
    if not checks_balance(configuration):
        return ()
    raise NotImplementedError("events for the section `balance`: make them of telling(robot) here")
