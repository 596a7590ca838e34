"""The stage around the core: waiting advances the lock-step, nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from safety_supervisor.core.act_events import StopRequested
from safety_supervisor.core.effects import Decision, Effect, Status
from safety_supervisor.ros.words import decision_words, status_words
from safety_supervisor_sim.agent.estop import CYCLED, HELD, PATIENCE
from safety_supervisor_sim.agent.motions import NANO, Array
from safety_supervisor_sim.agent.programme import KEPT
from safety_supervisor_sim.agent.stage import Stage, StageError
from safety_supervisor_sim.engine.clockwork import Clockwork

BROKEN: Final = "disk full"


class CoreStage(Stage):
    """Ears, hands and marks around one lock-step."""

    def __init__(self, world: Clockwork, report: Callable[[dict[str, Any]], None]) -> None:
        """Listen to what the core says."""
        super().__init__(world.configuration, report)
        self._world = world
        self._captured = 0
        world.told = self._hear

    def _hear(self, effect: Effect) -> None:
        if isinstance(effect, Status):
            log = KEPT if self._world.log_ok else BROKEN
            self.hear_status(dict(status_words(effect)) | {"log": log})
        elif isinstance(effect, Decision):
            self.observed.decisions.append(dict(decision_words(effect)))

    def begin(self, name: str) -> None:
        """Begin an act: for the oracle, for what is observed, for faults and people."""
        super().begin(name)
        for part in (self._world.faults, self._world.people):
            if part is not None:
                part.begin_act(name)

    def flood_stops(self, rate_hz: float, seconds: float) -> None:
        """Ask for a stop on the topic: of a cycle's requests the node hears the newest."""
        world, every = self._world, max(1, round(NANO / rate_hz))
        until, due = world.now + round(seconds * NANO), world.now
        while world.now < until:
            if world.now >= due:
                world.tell(StopRequested(world.now, "topic", "flood"))
                due = max(due + every, world.now)
            world.cycle()

    def respawn(self, down: float) -> None:
        """Have the supervisor's process end, and be started anew after `down`, [s]."""
        self._world.stands_still = True
        self.sleep(down)
        self._world.stands_still = False
        self._world.respawn()

    def now(self) -> int:
        """Return the simulated steady clock, [ns]."""
        return self._world.now

    def sleep(self, seconds: float) -> None:
        """Advance by whole cycles, at least so long, [s]."""
        until = self._world.now + round(seconds * NANO)
        while self._world.now < until:
            self._world.cycle()

    def wait(self, true: Callable[[], bool], timeout: float) -> bool:
        """Advance until a condition over what is heard holds; False when it did not within `timeout`, [s]."""
        until = self._world.now + round(timeout * NANO)
        while not true():
            if self._world.now >= until:
                return False
            self._world.cycle()
        return True

    def wait_for_rest(self, timeout: float, still: float = 0.1) -> bool:
        """Wait until the output has not moved for `still` seconds: a stop under way, whose end is known, moves it."""
        due = self._world.now + round(timeout * NANO)
        self.wait(lambda: not (self._world.actuates and self._world.actuates[-1].moving), timeout)
        return super().wait_for_rest((due - self._world.now) / NANO, still)

    def mark(self, name: str) -> None:
        """Tell the oracle that from now on it is `name` that happens."""
        self._world.motors.mark(name)

    def call(self, name: str, timeout: float = 5.0) -> bool:
        """Call a service and keep its reply."""
        world, began = self._world, self._world.now
        request = world.ask(name)
        if not self.wait(lambda: world.answer(request) is not None, timeout):
            raise StageError(f"{name} did not answer in {timeout} s")
        reply = world.answer(request)
        assert reply is not None
        words, seconds = f"{reply.code} {reply.message}".strip(), (world.now - began) / NANO
        self.observed.replies.append({"service": name, "ok": reply.ok, "message": words, "seconds": seconds})
        return reply.ok

    def push(self, force: Sequence[float]) -> None:
        """Push a robot that stands, world's axes, shape (3,), [N]."""
        self._world.motors.push(force)

    def stand_up(self, timeout: float = 5.0) -> None:
        """Have the robot set on its feet, in its hoist."""
        self._world.motors.stand_up()

    def wait_for_services(self, timeout: float) -> None:
        """Return at once: they are always there."""

    def has_output(self) -> bool:
        """Whether anything was sent to the motors yet."""
        return bool(self._world.actuates)

    def capture(self) -> None:
        """Keep what the motors are sent from now on."""
        self._captured = len(self._world.actuates)

    def captured(self) -> list[list[float]]:
        """Return the first points of what the motors were sent since `capture`, rows of n positions, [rad]."""
        sent = self._world.actuates[self._captured :]
        return [list((one.before or one).positions) for one in sent]

    def commanded(self) -> Array:
        """Return the pose that the robot is commanded to hold: the end of its kept stop, shape (n,), [rad]."""
        if not self._world.actuates:
            raise StageError("nothing was sent to the motors")
        last = self._world.actuates[-1]
        return np.array((last.horizon[-1] if last.horizon else last).positions)


class CoreHand:
    """The hand on the e-stop device of a lock-step."""

    on_line = True

    def __init__(self, world: Clockwork) -> None:
        """Take hold of its device."""
        self._world = world

    @property
    def relays_open(self) -> bool:
        """Whether the motors have no power."""
        return not self._world.line.device.relays_closed

    def press(self) -> None:
        """Press the button."""
        self._world.line.order("press")

    def release(self) -> None:
        """Release it."""
        self._world.line.order("release")

    def cycle(self) -> None:
        """Press the button and release it."""
        self.press()
        self._pass(CYCLED)
        self.release()

    def disturb(self, how: str) -> None:
        """Unplug the line or freeze the device."""
        self._world.line.order(how)

    def mend(self) -> None:
        """Plug in and thaw, with the button as it was."""
        self._world.line.order("replug; thaw")

    def reset(self) -> None:
        """Press the device's reset button when its lamp says that it would close the relays, or after a while."""
        world, device = self._world, self._world.line.device
        due = world.now + round(PATIENCE * NANO)
        while not (device.armed(world.now) or device.pressed or world.now >= due):
            world.cycle()
        world.line.order(f"reset {HELD}")
        while device.reset_down:
            world.cycle()

    def close(self) -> None:
        """Leave it alone."""

    def _pass(self, seconds: float) -> None:
        until = self._world.now + round(seconds * NANO)
        while self._world.now < until:
            self._world.cycle()
