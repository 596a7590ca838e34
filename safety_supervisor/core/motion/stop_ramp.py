"""The stop ramp, monitored: a stop that is not confirmed in time escalates (SR-007)."""

from __future__ import annotations

from enum import Enum

from safety_supervisor.core.measured import MeasuredState
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Nanoseconds, nanoseconds


class Ramp(Enum):
    """How a stop goes."""

    RUNNING = "running"
    CONFIRMED = "confirmed"
    MISSED = "missed"


class StopRamp:
    """Watches one stop at a time."""

    def __init__(self, configuration: Configuration) -> None:
        """Start with no stop under way."""
        timing = configuration.timing
        self._period = timing.period
        self._allowance = configuration.tracking.delay + timing.standstill_window + timing.stop_allowance
        self._grace = timing.standstill_window + timing.stop_allowance
        self._unseen = timing.joint_state_timeout
        self._judged: Nanoseconds = 0
        self._due: Nanoseconds = 0
        self._stale_at: Nanoseconds = 0
        self.overdue = False
        """Whether the standstill that is due was not confirmed: the relays are asked to open."""

    def begin(self, motion: Motion, now: Nanoseconds, base: Nanoseconds) -> None:
        """Expect standstill at the planned end of the kept stop and of the base's, `base` away, plus measuring."""
        planned = motion.kept_tick * self._period + nanoseconds(motion.kept.duration)
        self._due = now + max(0, base, planned - motion.tick * self._period) + self._allowance
        self._judged = now
        self.overdue = False

    def begin_unplanned(self, now: Nanoseconds) -> None:
        """Expect standstill after our own code failed, when nothing is known of a plan."""
        self._due = now + self._allowance

    def judge(self, motion: Motion, measured: MeasuredState, now: Nanoseconds, base: bool | None) -> Ramp:
        """Confirm the standstill, or say that it is missed.

        While the joints are not measured, or the base is not (None), nothing is known: the stop is not confirmed and
        becomes overdue, but only a measured robot that still moves has missed its ramp. What was told while no cycle
        ran is not known either.
        """
        stale = bool(measured.stale(now)) or base is None or now - self._judged > self._unseen
        self._judged = now
        if stale:
            self._stale_at = now
        if motion.at_rest and not stale and measured.rests(now) and base:
            self.overdue = False
            return Ramp.CONFIRMED
        if now <= self._due:
            return Ramp.RUNNING
        self.overdue = True
        # Measured again, it takes the window of the standstill before anything can be said.
        return Ramp.RUNNING if now <= self._stale_at + self._grace else Ramp.MISSED
