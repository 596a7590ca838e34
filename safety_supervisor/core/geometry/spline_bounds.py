"""How large the derivatives of a motion can be between its samples.

A motion is given by samples of position, velocity and acceleration. Between two of them it is the polynomial of degree
5 that agrees with both: that is what joint_trajectory_controller plays, what set-points become here, and, since the
polynomial is the only one, also any cubic piece of a stop whose knots are among the samples. The derivatives of such a
polynomial stay inside the hull of their Bezier control points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.units import Vector

ORDERS = 4
"""Derivatives of the joints that are bounded: velocity, acceleration, jerk, snap."""


def derivative_bounds(times: Vector, states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bound the first four derivatives of every joint between consecutive samples.

    With h the time between two samples, u = (q1 - q0) / h and c = 20 (u - 0.6 v0 - 0.4 v1) / h the control points of
    the acceleration are

        a0,  c - 2 a0 + a1,  -20 (u - 0.4 v0 - 0.6 v1) / h + a0 - 2 a1,  a1,

    those of jerk and snap their differences times 3 / h and then 2 / h. The velocity is no farther from the line of
    v0 and v1 than h^2 / 8 times the greatest jerk.

    Args:
        times: increasing, shape (m,), [s], m at least 2.
        states: position, velocity, acceleration, shape (m, 3, n).

    Returns:
        Shape (4, m - 1, n): bounds of |q'|, |q''|, |q'''|, |q''''|.

    Source: G. Farin, Curves and Surfaces for CAGD, 5.3 (derivatives of a Bezier curve).
    """
    step = np.diff(times)[:, None]
    before, after = states[:-1], states[1:]
    v0, v1, a0, a1 = before[:, 1], after[:, 1], before[:, 2], after[:, 2]
    slope = (after[:, 0] - before[:, 0]) / step
    points = np.empty((4, *slope.shape))
    points[0], points[3] = a0, a1
    points[1] = (slope - 0.6 * v0 - 0.4 * v1) * (20.0 / step) - 2.0 * a0 + a1
    points[2] = (0.4 * v0 + 0.6 * v1 - slope) * (20.0 / step) + a0 - 2.0 * a1
    bounds: NDArray[np.float64] = np.empty_like(points)
    bounds[1] = np.abs(points).max(axis=0)
    jerk = np.diff(points, axis=0) * (3.0 / step)
    bounds[2] = np.abs(jerk).max(axis=0)
    snap = np.diff(jerk, axis=0) * (2.0 / step)
    bounds[3] = np.abs(snap).max(axis=0)
    bounds[0] = np.maximum(np.abs(v0), np.abs(v1)) + bounds[2] * (step * step / 8.0)
    return bounds
