"""FollowJointTrajectory against the real messages, where control_msgs is installed: goals, results, life and death."""

from __future__ import annotations

import importlib.util
import os
import signal
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from ros_rig import JOINTS, Client, Process, Rig, children_of, command_of, make_trajectory

from safety_supervisor.ros.goals.pulse import clients_of

INSTALLED = importlib.util.find_spec("control_msgs") is not None
ABSENT = "control_msgs is not installed: source a ROS 2 that has it (docs/dependencies.md)"
pytestmark = pytest.mark.skipif(not INSTALLED, reason=ABSENT)
if INSTALLED:
    from action_msgs.msg import GoalStatus
    from control_msgs.action import FollowJointTrajectory
    from control_msgs.msg import JointTolerance
    from rclpy.action import ActionClient

ACTION = "/supervisor/sources/planner/follow_joint_trajectory"
LEASE = 1.0
"""Longer than an agent's would be, [s]: a test machine is shared, and a client that is held up is not dead."""


class Agent:
    """An action client beside the operator's node."""

    def __init__(self, client: Client, rig: Rig) -> None:
        self.client, self.rig = client, rig
        self.owner = rig.client("agent")
        self.action = ActionClient(self.owner.node, FollowJointTrajectory, ACTION)
        self.feedback: list[Any] = []
        self.statuses: set[int] = set()

    def wait_for(self, condition: Any, what: str, timeout: float = 20.0) -> None:
        def spun() -> Any:
            self.owner.spin(0.01)
            return condition()

        self.client.wait_for(spun, what, timeout)

    def send(self, goal: Any) -> Any:
        """Send a goal; return its handle."""
        self.wait_for(self.action.server_is_ready, "the action's server", 60.0)
        future = self.action.send_goal_async(goal, feedback_callback=lambda one: self.feedback.append(one.feedback))
        self.wait_for(future.done, "the answer to a goal")
        return future.result()

    def end(self, handle: Any) -> Any:
        """Wait for a goal's end; return status and result."""
        future = handle.get_result_async()

        def ended() -> bool:
            self.statuses.add(handle.status)
            return bool(future.done())

        self.wait_for(ended, "a result", 30.0)
        return future.result()

    def play(self, goal: Any) -> Any:
        handle = self.send(goal)
        assert handle.accepted
        return self.end(handle)

    def complete(self, goal: Any) -> tuple[Any, Any]:
        """Play a goal to its end; return handle, status and result. What a late cycle stopped is sent again."""
        for _ in range(5):
            handle = self.send(goal)
            found = self.end(handle)
            if "E_OVERRUN" not in found.result.error_string:
                return handle, found
        raise AssertionError("stopped by late cycles again and again")

    def go(self, goal: Any) -> tuple[Any, Any]:
        """Send a goal that turns joint 1 and wait until it moves; one that a late cycle stopped is sent again."""
        for _ in range(3):
            start, told = self.client.pose()[0], len(self.client.decisions)
            handle = self.send(goal)

            def stopped(first: int = told) -> bool:
                return any(one["code"] == "E_OVERRUN" for one in self.client.decisions[first:])

            def moves(begin: float = start) -> bool:
                return abs(self.client.measured[0] - begin) > 0.05

            self.wait_for(lambda: moves() or stopped(), "motion")
            if not stopped():
                return handle, start
        raise AssertionError("stopped by late cycles again and again")


@pytest.fixture(scope="module")
def client(cell_rig: Rig) -> Client:
    return cell_rig.client()


RATES = {"period": 0.01, "rate_limit_hz": 400.0}
CHIEF = {"kind": "agent", "priority": 30, "groups": ["arm"], "commands": ["trajectory"], **RATES}
WAIVED = {"liveliness_lease": None, "liveliness": "none, I accept"}


@pytest.fixture
def supervisor(cell_rig: Rig, client: Client, request: pytest.FixtureRequest) -> Iterator[Process]:
    """A supervisor whose sources are as the test's parameter says, else the planner with a lease."""
    # A client that was killed stands in the graph for 20 s, and would be the second one of the next test.
    client.wait_for(lambda: not clients_of(client.node, ACTION), "the clients before have gone", 60.0)
    before = client.status.get("boot", "")
    client.forget()
    directory = f"log_directory:={cell_rig.fresh_directory()}"
    sources = getattr(request, "param", {"planner": {"liveliness_lease": LEASE}})
    process = cell_rig.supervisor(directory, sources=sources)
    client.wait_for(lambda: client.status.get("boot", before) != before, "a new boot", 60.0)
    yield process
    process.end()


