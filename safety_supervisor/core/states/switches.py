"""Devices that a person holds: the enabling switch of MANUAL and the hold-to-run button of RECOVERY."""

from __future__ import annotations

from typing import Final, Literal

from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.units import NS_PER_S, Nanoseconds

REMEMBERED: Final[Nanoseconds] = 40 * NS_PER_S
"""How long a count rules out older ones, [ns]: as long as a beat that was signed before it can still be fresh
(`tokens/freshness.py`). Behind that somebody counts anew, by a clock that was put right, as an example."""

SwitchWord = Literal["none", "unknown", "released", "middle", "panicked"]


class EnablingSwitch:
    """Lets MANUAL move only while held in its middle, pressed after it was seen released (SR-019, SR-020)."""

    def __init__(self) -> None:
        """Start not enabling."""
        self.enables = False
        self._released = False
        self._mode_key = ""

    def sample(self, estop: EstopInput, manual: bool) -> set[Code]:
        """Take the device's newest word, once a cycle.

        Args:
            estop: carries switch and mode key.
            manual: whether the supervisor is in MANUAL.

        Returns:
            Causes of a stop: the switch was lost, or the key turned.
        """
        causes = set()
        turned = self._mode_key not in ("", estop.mode_key)
        self._mode_key = estop.mode_key
        if turned:
            causes.add(Code.MODE_CHANGE)
        if not manual:
            self.enables = self._released = False
            return causes
        middle = estop.enabling_switch == "middle" and estop.integrity == "high"
        if self.enables and not middle:
            causes.add(Code.ENABLING_SWITCH)
            self._released = False
        if estop.enabling_switch == "released":
            self._released = True
        self.enables = middle and self._released
        return causes


class HoldToRunButton:
    """Counts as held while its counter goes on (REDTEAM 53)."""

    def __init__(self, timeout: Nanoseconds) -> None:
        """Start not held; silence of `timeout` [ns] is a release."""
        self._timeout = timeout
        self._counters: dict[str, tuple[int, Nanoseconds]] = {}
        self._until: Nanoseconds = 0
        self._pressed = False

    def rearm(self) -> None:
        """Require a new press: a button that is held already does not count until it was silent.

        The count may then begin anew, since whoever sends it may have been started again.
        """
        self._pressed = False
        self._counters.clear()

    def take(self, counter: int, now: Nanoseconds, holder: str = "") -> None:
        """Take a counter; one that is not newer is no sign of life. Each holder has an own one."""
        last, at = self._counters.get(holder, (-1, now))
        if counter <= last and now - at <= REMEMBERED:
            return
        if now > self._until:
            self._pressed = True
        self._counters[holder] = counter, now
        self._until = now + self._timeout

    def held(self, now: Nanoseconds) -> bool:
        """Whether it is held now."""
        return self._pressed and now <= self._until

    def lost(self, now: Nanoseconds) -> bool:
        """Whether it was held and is not any more."""
        return self._pressed and now > self._until
