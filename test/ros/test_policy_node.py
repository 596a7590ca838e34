"""Policies on the live node: the program of the configuration, and a server that allows, denies, dies and lies."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import yaml
from opa_server import OpaServer, cell_server, reply
from ros_rig import (
    REPOSITORY,
    STREAM,
    Client,
    Process,
    Rig,
    children_of,
    command_of,
    make_trajectory,
    write_configuration,
)
from sensor_msgs.msg import JointState
from token_rig import ends_and_replays
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from safety_supervisor.core.policy.facts import FACTS
from safety_supervisor.ros.policy_questions import LOST

SHIPPED: dict[str, Any] = yaml.safe_load((REPOSITORY / "config" / "policies" / "cell.yaml").read_text())["policy"]
APPROVALS = {
    "near_people": {"people": 1, "seconds": 60},
    "zone": {"people": 1, "seconds": 120},
    "fast_together": {"people": 2, "seconds": 30},
}
COMMANDS = "/supervisor/sources/planner/joint_command"
MOTORS = "/panda_arm_controller/joint_trajectory"
WARM_UP = f'deny("E_POLICY_WARM_UP"): {SHIPPED["denials"]["E_POLICY_WARM_UP"]}'


@pytest.fixture(scope="module")
def client(cell_rig: Rig) -> Client:
    client = cell_rig.client()
    client.trajectory_publisher()
    client.publisher(JointState, COMMANDS)
    return client


class Agent:
    """Swings joint 1 by a stream, as examples/agent.py does, and begins again half a second after every refusal."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._point = JointTrajectoryPoint()
        self._origin: list[float] = []
        self._seen = len(client.decisions)
        self._begun = self._resume = 0.0
        self._sent = 0
        client.node.create_subscription(JointTrajectory, MOTORS, self._hear, STREAM)
        client.node.create_timer(0.005, self._send)

    def _hear(self, message: JointTrajectory) -> None:
        self._point = message.points[0]

    def _send(self) -> None:
        now, client = time.monotonic(), self._client
        new, self._seen = client.decisions[self._seen :], len(client.decisions)
        if any(one["verdict"] in ("REJECT", "STOP") for one in new):
            self._origin, self._resume = [], now + 0.5
        if not self._origin:
            if client.state != "AUTO/HOLDING" or now < self._resume or any(self._point.velocities):
                return
            self._origin, self._begun, self._sent = list(self._point.positions), now, 0
        due = int((now - self._begun) / 0.01) - self._sent
        if due > 4:
            self._origin, self._resume = [], now + 0.5
            return
        for _ in range(due if self._origin else 0):
            self._sent += 1
            turn = 0.2 * (1.0 - math.cos(2.0 * math.pi * self._sent * 0.01 / 5.0))
            client.stream([self._origin[0] + turn, *self._origin[1:]])


@pytest.fixture
def processes(client: Client) -> Iterator[list[Process]]:
    client.forget()
    made: list[Process] = []
    yield made
    for process in made:
        process.end()


def start(rig: Rig, client: Client, policy: dict[str, Any]) -> Process:
    process = rig.supervisor(f"log_directory:={rig.fresh_directory()}", policy=policy)
    client.wait_state("LOCKED", timeout=60.0)
    publisher = client.trajectory_publisher()
    client.wait_for(publisher.get_subscription_count, "the supervisor hears the trajectory's publisher")
    client.spin(0.3)
    return process


def go(client: Client, by: float, seconds: float) -> tuple[dict[str, str], list[float]]:
    """Send a goal for joint 1; return the first decision on it, and where it leads."""
    pose = client.pose()
    goal = [pose[0] + by, *pose[1:]]
    told = len(client.decisions)
    client.trajectory_publisher().publish(make_trajectory([(seconds, goal)]))
    client.wait_for(lambda: len(client.decisions) > told, "a decision")
    return client.decisions[told], goal


def denied_then_allowed(client: Client) -> None:
    """Within five seconds of the start: a fast goal is denied and nothing moves, a slow one passes unchanged."""
    sent: list[list[float]] = []
    heard = client.node.create_subscription(
        JointTrajectory, MOTORS, lambda one: sent.append(list(one.points[0].positions)), 10
    )
    client.wait_for(lambda: len(sent) > 5, "set-points")
    before = sent[-1]
    # A quintic is 1.875 times as fast as its mean in its middle: 1.7 rad/s, above the rule's 1.5.
    for _ in range(30):
        decision, _ = go(client, 0.9, 1.0)
        if decision["code"] != "E_POLICY_SERVER":
            break  # else this machine was too busy for an answer in time, and the refusal is right
        client.spin(0.5)
    assert (decision["verdict"], decision["code"]) == ("REJECT", "E_POLICY_WARM_UP"), decision["message"]
    assert WARM_UP in decision["message"]
    client.spin(0.5)
    assert sent[-1] == before, "not a bit"
    assert client.state == "AUTO/HOLDING"
    for _ in range(4):
        told = len(client.decisions)
        decision, goal = go(client, 0.3, 2.0)
        assert (decision["verdict"], decision["code"]) == ("PASS", "")
        assert "policy: allow" in decision["message"]
        client.wait_for(lambda first=told: len(client.decisions) > first + 1, "its end")  # type: ignore[misc]
        client.spin(0.5)
        if client.decisions[told + 1]["code"] == "E_ENDED":
            break  # else this machine was too busy for a cycle, or for the log
        if client.state == "LOCKED":
            client.arm()
    assert sent[-1] == pytest.approx(goal, abs=1e-9)
    client.node.destroy_subscription(heard)


