"""The device's reset button: acts on the release of a press of 0.1 to 3 s that began and ended in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.times import MS, RESET_LONGEST, RESET_SHORTEST

_AT_START: Final = "it was down when the line was first heard: it may be stuck"
_NOT_CYCLED: Final = "the e-stop is pressed or faulty, or was not seen STOP, then RUN, since the boot"


class ResetButton:
    """Counts good presses and says why the others were ignored (SR-010, SR-011).

    Attributes:
        resets: good presses.
    """

    def __init__(self, ignored: Callable[[Nanoseconds, str], None]) -> None:
        """Begin with nothing known of the button.

        Args:
            ignored: called with time and reason of a press that does not count.
        """
        self.resets = 0
        self._ignored = ignored
        self._since: Nanoseconds | None = None
        self._known = False
        self._reason = ""
        self._told = False

    def sample(self, down: bool, at: Nanoseconds, permitted: bool) -> None:
        """Take the button's state.

        Args:
            down: whether it is down.
            at: when that was received, steady clock, [ns].
            permitted: whether a press may count now: both channels cycled, RUN and no fault.
        """
        if down and self._since is None:
            self._since = at
            self._told = False
            self._reason = "" if self._known else _AT_START
        self._known = True
        if self._since is None:
            return
        if not permitted and not self._reason:
            self._reason = _NOT_CYCLED
        self.watch(at)
        if down:
            return
        held = at - self._since
        self._since = None
        if not self._reason and held < RESET_SHORTEST:
            self._reason = (
                f"it was down for {held // MS} ms; allowed: {RESET_SHORTEST // MS} to {RESET_LONGEST // MS} ms"
            )
        if not self._reason:
            self.resets += 1
        elif not self._told:
            self._ignored(at, self._reason)

    def watch(self, at: Nanoseconds) -> None:
        """Tell once, and while it is still down, that it is down for too long."""
        if self._since is None or self._told or at - self._since <= RESET_LONGEST:
            return
        self._told = True
        self._reason = self._reason or f"it is down for more than {RESET_LONGEST // MS} ms: it may be stuck"
        self._ignored(at, self._reason)

    def forget(self) -> None:
        """The line was lost: a press that is under way does not count, nor one that is found when it is back."""
        if self._since is not None and not self._told:
            self._ignored(self._since, "the line was lost while it was down")
        self._since = None
        self._known = False
