"""The gate of `cmd_vel`: a base's velocity, passed on only with a stop that keeps it inside its fence and off people.

The invariant is that of the joints: a twist is sent when the motion that it causes, followed by a full stop, was
verified; whenever the next command is late, missing, refused or not verified, that stop goes on.

The proof. The pose was measured at t0. What the base does from then on until a stop that is ordered next cycle begins,
T = age of the pose + reaction + 2 periods at most, are twists that were sent in that time, or the one that is to be
sent, u = (v, w), which differ from it by no more than dv and dw; then comes the stop, over a length L. So the origin is
never farther from the arc of u, followed for T and for the stop,

    d = |v| T + |v| T_stop / 2      (T_stop = |v| / a: the v T + v^2 / 2a of the stopping distance)

than e = dv T + dw T (|v| T / 2 + L): velocities differ by dv and, once the heading differs by dw T, by |v| dw T more.
Poses on that arc are asked at a step s: between two of them the origin is no farther than s / 2 from one. So where
every pose asked has a room of radius + margin + e + s / 2, the whole footprint circle stays inside, however it turns.

A base that is found nearer to the fence than that, by noise of its odometry or pushed there, may leave: slowly, and
where the rooms of the poses asked never fall.

From a person told at p the same way keeps S = Sh + Sr + Ss + C + Zd + Zr (ISO/TS 15066, 5.5.4), with Sr + Ss the way
itself and Sh the person's own walk over age + T + T_stop.

A base also carries the arm into bodies of the world. The arm's plan, its step and stop, leaves it a room: no point of
the robot may come nearer to them than that. On the way above, from the pose on, a point moves by no more than

    |v| T + |v| T_stop / 2 + radius (|w| T + |w| T_stop / 2)      (|v|, |w| over T: the greatest of what was sent)

Requirements: SR-026, SR-029, SR-031, SR-033, SR-036, SR-054.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.base.geofence import FenceSettings, Geofence
from safety_supervisor.core.base.motion import REST, PlanarPose, PlanarTwist, arc, stop_time
from safety_supervisor.core.units import NS_PER_S, Matrix, Nanoseconds, Vector, nanoseconds, seconds

_STEP: Final = 0.02
"""Poses on an arc are asked about so far apart, [m] ..."""
_POSES: Final = 64
"""... but no more than this many: that costs room, never the proof."""
_LEAVING: Final = 0.1
"""Fastest way out for a base that is too near to its fence, [m/s]."""
_LEVEL: Final = 1e-9
"""Rooms along a wall may differ by rounding, [m]."""
_HALVINGS: Final = 6
"""How finely the fastest twist that is verified is looked for."""


class GateReason(str, Enum):
    """Why what is sent is what it is."""

    PASSED = "the command, unchanged"
    SPEED = "slowed to the speed limits along its own way"
    ACCELERATION = "on the way to the command within the acceleration limits"
    FENCE = "slowed or stopped: with the stop after it the command leaves the fence"
    PEOPLE = "slowed or stopped: with the stop after it the command comes too near to a person"
    WORLD = "slowed or stopped: with the stop after it the command may carry the arm into a body of the world"
    PEOPLE_UNKNOWN = "stopped: where people are is unknown"
    STALE = "stopped: the command is too old, or there is none"
    AXES = "stopped: the command moves the base up, sideways or tilts it, which it can not do"
    POSE_STALE = "stopped: where the base is was not told in time"
    POSE_NOT_FINITE = "stopped: the base's pose is not finite"
    FAULT = "stopped: a command was not finite; a person resets"


@dataclass(frozen=True)
class PeopleDistance:
    """What is assumed of people (`SeparationSettings`)."""

    walking_speed: float
    """[m/s]"""
    allowance: float
    """Body radius, C and Zd together, [m]."""


@dataclass(frozen=True)
class BaseGateSettings:
    """Limits of a base."""

    period: Nanoseconds
    reaction: Nanoseconds
    """Longest time from sending a twist until the base surely follows it."""
    command_timeout: Nanoseconds
    pose_timeout: Nanoseconds
    speed: float
    """[m/s]"""
    turning: float
    """[rad/s]"""
    acceleration: float
    """Of any change of velocity, also of the stop, [m/s^2]."""
    turning_acceleration: float
    """[rad/s^2]"""
    sideways: bool
    """Whether the base can move to its side."""
    radius: float
    """Of a circle about the base's origin that holds the robot, whatever it does with its arms, [m]."""
    margin: float
    """What odometry, following and slip take, [m]."""
    fence: FenceSettings
    people: PeopleDistance | None = None

    @property
    def longest_stop(self) -> float:
        """Of all that may be sent, with the reaction before it, [s]."""
        braking = max(self.speed / self.acceleration, self.turning / self.turning_acceleration)
        return braking + seconds(self.reaction)


