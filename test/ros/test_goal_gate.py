"""One gate by itself, where control_msgs is installed: what it hands on, and since when that is there."""

from __future__ import annotations

import importlib.util
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros_rig import JOINTS, Client, Rig, make_trajectory

from safety_supervisor.ros.child import Child
from safety_supervisor.ros.cycle import make_executor
from safety_supervisor.ros.goals.frames import (
    FromGate,
    GateSettings,
    GoalReceived,
    GoalRefused,
    Ready,
    Serving,
    name_goal,
)

INSTALLED = importlib.util.find_spec("control_msgs") is not None
pytestmark = pytest.mark.skipif(
    not INSTALLED, reason="control_msgs is not installed: source a ROS 2 that has it (docs/dependencies.md)"
)
if INSTALLED:
    from control_msgs.action import FollowJointTrajectory
    from rclpy.action import ActionClient

    from safety_supervisor.ros.goals.server import GoalServer

ACTION = "/gate/follow_joint_trajectory"
DECODING = 300_000_000
"""What decoding 100,000 points takes at least, [ns]."""


class Opened:
    """A gate whose frames are kept."""

    def __init__(self, client: Client) -> None:
        settings = msgspec.json.encode(GateSettings(ACTION, 0, 100_000, len(JOINTS))).decode()
        self.child = Child("safety_supervisor.ros.goals.gate", ("/gate_actions", settings))
        self.client = client
        self.frames: list[Any] = []

    def look(self, count: int) -> bool:
        for data in self.child.exchange() or ():
            frame = msgspec.msgpack.decode(data, type=FromGate)
            if not isinstance(frame, Serving):
                self.frames.append(frame)
        return len(self.frames) >= count

    def wait(self, count: int) -> None:
        self.client.wait_for(lambda: self.look(count), f"{count} frames of the gate", 60.0)


@pytest.fixture
def client(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(rig.domain))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return rig.client()


@pytest.fixture
def gate(client: Client) -> Iterator[Opened]:
    opened = Opened(client)
    yield opened
    opened.child.close()


@pytest.mark.requirement("SR-013")
def test_a_goal_that_waited_behind_another_is_not_younger_than_it_is(client: Client, gate: Opened) -> None:
    action = ActionClient(client.node, FollowJointTrajectory, ACTION)
    gate.wait(1)
    assert gate.frames == [Ready()]
    client.wait_for(action.server_is_ready, "the action's server", 30.0)
    client.spin(0.5)
    small = FollowJointTrajectory.Goal(trajectory=make_trajectory([(1.0, [0.0] * 7)]))
    huge = FollowJointTrajectory.Goal(trajectory=make_trajectory([(1.0, [0.0] * 7)]))
    huge.trajectory.points = huge.trajectory.points * 100_000
    name = uuid.uuid4()
    try:
        began = time.monotonic_ns()
        action.send_goal_async(huge)
        action.send_goal_async(small, goal_uuid=_message(name))  # the middleware delivers it behind the huge one
        gate.wait(2)
        refused_at = time.monotonic_ns()
        gate.wait(3)
    finally:
        action.destroy()
    refused, received = gate.frames[1:]
    assert isinstance(refused, GoalRefused)
    assert refused.code == "E_TOO_LARGE"
    assert isinstance(received, GoalReceived)
    assert received.goal == name_goal(name.bytes)
    assert received.received < refused_at - DECODING, "it came before the huge one was decoded"
    taken = received.clock - (time.time_ns() - time.monotonic_ns())
    assert taken > received.received + DECODING, "its stamp is judged at the time at which it was taken"
    assert received.received > began - 1_000_000_000, "nor is it much older"


@pytest.mark.requirement("SR-024")
def test_more_joints_than_the_robot_has_are_refused_unread(client: Client, gate: Opened) -> None:
    action = ActionClient(client.node, FollowJointTrajectory, ACTION)
    client.wait_for(action.server_is_ready, "the action's server", 60.0)
    names = [f"joint{number}" for number in range(50_000)]
    goal = FollowJointTrajectory.Goal(trajectory=make_trajectory([(1.0, [0.0] * 7)], names))
    try:
        action.send_goal_async(goal)
        gate.wait(2)
    finally:
        action.destroy()
    refused = gate.frames[1]
    assert isinstance(refused, GoalRefused)
    assert (refused.code, refused.value, refused.limit) == ("E_UNKNOWN_JOINT", 50_000.0, 7.0)


@pytest.mark.requirement("SR-013")
@pytest.mark.parametrize("make", [make_executor, SingleThreadedExecutor])
def test_a_gate_is_not_idle_while_a_goal_is_taken_nor_while_it_is_judged(
    client: Client, make: Callable[..., Any]
) -> None:
    context = Context()
    rclpy.init(context=context, domain_id=client.context.get_domain_id(), args=[])
    node = Node("served", context=context, start_parameter_services=False, enable_rosout=False)
    executor = make(context=context)
    executor.add_node(node)
    sent: list[Any] = []
    server = GoalServer(node, GateSettings("/served", 0, 100_000, len(JOINTS)), sent.append, time.monotonic_ns)
    action = ActionClient(client.node, FollowJointTrajectory, "/served")
    try:
        client.wait_for(action.server_is_ready, "the action's server", 30.0)
        client.spin(0.5)
        while server.busy():
            executor.spin_once(timeout_sec=0.1)
        action.send_goal_async(FollowJointTrajectory.Goal())
        turns = []
        ends = time.monotonic() + 20.0
        while not sent and time.monotonic() < ends:
            executor.spin_once(timeout_sec=1.0)
            turns.append(server.busy())
        assert [type(one) for one in sent] == [GoalRefused]
        assert turns[-1], "judged in this turn"
        assert all(turns[turns.index(True) :])
    finally:
        action.destroy()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def _message(name: uuid.UUID) -> Any:
    found = FollowJointTrajectory.Impl.SendGoalService.Request().goal_id
    found.uuid = list(name.bytes)
    return found