@pytest.mark.requirement("SR-036")
def test_the_program_of_the_configuration_decides_on_a_live_node(
    cell_rig: Rig, client: Client, processes: list[Process]
) -> None:
    processes.append(start(cell_rig, client, SHIPPED))
    client.arm()
    denied_then_allowed(client)
    assert "policy_server" not in client.status


@pytest.mark.redteam(36)
@pytest.mark.requirement("SR-036")
@pytest.mark.requirement("SR-041")
def test_an_edited_policy_does_not_count_and_a_bad_rule_starts_nothing(
    cell_rig: Rig, client: Client, processes: list[Process]
) -> None:
    for _ in range(3):  # the look at the file, once a second, may come before the first decision
        processes.append(start(cell_rig, client, SHIPPED))
        client.arm()
        before, sha256 = client.pose(), client.status["configuration_sha256"]
        write_configuration(cell_rig.directory, policy={"program": "allow"})
        told = len(client.decisions)
        while client.state != "FAULT":  # it is found within a second; until then, and from then on
            decision, _ = go(client, 0.9, 1.0)
            assert decision["code"] in ("E_POLICY_WARM_UP", "E_CONFIGURATION_CHANGED", "E_NOT_MOVING_STATE"), decision
            client.spin(0.1)
        decided = any(one["code"] == "E_POLICY_WARM_UP" for one in client.decisions[told:])
        if decided:
            break
        processes[-1].end()
        client.forget()
    assert decided, "the one that was loaded decides"
    assert client.status["cause"] == "E_CONFIGURATION_CHANGED"
    assert client.status["configuration_sha256"] == sha256
    assert not client.call("/supervisor/reset").success
    assert client.pose() == pytest.approx(before, abs=0.005)
    processes[-1].end()

    # Whoever starts it with a bad rule starts nothing, and reads what is wrong with it.
    bad = cell_rig.supervisor(
        f"log_directory:={cell_rig.fresh_directory()}",
        policy={"program": 'mode == "atuo" ? allow : joint_sped > 1.0 ? deny("E_POLICY_WARM_UP") : allow'},
    )
    processes.append(bad)
    assert client.wait_end(bad) == 2
    for words in ("E_CONFIG_POLICY", "atuo", "joint_sped"):
        assert words in bad.text
    assert not cell_rig.last_directory.exists(), "not even a log"


@pytest.mark.long
@pytest.mark.redteam(37)
@pytest.mark.requirement("SR-036")
@pytest.mark.requirement("SR-044")
def test_a_server_decides_on_a_live_node_and_nothing_moves_without_it(
    cell_rig: Rig, client: Client, processes: list[Process]
) -> None:
    with ExitStack() as stack:
        server: OpaServer = stack.enter_context(cell_server())
        policy = {
            "program": None, "url": server.url, "timeout": 0.5, "uses": list(FACTS), "denials": SHIPPED["denials"],
            "approvals": APPROVALS,
        }  # fmt: skip
        processes.append(start(cell_rig, client, policy))
        client.arm()
        denied_then_allowed(client)
        assert client.status["policy_server"] == "answers"
        assert server.asked[0]["source"] == "planner"

        Agent(client)
        swings(client)
        server.close()
        stands(client, "refused")
        server = stack.enter_context(cell_server(server.port))
        swings(client)
        server.waits = 1.0
        stands(client, "no answer within 0.5 s")
        server.waits = 0.0
        swings(client)
        server.spoils = lambda request: reply(request, b'{"result": {"allow": true}}')
        stands(client, "the result is no verdict")
        server.spoils = None
        swings(client)
        restarts, lost = int(client.status["policy_client_restarts"]), False
        kills = 0
        while not lost:  # a stream that rests between two waves asks nothing, and loses nothing
            kills += 1
            assert kills <= 10, "never refused without it"
            told = len(client.decisions)
            os.kill(policy_client_of(processes[0]), signal.SIGKILL)
            client.spin(1.0)
            lost = any(LOST in one["message"] for one in client.decisions[told:])
            swings(client)
        assert int(client.status["policy_client_restarts"]) == restarts + kills, "anew as soon as the robot rests"
        assert client.status["adapter_failures"] == "0"
        assert server.asked[-1].keys() == FACTS.keys()

    stands(client, "refused")
    ends_and_replays(client, processes[0], cell_rig.last_directory)


def policy_client_of(supervisor: Process) -> int:
    """Return the process id of a supervisor's policy client."""
    return next(pid for pid in children_of(supervisor.process.pid) if "policy_client" in command_of(pid))


def swings(client: Client) -> None:
    """Wait until the agent's stream has moved joint 1 for a while: no person is needed for it."""
    for _ in range(2):
        begin = client.pose()[0]
        client.wait_for(lambda first=begin: abs(client.measured[0] - first) > 0.05, "motion", 20.0)  # type: ignore[misc]
    client.wait_state("AUTO/MOVING")


def stands(client: Client, said: str) -> None:
    """Wait until the stream is refused for what the server did, and see that nothing moves any more."""
    told = len(client.decisions)

    def refused() -> bool:
        return any(one["code"] == "E_POLICY_SERVER" and said in one["message"] for one in client.decisions[told:])

    client.wait_for(refused, f"refused as {said}", 5.0)
    client.wait_for(lambda: client.state == "AUTO/HOLDING", "the kept stop", 2.0)
    there = client.wait_rest()
    client.spin(1.5)
    assert client.pose() == pytest.approx(there, abs=0.002)
    assert client.state == "AUTO/HOLDING", "waiting for a server is nobody's mistake"
