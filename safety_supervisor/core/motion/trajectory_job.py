"""Verification of a whole trajectory, in slices of bounded work, before any of it is played.

Every set-point of the run is known beforehand (play-out time advances exactly one control period per cycle), so the
very set-points that would be sent are checked: envelope, position limits, the stop from each of them, speeds, and that
the whole path is clear of the robot itself, the cell and the zones. A slice is a number of operations, never a time, so
that replay takes the same slices.
"""

from __future__ import annotations

import math
from dataclasses import replace
from enum import Enum, auto
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.checks.envelope import HISTORY, JointEnvelope
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.intake.results import TrajectoryPoints
from safety_supervisor.core.motion.stopping import straight_stop_reach
from safety_supervisor.core.motion.trajectory import PlannedTrajectory, limits_of
from safety_supervisor.core.policy.goal_facts import GoalFacts
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import NS_PER_S, Matrix, Vector
from safety_supervisor.core.verifier import Verifier

SAMPLES_PER_SLICE: Final = 64
STRIDES_PER_SLICE: Final = 3
SPEEDS_PER_SLICE: Final = 16
ZONE_STEPS_PER_SLICE: Final = 4
START_TOLERANCE: Final = 0.01
"""A first point for time 0 may differ from the commanded pose by this, [rad] (MoveIt's allowed_start_tolerance)."""
REST_TOLERANCE: Final = 1e-3
"""Velocity at the last point that still counts as rest, [rad/s]."""


class _Stage(Enum):
    PATH_STOP = auto()
    ENVELOPE = auto()
    STOPS = auto()
    FRAME_SPEED = auto()
    SPEED_ZONES = auto()
    CLEARANCE = auto()
    RESTRICTED = auto()
    FACTS = auto()
    DONE = auto()


class Approval(NamedTuple):
    """What people gave for one command.

    Attributes:
        kind: of approval; empty: nobody was asked.
        zones: that they were shown: it opens no others.
    """

    kind: str = ""
    zones: tuple[str, ...] = ()


NOBODY: Final = Approval()


def plan(points: TrajectoryPoints, begin: Matrix, names: tuple[str, ...]) -> PlannedTrajectory | Violation:
    """Return the very spline that a command is played as; or why it is none.

    Args:
        points: well-formed.
        begin: state of its joints at its time 0, shape (3, k).
        names: of its joints.
    """
    times: Vector = points.times / NS_PER_S
    positions, velocities, accelerations = points.positions, points.velocities, points.accelerations
    if points.times[0] == 0:
        gap = np.abs(positions[0] - begin[0])
        if not (gap <= START_TOLERANCE).all() or len(times) == 1:
            joint = int(gap.argmax())
            return Violation(Code.START_STATE, "trajectory.start", float(gap[joint]), START_TOLERANCE, names[joint])
        times, positions = times[1:], positions[1:]
        velocities = None if velocities is None else velocities[1:]
        accelerations = None if accelerations is None else accelerations[1:]
    if velocities is not None and not (np.abs(velocities[-1]) <= REST_TOLERANCE).all():
        joint = int(np.abs(velocities[-1]).argmax())
        return Violation(
            Code.END_VELOCITY, "trajectory.end", float(velocities[-1, joint]), REST_TOLERANCE, names[joint]
        )
    return PlannedTrajectory(begin, times, positions, velocities, accelerations)


