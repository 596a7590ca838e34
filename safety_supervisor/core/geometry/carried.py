"""How fast a point moves that joints carry, and how fast that changes, bounded over all configurations.

Of a point x that joints 1 .. k carry, numbered
from the base, let r_c be a bound of how far joint c carries it. Each derivative of x by some of the joints is the
velocity by the farthest one of them, turned by the others, so no longer than r of the farthest. The function

    G(q) = sum over c of r_c (exp(S_c) - exp(S_c - q_c)),   S_c = q_1 + ... + q_c,

has exactly these bounds as its derivatives at 0; so, with bounds b_1 .. b_4 of the joints' own derivatives in time, the
derivatives of x in time are no longer than those of G along them,

    |x^(i)| <= sum over c of r_c (B_i(S_c) - B_i(S_c - b_c))

with the complete Bell polynomials B_i of the sums S_c of each b. The centre of mass is the mean of the bodies' centres,
so its r_c is the mean of theirs, weighted by mass.

Source: Faa di Bruno's formula in its form by Bell polynomials; J. Riordan, An Introduction to Combinatorial Analysis,
2.8.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.geometry.reach import Reach
from safety_supervisor.core.units import Matrix, Vector


class Carried:
    """How far the joints of a model carry a point that is a weighted mean of points; bounds of its derivatives."""

    def __init__(self, carrier: Reach, chains: Matrix, balls: Iterable[tuple[float, int, Vector, float]]) -> None:
        """Add up.

        Args:
            carrier: of the model.
            chains: `Planted.chains`.
            balls: weight, joint, centre in its frame [m], radius [m] of what the points are in.
        """
        self._chains = chains
        self.reach: Vector = np.zeros(len(chains))
        """Of each joint of the model, shape (N,), [m/rad] or [m/m]."""
        for weight, joint, centre, radius in balls:
            for nearer, moved in zip(carrier.chain(joint), carrier.moved_by_chain(joint, centre, radius), strict=True):
                self.reach[nearer - 1] += weight * moved

    def bounds(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bound the length of derivatives in time, as derived above.

        Args:
            joints: bounds of the first i derivatives of the model's joints, shape (i, ..., N), i at most 4.

        Returns:
            Shape (i, ...), [m/s], [m/s^2], ...
        """
        sums = joints @ self._chains
        grown = np.array(bell(sums))
        grown -= np.array(bell(sums - joints))
        bounds: NDArray[np.float64] = grown @ self.reach
        return bounds

    @property
    def bend(self) -> Matrix:
        """Bound of second derivatives: |x''| <= reach @ b_2 + b_1 @ bend @ b_1, shape (N, N).

        B_2(S_c) - B_2(S_c - b_c) = b_2c + b_1c (2 S_1c - b_1c).
        """
        bend: Matrix = (2.0 * self._chains - np.eye(len(self.reach))) * self.reach
        return bend


def bell(s: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the complete Bell polynomials of as many arguments as there are, first to last.

    Args:
        s: the arguments, shape (i, ...), i at most 4.
    """
    a = s[0]
    found = [a]
    if len(s) > 1:
        found.append(a * a + s[1])
    if len(s) > 2:
        found.append(a * (a * a + 3.0 * s[1]) + s[2])
    if len(s) > 3:
        square = a * a
        found.append(square * (square + 6.0 * s[1]) + 4.0 * a * s[2] + 3.0 * s[1] * s[1] + s[3])
    return found