@dataclass(frozen=True)
class WantedTwist:
    """A Twist as it came: linear x, y, z [m/s] and angular x, y, z [rad/s] in the base's frame, and when [ns]."""

    linear: tuple[float, float, float]
    angular: tuple[float, float, float]
    received: Nanoseconds


@dataclass(frozen=True)
class People:
    """Where people were told to be.

    Attributes:
        points: shape (k, 2), in the fence's frame, [m].
        seen: a moment at or after which each was there, [ns]; one for all, or shape (k,).
        beside: how far each may have been from where it is told, [m]; one for all, or shape (k,).
    """

    points: Matrix
    seen: Nanoseconds | NDArray[np.int64]
    beside: float | Vector = 0.0


@dataclass(frozen=True)
class Gated:
    """What to send, and why."""

    twist: PlanarTwist
    reason: GateReason


class BaseGate:
    """Decides what a base is sent, once a control period."""

    def __init__(self, settings: BaseGateSettings) -> None:
        """Begin at rest.

        Raises:
            ValueError: when a polygon of the fence is none.
        """
        self._settings = settings
        self._fence = Geofence(settings.fence)
        self._sent: deque[tuple[Nanoseconds, PlanarTwist]] = deque()
        self._last = REST
        self.fault = False
        """Whether a command was not finite; nothing but `reset` ends it."""

    def reset(self) -> None:
        """End a fault: an act of a person."""
        self.fault = False

    @property
    def stop(self) -> Nanoseconds:
        """Time that the stop from the last twist takes, [ns]; 0 at rest."""
        return nanoseconds(self._stop_time(self._last))

    def brake(self, now: Nanoseconds) -> PlanarTwist:
        """Go on with the stop from the last twist, whatever is known; one that was decided now was never sent."""
        if self._sent and self._sent[-1][0] == now:
            self._sent.pop()
            self._last = self._sent[-1][1] if self._sent else REST
        return self._send(now, self._braked(), GateReason.FAULT).twist

    def step(
        self,
        now: Nanoseconds,
        command: WantedTwist | None,
        pose: PlanarPose | None,
        people: People | None = None,
        speed: float = math.inf,
        room: float = math.inf,
    ) -> Gated:
        """Decide what to send in this control period.

        Args:
            now: steady clock, [ns]; a period after the last one.
            command: the newest one; None: none was received.
            pose: the newest one.
            people: None: unknown.
            speed: greatest speed where it is below the configured one, [m/s].
            room: how far any point of the robot may move from where the pose puts it, [m].
        """
        brake = self._braked()
        stop, wanted = self._judge(now, command, pose, people)
        if stop is not None or pose is None:
            return self._send(now, brake, stop or GateReason.POSE_STALE)
        target, reason = self._limited(wanted, min(speed, self._settings.speed))
        following = self._within_acceleration(target)
        if following != target:
            reason = GateReason.ACCELERATION if reason is GateReason.PASSED else reason
        refused = self._refuses(now, following, pose, people, room)
        if refused is None:
            return self._send(now, following, reason)
        # Braking is verified already; of what lies between it and the command, the most that is.
        low, best, step = 0.0, brake, 0.5
        for _ in range(_HALVINGS):
            tried = brake.toward(following, low + step)
            if self._refuses(now, tried, pose, people, room) is None:
                low, best = low + step, tried
            step /= 2.0
        return self._send(now, best, refused)

    # --- what was told

    def _judge(
        self, now: Nanoseconds, command: WantedTwist | None, pose: PlanarPose | None, people: People | None
    ) -> tuple[GateReason | None, PlanarTwist]:
        """Return why to stop, or None and the twist that is wanted."""
        settings = self._settings
        if command is not None and not all(map(math.isfinite, (*command.linear, *command.angular))):
            self.fault = True
        if self.fault:
            return GateReason.FAULT, REST
        if command is None or not 0 <= now - command.received <= settings.command_timeout:
            return GateReason.STALE, REST
        (x, y, z), (roll, pitch, turn) = command.linear, command.angular
        if z or roll or pitch or (y and not settings.sideways):
            return GateReason.AXES, REST
        if pose is None or not 0 <= now - pose.received <= settings.pose_timeout:
            return GateReason.POSE_STALE, REST
        if not pose.finite:
            return GateReason.POSE_NOT_FINITE, REST
        if settings.people is not None and (
            people is None
            or np.max(people.seen, initial=0) > now
            or not (np.isfinite(people.points).all() and np.isfinite(people.beside).all())
        ):
            return GateReason.PEOPLE_UNKNOWN, REST
        return None, PlanarTwist(x, y, turn)

    # --- limits

    def _limited(self, wanted: PlanarTwist, speed: float) -> tuple[PlanarTwist, GateReason]:
        """Slow a twist to the speed limits, along its own arc."""
        over = max(wanted.speed / speed, abs(wanted.turn) / self._settings.turning)
        return (wanted.scaled(1.0 / over), GateReason.SPEED) if over > 1.0 else (wanted, GateReason.PASSED)

    def _within_acceleration(self, target: PlanarTwist) -> PlanarTwist:
        """Return how far toward a twist one period leads."""
        settings = self._settings
        faster, turning = self._last.apart(target)
        dt = seconds(settings.period)
        over = max(faster / (settings.acceleration * dt), turning / (settings.turning_acceleration * dt))
        return self._last.toward(target, 1.0 / over) if over > 1.0 + 1e-9 else target

    def _braked(self) -> PlanarTwist:
        """Return the next twist of the stop from the last one."""
        time, dt = self._stop_time(self._last), seconds(self._settings.period)
        return REST if time <= dt * (1.0 + 1e-9) else self._last.scaled(1.0 - dt / time)

    def _stop_time(self, twist: PlanarTwist) -> float:
        return stop_time(twist, self._settings.acceleration, self._settings.turning_acceleration)

    # --- where it leads

    def _refuses(
        self, now: Nanoseconds, twist: PlanarTwist, pose: PlanarPose, people: People | None, room: float = math.inf
    ) -> GateReason | None:
        """Return what a twist and the stop after it break; nothing is sent that was not asked about here."""
        settings = self._settings
        if twist != REST and self._moves(now, pose, twist) > room:
            return GateReason.WORLD
        window = seconds(now - pose.received + settings.reaction + 2 * settings.period)
        stop = self._stop_time(twist)
        length = twist.speed * (window + stop / 2.0)
        poses = 2 + min(_POSES - 2, int(length / _STEP))
        times: Vector = np.linspace(0.0, window + stop / 2.0, poses)
        points = arc(pose, twist, times)
        faster, turning = self._differing(pose.received - settings.reaction, twist)
        beside = window * (faster + turning * (twist.speed * window / 2.0 + twist.speed * stop / 2.0))
        kept = settings.radius + settings.margin + beside + length / (poses - 1) / 2.0
        rooms = self._fence.room(points)
        leaves = twist.speed <= _LEAVING and (np.diff(rooms) >= -_LEVEL).all()
        if not ((rooms >= kept).all() or leaves):
            return GateReason.FENCE
        if settings.people is None or people is None or not len(people.points):
            return None
        walk = settings.people.walking_speed * ((now - people.seen) / NS_PER_S + window + stop) + people.beside
        apart = np.linalg.norm(points[:, None] - people.points, axis=2)
        return None if (apart >= kept + settings.people.allowance + walk).all() else GateReason.PEOPLE

    def moves(self, now: Nanoseconds, pose: PlanarPose) -> float:
        """Bound how far any point of the robot moves from where a pose puts it until the base rests, [m].

        By what was sent until now, and the stop from the last of it, which begins in two periods at most.
        """
        return self._moves(now, pose, self._last)

    def _moves(self, now: Nanoseconds, pose: PlanarPose, twist: PlanarTwist) -> float:
        settings, stop = self._settings, self._stop_time(twist)
        window = seconds(now - pose.received + settings.reaction + 2 * settings.period)
        followed = [twist, *(earlier for _, earlier in self._followed(pose.received - settings.reaction))]
        way = max(one.speed for one in followed) * window + twist.speed * stop / 2.0
        turn = max(abs(one.turn) for one in followed) * window + abs(twist.turn) * stop / 2.0
        return way + settings.radius * turn

    def _followed(self, since: Nanoseconds) -> list[tuple[Nanoseconds, PlanarTwist]]:
        """Return what was sent and may still be followed after a moment."""
        sent = list(self._sent)
        while len(sent) > 1 and sent[1][0] <= since:
            del sent[0]
        return sent

    def _differing(self, since: Nanoseconds, twist: PlanarTwist) -> tuple[float, float]:
        """Return how far what was sent and may still be followed after a moment differs, [m/s] and [rad/s]."""
        apart = [twist.apart(earlier) for _, earlier in self._followed(since)] or [twist.apart(REST)]
        return max(faster for faster, _ in apart), max(turning for _, turning in apart)

    def _send(self, now: Nanoseconds, twist: PlanarTwist, reason: GateReason) -> Gated:
        self._last = twist
        oldest = now - self._settings.pose_timeout - self._settings.reaction
        while len(self._sent) > 1 and self._sent[1][0] <= oldest:
            self._sent.popleft()
        self._sent.append((now, twist))
        return Gated(twist, reason)
