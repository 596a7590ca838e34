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

_ACCELERATION = np.array(
    [
        [0.0, 0.0, 0.0, 1.0, 0.0],
        [20.0, -12.0, -8.0, -2.0, 1.0],
        [-20.0, 8.0, 12.0, 1.0, -2.0],
        [0.0, 0.0, 0.0, 0.0, 1.0],
    ]
)
_JERK = 3.0 * np.diff(_ACCELERATION, axis=0)
_POINTS = np.concatenate([_ACCELERATION, _JERK, 2.0 * np.diff(_JERK, axis=0)])
"""Control points of acceleration, jerk times h and snap times h^2, of (q1 - q0) / h^2, v0 / h, v1 / h, a0, a1."""


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
    step = (times[1:] - times[:-1])[:, None]
    before, after = states[:-1], states[1:]
    count, joints = len(step), states.shape[2]
    per_step = 1.0 / step
    parts = np.empty((count, 5, joints))
    np.subtract(after[:, 0], before[:, 0], out=parts[:, 0])
    parts[:, 0] *= per_step
    parts[:, 1], parts[:, 2] = before[:, 1], after[:, 1]
    parts[:, :3] *= per_step[:, :, None]
    parts[:, 3], parts[:, 4] = before[:, 2], after[:, 2]
    points = np.abs(_POINTS @ parts)
    bounds: NDArray[np.float64] = np.empty((ORDERS, count, joints))
    points[:, :4].max(axis=1, out=bounds[1])
    points[:, 4:7].max(axis=1, out=bounds[2])
    points[:, 7:].max(axis=1, out=bounds[3])
    bounds[2] *= per_step
    bounds[3] *= per_step * per_step
    np.maximum(np.abs(before[:, 1]), np.abs(after[:, 1]), out=bounds[0])
    bounds[0] += bounds[2] * (step * step / 8.0)
    return bounds
