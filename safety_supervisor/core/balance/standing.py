"""How a robot stands: on which feet, as it was measured, and how the ground lies as each of them sees it.

Requirements: SR-034, SR-036.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from safety_supervisor.core.balance.model import Contact, Margin, Unjudged, Unknown, capture_point
from safety_supervisor.core.balance.planted import Planted
from safety_supervisor.core.balance.settings import BalanceSettings
from safety_supervisor.core.balance.support_polygon import SupportPolygon
from safety_supervisor.core.balance.whole_body import BaseState, WholeBody
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.settings import ToolSettings
from safety_supervisor.core.units import Matrix, Nanoseconds, Vector

ROUNDING: Final = 1e-9
"""What rounding takes from a margin at most, [m]."""


@dataclass(frozen=True)
class Ground:
    """The ground as one foot sees it.

    Attributes:
        planted: the robot on that foot.
        flat: the world's horizontal axes in the sole's frame, shape (3, 2).
        place: where the sole is in the world, horizontally, shape (2,), [m].
        up: unit vector in the sole's frame, shape (3,).
        level: height of the lowest corner that bears over the sole's origin, [m].
        polygon: of all soles that bear, in the world.
        bearing: which of `Planted.others` bear.
        corners: where the corners of all others are now, shape (k, 3), [m].
        rested: where they were when the robot rested last: what they may come to be away from, [m].
    """

    planted: Planted
    flat: Matrix
    place: Vector
    up: Vector
    level: float
    polygon: SupportPolygon
    bearing: tuple[bool, ...]
    corners: Matrix
    rested: Matrix


@dataclass(frozen=True)
class Stance:
    """How the robot stands, as measured: on which feet, on what polygon.

    Attributes:
        margin: of the capture point that base and joints were measured to have.
        on_ground: its distance from the edge of the hull of all soles that lie level on the ground, told to bear or
            not, [m]; never less than the margin.
        feet: that bear.
    """

    margin: Margin
    on_ground: float
    feet: tuple[str, ...]
    grounds: tuple[Ground, ...]

    def since(self, rest: Stance) -> Stance:
        """Return this stance of a robot that rested last in another one, on the same feet."""
        pairs = zip(self.grounds, rest.grounds, strict=True)
        return replace(self, grounds=tuple(replace(ground, rested=before.rested) for ground, before in pairs))


class Standing:
    """Works out how a robot stands.

    Attributes:
        planted: the robot on each of its feet, in the order of `BalanceSettings.soles`.
    """

    def __init__(self, robot: RobotModel, settings: BalanceSettings, tool: ToolSettings | None = None) -> None:
        """Prepare a robot for every foot that it may stand on.

        Args:
            robot: kinematics.
            settings: of balance.
            tool: what it carries.

        Raises:
            RobotModelError: when a foot is no link, or the robot has no mass.
        """
        self._settings = settings
        soles = settings.soles
        self._feet = tuple(sole.foot for sole in soles)
        self._body = WholeBody(robot, soles, tool)
        self.planted = tuple(
            Planted(robot, sole, (*soles[:index], *soles[index + 1 :]), tool) for index, sole in enumerate(soles)
        )
        # In each sole's own frame.
        self._corners = tuple(planted.corners for planted in self.planted)

    def stand(
        self,
        now: Nanoseconds,
        base: BaseState,
        contacts: Mapping[str, Contact],
        q: Vector,
        dq: Vector,
        others: Sequence[tuple[float, float, float]] = (),
    ) -> Stance | Unjudged:
        """Work out how the robot stands.

        Args:
            now: steady clock, [ns].
            base: as told last.
            contacts: foot to what was told of it last.
            q: measured joint positions, shape (n,), [rad] or [m], configuration order.
            dq: measured joint velocities.
            others: linear velocities that the base may have instead, as of `BaseState`; the least margin counts.
        """
        unknown = self._doubt(now, base, contacts, q, dq)
        if unknown is not None:
            return unknown
        centre = self._body.centre(base, q, dq)
        soles = self._body.soles(base)
        bearing = [index for index, foot in enumerate(self._feet) if contacts[foot].bears]
        steepest = min(float(soles[index].rotation[2, 2]) for index in bearing)
        if not steepest >= math.cos(self._settings.tilt):
            return Unjudged(Unknown.TILTED, f"by {math.degrees(math.acos(max(-1.0, min(1.0, steepest)))):.1f} degrees")
        uneven = self._uneven([np.array(soles[index].translation) for index in bearing])
        if uneven is not None:
            return uneven
        corners = [
            self._corners[index] @ sole.rotation.T + sole.translation for index, sole in enumerate(soles)
        ]  # in the world
        under = np.concatenate([corners[index] for index in bearing])
        level = float(under[:, 2].min())
        height = centre[:1, 2] - level
        if not height[0] > 0.0:
            return Unjudged(Unknown.CENTRE_HEIGHT, f"{height[0]:.3f} m")
        polygon = SupportPolygon(under[:, :2])
        speeds = np.array([base.linear, *others]) - base.linear
        speeds = speeds @ base.rotation().T[:, :2] + centre[1, :2]
        point = capture_point(centre[:1, :2], speeds, height, self._settings.gravity)
        value = float(polygon.signed_distances(point).min())
        if not math.isfinite(value):
            return Unjudged(Unknown.NOT_FINITE, "the capture point")
        lying = [index for index in range(len(soles)) if index in bearing or self._lies(soles, index, bearing)]
        wider = value
        if len(lying) > len(bearing):
            hull = SupportPolygon(np.concatenate([corners[index] for index in lying])[:, :2])
            wider = float(hull.signed_distances(point).min())
        grounds = tuple(self._ground(index, bearing, soles[index], corners, level, polygon) for index in bearing)
        feet = tuple(self._feet[index] for index in bearing)
        return Stance(Margin(value - ROUNDING, 0.0, "capture point", ""), wider - ROUNDING, feet, grounds)

    def stand_turning(
        self,
        now: Nanoseconds,
        orientation: tuple[float, float, float, float],
        angular: tuple[float, float, float],
        received: Nanoseconds,
        contacts: Mapping[str, Contact],
        q: Vector,
        dq: Vector,
    ) -> Stance | Unjudged:
        """Work out how the robot stands where only the base's turning is measured, by an IMU.

        A foot that bears does not slide, so that orientation, angular velocity and joints say where the base is and how
        fast it moves. A robot that tips about an edge turns as the IMU tells; about which foot is not known: the one
        with the least margin counts.

        Args:
            now: steady clock, [ns].
            orientation: quaternion x, y, z, w of the base frame in the world.
            angular: of the base, in the base frame, [rad/s].
            received: when that was told, steady clock, [ns].
            contacts: foot to what was told of it last.
            q: measured joint positions, shape (n,), [rad] or [m], configuration order.
            dq: measured joint velocities.
        """
        there = BaseState((0.0, 0.0, 1.0), orientation, (0.0, 0.0, 0.0), angular, received)
        unknown = self._doubt(now, there, contacts, q, dq)
        if unknown is not None:
            return unknown
        bearing = [index for index, foot in enumerate(self._feet) if contacts[foot].bears]
        base, others = self._body.on_soles(bearing, orientation, angular, q, dq, received)
        return self.stand(now, base, contacts, q, dq, others)

    def _lies(self, soles: Sequence[Any], index: int, bearing: list[int]) -> bool:
        """Whether a foot that does not bear lies flat, and as high as all that do: there it would bear at once."""
        flat = float(soles[index].rotation[2, 2]) >= math.cos(self._settings.tilt)
        height = float(soles[index].translation[2])
        return flat and all(abs(float(soles[one].translation[2]) - height) <= self._settings.slip for one in bearing)

    def _uneven(self, places: list[Vector]) -> Unjudged | None:
        """Return that feet are told to bear which do not stand on one level ground, or None; `places` in the world."""
        settings = self._settings
        for first, second in itertools.combinations(places, 2):
            x, y, z = (abs(part) for part in (second - first).tolist())
            if not z <= settings.slip + math.tan(settings.tilt) * math.hypot(x, y):
                return Unjudged(Unknown.UNEVEN, f"{z:.3f} m")
        return None

    def _ground(
        self, index: int, bearing: list[int], sole: Any, corners: list[Matrix], level: float, polygon: SupportPolygon
    ) -> Ground:
        """Return the ground as one foot sees it; `corners` of all soles in the world."""
        turn, place = sole.rotation, sole.translation
        rest = [other for other in range(len(corners)) if other != index]
        seen = [(corners[other] - place) @ turn for other in rest]
        where = np.concatenate(seen) if seen else np.zeros((0, 3))
        # The world's axes, seen from the sole, are the rows of its rotation.
        return Ground(
            self.planted[index],
            turn[:2].T,
            place[:2],
            turn[2],
            level - float(place[2]),
            polygon,
            tuple(other in bearing for other in rest),
            where,
            where,
        )

    def _doubt(
        self, now: Nanoseconds, base: BaseState, contacts: Mapping[str, Contact], q: Vector, dq: Vector
    ) -> Unjudged | None:
        """Return why what was told is not enough, or None."""
        settings = self._settings
        for foot in contacts:
            if foot not in self._feet:
                return Unjudged(Unknown.CONTACT_FOOT, foot)
        for foot in self._feet:
            told = contacts.get(foot)
            if told is None or not 0 <= now - told.received <= settings.contact_timeout:
                return Unjudged(Unknown.CONTACT_STALE, foot)
        if not any(contact.bears for contact in contacts.values()):
            return Unjudged(Unknown.NO_CONTACT)
        if not 0 <= now - base.received <= settings.base_timeout:
            return Unjudged(Unknown.BASE_STALE)
        if not (base.finite and np.isfinite(q).all() and np.isfinite(dq).all()):
            return Unjudged(Unknown.NOT_FINITE, "the base" if not base.finite else "a joint")
        if not base.oriented:
            return Unjudged(Unknown.ORIENTATION)
        if not base.position[2] > 0.0:
            return Unjudged(Unknown.BASE_HEIGHT, f"{base.position[2]:.3f} m")
        return None
