"""Where people may be: the points that were told last, and those that vanished, which are remembered.

A message ages by the receiver's steady clock; its age at receipt is the configured latency, or more where its stamp
says so. Whatever is wrong with the last message, with its publisher or with its age makes people unknown: a person may
be anywhere then.

A point that vanished is remembered for two seconds at least, and goes on growing (REDTEAM 54). It has vanished unless
the new list has a point where it may have walked to, of which each is good for one.

Points are told in the frame that the base had when they were seen. Where it drives, a person who stands seems to walk:
by the judged odometry points are brought to one frame before they are compared, and to the base's newest pose before
distances are computed. While it is not known where the base was then, nobody stands for anybody, and people are
unknown. What the base moves from its newest pose on is its gate's, which keeps the whole circle of the robot off them.

Requirements: SR-030, SR-033, SR-036.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.errors import CODE_OF, Code, Violation
from safety_supervisor.core.events import Humans, HumansEndpoints
from safety_supervisor.core.settings import SeparationSettings
from safety_supervisor.core.stamps import judge_stamp
from safety_supervisor.core.units import NS_PER_S, Matrix, Nanoseconds, Vector, seconds

REMEMBERED: Final[Nanoseconds] = 2 * NS_PER_S
"""A point that vanished stays at least so long, [ns]."""

FARTHEST: Final = 1e4
"""A coordinate beyond this is no number of a cell, [m]."""

_MEMORY: Final = 2
"""Times `max_points` that are kept; perception that loses more tells nothing."""

_POINT: Final = 24  # bytes

Carrier: TypeAlias = Callable[[Matrix, NDArray[np.int64]], "tuple[Matrix, Vector] | None"]
"""Brings points, shape (K, 3), [m], from the base frame as it was when each was seen, shape (K,), [ns], to the newest
one, and says how far each may be beside that, shape (K,), [m]; None where it is not known where the base was."""


class Bystanders:
    """The people that are known.

    All attributes are for reading only.

    Attributes:
        points: shape (K, 3), [m], in the base frame as it was when each was seen.
        here: the same in the base frame of its newest pose, shape (K, 3), [m].
        beside: how far each may be from there because the base moved, shape (K,), [m].
        seen: a moment at or after which each point was where it is told, shape (K,), steady clock, [ns].
        version: counts changes of these.
        carrier: of a base that drives; None where it stands fast.
    """

    def __init__(self, settings: SeparationSettings, base_frame: str) -> None:
        """Start with nothing heard: people are unknown."""
        self._settings = settings
        self._frame = base_frame
        self._publishers: tuple[str, ...] = ()
        self._wrong: Violation | None = Violation(Code.PEOPLE_UNKNOWN, "separation", detail="nothing was heard yet")
        self._observed: Nanoseconds = 0
        self._stamp = (0, 0)
        self._present = 0
        self.points: Matrix = np.zeros((0, 3))
        self.seen: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.here: Matrix = self.points
        self.beside: Vector = np.zeros(0)
        self.version = 0
        self.carrier: Carrier | None = None
        self._lost = False

    def take(self, event: Humans) -> Violation | None:
        """Take a message, or say what is wrong with it; people are then unknown until a good one comes."""
        refusal = self._judge(event)
        if refusal is not None:
            # What is only repeated or late says nothing new, and grows old by itself.
            self._wrong = self._wrong if refusal.code is Code.OUT_OF_ORDER else refusal
            return refusal
        self._stamp = (event.stamp, event.clock)
        observed = (event.received or event.at) - max(self._settings.latency, event.clock - event.stamp)
        told = np.frombuffer(event.points, dtype=np.float64).reshape(-1, 3)
        vanished = self._vanished(told, observed)
        points = np.concatenate((told, self.points[vanished]))
        most = _MEMORY * self._settings.max_points
        if len(points) > most:
            text = "points vanish faster than they can be forgotten"
            self._wrong = Violation(
                Code.TOO_MANY_POINTS, "separation.memory", float(len(points)), float(most), "", text
            )
            return self._wrong
        self.points = points
        self.seen = np.concatenate((np.full(len(told), observed, dtype=np.int64), self.seen[vanished]))
        self._present, self._observed, self._wrong = len(told), observed, None
        self.settle()
        return None

    def settle(self) -> None:
        """Bring all points to the base's newest pose; asked again whenever it has another one."""
        carried = self._carry(self.points, self.seen)
        self._lost = carried is None
        # Where that is not known people are unknown, which stops: the numbers are then as told, and prove nothing.
        self.here, self.beside = (self.points, np.zeros(len(self.points))) if carried is None else carried
        self.version += 1

    def _carry(self, points: Matrix, seen: NDArray[np.int64]) -> tuple[Matrix, Vector] | None:
        if self.carrier is None or not len(points):
            return points, np.zeros(len(points))
        return self.carrier(points, seen)

    def _judge(self, event: Humans) -> Violation | None:
        settings = self._settings
        if event.code:
            return Violation(CODE_OF.get(event.code, Code.UNDECODABLE), "separation.bytes", detail=event.detail)
        if len(event.points) % _POINT:
            return Violation(Code.RAGGED, "separation.points")
        count = len(event.points) // _POINT
        if count > settings.max_points:
            return Violation(Code.TOO_MANY_POINTS, "separation.max_points", float(count), float(settings.max_points))
        if event.frame_id != self._frame:
            return Violation(Code.PEOPLE_FRAME, "separation.frame", detail=f"not in {self._frame}")
        # Written so that NaN fails.
        if not (np.abs(np.frombuffer(event.points, dtype=np.float64)) <= FARTHEST).all():
            return Violation(Code.NOT_FINITE, "separation.points")
        return judge_stamp("separation.stamp", event.stamp, event.clock, self._stamp, settings.timeout)

    def _vanished(self, told: Matrix, observed: Nanoseconds) -> NDArray[np.bool_]:
        """Which known points no told one stands for: the nearest pairs first, each point once; shape (K,)."""
        vanished = np.ones(len(self.points), dtype=np.bool_)
        if not len(self.points) or not len(told):
            return vanished
        old = len(self.points)
        times = np.concatenate((self.seen, np.full(len(told), observed, dtype=np.int64)))
        carried = self._carry(np.concatenate((self.points, told)), times)
        if carried is None:
            return vanished
        places, beside = carried
        apart = np.linalg.norm(places[:old, None] - places[None, old:], axis=2)
        apart -= beside[:old, None] + beside[None, old:]
        walked = self._settings.walking_speed * np.maximum(observed - self.seen, 0) / NS_PER_S
        near = np.argwhere(apart <= (walked + 2.0 * self._settings.sensor_uncertainty)[:, None])
        used: set[int] = set()
        for before, new in near[np.argsort(apart[near[:, 0], near[:, 1]], kind="stable")].tolist():
            if vanished[before] and new not in used:
                vanished[before] = False
                used.add(new)
        return vanished

    def publishers(self, event: HumansEndpoints) -> bool:
        """Take who publishes; return whether another one took the publisher's place."""
        before, self._publishers = self._publishers, event.ids or event.nodes
        return bool(before) and bool(self._publishers) and self._publishers != before

    def unknown(self, now: Nanoseconds) -> str:
        """Say why it is not known where people are; empty when it is."""
        if len(self._publishers) != 1:
            return f"{len(self._publishers)} publishers"
        if self._wrong is not None:
            return self._wrong.detail or self._wrong.code.cause
        if self._lost:
            return "where the base was when they were seen is not known"
        age = seconds(now - self._observed)
        return "" if now - self._observed <= self._settings.timeout else f"perception is {age:.2f} s old"

    def old(self, now: Nanoseconds) -> bool:
        """Whether a point that vanished could be forgotten."""
        return bool((now - self.seen[self._present :] > REMEMBERED).any())

    def forget(self, now: Nanoseconds, held: NDArray[np.bool_]) -> None:
        """Forget points that vanished long enough ago, but for those that are held, shape (K,)."""
        keep = held | (now - self.seen <= REMEMBERED)
        keep[: self._present] = True
        if not keep.all():
            self.points, self.seen = self.points[keep], self.seen[keep]
            self.settle()
