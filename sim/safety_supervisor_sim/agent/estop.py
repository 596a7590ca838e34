"""The hand on the e-stop: a device on a serial line, or the topic that stands for one."""

from __future__ import annotations

import time
from typing import Any, Final

from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.agent.child import Child

RELAYS: Final = "/estop_device/relays"
CYCLED: Final = 0.3
"""How long the button stays pressed when it has to be cycled, [s]."""
HELD: Final = 0.2
"""How long the reset button is held, [s]."""
PATIENCE: Final = 1.5
"""How long a person waits for the lamp that says that the relays may be closed, [s]."""


class Estop:
    """The e-stop of a run, in a process of its own."""

    def __init__(self, configuration: Configuration, config_file: str, supervisor: str) -> None:
        """Start the device that the configuration names.

        Args:
            configuration: of the supervisor.
            config_file: that it was read from.
            supervisor: fully qualified name of the node.
        """
        self.on_line = configuration.estop.line is not None
        if self.on_line:
            arguments = {"config_file": config_file, "relays_topic": RELAYS}
            self.child = Child("safety_supervisor_sim.agent.device", arguments)
        else:
            topic = f"{supervisor}/simulated_estop"
            self.child = Child("safety_supervisor_sim.agent.button", {"topic": topic})

    def press(self) -> None:
        """Press the button."""
        self._order("press", "stop")

    def release(self) -> None:
        """Release it."""
        self._order("release", "run")

    def cycle(self) -> None:
        """Press the button and release it."""
        self.press()
        time.sleep(CYCLED)
        self.release()

    def disturb(self, how: str) -> None:
        """Unplug the line or freeze the device; a topic falls silent."""
        self._order(how, "")

    def mend(self) -> None:
        """Plug in and thaw, with the button as it was."""
        self._order("replug; thaw", "run")

    @property
    def relays_open(self) -> bool:
        """Whether the motors have no power."""
        return self.on_line and self.child.order(state=True)["relays"] == "open"

    def reset(self) -> None:
        """Press the device's reset button, when its lamp says that it would close the relays."""
        self.child.order(reset=HELD)

    def close(self) -> None:
        """End its process."""
        self.child.close()

    def _order(self, order: str, word: str) -> dict[str, Any]:
        return self.child.order(order=order) if self.on_line else self.child.order(state=word)
