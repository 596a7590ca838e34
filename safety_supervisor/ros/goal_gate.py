"""The goal gate, `python -m safety_supervisor.ros.goal_gate`: the action servers, in a process of their own.

rclpy decodes a goal before anybody can look at its length, and 1,000 points take 10 ms: too long for the control
process. This one takes goals, hands their trajectories on as bytes, and tells clients what the control process says.
It decides nothing but form. It proves, beat by beat, that the client of each goal is alive; when the client, this
process or the way between falls silent, the control process hears no proof and lets the kept stop run.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import rclpy
from builtin_interfaces.msg import Duration as DurationMessage
from builtin_interfaces.msg import Time
from control_msgs.action import FollowJointTrajectory
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.node import Node
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from trajectory_msgs.msg import JointTrajectoryPoint

from safety_supervisor.core.errors import Code
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.child import FramePipe
from safety_supervisor.ros.cycle import make_executor
from safety_supervisor.ros.goal_frames import (
    Began,
    CancelRequested,
    Ended,
    GateSettings,
    GoalReceived,
    GoalRefused,
    Progress,
    Proof,
    Ready,
    ToGate,
)
from safety_supervisor.ros.goal_pulse import Pulse
from safety_supervisor.ros.goal_tolerance import UNCHECKED, read_tolerances
from safety_supervisor.ros.main import NO_LOG_FILE
from safety_supervisor.ros.process import die_with_parent

MEMORY = 4 * 1024**3
"""Address space, [bytes]: a goal made to exhaust memory ends this process and nothing else."""
WAIT = 0.005
"""Longest wait for the middleware between two looks at the pipe, [s]."""
PATIENCE = NS_PER_S
"""How long a client that has just come may need to be heard, [ns]."""
RESULT_KEPT = 10
"""How long a result is kept for its client, [s]."""
MOST_GOALS, MOST_KEPT = 16, 256
"""Goals of one source that are under way, and those whose result is kept; more are rejected."""


def _name(goal_id: Any) -> str:
    return str(uuid.UUID(bytes=bytes(goal_id.uuid)))


def _nanoseconds(duration: DurationMessage) -> int:
    return int(duration.sec) * NS_PER_S + int(duration.nanosec)


class _Server(ActionServer):
    """An action server whose goals are executed elsewhere: `execute` changes the state and calls nothing."""

    def notify_execute(self, goal_handle: Any, execute_callback: Callable[[Any], Any] | None) -> None:
        """Run a callback only where one is given: the one that ends the goal."""
        if execute_callback is not None:
            super().notify_execute(goal_handle, execute_callback)


class GoalServer:
    """The action of one source.

    Args:
        node: of this process.
        settings: of the source.
        send: hands a frame to the control process.
    """

    def __init__(self, node: Node, settings: GateSettings, send: Callable[[Any], None]) -> None:
        """Offer the action."""
        self._settings = settings
        self._send = send
        self._goals: dict[str, Any] = {}
        self._begun: set[str] = set()
        self._kept: deque[Nanoseconds] = deque()
        self._unproven: deque[tuple[GoalReceived, Nanoseconds]] = deque()
        self._canceled: list[str] = []
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
        received, clock = time.monotonic_ns(), time.time_ns()
        goal = _name(handle.goal_id)
        self._goals[goal] = handle
        formed = self._form(goal, handle.request, received, clock)
        handle.request.trajectory.points = []  # the handle is kept longer than the goal lasts
        if isinstance(formed, GoalReceived) and self._pulse is not None:
            self._unproven.append((formed, received + max(PATIENCE, self._settings.lease)))
        else:
            self._send(formed)

    def _form(self, goal: str, request: Any, received: int, clock: int) -> GoalReceived | GoalRefused:
        source, trajectory = self._settings.source, request.trajectory
        joints = tuple(trajectory.joint_names)

        def refuse(code: Code, detail: str, value: float = 0.0, limit: float = 0.0) -> GoalRefused:
            return GoalRefused(source, goal, code.value, value, limit, detail)

        if request.multi_dof_trajectory.joint_names or request.multi_dof_trajectory.points:
            return refuse(Code.GOAL, "multi_dof_trajectory is not empty")
        if request.component_path_tolerance or request.component_goal_tolerance:
            return refuse(Code.GOAL, "a tolerance of components is given")
        if not joints and not trajectory.points:
            return refuse(Code.EMPTY, "the goal's trajectory is empty; cancel by the action's own request")
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
        if len(data) > self._settings.max_bytes:
            detail = "bytes of the goal's trajectory"
            return refuse(Code.TOO_LARGE, detail, float(len(data)), float(self._settings.max_bytes))
        return GoalReceived(source, goal, data, joints, clock, received, path, end, max(0, patience))

    def _cancel(self, handle: Any) -> CancelResponse:
        """Ask the control process; whoever cancels, it can only end motion."""
        goal = _name(handle.goal_id)
        waiting = [entry for entry in self._unproven if entry[0].goal == goal]
        if waiting:
            self._unproven.remove(waiting[0])
            self._canceled.append(goal)  # once the handle's state is changed
        else:
            self._send(CancelRequested(self._settings.source, goal))
        return CancelResponse.ACCEPT

    # --- in between

    def step(self, now: Nanoseconds) -> None:
        """Feel the client's pulse, and hand on goals that waited for it."""
        for goal in self._canceled:
            code = Code.CANCELLED
            end = Ended(self._settings.source, goal, "canceled", 0, f"{code.value}: {code.cause}")
            self.end(end)
        self._canceled.clear()
        pulse = self._pulse
        if pulse is None or not self._goals:
            return
        if pulse.beat(now):
            self._send(Proof(self._settings.source, pulse.proof))
        while self._unproven:
            formed, due = self._unproven[0]
            if pulse.proof >= formed.received:
                self._send(formed)
            elif now >= due:
                detail = "it does not acknowledge feedback: subscribe to it reliably"
                code = Code.SOURCE_NOT_ALIVE.value
                self._send(GoalRefused(formed.source, formed.goal, code, 0.0, 0.0, detail))
            else:
                return
            self._unproven.popleft()

    # --- from the control process

    def begin(self, frame: Began) -> None:
        """Show a goal as executing."""
        handle = self._goals.get(frame.goal)
        if handle is not None and not handle.is_cancel_requested:
            self._begun.add(frame.goal)
            handle.execute()

    def show(self, frame: Progress) -> None:
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

    def end(self, frame: Ended) -> None:
        """Give a goal its result."""
        handle = self._goals.pop(frame.goal, None)
        if handle is None:
            return
        begun = frame.goal in self._begun
        self._begun.discard(frame.goal)
        self._kept.append(time.monotonic_ns() + RESULT_KEPT * NS_PER_S)

        def finish(one: Any) -> Any:
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


