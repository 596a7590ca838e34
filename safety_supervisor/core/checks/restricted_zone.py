"""Restricted zones that people may open for one goal at a time; for everything else nothing may touch them.

Each has a scene of its own, so that to open one changes no proof of the others. Requirements: SR-022, SR-026.
"""

from __future__ import annotations

from safety_supervisor.core.checks.clearance import STEP
from safety_supervisor.core.checks.collision import CollisionCheck, PathCheck
from safety_supervisor.core.errors import Violation
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.motion.stopping import StraightStop
from safety_supervisor.core.policy.verdict import Approve
from safety_supervisor.core.settings import GeometrySettings, Zone
from safety_supervisor.core.units import Vector


class RestrictedZone:
    """Judges one zone.

    Attributes:
        name: of the zone.
        approval: that opens it.
        scene: its body and those of the links that it is for.
    """

    def __init__(self, zone: Zone, model: RobotModel, geometry: GeometrySettings, path_error: Vector) -> None:
        """Prepare for one zone of kind `RESTRICTED` that has an approval."""
        assert zone.approval is not None
        self.name = zone.name
        self.approval: Approve = zone.approval
        self.scene = Scene(model, geometry, (zone,), path_error, between_links=False)
        self._collision = CollisionCheck(self.scene)
        self._known = False

    def check(
        self, before: Vector, q: Vector, stop: StraightStop, opened: bool, recovery: bool, moved: Vector
    ) -> Violation | None:
        """Check that a step and its stop stay outside, or that the zone is opened for them; `CollisionCheck.check`."""
        if opened:
            self.forget()  # what is known of the way out is old when it is closed again
            return None
        self._known = True
        return self._collision.check(before, q, stop, recovery, moved)

    def forget(self) -> None:
        """Begin anew, at another pose."""
        if self._known:
            self._collision.forget()
        self._known = False

    @property
    def leaving(self) -> bool:
        """Whether the robot is too near to it, and on its way out."""
        return self._collision.leaving

    def holds(self, q: Vector) -> bool:
        """Whether a pose, shape (n,), is not proven to keep its margin from it, which NaN never is."""
        room = (self.scene.distances(q) - self.scene.margins).min(initial=float("inf"))
        return not room >= STEP

    def path_check(self) -> PathCheck:
        """Return a check of a whole path against the zone, at its beginning."""
        return PathCheck(self.scene)

    def on_trial(self) -> RestrictedZone:
        """Return the same for steps on trial: what it learns there is its own."""
        trial = object.__new__(RestrictedZone)
        trial.__dict__ |= self.__dict__ | {"_collision": CollisionCheck(self.scene, trial=True), "_known": False}
        return trial
