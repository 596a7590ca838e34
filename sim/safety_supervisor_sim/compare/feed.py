"""From what a source says to where the robot is to be at an instant: what every comparator has in front of it.

It is what one has without a supervisor, taken at its best. Messages are judged as joint_trajectory_controller judges
them (ros2_controllers, jazzy, `validate_trajectory_msg`): names have to be its joints, each once, rows whole, times
increasing, no effort, the end not in the past. A value that is not finite is dropped with its message, as
forward_command_controller does; joint_trajectory_controller would let it through. Streams run through their set-points
by cubics two periods late, with velocities from their neighbours: MoveIt Servo streams positions and velocities, and
that controller does the same with them. Trajectories are played by its splines. When nothing comes any more, the last
set-point is held.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.events import StreamCommand, TrajectoryCommand
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.cell.controllers.spline import Point, Segment

Array = NDArray[np.float64]
LATE: Final = 2
"""Periods of its source between a set-point's receipt and the instant at which it is reached."""
MOST: Final = 64
"""Set-points that wait."""
Knot = tuple[int, Array]


class Feed:
    """What one robot is told, by any source; the newest message wins.

    Args:
        configuration: of the supervisor: joints, and periods of sources; nothing of its limits is used.
    """

    def __init__(self, configuration: Configuration) -> None:
        """Hear nothing yet."""
        self._joints = configuration.robot.joints
        self._periods = {source.name: source.period for source in configuration.sources}
        self._knots: deque[Knot] = deque(maxlen=MOST)
        self._points: list[Point] = []
        self._since = 0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be followed: what was held goes on being held."""
        return not self._knots and not self._points

    def forget(self) -> None:
        """Follow nothing any more."""
        self._knots.clear()
        self._points = []

    def stream(self, event: StreamCommand, held: Array) -> bool:
        """Take a set-point; return whether it will be followed.

        Args:
            event: as it came.
            held: where the robot is commanded to be, shape (n,), [rad].
        """
        size = len(event.names)
        if len(event.positions) != size or event.efforts or not self._known(event.names):
            return False
        if event.stamp and abs(event.stamp - event.clock) > 1_000_000_000:
            return False  # one in the past is refused there; one in the future would begin then, and be replaced
        values = self._ordered(event.names, np.array(event.positions))
        if not np.isfinite(values).all():
            return False
        period = self._periods[event.source]
        due = (event.received or event.at) + LATE * period
        self._points = []
        if not self._knots or self._knots[-1][0] <= event.at - period:
            self._knots.clear()
            self._knots.append((due - period, held.copy()))
        if due > self._knots[-1][0]:
            self._knots.append((due, values))
        return True

    def trajectory(self, event: TrajectoryCommand, held: Array, velocity: Array) -> bool:
        """Take a trajectory; return whether it will be followed. One without points is refused, and ends nothing."""
        size, count = len(self._joints), len(event.times)
        if not count or event.efforts or not self._known(event.names):
            return False
        if any(later <= earlier for earlier, later in zip(event.times, event.times[1:], strict=False)):
            return False
        if event.stamp and event.stamp + event.times[-1] < event.clock:
            return False
        fields = []
        for data, counts, needed in (
            (event.positions, event.position_counts, True),
            (event.velocities, event.velocity_counts, False),
            (event.accelerations, event.acceleration_counts, False),
        ):
            if not needed and not any(counts):
                fields.append(np.zeros((count, 0)))
                continue
            if any(one != size for one in counts):
                return False
            rows = np.frombuffer(data, dtype=np.float64).reshape(count, size)
            if not np.isfinite(rows).all():
                return False
            fields.append(np.array([self._ordered(event.names, row) for row in rows]))
        points = [Point(time, *rows) for time, *rows in zip(event.times, *fields, strict=True)]
        if points[0].time_from_start_ns > 0:
            points.insert(0, Point(0, held.copy(), velocity.copy(), np.zeros(size)))
        self._knots.clear()
        self._points, self._since = points, event.at
        return True

    def at(self, now: int, held: Array) -> Array:
        """Return where the robot is to be at an instant, shape (n,), [rad]; `held`: where it is commanded to be now."""
        if self._points:
            return self._on_trajectory(now - self._since)
        while len(self._knots) > 3 and self._knots[2][0] <= now:
            self._knots.popleft()
        knots = list(self._knots)
        if not knots or now <= knots[0][0]:
            return held
        if now >= knots[-1][0]:
            self._knots.clear()
            return knots[-1][1]
        first = next(index for index in range(len(knots) - 1) if now < knots[index + 1][0])
        (begin, start), (end, goal) = knots[first], knots[first + 1]
        empty = np.zeros(0)
        before = Point(begin, start, _slope(knots, first), empty)
        after = Point(end, goal, _slope(knots, first + 1), empty)
        return Segment(begin, before, end, after).at(now)[0]

    def _on_trajectory(self, since: int) -> Array:
        points = self._points
        if since >= points[-1].time_from_start_ns:
            self._points = []
            return points[-1].positions
        while len(points) > 2 and points[1].time_from_start_ns <= since:
            points.pop(0)
        first, second = points[0], points[1]
        return Segment(first.time_from_start_ns, first, second.time_from_start_ns, second).at(since)[0]

    def _known(self, names: tuple[str, ...]) -> bool:
        return len(names) == len(self._joints) and set(names) == set(self._joints)

    def _ordered(self, names: tuple[str, ...], values: Array) -> Array:
        if names == self._joints or len(values) != len(names):
            return values
        return values[[names.index(joint) for joint in self._joints]]


def _slope(knots: list[Knot], index: int) -> Array:
    """Return the velocity at a set-point, from its neighbours; at rest where it has but one."""
    if index in (0, len(knots) - 1):
        return np.zeros_like(knots[index][1])
    (earlier, before), (later, after) = knots[index - 1], knots[index + 1]
    slope: Array = (after - before) / ((later - earlier) * 1e-9)
    return slope