@pytest.fixture
def agent(cell_rig: Rig, client: Client, supervisor: Process) -> Iterator[Agent]:
    one = Agent(client, cell_rig)
    yield one
    one.action.destroy()
    one.owner.close()


def turn(client: Client, travel: float = 0.3, seconds: float = 1.5, **fields: Any) -> Any:
    """Return a goal that turns joint 1 towards zero or away from it."""
    start = client.pose()
    sign = 1.0 if start[0] < 0.0 else -1.0
    trajectory = make_trajectory([(seconds, [start[0] + sign * travel, *start[1:]])])
    return FollowJointTrajectory.Goal(trajectory=trajectory, **fields)


def tolerance(**values: float) -> list[Any]:
    return [JointTolerance(name=JOINTS[0], **values)]


def name_of(handle: Any) -> str:
    return f"goal/{uuid.UUID(bytes=bytes(handle.goal_id.uuid))}"


def codes_of(client: Client, handle: Any) -> list[tuple[str, str]]:
    return [(one["verdict"], one["code"]) for one in client.decisions if one["id"] == name_of(handle)]


def test_a_goal_plays_with_feedback_and_succeeds(client: Client, agent: Agent) -> None:
    client.arm()
    goal = turn(client, end := 0.3, goal_tolerance=tolerance(position=0.05))
    start = client.pose()[0]
    handle, found = agent.complete(goal)
    assert GoalStatus.STATUS_EXECUTING in agent.statuses
    assert found.status == GoalStatus.STATUS_SUCCEEDED, found.result.error_string
    assert (found.result.error_code, found.result.error_string) == (0, "")
    assert abs(client.wait_rest()[0] - start) == pytest.approx(end, abs=0.02)
    agent.wait_for(lambda: len(codes_of(client, handle)) > 1, "the decisions")
    assert codes_of(client, handle) == [("PASS", ""), ("PASS", "E_ENDED")]
    assert len(agent.feedback) >= 3
    for one in agent.feedback:
        assert one.joint_names == JOINTS
        assert [len(field.positions) for field in (one.desired, one.actual, one.error)] == [7, 7, 7]
        assert one.error.positions[0] == pytest.approx(one.desired.positions[0] - one.actual.positions[0])
    middle = [one.desired.positions[0] for one in agent.feedback]
    assert max(middle) - min(middle) > 0.05
    assert client.status["follow_joint_trajectory"].startswith("offered")


@pytest.mark.requirement("SR-024")
def test_what_is_refused_is_aborted_with_result_and_code(client: Client, agent: Agent) -> None:
    found = agent.play(turn(client))
    assert (found.status, found.result.error_code) == (GoalStatus.STATUS_ABORTED, -1)
    assert "E_NOT_MOVING_STATE" in found.result.error_string
    client.arm()

    def refused(goal: Any) -> tuple[int, str]:
        told = len(client.decisions)
        handle = agent.send(goal)
        found = agent.end(handle)
        assert found.status == GoalStatus.STATUS_ABORTED
        agent.wait_for(lambda: codes_of(client, handle), "the decision")
        (decision,) = [one for one in client.decisions[told:] if one["id"] == name_of(handle)]
        assert decision["verdict"] == "REJECT"
        assert found.result.error_string.startswith(decision["code"] + ":")
        return found.result.error_code, decision["code"]

    wrong = turn(client)
    wrong.trajectory.joint_names = ["elbow", *JOINTS[1:]]
    assert refused(wrong) == (-2, "E_UNKNOWN_JOINT")
    missing = turn(client)
    missing.trajectory.joint_names = JOINTS[:6]
    for point in missing.trajectory.points:
        point.positions, point.velocities, point.accelerations = [0.0] * 6, [], []
    assert refused(missing) == (-2, "E_MISSING_JOINT")
    old = turn(client)
    old.trajectory.header.stamp.sec = 1
    assert refused(old) == (-3, "E_STAMP")
    assert refused(turn(client, travel=1.5, seconds=0.2))[1].endswith("_LIMIT")
    assert refused(FollowJointTrajectory.Goal()) == (-1, "E_EMPTY")
    assert refused(turn(client, path_tolerance=tolerance(position=-0.5))) == (-1, "E_GOAL")
    assert refused(turn(client, goal_tolerance=tolerance(acceleration=1.0))) == (-1, "E_GOAL")
    stranger = turn(client, path_tolerance=[JointTolerance(name="elbow", position=0.1)])
    assert refused(stranger) == (-1, "E_GOAL")
    many = turn(client)
    many.trajectory = make_trajectory([(0.01 * n, [0.0] * 7) for n in range(1, 1200)])
    assert refused(many) == (-1, "E_TOO_MANY_POINTS")
    huge = turn(client)
    huge.trajectory = make_trajectory([(0.01 * n, [0.0] * 7) for n in range(1, 4000)])
    assert refused(huge) == (-1, "E_TOO_LARGE")
    assert client.states[-1] == "AUTO/HOLDING"


