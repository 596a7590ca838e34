"""What the supervisor is told of base and feet. The one place where the laboratory hands over what balance needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pinocchio as pin

from safety_supervisor.core.balance.footing import level_imu
from safety_supervisor.core.events import Event, FootContact, Imu
from safety_supervisor.core.geometry.robot import RobotModel
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
    """Whether the supervisor judges balance."""
    return configuration.balance is not None


class Footsteps:
    """Tells the core of base and feet, as an IMU in the base and sensors in the soles do."""

    def __init__(self, configuration: Configuration) -> None:
        """Find how the IMU is turned in the base."""
        self._balance = configuration.balance
        link = "" if self._balance is None else self._balance.imu_link
        self._imu = pin.Quaternion(np.array(level_imu(RobotModel(configuration.robot), link)))

    def events(self, told: Telling, now: Nanoseconds) -> tuple[Event, ...]:
        """Return the events of one moment; none where balance is not judged."""
        balance = self._balance
        if balance is None:
            return ()
        turned = pin.Quaternion(np.array(told.orientation)) * self._imu
        turning = tuple(float(part) for part in self._imu.toRotationMatrix().T @ told.turning)
        orientation = (float(turned.x), float(turned.y), float(turned.z), float(turned.w))
        imu = Imu(now, balance.imu_link, orientation, turning, now, now)  # type: ignore[arg-type]
        return imu, *(
            FootContact(now, sole.foot, sole.foot, _along(sole.normal, told.forces.get(sole.foot, 0.0)), now, now)
            for sole in balance.soles
        )


def _along(normal: tuple[float, float, float], force: float) -> tuple[float, float, float]:
    x, y, z = (force * part for part in normal)
    return x, y, z
