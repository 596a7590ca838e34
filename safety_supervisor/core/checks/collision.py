"""Self, cell and zones along a step and its stop, along a whole path, and the way out for a robot found too near.

Requirements: SR-026, SR-027, SR-045.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.checks.clearance import POSES, STEP, Clearance, line
from safety_supervisor.core.checks.leaving import Leaving
from safety_supervisor.core.errors import Violation
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.motion.foreseen import Foreseen, Met
from safety_supervisor.core.motion.stopping import StraightStop
from safety_supervisor.core.units import Matrix, Vector

_AHEAD: Final = 3.0  # times the way; tried in the benchmark: with 1 every other cycle asks, with 3 one in eleven

_SPARE: Final = 1.3  # times the way, so that a motion that grows faster is prepared for, too

_TRIED: Final = 4  # poses that trials remember: they are near each other

_NEARLY: Final = 0.02  # [m]: pairs with less room where a trial failed are those that a slower one is asked for

_STUBBORN: Final = 32  # pairs that are proven along what is foreseen, at most

_WINDOW: Final = 128  # set-points of a path that one pose is tried on

_AT_ONCE: Final = 3.0  # times the set-points that the first pose proves alone

_BETWEEN: Final = 4  # poses of a stride that a few pairs are asked at

_FEW: Final = 16  # pairs that are asked there: more take as long as all of them


class CollisionCheck:
    """Proves that a step and its stop come near nothing."""

    def __init__(self, scene: Scene, trial: bool = False) -> None:
        """Start with nothing known.

        Args:
            scene: the bodies.
            trial: for motion that is not sent as it is: only where the stop ends, and half way, is asked.
        """
        self._scene = scene
        self._trial = trial
        self._all = np.arange(len(scene.pairs))
        # Where distances are dear, those that are not needed yet are left to `prepare`, which bounds most of them.
        self._ahead = _SPARE if scene.bounded else _AHEAD
        self._clearance = Clearance(scene, _TRIED if trial else POSES)
        self._leaving = Leaving(self._clearance)
        self._passed: tuple[Vector, Vector, Vector] | None = None
        self._end: Vector | None = None
        self._last_end: Vector | None = None
        self._tried: NDArray[np.intp] | None = None
        self._slack: tuple[Foreseen, Vector] | None = None

    @property
    def tried(self) -> bool:
        """Whether the last trial failed, and by pairs that can be asked again."""
        return self._tried is not None

    @property
    def leaving(self) -> bool:
        """Whether the robot is too near to something, and on its way out."""
        return self._leaving.active

    def forget(self) -> None:
        """Begin anew, at another pose."""
        self._clearance.forget()
        self._leaving.forget()
        self._passed = self._end = self._last_end = self._tried = self._slack = None

    def rest(self, q: Vector) -> None:
        """Ask now what a motion will have to that begins where the robot rests, shape (n,), [rad]."""
        if not self._scene.empty:
            self._clearance.rest(q)

    def prepare(self, foreseen: Foreseen | None = None) -> None:
        """Ask now what the next steps would have to ask, if the motion goes on as it does.

        A proof is as good between any two poses whose rooms are known: those where the next step, and the stop after
        it, will end. Pairs that are nearer than such a proof takes are proven along the motion that is foreseen: a few
        of them, as long as all others are proven without asking. What comes of another motion is asked when it comes.
        """
        if self._slack is not None and self._slack[0] is not foreseen:
            self._slack = None
        if self._passed is None:
            return
        clearance = self._clearance
        before, q, way = self._passed
        end, last = self._end, self._last_end
        self._passed = None
        if end is None or last is None:
            return
        begin, course = 2.0 * q - before, end - last
        left = clearance.uncovered(_SPARE * way, begin, end + course)
        if not len(left):
            return
        ahead, enough = end + course, clearance.approach(way)
        first = clearance.ample(begin, self._all, enough, "")
        if isinstance(first, Violation):
            return
        second = clearance.ample(ahead, self._all, enough, "")
        if isinstance(second, Violation):
            return
        clearance.keep(begin, first)
        clearance.keep(ahead, second)
        clearance.remember_proof(begin, first, ahead, second)
        if foreseen is not None:
            self._near(foreseen, clearance.uncovered(_SPARE * way, begin, ahead))

    def _near(self, foreseen: Foreseen, which: NDArray[np.intp]) -> None:
        """Bound the rooms of a few pairs along what is foreseen."""
        if not 0 < len(which) <= _STUBBORN:
            return
        stop = foreseen.stop
        slack = np.full(len(self._all), -np.inf)
        slack[which] = self._clearance.slack(
            (line(foreseen.before[0], foreseen.after[0]), *stop.control_points()), which
        )
        self._slack = foreseen, slack

    def _foretold(self, met: Met, before: Vector, which: NDArray[np.intp]) -> bool:
        """Whether pairs are proven by the rooms along what was foreseen."""
        if self._slack is None or self._slack[0] is not met.foreseen:
            return False
        differs = met.differs()
        if differs is None or not np.array_equal(before, met.foreseen.before[0]):
            return False
        return bool((self._scene.reach[which].dot(differs[0]) < self._slack[1][which]).all())  # so that NaN is not

    def check(
        self,
        before: Vector,
        q: Vector,
        stop: StraightStop,
        recovery: bool = False,
        moved: Vector | None = None,
        met: Met | None = None,
    ) -> Violation | None:
        """Check the straight way from the last set-point to the next one, and the stop from there.

        Args:
            before: last commanded positions, shape (n,), [rad].
            q: next commanded positions, shape (n,), [rad].
            stop: planned from q.
            recovery: a robot that penetrates something may leave it.
            moved: |q - before|, for a caller that has it.
            met: the step beside what was foreseen; None of a step on trial, and where nothing was.
        """
        clearance = self._clearance
        if self._scene.empty:
            return None
        end = stop.end
        way = stop.travel_to(end)
        way += np.abs(q - before) if moved is None else moved
        self._last_end, self._end, self._passed, self._tried = self._end, end, None, None
        left = clearance.uncovered(way, before, end)
        if not len(left) or (met is not None and self._foretold(met, before, left)):
            self._passed = before, q, way
            return None
        first = clearance.bound(before)
        if self._trial:
            last = clearance.bound(end)
            return self._try(clearance.unproven(way, first, last), before, end, last, 0.5 * (q + end))
        if not first.min() > 0.0:
            (which,) = (~(first > 0.0)).nonzero()
            first[which] = here = clearance.up_to(before, which, clearance.approach(way, which))
            if not here.min() >= STEP:  # so that NaN is too near
                start = self._near_at(before, first)
                if isinstance(start, Violation):
                    return start
                clearance.keep(before, np.where(start >= STEP, start, -np.inf))  # too near is asked exactly each time
                return self._leaving.follow(start, (line(before, q), *stop.control_points()), recovery)
            clearance.keep(before, first)
        last = clearance.bound(end)
        if len(clearance.unproven(way, first, last)):
            # Those that would have to be asked in one of the next cycles are asked along.
            which = clearance.unproven(self._ahead * way, first, last)
            asked = clearance.clear(end, which, "at the end of the stop")
            if isinstance(asked, Violation):
                return self._lead_out(before, q, stop, first, asked)
            last[which] = asked
            clearance.keep(end, last)
            pieces = (line(before, q), *stop.control_points())
            which = clearance.faced(pieces, clearance.unproven(way, first, last), first)
            violation = clearance.prove(pieces, which, first, last, "during the stop")
            if violation is not None:
                return self._lead_out(before, q, stop, first, violation)
        self._leaving.forget()
        clearance.remember_proof(before, first, end, last)
        self._passed = before, q, way
        return None

    def _lead_out(
        self, before: Vector, q: Vector, stop: StraightStop, first: Vector, refused: Violation
    ) -> Violation | None:
        """Let a robot leave that stands nearer than STEP, where a way was proven by its ends; else it is refused.

        From rest it moves by less than what it lacks, so that no first step would come to where a pose that is asked
        has to be. `first` bounds the rooms at `before`, shape (P,), [m].
        """
        start = self._near_at(before, first)
        if isinstance(start, Violation) or bool(start.min() >= STEP):
            self._leaving.forget()
            return refused
        worse = self._leaving.follow(start, (line(before, q), *stop.control_points()), recovery=False)
        return None if worse is None else refused

    def _near_at(self, q: Vector, rooms: Vector) -> Vector | Violation:
        """Make bounds of the rooms at a pose exact where they are below STEP, shape (P,), [m]."""
        (near,) = (~(rooms >= STEP)).nonzero()
        if not len(near):
            return rooms
        exact = self._clearance.rooms_of(q, near)
        if not np.isfinite(exact).all():
            return self._clearance.too_near(exact, q, "", near)
        start: Vector = rooms.copy()
        start[near] = exact
        return start

    def _try(
        self, which: NDArray[np.intp], before: Vector, end: Vector, last: Vector, middle: Vector
    ) -> Violation | None:
        """Ask some pairs where the stop ends, whose rooms `last` bounds, and half way: a guess, not a proof."""
        if not len(which):
            return None
        asked = self._clearance.rooms_of(end, which)
        near = ~(asked >= STEP)  # so that NaN is near
        if near.any():
            # A robot may stand nearer than STEP, where a way was proven by its ends, and must be able to leave.
            here, there = self._clearance.rooms_of(before, which[near]), asked[near]
            if ((there > here) & (here > 0.0)).all():
                return None
            self._tried = which[~(asked >= _NEARLY)]
            return self._clearance.too_near(asked, end, "at the end of the stop", which)
        last[which] = asked
        self._clearance.keep(end, last)
        half = self._clearance.clear(middle, which, "during the stop")
        return half if isinstance(half, Violation) else None

    def mends(self, end: Vector) -> bool:
        """Whether the pairs that failed the last trial are clear where another stop ends, shape (n,): a guess."""
        return self._tried is not None and not isinstance(self._clearance.clear(end, self._tried, ""), Violation)


class PathCheck:
    """Proves a path of set-points clear, a bounded number of poses at a time."""

    def __init__(self, scene: Scene) -> None:
        """Start at the beginning of a path."""
        self._scene = scene
        self._clearance = Clearance(scene)
        self._leaving = Leaving(self._clearance)
        self._rooms: Vector | None = None
        self._clear = False
        self._all = np.arange(len(scene.pairs))

    def advance(self, poses: Matrix, strides: int) -> tuple[int, Violation | None]:
        """Go on along a path.

        Args:
            poses: the set-points that are left, the first one reached already or the first of all, shape (m, n), [rad].
            strides: each asks a pose or two, and a few pairs at up to _BETWEEN; the last one up to QUERY_LIMIT more.

        Returns:
            Index of the last pose reached, from which to go on, and what the path comes too near after it.
        """
        if self._scene.empty:
            return len(poses) - 1, None
        index, simple = 0, True
        while strides > 0 and simple and index < len(poses) - 1:
            strides -= 1
            if self._rooms is None:
                rooms = self._clearance.rooms(poses[index])
                if isinstance(rooms, Violation):
                    return index, rooms
                self._rooms = rooms
            outcome: Vector | Violation | None
            if self._rooms.min() >= STEP:
                self._clear = True
                reached, simple, outcome = self._stride(poses[index : index + _WINDOW], self._rooms)
            elif self._clear:
                return index, self._clearance.violation(self._rooms, poses[index], "")
            else:  # the path begins too near
                way = (line(poses[index], poses[index + 1]),)
                reached, simple, outcome = 1, False, self._leaving.follow(self._rooms, way, recovery=False)
            if isinstance(outcome, Violation):
                return index, outcome
            index += reached
            self._rooms = outcome
        return index, None

    def _stride(self, poses: Matrix, rooms: Vector) -> tuple[int, bool, Vector | Violation | None]:
        """Go as far as the rooms at the first pose, and those at a pose ahead of it, prove.

        The poses that one pose proves form a convex set, so that the straight ways between them are proven, too.

        Returns:
            Where it ends, whether one pose was enough, and the rooms there when they are known.
        """
        clearance = self._clearance
        held = (np.abs(poses - poses[0]).dot(self._scene.reach.T) < rooms).all(axis=1)
        alone = len(poses) - 1 if held.all() else int(held.argmin()) - 1
        ahead = min(max(1, int(_AT_ONCE * alone)), len(poses) - 1)
        there = clearance.clear(poses[ahead], self._all, "")
        if not isinstance(there, Violation):
            clearance.keep(poses[ahead], there)
            ways = np.abs(np.diff(poses[: ahead + 1], axis=0))
            which = clearance.unproven(ways.sum(axis=0), rooms, there)
            if not len(which):
                return ahead, True, there
            if alone == 0:
                violation = clearance.prove((line(poses[0], poses[1]),), which, rooms, there, "")
                return 1, False, violation or there
            if self._proven_between(poses, ways, which, rooms[which], there[which]):
                return ahead, True, there
        # The first pose that is too near may lie before the one ahead.
        return (alone, True, None) if alone > 0 else (0, True, there)

    def _proven_between(
        self, poses: Matrix, ways: Matrix, which: NDArray[np.intp], first: Vector, last: Vector
    ) -> bool:
        """Whether a few pairs are proven by the rooms at the ends of a stride and at poses between them.

        Args:
            poses: set-points of the stride, shape (m, n), [rad].
            ways: between consecutive ones, shape (m - 1, n).
            which: those pairs, shape (k,).
            first: their rooms where it begins, shape (k,), [m].
            last: the same where it ends.
        """
        asked, left = 0, [(0, len(ways), which, first, last)]
        while left:
            begin, end, which, first, last = left.pop()
            if asked == _BETWEEN or len(which) > _FEW or end - begin < 2:
                return False
            asked += 1
            middle = (begin + end) // 2
            here = self._clearance.clear(poses[middle], which, "")
            if isinstance(here, Violation):
                return False
            reach = self._scene.reach[which]
            for start, stop, one, two in ((begin, middle, first, here), (middle, end, here, last)):
                still = ~(reach.dot(ways[start:stop].sum(axis=0)) < one + two)  # so that NaN is not proven
                if still.any():
                    left.append((start, stop, which[still], one[still], two[still]))
        return True