def test_a_cancel_ends_in_the_kept_stop(client: Client, agent: Agent) -> None:
    client.arm()
    goal = turn(client, travel=1.0, seconds=4.0)
    handle, _ = agent.go(goal)
    canceled = handle.cancel_goal_async()
    agent.wait_for(canceled.done, "the answer to a cancel")
    assert [bytes(one.goal_id.uuid) for one in canceled.result().goals_canceling] == [bytes(handle.goal_id.uuid)]
    found = agent.end(handle)
    assert (found.status, found.result.error_code) == (GoalStatus.STATUS_CANCELED, 0)
    agent.wait_for(lambda: ("STOP", "E_CANCELLED") in codes_of(client, handle), "the decision")
    assert abs(client.wait_rest()[0] - goal.trajectory.points[0].positions[0]) > 0.1
    assert client.state == "AUTO/HOLDING"


def test_a_newer_goal_preempts(client: Client, agent: Agent) -> None:
    client.arm()
    goal = turn(client, travel=1.0, seconds=4.0)
    first, start = agent.go(goal)
    goal.trajectory.points[0].positions[0] = start
    _, arrived = agent.complete(goal)
    found = agent.end(first)
    assert (found.status, found.result.error_code) == (GoalStatus.STATUS_ABORTED, -1)
    assert found.result.error_string.startswith("E_PREEMPTED:")
    found = arrived
    assert found.status == GoalStatus.STATUS_SUCCEEDED, found.result.error_string
    assert client.wait_rest()[0] == pytest.approx(start, abs=0.02)


def test_tolerances(client: Client, agent: Agent) -> None:
    client.arm()
    goal = turn(client, travel=1.0, seconds=4.0, path_tolerance=tolerance(position=1e-5))
    handle = agent.send(goal)
    found = agent.end(handle)
    assert (found.status, found.result.error_code) == (GoalStatus.STATUS_ABORTED, -4), found.result.error_string
    assert found.result.error_string.startswith("E_PATH_TOLERANCE: panda_joint1: position error")
    agent.wait_for(lambda: len(codes_of(client, handle)) > 1, "the decisions")
    assert codes_of(client, handle) == [("PASS", ""), ("STOP", "E_PATH_TOLERANCE")]
    assert abs(client.wait_rest()[0] - goal.trajectory.points[0].positions[0]) > 0.5

    short = turn(client, goal_tolerance=tolerance(position=1e-12))
    short.goal_time_tolerance.nanosec = 200_000_000
    handle, found = agent.complete(short)
    assert (found.status, found.result.error_code) == (GoalStatus.STATUS_ABORTED, -5), found.result.error_string
    assert found.result.error_string.startswith("E_GOAL_TOLERANCE: panda_joint1: position error")
    agent.wait_for(lambda: len(codes_of(client, handle)) > 1, "the decisions")
    assert codes_of(client, handle) == [("PASS", ""), ("PASS", "E_ENDED")]

    wide = turn(client, path_tolerance=tolerance(position=1.0, velocity=5.0), goal_tolerance=tolerance(position=-1.0))
    _, found = agent.complete(wide)
    assert found.result.error_code == 0, found.result.error_string


