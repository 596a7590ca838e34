"""The rehearsal: the whole core, an ideal robot, no time and no motors. What passes here is asked of the real one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from safety_supervisor.boot_script import BootScript
from safety_supervisor.commission.motion import Point
from safety_supervisor.commission.recording import Recording, Series
from safety_supervisor.commission.stopping_run import RefusedError
from safety_supervisor.core.act_events import OperatorAct, StopRequested
from safety_supervisor.core.effects import Actuate, Decision, Reply
from safety_supervisor.core.events import Event, TrajectoryCommand
from safety_supervisor.core.policy.server import PolicyServer
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, Vector, nanoseconds, seconds

_PATIENCE: Nanoseconds = 5 * NS_PER_S


class RehearsedRobot:
    """A supervisor of its own, and a robot that is measured where it was commanded a cycle before.

    Args:
        configuration: of the real one.
        source: by which it is moved.
        pose: where it stands, shape (n,), [rad].
    """

    def __init__(self, configuration: Configuration, source: str, pose: Vector) -> None:
        """Boot, as far as LOCKED."""
        if isinstance(configuration.policy, PolicyServer):
            configuration = replace(configuration, policy=None)  # no time passes here in which it could answer
        self._configuration = configuration.without_sessions()
        self._source = source
        self._supervisor = Supervisor(self._configuration)
        self._script = BootScript(self._configuration, "rehearsal")
        self._pose = tuple(float(value) for value in pose)
        self._now: Nanoseconds = NS_PER_S
        self._refusal: RefusedError | None = None
        self._reply: Reply | None = None
        self._measured: list[tuple[float, tuple[float, ...]]] = []
        self._commanded: list[tuple[float, tuple[float, ...]]] = []
        for event in self._script.begin(self._now):
            self._send(event)
        self._cycle_until("LOCKED")

    def _send(self, event: Event) -> None:
        for effect in self._supervisor.handle(event):
            if isinstance(effect, Actuate):
                self._pose = effect.positions
                self._commanded.append((self.now() + seconds(self._configuration.timing.period), effect.positions))
            elif isinstance(effect, Decision) and effect.verdict in ("REJECT", "STOP", "WAIT") and effect.code:
                self._refusal = self._refusal or RefusedError(effect.code, f"{effect.joint} {effect.detail}".strip())
            elif isinstance(effect, Reply):
                self._reply = effect

    def _cycle(self) -> None:
        self._now += self._configuration.timing.period
        pose = self.measured_pose()
        self._measured.append((self.now(), pose))
        self._send(self._script.measure(self._now, pose))
        for told in self._script.world(self._now):
            self._send(told)
        self._send(self._script.tick(self._now))

    @property
    def commanded_pose(self) -> tuple[float, ...]:
        """What was commanded last, [rad]."""
        return self._pose

    def measured_pose(self) -> tuple[float, ...]:
        """Where it is measured, once a cycle, [rad]; an ideal robot is where it was commanded."""
        return self._pose

    def _cycle_until(self, *states: str) -> None:
        ends = self._now + _PATIENCE
        while self._supervisor.state not in states:
            if self._now > ends:
                why = self._refusal or RefusedError("", f"it stays in {self._supervisor.state}")
                raise RefusedError(why.code, f"the supervisor does not become {' or '.join(states)}: {why}")
            self._cycle()

    def now(self) -> float:
        """See `Robot`."""
        return seconds(self._now)

    def wait(self, until: float) -> None:
        """See `Robot`."""
        self._cycle()  # once at least: whoever waits for a time that rounding hides would wait for ever
        while self._now < nanoseconds(until):
            self._cycle()

    def commanded(self) -> Vector:
        """See `Robot`."""
        return np.array(self._pose)

    def arm(self) -> None:
        """See `Robot`."""
        self._cycle_until("LOCKED")
        self._do(self._script.reset(self._now))
        self._do(self._script.start(self._now))
        self._refusal = None
        self._cycle_until("AUTO/HOLDING")

    def _do(self, act: OperatorAct) -> None:
        self._send(act)
        if self._reply is None or not self._reply.ok:
            reply = self._reply
            raise RefusedError("" if reply is None else reply.code, "no answer" if reply is None else reply.message)
        self._cycle()

    def send(self, points: tuple[Point, ...]) -> None:
        """See `Robot`."""
        mine, count = self.indices, len(points)
        counts = (len(mine),) * count
        self._send(
            TrajectoryCommand(
                at=self._now,
                source=self._source,
                names=tuple(self._configuration.robot.joints[index] for index in mine),
                times=tuple(nanoseconds(point.time) for point in points),
                positions=np.array([point.positions[mine] for point in points]).tobytes(),
                position_counts=counts,
                velocities=np.array([point.velocities[mine] for point in points]).tobytes(),
                velocity_counts=counts,
                accelerations=np.zeros(count * len(mine)).tobytes(),
                acceleration_counts=counts,
                efforts=0,
                stamp=0,
                clock=0,
                frame_id="",
                body="",
            )
        )

    @property
    def indices(self) -> list[int]:
        """Joints that the source moves, ascending indices into the configuration's order."""
        return source_joints(self._configuration, self._source)

    def refused(self) -> RefusedError | None:
        """See `Robot`."""
        refusal, self._refusal = self._refusal, None
        return refusal

    def request_stop(self) -> None:
        """See `Robot`."""
        self._send(StopRequested(self._now, "rehearsal", "stop"))

    def state(self) -> str:
        """See `Robot`."""
        return self._supervisor.state

    def rest(self) -> None:
        """See `Robot`."""
        self._cycle_until("LOCKED")
        self.wait(self.now() + 0.2)
        self._refusal = None

    def begin_recording(self) -> None:
        """See `Robot`."""
        self._measured, self._commanded = [], []

    def take_recording(self, requested: float, cruise: Vector) -> Recording:
        """See `Robot`."""
        measured, commanded = (
            Series(np.array([time for time, _ in rows]), np.array([row for _, row in rows]))
            for rows in (self._measured, self._commanded)
        )
        return Recording(measured, commanded, requested, cruise)


def source_joints(configuration: Configuration, source: str) -> list[int]:
    """Return the joints that a source moves, ascending indices into the configuration's order."""
    groups = configuration.robot.groups
    return sorted({index for group in configuration.source(source).groups for index in groups[group]})
