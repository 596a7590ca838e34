"""The postures by which a robot that stands sits or kneels down, verified as a whole before any is commanded.

They are a trajectory from rest to rest, judged as any other (`TrajectoryJob`), and, unlike those, for balance too. When
it is played every step is verified again. Requirement: SR-034.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.balance.settings import Posture
from safety_supervisor.core.checks.envelope import HISTORY
from safety_supervisor.core.errors import Violation
from safety_supervisor.core.intake.results import TrajectoryPoints
from safety_supervisor.core.motion.lane import at_rest
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.motion.trajectory import PlannedTrajectory
from safety_supervisor.core.motion.trajectory_job import TrajectoryJob
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Nanoseconds, Vector, seconds
from safety_supervisor.core.verifier import Verifier

_EVERY: Final = 5
"""Balance is judged ahead in one of so many steps: what is missed between two is refused when it is played."""
_LEAST: Final = 0.1
"""Share of its duration that what is left of a way takes at least."""
_HAIR: Final = 1e-6
"""A joint that goes less far on a way stays, [rad] or [m]."""


class Lowering:
    """The postures from one pose on, to be verified slice by slice.

    Attributes:
        end: the last posture, shape (n,), [rad], read-only.
    """

    def __init__(
        self,
        configuration: Configuration,
        verifier: Verifier,
        postures: tuple[Posture, ...],
        pose: Vector,
        tick: int,
        opened: frozenset[str] = frozenset(),
    ) -> None:
        """Prepare the verification.

        Args:
            configuration: of the robot.
            verifier: of steps; knows how the robot stands.
            postures: one or more; a joint that one does not name stays where it is.
            pose: in which the robot rests, shape (n,), [rad].
            tick: cycle in which it does.
            opened: restricted zones that people let it into, and that it has not left.
        """
        joints = configuration.robot.joints
        rows, times, at = [pose.copy()], list[Nanoseconds](), 0
        for posture in postures:
            rows.append(rows[-1].copy())
            for joint, position in posture.joints:
                rows[-1][joints.index(joint)] = position
            at += posture.duration
            times.append(at)
        self._postures, self._rows, self._times = postures, rows, times
        still = np.zeros((len(times), len(joints)))
        groups = tuple(configuration.robot.groups or ("all",))
        points = TrajectoryPoints(
            "", "", groups, np.arange(len(joints)), np.array(times), np.array(rows[1:]), still, still, 0
        )
        self.end = rows[-1]
        self.end.flags.writeable = False
        self._verifier = verifier
        self._period = seconds(configuration.timing.period)
        self._limits = StopLimits(configuration.envelope.joints)
        begin, history = at_rest(pose), np.repeat(pose[None], HISTORY + 1, axis=0)
        self._job = TrajectoryJob(points, begin, history, tick, configuration, verifier, opened=opened)
        self._judged = 0.0  # [s]

    @staticmethod
    def slices_for(duration: Nanoseconds, period: Nanoseconds, restricted: int) -> int:
        """Return how many slices the verification past `restricted` zones takes where nothing is near."""
        return TrajectoryJob.slices_for(duration, period, restricted) + int(duration // (_EVERY * period)) + 2

    @property
    def done(self) -> bool:
        """Whether all of it was verified."""
        return self._job.done and self._judged > self._whole.duration

    @property
    def _whole(self) -> PlannedTrajectory:
        assert self._job.trajectory is not None
        return self._job.trajectory

    def advance(self) -> Violation | None:
        """Do one slice. Returns the first violation."""
        if not self._job.done:
            return self._job.advance()
        if self._verifier.balance is None or self.done:
            self._judged = np.inf
            return None
        before, after = self._whole.states_at(np.array([self._judged, self._judged + self._period]))
        violation = self._verifier.balance.check(before, after, StraightStop(after, self._limits))
        if violation is None:  # what was refused for a sensor that is silent now is asked again
            self._judged += _EVERY * self._period
        return violation

    def left(self, played: Nanoseconds, pose: Vector) -> tuple[Posture, ...]:
        """Return the postures that are left of a way that was broken off.

        The first of them is nearer than it was. With the cube root of the way's share for its duration no joint gets
        faster or is accelerated more, and its jerk stays.

        Args:
            played: how much of the way was, [ns].
            pose: in which the robot came to rest, shape (n,), [rad].
        """
        index = min(sum(time <= played for time in self._times), len(self._times) - 1)
        before, goal = self._rows[index : index + 2]
        share = float((np.abs(goal - pose) / np.maximum(np.abs(goal - before), _HAIR)).max())
        first = self._postures[index]
        duration = round(first.duration * min(1.0, max(_LEAST, share ** (1 / 3))))
        return (Posture(duration, first.joints), *self._postures[index + 1 :])

    def parts(self, groups: Mapping[str, NDArray[np.intp]]) -> dict[str, PlannedTrajectory]:
        """Return the verified motion of each group; `groups` maps names to joint indices."""
        return self._job.parts(dict(groups))
