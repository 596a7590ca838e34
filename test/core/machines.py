"""The shipped robots about which claims are tested: a claim about any robot runs on each of them.

A test that takes `machine` or `rigs` runs once for the Panda and once for a G1 on a stand: its pelvis is fixed (`balance: null`,
which its file says for a stand) and a source moves all its groups, as the Panda's does. What keeps a standing G1 upright
is tested in test_upright.py, test_footing.py and test_stop_ladder.py. What is a robot's own stands here: which joint goes how far,
which way leads into a zone. Files of configurations are those of a G1 on its feet (test/config/conftest.py).

What stays with the Panda alone, and why:

| tests | why |
| --- | --- |
| test_robot.py, test_scene.py, test_overshoot.py, test_no_staircase.py | numbers of its own data sheet and links, beside invented robots with every kind of joint |
| test_collision_check.py, test_leaving.py, test_path_and_speed_zones.py | a hand that joint 1 carries about a vertical axis, so that ways are known by hand |
| test_separation.py, test_limiting.py, test_tools.py | people, walls and tools are placed about a Panda's hand; bounds of pairs are asked of all three robots in test_outer_bounds.py |
| test_motion.py, test_not_finite_results.py | names of the Panda's groups and joints; test_humanoid_groups.py and test_preemption.py move groups of humanoids |
| `panda_rigs` in test_supervisor_*.py | a cabinet, and what joint 2 does to a hand |
| test/config: bad input with meshes, tools, fingers, people | measuring a G1's meshes takes seconds each time; test_bad_input.py does it once for each shipped file |
| test/config: e-stop, bases | a G1's relays wait for its ladder, which test_ladder_section.py asks; its feet are no driven base |
| test/geometry but poses, pairs and shipped volumes | small robots written for one test |
| test/explain, test/evidence but logs, replays and refusals | words, pictures and files: no joint is in them |
"""
# ruff: noqa: E501  a table: one row, one line

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rig import CONFIGURATION, HOME, Rig, panda, upright

from safety_supervisor.config import load_config
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.settings import Configuration, JointLimits, ZoneKind

ROBOTS = ("panda", "g1")
FREE = {"panda": "panda_joint1", "g1": "left_elbow_joint"}
LAST = {"panda": "panda_joint7", "g1": "left_wrist_roll_joint"}
WAYS = {
    "panda": {"panda_joint1": 0.8, "panda_joint2": 1.0, "panda_joint4": 1.0},
    "g1": {"left_shoulder_roll_joint": 1.2},
}
"""From home, gently into a zone: the Panda's hand into its cabinet, the G1's left hand into a wall on its left."""
WALL = upright("wall", ZoneKind.KEEP_OUT, (-0.5, 0.5, -1.0), (0.5, 0.9, 1.0), margin=0.02)


@lru_cache(maxsize=1)
def g1_on_a_stand() -> Configuration:
    """The shipped G1, its pelvis fixed, a wall on its left, moved by sources that are those of the Panda."""
    shipped = load_config(CONFIGURATION.with_name("g1.yaml"))
    sources = tuple(replace(source, groups=tuple(shipped.robot.groups)) for source in panda().sources)
    return replace(shipped, balance=None, sources=sources, zones=(*shipped.zones, WALL))


@dataclass(frozen=True)
class Machine:
    """A robot, where it starts, and what tests compute from it once."""

    configuration: Configuration
    home: NDArray[np.float64]
    """Shape (n,), [rad]."""
    model: RobotModel
    scene: Scene

    @property
    def names(self) -> tuple[str, ...]:
        return self.configuration.robot.joints

    @property
    def limits(self) -> JointLimits:
        return self.configuration.envelope.joints

    @property
    def count(self) -> int:
        """Joints."""
        return len(self.names)

    @property
    def joints(self) -> range:
        return range(self.count)

    @property
    def free(self) -> int:
        """A joint that reaches its upper limit from home, and beyond, without touching anything."""
        return self.names.index(FREE[self.configuration.robot.id])

    def beyond(self, by: float) -> NDArray[np.float64]:
        """At home but for the joint `free`, which is so far beyond its upper limit, [rad]."""
        q = self.home.copy()
        q[self.free] = self.limits.upper[self.free] + by
        return q

    @property
    def last(self) -> int:
        """A joint at the end of an arm, which may turn a long way."""
        return self.names.index(LAST[self.configuration.robot.id])

    @property
    def way(self) -> NDArray[np.float64]:
        """From home into a zone: home + way is inside, shape (n,), [rad]."""
        way = np.zeros(self.count)
        for joint, by in WAYS[self.configuration.robot.id].items():
            way[self.names.index(joint)] = by
        return way

    def unit(self, joint: int, value: float = 1.0) -> NDArray[np.float64]:
        """A vector with one joint's value, shape (n,)."""
        vector = np.zeros(self.count)
        vector[joint] = value
        return vector

    def rig(
        self, start: NDArray[np.float64] | None = None, latches: tuple[bool, str] = (False, ""), **changes: Any
    ) -> Rig:
        """A rig of this robot, at home or at `start`; other keywords replace sections of its file."""
        return Rig(replace(self.configuration, **changes), self.home if start is None else start, latches)


@lru_cache(maxsize=len(ROBOTS))
def machine_of(name: str) -> Machine:
    """One of `ROBOTS`."""
    configuration = panda() if name == "panda" else g1_on_a_stand()
    home = HOME if name == "panda" else np.array(configuration.robot.start)
    model = RobotModel(configuration.robot, configuration.geometry.volumes)
    return Machine(configuration, home, model, Scene(model, configuration.geometry, configuration.zones))
