"""What the laboratory stands on: the configuration with the laboratory's zones, and the judge's own cell."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from safety_supervisor.config import load_config
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.cell.cell_file import CellFile, load_cell
from safety_supervisor_sim.cell.robot import robots_share, urdf_path
from safety_supervisor_sim.demo.places import shared
from safety_supervisor_sim.oracle.obstacles import Block, Obstacle, Pole, around
from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.world import Array

KEEP_IN: Final = "cell"
"""Zone inside of which the robot stays, and name of the obstacles around it."""


@dataclass(frozen=True)
class Bench:
    """Both sides of the laboratory.

    Attributes:
        configuration: what the supervisor is given.
        cell: the simulated robot's file.
        obstacles: what the judge has.
    """

    configuration: Configuration
    cell: CellFile
    obstacles: Mapping[str, Obstacle]

    @property
    def hollow(self) -> frozenset[str]:
        """None: all meshes of the Panda are convex."""
        return frozenset()

    def judge(self) -> TouchJudge:
        """Return a judge with a PyBullet world of its own; pairs that the configuration leaves out stand apart."""
        robot = self.cell.robot
        return TouchJudge(
            urdf_path(robot),
            robots_share(),
            robot.joints,
            robot.held,
            self.obstacles,
            self.configuration.geometry.left_out,
        )

    def without(self, zone: str) -> Bench:
        """Return the bench with a supervisor that does not know a zone; the judge's cell stays as it is."""
        zones = tuple(one for one in self.configuration.zones if one.name != zone)
        return replace(self, configuration=replace(self.configuration, zones=zones))

    @property
    def period(self) -> float:
        """Control period, [s]."""
        return self.configuration.timing.period * 1e-9

    @property
    def lower(self) -> Array:
        """Lower position limits, shape (n,), [rad]."""
        return self.configuration.envelope.joints.lower

    @property
    def upper(self) -> Array:
        """Upper position limits, shape (n,), [rad]."""
        return self.configuration.envelope.joints.upper

    def random_pose(self, random: np.random.Generator) -> Array:
        """Draw a pose inside the position limits, shape (n,), [rad]."""
        return random.uniform(self.lower, self.upper)


def load_bench(changes: Mapping[str, Any] | None = None) -> Bench:
    """Load `config/panda.yaml` with the zones of `sim/cells/geometry_lab.yaml`.

    Args:
        changes: sections of the configuration to replace besides; for tests that break it on purpose.

    Raises:
        FileNotFoundError: a file is not installed.
        safety_supervisor.config.ConfigurationError: the configuration is not valid.
    """
    lab = yaml.safe_load(shared("cells", "geometry_lab.yaml").read_text(encoding="utf-8"))
    value = yaml.safe_load(shared("config", "panda.yaml").read_text(encoding="utf-8"))
    value["zones"] = lab["zones"]
    value.update(changes or {})
    with tempfile.TemporaryDirectory(prefix="geometry_lab_") as directory:
        path = Path(directory) / "panda.yaml"
        path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")
        configuration = load_config(path)
    obstacles: dict[str, Obstacle] = {name: _obstacle(keys) for name, keys in lab["obstacles"].items()}
    low, high = tuple(lab["inside"]["low"]), tuple(lab["inside"]["high"])
    obstacles |= {f"{KEEP_IN}.{name}": block for name, block in around(low, high).items()}
    return Bench(configuration, load_cell(shared("cells", "panda.yaml")), obstacles)


def _obstacle(keys: Mapping[str, Any]) -> Obstacle:
    if "radius" in keys:
        return Pole(**keys)
    return Block(tuple(keys["low"]), tuple(keys["high"]))
