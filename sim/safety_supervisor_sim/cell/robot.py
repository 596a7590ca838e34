"""One robot in one PyBullet world: true states and motors."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import numpy as np
import pybullet
from numpy.typing import NDArray

from safety_supervisor_sim.cell.cell_file import RobotSection

Array = NDArray[np.float64]

# Shares of the position and velocity error that PyBullet's motor removes in one step.
POSITION_GAIN = 0.1
VELOCITY_GAIN = 1.0
# Bullet's default of 50 costs 30 us a step more and holds the pose no better than 5e-6 rad.
SOLVER_ITERATIONS = 20


def robots_share() -> Path:
    """The directory that `package://` of example-robot-data's URDFs stands for.

    Raises:
        FileNotFoundError: example-robot-data is not installed.
    """
    spec = importlib.util.find_spec("cmeel")
    places = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    for place in places:
        share = place.parent / "cmeel.prefix" / "share"
        if (share / "example-robot-data").is_dir():
            return share
    raise FileNotFoundError("example-robot-data is not installed: pip install example-robot-data")


def urdf_path(section: RobotSection) -> Path:
    """The robot's URDF as installed. Raises FileNotFoundError when it is not there."""
    path = robots_share() / "example-robot-data" / "robots" / section.urdf
    if not path.is_file():
        raise FileNotFoundError(path)
    return path


class SimulatedRobot:
    """A fixed-base robot. Nothing in its world is solid but itself: an oracle can only judge
    how deep a zone was entered when no wall stops the entering."""

    def __init__(self, section: RobotSection, rate_hz: float) -> None:
        self._client = pybullet.connect(pybullet.DIRECT)
        pybullet.setTimeStep(1.0 / rate_hz, physicsClientId=self._client)
        pybullet.setPhysicsEngineParameter(numSolverIterations=SOLVER_ITERATIONS, physicsClientId=self._client)
        pybullet.setGravity(0.0, 0.0, -9.81, physicsClientId=self._client)
        text = urdf_path(section).read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory(prefix="sim_cell_") as directory:
            # PyBullet resolves no package:// of example-robot-data.
            rewritten = Path(directory) / "robot.urdf"
            rewritten.write_text(text.replace("package://", f"{robots_share()}/"), encoding="utf-8")
            self._body = pybullet.loadURDF(str(rewritten), useFixedBase=True, physicsClientId=self._client)
        index_of: dict[str, int] = {}
        links: list[str] = []
        for index in range(pybullet.getNumJoints(self._body, physicsClientId=self._client)):
            info = pybullet.getJointInfo(self._body, index, physicsClientId=self._client)
            index_of[info[1].decode()] = index
            links.append(info[12].decode())
        missing = [j for j in (*section.joints, *section.held) if j not in index_of]
        if missing:
            raise ValueError(f"the URDF has no joint {', '.join(missing)}")
        self.joints = section.joints
        self.links = tuple(links)
        self._index = [index_of[joint] for joint in section.joints]
        self._held = {index_of[joint]: value for joint, value in section.held.items()}
        self._link_index = list(range(len(links)))
        size = len(self._index)
        self._position_gains = [POSITION_GAIN] * size
        self._velocity_gains = [VELOCITY_GAIN] * size
        for index in range(len(links)):
            # Damping of the URDF importer's default would act as a brake of its own.
            pybullet.changeDynamics(
                self._body,
                index,
                linearDamping=0.0,
                angularDamping=0.0,
                physicsClientId=self._client,
            )

    @property
    def body(self) -> tuple[int, int]:
        """PyBullet's client, and the body there."""
        return self._client, self._body

    def place(self, pose: Array) -> None:
        """Put the robot at rest at `pose`, shape (n,), [rad]."""
        for index, value in zip(self._index, pose, strict=True):
            pybullet.resetJointState(self._body, index, float(value), 0.0, physicsClientId=self._client)
        for index, value in self._held.items():
            pybullet.resetJointState(self._body, index, value, 0.0, physicsClientId=self._client)
            pybullet.setJointMotorControl2(
                self._body,
                index,
                pybullet.POSITION_CONTROL,
                targetPosition=value,
                force=100.0,
                physicsClientId=self._client,
            )

    def drive_position(self, position: list[float], velocity: list[float], torque: list[float]) -> None:
        """Servo to position and velocity, [rad], [rad/s], with at most `torque`, [Nm]."""
        pybullet.setJointMotorControlArray(
            self._body,
            self._index,
            pybullet.POSITION_CONTROL,
            targetPositions=position,
            targetVelocities=velocity,
            forces=torque,
            positionGains=self._position_gains,
            velocityGains=self._velocity_gains,
            physicsClientId=self._client,
        )

    def drive_velocity(self, velocity: list[float], torque: list[float]) -> None:
        """Servo to a velocity, [rad/s], with at most `torque`, [Nm]; zero is a brake."""
        pybullet.setJointMotorControlArray(
            self._body,
            self._index,
            pybullet.VELOCITY_CONTROL,
            targetVelocities=velocity,
            forces=torque,
            velocityGains=self._velocity_gains,
            physicsClientId=self._client,
        )

    def step(self) -> None:
        """Advance the physics by one period."""
        pybullet.stepSimulation(physicsClientId=self._client)

    def joint_states(self) -> tuple[Array, Array]:
        """True positions and velocities of the judged joints, shape (n,), [rad], [rad/s]."""
        states = pybullet.getJointStates(self._body, self._index, physicsClientId=self._client)
        return (
            np.array([state[0] for state in states]),
            np.array([state[1] for state in states]),
        )

    def held_states(self) -> tuple[Array, Array]:
        """True positions and velocities of the held joints, in the cell file's order."""
        states = pybullet.getJointStates(self._body, list(self._held), physicsClientId=self._client)
        return (
            np.array([state[0] for state in states]),
            np.array([state[1] for state in states]),
        )

    def link_positions(self) -> Array:
        """Origins of all link frames (not of their centres of mass), shape (m, 3), [m]."""
        states = pybullet.getLinkStates(
            self._body, self._link_index, computeForwardKinematics=1, physicsClientId=self._client
        )
        return np.array([state[4] for state in states])

    def close(self) -> None:
        """Leave PyBullet. Safe to call twice."""
        if self._client >= 0:
            pybullet.disconnect(physicsClientId=self._client)
            self._client = -1
