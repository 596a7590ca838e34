"""A supervisor with a robot around it, all in one thread: scripted time, a robot that follows, no ROS.

The robot is ideal unless told otherwise: it is measured where it was commanded `lag` cycles ago.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.boot_script import BootScript
from safety_supervisor.config import load_config
from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.effects import Actuate, Decision, Effect, Latches, RelayDemand, Reply, Status
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import Boot, Event, JointStates, StreamCommand, Tick, TrajectoryCommand
from safety_supervisor.core.geometry.shapes import Box
from safety_supervisor.core.settings import Configuration, GeometrySettings, Zone, ZoneKind
from safety_supervisor.core.supervisor import Supervisor

CONFIGURATION = Path(__file__).parents[2] / "config" / "panda.yaml"
HOME = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
MS = 1_000_000


@lru_cache(maxsize=1)
def _shipped() -> Configuration:
    """The shipped Panda configuration, read once: it is frozen, which `conftest` checks when all tests have run."""
    return load_config(CONFIGURATION)


def panda(**changes: Any) -> Configuration:
    """The shipped Panda configuration, with sections replaced."""
    return replace(_shipped(), **changes)


BARE = GeometrySettings({}, frozenset(), 0.0)
"""Links without volumes: points at their origins."""


def upright(
    name: str, kind: ZoneKind, low: Any, high: Any, links: tuple[str, ...] = (), margin: float = 0.0, **more: Any
) -> Zone:
    """A zone that is an upright box between two corners."""
    low, high = np.array(low, dtype=float), np.array(high, dtype=float)
    (x, y, z), (a, b, c) = ((low + high) / 2).tolist(), (high - low).tolist()
    return Zone(name, kind, Box((x, y, z), (a, b, c)), links, margin, **more)


class Rig:
    """Runs a supervisor cycle by cycle and keeps everything that came out."""

    def __init__(
        self,
        configuration: Configuration | None = None,
        start: NDArray[np.float64] = HOME,
        latches: tuple[bool, str] = (False, ""),
        **boot: Any,
    ) -> None:
        self.configuration = configuration or panda()
        self.supervisor = Supervisor(self.configuration)
        self.period = self.configuration.timing.period
        self.names = self.configuration.robot.joints
        self.home = np.array(start, dtype=float)
        """Where it starts, shape (n,), [rad]."""
        self.rest = np.zeros((1, len(self.names)))
        """Velocities or accelerations of a trajectory of one point, shape (1, n)."""
        self.now = 1_000_000_000
        self.robot = self.home.copy()
        self.offset = np.zeros(len(self.robot))
        """Measured minus where the robot would be: servo error, sag, a push."""
        self.measured_velocity: tuple[float, ...] = ()
        self.lag = 2
        self.follow = True
        self.measure = True
        self.estop = "run"
        self.estop_extra: dict[str, Any] = {}
        self.estop_received: int | None = None
        """Receipt time of the device's word; None: just now."""
        self.log_ok = True
        self.late = 0
        self.effects: list[Effect] = []
        self.history: list[Effect] = []
        """All effects since the boot; `clear` leaves them."""
        self.tampered = False
        """Whether a test broke the supervisor itself, so that a replay can not do the same."""
        self.ticks: list[tuple[str, str, tuple[Effect, ...]]] = []
        """State before and after, and effects, of every Tick."""
        self.lost: set[int] = set()
        """Ticks before which it was measured somewhere else than its last set-point, by more than it may rest away."""
        self.measured: list[NDArray[np.float64]] = []
        """Where it was measured last, at every Tick, shape (n,), [rad]."""
        self.placed_anew = False
        """Whether the set-point may leap once: drives without power can not hold the robot (SR-015)."""
        self.skips = False
        self.silent = False
        """Whether the test takes even the kept stop away."""
        self.counter = 0
        """Whether cycles were missed, so that consecutive set-points are more than one period apart."""
        self.events: list[Event] = []
        self.outputs: list[tuple[float, ...]] = []
        self._pipeline: deque[NDArray[np.float64]] = deque()
        self._sent = 0
        self.send(Boot(self.now, "boot", "nonce", *latches, **boot))

    # --- events

    def send(self, event: Event) -> tuple[Effect, ...]:
        self.events.append(event)
        before = self.supervisor.state
        effects = self.supervisor.handle(event)
        self.effects.extend(effects)
        self.history.extend(effects)
        if isinstance(event, Tick):
            self.ticks.append((before, self.supervisor.state, effects))
            self.measured.append(self.robot + self.offset)
        elif isinstance(event, JointStates) and self.outputs:
            away = np.abs(self.robot + self.offset - self.output)
            if (away > self.configuration.tracking.standstill).any():
                self.lost.add(len(self.ticks))
        for effect in effects:
            if isinstance(effect, Actuate):
                self.outputs.append(effect.positions)
                if self.follow:
                    self._pipeline.append(np.array(effect.positions))
        return effects

    def cycle(self, count: int = 1, each: Callable[[int], None] | None = None) -> None:
        """Run cycles: measurement, whatever `each` sends, tick."""
        for i in range(count):
            self.now += self.period
            if self.measure:
                while len(self._pipeline) > self.lag:
                    self.robot = self._pipeline.popleft()
                measured = tuple((self.robot + self.offset).tolist())
                self.send(
                    JointStates(self.now - 100_000, self.names, measured, self.measured_velocity, self.now, self.now)
                )
            if each is not None:
                each(i)
            received = self.now - 50_000 if self.estop_received is None else self.estop_received
            estop = EstopInput(self.estop, received_at=received, **self.estop_extra)  # type: ignore[arg-type]
            self.send(Tick(self.now + self.late, self.now, estop, self.log_ok))

    def unit(self, joint: int, value: float = 1.0) -> NDArray[np.float64]:
        """A vector with one joint's value, shape (n,)."""
        vector = np.zeros(len(self.names))
        vector[joint] = value
        return vector

    def seconds(self, duration: float, each: Callable[[int], None] | None = None) -> None:
        self.cycle(round(duration * 1e9 / self.period), each)

    # --- people

    def act(self, act: str, target: str = "", epoch: int = -1) -> Reply:
        self._sent += 1
        request = f"r{self._sent}"
        effects = self.send(OperatorAct(self.now, act, "technician", target, epoch, request))  # type: ignore[arg-type]
        return next(e for e in effects if isinstance(e, Reply) and e.request == request)

    def lock(self) -> Rig:
        self.seconds(0.4)
        assert self.state == "LOCKED", self.status
        return self

    @property
    def latches(self) -> tuple[bool, str]:
        """What is on disk now."""
        told = [e for e in self.history if isinstance(e, Latches)]
        boot = self.events[0]
        assert isinstance(boot, Boot)
        if told:
            return told[-1].emergency_stop, told[-1].fault
        return boot.emergency_stop_latched, boot.fault_latched

    @property
    def relays_open(self) -> bool:
        """Whether the host demands STOP of the relays now."""
        return [e for e in self.history if isinstance(e, RelayDemand)][-1].stop

    def until(self, state: str, limit: float = 3.0) -> Rig:
        """Run until a state is reached; fail after `limit` seconds."""
        for _ in range(round(limit * 1e9 / self.period)):
            if self.state == state:
                return self
            self.cycle()
        raise AssertionError(f"{self.state} ({self.status.cause}) after {limit} s, not {state}")

    def move(self, seconds: float = 0.5, by: float = 0.6, duration: float = 2.0) -> Rig:
        """In AUTO: play a smooth trajectory of joint 1 and come into the middle of it."""
        goal = self.output.copy()
        goal[0] += by
        self.trajectory([duration], goal[None, :], self.rest, self.rest)
        self.seconds(seconds)
        assert self.state == "AUTO/MOVING", (self.state, self.decisions()[-1:])
        return self

    def manual(self) -> Rig:
        """Through the two acts into MANUAL, the switch pressed to its middle."""
        self.estop_extra = {"enabling_switch": "released", "integrity": "high"}
        self.ready()
        reply = self.act("start", "manual")
        assert reply.ok, reply
        self.cycle(2)
        self.estop_extra = {"enabling_switch": "middle", "integrity": "high"}
        self.cycle(2)
        return self

    def jog(self, seconds: float, velocity: NDArray[np.float64] | list[float]) -> Rig:
        """A person streams a velocity at 50 Hz, growing over 0.2 s."""

        def each(i: int) -> None:
            if i % 5 == 0:
                self.stream(np.array(velocity) * min(1.0, (i + 5) / 50), "joystick", velocity=True)

        self.seconds(seconds, each)
        return self

    def ready(self) -> Rig:
        self.lock()
        assert self.act("reset").ok, self.effects[-3:]
        return self

    def auto(self) -> Rig:
        """Through the two acts into AUTO, with the planner's publishers seen."""
        self.ready()
        for event in BootScript(self.configuration, "rig").sources(self.now):
            self.send(event)
        self.cycle(2)
        reply = self.act("start", "auto")
        assert reply.ok, reply
        return self

    # --- agents

    def stream(
        self, values: NDArray[np.float64] | list[float], source: str = "planner", **changes: Any
    ) -> tuple[Effect, ...]:
        """Send one streamed set-point now."""
        velocity = changes.pop("velocity", False)
        filled = tuple(float(v) for v in values)
        event = StreamCommand(
            at=self.now,
            source=source,
            names=changes.pop("names", self.names),
            positions=() if velocity else filled,
            velocities=filled if velocity else (),
            efforts=0,
            stamp=0,
            clock=self.now,
            frame_id="",
            body="",
        )
        return self.send(_changed(event, changes))

    def trajectory(
        self,
        times: list[float],
        positions: NDArray[np.float64],
        velocities: NDArray[np.float64] | None = None,
        accelerations: NDArray[np.float64] | None = None,
        source: str = "planner",
        **changes: Any,
    ) -> tuple[Effect, ...]:
        """Send a trajectory now."""

        def block(rows: NDArray[np.float64] | None) -> tuple[bytes, tuple[int, ...]]:
            if rows is None:
                return b"", (0,) * len(times)
            return np.ascontiguousarray(rows, dtype=float).tobytes(), (rows.shape[1],) * len(times)

        p, pc = block(positions)
        v, vc = block(velocities)
        a, ac = block(accelerations)
        event = TrajectoryCommand(
            self.now,
            source,
            self.names,
            tuple(round(t * 1e9) for t in times),
            p,
            pc,
            v,
            vc,
            a,
            ac,
            0,
            0,
            self.now,
            "",
            "",
        )
        return self.send(_changed(event, changes))

    # --- what came out

    @property
    def state(self) -> str:
        return self.supervisor.state

    @property
    def status(self) -> Status:
        return next(e for e in reversed(self.effects) if isinstance(e, Status))

    @property
    def output(self) -> NDArray[np.float64]:
        return np.array(self.outputs[-1])

    def decisions(self, verdict: str | None = None) -> list[Decision]:
        return [e for e in self.effects if isinstance(e, Decision) and verdict in (None, e.verdict)]

    def codes(self) -> list[str]:
        return [e.code for e in self.decisions()]

    def clear(self) -> None:
        self.effects.clear()


def _changed(event: Any, changes: dict[str, Any]) -> Any:
    import msgspec

    return msgspec.structs.replace(event, **changes) if changes else event
