"""Joints of a command by name: which they are, and in which order they came."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.output_settings import ObservedSettings
from safety_supervisor.core.settings import RobotSettings

_NAME = re.compile(r"[A-Za-z0-9_./-]{1,256}")
_REMEMBERED: Final = 64
"""Orders of names that are kept; a sender that uses more of them is slower to judge, no more."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The joints that a command names."""

    groups: tuple[str, ...]
    """Groups that it names whole, in the source's order."""
    indices: NDArray[np.intp]
    """Joints, ascending configuration order, shape (k,), read-only."""
    order: NDArray[np.intp] | None
    """`values[order]` is in the order of `indices`; None when it is so already."""


class JointNames:
    """The joints that one source may command."""

    def __init__(self, groups: tuple[str, ...], robot: RobotSettings, observed: ObservedSettings | None = None) -> None:
        """Take the source's groups of the robot, and what nobody may command."""
        self._observed = frozenset(() if observed is None else (robot.joints[index] for index in observed.joints))
        self._joints = robot.joints
        self._groups = {name: frozenset(robot.groups[name]) for name in groups}
        allowed = frozenset().union(*self._groups.values())
        self._index = {robot.joints[index]: index for index in sorted(allowed)}
        self._selections: dict[tuple[str, ...], Selection] = {}

    def select(self, names: tuple[str, ...]) -> Selection | Violation:
        """Find the joints of a command, which must be one or more of the source's groups, whole.

        Args:
            names: as they came, in any order.

        Returns:
            The selection, or the first rule that is broken: JOINT_NAME, UNKNOWN_JOINT, OBSERVED_JOINT,
            DUPLICATE_JOINT, MISSING_JOINT.
        """
        known = self._selections.get(names)
        if known is not None:
            return known
        selection = self._judge(names)
        if isinstance(selection, Selection) and len(self._selections) < _REMEMBERED:
            self._selections[names] = selection
        return selection

    def _judge(self, names: tuple[str, ...]) -> Selection | Violation:
        seen: dict[int, int] = {}
        # One name more than there are joints breaks a rule for certain: the rest of a flood of names is never read.
        for place, name in enumerate(names[: len(self._index) + 1]):
            if _NAME.fullmatch(name) is None:
                return Violation(Code.JOINT_NAME, "command.names", detail=f"name {place} is {describe(name)}")
            index = self._index.get(name)
            if index is None:
                code = Code.OBSERVED_JOINT if name in self._observed else Code.UNKNOWN_JOINT
                return Violation(code, "command.names", joint=name)
            if index in seen:
                return Violation(Code.DUPLICATE_JOINT, "command.names", joint=name)
            seen[index] = place
        whole = tuple(name for name, joints in self._groups.items() if joints and joints <= seen.keys())
        covered = frozenset().union(*(self._groups[name] for name in whole))
        loose = seen.keys() - covered
        if loose or not whole:
            missing = min(
                (index for joints in self._groups.values() if joints & loose for index in joints - seen.keys()),
                default=0,
            )
            return Violation(Code.MISSING_JOINT, "command.names", joint=self._joints[missing])
        indices = np.array(sorted(seen), dtype=np.intp)
        order = np.array([seen[index] for index in indices.tolist()], dtype=np.intp)
        indices.setflags(write=False)
        return Selection(whole, indices, None if np.array_equal(order, np.arange(len(order))) else order)


def describe(text: str) -> str:
    """Quote a sender's text so that nothing in it can act or deceive, shortened."""
    shown = ascii(text[:64])
    return shown if len(text) <= 64 else f"{shown} and {len(text) - 64} more characters"
