"""Floods and giants: refused before they are decoded, and the stop is not late."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from ros_rig import Client, Process, Rig
from std_msgs.msg import String

TRAJECTORY = "/supervisor/sources/planner/joint_trajectory"
STREAM = "/supervisor/sources/planner/joint_command"


@pytest.fixture(scope="module")
def client(cell_rig: Rig) -> Client:
    return cell_rig.client()


@pytest.fixture
def supervisor(cell_rig: Rig, client: Client) -> Iterator[Process]:
    client.forget()
    process = cell_rig.supervisor(f"log_directory:={cell_rig.fresh_directory()}")
    yield process
    process.end()


def of_code(client: Client, code: str) -> list[dict[str, str]]:
    return [decision for decision in client.decisions if decision["code"] == code]


@pytest.mark.redteam(25)
@pytest.mark.requirement("SR-031")
def test_a_flood_is_counted_not_decoded_and_a_stop_in_its_midst_is_answered(
    client: Client, supervisor: Process, cell_rig: Rig
) -> None:
    client.wait_state("LOCKED", timeout=60.0)
    flood = cell_rig.script("flooder.py", STREAM, "JointState", "0", "10000", "60")
    try:
        client.wait_for(lambda: of_code(client, "E_RATE"), "a decision that says E_RATE", 30.0)
        assert client.call("/supervisor/stop").success
        # What is sent on another topic does not wait behind the flood either.
        requests = client.publisher(String, "/supervisor/stop_requests", 10)
        client.wait_for(requests.get_subscription_count, "somebody hears stop requests")
        assert client.call("/supervisor/reset").success
        client.wait_state("READY")
        requests.publish(String(data="enough"))
        client.wait_state("LOCKED")
        assert client.status["cause"] == "E_STOP_REQUEST"
        cycles = int(client.status["cycles"])
        client.wait_for(lambda: int(client.status["cycles"]) > cycles + 100, "control cycles beneath the flood")
        assert flood.process.poll() is None, "all of that was in its midst"
        flood.send(signal.SIGINT)
        assert client.wait_end(flood) == 0
    finally:
        flood.end()
    sent = int(flood.text.split()[1])
    client.spin(1.0)
    refused = sum(int(decision["count"]) for decision in of_code(client, "E_RATE"))
    # The source may send 400 a second, and a burst: what is beyond is counted, by far fewer decisions than messages.
    assert refused > 0
    assert len(client.decisions) < sent / 10
    assert client.status["adapter_failures"] == "0"
    assert client.state == "LOCKED"


@pytest.mark.redteam(26)
@pytest.mark.parametrize(
    ("topic", "kind", "length"),
    [(STREAM, "JointState", 5000), pytest.param(TRAJECTORY, "JointTrajectory", 400_000, marks=pytest.mark.long)],
)
def test_an_oversized_message_is_refused_by_its_length(
    client: Client, supervisor: Process, cell_rig: Rig, topic: str, kind: str, length: int
) -> None:
    client.wait_state("LOCKED", timeout=60.0)
    giant = cell_rig.script("flooder.py", topic, kind, str(length), "5", "1")
    client.wait_for(lambda: of_code(client, "E_TOO_LARGE"), "a decision that says E_TOO_LARGE", 30.0)
    refusal = of_code(client, "E_TOO_LARGE")[0]
    assert float(refusal["value"]) >= length
    assert float(refusal["limit"]) < length
    assert client.wait_end(giant) == 0
    client.spin(0.5)
    # Nothing else was ever said of it: neither a decoder nor the core has seen what it says.
    assert client.codes() == {"E_TOO_LARGE"}


@pytest.mark.redteam(26)
@pytest.mark.redteam(52)
def test_a_stop_is_not_late_while_a_huge_trajectory_is_decoded(
    client: Client, supervisor: Process, cell_rig: Rig
) -> None:
    client.arm()
    huge = cell_rig.script("flooder.py", TRAJECTORY, "JointTrajectory", "250000", "100", "2")
    client.wait_for(lambda: client.codes() & {"E_TOO_MANY_POINTS", "E_BUSY"}, "a refusal of the trajectory", 30.0)
    requests = client.publisher(String, "/supervisor/stop_requests", 10)
    client.wait_for(requests.get_subscription_count, "somebody hears stop requests")
    for _ in range(50):
        requests.publish(String(data="enough\x1b[2J"))
    client.wait_state("STOPPING", "PROTECTIVE_STOP", "LOCKED")
    assert client.status["cause"] in ("E_STOP_REQUEST", "E_REFUSALS")
    assert client.call("/supervisor/stop").success
    assert client.wait_end(huge) == 0
    client.spin(0.3)
    assert client.state == "LOCKED"
    assert client.status["adapter_failures"] == "0"
