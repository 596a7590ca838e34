"""Humanoids straight from their URDFs, how they stand, and what PyBullet says of their mass."""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path

import numpy as np
import pinocchio
import pybullet
from numpy.typing import NDArray

from safety_supervisor.core.balance.settings import BalanceSettings, ContactSource, Sole, UpSource
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.settings import RobotSettings

Array = NDArray[np.float64]
G1 = "g1_description/urdf/g1_29dof_rev_1_0.urdf"
TALOS = "talos_data/robots/talos_full_v2.urdf"
FEET = {
    G1: ("left_ankle_roll_link", "right_ankle_roll_link"),
    TALOS: ("left_sole_link", "right_sole_link"),
}
BASES = {G1: "pelvis", TALOS: "base_link"}
CORNERS = {
    G1: ((-0.05, 0.025, -0.035), (-0.05, -0.025, -0.035), (0.12, 0.03, -0.035), (0.12, -0.03, -0.035)),
    TALOS: ((-0.1, 0.06, 0.0), (-0.1, -0.06, 0.0), (0.11, 0.06, 0.0), (0.11, -0.06, 0.0)),
}
MS = 1_000_000


@cache
def text(name: str) -> str:
    spec = importlib.util.find_spec("cmeel")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    site = Path(next(iter(spec.submodule_search_locations))).parent
    return (site / "cmeel.prefix/share/example-robot-data/robots" / name).read_text(encoding="utf-8")


@cache
def robot(name: str) -> RobotModel:
    model = pinocchio.buildModelFromXML(text(name))
    followers = {
        joint.get("name")
        for joint in ElementTree.fromstring(text(name)).iter("joint")
        if joint.find("mimic") is not None
    }
    joints = tuple(joint for joint in list(model.names)[1:] if joint not in followers)
    return RobotModel(RobotSettings("robot", text(name), "", BASES[name], joints, {}, {}, ()))


@cache
def soles(name: str) -> tuple[Sole, ...]:
    return tuple(Sole(foot, CORNERS[name], (0.0, 0.0, 1.0)) for foot in FEET[name])


def balance(name: str = G1, **changes: object) -> BalanceSettings:
    contacts = tuple(ContactSource(sole.foot, f"/{sole.foot}", 20.0) for sole in soles(name))
    values: dict[str, object] = {
        "soles": soles(name), "contacts": contacts, "margin": 0.01, "contact_timeout": 50 * MS, "base_timeout": 20 * MS,
        "up": UpSource.IMU, "tilt": 0.1, "slip": 0.01,
    }  # fmt: skip
    return BalanceSettings(**{**values, **changes})  # type: ignore[arg-type]


def squat(angle: float) -> Array:
    """A pose of the G1 with level soles: hips and ankles bent by an angle, [rad], knees by twice that."""
    q = np.zeros(len(robot(G1).joints))
    for joint, share in (("hip_pitch", -1.0), ("knee", 2.0), ("ankle_pitch", -1.0)):
        for side in ("left", "right"):
            q[robot(G1).joints.index(f"{side}_{joint}_joint")] = share * angle
    return q


class Bullet:
    """A humanoid in PyBullet without its shapes, its base anywhere."""

    def __init__(self, name: str, folder: Path, position: Array, orientation: Array) -> None:
        root = ElementTree.fromstring(text(name))
        self.mimics = {}
        for joint in root.iter("joint"):
            mimic = joint.find("mimic")
            if mimic is not None:
                self.mimics[joint.get("name")] = (
                    mimic.get("joint"), float(mimic.get("multiplier", 1)), float(mimic.get("offset", 0)),
                )  # fmt: skip
        self.masses = {}
        for link in root.findall("link"):
            for shape in link.findall("visual") + link.findall("collision"):
                link.remove(shape)
            mass = link.find("inertial/mass")
            # PyBullet makes up 1 kg where the URDF gives none.
            self.masses[link.get("name")] = 0.0 if mass is None else float(mass.get("value", 0))
        path = folder / "humanoid.urdf"
        path.write_text(ElementTree.tostring(root, encoding="unicode"), encoding="utf-8")
        self.client = pybullet.connect(pybullet.DIRECT)
        self.body = pybullet.loadURDF(
            str(path), basePosition=position.tolist(), baseOrientation=orientation.tolist(), useFixedBase=True,
            physicsClientId=self.client,
        )  # fmt: skip
        rows = [
            pybullet.getJointInfo(self.body, index, physicsClientId=self.client)
            for index in range(pybullet.getNumJoints(self.body, physicsClientId=self.client))
        ]
        self.joints = {row[1].decode(): row[0] for row in rows}
        self.links = {row[12].decode(): row[0] for row in rows}

    def set(self, joints: dict[str, float]) -> None:
        values = dict(joints)
        for name, (source, multiplier, offset) in self.mimics.items():
            values[name] = multiplier * joints[source] + offset
        for name, value in values.items():
            pybullet.resetJointState(self.body, self.joints[name], value, physicsClientId=self.client)

    def frame(self, link: str) -> tuple[Array, Array]:
        """Origin and rotation matrix of a link's frame in the world."""
        state = pybullet.getLinkState(
            self.body, self.links[link], computeForwardKinematics=True, physicsClientId=self.client
        )
        return np.array(state[4]), np.array(pybullet.getMatrixFromQuaternion(state[5])).reshape(3, 3)

    def centre(self) -> tuple[Array, float]:
        """Centre of mass in the world and mass: the sum over the links."""
        base = pybullet.getBasePositionAndOrientation(self.body, physicsClientId=self.client)[0]
        root = pybullet.getBodyInfo(self.body, physicsClientId=self.client)[0].decode()
        total, moment = self.masses[root], self.masses[root] * np.array(base)
        for link, index in self.links.items():
            state = pybullet.getLinkState(self.body, index, computeForwardKinematics=True, physicsClientId=self.client)
            total += self.masses[link]
            moment = moment + self.masses[link] * np.array(state[0])
        return moment / total, total
