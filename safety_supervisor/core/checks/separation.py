"""Separation from people along a step and its stop, proven for the whole way and for how far people walk meanwhile.

S = Sh + Sr + Ss + C + Zd + Zr (ISO/TS 15066, 5.5.4). A point p that was seen at t0 is, at time t, the ball

    B(p, radius(t)),   radius(t) = body_radius + C + Zd + walking_speed (t - t0),

and Sh is what it grows from now until the robot rests: perception age, reaction and the time of the very stop that is
verified. Sr and Ss are no numbers here: the robot is somewhere on the way of its set-points, from the one that was sent
`tracking.delay` ago to the end of that stop, and the *whole way* stays outside the balls of the moment when it rests.
Zr is what `tracking.path_error` of the joints takes from a link's distance.

The proof: with d_A and d_B the distances of link i from p at two poses, and `way` a bound of what each joint travels
between them, at every pose between

    distance >= (d_A + d_B - reach_i @ way) / 2,

since the way to A and the way to B add up to `way` and the distance changes by no more than reach_i @ |dq|.

Requirements: SR-026, SR-033, SR-036.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.bystanders import Bystanders
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.geometry.capsules import LinkCapsules
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.motion.stopping import Stop, longest_stop
from safety_supervisor.core.settings import Configuration, SeparationSettings
from safety_supervisor.core.units import NS_PER_S, Matrix, Nanoseconds, Vector, nanoseconds, seconds

RESERVED_SHARE: Final = 0.1
"""Share of the distance that what is commanded keeps beyond it, and REDUCED needs beyond it to end: a person who stands
and is told with noise makes a refusal of it and no protective stop, and no chatter."""

STRETCH: Final = 0.05
"""A stop is asked at so many poses that links travel about this far between two, [m] ..."""
STRETCHES: Final = 8
"""... but at no more than this many: that costs distance, never the proof."""


class SeparationCheck:
    """Proves that a step and its stop keep the separation distance from everybody."""

    def __init__(self, configuration: Configuration, settings: SeparationSettings, model: RobotModel) -> None:
        """Wrap the links and compute what is constant."""
        timing, tracking, envelope = configuration.timing, configuration.tracking, configuration.envelope
        self.people = Bystanders(settings, configuration.robot.base_frame)  # unknown, until `read` says where to look
        self._capsules = LinkCapsules(model, configuration.geometry)
        self._reach = self._capsules.reach
        self._walking = settings.walking_speed
        self._period = timing.period
        self.reaction: Nanoseconds = timing.overrun + tracking.delay
        """From a set-point's own time until the robot surely follows it, [ns]."""
        self._fixed: Vector = (
            settings.body_radius + settings.intrusion + settings.sensor_uncertainty + self._reach @ tracking.path_error
        )
        fresh = seconds(settings.latency + self._period + self.reaction)
        rest = float(self._fixed.max(initial=0.0)) + self._walking * fresh
        self.reserve = RESERVED_SHARE * rest
        """What is commanded keeps so much more, [m]."""
        period, stop, fastest = seconds(self._period), longest_stop(envelope.joints), envelope.frame_speed or 0.0
        moving = fastest * (period + seconds(self.reaction) + 0.5 * stop)
        self.full = self._walking * (period + stop) + moving + self.reserve
        """What a robot at full speed needs beyond one at rest, [m]: decides on REDUCED, never on a step."""
        self.hysteresis = RESERVED_SHARE * (rest + self.full)
        """REDUCED ends with so much more, [m]."""
        self._sent: deque[Vector] = deque(maxlen=2 + int(tracking.delay // self._period))
        self._lag: Vector = np.zeros(len(model.joints))
        self._now: Nanoseconds = 0
        self.forget()

    def read(self, people: Bystanders) -> None:
        """Read from now on where these people are; they are told by `Inputs`."""
        self.people = people

    def forget(self) -> None:
        """Begin anew, at another pose."""
        self._sent.clear()
        self._lag = np.zeros_like(self._lag)
        self._asked: tuple[int, Vector, Vector] | None = None

    def begin(self, now: Nanoseconds, q: Vector) -> None:
        """Begin a cycle; q is the set-point that was sent last, shape (n,), [rad]."""
        self._now = now
        self._sent.append(q)
        if len(self._sent) > 1:
            self._lag = np.abs(np.diff(np.array(self._sent), axis=0)).sum(axis=0)

    # --- what is proven

    def check(self, before: Vector, q: Vector, stop: Stop) -> Violation | None:
        """Check the step from the last set-point to the next one, and the stop from there.

        Args:
            before: last commanded positions, shape (n,), [rad].
            q: next commanded positions, shape (n,), [rad].
            stop: planned from q.
        """
        unknown = self.people.unknown(self._now)
        if unknown:
            return Violation(Code.PEOPLE_UNKNOWN, "separation", detail=unknown)
        if not self._sent:
            self._sent.append(before)
        until = self._now + self._period + self.reaction + nanoseconds(stop.duration)
        step = np.abs(q - before)
        step += np.abs(before - self._sent[-1])
        if self._surely_clear(q, self._lag + step, stop, until):
            return None
        rooms, first, last = self._along(self._lag + step, stop, 0.0, until)
        lowest = rooms.min(initial=np.inf)
        # A robot that is a little too near already may leave: where it rests it is no nearer than where it is.
        if lowest >= self.reserve or (lowest >= 0.0 and last >= first):
            return None
        if not np.isfinite(lowest):
            return Violation(Code.NOT_FINITE_RESULT, "separation", detail="a distance is not finite")
        link, point = np.unravel_index(int(rooms.argmin()), rooms.shape)
        needed = float(self._fixed[link] + self._grown(until)[point])
        return Violation(
            Code.SEPARATION, "separation", needed + float(lowest), needed + self.reserve, self._capsules.links[link],
            "a person is too near for this step and its stop",
        )  # fmt: skip

    def rooms(self, stop: Stop, elapsed: float) -> NDArray[np.float64]:
        """What is left of the distance while a stop runs on; negative where it is not kept.

        Args:
            stop: that the robot is on, or would run.
            elapsed: time into it of the set-point that was sent last, [s].

        Returns:
            Of every link's capsule from every point, shape (M, K), [m].
        """
        left = max(0.0, stop.duration - elapsed)
        return self._along(self._lag, stop, elapsed, self._now + self.reaction + nanoseconds(left))[0]

    def rooms_at(self, q: Vector, left: float) -> NDArray[np.float64]:
        """The same of one pose, shape (n,), at which the robot is measured `left` seconds before it rests."""
        distances: NDArray[np.float64] = self._capsules.distances(q[None], self.people.here)[0]
        return distances - self._needed(self._now + self.reaction + nanoseconds(left))

    def surely_keeps(self, q: Vector, stop: Stop, elapsed: float) -> bool:
        """Whether a measured pose and the rest of a stop keep the distance, known without asking a pose."""
        left = max(0.0, stop.duration - elapsed)
        until = self._now + self.reaction + nanoseconds(left)
        away = np.abs(q - self._sent[-1])
        return self._surely_clear(self._sent[-1], self._lag + away, stop, until, elapsed, 0.0)

    def permits_full(self, q: Vector, margin: float) -> bool:
        """Whether a robot at this pose could go at full speed and keep the distance by a margin, [m]."""
        until = self._now + self.reaction
        if self._clear_by_memory(q, np.zeros_like(q), until, self.full + margin):
            return True
        self._ask(q)
        return self._clear_by_memory(q, np.zeros_like(q), until, self.full + margin)

    # --- how

    def _grown(self, until: Nanoseconds) -> Vector:
        """How far each person may be from where he was seen: he walked, the base moved; shape (K,), [m]."""
        grown: Vector = self._walking * (until - self.people.seen) / NS_PER_S + self.people.beside
        return grown

    def _needed(self, until: Nanoseconds) -> Matrix:
        """Distance that every capsule needs from every point, shape (M, K), [m]."""
        return self._fixed[:, None] + self._grown(until)

    def _along(
        self, first_way: Vector, stop: Stop, elapsed: float, until: Nanoseconds
    ) -> tuple[NDArray[np.float64], float, float]:
        """Bound the rooms along the way of set-points and the rest of a stop.

        Args:
            first_way: travel of each joint from the oldest set-point that counts to `elapsed` of the stop, [rad].
            stop: the stop.
            elapsed: where in it to begin, [s].
            until: when the robot rests at the latest, [ns].

        Returns:
            Rooms, shape (M, K), [m], and the least distance where the way begins and ends less what it needs.
        """
        begin, end = min(elapsed, stop.duration), stop.duration
        travel = float((self._reach @ stop.ways((begin, end))[0]).max(initial=0.0))
        parts = 1 + min(STRETCHES - 1, int(travel / STRETCH)) if end > begin else 0
        times = (begin, *(begin + (end - begin) * part / parts for part in range(1, parts)), end)[: parts + 1]
        poses = np.concatenate((self._sent[0][None], stop.positions(times)))
        ways = np.concatenate((first_way[None], stop.ways(times)))
        distances = self._capsules.distances(poses, self.people.here)
        self._remember(poses[1], distances[1])
        low = (distances[1:] + distances[:-1] - (ways @ self._reach.T)[:, :, None]) / 2.0
        needed = self._needed(until)
        ends = [float((distances[i] - needed).min(initial=np.inf)) for i in (0, -1)]
        return low.min(axis=0) - needed, ends[0], ends[1]

    def _surely_clear(
        self,
        q: Vector,
        behind: Vector,
        stop: Stop,
        until: Nanoseconds,
        elapsed: float = 0.0,
        margin: float | None = None,
    ) -> bool:
        """Whether a pose that was asked proves the way clear: all of it is behind q or ahead of it."""
        ahead = stop.ways((min(elapsed, stop.duration), stop.duration))[0]
        return self._clear_by_memory(q, np.maximum(behind, ahead), until, self.reserve if margin is None else margin)

    def _clear_by_memory(self, q: Vector, way: Vector, until: Nanoseconds, margin: float) -> bool:
        """Whether the pose that was asked last proves all poses within `way` of q clear by a margin, [m]."""
        if not len(self.people.here):
            return True
        if self._asked is None or self._asked[0] != self.people.version:
            self._ask(q)
        assert self._asked is not None
        _, pose, clear_until = self._asked
        left = clear_until - self._reach @ (np.abs(q - pose) + way)
        return bool((left >= self._walking * until / NS_PER_S + margin).all())

    def _ask(self, q: Vector) -> None:
        self._remember(q, self._capsules.distances(q[None], self.people.here)[0])

    def _remember(self, q: Vector, distances: NDArray[np.float64]) -> None:
        """Keep for each capsule how far people may have walked, counted from time 0, until one is too near."""
        walked = self._walking * self.people.seen / NS_PER_S - self.people.beside
        nearest = (distances + walked).min(axis=1, initial=np.inf)
        self._asked = (self.people.version, q, nearest - self._fixed)
