"""What the supervisor tells by itself: latches, the demand on the relays, and its status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from safety_supervisor.core.anomaly.watch import AnomalyWatch
from safety_supervisor.core.effects import Effect, Latches, RelayDemand, Status
from safety_supervisor.core.errors import Code
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.states.causes import by_hardness
from safety_supervisor.core.states.conditions import Conditions
from safety_supervisor.core.states.estop_latch import EstopLatch
from safety_supervisor.core.states.ladder_table import Rung
from safety_supervisor.core.states.next_step import next_step
from safety_supervisor.core.states.safety_state import NO_STOP, SafetyState
from safety_supervisor.core.states.state_table import AUTO, State
from safety_supervisor.core.states.switches import SwitchWord
from safety_supervisor.core.units import NS_PER_S, Nanoseconds

_STATUS_PERIOD: Final = NS_PER_S // 10


class Reporting:
    """Turns changes into effects."""

    def __init__(
        self,
        configuration_hash: str,
        state: SafetyState,
        estop: EstopLatch,
        conditions: Conditions,
        anomalies: AnomalyWatch,
    ) -> None:
        """Start with nothing told."""
        self._anomalies = anomalies
        self._hash = configuration_hash
        self._state = state
        self._estop = estop
        self._conditions = conditions
        self._nonce = ""
        self._latches = (False, "")
        self._demand: bool | None = None
        self._told: tuple[object, ...] = ()
        self._told_at: Nanoseconds = 0

    def boot(self, nonce: str, emergency_stop_latched: bool, fault: str) -> None:
        """Take over what is on disk already."""
        self._nonce = nonce
        self._latches = (emergency_stop_latched, fault)

    def latches(self, now: Nanoseconds) -> list[Effect]:
        """Report the latches where they changed; in INIT those on disk stay as they are (SR-047)."""
        state = self._state
        if state.state is State.INIT:
            return []
        fault = (state.cause or Code.INTERNAL).value if state.target is State.FAULT else ""
        if state.state is State.FAULT and self._latches[1]:
            fault = self._latches[1]  # the first fault is the one to explain
        latches = (self._estop.latched or state.target is State.EMERGENCY_STOP, fault)
        if latches == self._latches:
            return []
        self._latches = latches
        return [Latches(now, *latches)]

    def relays(self, now: Nanoseconds, overdue: bool) -> list[Effect]:
        """Report the demand on the relays where it changed."""
        state = self._state
        hard = state.category != NO_STOP and state.category <= 1
        latched = state.state is State.INIT and any(self._latches)
        demand = hard or overdue or latched or state.target in (State.EMERGENCY_STOP, State.FAULT)
        if demand == self._demand:
            return []
        self._demand = demand
        return [RelayDemand(now, demand)]

    def status(
        self,
        now: Nanoseconds,
        active: set[Code],
        first: tuple[Code, ...],
        motion: Motion | None,
        tracking_error: float,
        people: str,
        unmeasured: str,
        tool: tuple[str, float],
        balance: str,
        driver: str = "",
        agents: str = "",
        quarantined: Callable[[], tuple[str, ...]] = tuple,
        switch: Callable[[Nanoseconds], tuple[SwitchWord, bool]] = lambda _: ("none", False),
    ) -> list[Effect]:
        """Report the status on every change and at 10 Hz.

        Args:
            now: [ns].
            active: causes that hold now.
            first: what keeps INIT, told before the causes.
            motion: None while the robot was not measured yet.
            tracking_error: relative to its bound.
            people: what is known of people in the cell.
            unmeasured: a joint that was never measured, or not of late; empty for none.
            tool: what the robot carries, and its mass, [kg].
            balance: what is known of the robot's balance.
            driver: the source that drives the base, empty for none.
            agents: who speaks at each source that needs a session.
            quarantined: returns the sources that are; asked where the status is told alone.
            switch: returns what is known of the enabling switch, and whether it lets MANUAL move; likewise.
        """
        state = self._state
        key = (state.state, state.cause, state.epoch, self._conditions.version, state.rung)
        if key == self._told and now - self._told_at < _STATUS_PERIOD:
            return []
        self._told, self._told_at = key, now
        # What keeps INIT may be a cause as well.
        codes = tuple(dict.fromkeys((*first, *(rule.code for rule in by_hardness(active)))))
        descends = state.state is State.STOPPING and state.target in (State.EMERGENCY_STOP, State.FAULT)
        step = next_step(state.state, state.cause, codes, state.rung if descends else Rung.UNTOLD, state.waits)
        if step.startswith(Code.BALANCE_UNKNOWN.cure):
            step = f"Balance is {balance}. {step}"
        mode: Literal["none", "manual", "auto"] = "none"
        if state.state is State.MANUAL:
            mode = "manual"
        elif state.state in AUTO:
            mode = "auto"
        word, enables = switch(now)
        return [
            Status(
                at=now,
                state=state.state.value,
                cause=state.cause.value if state.cause else "",
                active_causes=tuple(code.value for code in codes),
                next_step=step,
                mode=mode,
                speed_scale=1.0 if motion is None else _slowest(motion),
                epoch=state.epoch,
                nonce=self._nonce,
                configuration=self._hash,
                source="" if motion is None else motion.mover or driver,
                distance_to_limit=0.0 if motion is None else motion.distance_to_limit(),
                tracking_error=tracking_error,
                people=people,
                unmeasured=unmeasured,
                tool=tool[0],
                tool_mass=tool[1],
                balance=balance,
                agents=agents,
                ladder_phase=state.rung.value,
                anomalies=self._anomalies.reasons,
                quarantined=quarantined(),
                enabling_switch=word,
                enables=enables,
            )
        ]


def _slowest(motion: Motion) -> float:
    """Share of its own pace at which the slowest stream is played, in [0, 1]; 1 for none."""
    return min((lane.pace.speed for lane in motion.lanes.values() if lane.pace is not None), default=1.0)
