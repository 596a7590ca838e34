"""Who stands in the supervisor's place: takes its events, gives its effects, and does what its filter does.

It knows the states that acts wait for, so that the same acts are played. Power is the e-stop device's affair: who is
pressed cuts it, and while it is away nothing is followed, as controllers are deactivated when drives report that; then
the command goes to where the robot was measured. `stop` is a controller's `set_hold_position`: at once, where it is.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.act_events import OperatorAct, StopRequested
from safety_supervisor.core.effects import Actuate, Decision, Effect, Reply, Status
from safety_supervisor.core.events import Boot, Event, JointStates, StreamCommand, Tick, TrajectoryCommand
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.cell.controllers.spline import Point, Segment
from safety_supervisor_sim.compare.feed import Feed

Array = NDArray[np.float64]
TOLD_EVERY: Final = 100_000_000
"""Between two statuses of the same state, [ns]."""
CALM: Final = 600_000_000
"""In which a command without power comes to rest, and goes to where the robot is, [ns]."""
APART: Final = 1e-3
"""As far a command without power may be from where the robot is, [rad]."""


class Filter(Protocol):
    """What makes one comparator another."""

    def reset(self, q: Array) -> None:
        """Rest at a pose, shape (n,), [rad]."""

    def step(self, wanted: Array) -> Array:
        """Return the next command on the way to a pose, both shape (n,), [rad]."""


class Unchanged:
    """What passes through: each set-point goes to the motors in the next cycle, whatever it is."""

    def reset(self, q: Array) -> None:
        """Remember nothing."""

    def step(self, wanted: Array) -> Array:
        """Return what was wanted."""
        return wanted


class Subject:
    """One comparator; `handle` is what the core engine asks of a supervisor.

    Args:
        configuration: of the supervisor.
        kept: its filter.

    Attributes:
        state: as a supervisor's.
    """

    def __init__(self, configuration: Configuration, kept: Filter) -> None:
        """Know of nothing yet."""
        self.state = "INIT"
        self._configuration = configuration
        self._filter = kept
        self._feed = Feed(configuration)
        self._measured: Array | None = None
        self._v: Array = np.zeros(len(configuration.robot.joints))
        self._q = self._held = self._v
        self._path: tuple[int, Segment] | None = None
        self._powered = False
        self._resets = 0
        self._cycle = 0
        self._told_at = 0
        self._told = ""
        self._nonce = ""

    def prepare(self) -> None:
        """Nothing is prepared between cycles."""

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Take an event; return what follows from it."""
        match event:
            case Tick():
                return self._tick(event)
            case StreamCommand() | TrajectoryCommand():
                return self._command(event)
            case JointStates():
                self._measure(event)
            case OperatorAct():
                return self._act(event)
            case StopRequested():
                return self._stop(event)
            case Boot():
                self._nonce = event.nonce
            case _:
                pass
        return ()

    def _measure(self, event: JointStates) -> None:
        joints = self._configuration.robot.joints
        if not set(joints) <= set(event.names):
            return
        where = [event.names.index(joint) for joint in joints]
        self._measured = np.array(event.positions)[where]

    def _command(self, event: StreamCommand | TrajectoryCommand) -> tuple[Effect, ...]:
        if not self.state.startswith("AUTO"):
            return ()
        began = self._feed.empty
        if isinstance(event, StreamCommand):
            taken = self._feed.stream(event, self._q)
        else:
            taken = self._feed.trajectory(event, self._q, self._v)
        if not taken or not began:
            return ()
        return (Decision(event.at, event.source, "", "PASS", "", "", "", 0.0, 0.0, 0.0, ""),)

    # -- what people ask for ------------------------------------------------------------------

    def _act(self, event: OperatorAct) -> tuple[Effect, ...]:
        wanted = {"reset": "LOCKED", "start": "READY"}.get(event.act, "")
        ok = self.state == wanted and (self._powered or event.act == "reset")
        if ok:
            self.state = "READY" if event.act == "reset" else "AUTO/HOLDING"
        why = "" if ok else f"{event.act} in {self.state}"
        return (Reply(event.at, event.request, ok, "" if ok else "E_NOT_NOW", why), *self._tell(event.at))

    def _stop(self, event: StopRequested) -> tuple[Effect, ...]:
        self._feed.forget()
        self._held = self._q
        if self.state.startswith("AUTO") or self.state == "READY":
            self.state = "LOCKED"
        reply = (Reply(event.at, event.request, True, "", ""),) if event.request else ()
        return (*reply, *self._tell(event.at))

    # -- the cycle ----------------------------------------------------------------------------

    def _tick(self, event: Tick) -> tuple[Effect, ...]:
        if self._measured is None:
            return ()
        if self.state == "INIT":
            self._q = self._held = self._measured.copy()
            self._filter.reset(self._q)
            self.state = "LOCKED"
        self._look_at_device(event)
        if self._powered:
            if not self._feed.empty:
                with np.errstate(over="ignore", invalid="ignore"):  # what was said may be of any size
                    wanted = self._feed.at(event.scheduled, self._held)
                self._held = wanted if np.isfinite(wanted).all() else self._held
            q = self._filter.step(self._held)
        else:
            q = self._held = self._without_power(event.scheduled)
            self._filter.reset(q)
        moving = not np.array_equal(q, self._q)
        self._v = (q - self._q) / (self._configuration.timing.period * 1e-9)
        self._q = q.copy()
        if self.state.startswith("AUTO"):
            self.state = "AUTO/MOVING" if moving or not self._feed.empty else "AUTO/HOLDING"
        self._cycle += 1
        zeros = (0.0,) * len(q)
        sent = Actuate(event.at, self._cycle, tuple(q.tolist()), zeros, zeros, (), moving, event.scheduled)
        return (sent, *self._tell(event.at))

    def _look_at_device(self, event: Tick) -> None:
        word = event.estop
        if word.relays != "none":  # else it was not heard: drives tell nothing of that
            closed = word.relays == "closed"
            if self._powered and not closed:
                self._lose_power(event.scheduled)
            self._powered = closed
        if word.state == "stop" and not self._powered:
            self.state = "EMERGENCY_STOP"
        elif self.state == "EMERGENCY_STOP" and word.state == "run":
            self.state = "LOCKED"
        if word.resets != self._resets:
            self._resets = word.resets
            if self.state == "LOCKED":
                self.state = "READY"

    def _lose_power(self, now: int) -> None:
        """Have the command, which reaches nobody, come to rest smoothly: no motion of anybody, and no fault."""
        self._feed.forget()
        if self.state != "EMERGENCY_STOP":
            self.state = "LOCKED"
        ahead = self._q + 0.5 * self._v * CALM * 1e-9
        self._go(now, self._q, self._v, ahead)

    def _go(self, now: int, start: Array, velocity: Array, goal: Array) -> None:
        rest = np.zeros_like(start)
        since = now - self._configuration.timing.period  # where it was commanded to be is that of the cycle before
        before, after = Point(since, start.copy(), velocity, rest), Point(since + CALM, goal, rest, rest)
        self._path = since + CALM, Segment(since, before, since + CALM, after)

    def _without_power(self, now: int) -> Array:
        """Return the command while the motors have no power: to where the robot was measured, when that is far."""
        assert self._measured is not None
        if self._path is not None:
            end, segment = self._path
            if now >= end:
                self._path = None
            return segment.at(min(now, end))[0]
        if float(np.abs(self._measured - self._q).max()) > APART:
            self._go(now, self._q, np.zeros_like(self._q), self._measured.copy())
        return self._q

    def _tell(self, now: int) -> tuple[Status, ...]:
        if self.state == self._told and now - self._told_at < TOLD_EVERY:
            return ()
        self._told, self._told_at = self.state, now
        auto = self.state.startswith("AUTO")
        return (
            Status(
                now, self.state, "", (), "", "auto" if auto else "none", 1.0, 0, self._nonce,
                self._configuration.sha256, "", 0.0, 0.0,
            ),
        )  # fmt: skip
