"""Where the base is: the pose that was told last, and those before it.

A message ages by the receiver's steady clock; its age at receipt is the configured latency, or more where its stamp
says so. Whatever is wrong with the last message, with its publisher or with its age makes the base's place unknown. A
pose that differs from the one before, or from that half a second ago, by more than `jump` and the speed that
it was sent allow is believed, and is a stop: from then on what was planned describes another place.

Requirements: SR-026, SR-030, SR-036; REDTEAM 43, 45.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.base.gate import People
from safety_supervisor.core.base.motion import PlanarPose
from safety_supervisor.core.base.settings import BaseSettings
from safety_supervisor.core.errors import CODE_OF, Code, Violation
from safety_supervisor.core.events import Odometry, OdometryEndpoints
from safety_supervisor.core.stamps import judge_stamp
from safety_supervisor.core.units import NS_PER_S, Matrix, Nanoseconds, Vector, seconds

UNIT: Final = 1e-3
"""The length of a quaternion may differ from 1 by so much."""

FARTHEST: Final = 1e6
"""A number beyond this is no place and no velocity."""

_KEPT: Final[Nanoseconds] = 3 * NS_PER_S
"""Poses are kept for this long: points of people are told in the frame that the base had then."""

_TOGETHER: Final[Nanoseconds] = NS_PER_S // 2
"""Jumps within this time count together, so that no base is led away by many small ones."""


class OdometryJudge:
    """Judges what is told of the base.

    Attributes:
        pose: told last, its time that at which the base was there at the latest age; None before the first one.
        fastest: tells the greatest speed [m/s] and turning [rad/s] that it may have had since a moment.
    """

    def __init__(self, settings: BaseSettings, base_frame: str) -> None:
        """Start with nothing heard: the place of the base is unknown."""
        self._gate = settings.gate
        self._settings = settings.odometry
        self._frame = base_frame
        self._nodes: tuple[str, ...] = ()
        self._ids: tuple[str, ...] = ()
        self._wrong: Violation | None = Violation(Code.BASE_UNKNOWN, "base.odometry", detail="nothing was heard yet")
        self._stamp = (0, 0)
        self._poses: deque[PlanarPose] = deque()
        self._jumped = False
        self.pose: PlanarPose | None = None
        self.fastest: Callable[[Nanoseconds], tuple[float, float]] = lambda _: (self._gate.speed, self._gate.turning)

    # --- what arrives

    def take(self, event: Odometry) -> Violation | None:
        """Take a message, or say what is wrong with it; a jump is told, and taken all the same."""
        refusal = self._judge(event)
        if refusal is not None:
            # What is only repeated or late says nothing new, and grows old by itself.
            self._wrong = self._wrong if refusal.code is Code.OUT_OF_ORDER else refusal
            return refusal
        self._stamp = (event.stamp, event.clock)
        observed = (event.received or event.at) - max(self._settings.latency, event.clock - event.stamp)
        x, y, z, w = event.orientation
        heading = math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
        pose = PlanarPose(event.position[0], event.position[1], heading, observed, event.position[2])
        jump = self._jump(pose)
        if jump is not None:
            self._poses.clear()
            self._jumped = True
        self._poses.append(pose)
        while len(self._poses) > 1 and self._poses[1].received <= observed - _KEPT:
            self._poses.popleft()
            self._jumped = False
        self.pose, self._wrong = pose, None
        return jump

    def _judge(self, event: Odometry) -> Violation | None:
        if event.code:
            return Violation(CODE_OF.get(event.code, Code.UNDECODABLE), "base.odometry.bytes", detail=event.detail)
        if event.frame_id != self._settings.frame or event.child_frame_id != self._frame:
            text = f"not of {self._frame} in {self._settings.frame}"
            return Violation(Code.BASE_FRAME, "base.odometry.frame", detail=text)
        numbers = (*event.position, *event.orientation, *event.linear, *event.angular)
        # Written so that NaN fails.
        if not all(abs(number) <= FARTHEST for number in numbers):
            return Violation(Code.NOT_FINITE, "base.odometry")
        length = math.hypot(*event.orientation)
        if not abs(length - 1.0) <= UNIT:
            return Violation(Code.ORIENTATION, "base.odometry.orientation", length, 1.0)
        x, y, _, _ = event.orientation
        moved, allowed = self._gate.radius * 2.0 * math.asin(min(1.0, math.hypot(x, y))), self._settings.uncertainty
        if allowed is not None and not moved <= allowed:
            return Violation(
                Code.BASE_UNKNOWN, "base.odometry.uncertainty", moved, allowed, detail="the base is tilted"
            )
        return judge_stamp("base.odometry.stamp", event.stamp, event.clock, self._stamp, self._gate.pose_timeout)

    def _jump(self, pose: PlanarPose) -> Violation | None:
        """Return that a pose is farther from earlier ones than a base comes, or None."""
        if self.pose is None:
            return None
        since = pose.received - _TOGETHER
        earliest = next((earlier for earlier in self._poses if earlier.received >= since), self.pose)
        return self._too_far(self.pose, pose) or self._too_far(earliest, pose)

    def _too_far(self, before: PlanarPose, pose: PlanarPose) -> Violation | None:
        passed = seconds(abs(pose.received - before.received))
        speed, turning = self.fastest(before.received)
        way, most = math.hypot(pose.x - before.x, pose.y - before.y), self._settings.jump + speed * passed
        turned = abs(math.remainder(pose.heading - before.heading, 2.0 * math.pi))
        farthest = self._settings.turn_jump + turning * passed
        within = f"within {passed:.3f} s"
        if way > most:
            return Violation(Code.BASE_JUMP, "base.odometry.jump", way, most, detail=f"{way:.3f} m {within}")
        if turned > farthest:
            return Violation(
                Code.BASE_JUMP, "base.odometry.turn_jump", turned, farthest, detail=f"{turned:.3f} rad {within}"
            )
        return None

    def publishers(self, event: OdometryEndpoints) -> bool:
        """Take who publishes; return whether the one that may has been joined or replaced."""
        before, self._nodes = self._nodes, event.nodes
        ids, self._ids = self._ids, event.ids
        others = event.nodes != before or event.ids != ids
        return before == (self._settings.node,) and bool(event.nodes) and others

    # --- what it says

    def unknown(self, now: Nanoseconds) -> str:
        """Say why it is not known where the base is; empty when it is."""
        if self._nodes != (self._settings.node,):
            return f"{len(self._nodes)} publishers; allowed: {self._settings.node} alone"
        if self._wrong is not None:
            return self._wrong.detail or self._wrong.code.cause
        if self.pose is None:
            return "nothing was heard yet"
        age = now - self.pose.received
        return "" if 0 <= age <= self._gate.pose_timeout else f"the pose is {seconds(age):.2f} s old"

    def rests(self, now: Nanoseconds, window: Nanoseconds) -> bool | None:
        """Whether the base rested for a window, [ns]; None while its place is unknown."""
        if self.unknown(now):
            return None
        poses = [pose for pose in self._poses if pose.received >= now - window - self._gate.pose_timeout]
        if not poses or poses[-1].received - poses[0].received < window:
            return False
        last, settings = poses[-1], self._settings
        return all(
            math.hypot(pose.x - last.x, pose.y - last.y) <= settings.rest
            and abs(math.remainder(pose.heading - last.heading, 2.0 * math.pi)) <= settings.turn_rest
            for pose in poses
        )

    def carry(
        self, points: Matrix, seen: NDArray[np.int64], latency: Nanoseconds, *, still: bool
    ) -> tuple[Matrix, Vector] | None:
        """Bring points from the base's frame, as it was when each was seen, to that of its newest pose.

        Args:
            points: shape (K, 3), [m]; heights stay.
            seen: as in `place`.
            latency: [ns].
            still: whether the base was sent rest and rests, so that it has not moved since its newest pose.

        Returns:
            Points, shape (K, 3), [m], and how far each may be beside that, shape (K,), [m]; None where
            no pose, or a jump, is between.
        """
        if not len(self._poses) or self.pose is None:
            return None
        # Of a time before the first pose its speed is a bound, but not of one before a jump.
        first = self._poses[0].received
        early = np.maximum(first - seen, 0) / NS_PER_S
        if self._jumped and early.any():
            return None
        people = self.place(points, np.maximum(seen, first), latency, still=still)
        if people is None:
            return None
        farthest = np.linalg.norm(points[:, :2], axis=1) + self._gate.speed * early
        moved = early * (self._gate.speed + self._gate.turning * farthest)
        cos, sin = math.cos(self.pose.heading), math.sin(self.pose.heading)
        carried = points.copy()
        carried[:, :2] = (people.points - (self.pose.x, self.pose.y)) @ np.array([[cos, -sin], [sin, cos]])
        return carried, people.beside + moved

    def place(
        self, points: Matrix, seen: NDArray[np.int64], latency: Nanoseconds, *, still: bool = False
    ) -> People | None:
        """Bring points of people from the base's frame, as it was when each was seen, to the fence's frame.

        Args:
            points: shape (K, 3), [m], base frame.
            seen: a moment at or after which each was there, shape (K,), [ns]; its message was made within `latency`.
            latency: [ns].
            still: as in `carry`.

        Returns:
            Where they are; None where it is not known where the base was then.
        """
        places, beside = np.zeros((len(points), 2)), np.zeros(len(points))
        for since in set(seen.tolist()):
            those = seen == since
            found = self._place(points[those, :2], since, since + latency, still)
            if found is None:
                return None
            places[those], beside[those] = found
        return People(places, seen, beside)

    def _place(
        self, points: Matrix, since: Nanoseconds, until: Nanoseconds, still: bool
    ) -> tuple[Matrix, Vector] | None:
        """Return where points, shape (k, 2), were, and how far beside at most: somewhen between two moments."""
        poses = list(self._poses)
        while len(poses) > 1 and poses[1].received <= since:
            del poses[0]
        if not poses or poses[0].received > since:
            return None
        during = [poses[0], *(pose for pose in poses[1:] if pose.received < until)]
        during += [pose for pose in poses if pose.received >= until][:1]
        ways = np.stack([_at(pose, points) for pose in during])
        beside = np.linalg.norm(ways - ways[-1], axis=2).max(axis=0)
        behind = 0.0 if still else max(0.0, seconds(until - during[-1].received))
        moved = behind * (self._gate.speed + self._gate.turning * np.linalg.norm(points, axis=1))
        return ways[-1], beside + moved


def _at(pose: PlanarPose, points: Matrix) -> Matrix:
    """Bring points, shape (k, 2), [m], from the frame of a pose to the one that it is told in."""
    cos, sin = math.cos(pose.heading), math.sin(pose.heading)
    placed: Matrix = points @ np.array([[cos, sin], [-sin, cos]]) + (pose.x, pose.y)
    return placed
