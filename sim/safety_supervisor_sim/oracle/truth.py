"""Judgement of the true motion, many samples at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.oracle.limits import Array, Judging, Limits

Times = NDArray[np.int64]
# kind, times (k,), items, values (k, m), limits (k, m) or broadcast, margins (k, m)
Found = Callable[[str, Times, Sequence[str], Array, Array, Array], None]


class TruthJudge:
    """Margins of true joint and link motion against the limits."""

    def __init__(
        self,
        limits: Limits,
        judging: Judging,
        joints: Sequence[str],
        links: Sequence[str],
        found: Found,
    ) -> None:
        self._limits = limits
        self._judging = judging
        self._joints = tuple(joints)
        self._links = tuple(links)
        self._found = found

    def judge(self, time: Times, q: Array, v: Array, links: Array, fresh: int) -> None:
        """Judge the last `fresh` samples; those before them are known and feed differences.

        Args:
            time: (k,), [ns].  q, v: (k, n), [rad], [rad/s].  links: (k, m, 3), [m].
            fresh: how many samples at the end were not judged yet, 1 or more.
        """
        joints, limits = self._joints, self._limits
        new = slice(len(time) - fresh, None)
        t, p, s = time[new], q[new], v[new]
        finite = np.isfinite(p) & np.isfinite(s)
        if not finite.all():
            bad = np.where(finite, 0.0, 1.0)
            self._found("not_finite", t, joints, bad, np.zeros(1), -bad)
        low, high = p - limits.position_lower, limits.position_upper - p
        near = np.where(low < high, limits.position_lower, limits.position_upper)
        self._found("position", t, joints, p, near, np.minimum(low, high))
        self._found("velocity", t, joints, s, limits.velocity, limits.velocity - np.abs(s))

        window = self._judging.window
        start = max(len(time) - fresh, window)
        if start < len(time):
            slope = (v[start:] - v[start - window : len(v) - window]) / (window * self._judging.period)
            margin = limits.acceleration - np.abs(slope)
            self._found("acceleration", time[start:], joints, slope, limits.acceleration, margin)

        start = max(len(time) - fresh, 1)
        if start < len(time):
            way = np.sqrt(np.square(links[start:] - links[start - 1 : -1]).sum(axis=-1))
            speed = way / self._judging.period
            limit = np.full(1, limits.link_speed)
            self._found("link_speed", time[start:], self._links, speed, limit, limit - speed)

        for box in limits.keep_in:
            depth = box.depth_inside(links[new])
            items = [f"{link}@{box.name}" for link in self._links]
            self._found("keep_in", t, items, -depth, np.zeros(1), depth)
        for box in limits.keep_out:
            depth = box.depth_inside(links[new])
            items = [f"{link}@{box.name}" for link in self._links]
            self._found("keep_out", t, items, depth, np.zeros(1), -depth)
