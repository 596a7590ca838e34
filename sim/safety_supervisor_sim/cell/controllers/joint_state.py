"""A bridge as simulators and vendors have it: JointState positions, by name.

Topic: `/joint_commands`. No common specification exists; this one takes a message whole or
not at all: every joint named once, one finite position each, nothing else filled. Deadman as
declared in the cell file.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.cell.controllers.base import Controller, Refused
from safety_supervisor_sim.cell.drive import Quantity, Target

Array = NDArray[np.float64]


class JointStateBridge(Controller):
    """Holds the last position of every joint; the drive interpolates to each."""

    def __init__(self, joints: tuple[str, ...]) -> None:
        super().__init__(joints)
        self._target: Target | None = None

    def activate(self, now_ns: int, position: Array, velocity: Array) -> None:
        """Forget every command."""
        super().activate(now_ns, position, velocity)
        self._target = None

    def command(self, now_ns: int, names: Sequence[str], positions: Array) -> Refused | None:
        """Take one message; None when it was kept."""
        if len(names) != len(positions):
            return self._refuse("wrong size")
        if len(names) != len(self.joints) or set(names) != set(self.joints):
            return self._refuse("joint names")
        if not np.isfinite(positions).all():
            return self._refuse("non-finite value")
        values = np.empty(len(self.joints))
        for name, value in zip(names, positions, strict=True):
            values[self.joints.index(name)] = value
        self._target = Target(values, Quantity.POSITION, interpolate=True)
        self._accepted(now_ns)
        return None

    @property
    def commanded(self) -> Array | None:
        """The last command in joint order, shape (n,), [rad]."""
        return None if self._target is None else self._target.values

    def update(self, now_ns: int) -> Target | None:
        """The last command."""
        return self._target
