"""A robot that stands on the floor by its own feet: PyBullet with a free base, joints under position control.

Nothing balances it: each joint holds its set-point as well as its torque suffices, and the feet bear it as long as its
centre of mass is over them. Masses and inertias are the URDF's; a link of which it names none weighs next to nothing
(PyBullet would make up 1 kg). Links collide as convex hulls of the collision meshes. Where joints have links overlap as
hulls that do not as meshes, PyBullet would push them apart with thousands of newtons: such pairs are not solid, see
`StandingRobot.hollow`.

Deterministic: the same calls give bit-identical states.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import numpy as np
import pybullet
from numpy.typing import NDArray

from safety_supervisor_sim.cell.robot import robots_share, urdf_path
from safety_supervisor_sim.cell.standing_file import StandingFile
from safety_supervisor_sim.oracle.balance import Foot, Stance
from safety_supervisor_sim.oracle.inertia import name_masses

Array = NDArray[np.float64]

HOLD, LOWER, DAMP, OFF = "hold", "lower", "damp", "off"
"""What `~/locomotion_mode` says: set-points are followed on the first two, mean nothing on the others."""
HELD_TORQUE: Final = 100.0
"""With which the other joints are held, [Nm]."""
_TOUCHING: Final = 2e-3  # hulls this near at home are not solid, [m]
_LANDING: Final = 0.4  # from the first touch until all of the soles bears it, [s]
_FLAGS: Final = (
    pybullet.URDF_USE_INERTIA_FROM_FILE
    | pybullet.URDF_USE_SELF_COLLISION
    | pybullet.URDF_USE_SELF_COLLISION_EXCLUDE_PARENT
)


class StandingRobot:
    """One robot on a floor.

    Attributes:
        joints: names, the order of every pose.
        base: name of the base link.
        links: names of all others.
        mass: of all of it, [kg].
        steps: since the beginning.
        hollow: pairs of links that do not collide, and why.
        mode: what its motors do, see `obey`.
    """

    def __init__(self, file: StandingFile) -> None:
        """Put the robot on the floor at its home pose, and let it come to rest.

        Raises:
            FileNotFoundError: example-robot-data is not installed, or has no such URDF.
            ValueError: the URDF has no such joint or link.
        """
        self.file = file
        self.joints = file.robot.joints
        self.steps = 0
        self._client = pybullet.connect(pybullet.DIRECT)
        self._set(pybullet.setTimeStep, 1.0 / file.rate_hz)
        self._set(pybullet.setPhysicsEngineParameter, deterministicOverlappingPairs=1)
        self._set(pybullet.setGravity, 0.0, 0.0, -9.81)
        plane = self._set(pybullet.createCollisionShape, pybullet.GEOM_PLANE)
        self._floor: int = self._set(pybullet.createMultiBody, 0, plane)
        with tempfile.TemporaryDirectory(prefix="standing_") as directory:
            rewritten = Path(directory) / "robot.urdf"
            rewritten.write_text(_with_masses(urdf_path(file.robot)), encoding="utf-8")
            self._body: int = self._set(
                pybullet.loadURDF, str(rewritten), [0.0, 0.0, 2.0], useFixedBase=False, flags=_FLAGS
            )
        self._read_tree()
        missing = [name for name in (*self.joints, *file.robot.held) if name not in self._numbers]
        missing += [foot for foot in file.feet if foot not in self._links]
        if missing:
            self.close()
            raise ValueError(f"the URDF has no {', '.join(missing)}")
        self._index = [self._numbers[joint] for joint in self.joints]
        self._torque = [self._infos[index][10] for index in self._index]
        self._feet = {self._links[foot]: foot for foot in file.feet}
        self._prepare()
        self.hollow: dict[tuple[str, str], str] = dict(self._make_hollow())
        self._push: tuple[list[float], int] | None = None
        self._target: list[float] = []
        self._damping = self.file.damping * np.array(self._torque)
        self.mode = HOLD
        self.drive(np.array(file.robot.home))
        self.step(round(_LANDING * file.rate_hz))
        self.steps = 0

    # -- acting ----------------------------------------------------------------------------

    def drive(self, positions: Array) -> None:
        """Give all joints a set-point, shape (n,), [rad]; it is followed until the next one, if the mode lets it be.

        Raises:
            ValueError: not n finite numbers.
        """
        if positions.shape != (len(self.joints),) or not np.isfinite(positions).all():
            raise ValueError(f"a set-point is {len(self.joints)} finite angles")
        self._target = positions.tolist()
        if self.mode in (HOLD, LOWER):
            self._follow()

    def obey(self, mode: str) -> None:
        """Do as a locomotion controller that is told a mode of the stop ladder.

        `hold` and `lower` follow set-points. `damp` follows none: each joint resists its velocity with
        `file.damping` times its torque limit for each rad/s, up to that limit. `off` has no torque at all.

        Raises:
            ValueError: no such mode; nothing changed.
        """
        if mode not in (HOLD, LOWER, DAMP, OFF):
            raise ValueError(f"no mode {mode!r}; known: {HOLD}, {LOWER}, {DAMP}, {OFF}")
        self.mode = mode
        if mode in (HOLD, LOWER):
            self._follow()
            return
        size = len(self._index)
        # PyBullet's own motors hold a joint until they are given no force.
        self._set(
            pybullet.setJointMotorControlArray,
            self._body,
            self._index,
            pybullet.VELOCITY_CONTROL,
            targetVelocities=[0.0] * size,
            forces=[0.0] * size,
        )

    def _follow(self) -> None:
        size = len(self._index)
        self._set(
            pybullet.setJointMotorControlArray,
            self._body,
            self._index,
            pybullet.POSITION_CONTROL,
            targetPositions=self._target,
            positionGains=[self.file.gain] * size,
            velocityGains=[1.0] * size,
            forces=self._torque,
        )

    def push(self, force: Sequence[float], seconds: float) -> None:
        """Push from outside at the base's centre of mass from now on, in the world's axes, [N]."""
        self._push = list(force), self.steps + round(seconds * self.file.rate_hz)

    def step(self, count: int = 1) -> None:
        """Advance by so many physics periods."""
        for _ in range(count):
            if self._push is not None:
                force, until = self._push
                if self.steps < until:
                    place = self._set(pybullet.getBasePositionAndOrientation, self._body)[0]
                    self._set(pybullet.applyExternalForce, self._body, -1, force, place, pybullet.WORLD_FRAME)
                else:
                    self._push = None
            if self.mode == DAMP:
                self._resist()
            self._set(pybullet.stepSimulation)
            self.steps += 1

    def _resist(self) -> None:
        """Have each joint resist its velocity in the next step.

        As a brake of that torque at most, not as a torque: light links would turn back and forth, ever faster.
        """
        torques = np.minimum(self._damping * np.abs(self.joint_states()[1]), self._torque)
        self._set(
            pybullet.setJointMotorControlArray,
            self._body,
            self._index,
            pybullet.VELOCITY_CONTROL,
            targetVelocities=[0.0] * len(self._index),
            forces=torques.tolist(),
        )

    def save(self) -> tuple[int, int, list[float]]:
        """Keep the state; a push is not kept, nor where contacts stuck. `forget` it when it is not needed any more."""
        return self._set(pybullet.saveState), self.steps, self._target

    def restore(self, saved: tuple[int, int, list[float]]) -> None:
        """Go back to a kept state, under control again."""
        state, self.steps, target = saved
        self._set(pybullet.restoreState, state)
        self._push = None
        self.mode = HOLD
        self.drive(np.array(target))

    def forget(self, saved: tuple[int, int, list[float]]) -> None:
        """Free a kept state."""
        self._set(pybullet.removeState, saved[0])

    def close(self) -> None:
        """Leave PyBullet. Safe to call twice."""
        if self._client >= 0:
            pybullet.disconnect(physicsClientId=self._client)
            self._client = -1

    # -- what is true ----------------------------------------------------------------------

    @property
    def time(self) -> float:
        """Since the beginning, [s]."""
        return self.steps / self.file.rate_hz

    def joint_states(self) -> tuple[Array, Array]:
        """True positions and velocities, shape (n,), [rad], [rad/s]."""
        states = self._set(pybullet.getJointStates, self._body, self._index)
        return np.array([state[0] for state in states]), np.array([state[1] for state in states])

    def base_pose(self) -> tuple[Array, Array]:
        """Where the base link's frame is: origin, shape (3,), [m], and quaternion x, y, z, w, both in the world."""
        middle = self._set(pybullet.getBasePositionAndOrientation, self._body)
        place, turn = pybullet.multiplyTransforms(*middle, *self._to_frame)
        return np.array(place), np.array(turn)

    def base_twist(self) -> tuple[Array, Array]:
        """Velocity of the base frame's origin, shape (3,), [m/s], and of its turning, shape (3,), [rad/s]; world."""
        linear, angular = (np.array(one) for one in self._set(pybullet.getBaseVelocity, self._body))
        middle = np.array(self._set(pybullet.getBasePositionAndOrientation, self._body)[0])
        return linear + np.cross(angular, self.base_pose()[0] - middle), angular

    def centre_of_mass(self) -> tuple[Array, Array]:
        """Its place and velocity, shape (3,) each, world, [m], [m/s], by PyBullet's masses and inertial frames."""
        states = self._set(
            pybullet.getLinkStates, self._body, self._moving, computeLinkVelocity=1, computeForwardKinematics=1
        )
        base = self._set(pybullet.getBasePositionAndOrientation, self._body)[0]
        speed = self._set(pybullet.getBaseVelocity, self._body)[0]
        places = np.array([base, *(state[0] for state in states)])
        speeds = np.array([speed, *(state[6] for state in states)])
        return self._masses @ places / self.mass, self._masses @ speeds / self.mass

    def stance(self) -> Stance:
        """What the oracle judges."""
        touching: dict[int, list[Any]] = {link: [] for link in self._feet}
        grounded = []
        for contact in self._set(pybullet.getContactPoints, self._body, self._floor):
            if contact[3] in touching:
                touching[contact[3]].append(contact)
            elif contact[9] > 0.0:
                grounded.append(self._names[contact[3]])
        feet = {}
        for link, name in self._feet.items():
            state = self._set(pybullet.getLinkState, self._body, link, computeForwardKinematics=1)
            points = np.array([contact[5] for contact in touching[link]]).reshape(-1, 3)
            # The floor is level: the normal force is the vertical one.
            feet[name] = Foot(np.array(state[4]), points, np.array([contact[9] for contact in touching[link]]))
        place, turn = self.base_pose()
        upright = pybullet.getMatrixFromQuaternion(turn.tolist())[8]
        tilt = float(np.arccos(np.clip(upright, -1.0, 1.0)))
        centre, momentum = self.centre_of_mass()
        return Stance(self.time, float(place[2]), tilt, centre, momentum, feet, tuple(sorted(set(grounded))))

    def ground_force(self, foot: str) -> Array:
        """Force of the floor on a foot, friction and all, shape (3,), world, [N]."""
        force = np.zeros(3)
        for contact in self._set(pybullet.getContactPoints, self._body, self._floor, self._links[foot]):
            for size, along in ((9, 7), (10, 11), (12, 13)):
                force += contact[size] * np.array(contact[along])
        return force

    def link_pose(self, link: str) -> tuple[Array, Array]:
        """Where a link's frame is, as `base_pose` tells of the base."""
        if link == self._names[-1]:
            return self.base_pose()
        state = self._set(pybullet.getLinkState, self._body, self._links[link], computeForwardKinematics=1)
        return np.array(state[4]), np.array(state[5])

    def frame_positions(self) -> Array:
        """Origins of the frames of the base and of all `links`, shape (1 + m, 3), world, [m]."""
        states = self._set(pybullet.getLinkStates, self._body, self._moving, computeForwardKinematics=1)
        return np.array([self.base_pose()[0], *(state[4] for state in states)])

    def self_contacts(self) -> tuple[tuple[str, str], ...]:
        """Pairs of links that press against each other, by physics and its hulls."""
        found = self._set(pybullet.getContactPoints, self._body, self._body)
        pairs = {(self._names[one[3]], self._names[one[4]]) for one in found if one[9] > 0.0}
        return tuple(sorted(pairs))

    def picture(self, width: int, height: int, distance: float = 2.6, yaw: float = 20.0) -> NDArray[np.uint8]:
        """Render what is seen from aside, shape (height, width, 3), by PyBullet's software renderer."""
        view = pybullet.computeViewMatrixFromYawPitchRoll([0.35, 0.0, 0.6], distance, yaw, -12.0, 0.0, 2)
        lens = pybullet.computeProjectionMatrixFOV(45.0, width / height, 0.1, 10.0)
        image = self._set(
            pybullet.getCameraImage, width, height, view, lens, renderer=pybullet.ER_TINY_RENDERER, shadow=1
        )
        return np.array(image[2], dtype=np.uint8).reshape(height, width, 4)[:, :, :3]

    # -- inside ----------------------------------------------------------------------------

    def _set(self, call: Any, *arguments: Any, **named: Any) -> Any:
        """Call PyBullet in this world."""
        return call(*arguments, **named, physicsClientId=self._client)

    def _read_tree(self) -> None:
        count = self._set(pybullet.getNumJoints, self._body)
        self._infos = [self._set(pybullet.getJointInfo, self._body, index) for index in range(count)]
        base = self._set(pybullet.getBodyInfo, self._body)[0].decode()
        self._numbers = {info[1].decode(): info[0] for info in self._infos}
        self._names = {-1: base} | {info[0]: info[12].decode() for info in self._infos}
        self._links = {name: index for index, name in self._names.items()}
        self.base = base
        self.links = tuple(name for index, name in self._names.items() if index >= 0)

    def _prepare(self) -> None:
        """Masses, damping, friction, the home pose, and the place on the floor."""
        self._moving = list(range(len(self._infos)))
        dynamics = [self._set(pybullet.getDynamicsInfo, self._body, link) for link in (-1, *self._moving)]
        self._masses = np.array([info[0] for info in dynamics])
        self.mass = float(self._masses.sum())
        self._to_frame = pybullet.invertTransform(dynamics[0][3], dynamics[0][4])
        for link in (-1, *self._moving):
            # The importer's default damping would hold it in the air like honey.
            self._set(pybullet.changeDynamics, self._body, link, linearDamping=0.0, angularDamping=0.0)
        self._set(pybullet.changeDynamics, self._floor, -1, lateralFriction=self.file.friction)
        for foot in self._feet:
            # Bullet's friction only takes velocity away, up to the solver's error, and has no memory: a robot that
            # does nothing but stand creeps. The anchor pulls a point that sticks back to where it stuck.
            self._set(pybullet.changeDynamics, self._body, foot, lateralFriction=self.file.friction, frictionAnchor=1)
        for index, value in zip(self._index, self.file.robot.home, strict=True):
            self._set(pybullet.resetJointState, self._body, index, value, 0.0)
        for joint, value in self.file.robot.held.items():
            index = self._numbers[joint]
            self._set(pybullet.resetJointState, self._body, index, value, 0.0)
            self._set(
                pybullet.setJointMotorControl2,
                self._body,
                index,
                pybullet.POSITION_CONTROL,
                targetPosition=value,
                force=HELD_TORQUE,
            )
        gaps = [
            point[8]
            for foot in self._feet
            for point in self._set(pybullet.getClosestPoints, self._body, self._floor, 10.0, foot, -1)
        ]
        place, turn = self._set(pybullet.getBasePositionAndOrientation, self._body)
        lowered = [place[0], place[1], place[2] - min(gaps)]
        self._set(pybullet.resetBasePositionAndOrientation, self._body, lowered, turn)

    def _make_hollow(self) -> Iterator[tuple[tuple[str, str], str]]:
        """Switch off collisions between links that are too near by their joints, or overlap at home."""
        shaped = [link for link in self._names if self._set(pybullet.getCollisionShapeData, self._body, link)]
        for number, first in enumerate(shaped):
            for second in shaped[:number]:
                joints = self._joints_between(first, second)
                why = ""
                if joints <= self.file.solid_beyond:
                    why = f"joints between them: {joints}"
                elif self._set(pybullet.getClosestPoints, self._body, self._body, _TOUCHING, first, second):
                    why = "hulls touch at home"
                if why:
                    self._set(pybullet.setCollisionFilterPair, self._body, self._body, first, second, 0)
                    yield (self._names[second], self._names[first]), why

    def _joints_between(self, first: int, second: int) -> int:
        """How many moving joints are on the way from one link to another."""
        ways = []
        for link in (first, second):
            way = set()
            while link != -1:
                if self._infos[link][2] != pybullet.JOINT_FIXED:
                    way.add(link)
                link = self._infos[link][16]
            ways.append(way)
        return len(ways[0] ^ ways[1])


def _with_masses(urdf: Path) -> str:
    """Return the URDF with absolute paths, and a mass for every link."""
    root = ElementTree.parse(urdf).getroot()
    name_masses(root)
    return ElementTree.tostring(root, encoding="unicode").replace("package://", f"{robots_share()}/")
