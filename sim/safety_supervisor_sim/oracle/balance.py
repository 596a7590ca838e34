"""Judges how a robot stands, by what the simulation tells of it: contacts, centre of mass, base. No code of the judged.

It knows three points over the ground: the centre of mass, the centre of pressure (the mean of the contact points by
their forces; where nothing slips, the zero-moment point) and the capture point x + x' sqrt(z / g), beyond which a robot
that takes no step falls (Pratt et al. 2006).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from safety_supervisor_sim.oracle.limits import Array
from safety_supervisor_sim.oracle.support import area, hull, inside

GRAVITY: Final = 9.81
BEARS: Final = 5.0
"""A foot bears from this force on, [N]."""
SLIPPED: Final = 0.01
"""A bearing foot that has moved so far along the ground has slipped, [m]."""


@dataclass(frozen=True)
class Foot:
    """What is true of one foot.

    Attributes:
        position: of its link's origin, shape (3,), world, [m].
        points: where it touches the ground, shape (k, 3), world, [m].
        forces: along the vertical in each point, shape (k,), [N].
    """

    position: Array
    points: Array
    forces: Array

    @property
    def force(self) -> float:
        """All of it, [N]."""
        return float(self.forces.sum())


@dataclass(frozen=True)
class Stance:
    """What is true of a standing robot at one time.

    Attributes:
        time: [s].
        height: of the base's origin, [m].
        tilt: of the base's z axis against the vertical, [rad].
        centre: of mass, shape (3,), world, [m].
        momentum: velocity of the centre of mass, shape (3,), [m/s].
        feet: by link.
        grounded: other links that touch the ground.
    """

    time: float
    height: float
    tilt: float
    centre: Array
    momentum: Array
    feet: dict[str, Foot]
    grounded: tuple[str, ...]


@dataclass
class Balance:
    """What came of it.

    Attributes:
        fell_at: when it counted as fallen, [s]; None: it stands.
        fell_by: why.
        lost_at: when the capture point left the support polygon for good, [s].
        slips: farthest that each foot has moved while it bore, [m].
        least: smallest distances inside the support polygon by point, [m], while it stood.
        greatest_tilt: [rad].
        lifted: feet that bore at the start, and did not at some time after.
    """

    fell_at: float | None = None
    fell_by: str = ""
    lost_at: float | None = None
    slips: dict[str, float] = field(default_factory=dict)
    least: dict[str, float] = field(default_factory=dict)
    greatest_tilt: float = 0.0
    lifted: set[str] = field(default_factory=set)

    @property
    def fell(self) -> bool:
        """Whether it has fallen."""
        return self.fell_at is not None

    @property
    def slipped(self) -> tuple[str, ...]:
        """Feet that have slipped."""
        return tuple(sorted(foot for foot, way in self.slips.items() if way > SLIPPED))

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "fell": self.fell,
            "fell_at": self.fell_at,
            "fell_by": self.fell_by,
            "lost_at": self.lost_at,
            "slips": dict(sorted(self.slips.items())),
            "least": dict(sorted(self.least.items())),
            "greatest_tilt": self.greatest_tilt,
            "lifted": sorted(self.lifted),
        }


class BalanceJudge:
    """Sees one stance after the other."""

    def __init__(self, tilt: float, height: float) -> None:
        """Judge.

        Args:
            tilt: from which it counts as fallen, [rad].
            height: share of the first height below which it counts as fallen.
        """
        self._tilt = tilt
        self._share = height
        self._height: float | None = None
        self._anchors: dict[str, Array] = {}
        self._prints: dict[str, tuple[float, Array]] = {}
        self.seen = Balance()

    def see(self, stance: Stance) -> None:
        """Judge one stance; after a fall nothing is judged."""
        seen = self.seen
        if seen.fell:
            return
        if self._height is None:
            self._height = stance.height
        seen.greatest_tilt = max(seen.greatest_tilt, stance.tilt)
        seen.fell_by = self._why(stance, self._height)
        if seen.fell_by:
            seen.fell_at = stance.time
            if seen.lost_at is None:
                seen.lost_at = stance.time
            return
        self._follow_feet(stance)
        margins = self.margins(stance)
        for name, value in margins.items():
            seen.least[name] = min(seen.least.get(name, value), value)
        if margins.get("capture point", -1.0) >= 0.0:
            seen.lost_at = None
        elif seen.lost_at is None:
            seen.lost_at = stance.time

    def margins(self, stance: Stance) -> dict[str, float]:
        """Return how far inside the support polygon each of the three points lies, [m]; none where nothing bears.

        The polygon is that of the soles which bear, as they would lie flat: a foot that stands on its edge for a moment
        still has its sole to stand on.
        """
        bearing = {name: foot for name, foot in stance.feet.items() if foot.force >= BEARS}
        if not bearing:
            return {}
        for name, foot in bearing.items():
            relative = hull((foot.points - foot.position)[:, :2])
            size = area(relative)
            if name not in self._prints or size > self._prints[name][0]:
                self._prints[name] = size, relative
        corners = hull(np.concatenate([self._prints[name][1] + foot.position[:2] for name, foot in bearing.items()]))
        points = np.concatenate([foot.points for foot in bearing.values()])
        forces = np.concatenate([foot.forces for foot in bearing.values()])
        reach = float(np.sqrt(max(stance.centre[2] - points[:, 2].mean(), 0.0) / GRAVITY))
        told = {
            "centre of mass": stance.centre[:2],
            "centre of pressure": forces @ points[:, :2] / forces.sum(),
            "capture point": stance.centre[:2] + stance.momentum[:2] * reach,
        }
        return {name: inside(point, corners) for name, point in told.items()}

    def _why(self, stance: Stance, first: float) -> str:
        if stance.grounded:
            return f"{stance.grounded[0]} on the ground"
        if stance.tilt > self._tilt:
            return f"tilted by {stance.tilt:.2f} rad"
        if stance.height < self._share * first:
            return f"base {stance.height:.2f} m high"
        return ""

    def _follow_feet(self, stance: Stance) -> None:
        for name, foot in stance.feet.items():
            if foot.force < BEARS:
                if self._anchors.pop(name, None) is not None:
                    self.seen.lifted.add(name)
                continue
            anchor = self._anchors.setdefault(name, foot.position[:2])
            way = float(np.linalg.norm(foot.position[:2] - anchor))
            self.seen.slips[name] = max(self.seen.slips.get(name, 0.0), way)
