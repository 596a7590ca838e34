"""A real supervisor around an ideal arm, without ROS: events in, set-points out, in scripted time."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from safety_supervisor.boot_script import BootScript
from safety_supervisor.core.act_events import StopRequested
from safety_supervisor.core.effects import Actuate, Decision, Effect
from safety_supervisor.core.events import Event, JointStates, StreamCommand, TrajectoryCommand
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor_sim.agent.motions import Sample
from safety_supervisor_sim.oracle.world import Array

SOURCE: Final = "planner"
START: Final = 1_000_000_000
STREAM_PERIOD: Final = 0.01
"""Between two set-points that the laboratory makes, [s]; an agent of a longer period streams some of them."""
_LAG: Final = 2  # cycles from a set-point to its measurement
_MEASURED_EVERY: Final = 5  # cycles; every 20 ms is well within the time-out
_PATIENCE: Final = 3000  # cycles


class Stuck(RuntimeError):
    """The supervisor did not come to where a run begins."""


class Arm:
    """One boot of a supervisor, and an arm that is measured where it was commanded two cycles before.

    Attributes:
        supervisor: the real one.
        now: steady clock, [ns].
        rows: set-points since `begin`, the one before included, each shape (n,), [rad].
        sent: what was actuated since `begin`.
        decisions: since `begin`.
    """

    def __init__(self, configuration: Configuration, pose: Array) -> None:
        """Boot with the arm at rest at a pose, shape (n,), [rad], and lead it through the acts into AUTO.

        Raises:
            Stuck: it does not reach AUTO: the pose is no place to start from.
        """
        self.supervisor = Supervisor(configuration.without_sessions())
        self._names = configuration.robot.joints
        self.period = configuration.timing.period
        self.now = START
        self._measured: deque[tuple[float, ...]] = deque([tuple(pose.tolist())] * (_LAG + 1), maxlen=_LAG + 1)
        self._cycles = 0
        self._acts = 0
        self._verifying: set[str] = set()
        self.rows: list[Array] = [pose]
        self.sent: list[Actuate] = []
        self.decisions: list[Decision] = []
        self.shares: dict[str, list[int]] = {SOURCE: list(range(len(self._names)))}
        """Agent to the joints that it moves, as numbers in the configuration's order."""
        self._every = {one.name: max(1, round(one.period * 1e-9 / STREAM_PERIOD)) for one in configuration.sources}
        self._script = BootScript(configuration, "lab")
        for event in self._script.begin(self.now):
            self.handle(event)
        self.arm()

    # -- events ----------------------------------------------------------------------------

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Give the supervisor an event and keep what comes out."""
        effects = self.supervisor.handle(event)
        for effect in effects:
            if isinstance(effect, Decision):
                self.decisions.append(effect)
                self._verifying.discard(effect.command)
            elif isinstance(effect, Actuate):
                self.sent.append(effect)
                self.rows.append(np.array(effect.positions))
                self._measured.append(effect.positions)
        return effects

    def cycle(self) -> None:
        """Run one control cycle."""
        self.now += self.period
        if self._cycles % _MEASURED_EVERY == 0:
            self.handle(JointStates(self.now - 200_000, self._names, self._measured[0], (), self.now, self.now))
            for told in self._script.world(self.now):
                self.handle(told)
        self._cycles += 1
        self.tick()

    def tick(self) -> None:
        """Begin a control cycle now."""
        self.handle(self._script.tick(self.now))

    def run(self, cycles: int) -> None:
        """Run control cycles."""
        for _ in range(cycles):
            self.cycle()

    def stream(self, positions: Array) -> None:
        """Have every agent stream its share of a set-point, shape (n,), [rad]."""
        for source in self.shares:
            self.stream_of(source, positions)

    def stream_of(self, source: str, positions: Array) -> None:
        """Have one agent stream its share of a set-point, shape (n,), [rad]."""
        joints = self.shares[source]
        names, values = tuple(self._names[joint] for joint in joints), tuple(positions[joints].tolist())
        self.handle(StreamCommand(self.now, source, names, values, (), 0, 0, self.now, "", ""))

    def stream_due(self, positions: Array, number: int) -> None:
        """Have those agents stream to whose own period the set-point of this number falls."""
        for source in self.shares:
            if number % self._every[source] == 0:
                self.stream_of(source, positions)

    def trajectory(self, times: list[float], samples: list[Sample], source: str = SOURCE) -> None:
        """Have an agent send its share of a trajectory of points with velocities and accelerations; none cancels."""
        joints = self.shares[source]
        self._acts += 1
        command = f"t{self._acts}"
        if samples:
            self._verifying.add(command)
        counts = (len(joints),) * len(samples)
        blocks = [
            np.array([getattr(sample, name)[joints] for sample in samples], dtype=np.float64).tobytes()
            for name in ("position", "velocity", "acceleration")
        ]
        self.handle(
            TrajectoryCommand(
                self.now,
                source,
                tuple(self._names[joint] for joint in joints) if samples else (),
                tuple(round(time * 1e9) for time in times),
                blocks[0],
                counts,
                blocks[1],
                counts,
                blocks[2],
                counts,
                0,
                0,
                self.now,
                f"cid:{command}",
                "",
            )
        )

    def request_stop(self) -> None:
        """Ask for a protective stop, as anyone may."""
        self.handle(StopRequested(self.now, "lab", "at random"))

    # -- people ----------------------------------------------------------------------------

    def arm(self) -> None:
        """Lead the supervisor into AUTO by a person's two acts.

        Raises:
            Stuck: it does not get there.
        """
        for _ in range(_PATIENCE):
            state = self.supervisor.state
            if state.startswith("AUTO"):
                return
            act = self._script.act(self.now, state)
            if act is not None:
                self.handle(act)
            self.run(5)
        raise Stuck(f"{self.supervisor.state}, {[d.code for d in self.decisions[-3:]]}")

    # -- what is seen ----------------------------------------------------------------------

    def begin(self) -> None:
        """Forget what came out, but for the last set-point."""
        self.rows = self.rows[-1:]
        self.sent = []
        self.decisions = []

    @property
    def pose(self) -> Array:
        """The last set-point, shape (n,), [rad]."""
        return self.rows[-1]

    @property
    def moving(self) -> bool:
        """Whether anything moves or is about to."""
        last = self.sent[-1] if self.sent else None
        return (
            self.supervisor.state in ("AUTO/MOVING", "STOPPING")
            or bool(self._verifying)
            or (last is not None and last.moving)
        )

    @property
    def refused(self) -> Decision | None:
        """The first command since `begin` that was refused or stopped."""
        return next((one for one in self.decisions if one.verdict in ("REJECT", "STOP")), None)

    def settle(self) -> None:
        """Run until the arm rests.

        Raises:
            Stuck: it goes on and on.
        """
        for _ in range(_PATIENCE):
            self.cycle()
            if not self.moving:
                return
        raise Stuck(f"{self.supervisor.state} and still moving")
