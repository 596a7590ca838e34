"""A real supervisor around a simulated humanoid that stands on the floor, without ROS, in simulated time.

Set-points go through the double of joint_trajectory_controller into PyBullet's motors, as `config/g1.yaml` has them go;
measured are the true joint positions, every cycle.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from safety_supervisor.core.effects import Effect, LadderMode
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import Event, JointStates, Tick
from safety_supervisor.core.settings import Configuration, SourceKind
from safety_supervisor_sim.cell.controllers import JointTrajectoryController
from safety_supervisor_sim.cell.standing import HOLD, StandingRobot
from safety_supervisor_sim.cell.standing_file import StandingFile, load_standing
from safety_supervisor_sim.demo.places import shared
from safety_supervisor_sim.lab.arm import START, Arm
from safety_supervisor_sim.lab.balance_inputs import Footsteps, telling
from safety_supervisor_sim.lab.closed_loop import message
from safety_supervisor_sim.oracle.balance import BalanceJudge
from safety_supervisor_sim.oracle.world import Array

MOVING: Final = "motion"
STOPPING: Final = "stop"
RESTING: Final = "rest"


def standing_file(name: str) -> StandingFile:
    """Load `sim/cells/NAME_standing.yaml`.

    Raises:
        FileNotFoundError: it is not installed.
        pydantic.ValidationError: it is malformed.
    """
    return load_standing(Path(shared("cells", f"{name}_standing.yaml")))


class Humanoid(Arm):
    """One boot of a supervisor, and one robot on its feet.

    Attributes:
        robot: the simulated one.
        balance: its judge.
        true: joint positions, each shape (n,), [rad]; who judges them shortens it.
        phases: what the supervisor had the robot do in each cycle since the boot.
        pressed: pairs of links that pressed against each other as hulls.
        rungs: time of the robot, [s], and mode, of all that was told on the stop ladder.
        pressed_button: whether the e-stop is pressed; anybody's to set.
    """

    def __init__(self, configuration: Configuration, robot: StandingRobot) -> None:
        """Lead the supervisor of a robot that stands and rests into AUTO.

        Raises:
            Stuck: it does not reach AUTO.
            ValueError: configuration and file name other joints, or the physics' rate is none of the cycle's.
        """
        file = robot.file
        if configuration.robot.joints != file.robot.joints:
            raise ValueError("configuration and simulation name other joints, or in another order")
        self.robot = robot
        self.balance = BalanceJudge(file.fallen.tilt, file.fallen.height)
        self._physics = round(1e9 / file.rate_hz)
        self._steps, left = divmod(configuration.timing.period, self._physics)
        if left:
            raise ValueError(f"the physics' period of {self._physics} ns is none of the cycle's")
        self._configuration = configuration
        self._footsteps = Footsteps(configuration)
        self._controller = JointTrajectoryController(file.robot.joints, self._physics)
        pose, velocity = self.robot.joint_states()
        self._controller.activate(START, pose, velocity)
        self.true: list[Array] = [pose]
        self.phases: list[str] = []
        self.pressed: set[tuple[str, str]] = set()
        self.rungs: list[tuple[float, str]] = []
        self.pressed_button = False
        robot.obey(HOLD)
        super().__init__(configuration, pose)
        self.shares = owners(configuration)

    def cycle(self) -> None:
        """Run physics for one period, measure, judge, decide, send."""
        robot = self.robot
        for _ in range(self._steps):
            target = self._controller.update(self.now)
            if target is not None:
                robot.drive(target.values)
            robot.step()
            self.now += self._physics
        position, velocity = robot.joint_states()
        self.true.append(position)
        self.balance.see(robot.stance())
        self.pressed.update(robot.self_contacts())
        names = robot.joints
        self.handle(
            JointStates(self.now, names, tuple(position.tolist()), tuple(velocity.tolist()), self.now, self.now)
        )
        for event in self._footsteps.events(telling(robot), self.now):
            self.handle(event)
        for told in self._script.people(self.now):
            self.handle(told)
        before = len(self.sent)
        self.tick()
        self.phases.append(self._phase())
        if len(self.sent) > before:
            self._controller.command(self.now, self.now, message(self.sent[-1], names, self.period))

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Give the supervisor an event; the robot obeys the mode that it tells, as its locomotion controller would."""
        effects = super().handle(event)
        for effect in effects:
            if isinstance(effect, LadderMode):
                self.rungs.append((self.robot.time, effect.mode))
                self.robot.obey(effect.mode)
        return effects

    def tick(self) -> None:
        """Begin a control cycle now."""
        pressed = Tick(self.now, self.now, EstopInput("stop", received_at=self.now))
        self.handle(pressed if self.pressed_button else self._script.tick(self.now))

    def phase_at(self, time: float) -> str:
        """What the supervisor had the robot do at a time of the robot's, [s]."""
        cycle = min(len(self.phases) - 1, max(0, round(time * 1e9 / self.period) - 1))
        return self.phases[cycle]

    def _phase(self) -> str:
        last = self.sent[-1] if self.sent else None
        if last is None or not last.moving:
            return RESTING
        stopped = self.supervisor.state != "AUTO/MOVING" or self.refused is not None
        return STOPPING if stopped else MOVING


def owners(configuration: Configuration) -> dict[str, list[int]]:
    """Return the joints that each agent moves by streams, as numbers in the configuration's order."""
    robot = configuration.robot
    return {
        source.name: [joint for group in source.groups for joint in robot.groups[group]]
        for source in configuration.sources
        if source.kind is SourceKind.AGENT
    }
