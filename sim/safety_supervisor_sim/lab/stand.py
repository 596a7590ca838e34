"""A robot on a stand: any shipped configuration with its own zones, and the judge's own robot and cell beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import yaml

from safety_supervisor.config import load_config
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.cell.cell_file import RobotSection
from safety_supervisor_sim.cell.robot import robots_share, urdf_path
from safety_supervisor_sim.demo.places import shared
from safety_supervisor_sim.lab.bench import KEEP_IN
from safety_supervisor_sim.oracle.obstacles import Block, Obstacle, around
from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.world import Array


@dataclass(frozen=True)
class StandBench:
    """Both sides.

    Attributes:
        configuration: what the supervisor is given.
        robot: what the judge has.
        obstacles: around it.
    """

    configuration: Configuration
    robot: RobotSection
    obstacles: Mapping[str, Obstacle]

    @property
    def hollow(self) -> frozenset[str]:
        """Links of several volumes: the judge has the hull of a visual mesh, which these need not hold."""
        return frozenset(link for link, shapes in self.configuration.geometry.volumes.items() if len(shapes) > 1)

    def judge(self) -> TouchJudge:
        """Return a judge by the visual meshes; pairs that the configuration leaves out stand apart."""
        return TouchJudge(
            urdf_path(self.robot),
            robots_share(),
            self.robot.joints,
            self.robot.held,
            self.obstacles,
            self.configuration.geometry.left_out,
            shown=True,
        )

    def random_pose(self, random: np.random.Generator) -> Array:
        """Draw a pose inside the position limits, shape (n,), [rad]."""
        limits = self.configuration.envelope.joints
        return random.uniform(limits.lower, limits.upper)


def load_stand(name: str) -> StandBench:
    """Load `config/NAME.yaml`, and `sim/cells/NAME_lab.yaml` for the judge.

    Raises:
        FileNotFoundError: a file is not installed.
        safety_supervisor.config.ConfigurationError: the configuration is not valid.
        pydantic.ValidationError: the judge's robot is malformed.
    """
    lab = yaml.safe_load(shared("cells", f"{name}_lab.yaml").read_text(encoding="utf-8"))
    obstacles: dict[str, Obstacle] = {
        one: Block(tuple(keys["low"]), tuple(keys["high"])) for one, keys in lab["obstacles"].items()
    }
    low, high = tuple(lab["inside"]["low"]), tuple(lab["inside"]["high"])
    obstacles |= {f"{KEEP_IN}.{side}": block for side, block in around(low, high).items()}
    return StandBench(
        load_config(shared("config", f"{name}.yaml")), RobotSection.model_validate(lab["robot"]), obstacles
    )
