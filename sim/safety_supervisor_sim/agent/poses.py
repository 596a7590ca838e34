"""Which joints a source speaks of, and what a pose of a scenario file means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.agent.motions import Array


def spoken_joints(configuration: Configuration, source: str) -> list[int]:
    """Return the joints of a source's groups, as numbers in the configuration's order."""
    robot = configuration.robot
    owned = {index for group in configuration.source(source).groups for index in robot.groups[group]}
    return sorted(owned)


def foreign_joint(configuration: Configuration, source: str) -> str | None:
    """Return a joint that a source does not own, None when it owns all."""
    owned = set(spoken_joints(configuration, source))
    return next((joint for index, joint in enumerate(configuration.robot.joints) if index not in owned), None)


def resolve(pose: Sequence[float] | Mapping[str, float], joints: Sequence[str], now: Array) -> Array:
    """Return the whole pose that is meant, shape (n,), [rad].

    Args:
        pose: all joints in the configuration's order, or some by name, [rad].
        joints: names in that order, n of them.
        now: where the robot is commanded to be, and the other joints stay, shape (n,), [rad].

    Raises:
        ValueError: a name is none of the joints.
    """
    if not isinstance(pose, Mapping):
        return np.array(pose, dtype=np.float64)
    meant = now.copy()
    for joint, value in pose.items():
        meant[list(joints).index(joint)] = value
    return meant
