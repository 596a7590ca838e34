"""Tolerances of an action goal, as joint_trajectory_controller understands them.

A tolerance of 0 is the server's default, which here checks nothing beyond the core's own tracking bound; -1 checks
nothing. What the controller answers by its defaults (an unknown joint, another negative value) is refused here.
Source: ros2_controllers, joint_trajectory_controller, tolerances.hpp; control_msgs, JointTolerance.msg.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

UNCHECKED: Final = -1.0


class Tolerance(msgspec.Struct, frozen=True, array_like=True):
    """How far a joint may be from where it is to be; 0 is not checked."""

    joint: str
    position: float
    """[rad]"""
    velocity: float
    """[rad/s]"""


class Excess(msgspec.Struct, frozen=True):
    """A tolerance that was passed."""

    joint: str
    what: str
    value: float
    limit: float

    def __str__(self) -> str:
        """Say it for people."""
        return f"{self.joint}: {self.what} error {self.value:.4g}, tolerance {self.limit:.4g}"


def read_tolerances(field: str, entries: Sequence[Any], joints: Sequence[str]) -> tuple[Tolerance, ...] | str:
    """Read control_msgs/JointTolerance entries.

    Args:
        field: name of the goal's field, for the text.
        entries: of that field.
        joints: of the goal's trajectory.

    Returns:
        Tolerances that check anything, or the text that says what is wrong.
    """
    if len(entries) > len(joints):
        return f"{field} has {len(entries)} entries for {len(joints)} joints"
    known, seen, result = set(joints), set(), []
    for entry in entries:
        if entry.name not in known or entry.name in seen:
            return f"{field} names {entry.name[:64]!a}, twice or not in the trajectory"
        seen.add(entry.name)
        values = []
        for what in ("position", "velocity", "acceleration"):
            value = float(getattr(entry, what))
            if not math.isfinite(value) or (value < 0.0 and value != UNCHECKED):
                return f"{field}: {what} of {entry.name} is {value:g}"
            values.append(max(0.0, value))
        if values[2]:
            return f"{field}: acceleration of {entry.name} is not measured"
        if values[0] or values[1]:
            result.append(Tolerance(entry.name, values[0], values[1]))
    return tuple(result)


def find_excess(
    tolerances: Sequence[Tolerance],
    desired: Mapping[str, tuple[float, float]],
    actual: Mapping[str, tuple[float, float | None]],
) -> Excess | None:
    """Return the first tolerance that is passed.

    Args:
        tolerances: to check.
        desired: joint to commanded position and velocity.
        actual: joint to measured position and velocity; None where it is not measured, which passes no check.
    """
    for one in tolerances:
        (wanted, speed), (place, measured) = desired[one.joint], actual[one.joint]
        error = abs(wanted - place)
        if one.position and not error <= one.position:
            return Excess(one.joint, "position", error, one.position)
        if one.velocity:
            error = math.inf if measured is None else abs(speed - measured)
            if not error <= one.velocity:
                return Excess(one.joint, "velocity", error, one.velocity)
    return None