class TrajectoryJob:
    """One trajectory on its way to acceptance."""

    def __init__(
        self,
        points: TrajectoryPoints,
        begin: Matrix,
        history: Matrix,
        start_tick: int,
        configuration: Configuration,
        verifier: Verifier,
        facts: GoalFacts | None = None,
        opened: frozenset[str] = frozenset(),
    ) -> None:
        """Prepare the verification.

        Args:
            points: well-formed.
            begin: predicted state of all joints at `start_tick`, shape (3, n).
            history: predicted set-points of all joints at the HISTORY cycles before and at `start_tick`,
                shape (HISTORY + 1, n).
            start_tick: cycle at which the trajectory's time 0 lies.
            configuration: of the robot.
            verifier: for speeds and clearance.
            facts: what a policy is to be told, found at the end; None where there is none.
            opened: restricted zones that are open for it already.
        """
        self.points = points
        self.start_tick = start_tick
        self.begin = begin
        self.trajectory: PlannedTrajectory | None = None
        self.facts = facts
        self.approved = NOBODY
        self.needs_open: tuple[str, ...] = ()
        """Restricted zones that the path is not proven to stay out of: people have to open them."""
        self._verifier = verifier
        self._dt = configuration.timing.period / NS_PER_S
        self._limits = limits_of(configuration.envelope.joints, points.indices)
        self._names = tuple(configuration.robot.joints[i] for i in points.indices.tolist())
        self._envelope = JointEnvelope(self._limits, self._names, self._dt)
        self._history = history
        self._stage = _Stage.PATH_STOP
        self._next = 0
        self._zones = list(verifier.speed_zones)
        self._restricted = [zone for zone in verifier.restricted if zone.name not in opened]
        self._path = verifier.path_check()
        self._count = math.ceil(float(points.times[-1]) / NS_PER_S / self._dt) + HISTORY + 1
        self._rows: Matrix = np.empty((0, 0))
        self._fast: NDArray[np.intp] | None = None

    @staticmethod
    def slices_for(duration: int, period: int, restricted: int = 0) -> int:
        """Return the cycles within which a trajectory of `duration` [ns] is to be verified past `restricted` zones.

        Enough for every check but clearance very near to something: what takes longer is verified too late to be played
        from motion, and refused; from rest it may take as long as it needs.
        """
        samples = int(duration // period) + HISTORY + 2
        past_zones = restricted * (6 + samples // 32)
        return 12 + 4 * (1 + samples // SAMPLES_PER_SLICE) + samples // SPEEDS_PER_SLICE + samples // 32 + past_zones

    @property
    def done(self) -> bool:
        """Whether all of it was verified."""
        return self._stage is _Stage.DONE

    def advance(self) -> Violation | None:
        """Do one slice. Returns the first violation."""
        if self.trajectory is None:
            return self._build()
        if self._stage is _Stage.PATH_STOP:
            return self._plan_stop()
        if self._stage is _Stage.ENVELOPE:
            return self._check_envelope()
        if self._stage is _Stage.STOPS:
            return self._check_stops()
        if self._stage is _Stage.FRAME_SPEED:
            return self._check_frame_speed()
        if self._stage is _Stage.SPEED_ZONES:
            return self._check_speed_zones()
        if self._stage is _Stage.CLEARANCE:
            return self._check_clearance()
        if self._stage is _Stage.RESTRICTED:
            return self._check_restricted()
        if self._stage is _Stage.FACTS and self.facts is not None and self.facts.advance(self._whole()):
            self._stage = _Stage.DONE
        return None

    def parts(self, groups: dict[str, NDArray[np.intp]]) -> dict[str, PlannedTrajectory]:
        """Return the verified trajectory of each group; `groups` maps names to joint indices."""
        whole = self.trajectory
        assert whole is not None
        if len(groups) == 1:
            return dict.fromkeys(groups, whole)
        return {name: whole.of(np.searchsorted(self.points.indices, indices)) for name, indices in groups.items()}

    def _build(self) -> Violation | None:
        violation = self._envelope.check_positions(self.points.positions, self._limits.lower, self._limits.upper)
        if violation is not None:
            return violation
        planned = plan(self.points, self.begin[:, self.points.indices], self._names)
        if isinstance(planned, Violation):
            return planned
        self.trajectory = planned
        return None

    def _plan_stop(self) -> Violation | None:
        """Bound the path's derivatives, one order a slice, and choose the stop along the path."""
        assert self.trajectory is not None
        self._next += 1
        if self._next <= 3:
            self.trajectory.bound_derivative(self._next)
            return None
        # A stop along the path is not judged where zones of the world are by then.
        if not len(self._verifier.scene.world):
            self.trajectory.choose_path_stop(self._limits, self._dt)
        self._stage, self._next = _Stage.ENVELOPE, 0
        return None

    def _check_envelope(self) -> Violation | None:
        """Sample a slice of set-points and check their differences; the HISTORY rows before are context."""
        assert self.trajectory is not None
        if self._next == 0:
            self._rows = np.empty((self._count + HISTORY - 1, len(self.points.indices)))
            self._rows[:HISTORY] = self._history[1:, self.points.indices]
            self._next = 1  # set-point 0 is the state that it begins from
        last = min(self._count, self._next + SAMPLES_PER_SLICE)
        fresh = self.trajectory.positions_at(self._times(last))
        self._rows[self._next + HISTORY - 1 : last + HISTORY - 1] = fresh
        violation = self._envelope.check_rows(self._rows[self._next - 1 : last + HISTORY - 1])
        if violation is None:
            violation = self._envelope.check_positions(fresh, self._limits.lower, self._limits.upper)
        if violation is not None:
            return self._at(violation, self._next)
        self._next = last
        if last == self._count:
            self._rows = self._rows[HISTORY - 1 :]
            self._stage, self._next = _Stage.STOPS, 0
        return None

    def _check_stops(self) -> Violation | None:
        """Check that the robot could stop inside the position limits from every set-point.

        Where the stop stays on the path, the path's own positions are enough; not where balance may refuse it later,
        and the straight one is what is left.
        """
        assert self.trajectory is not None
        if self.trajectory.stop_from(0.0) is not None and self._verifier.balance is None:
            self._stage, self._next = _Stage.FRAME_SPEED, 0
            return None
        last = min(self._count, self._next + SAMPLES_PER_SLICE)
        states = self.trajectory.states_at(self._times(last))
        least, greatest, top = straight_stop_reach(states, self._limits)
        for rows in (least, greatest):
            violation = self._envelope.check_positions(rows, self._limits.lower, self._limits.upper)
            if violation is not None:
                return self._at(violation, self._next)
        violation = self._envelope.check_state(np.abs(top).max(axis=0), np.abs(states[:, 2]).max(axis=0))
        if violation is not None:
            return self._at(violation, self._next)
        self._next = last
        if last == self._count:
            self._stage, self._next = _Stage.FRAME_SPEED, 0
        return None

    def _times(self, last: int) -> Vector:
        """Times of the set-points from the next one up to before `last`, [s]."""
        return np.arange(self._next, last, dtype=np.float64) * self._dt

    def _check_frame_speed(self) -> Violation | None:
        """Check the speed of every link frame in those steps between set-points that could be too fast."""
        whole = self._whole()
        if self._fast is None:
            self._fast = self._verifier.suspect_speeds(whole)
        last = min(len(self._fast), self._next + SPEEDS_PER_SLICE)
        for index in self._fast[self._next : last].tolist():
            violation = self._verifier.check_speed(whole[index], whole[index + 1])
            if violation is not None:
                return self._at(violation, index)
        self._next = last
        if last == len(self._fast):
            self._stage = _Stage.SPEED_ZONES if self._zones else _Stage.CLEARANCE
            self._next, self._fast = 0, None
        return None

    def _check_speed_zones(self) -> Violation | None:
        """Check, zone by zone, those steps that could be too fast for it."""
        zone, whole = self._zones[0], self._whole()
        if self._fast is None:
            self._fast = zone.suspects(whole)
        last = min(len(self._fast), self._next + ZONE_STEPS_PER_SLICE)
        for index in self._fast[self._next : last].tolist():
            violation = zone.check_step(whole[index], whole[index + 1])
            if violation is not None:
                return self._at(violation, index)
        self._next = last
        if last == len(self._fast):
            self._zones, self._next, self._fast = self._zones[1:], 0, None
            if not self._zones:
                self._stage = _Stage.CLEARANCE
        return None

    def _whole(self) -> Matrix:
        """Set-points of all joints from the beginning on, those of other groups where they are predicted to rest."""
        whole = np.repeat(self.begin[:1], len(self._rows), axis=0)
        whole[:, self.points.indices] = self._rows
        return whole

    def _check_clearance(self) -> Violation | None:
        """Walk along the path of all joints, those of other groups resting where they are predicted to be."""
        whole = self._whole()[self._next :]
        reached, violation = self._path.advance(whole, STRIDES_PER_SLICE)
        if violation is not None:
            return self._at(violation, self._next + reached)
        self._next += reached
        if self._next >= len(self._rows) - 1:
            self._next_zone()
        return None

    def _next_zone(self) -> None:
        """Go on with the next restricted zone, or with what comes after the last one."""
        self._next = 0
        if self._restricted:
            self._stage, self._path = _Stage.RESTRICTED, self._restricted[0].path_check()
        else:
            self._stage = _Stage.DONE if self.facts is None else _Stage.FACTS

    def _check_restricted(self) -> Violation | None:
        """Walk along the path past one zone that people can open; without anybody who asks them it is forbidden."""
        zone = self._restricted[0]
        reached, violation = self._path.advance(self._whole()[self._next :], STRIDES_PER_SLICE)
        if violation is not None and (self.facts is None or violation.code is Code.NOT_FINITE_RESULT):
            return self._at(violation, self._next + reached)
        self._next += reached
        if violation is not None:
            self.needs_open += (zone.name,)
        if violation is not None or self._next >= len(self._rows) - 1:
            self._restricted = self._restricted[1:]
            self._next_zone()
        return None

    def _at(self, violation: Violation, index: int) -> Violation:
        """Say at what time of the trajectory."""
        when = f"near {index * self._dt:.3f} s of the trajectory"
        detail = f"{violation.detail}, {when}" if violation.detail else when
        return replace(violation, detail=detail)
