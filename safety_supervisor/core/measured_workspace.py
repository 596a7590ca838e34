"""Whether the measured robot touches itself, the cell or a zone: judged on measurements alone. SR-028; REDTEAM 43."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from safety_supervisor.core.checks.clearance import STEP
from safety_supervisor.core.checks.restricted_zone import RestrictedZone
from safety_supervisor.core.errors import Code
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.motion.opened_zones import OpenedZones
from safety_supervisor.core.units import Vector


class _Judged:
    """One scene. A pose whose distances are known answers for those around it, see `Scene.reach`."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._room: tuple[Vector, Vector] | None = None

    def code(self, q: Vector) -> Code | None:
        if self.scene.empty or not self.scene.placed:  # which is a stop of its own
            return None
        if self._room is not None:
            pose, distances = self._room
            if (self.scene.reach.dot(np.abs(q - pose)) < distances).all():
                return None
        distances = self.scene.distances(q)
        lowest = distances.min()
        if lowest >= STEP:
            self._room = q.copy(), distances - STEP
            return None
        return Code.MEASURED_WORKSPACE if math.isfinite(lowest) else Code.NOT_FINITE_RESULT


class MeasuredWorkspace:
    """Judges the robot as it is now: with the tool that it carries, and the zones into which people let it."""

    def __init__(
        self, scene: Scene, restricted: Sequence[RestrictedZone] = (), opened: OpenedZones | None = None
    ) -> None:
        """Judge pairs of one scene, and zones that people can open; which of them are open `opened` is asked."""
        self._opened = opened
        self.meet(scene, restricted)

    def meet(self, scene: Scene, restricted: Sequence[RestrictedZone] = ()) -> None:
        """Judge in another scene from now on: the robot carries something else, or the world lies elsewhere."""
        self._main = _Judged(scene)
        self._zones = [(zone.name, _Judged(zone.scene)) for zone in restricted]

    def code(self, q: Vector) -> Code | None:
        """Return whether a measured pose, shape (n,), touches anything, or that this can not be told.

        Margins are there to absorb what is measured, and are not counted; what is nearer than STEP is taken for
        touching, since then no way out is left but RECOVERY.
        """
        found = self._main.code(q)
        for name, zone in self._zones:
            if found is None and (self._opened is None or name not in self._opened.entered):
                found = zone.code(q)
        return found
