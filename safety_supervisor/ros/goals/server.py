"""The action server of one source, inside its gate: judges the form of goals, hands them on, tells clients the rest.

It decides nothing but form. It proves, beat by beat, that the client of each goal is alive; when the client, the gate
or the way between falls silent, the control process hears no proof and lets the kept stop run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from builtin_interfaces.msg import Duration as DurationMessage
from builtin_interfaces.msg import Time
from control_msgs.action import FollowJointTrajectory
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.node import Node
from rclpy.serialization import serialize_message
from trajectory_msgs.msg import JointTrajectoryPoint

from safety_supervisor.core.errors import Code
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.goals.frames import (
    Began,
    CancelRequested,
    Ended,
    GateSettings,
    GoalReceived,
    GoalRefused,
    Progress,
    Proof,
    Serving,
    ToGate,
    name_goal,
)
from safety_supervisor.ros.goals.pulse import Pulse
from safety_supervisor.ros.goals.tolerance import UNCHECKED, read_tolerances

PATIENCE = NS_PER_S
"""How long a client that has just come may need to be heard, [ns]."""
SERVING = NS_PER_S // 5
"""Time between two words that the gate serves, where liveliness is waived, [ns]."""
RESULT_KEPT = 10
"""How long a result is kept for its client, [s]."""
MOST_GOALS, MOST_KEPT = 16, 256
"""Goals that are under way, and those whose result is kept; more are rejected."""


def _name(goal_id: Any) -> str:
    return name_goal(bytes(goal_id.uuid))


def _nanoseconds(duration: DurationMessage) -> int:
    return int(duration.sec) * NS_PER_S + int(duration.nanosec)


@dataclass(frozen=True)
class _Unproven:
    """A goal whose client is not yet proved to be alive."""

    formed: GoalReceived
    taken: Nanoseconds
    due: Nanoseconds


class _Server(ActionServer):
    """An action server whose goals are executed elsewhere: `execute` changes the state and calls nothing."""

    worked = False
    """Whether anything was done that may have kept others waiting."""

    def notify_execute(self, goal_handle: Any, execute_callback: Callable[[Any], Any] | None) -> None:
        """Run a callback only where one is given: the one that ends the goal."""
        if execute_callback is not None:
            super().notify_execute(goal_handle, execute_callback)

    def take_data(self) -> Any:
        """Note that something had come; taking it decodes it, too."""
        self.worked = True
        return super().take_data()

    async def execute(self, taken_data: Any) -> None:
        """Note that it is judged now: in a turn of its own behind the taking, and not in no time where it is huge."""
        self.worked = True
        await super().execute(taken_data)


class GoalServer:
    """The action of one source.

    Args:
        node: of this process.
        settings: of the source.
        send: hands a frame to the control process.
        idle: returns the last moment at which nothing was left to be taken, steady clock, [ns].
    """

    def __init__(
        self, node: Node, settings: GateSettings, send: Callable[[Any], None], idle: Callable[[], Nanoseconds]
    ) -> None:
        """Offer the action."""
        self._idle = idle
        self._settings = settings
        self._send = send
        self._goals: dict[str, Any] = {}
        self._begun: set[str] = set()
        self._kept: deque[Nanoseconds] = deque()
        self._unproven: deque[_Unproven] = deque()
        self._canceled: list[str] = []
        self._serving_due = 0
        self._pulse = Pulse(node, FollowJointTrajectory, settings.action, settings.lease) if settings.lease else None
        self._server = _Server(
            node,
            FollowJointTrajectory,
            settings.action,
            _never,
            goal_callback=self._admit,
            handle_accepted_callback=self._take,
            cancel_callback=self._cancel,
            result_timeout=RESULT_KEPT,
        )

    # --- from the client

    def _admit(self, request: Any) -> GoalResponse:
        """Accept every goal that can be answered: only a result has room for a reason."""
        now = time.monotonic_ns()
        while self._kept and self._kept[0] <= now:
            self._kept.popleft()
        full = len(self._goals) >= MOST_GOALS or len(self._kept) >= MOST_KEPT
        return GoalResponse.REJECT if full else GoalResponse.ACCEPT

    def _take(self, handle: Any) -> None:
        """Judge a goal's form and hand it on, once its client has proved to be alive."""
        taken = time.monotonic_ns()
        goal = _name(handle.goal_id)
        self._goals[goal] = handle
        # It may have waited for its turn. So that this makes nothing look young, it came at the last idle moment where
        # its receipt counts, and its stamp is as old as it is now.
        formed = self._form(goal, handle.request, self._idle(), time.time_ns())
        handle.request.trajectory.points = []  # the handle is kept longer than the goal lasts
        if isinstance(formed, GoalReceived) and self._pulse is not None:
            self._unproven.append(_Unproven(formed, taken, taken + max(PATIENCE, self._settings.lease)))
        else:
            self._send(formed)

    def _form(self, goal: str, request: Any, received: Nanoseconds, clock: Nanoseconds) -> GoalReceived | GoalRefused:
        settings, trajectory = self._settings, request.trajectory
        joints = tuple(trajectory.joint_names)

        def refuse(code: Code, detail: str, value: float = 0.0, limit: float = 0.0) -> GoalRefused:
            return GoalRefused(goal, code.value, value, limit, detail)

        if request.multi_dof_trajectory.joint_names or request.multi_dof_trajectory.points:
            return refuse(Code.GOAL, "multi_dof_trajectory is not empty")
        if request.component_path_tolerance or request.component_goal_tolerance:
            return refuse(Code.GOAL, "a tolerance of components is given")
        if not joints and not trajectory.points:
            return refuse(Code.EMPTY, "the goal's trajectory is empty; cancel by the action's own request")
        if len(joints) > settings.max_joints:
            detail = "joints of the trajectory, more than the robot has"
            return refuse(Code.UNKNOWN_JOINT, detail, float(len(joints)), float(settings.max_joints))
        path = read_tolerances("path_tolerance", request.path_tolerance, joints)
        end = read_tolerances("goal_tolerance", request.goal_tolerance, joints)
        for found in (path, end):
            if isinstance(found, str):
                return refuse(Code.GOAL, found)
        assert not isinstance(path, str)
        assert not isinstance(end, str)
        patience = _nanoseconds(request.goal_time_tolerance)
        if patience < 0 and patience != UNCHECKED * NS_PER_S:
            return refuse(Code.GOAL, f"goal_time_tolerance is {patience / NS_PER_S:g} s")
        data = bytes(serialize_message(trajectory))
        if len(data) > settings.max_bytes:
            detail = "bytes of the goal's trajectory"
            return refuse(Code.TOO_LARGE, detail, float(len(data)), float(settings.max_bytes))
        return GoalReceived(goal, data, joints, clock, received, path, end, max(0, patience))

    def _cancel(self, handle: Any) -> CancelResponse:
        """Ask the control process; whoever cancels, it can only end motion."""
        goal = _name(handle.goal_id)
        waiting = [entry for entry in self._unproven if entry.formed.goal == goal]
        if waiting:
            self._unproven.remove(waiting[0])
            self._canceled.append(goal)  # once the handle's state is changed
        else:
            self._send(CancelRequested(goal))
        return CancelResponse.ACCEPT

    # --- in between

    def busy(self) -> bool:
        """Return whether anything was done since the last call, behind which something may wait."""
        worked, self._server.worked = self._server.worked, False
        return worked

    def step(self, now: Nanoseconds) -> None:
        """Feel the client's pulse, and hand on goals that waited for it."""
        for goal in self._canceled:
            code = Code.CANCELLED
            self._end(Ended(goal, "canceled", 0, f"{code.value}: {code.cause}"))
        self._canceled.clear()
        pulse = self._pulse
        if not self._goals:
            return
        if pulse is None:
            if now >= self._serving_due:
                self._serving_due = now + SERVING
                self._send(Serving())
            return
        if pulse.beat(now):
            self._send(Proof(pulse.proof))
        while self._unproven:
            first = self._unproven[0]
            if pulse.proof >= first.taken:
                self._send(first.formed)
            elif now >= first.due:
                detail = "it does not acknowledge feedback: subscribe to it reliably"
                code = Code.SOURCE_NOT_ALIVE.value
                self._send(GoalRefused(first.formed.goal, code, 0.0, 0.0, detail))
            else:
                return
            self._unproven.popleft()

    # --- from the control process

    def hear(self, frame: ToGate) -> None:
        """Tell the client of a goal what the control process says of it."""
        if isinstance(frame, Began):
            self._begin(frame)
        elif isinstance(frame, Progress):
            self._show(frame)
        else:
            self._end(frame)

    def _begin(self, frame: Began) -> None:
        """Show a goal as executing."""
        handle = self._goals.get(frame.goal)
        if handle is not None and not handle.is_cancel_requested:
            self._begun.add(frame.goal)
            handle.execute()

    def _show(self, frame: Progress) -> None:
        """Publish feedback."""
        handle = self._goals.get(frame.goal)
        if handle is None:
            return
        feedback = FollowJointTrajectory.Feedback(joint_names=list(frame.joints))
        seconds, rest = divmod(frame.clock, NS_PER_S)
        feedback.header.stamp = Time(sec=seconds, nanosec=rest)
        desired, actual = frame.desired, frame.actual
        feedback.desired = JointTrajectoryPoint(positions=desired[0], velocities=desired[1], accelerations=desired[2])
        feedback.actual = JointTrajectoryPoint(positions=actual[0], velocities=actual[1])
        feedback.error = JointTrajectoryPoint(positions=_difference(desired[0], actual[0]))
        if actual[1]:
            feedback.error.velocities = _difference(desired[1], actual[1])
        handle.publish_feedback(feedback)

    def _end(self, frame: Ended) -> None:
        """Give a goal its result."""
        handle = self._goals.pop(frame.goal, None)
        if handle is None:
            return
        begun = frame.goal in self._begun
        self._begun.discard(frame.goal)
        self._kept.append(time.monotonic_ns() + RESULT_KEPT * NS_PER_S)

        def finish(one: Any) -> Any:
            self._server.worked = True
            if frame.outcome == "succeeded":
                one.succeed()
            elif frame.outcome == "canceled" and one.is_cancel_requested:
                one.canceled()
            else:
                one.abort()
            return FollowJointTrajectory.Result(error_code=frame.error_code, error_string=frame.error_string)

        if begun or handle.is_cancel_requested:
            self._server.notify_execute(handle, finish)
        else:
            handle.execute(finish)  # no other way leads from its acceptance to an end


def _difference(desired: tuple[float, ...], actual: tuple[float, ...]) -> list[float]:
    return [a - b for a, b in zip(desired, actual, strict=True)]


def _never(handle: Any) -> Any:
    raise AssertionError("goals are executed by the control process")
