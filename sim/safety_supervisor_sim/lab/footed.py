"""A real supervisor around an ideal robot that stands: it is where it was commanded, and its feet stay where they are.

No physics: `humanoid` has it. What an IMU and force sensors would tell follows from the joints: the first bearing foot
stays level, and the base turns as the leg moves it.
"""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from safety_supervisor.core.events import JointStates
from safety_supervisor_sim.lab.arm import Arm
from safety_supervisor_sim.lab.balance_inputs import Footsteps, Telling
from safety_supervisor_sim.lab.humanoid import owners
from safety_supervisor_sim.lab.stances import FootedBench
from safety_supervisor_sim.oracle.world import Array

_LOAD = 2.0
"""What a foot that bears is told to bear, as a multiple of what says that it does."""


class FootedArm(Arm):
    """One boot of a supervisor, and an ideal robot on its feet.

    Attributes:
        bearing: feet on the ground, the level one first.
    """

    def __init__(self, bench: FootedBench, pose: Array, bearing: tuple[str, ...]) -> None:
        """Boot with the robot at rest at a pose, shape (n,), [rad], and lead the supervisor into AUTO.

        Raises:
            Stuck: it does not reach AUTO: the pose is no place to start from.
        """
        configuration, self.bearing = bench.configuration, bearing
        self._stances = bench.stances
        self._footsteps = Footsteps(configuration)
        balance = configuration.balance
        contacts = () if balance is None else balance.contacts
        self._forces = {one.foot: _LOAD * one.force if one.foot in bearing else 0.0 for one in contacts}
        self._told: Array = np.empty(0)
        self._orientation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
        self._number = 0
        super().__init__(configuration, pose)
        self.shares = owners(configuration)

    def cycle(self) -> None:
        """Run one control cycle."""
        self.now += self.period
        measured = np.array(self._measured[0])
        last = self._told if len(self._told) else measured
        speeds = tuple(((measured - last) / (self.period * 1e-9)).tolist())
        self.handle(JointStates(self.now, self._names, self._measured[0], speeds, self.now, self.now))
        for event in self._footsteps.events(self._tell(measured), self.now):
            self.handle(event)
        for told in self._script.people(self.now):
            self.handle(told)
        self.tick()

    def begin(self) -> None:
        """Forget what came out, but for the last set-point."""
        super().begin()
        self._number = 0

    def stream(self, positions: Array) -> None:
        """Have every agent stream its share of a set-point, shape (n,), [rad], at its own period."""
        self._number += 1
        self.stream_due(positions, self._number)

    def _tell(self, measured: Array) -> Telling:
        """Return what the sensors tell of the robot where it is measured."""
        turning = np.zeros(3)
        if not len(self._told) or not np.array_equal(measured, self._told):
            orientation = self._stances.stand(measured, self.bearing).orientation
            if len(self._told):
                before, now = (pin.Quaternion(np.array(one)) for one in (self._orientation, orientation))
                turning = np.array(pin.log3((before.conjugate() * now).toRotationMatrix())) / (self.period * 1e-9)
            self._told, self._orientation = measured, orientation
        nowhere = np.zeros(3)
        return Telling(np.array(self._orientation), turning, nowhere, nowhere, self._forces)
