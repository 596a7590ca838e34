"""The reset button of the e-stop device: a press that its driver found good is a reset by a person, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.units import Nanoseconds

RELAYS_CLOSE: Final[Nanoseconds] = 200_000_000
"""The same press closes the device's relays: so long the reset waits to be told that they have closed, [ns]."""


class DeviceReset:
    """Sees presses in the device's word (SR-010, SR-011).

    A device of low integrity resets nothing: its button may be a stuck contact, so a person acts in another way.
    """

    def __init__(self) -> None:
        """Begin with no press; those before the first word count for nothing."""
        self._seen: int | None = None
        self._ends: Nanoseconds | None = None

    def asked(
        self, word: EstopInput, now: Nanoseconds, active: Callable[[Nanoseconds], set[Code]]
    ) -> OperatorAct | None:
        """Return the act of a press that counts now.

        Args:
            word: this cycle's word.
            now: [ns].
            active: returns the causes that hold at a time.
        """
        # A word that leaves the count out, such as that of a lost line, is no new beginning.
        seen, self._seen = self._seen, max(self._seen or 0, word.resets)
        if seen is not None and word.resets > seen and word.integrity == "high":
            self._ends = now + RELAYS_CLOSE
        if self._ends is None or (now < self._ends and active(now) == {Code.ESTOP_RELAYS}):
            return None
        self._ends = None
        return OperatorAct(now, "reset", "e-stop device", "", -1, "")
