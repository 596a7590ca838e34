"""Bodies of the world, which the base carries the arm past: where they are, and how much nearer they may come.

They are placed in the base frame by the newest judged pose, the *anchor*, and placed anew when the base has moved from
it by more than a configured distance or angle; all that was proven clear is then forgotten. That happens in a cycle,
before anything is decided in it, by events alone. While the base's place is unknown nothing is verified.

What is judged between base and arm is one promise: the arm's plan (its step and stop) and the base's plan (what it was
sent, followed by its stop) together come near no body of the world. Whoever changes its plan proves it against the
other's as it is. Every pair with such a body keeps, beyond its margin,

    u + d + radius * theta + m

u: `uncertainty` of the pose; d, theta: what the base may have moved from the anchor before it is placed anew; m: how
far any point moves by the base's plan (`BaseGate.moves`), rounded up to a step. The gate in turn sends a twist only
when its m is no more than the room that the arm's plan leaves. That is a bound for every pair: on a way w of the joints
between two poses its room is never less than (room + room - reach @ w) / 2.

Requirements: SR-026, SR-036, SR-054.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from safety_supervisor.core.base.motion import PlanarPose
from safety_supervisor.core.checks.clearance import STEP
from safety_supervisor.core.errors import Violation
from safety_supervisor.core.inputs import Inputs
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import seconds
from safety_supervisor.core.verifier import Verifier

STEPS: Final = 0.02
"""The allowance for what the base moves is a multiple of this, [m]: each change forgets what was proven."""

FARTHEST: Final = 5e3
"""A base that is farther than this from the origin of the world is at no place that distances are computed at, [m]."""


class WorldBodies:
    """Places them, and tells arm and base how much room the other one leaves.

    Attributes:
        some: whether there are any.
        anchor: the pose by which they are placed; None while they are not.
        nearest: of the pair that left the base the least room, when that was asked last.
    """

    def __init__(self, configuration: Configuration, verifier: Verifier, motion: Motion, inputs: Inputs) -> None:
        """Start with nothing placed."""
        self.some = any(zone.world for zone in configuration.zones)
        self.anchor: PlanarPose | None = None
        self.nearest: Violation | None = None
        self._verifier, self._motion, self._inputs = verifier, motion, inputs
        self._dt = seconds(configuration.timing.period)
        self._moves = 0.0
        base = configuration.base
        if base is not None and self.some:
            odometry = base.odometry
            assert odometry.uncertainty is not None  # the configuration was checked
            self._settings = odometry
            self._still = (
                odometry.uncertainty + odometry.anchor_distance + base.gate.radius * odometry.anchor_turn
            )  # fmt: skip

    def settle(self, pose: PlanarPose | None) -> None:
        """Take the newest pose, None where it is unknown; place the bodies anew where the base has left the anchor."""
        if not self.some:
            return
        if pose is None or not max(abs(pose.x), abs(pose.y), abs(pose.height)) <= FARTHEST:
            if self.anchor is not None:
                self.anchor = None
                self._verifier.lose_world()
        elif self.anchor is None or self._left(self.anchor, pose):
            self.anchor = pose
            self._place()

    def allow(self, moves: float) -> None:
        """Take how far any point of the robot may move by the base's plan, [m]."""
        if not self.some or self.anchor is None:
            return
        steps = math.ceil(moves / STEPS) * STEPS
        if steps > self._moves or steps < self._moves - 2 * STEPS or (steps == 0.0 < self._moves):
            self._moves = steps
            self._place()

    def room(self) -> float:
        """Return how far any point of the robot may move by the base, whatever the arm's plan, [m]; negative for none.

        The arm's plan begins where it was measured, which is behind what was commanded.
        """
        scene = self._verifier.scene
        if not self.some or not len(scene.world):
            return math.inf
        if self.anchor is None:
            return -math.inf
        motion, which = self._motion, scene.world
        kept, begin = motion.kept, self._inputs.measured.positions
        elapsed = min((motion.tick - motion.kept_tick) * self._dt, kept.duration)
        way = np.abs(motion.state[0] - begin) + kept.ways((elapsed, kept.duration))[0]
        taken = scene.margins[which] - self._moves + STEP
        both = scene.distances_of(begin, which) + scene.distances_of(kept.end, which) - 2.0 * taken
        rooms = (both - scene.reach[which].dot(way)) / 2.0
        least = int(rooms.argmin())
        pair = scene.pairs[int(which[least])]
        self.nearest = Violation(pair.code, pair.rule, joint=" and ".join(pair.links))
        # Not finite: no room. Rounded down, since the arm is judged by what is rounded up.
        return math.floor(rooms[least] / STEPS) * STEPS if np.isfinite(rooms).all() else -math.inf

    def _left(self, anchor: PlanarPose, pose: PlanarPose) -> bool:
        settings = self._settings
        way = math.dist((anchor.x, anchor.y, anchor.height), (pose.x, pose.y, pose.height))
        turn = abs(math.remainder(pose.heading - anchor.heading, 2.0 * math.pi))
        return not (way <= settings.anchor_distance and turn <= settings.anchor_turn)

    def _place(self) -> None:
        assert self.anchor is not None
        cos, sin = math.cos(self.anchor.heading), math.sin(self.anchor.heading)
        turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])  # from the world's frame to the base's
        shift = -turn @ np.array([self.anchor.x, self.anchor.y, self.anchor.height])
        self._verifier.place_world(turn, shift, self._still + self._moves)
        self._inputs.measured.workspace.meet(self._verifier.scene, self._verifier.restricted)
