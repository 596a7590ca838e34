"""The limits and barriers of pin-pink (https://github.com/stephane-caron/pink), as a filter of what was commanded.

Every cycle a quadratic program, solved by DAQP, looks for the displacement nearest to the one that is wanted
(`PostureTask`) under `ConfigurationLimit`, `VelocityLimit`, `AccelerationLimit` and `SelfCollisionBarrier`. The barrier
gets our volumes of links, tools, boxes and walls, our pairs and their margins: all that there is to touch but people,
of whom pink has no moving ones. `GAIN` is how fast a gap may close, as a share of it a second: braking takes gain times
speed, so that 10 stays within what the joints can do at the speeds of these motions (pink's own examples have 100, with
which the program has no solution more often). The task's gain is the same, with the wanted velocity fed forward: a
stream runs through unchanged, and a jump is approached without going back and forth, as it would under a limit of
acceleration and pink's gain of 1. Where the program has no solution, it is asked again without the limit of
acceleration; where it has none then, the robot holds.

It is installed by `make compare-tools` into `.compare/`: no dependency of this project (LGPL of qpsolvers).
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.verifier import Verifier

Array = NDArray[np.float64]
PLACE: Final = Path(__file__).parents[3] / ".compare"
CURE: Final = "pin-pink is not installed: `make compare-tools` puts it into .compare/"
GAIN: Final = 10.0
"""[1/s]"""
NEAREST: Final = 24
"""Pairs that are constrained, the nearest ones; all are measured."""
SAME: Final = 1e-5
"""Who is so near to where he is to be, and as slow in a period, rests there, [rad]."""

STILL: Final = 1e-7
"""Who is to move less in a period rests, as one before a barrier does, [rad]."""


class NotInstalledError(RuntimeError):
    """Pink or its solver can not be imported; the text says what to do."""


def is_installed() -> bool:
    """Return whether pink and its solver are there."""
    _look_beside()
    return all(find_spec(name) is not None for name in ("daqp", "pink"))


def _look_beside() -> None:
    if PLACE.is_dir() and str(PLACE) not in sys.path:
        sys.path.append(str(PLACE))  # last: numpy and pin are this project's


class Barriers:
    """Limits of joints, and barriers between bodies.

    Args:
        configuration: whose limits, volumes and zones are used.

    Raises:
        NotInstalledError: pink is not there.
    """

    def __init__(self, configuration: Configuration) -> None:
        """Build model, limits and barrier."""
        _look_beside()
        try:
            import daqp  # noqa: F401 - whether the solver is there
            import pink
            from pink.barriers import SelfCollisionBarrier
            from pink.exceptions import NoSolutionFound
            from pink.limits import AccelerationLimit, ConfigurationLimit, VelocityLimit
            from pink.tasks import PostureTask
        except ImportError as error:
            raise NotInstalledError(f"{CURE} ({error})") from error
        scene, limits = Verifier(configuration).scene, configuration.envelope.joints
        self._dt = configuration.timing.period * 1e-9
        model = scene.model.kinematics.copy()
        model.lowerPositionLimit, model.upperPositionLimit = limits.lower, limits.upper
        model.velocityLimit = limits.velocity
        geometry = scene._geometry.copy()
        geometry.removeAllCollisionPairs()
        for first, second in scene.bodies.tolist():
            geometry.addCollisionPair(pin.CollisionPair(first, second))
        margins = np.array([pair.margin for pair in scene.pairs])

        class Apart(SelfCollisionBarrier):
            """Pink's barrier, with a margin for each pair: links may be nearer to each other than to a box."""

            def compute_barrier(self, configuration: Any) -> Array:
                """Return distance less margin of the pairs of which `compute_jacobian` takes the gradients."""
                found = [result.min_distance for result in configuration.collision_data.distanceResults]
                distances = np.array(found)
                nearest = np.argpartition(-distances, -self.dim)[-self.dim :]
                return np.asarray(distances[nearest] - margins[nearest], dtype=np.float64)

        barrier = Apart(min(NEAREST, len(margins)), gain=GAIN, safe_displacement_gain=0.0)
        self._q: Array = 0.5 * (limits.lower + limits.upper)
        self._place = pink.Configuration(
            model, model.createData(), self._q, collision_model=geometry, collision_data=geometry.createData()
        )
        self._gain = GAIN * self._dt
        self._task = PostureTask(cost=1.0, gain=self._gain)
        self._accelerates = AccelerationLimit(model, limits.acceleration)
        always = [ConfigurationLimit(model, config_limit_gain=1.0), VelocityLimit(model)]
        self._ways: list[dict[str, Any]] = [
            {"limits": [*always, self._accelerates], "barriers": [barrier]},
            {"limits": always, "barriers": [barrier]},
        ]
        self._solve, self._unsolved = pink.solve_ik, NoSolutionFound
        self._v: Array = np.zeros_like(self._q)
        self._before = self._q
        self.unsolved = 0
        """Cycles in which there was no solution at all."""

    def reset(self, q: Array) -> None:
        """Rest at a pose, shape (n,), [rad]."""
        self._q, self._v, self._before = q.copy(), np.zeros_like(q), q.copy()

    def step(self, wanted: Array) -> Array:
        """Return the next command on the way to a pose, both shape (n,), [rad]."""
        ahead, self._before = (wanted - self._before) / self._gain, wanted.copy()
        near = float(np.abs(wanted - self._q).max()) < SAME
        if near and not ahead.any() and float(np.abs(self._v).max()) * self._dt < SAME:
            self._q, self._v = wanted.copy(), np.zeros_like(wanted)
            return self._q
        self._place.update(self._q)
        self._task.set_target(wanted + ahead)
        self._accelerates.set_last_integration(self._v, self._dt)
        self._v = self._velocity()
        if float(np.abs(self._v).max()) * self._dt < STILL:
            self._v = np.zeros_like(self._v)
            return self._q
        self._q = self._q + self._v * self._dt
        return self._q

    def _velocity(self) -> Array:
        for way in self._ways:
            try:
                found = self._solve(self._place, [self._task], self._dt, solver="daqp", safety_break=False, **way)
            except self._unsolved:
                continue
            if np.isfinite(found).all():
                return np.asarray(found, dtype=np.float64)
        self.unsolved += 1
        return np.zeros_like(self._q)
