"""The two channels of an e-stop button: one STOP is a stop at once, only both together lead out of it."""

from __future__ import annotations

from typing import Literal

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.times import DISCREPANCY

ChannelsWord = Literal["run", "stop", "discrepancy"]


class Channels:
    """Judges two channels over time (SR-003, SR-036).

    - RUN of both is `run`. Anything else is a stop from its first moment on.
    - A stop is left only by STOP of both together, then RUN of both.
    - Channels that disagree for more than 100 ms are a `discrepancy`, and so is a stop of one channel that ended while
      the other said RUN all along: somebody pressed and one contact did not open. STOP of both together ends it.

    Attributes:
        cycled: both were seen STOP together, then RUN together, at least once.
    """

    __slots__ = ("_broken", "_disagreeing_since", "_invalid", "_stopped", "_together", "cycled")

    def __init__(self) -> None:
        """Begin with nothing seen; the first word may be RUN."""
        self.cycled = False
        self._stopped = False
        self._together = False
        self._broken = False
        self._invalid = False
        self._disagreeing_since: Nanoseconds | None = None

    def update(self, a: bool | None, b: bool | None, at: Nanoseconds) -> ChannelsWord:
        """Take both channels and return the word.

        Args:
            a: channel A: True is RUN, False is STOP, None a value that does not exist, which is a stop while it lasts.
            b: channel B, likewise.
            at: when they were received, steady clock, [ns].
        """
        self._watch(at)
        self._invalid = a is None or b is None
        if self._invalid:
            self._stopped = self._stopped or a is False or b is False
        elif not a and not b:
            self._stopped = self._together = True
            self._broken = False
            self._disagreeing_since = None
        elif a and b:
            self._disagreeing_since = None
            if self._together:
                self._stopped = self._together = False
                self.cycled = True
            elif self._stopped:
                self._broken = True
        else:
            self._stopped = True
            if self._disagreeing_since is None:
                self._disagreeing_since = at
        return self.word(at)

    def word(self, at: Nanoseconds) -> ChannelsWord:
        """Return the word at a time."""
        self._watch(at)
        if self._broken:
            return "discrepancy"
        return "stop" if self._stopped or self._invalid else "run"

    def _watch(self, at: Nanoseconds) -> None:
        since = self._disagreeing_since
        if since is not None and at - since > DISCREPANCY:
            self._broken = True
            self._together = False
