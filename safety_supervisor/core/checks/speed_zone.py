"""Speed zones: while a robot is inside one, or could stop only inside, no point of its links is faster than allowed.

Requirements: SR-026.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.checks.clearance import STEP, Clearance, line
from safety_supervisor.core.checks.collision import PathCheck
from safety_supervisor.core.checks.frame_speed import FrameSpeed
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.motion.stopping import StraightStop
from safety_supervisor.core.output_settings import ObservedSettings
from safety_supervisor.core.settings import GeometrySettings, Zone
from safety_supervisor.core.units import Matrix, Nanoseconds, Vector, seconds


class SpeedZone:
    """Judges one zone."""

    def __init__(
        self,
        zone: Zone,
        model: RobotModel,
        geometry: GeometrySettings,
        path_error: Vector,
        period: Nanoseconds,
        observed: ObservedSettings | None = None,
    ) -> None:
        """Prepare for one zone of kind `SPEED`."""
        assert zone.frame_speed is not None
        self._zone = zone
        self._clearance = Clearance(Scene(model, geometry, (zone,), path_error, between_links=False))
        rows = [i for i, link in enumerate(model.frame_names) if not zone.links or link in zone.links]
        self._speed = FrameSpeed(model, period, np.array(rows, dtype=np.intp), observed)
        self._limit = zone.frame_speed
        self._longest = (zone.frame_speed - self._speed.carried) * seconds(period)

    def forget(self) -> None:
        """Begin anew, at another pose."""
        self._clearance.forget()

    def check(self, before: Vector, q: Vector, stop: StraightStop) -> Violation | None:
        """Check that a step is slow enough, or that it and its stop are outside the zone."""
        step = np.abs(q - before)
        if self._speed.reach.dot(step) <= self._longest:
            return None
        inside = self._inside(before, q, stop)
        return None if inside is None else self._too_fast(before, q, inside)

    def touches(self, before: Vector, q: Vector, stop: StraightStop) -> bool:
        """Whether a step, or its stop, is not proven to stay outside, however slow it is."""
        return self._inside(before, q, stop) is not None

    def holds(self, q: Vector) -> bool:
        """Whether a pose, shape (n,), is not proven to be outside."""
        rooms = self._clearance.rooms(q)
        return isinstance(rooms, Violation) or not rooms.min(initial=np.inf) >= STEP

    def path_check(self) -> PathCheck:
        """Return a check of a whole path against the zone, at its beginning."""
        return PathCheck(self._clearance.scene)

    @property
    def name(self) -> str:
        """Of the zone."""
        return self._zone.name

    def _inside(self, before: Vector, q: Vector, stop: StraightStop) -> Violation | None:
        """Return what a step and its stop are not proven to stay away from."""
        step = np.abs(q - before)
        clearance, end = self._clearance, stop.end
        if clearance.quick(step + stop.travel, before, end):
            return None
        first, last = clearance.bound(before), clearance.bound(end)
        which = clearance.unproven(step + stop.travel, first, last)
        inside = clearance.prove((line(before, q), *stop.control_points()), which, first, last, "")
        if inside is None:
            clearance.remember_proof(before, first, end, last)
        return inside

    def suspects(self, poses: Matrix) -> NDArray[np.intp]:
        """Return the steps between consecutive poses, shape (m, n), that could be too fast inside."""
        return np.flatnonzero(~(np.abs(np.diff(poses, axis=0)).dot(self._speed.reach) <= self._longest))

    def check_step(self, before: Vector, after: Vector) -> Violation | None:
        """Check that a step of a path is slow enough or outside the zone; its stops lie on the path and are slower."""
        first, last = self._clearance.bound(before), self._clearance.bound(after)
        which = self._clearance.unproven(np.abs(after - before), first, last)
        inside = self._clearance.prove((line(before, after),), which, first, last, "")
        return None if inside is None else self._too_fast(before, after, inside)

    def _too_fast(self, before: Vector, after: Vector, inside: Violation) -> Violation | None:
        if inside.code is Code.NOT_FINITE_RESULT:
            return inside
        return self._speed.exceeds(before, after, self._limit, f"zones.{self._zone.name}")
