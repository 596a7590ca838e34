"""The cell of a robot that stands: its motors behind a trajectory controller and the modes of the stop ladder.

The robot begins in a hoist, which bears it whatever its motors do: it stays on its feet until somebody starts it, told
by the mode `hold`, with its power on. From then on it falls when it goes limp. `stand_up` puts it back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from safety_supervisor_sim.cell.cell import Array, Cell
from safety_supervisor_sim.cell.controllers import JointTrajectoryController
from safety_supervisor_sim.cell.standing import DAMP, HOLD, LOWER, OFF, StandingRobot
from safety_supervisor_sim.cell.standing_file import StandingFile
from safety_supervisor_sim.oracle.balance import Stance
from safety_supervisor_sim.oracle.stands import Stands

LIMP: Final = (DAMP, OFF)
"""Modes in which nothing is held, the limper one last."""
JUDGED_EVERY: Final = 4
"""Steps from one judged stance to the next; a stance costs as much as two thirds of a step."""


class StandingCell(Cell):
    """One robot on its feet.

    Args:
        file: the validated file.
        seed: of the measurement noise.
        start_ns: time of the first step on the caller's steady clock.
        ros_offset_ns: ROS time minus steady time, for stamps of trajectories.

    Attributes:
        robot: the simulated one.
        stands: its judge.
        stance: the newest one that was judged.
        hoisted: whether a hoist bears it.
        unknown_modes: words that are no mode, and how often each was told.
        refused_targets: set-points that were not finite.
    """

    controller: JointTrajectoryController

    def __init__(self, file: StandingFile, *, seed: int = 0, start_ns: int = 0, ros_offset_ns: int = 0) -> None:
        self.file = file
        self.robot = StandingRobot(file)
        super().__init__(
            self.robot.joints,
            (self.robot.base, *self.robot.links),
            file.oracle,
            file.node.measurement,
            file.rate_hz,
            seed=seed,
            start_ns=start_ns,
            ros_offset_ns=ros_offset_ns,
        )
        self._landed = self.robot.save()
        self.controller = JointTrajectoryController(self.joints, self.period_ns)
        self._told = ""
        self._powered = self.hoisted = True
        self.unknown_modes: Counter[str] = Counter()
        self.refused_targets = 0
        self.stance = self._look()
        self.stands = Stands(file.fallen.tilt, file.fallen.height, self.stance)
        self._take_over()

    # -- what its motors do ----------------------------------------------------------------

    @property
    def mode(self) -> str:
        """What its motors do now."""
        return self.robot.mode

    @property
    def follows(self) -> bool:
        """Whether it follows set-points: they mean nothing to who was told to give way, in a hoist too."""
        return self._told not in LIMP and self.robot.mode not in LIMP

    def obey(self, mode: str) -> bool:
        """Do as the mode of the stop ladder says; False when there is no such mode, which changes nothing."""
        if mode not in (HOLD, LOWER, *LIMP):
            self.unknown_modes[mode] += 1
            return False
        if mode != self._told:
            followed = self.follows
            self._told = mode
            self._settle(followed)
        return True

    def cut_power(self) -> None:
        """Open the relays: joints do what `node.power_cut` says, if they do not give way more already."""
        followed = self.follows
        self._powered = False
        self._settle(followed)

    def restore_power(self) -> None:
        """Close the relays: joints do again as they were told, from where they are."""
        followed = self.follows
        self._powered = True
        self._settle(followed)

    def stand_up(self) -> None:
        """Put it back on its feet, at its home pose and in its hoist."""
        self.oracle.watch(judged=False)  # this is no motion of its own
        self.robot.restore(self._landed)
        self.robot.step()  # contacts are those of the last step
        self.hoisted = True
        self.stance = self._look()
        self.stands.stand_up(self.stance)
        self._take_over()
        self._settle(True)

    def push(self, force: Sequence[float], seconds: float) -> None:
        """Push it from outside, see `StandingRobot.push`."""
        self.robot.push(force, seconds)
        self.stands.act.pushes.append((self.now_ns * 1e-9, tuple(force)))

    def _settle(self, followed: bool) -> None:
        """Bring the motors' mode to what was told and powered."""
        if self._told == HOLD and self._powered:
            self.hoisted = False
        mode = self._told or HOLD
        if not self._powered and mode != OFF:
            mode = self.file.node.power_cut
        if self.hoisted:
            mode = HOLD
        before = self.robot.mode
        if self._told not in LIMP and mode not in LIMP and not followed:
            self._take_over()  # set-points of the time before mean nothing any more
        if mode != before:
            self.robot.obey(mode)
            self.stands.told(self.now_ns * 1e-9, mode, mode in LIMP)
        self.oracle.watch(judged=mode not in LIMP and not self.stands.down)

    def _take_over(self) -> None:
        """Hold what is measured."""
        self.position, self.velocity = self.robot.joint_states()
        self.controller.activate(self.ros_now_ns, self.position, self.velocity)
        self.robot.drive(self.position)

    # -- time ------------------------------------------------------------------------------

    def step(self, count: int = 1) -> None:
        """Advance by `count` physics periods."""
        robot = self.robot
        for _ in range(count):
            target = self.controller.update(self.ros_now_ns)
            if target is not None and self.follows:
                self.oracle.add_setpoint(self.now_ns, target.values)
                self._drive(target.values)
            robot.step()
            self.now_ns += self.period_ns
            self.steps += 1
            self.position, self.velocity = robot.joint_states()
            self.oracle.add_sample(self.now_ns, self.position, self.velocity, robot.frame_positions())
            if self.steps % JUDGED_EVERY == 0:
                self.stance = self._look()
                self.stands.see(self.stance, robot.self_contacts())
                if self.stands.down:
                    self.oracle.watch(judged=False)

    def _drive(self, positions: Array) -> None:
        if np.isfinite(positions).all():
            self.robot.drive(positions)
        else:
            self.refused_targets += 1  # the controller checks no NaN; a drive's own firmware does

    def _look(self) -> Stance:
        return replace(self.robot.stance(), time=self.now_ns * 1e-9)

    # -- what is seen ----------------------------------------------------------------------

    def mark(self, name: str) -> None:
        """An act of this name begins."""
        super().mark(name)
        self.stands.mark(name)

    def link_positions(self) -> Array:
        """True origins of the link frames in the world, the base's first, shape (m, 3), [m]."""
        return self.robot.frame_positions()

    def report(self) -> dict[str, Any]:
        """The oracle's report, that of the judge of balance, and the counters of the controller."""
        report = super().report()
        report["standing"] = self.stands.report()
        report["controller"] |= {
            "powered": self._powered,
            "hoisted": self.hoisted,
            "told": self._told,
            "mode": self.mode,
            "refused_targets": self.refused_targets,
            "unknown_modes": dict(self.unknown_modes),
        }
        return report

    def close(self) -> None:
        """Leave PyBullet. Safe to call twice."""
        self.robot.close()
