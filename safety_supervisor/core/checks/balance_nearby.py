"""Motions that surely keep their balance, known from a pose that was asked before: what most steps on trial need.

Let x_r be the centre of mass at a pose q_r, z_r its height and d_r its signed distance to the edge of the support
polygon. On a motion whose poses lie within `way` of q, joint by joint, and whose speeds and accelerations are bounded,

    |x - x_r| <= t = reach @ (|q - q_r| + way),  |x'| <= D1,  |x''| <= D2,  z <= z_r + t,

so zero-moment point and capture point keep at least d_r - t - max(D1 sqrt((z_r + t) / g), D2 (z_r + t) / g); a corner
of another sole is no farther from its place than it was at q_r and what its own reach adds: `geometry.carried`.

Requirements: SR-034, SR-036.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.balance.planted import Planted
from safety_supervisor.core.balance.settings import BalanceSettings
from safety_supervisor.core.balance.standing import ROUNDING, Ground, Stance
from safety_supervisor.core.units import Matrix, Vector


class _Reaches(NamedTuple):
    """What carries the centre of mass and the other soles of a robot on one foot, by commanded joints.

    Attributes:
        rows: reach of the centre, then of each other sole, shape (1 + k, n).
        bend: second derivatives of the centre, shape (n, n).
    """

    rows: Matrix
    bend: Matrix


class _Known(NamedTuple):
    """What was found at a pose.

    Attributes:
        stance: that it was asked for.
        pose: shape (n,).
        rows: of all grounds, reach of the centre and then of the other soles that bear, shape (k, n).
        rooms: signed distances of the centres [m], then how far these soles may still come from their places.
        heights: of the centres, shape (number of grounds,), [m].
        bends: shape (number of grounds, n, n).
    """

    stance: Stance
    pose: Vector
    rows: Matrix
    rooms: Vector
    heights: Vector
    bends: NDArray[np.float64]


class Nearby:
    """Knows a pose of the present stance, and what is sure near it."""

    def __init__(self, settings: BalanceSettings, planted: tuple[Planted, ...], joints: int) -> None:
        """Prepare for a robot of so many commanded joints."""
        self._settings = settings
        self._reaches: dict[str, _Reaches] = {}
        self._known: _Known | None = None
        self._borne: tuple[tuple[tuple[str, tuple[bool, ...]], ...], Matrix, NDArray[np.float64]] | None = None
        for on in planted:
            reach, bend = on.commanded(on.centre, joints)
            soles = [on.commanded(carried, joints)[0] for carried in on.soles]
            self._reaches[on.foot] = _Reaches(np.array([reach, *soles]), bend)

    def surely_keeps(
        self, stance: Stance, q: Vector, way: Vector, fastest: Vector, hardest: Vector, margin: float
    ) -> bool:
        """Whether a motion surely keeps a margin; False says nothing: then `BalanceCheck.least_margin` knows.

        Args:
            stance: how the robot stands; the same object as long as nothing was measured anew.
            q: a pose of the commanded joints, shape (n,), [rad] or [m].
            way: how far from it each joint comes at most, shape (n,).
            fastest: bound of the joints' speeds, shape (n,).
            hardest: bound of their accelerations, shape (n,).
            margin: [m].
        """
        known = self._known
        if known is not None and known.stance is stance and self._sure(known, q, way, fastest, hardest, margin):
            return True
        self._known = known = self._ask(stance, q)
        return self._sure(known, q, way, fastest, hardest, margin)

    def _ask(self, stance: Stance, q: Vector) -> _Known:
        """Look at a pose."""
        found = [self._look(ground, q) for ground in stance.grounds]
        rows, bends = self._carried(stance.grounds)
        return _Known(
            stance,
            q.copy(),
            rows,
            np.array([room for room, _, _ in found] + [slip for _, _, slips in found for slip in slips]),
            np.array([height for _, height, _ in found]),
            bends,
        )

    def _carried(self, grounds: tuple[Ground, ...]) -> tuple[Matrix, NDArray[np.float64]]:
        """Return `rows` and `bends` of `_Known`: of the feet and what bears beside them, wherever they stand."""
        feet = tuple((ground.planted.foot, ground.bearing) for ground in grounds)
        if self._borne is None or self._borne[0] != feet:
            own = [self._reaches[foot] for foot, _ in feet]
            others = [
                row
                for (_, bearing), of in zip(feet, own, strict=True)
                for row, bears in zip(of.rows[1:], bearing, strict=True)
                if bears
            ]
            self._borne = feet, np.array([of.rows[0] for of in own] + others), np.array([of.bend for of in own])
        return self._borne[1:]

    def _look(self, ground: Ground, q: Vector) -> tuple[float, float, list[float]]:
        """Return room and height of the centre, and what is left to each bearing sole."""
        here, corners = ground.planted.look(q)
        apart = np.sqrt(((corners - ground.rested) ** 2).sum(axis=1))
        slips, first = [], 0
        for other, bears in zip(ground.planted.others, ground.bearing, strict=True):
            last = first + len(other.corners)
            if bears:
                slips.append(self._settings.slip - float(apart[first:last].max()))
            first = last
        room = float(ground.polygon.signed_distances(here @ ground.flat + ground.place)[0])
        return room, float(here[0] @ ground.up) - ground.level, slips

    def _sure(self, known: _Known, q: Vector, way: Vector, fastest: Vector, hardest: Vector, margin: float) -> bool:
        count = len(known.heights)
        from_pose = np.abs(q - known.pose)
        from_pose += way
        carried = known.rows @ np.array([from_pose, fastest, hardest]).T
        travel = carried[:count, 0]
        if not (carried[count:, 0] <= known.rooms[count:]).all() or not (travel < known.heights).all():
            return False
        per_gravity = (known.heights + travel) / self._settings.gravity
        second = carried[:count, 2] + (known.bends @ fastest) @ fastest
        offset = np.maximum(carried[:count, 1] * np.sqrt(per_gravity), second * per_gravity)
        return bool(count) and bool((known.rooms[:count] - travel - offset - ROUNDING >= margin).all())
