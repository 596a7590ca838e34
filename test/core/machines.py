"""The shipped robots about which the core's claims are tested: a claim about any robot runs on each of them.

A test that takes `machine`, or `any_rigs`, runs once for the Panda and once for a G1 on a stand: its pelvis is fixed (`balance: null`,
which its file says for a stand) and a source moves all its groups, as the Panda's does. What keeps a standing G1 upright
is tested in test_upright.py, test_footing.py and test_stop_ladder.py.

What stays with the Panda alone, and why:

| tests | why |
| --- | --- |
| test_robot.py, test_scene.py, test_overshoot.py, test_no_staircase.py | numbers of its own data sheet and links, beside invented robots with every kind of joint |
| test_collision_check.py, test_leaving.py, test_path_and_speed_zones.py | a hand that joint 1 carries about a vertical axis, so that ways are known by hand |
| test_separation.py, test_limiting.py, test_tools.py, test_trajectory_job.py | people, zones and tools are placed about a Panda's hand; bounds of pairs are asked of all three robots in test_outer_bounds.py |
| test_supervisor_*.py but those with `any_rigs` | states and causes have no joints in them: of each family some run on 29 joints, for the time that all would take |
| test_motion.py, test_not_finite_results.py | names of the Panda's groups and joints; test_humanoid_groups.py moves two groups of humanoids |
"""
# ruff: noqa: E501  a table: one row, one line

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rig import CONFIGURATION, HOME, Rig, panda

from safety_supervisor.config import load_config
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.settings import Configuration, JointLimits

ROBOTS = ("panda", "g1")


@lru_cache(maxsize=1)
def g1_on_a_stand() -> Configuration:
    """The shipped G1, its pelvis fixed, moved by sources that are those of the Panda."""
    shipped = load_config(CONFIGURATION.with_name("g1.yaml"))
    sources = tuple(replace(source, groups=tuple(shipped.robot.groups)) for source in panda().sources)
    return replace(shipped, balance=None, sources=sources)


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

    def unit(self, joint: int, value: float = 1.0) -> NDArray[np.float64]:
        """A vector with one joint's value, shape (n,)."""
        vector = np.zeros(self.count)
        vector[joint] = value
        return vector

    def rig(self, **changes: Any) -> Rig:
        """A rig of this robot."""
        return Rig(replace(self.configuration, **changes), self.home)


@lru_cache(maxsize=len(ROBOTS))
def machine_of(name: str) -> Machine:
    """One of `ROBOTS`."""
    configuration = panda() if name == "panda" else g1_on_a_stand()
    home = HOME if name == "panda" else np.array(configuration.robot.start)
    model = RobotModel(configuration.robot, configuration.geometry.volumes)
    return Machine(configuration, home, model, Scene(model, configuration.geometry, configuration.zones))