def serve(pipe: FramePipe, name: str, settings: list[GateSettings]) -> None:
    """Serve until the other end of the pipe closes.

    Args:
        pipe: to the control process.
        name: fully qualified name of this process's node.
        settings: of each source.
    """
    namespace, _, own = name.rpartition("/")
    node = Node(own, namespace=namespace or "/", start_parameter_services=False, enable_rosout=False)
    executor = make_executor()
    executor.add_node(node)
    encoder, frames = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(ToGate)

    def send(frame: Any) -> None:
        pipe.send(encoder.encode(frame))

    servers = {one.source: GoalServer(node, one, send) for one in settings}
    send(Ready())
    while (received := pipe.exchange()) is not None:
        for data in received:
            frame = frames.decode(data)
            server = servers[frame.source]
            if isinstance(frame, Began):
                server.begin(frame)
            elif isinstance(frame, Progress):
                server.show(frame)
            else:
                server.end(frame)
        for server in servers.values():
            server.step(time.monotonic_ns())
        try:
            executor.spin_once(timeout_sec=WAIT)
        except Exception as error:  # rclpy's word for a request that it can not decode
            node.get_logger().error(f"{type(error).__name__}: {error}"[:300])


def main() -> None:
    """Run until the parent ends. Ctrl-C is the parent's to handle: clients still wait for their results."""
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    name, described = sys.argv[1:3]
    pipe = FramePipe(os.dup(0), os.dup(1))
    os.dup2(2, 1)  # what any library prints is no frame
    with contextlib.suppress(OSError):  # ordinary, but before what else the machine does
        os.setpriority(os.PRIO_PROCESS, 0, -5)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    rclpy.init(args=list(NO_LOG_FILE), signal_handler_options=SignalHandlerOptions.NO)
    serve(pipe, name, msgspec.json.decode(described, type=list[GateSettings]))


if __name__ == "__main__":
    main()
