"""Double of forward_command_controller with position interfaces.

Topic: `/forward_position_controller/commands`. The last position is held for ever.
"""

from __future__ import annotations

from safety_supervisor_sim.cell.controllers.forward import ForwardController
from safety_supervisor_sim.cell.drive import Quantity


class ForwardPosition(ForwardController):
    """Positions, [rad], in the controller's joint order; the drive interpolates to each."""

    quantity = Quantity.POSITION
    interpolate = True
