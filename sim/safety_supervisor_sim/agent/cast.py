"""Who plays: the agents' processes, the e-stop, the technician."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from safety_supervisor_sim.agent.child import Child
from safety_supervisor_sim.agent.estop import Estop
from safety_supervisor_sim.agent.stage import Stage
from safety_supervisor_sim.agent.technician import Technician

RESET_ACTS: Final = 0.5
"""How long after the reset button was let go the supervisor is READY, at most, [s]."""


@dataclass
class Cast:
    """Who plays.

    Attributes:
        mouths: by source, the agents' processes, each the only publisher of its source; first the scenario's.
        rogues: by topic role, `stream` and `motor`: they appear where they must not.
        estop: the e-stop.
        technician: who is asked; None where nobody has a key.
    """

    mouths: dict[str, Child]
    rogues: dict[str, Child]
    estop: Estop
    technician: Technician | None = None

    @property
    def mouth(self) -> Child:
        """That of the scenario's source."""
        return next(iter(self.mouths.values()))

    def everyone(self) -> list[Child]:
        """All processes; the e-stop last, because its silence is a stop."""
        return [*self.mouths.values(), *self.rogues.values(), self.estop.child]


def reset(stage: Stage, estop: Estop) -> None:
    """Reset as a person does: by the device's own button where the motors have no power, else by the service."""
    if not estop.relays_open:
        stage.call("reset")
        return
    began = time.monotonic()
    estop.reset()
    ok = stage.wait_for_state(["READY"], RESET_ACTS)
    reply = {"service": "reset", "ok": ok, "message": "the device's button", "seconds": time.monotonic() - began}
    stage.observed.replies.append(reply)