@pytest.mark.redteam(56)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_an_agent_that_dies_while_its_goal_plays_ends_in_the_kept_stop(
    cell_rig: Rig, client: Client, supervisor: Process, number: signal.Signals
) -> None:
    causes: list[str] = []
    for _ in range(3):
        client.arm()
        start = client.pose()
        goal = start[0] + (1.2 if start[0] < 0.0 else -1.2)
        mortal = cell_rig.script("goal_client.py", "5.0", str(goal), *map(str, start[1:]))

        def moves(begin: float = start[0]) -> bool:
            return abs(client.measured[0] - begin) > 0.1

        try:
            client.wait_for(lambda: moves() or not client.state.startswith("AUTO"), "motion", 30.0)
            if not moves():
                causes.append(client.status["cause"])
                continue  # a machine that is held up stopped it before it began
            mortal.send(number)
            client.wait_for(lambda: "E_SOURCE_DIED" in client.codes(), "the loss of the client")
            assert abs(client.wait_rest()[0] - goal) > 0.3
            assert client.state == "AUTO/HOLDING"
            return
        finally:
            cell_rig.kill(mortal)  # what it leaves in shared memory is cleared, and no later test meets it
            client.wait_for(lambda: not clients_of(client.node, ACTION), "the client has gone", 60.0)
    raise AssertionError(f"stopped before it began, again and again: {causes}")


@pytest.mark.redteam(56)
@pytest.mark.parametrize(
    "supervisor",
    [{"planner": {"liveliness_lease": LEASE}}, {"planner": WAIVED}],
    indirect=True,
    ids=["lease", "waived"],
)
def test_a_dead_gate_ends_in_the_kept_stop_and_comes_back(client: Client, agent: Agent, supervisor: Process) -> None:
    client.arm()
    goal = turn(client, travel=1.2, seconds=5.0)
    agent.go(goal)
    (gate,) = gates_of(supervisor)
    os.kill(gate, signal.SIGKILL)
    client.wait_for(lambda: "E_SOURCE_DIED" in client.codes(), "the loss of the gate")
    assert abs(client.wait_rest()[0] - goal.trajectory.points[0].positions[0]) > 0.3
    assert client.call("/supervisor/stop").success
    client.wait_state("LOCKED")
    client.wait_for(lambda: client.status["follow_joint_trajectory"].startswith("offered"), "a new gate", 30.0)


@pytest.mark.redteam(25)
@pytest.mark.parametrize(
    "supervisor", [{"planner": {"liveliness_lease": LEASE}, "chief": CHIEF | WAIVED}], indirect=True, ids=["two"]
)
def test_huge_goals_of_another_source_hold_up_neither_life_nor_cancel(
    cell_rig: Rig, client: Client, agent: Agent, supervisor: Process
) -> None:
    assert len(gates_of(supervisor)) == 2
    client.arm()
    flood = cell_rig.script("goal_flooder.py", "/supervisor/sources/chief/follow_joint_trajectory", "200000")
    try:
        client.wait_for(lambda: "E_TOO_LARGE" in client.codes(), "a huge goal is refused", 60.0)
        told = len(client.decisions)
        for _ in range(3):
            handle, _ = agent.go(turn(client, travel=1.0, seconds=5.0))
            agent.wait_for(
                lambda: {one["code"] for one in client.decisions[told:]} & {"E_TOO_LARGE", "E_OVERRUN"}, "one meanwhile"
            )
            began = time.monotonic()
            canceled = handle.cancel_goal_async()
            agent.wait_for(canceled.done, "the answer to a cancel")
            took = time.monotonic() - began
            if canceled.result().goals_canceling:
                break  # else a late cycle of this busy machine had stopped it
        assert agent.end(handle).status == GoalStatus.STATUS_CANCELED
        assert took < 1.0
        assert "E_SOURCE_DIED" not in client.codes()
    finally:
        cell_rig.kill(flood)


@pytest.mark.redteam(33)
def test_a_second_client_voids_the_source(cell_rig: Rig, client: Client, agent: Agent) -> None:
    client.arm()
    other = cell_rig.client("other")
    second = ActionClient(other.node, FollowJointTrajectory, ACTION)
    try:
        client.wait_for(lambda: "E_ENDPOINT_REPLACED" in client.status["active_causes"], "the second client is seen")
        assert agent.play(turn(client)).result.error_code == -1
    finally:
        second.destroy()
        other.close()


def gates_of(supervisor: Process) -> list[int]:
    """Return the processes that offer actions."""
    return [pid for pid in children_of(supervisor.process.pid) if "safety_supervisor.ros.goals.gate" in command_of(pid)]
