"""Double of joint_trajectory_controller with position interfaces.

Source: ros2_controllers (jazzy), joint_trajectory_controller/src/trajectory.cpp
(`Trajectory::sample`) and joint_trajectory_controller.cpp (`update`, `topic_callback`,
`validate_trajectory_msg`). Parameters as the supervisor needs them:
interpolate_from_desired_state and allow_nonzero_velocity_at_trajectory_end true,
allow_partial_joints_goal and allow_integration_in_goal_trajectories false, no tolerances,
speed scaling 1.

What follows from the source and surprises:

- In the cycle at time t the *command* is the trajectory at t + period.
- A new message replaces the old one whole in its first cycle, at t. Stamp 0 starts it at t.
  Until its first point it runs from the last commanded state, which is the state meant for t
  but is dated t - period. So each replacement at speed v makes the command run ahead, at most
  by about one period of motion, and falls back before the first point: a ripple.
- When the first point is not in the future (time_from_start 0, or a stamp in the past), there
  is no blending: the command is at once the point of the trajectory for t + period.
- After the last point its position and velocity are held for ever.
- A message without points is refused. It cancels nothing.
- No value is checked for NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.cell.controllers.base import Controller, Refused
from safety_supervisor_sim.cell.controllers.spline import Point, Segment, Trajectory
from safety_supervisor_sim.cell.drive import Quantity, Target

Array = NDArray[np.float64]
NONE = np.zeros(0)


class JointTrajectoryController(Controller):
    """Plays the last accepted trajectory; holds its last point."""

    def __init__(self, joints: tuple[str, ...], period_ns: int) -> None:
        super().__init__(joints)
        self._period_ns = period_ns
        self._new: Trajectory | None = None
        self._points: tuple[Point, ...] = ()
        self._start_ns = 0
        self._before = Point(0, NONE, NONE, NONE)
        self._before_ns = 0
        self._time_ns = 0
        self._segment: Segment | None = None
        self._segment_key: int | None = None
        self._last = Point(0, NONE, NONE, NONE)
        self._last_ns = 0
        self._target: Target | None = None

    def activate(self, now_ns: int, position: Array, velocity: Array) -> None:
        """Hold the measured position."""
        super().activate(now_ns, position, velocity)
        self._last = Point(0, position.copy(), velocity.copy(), np.zeros_like(position))
        self._last_ns = now_ns
        self._new = Trajectory(self.joints, (Point(0, position.copy(), NONE, NONE),))
        self._target = None

    def command(self, now_ns: int, ros_now_ns: int, message: Trajectory) -> Refused | None:
        """Take one message; None when it was accepted and will replace the old one.

        Args:
            now_ns: receipt, for the deadman.  ros_now_ns: the node clock, for stamps.
        """
        reason = self._fault(ros_now_ns, message)
        if reason is not None:
            return self._refuse(reason)
        self._new = message
        self._accepted(now_ns)
        return None

    def _fault(self, ros_now_ns: int, message: Trajectory) -> str | None:
        size = len(self.joints)
        if len(message.joint_names) != size:
            return "partial joints"
        if not message.points:
            return "no points"
        if set(message.joint_names) != set(self.joints):
            return "joint names"
        if message.stamp_ns:
            end = message.stamp_ns + message.points[-1].time_from_start_ns
            if end < ros_now_ns:
                return "ends in the past"
        previous: int | None = None
        for point in message.points:
            if previous is not None and point.time_from_start_ns <= previous:
                return "times not increasing"
            previous = point.time_from_start_ns
            if len(point.positions) != size:
                return "positions size"
            if len(point.velocities) not in (0, size):
                return "velocities size"
            if len(point.accelerations) not in (0, size):
                return "accelerations size"
        return "effort" if message.has_effort else None

    def update(self, now_ns: int) -> Target | None:
        """One cycle at ROS time `now_ns`."""
        if self._new is not None:
            self._begin(now_ns)
        else:
            self._time_ns += self._period_ns
        sampled = self._sample(self._time_ns + self._period_ns)
        if sampled is None:
            return self._target
        position, velocity, acceleration = sampled
        self._last = Point(0, position, velocity, acceleration)
        self._last_ns = now_ns
        if self._target is None or self._target.values is not position:
            self._target = Target(position, Quantity.POSITION)
        return self._target

    def _begin(self, now_ns: int) -> None:
        assert self._new is not None
        message, self._new = self._new, None
        if message.points is self._points and self._rests_at_end(now_ns):
            # The same rest again: blended from where it is, it is the same at every instant.
            self._start_ns = message.stamp_ns or now_ns
            self._time_ns = now_ns
            return
        self._points = message.points
        if message.joint_names != self.joints:
            order = [message.joint_names.index(joint) for joint in self.joints]
            self._points = tuple(point.reordered(order) for point in message.points)
        self._start_ns = message.stamp_ns or now_ns
        self._before, self._before_ns = self._last, self._last_ns
        self._time_ns = now_ns
        self._segment_key = None

    def _rests_at_end(self, now_ns: int) -> bool:
        """Whether the last command was the end of the trajectory, and that is a rest."""
        end, last = self._points[-1], self._last
        return last.positions is end.positions and not (last.velocities.any() or last.accelerations.any())

    def _sample(self, time_ns: int) -> tuple[Array, Array, Array] | None:
        if time_ns < self._before_ns:
            return None
        points, since = self._points, time_ns - self._start_ns
        if since < points[0].time_from_start_ns:
            first_ns = self._start_ns + points[0].time_from_start_ns
            return self._through(-1, self._before_ns, self._before, first_ns, points[0], time_ns)
        # Times never run backwards within one trajectory: go on from the last segment.
        index = max(0, self._segment_key or 0)
        while index < len(points) - 1:
            if since < points[index + 1].time_from_start_ns:
                start, end = points[index], points[index + 1]
                return self._through(
                    index,
                    self._start_ns + start.time_from_start_ns,
                    start,
                    self._start_ns + end.time_from_start_ns,
                    end,
                    time_ns,
                )
            index += 1
        last, zeros = points[-1], np.zeros(len(self.joints))
        return (
            last.positions,
            last.velocities if len(last.velocities) else zeros,
            last.accelerations if len(last.accelerations) else zeros,
        )

    def _through(
        self, key: int, start_ns: int, start: Point, end_ns: int, end: Point, time_ns: int
    ) -> tuple[Array, Array, Array]:
        if self._segment is None or self._segment_key != key:
            self._segment = Segment(start_ns, start, end_ns, end)
            self._segment_key = key
        return self._segment.at(time_ns)
