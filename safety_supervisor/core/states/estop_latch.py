"""The e-stop as a latch outside the state machine, sampled with every `Tick`.

Rules (SR-001, SR-003, SR-004, SR-036, SR-047):

- STOP, an unknown value, a fault of device or line, silence and a receipt time in the future are a stop, at once; stops
  are not debounced.
- The latch is left only after the device was seen STOP, then RUN for 50 ms without a gap, in this boot and since the
  last stop or silence. That leads to LOCKED and no further: a reset and a start must follow.
- Without a device (driver `none`) nothing can be cycled: only a person's reset leaves the latch.
- Until the device was heard for the first time there is nothing to latch: the code is returned and the supervisor
  stays in INIT.
"""

from __future__ import annotations

from typing import Final

from safety_supervisor.core.errors import CODE_OF, Code
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.states.causes import CAUSE_OF
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.units import Nanoseconds

ACCEPT_RELEASE: Final[Nanoseconds] = 50_000_000
"""RUN must be stable for this long, [ns] (e-stop protocol, "accept release")."""


class EstopLatch:
    """The latch. Attributes are for reading only.

    Attributes:
        latched: a stop was seen, or found on disk, and not released since.
        heard: the device was heard in this boot; without it a required device keeps the supervisor in INIT.
        cycled: since the last stop or silence of this boot the device was seen STOP, then RUN, stable.
    """

    __slots__ = ("_last", "_pressed", "_run_since", "_running", "_timeout", "cycled", "heard", "latched", "required")

    def __init__(self, timeout_ns: Nanoseconds, required: bool) -> None:
        """Begin unlatched.

        Args:
            timeout_ns: age at which the device's last word counts as silence, [ns].
            required: whether there is a device; False for driver `none`, which is never silent.
        """
        self._timeout = timeout_ns
        self.required = required
        self.latched = False
        self.heard = False
        self.cycled = False
        self._pressed = False
        self._running = False
        self._run_since: Nanoseconds = 0
        self._last: Nanoseconds = 0

    def restore(self, latched: bool) -> None:
        """Take over the latch found on disk: it needs a whole cycle STOP, RUN seen in this boot. Clears nothing."""
        if latched:
            self.latched = True
            self.cycled = False
            self._pressed = False

    def sample(self, estop: EstopInput, now: Nanoseconds) -> Code | None:
        """Judge the device's newest word.

        Args:
            estop: the newest word and its receipt time.
            now: time of the cycle, steady clock, [ns].

        Returns:
            ESTOP, ESTOP_SILENT, the code of a fault, or None while the device says RUN. It tells of this moment;
            `latched` remembers.
        """
        code = self.judge(estop, now)
        if estop.received_at > 0 and estop.state in ("run", "stop"):
            self.heard = True
        if code is not None:
            # A real STOP begins the cycle; silence makes it begin anew.
            self._pressed = code is Code.ESTOP
            self._running = False
            self.cycled = False
            if code is Code.ESTOP or self.heard:
                self.latched = True
            return code
        received = estop.received_at
        # A gap, or a word older than the one before, does not prove that RUN lasted.
        if not self._running or not self._last <= received <= self._last + self._timeout:
            self._run_since = received
        self._running = True
        self._last = received
        if self.required and self._pressed and received - self._run_since >= ACCEPT_RELEASE:
            self.cycled = True
        return None

    def may_release(self, now: Nanoseconds, reset_by_person: bool = False) -> bool:
        """Return whether the latch may be left now.

        Args:
            now: time of the cycle, steady clock, [ns].
            reset_by_person: whether a person's reset asks for it; counts only where there is no device (driver `none`).
        """
        if self._pressed and not self._running:
            return False
        if not self.required:
            return reset_by_person
        return self._running and self.cycled and self._last <= now <= self._last + self._timeout

    def release(self, now: Nanoseconds, reset_by_person: bool = False) -> bool:
        """Leave the latch if `may_release`; return whether it was left. Call it in EMERGENCY_STOP only."""
        if not self.may_release(now, reset_by_person):
            return False
        self.latched = False
        self.cycled = False
        self._pressed = False
        return True

    def judge(self, estop: EstopInput, now: Nanoseconds) -> Code | None:
        """Judge a word as of now, and touch nothing; whatever is not a fresh RUN without a fault is a stop."""
        if estop.fault:
            code = CODE_OF.get(estop.fault, Code.ESTOP_SILENT)
            # A softer stop would end where nobody asks for the cycled button (SR-003).
            hard = code in CAUSE_OF and CAUSE_OF[code].target in (State.EMERGENCY_STOP, State.FAULT)
            return code if hard else Code.ESTOP_SILENT
        if estop.state == "stop":
            return Code.ESTOP
        if not self.required:
            return None
        fresh = 0 < estop.received_at <= now <= estop.received_at + self._timeout
        return None if estop.state == "run" and fresh else Code.ESTOP_SILENT
