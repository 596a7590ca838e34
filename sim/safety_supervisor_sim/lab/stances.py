"""Poses of a robot on its feet, drawn at random: on both, which then stay where they are, or on one of them.

The kinematics are the supervisor's: this draws, and judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pinocchio as pin

from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.cell.robot import robots_share, urdf_path
from safety_supervisor_sim.lab.humanoid import standing_file
from safety_supervisor_sim.lab.stand import StandBench, load_stand
from safety_supervisor_sim.oracle.tipping import TipJudge
from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.world import Array

SHIFT: Final = np.array([0.08, 0.08, 0.12])
"""How far the base goes from home, forward and to the side, and half of how far down, [m]."""
TURN: Final = np.array([0.2, 0.3, 0.4])
"""How far it turns about its own axes, [rad]."""
_FREE: Final = 0.5
_STEPS: Final = 30
_MISS: Final = 1e-8  # of a foot, [m] and [rad]
_ARRIVED: Final = 1e-5  # [rad]
_GRID: Final = 32  # poses of a way, from which the legs are bent on
_JUMP: Final = 0.3  # of a leg's joint from one of them to the next, [rad]


@dataclass(frozen=True)
class Stood:
    """A pose, and how the robot stands in it.

    Attributes:
        pose: shape (n,), [rad].
        bearing: feet on the ground; the first one is level.
        orientation: of the base then, quaternion x, y, z, w.
    """

    pose: Array
    bearing: tuple[str, ...]
    orientation: tuple[float, float, float, float]


@dataclass(frozen=True)
class FootedBench:
    """Both sides of a robot on its feet.

    Attributes:
        stand: what the supervisor is given, and the judge of what touches.
        name: of the robot.
        feet: links that stand, as the judge has them.
        home: the pose in which it is put on the floor, shape (n,), [rad].
    """

    stand: StandBench
    name: str
    feet: tuple[str, ...]
    home: Array

    @property
    def configuration(self) -> Configuration:
        """What the supervisor is given."""
        return self.stand.configuration

    def judge(self) -> TouchJudge:
        """Return a judge of what touches, with a world of its own."""
        return self.stand.judge()

    def tip_judge(self) -> TipJudge:
        """Return a judge of tipping, with a world of its own."""
        robot = standing_file(self.name).robot
        return TipJudge(urdf_path(robot), robots_share(), robot.joints, robot.held, self.feet)

    @cached_property
    def stances(self) -> Stances:
        """What draws poses."""
        return Stances(self.configuration, self.feet, self.home)


def load_footed(name: str) -> FootedBench:
    """Load a robot by `load_stand`, and `sim/cells/NAME_standing.yaml` for its feet.

    Raises:
        FileNotFoundError: a file is not installed.
        safety_supervisor.config.ConfigurationError: the configuration is not valid.
        pydantic.ValidationError: a file of the judge's is malformed.
    """
    file = standing_file(name)
    return FootedBench(load_stand(name), name, file.feet, np.array(file.robot.home))


class Stances:
    """Draws.

    A draw is a vector: where the base goes, shape (6,), [m] and [rad], then all joints, shape (n,), [rad]. Between two
    draws lie poses that stand alike.
    """

    def __init__(self, configuration: Configuration, feet: Sequence[str], home: Array) -> None:
        """Prepare for a robot; its feet stand at home as they stand in all poses on both."""
        self._model = RobotModel(configuration.robot)
        self._tree: Any = self._model.kinematics
        self._data: Any = self._tree.createData()
        self._lower, self._upper = configuration.envelope.joints.lower, configuration.envelope.joints.upper
        self._home = home
        self._frames = {foot: self._tree.getFrameId(foot, pin.FrameType.BODY) for foot in feet}
        names = list(configuration.robot.joints)
        self._legs = {foot: self._leg(frame, names) for foot, frame in self._frames.items()}
        self.feet = tuple(feet)
        self._stood = {foot: self._place(home, frame) for foot, frame in self._frames.items()}
        legs = {joint for leg, _ in self._legs.values() for joint in leg}
        self.bent = sorted(legs)
        """Joints of the legs."""
        self.others = [joint for joint in range(len(names)) if joint not in legs]
        """Joints of no leg."""

    def draw(self, random: np.random.Generator, share: float = 1.0) -> Array:
        """Draw a vector; the base goes a share of `SHIFT` and `TURN` at most."""
        base = random.uniform(-1.0, 1.0, 6) * np.concatenate([SHIFT, TURN])
        base[2] -= SHIFT[2]
        return np.concatenate([share * base, random.uniform(self._lower, self._upper)])

    def pose(self, drawn: Array, bearing: Sequence[str]) -> Array | None:
        """Return the pose, shape (n,), [rad]: legs bent so that feet that bear stand as at home, other joints as drawn.

        On one foot the base goes to where the foot is, and the free leg half as far from home as drawn, so that some
        poses balance and are clear. None where a leg does not reach.
        """
        pose: Array = drawn[6:].copy()
        place = drawn[:3].copy()
        for foot in set(self.feet) - set(bearing):
            free, _ = self._legs[foot]
            pose[free] = self._home[free] + _FREE * (pose[free] - self._home[free])
        if len(bearing) == 1:
            place[:2] += self._stood[bearing[0]].translation[:2]
        moved = pin.SE3(pin.rpy.rpyToMatrix(*drawn[3:6].tolist()), place)
        for foot in bearing:
            leg, _ = self._legs[foot]
            pose[leg] = self._home[leg]
            if not self._reach(pose, foot, moved.actInv(self._stood[foot])):
                return None
        return pose

    def stand(self, pose: Array, bearing: Sequence[str]) -> Stood:
        """Say how a robot lies whose first bearing foot is level."""
        turned = pin.Quaternion(self._place(pose, self._frames[bearing[0]]).rotation.T)
        x, y, z, w = (float(part) for part in (turned.x, turned.y, turned.z, turned.w))
        return Stood(pose, tuple(bearing), (x, y, z, w))

    def way(self, start: Array, goal: Array) -> Way | None:
        """Return the way between two poses on all feet; None where a leg does not reach, or jumps."""
        return Way.bent(self, start, goal)

    def bend(self, pose: Array, base: Any, feet: Mapping[str, Any]) -> bool:
        """Bend legs, in place, until feet are at places; say whether they are, inside the limits.

        Args:
            pose: shape (n,), [rad]; the legs are bent from there on.
            base: its place (pinocchio.SE3).
            feet: places in the same frame, by name.
        """
        return all(self._reach(pose, foot, base.actInv(place)) for foot, place in feet.items())

    def between(self, pose: Array) -> dict[str, Any]:
        """Return where the feet are in the base frame (pinocchio.SE3), by name."""
        return {foot: self._place(pose, frame) for foot, frame in self._frames.items()}

    def _leg(self, frame: int, names: list[str]) -> tuple[list[int], list[int]]:
        """Return a leg's joints, in the configuration's order and as columns of its Jacobian."""
        tree = self._tree
        joints = [int(joint) for joint in tree.supports[tree.frames[frame].parentJoint] if joint]
        return [names.index(tree.names[joint]) for joint in joints], [int(tree.joints[joint].idx_v) for joint in joints]

    def _place(self, pose: Array, frame: int) -> Any:
        pin.framesForwardKinematics(self._tree, self._data, self._model.configure(pose))
        return self._model.base.inverse() * self._data.oMf[frame]

    def _reach(self, pose: Array, foot: str, goal: Any) -> bool:
        """Bend a leg, in place, until its foot is at its goal; say whether it is, inside the limits."""
        joints, columns = self._legs[foot]
        frame = self._frames[foot]
        for _ in range(_STEPS):
            miss = pin.log6(self._place(pose, frame).actInv(goal)).vector
            if np.abs(miss).max() < _MISS:
                return bool((pose >= self._lower).all() and (pose <= self._upper).all())
            rows = pin.computeFrameJacobian(
                self._tree, self._data, self._model.configure(pose), frame, pin.ReferenceFrame.LOCAL
            )[:, columns]
            step = rows.T @ np.linalg.solve(rows @ rows.T + 1e-9 * np.eye(6), miss)
            pose[joints] += np.clip(step, -0.3, 0.3)
        return False


@dataclass(frozen=True)
class Way:
    """From one pose to another on all feet, as a function of its share.

    The base goes straight, and so do joints of no leg; the first foot stays where it is, and others go straight from
    where they are in the first pose to where they are in the last: where that is the same, they stay, too.
    """

    stances: Stances
    first: dict[str, Any]
    """Places at the start as the first foot sees them (pinocchio.SE3): of feet, and of the base by an empty name."""
    turns: dict[str, Array]
    """How all of them go, as twists."""
    grid: Array
    """Poses at even shares, shape (`_GRID` + 1, n), [rad]."""

    @classmethod
    def bent(cls, stances: Stances, start: Array, goal: Array) -> Way | None:
        """Make the way between two poses, shape (n,), [rad]; None where a leg does not reach, or jumps."""
        first, last = (_from_first(stances.between(pose), stances.feet[0]) for pose in (start, goal))
        turns = {name: pin.log6(place.actInv(last[name])).vector for name, place in first.items()}
        way = cls(stances, first, turns, np.linspace(start, goal, _GRID + 1))
        for row in range(1, _GRID + 1):
            pose = way._bend(way.grid[row - 1], row / _GRID)
            if pose is None or np.abs(pose - way.grid[row - 1])[stances.bent].max() > _JUMP:
                return None
            way.grid[row] = pose
        return way if np.abs(way.grid[-1] - goal).max() < _ARRIVED else None

    def at(self, share: float) -> Array:
        """Return the pose at a share of the way, shape (n,), [rad].

        Raises:
            ValueError: a leg does not reach there, though it does on both sides.
        """
        row = min(int(share * _GRID), _GRID - 1)
        part = share * _GRID - row
        pose = self._bend((1.0 - part) * self.grid[row] + part * self.grid[row + 1], share)
        if pose is None:
            raise ValueError(f"a leg does not reach at {share:.3f} of the way")
        return pose

    def _bend(self, near: Array, share: float) -> Array | None:
        pose = (1.0 - share) * self.grid[0] + share * self.grid[-1]
        pose[self.stances.bent] = near[self.stances.bent]
        places = {name: place * pin.exp6(share * self.turns[name]) for name, place in self.first.items()}
        base = places.pop("")
        return pose if self.stances.bend(pose, base, places) else None


def _from_first(places: dict[str, Any], first: str) -> dict[str, Any]:
    base = places[first].inverse()
    return {"": base} | {foot: base * place for foot, place in places.items()}
