"""What forward_command_controller does with any quantity.

Source: ros2_controllers (jazzy), forward_command_controller/src/forward_controllers_base.cpp:
a message with a non-finite value is dropped in the callback; the last message is written in
every update, for ever; a message of the wrong length makes `update` return an error, and an
empty one counts as no command received yet. What the controller manager does after an error:
since Jazzy it deactivates the controller (ros2_control#1499), Humble goes on (#1873).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.cell.controllers.base import Controller, Refused
from safety_supervisor_sim.cell.drive import Quantity, Target

Array = NDArray[np.float64]


class ForwardController(Controller):
    """Holds the last command for ever."""

    quantity: Quantity
    interpolate: bool

    def __init__(self, joints: tuple[str, ...], deactivate_on_error: bool) -> None:
        super().__init__(joints)
        self._deactivate_on_error = deactivate_on_error
        self._command: Array | None = None
        self._written: Target | None = None

    def activate(self, now_ns: int, position: Array, velocity: Array) -> None:
        """Forget every command: the real one fills its buffer with NaN."""
        super().activate(now_ns, position, velocity)
        self._command = self._written = None

    def command(self, now_ns: int, values: Array) -> Refused | None:
        """Take one Float64MultiArray, values of any shape (k,); None when it was kept."""
        if not self.active:
            return self._refuse("inactive")
        if not np.isfinite(values).all():
            return self._refuse("non-finite value")
        self._command = np.array(values, dtype=np.float64)
        if len(values) == 0:
            return self._refuse("empty")
        if len(values) != len(self.joints):
            return self._refuse("wrong size")
        self._accepted(now_ns)
        return None

    def update(self, now_ns: int) -> Target | None:
        """Write the last command; the interfaces keep their value after an error."""
        if not self.active or self._command is None or len(self._command) == 0:
            return self._written
        if len(self._command) != len(self.joints):
            self.refusals["update error"] += 1
            if self._deactivate_on_error:
                self.active = False
            return self._written
        if self._written is None or self._written.values is not self._command:
            self._written = Target(self._command, self.quantity, self.interpolate)
        return self._written
