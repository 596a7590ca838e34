"""What moves each joint of the URDF: every movable joint is a line `multiplier * q[source] + offset` of a commanded
joint, or a constant. Mimic joints follow theirs, also when the one that they follow is locked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from safety_supervisor.core.geometry.urdf import UrdfJoint
from safety_supervisor.core.settings import RobotSettings

_AXIS_TOLERANCE = 1e-3
"""Axes are often written with four digits."""


class RobotModelError(ValueError):
    """The robot's model can not be built.

    Attributes:
        problems: everything that is wrong, one sentence each.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Keep every problem."""
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Follow:
    """Position of a movable joint: `multiplier * q[source] + offset`; constant when source is None."""

    source: int | None
    multiplier: float
    offset: float


def follow_joints(settings: RobotSettings, described: dict[str, UrdfJoint]) -> dict[str, Follow]:
    """Work out what moves each movable joint of the URDF, or name every problem."""
    problems: list[str] = []
    follow: dict[str, Follow] = {}
    if not settings.joints:
        problems.append("no joint is commanded")
    for name in sorted({name for name in settings.joints if settings.joints.count(name) > 1}):
        problems.append(f"joint {name!r} is commanded twice")
    for index, name in enumerate(settings.joints):
        if name not in described:
            problems.append(f"joint {name!r} is not a movable joint of the URDF")
        elif described[name].mimic is not None:
            problems.append(f"joint {name!r} follows {described[name].mimic!r} and can not be commanded")
        follow[name] = Follow(index, 1.0, 0.0)
    for name, position in settings.locked_joints.items():
        if name not in described:
            problems.append(f"locked joint {name!r} is not a movable joint of the URDF")
        elif name in settings.joints:
            problems.append(f"joint {name!r} is both commanded and locked")
        elif not math.isfinite(position):
            problems.append(f"locked joint {name!r} has a position that is not finite")
        elif described[name].mimic is None:
            follow[name] = Follow(None, 0.0, position)
    for name, joint in described.items():
        if joint.kind not in ("revolute", "continuous", "prismatic"):
            problems.append(f"joint {name!r} is of the unsupported type {joint.kind!r}")
        elif joint.kind == "prismatic" and not abs(joint.axis_length - 1.0) <= _AXIS_TOLERANCE:
            # The format asks for a unit axis. Of any other, Pinocchio takes the direction and PyBullet also the length.
            problems.append(f"prismatic joint {name!r} has an axis of length {joint.axis_length:.6g}, not 1")
        if joint.mimic is None and name not in follow:
            problems.append(f"joint {name!r} is neither commanded nor locked")
    for name, joint in described.items():
        if joint.mimic is not None and name not in settings.joints:
            _follow_mimic(name, described, follow, problems)
            locked = settings.locked_joints.get(name)
            own = follow.get(name)
            if locked is not None and own is not None and (own.source is not None or abs(own.offset - locked) > 1e-9):
                problems.append(f"locked joint {name!r} follows {joint.mimic!r} and would be elsewhere")
    for name, joint in described.items():
        source = follow[name].source if name in follow else None
        driver = None if source is None else described.get(settings.joints[source])
        if joint.kind == "prismatic" and driver is not None and not math.isfinite(driver.upper - driver.lower):
            problems.append(f"prismatic joint {name!r} is moved without limits by {driver.name!r}")
    if problems:
        raise RobotModelError(tuple(problems))
    return follow


def _follow_mimic(name: str, described: dict[str, UrdfJoint], follow: dict[str, Follow], problems: list[str]) -> None:
    """Resolve a chain of mimic joints into one line of the joint at its root."""
    multiplier, offset, current = 1.0, 0.0, name
    for _ in range(len(described) + 1):
        joint = described.get(current)
        if joint is None:
            problems.append(f"joint {name!r} follows {current!r}, which is not a movable joint of the URDF")
            return
        if joint.mimic is None or current in follow:
            root = follow.get(current)
            if root is not None:
                follow[name] = Follow(root.source, multiplier * root.multiplier, multiplier * root.offset + offset)
            return
        offset += multiplier * joint.mimic_offset
        multiplier *= joint.mimic_multiplier
        current = joint.mimic
    problems.append(f"joint {name!r} follows itself")
