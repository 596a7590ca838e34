"""Whether a robot that stands keeps its balance: now, and all along a planned motion and its stop.

With x the centre of mass seen along gravity, z its height over the ground and w = sqrt(g / z),

    zero-moment point  p  = x - x'' / w^2      where the ground's force acts
    capture point      xi = x + x' / w         where the robot would have to step to come to rest

both must stay in the support polygon, the convex hull of the soles that bear, by a margin. Both leave out the vertical
acceleration and the angular momentum about the centre of mass: `balance.margin` has to hold what they do.

A planned motion is judged on the feet: a sole that bears stays where it is, so the joints alone say where the centre
of mass is (`core/balance/planted.py`). When several feet bear, any of them may be the one that stays: the least
margin counts, and feet that move against each other are no common support. Nothing is missed between two samples:
there p and xi are smooth, and from the straight line between their values they are no farther than h^2 / 8 times a
bound of the second derivative; along a line the signed distance to a convex set is not less than at its ends.

    |p''|  <= D2 + (D4 z + 2 D3 D1 + D2^2) / g
    |xi''| <= D2 + D3 r + 2 D2 r' + D1 r'',   r = sqrt(z / g), |r'| <= D1 / (2 sqrt(z g)),
                                             |r''| <= D2 / (2 sqrt(z g)) + D1^2 / (4 z sqrt(z g))

with D1 .. D4 bounds of the derivatives of x (`Carried.bounds`), by the product rule on p = x - x'' z / g and
xi = x + x' r; z the greatest height where it is in a numerator, the least where it is in a denominator.

Unknown is never balanced: what can not be judged is `Unjudged`, with the reason. Requirements: SR-034, SR-036.

Sources: M. Vukobratovic and B. Borovac, Zero-moment point: thirty-five years of its life, 2004; J. Pratt et al.,
Capture point: a step toward humanoid push recovery, 2006; A. Hof, The condition for dynamic stability, 2005.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.units import Matrix, Nanoseconds, Vector


class Unknown(str, Enum):
    """Why balance can not be judged."""

    NO_CONTACT = "no foot is told to bear"
    CONTACT_STALE = "a foot's contact was not told in time"
    CONTACT_FOOT = "a contact was told of a foot that has no sole"
    BASE_STALE = "the base's pose was not told in time"
    NOT_FINITE = "a number is not finite"
    ORIENTATION = "the base's orientation is no quaternion of unit length"
    BASE_HEIGHT = "the base is not above the ground"
    CENTRE_HEIGHT = "the centre of mass is not above the soles"
    TILTED = "a sole that bears does not lie flat"
    UNEVEN = "soles that are told to bear are not on one level"
    FEET_MOVE = "feet that bear move against each other"
    SAMPLES = "the motion has no samples, or their times do not increase"


@dataclass(frozen=True)
class Contact:
    """What was told of one foot: whether it bears, and when that was received, steady clock, [ns]."""

    bears: bool
    received: Nanoseconds


@dataclass(frozen=True)
class Unjudged:
    """Balance is unknown.

    Attributes:
        reason: why.
        detail: what it is about, plain text.
    """

    reason: Unknown
    detail: str = ""


@dataclass(frozen=True)
class Margin:
    """The least margin.

    Attributes:
        value: proven lower bound of the signed distance to the edge of the support polygon, [m]; negative outside.
        time: of the sample that is nearest to where it is least, [s].
        point: `zero-moment point` or `capture point`.
        foot: that was taken to stay where it is; empty when the base's own motion was known.
    """

    value: float
    time: float
    point: str
    foot: str


Judgement: TypeAlias = Margin | Unjudged


def zero_moment_point(centre: Matrix, acceleration: Matrix, height: Vector, gravity: float) -> Matrix:
    """Return x - x'' / w^2, shape (..., 2), [m].

    Args:
        centre: x, horizontal, shape (..., 2), [m].
        acceleration: x'', horizontal, shape (..., 2), [m/s^2].
        height: z over the ground, shape (...), [m], above 0.
        gravity: g, [m/s^2].

    Source: Vukobratovic and Borovac 2004, for a constant height.
    """
    return centre - acceleration * (height / gravity)[..., None]


def capture_point(centre: Matrix, velocity: Matrix, height: Vector, gravity: float) -> Matrix:
    """Return x + x' / w, shape (..., 2), [m]; arguments as of `zero_moment_point`, the velocity x' in [m/s].

    Source: Pratt et al. 2006, eq. 8; Hof 2005, extrapolated centre of mass.
    """
    return centre + velocity * np.sqrt(height / gravity)[..., None]


def bends(derivatives: NDArray[np.float64], lowest: Vector, highest: Vector, gravity: float) -> tuple[Vector, Vector]:
    """Bound the second derivatives in time of zero-moment point and capture point, as derived above.

    Args:
        derivatives: D1 .. D4, bounds of the derivatives of x, shape (4, ...).
        lowest: least height z over the ground, shape (...), [m], above 0.
        highest: greatest, shape (...), [m].
        gravity: g, [m/s^2].

    Returns:
        Shapes (...) and (...), [m/s^2].
    """
    first, second, third, fourth = derivatives
    zero_moment = second + (fourth * highest + 2.0 * third * first + second * second) / gravity
    root = 2.0 * np.sqrt(lowest * gravity)
    rate = first / root
    bend = (second + first * first / (2.0 * lowest)) / root
    capture = second + third * np.sqrt(highest / gravity) + 2.0 * second * rate + first * bend
    return zero_moment, capture
