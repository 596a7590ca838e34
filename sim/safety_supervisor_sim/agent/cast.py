"""Who plays: the agents' processes, the e-stop, the technician."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from safety_supervisor_sim.agent.motions import NANO
from safety_supervisor_sim.agent.stage import Stage

RESET_ACTS: Final = 0.5
"""How long after the reset button was let go the supervisor is READY, at most, [s]."""


class Mouth(Protocol):
    """Who publishes on a source's topics, or where he must not; orders as `speaker.py` has them."""

    def send(self, **order: Any) -> None:
        """Send an order without waiting for its answer."""

    def answer(self) -> dict[str, Any]:
        """Wait for the answer to the oldest order without one."""

    def order(self, **order: Any) -> dict[str, Any]:
        """Send an order and wait for its answer."""

    def kill(self) -> None:
        """End it as a crash would."""

    def close(self) -> None:
        """Let it end."""


class Hand(Protocol):
    """The hand on the e-stop: a device on a serial line, or what stands for one."""

    on_line: bool

    @property
    def relays_open(self) -> bool:
        """Whether the motors have no power."""

    def press(self) -> None:
        """Press the button."""

    def release(self) -> None:
        """Release it."""

    def cycle(self) -> None:
        """Press the button and release it."""

    def disturb(self, how: str) -> None:
        """Unplug the line or freeze the device."""

    def mend(self) -> None:
        """Plug in and thaw, with the button as it was."""

    def reset(self) -> None:
        """Press the device's reset button, when its lamp says that it would close the relays."""

    def close(self) -> None:
        """Be no more: its silence is a stop."""


class Person(Protocol):
    """A technician who is asked; see `technician.py`."""

    @property
    def waiting(self) -> list[str]:
        """Ids of what waits."""

    def see(self, known: list[str]) -> None:
        """Look at what waits, and did not yet."""

    def answer_all(self, answers: Sequence[str]) -> bool:
        """Send answers one after the other; return whether the last one was accepted."""


@dataclass
class Cast:
    """Who plays.

    Attributes:
        mouths: by source, the agents', each the only publisher of its source; first the scenario's.
        rogues: by topic role, `stream` and `motor`: they appear where they must not.
        estop: the e-stop.
        technician: who is asked; None where nobody has a key.
    """

    mouths: dict[str, Mouth]
    rogues: dict[str, Mouth]
    estop: Hand
    technician: Person | None = None

    @property
    def mouth(self) -> Mouth:
        """That of the scenario's source."""
        return next(iter(self.mouths.values()))

    def everyone(self) -> list[Mouth | Hand]:
        """All of them; the e-stop last, because its silence is a stop."""
        return [*self.mouths.values(), *self.rogues.values(), self.estop]


def reset(stage: Stage, estop: Hand) -> None:
    """Reset as a person does: by the device's own button where the motors have no power, else by the service."""
    if not estop.relays_open:
        stage.call("reset")
        return
    began = stage.now()
    estop.reset()
    ok = stage.wait_for_state(["READY"], RESET_ACTS)
    seconds = (stage.now() - began) / NANO
    told = {"service": "reset", "ok": ok, "message": "the device's button", "seconds": seconds}
    stage.observed.replies.append(told)
