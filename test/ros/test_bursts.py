"""Set-points that come in a bunch: each one is of a chain, so that none may be lost on the way to the core."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from ros_rig import JOINTS, STREAM, Client, Process, Rig
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor.core.events import StreamCommand
from safety_supervisor.evidence.event_log import Entry, EventLog

BURST, BURSTS = 4, 30
TOPIC = "/supervisor/sources/planner/joint_command"
MOTORS = "/panda_arm_controller/joint_trajectory"


@pytest.fixture(scope="module")
def client(cell_rig: Rig) -> Client:
    return cell_rig.client()


@pytest.fixture
def supervisor(cell_rig: Rig, client: Client) -> Iterator[Process]:
    client.forget()
    process = cell_rig.supervisor(f"log_directory:={cell_rig.fresh_directory()}")
    client.wait_state("LOCKED", timeout=60.0)
    yield process
    process.end()


@pytest.mark.requirement("SR-054")
def test_all_set_points_of_a_burst_reach_the_core(client: Client, supervisor: Process, cell_rig: Rig) -> None:
    publisher = client.publisher(JointState, TOPIC, STREAM)
    client.wait_for(publisher.get_subscription_count, "the supervisor hears the source")
    client.spin(0.3)
    sent = []
    for burst in range(BURSTS):
        pose = client.pose()
        messages = [JointState(name=JOINTS, position=pose) for _ in range(BURST)]
        for number, message in enumerate(messages):
            message.header.frame_id = f"cid:burst-{burst}-{number}"
            sent.append(message.header.frame_id)
        for message in messages:
            publisher.publish(message)
        client.spin(0.07)  # 57 a second: the source may send 400, and 20 at once
    client.spin(0.3)
    supervisor.send(signal.SIGINT)
    assert client.wait_end(supervisor) == 0
    (log,) = cell_rig.last_directory.glob("*.events.mcap")
    heard = [
        item.event.frame_id
        for item in EventLog(log)
        if isinstance(item, Entry) and isinstance(item.event, StreamCommand)
    ]
    assert heard == sent


@pytest.mark.long
@pytest.mark.requirement("SR-054")
def test_a_stream_may_begin_with_a_burst(client: Client, supervisor: Process) -> None:
    client.arm()
    commanded: list[list[float]] = []
    client.node.create_subscription(
        JointTrajectory, MOTORS, lambda one: commanded.append(list(one.points[-1].positions)), 1
    )
    client.publisher(JointState, TOPIC, STREAM)
    client.spin(0.3)
    start = commanded[-1]
    told = len(client.decisions)
    for number in range(BURST):
        client.stream([start[0] + 1e-5 * (number + 1), *start[1:]])
    client.wait_for(lambda: [one["code"] for one in client.decisions[told:]][-1:] not in ([], [""]), "the end of it")
    assert {one["verdict"] for one in client.decisions[told:]} <= {"PASS", "STOP"}, client.decisions[told:]
    assert {one["code"] for one in client.decisions[told:]} <= {"", "E_ENDED", "E_LATE", "E_OVERRUN"}
