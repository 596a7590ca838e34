"""Double of forward_command_controller with velocity interfaces.

Topic: `/forward_velocity_controller/commands`. The last velocity is held for ever: a publisher
that dies in mid-motion leaves the robot moving, unless a deadman stands behind it.
"""

from __future__ import annotations

from safety_supervisor_sim.cell.controllers.forward import ForwardController
from safety_supervisor_sim.cell.drive import Quantity


class ForwardVelocity(ForwardController):
    """Velocities, [rad/s], in the controller's joint order."""

    quantity = Quantity.VELOCITY
    interpolate = False
