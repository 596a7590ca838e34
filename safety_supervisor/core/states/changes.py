"""What the supervisor tells by itself when something has changed, and the standstill that it monitors meanwhile."""

from __future__ import annotations

from safety_supervisor.core.agents.standing import Standing
from safety_supervisor.core.balance.watch import BalanceWatch
from safety_supervisor.core.base.drive import BaseDrive
from safety_supervisor.core.effects import Effect
from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import Boot, Event, Tick
from safety_supervisor.core.inputs import MONITORED, Inputs
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.motion.stop_ramp import StopRamp
from safety_supervisor.core.separation_watch import SeparationWatch
from safety_supervisor.core.states.reporting import Reporting
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.tools import Tools
from safety_supervisor.core.units import Nanoseconds


class Changes:
    """Reports latches, relays and status where they changed, and monitors every standstill from its beginning."""

    def __init__(
        self,
        state: SafetyState,
        motion: Motion,
        inputs: Inputs,
        base: BaseDrive,
        ramp: StopRamp,
        watch: SeparationWatch,
        tools: Tools,
        balance: BalanceWatch,
        reporting: Reporting,
        standing: Standing,
    ) -> None:
        """Start with nothing told of these parts."""
        self._state = state
        self._motion = motion
        self._inputs = inputs
        self._base = base
        self._ramp = ramp
        self._watch = watch
        self._tools = tools
        self._balance = balance
        self._reporting = reporting
        self._standing = standing
        self._told = (-1, -1)

    def look(self, event: Event, placed: bool, changed_on_disk: bool) -> list[Effect]:
        """Report what an event has changed; a cycle always looks.

        Args:
            event: that was handled.
            placed: whether set-points are sent.
            changed_on_disk: whether configuration or URDF are others than those that were loaded.
        """
        # What is reported depends on the state, the conditions and the cycle; most events touch none of them.
        told = (self._state.epoch, self._inputs.conditions.version)
        if told == self._told and not isinstance(event, (Tick, Boot)):
            return []
        self._told = told
        return self._report(event.at, placed, changed_on_disk)

    def _report(self, now: Nanoseconds, placed: bool, changed_on_disk: bool) -> list[Effect]:
        state, measured = self._state.state, self._inputs.measured
        still = state in MONITORED or (state is State.READY and self._motion.at_rest)
        measured.monitor(still and not self._inputs.limp, now)
        first = self._inputs.blocking_start(now) if state is State.INIT else ()
        active = self._inputs.active(now) | ({Code.CONFIGURATION_CHANGED} if changed_on_disk else set())
        unmeasured = measured.missing() or measured.stale(now)
        motion, drive = self._motion if placed else None, self._base.driver
        facts = (
            measured.tracking_error, self._watch.told, unmeasured, self._tools.told, self._balance.told, drive,
            self._standing.told, self._standing.quarantined, self._inputs.switch_told,
        )  # fmt: skip
        latched = [*self._reporting.latches(now), *self._reporting.relays(now, self._ramp.overdue)]
        return latched + self._reporting.status(now, active, first, motion, *facts)
