"""The way of a supervisor from its boot to AUTO, as events, where there is no robot and no person.

`explain --command`, the node's warm-up, the laboratory, the benchmarks and the tests run the real core around an
invented robot. What they tell it besides is made here: everybody who has to be heard is heard, nobody is near, the
e-stop says RUN, and a person resets and starts.

It reads no clock and moves nothing: who uses it gives every event to `Supervisor.handle`, and his robot goes where the
effects say.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.balance.footing import level_imu
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import (
    BalanceEndpoints,
    Boot,
    Event,
    FootContact,
    Humans,
    HumansEndpoints,
    Imu,
    JointStateEndpoints,
    JointStates,
    Odometry,
    OdometryEndpoints,
    OutputEndpoints,
    RobotDescription,
    SourceEndpoints,
    SourceLiveliness,
    Tick,
)
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Nanoseconds


class BootScript:
    """Makes the events of one boot.

    Args:
        configuration: of the supervisor.
        name: of the boot, and of who acts in it.
        people: where people are, as in `Humans.points`; nobody unless told otherwise.
    """

    def __init__(self, configuration: Configuration, name: str, people: bytes = b"") -> None:
        """Begin with no act done."""
        self._configuration = configuration
        self._name = name
        self._people = people
        self._acts = 0
        balance = configuration.balance
        self._level = (0.0, 0.0, 0.0, 1.0)
        """What the IMU tells while the base is level."""
        if balance is not None:
            self._level = level_imu(RobotModel(configuration.robot), balance.imu_link)

    def begin(self, now: Nanoseconds) -> Iterator[Event]:
        """Yield the boot, and who is there."""
        robot = self._configuration.robot
        yield Boot(now, self._name, self._name, False, "")
        yield RobotDescription(now, robot.urdf_sha256)
        yield OutputEndpoints(now, ())
        yield JointStateEndpoints(now, tuple(publisher.node for publisher in robot.state_publishers))
        if self._configuration.separation is not None:
            yield HumansEndpoints(now, (f"/{self._name}",))
        base = self._configuration.base
        if base is not None:
            yield OdometryEndpoints(now, (base.odometry.node,))
        if self._configuration.balance is not None:
            for foot in self._configuration.balance.topics.values():
                yield BalanceEndpoints(now, foot, (f"/{self._name}",))
        yield from self.sources(now)

    def sources(self, now: Nanoseconds) -> Iterator[Event]:
        """Yield that each source has its one publisher, which is alive."""
        for source in self._configuration.sources:
            yield SourceEndpoints(now, source.name, 1)
            yield SourceLiveliness(now, source.name, True)

    def measure(self, now: Nanoseconds, positions: tuple[float, ...]) -> JointStates:
        """Return a measurement, [rad], in the configuration's joint order."""
        return JointStates(now, self._configuration.robot.joints, positions, (), now, now)

    def people(self, now: Nanoseconds) -> Iterator[Event]:
        """Yield where people are, where they are watched; more seldom than `separation.timeout` they are unknown."""
        if self._configuration.separation is not None:
            yield Humans(now, self._configuration.robot.base_frame, self._people, now, now)

    def surroundings(self, now: Nanoseconds) -> Iterator[Event]:
        """Yield where people are, and that a robot with legs stands on them, its base level.

        More seldom than the timeout of `balance` its footing is unknown.
        """
        yield from self.people(now)
        balance = self._configuration.balance
        if balance is None:
            return
        yield Imu(now, balance.imu_link, self._level, (0.0, 0.0, 0.0), now, now)
        for sole, source in zip(balance.soles, balance.contacts, strict=True):
            x, y, z = (2.0 * source.force * part for part in sole.normal)
            yield FootContact(now, sole.foot, sole.foot, (x, y, z), now, now)

    def world(self, now: Nanoseconds) -> Iterator[Event]:
        """Yield where people are, and the base: in the middle of its fence's corners."""
        yield from self.surroundings(now)
        base = self._configuration.base
        if base is not None:
            corners = base.gate.fence.keep_in
            x, y = (sum(column) / len(corners) for column in zip(*corners, strict=True))
            yield from self.odometry(now, x, y)

    def odometry(self, now: Nanoseconds, x: float, y: float, heading: float = 0.0) -> Iterator[Odometry]:
        """Yield where the base is, [m] and [rad], where there is one."""
        base = self._configuration.base
        if base is not None:
            frames = base.odometry.frame, self._configuration.robot.base_frame
            turned = (0.0, 0.0, math.sin(heading / 2.0), math.cos(heading / 2.0))
            yield Odometry(now, *frames, (x, y, 0.0), turned, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), now, now)

    def tick(self, now: Nanoseconds) -> Tick:
        """Return the beginning of a control cycle, in time, the e-stop not pressed."""
        return Tick(now, now, EstopInput("run", received_at=now))

    def act(self, now: Nanoseconds, state: str) -> OperatorAct | None:
        """Return what a person does in a state of the supervisor on the way to AUTO; None where he does nothing."""
        match state:
            case "LOCKED":
                return self.reset(now)
            case "READY":
                return self.start(now)
            case _:
                return None

    def reset(self, now: Nanoseconds) -> OperatorAct:
        """Return a person's reset."""
        return OperatorAct(now, "reset", self._name, "", -1, self._number())

    def start(self, now: Nanoseconds) -> OperatorAct:
        """Return a person's start, into AUTO."""
        return OperatorAct(now, "start", self._name, "auto", -1, self._number())

    def _number(self) -> str:
        self._acts += 1
        return f"{self._name}.{self._acts}"
