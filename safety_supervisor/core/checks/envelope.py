"""The joint envelope on the output: what consecutive set-points may do.

The drives see set-points, so the envelope is stated on set-points. With q_i the set-point of cycle i and dt the
control period, the k-th backward difference divided by dt^k must stay within the limit of order k:

    |q_i - q_{i-1}| / dt <= velocity,   |second difference| / dt^2 <= acceleration,   |third| / dt^3 <= jerk

A k-th divided difference is an average of the k-th derivative, so a motion whose derivatives keep the limits keeps
the envelope at every sampling. Requirement: SR-025.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.settings import JointLimits
from safety_supervisor.core.units import Matrix, Vector

HISTORY: Final = 3
"""Set-points before the new one that a check needs."""

STOP_SAMPLES: Final = 3
"""Set-points of the stop after the new one; later ones lie wholly inside the stop, which keeps the limits itself."""

_RELATIVE: Final = 1e-9
_ORDERS: Final = (
    (Code.VELOCITY_LIMIT, "joint.velocity"),
    (Code.ACCELERATION_LIMIT, "joint.acceleration"),
    (Code.JERK_LIMIT, "joint.jerk"),
)

ENVELOPE: Final = frozenset(code for code, _ in _ORDERS)
"""What a set-point earns that is too far from where the robot is."""


def _difference_matrix(rows: int, dt: float) -> Matrix:
    """Return the matrix that maps HISTORY + rows set-points to `rows` first, second and third differences over dt^k."""
    result = np.zeros((3 * rows, HISTORY + rows))
    for order, weights in enumerate(([1.0, -1.0], [1.0, -2.0, 1.0], [1.0, -3.0, 3.0, -1.0]), start=1):
        for row in range(rows):
            for back, weight in enumerate(weights):
                result[(order - 1) * rows + row, HISTORY + row - back] = weight / dt**order
    return result


class JointEnvelope:
    """Checks windows of set-points against position, velocity, acceleration and jerk limits."""

    def __init__(self, limits: JointLimits, names: tuple[str, ...], dt: float) -> None:
        """Prepare the checks.

        Args:
            limits: the joint envelope.
            names: joint names, in the same order.
            dt: control period, [s].
        """
        self.limits = limits
        self.names = names
        self.dt = dt
        self._rows = 1 + STOP_SAMPLES
        self._differences = _difference_matrix(self._rows, dt)
        bounds = np.stack([limits.velocity, limits.acceleration, limits.jerk])
        # A third difference of doubles near |q| carries up to 8 ulp(q) / dt^3 of rounding; that is no motion.
        largest = np.maximum(np.abs(limits.lower), np.abs(limits.upper)).max(initial=1.0)
        rounding = np.array([[16.0 * np.finfo(float).eps * largest / dt**order] for order in (1, 2, 3)])
        self.bounds: Matrix = bounds * (1.0 + _RELATIVE) + rounding
        """Limits with the tolerance for rounding, shape (3, n)."""
        self._quick = list(zip(limits.lower.tolist(), limits.upper.tolist(), *self.bounds[:2].tolist(), strict=True))
        self._window_bounds = np.repeat(self.bounds, self._rows, axis=0)

    def check_window(self, window: Matrix) -> Violation | None:
        """Check one new set-point and the first samples of its stop against the set-points before.

        Args:
            window: HISTORY earlier set-points, the new one, STOP_SAMPLES of its stop, shape (7, n), [rad].

        Returns:
            None when every difference keeps its limit, else the worst violation. NaN never passes.
        """
        differences = self._differences.dot(window)
        np.abs(differences, out=differences)
        if np.count_nonzero(differences <= self._window_bounds) == differences.size:  # quicker than all()
            return None
        return self._worst(differences.reshape(3, self._rows, -1).max(axis=1))

    def check_rows(self, rows: Matrix) -> Violation | None:
        """Check a run of consecutive set-points; the first HISTORY rows are context.

        Args:
            rows: set-points, shape (m, n) with m > HISTORY, [rad].
        """
        first = np.diff(rows, axis=0)
        second = np.diff(first, axis=0)
        third = np.diff(second, axis=0)
        peaks = np.stack(
            [
                np.abs(first[HISTORY - 1 :]).max(axis=0) / self.dt,
                np.abs(second[HISTORY - 2 :]).max(axis=0) / self.dt**2,
                np.abs(third[HISTORY - 3 :]).max(axis=0) / self.dt**3,
            ]
        )
        if (peaks <= self.bounds).all():
            return None
        return self._worst(peaks)

    def passes_stop(self, state: Matrix, top_velocity: list[float], end: list[float]) -> bool:
        """Whether a state and the ends of its stop keep position, velocity and acceleration limits: the quick answer.

        Args:
            state: position, velocity, acceleration, shape (3, n).
            top_velocity: of the stop, n values, [rad/s].
            end: positions at which the stop rests, n values, [rad].
        """
        for q, v, a, w, e, (lower, upper, fastest, hardest) in zip(
            *state.tolist(), top_velocity, end, self._quick, strict=True
        ):
            # Written so that NaN fails.
            if not (
                lower <= q <= upper
                and lower <= e <= upper
                and -fastest <= v <= fastest
                and -fastest <= w <= fastest
                and -hardest <= a <= hardest
            ):
                return False
        return True

    def check_state(self, velocity: Vector, acceleration: Vector) -> Violation | None:
        """Check the velocity and acceleration that a stop would start from, each shape (n,)."""
        peaks = np.abs(np.stack([velocity, acceleration]))
        if (peaks <= self.bounds[:2]).all():
            return None
        return self._worst(peaks)

    def check_positions(self, positions: Matrix, lower: Vector, upper: Vector) -> Violation | None:
        """Check positions, shape (m, n), against bounds, shape (n,), all [rad]."""
        if ((positions >= lower) & (positions <= upper)).all():
            return None
        excess = np.maximum(lower - positions, positions - upper)
        excess[np.isnan(excess)] = np.inf
        row, joint = np.unravel_index(int(np.argmax(excess)), excess.shape)
        value = float(positions[row, joint])
        limit = float(lower[joint] if value < lower[joint] else upper[joint])
        return Violation(Code.POSITION_LIMIT, "joint.position", value, limit, self.names[joint])

    def _worst(self, peaks: Matrix) -> Violation:
        """Name the limit that is exceeded most, relative to itself; peaks has one row an order."""
        ratio = peaks / self.bounds[: len(peaks)]
        ratio[~np.isfinite(ratio)] = np.inf
        order, joint = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
        code, rule = _ORDERS[order]
        limit = (self.limits.velocity, self.limits.acceleration, self.limits.jerk)[order][joint]
        return Violation(code, rule, float(peaks[order, joint]), float(limit), self.names[joint])
