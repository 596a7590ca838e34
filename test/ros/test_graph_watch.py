"""Who else is on the graph: found, shown, and answered by a stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import yaml
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_rig import JOINTS, LATCHED, STREAM, Client, Process, Rig
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

MOTORS = "/panda_arm_controller/joint_trajectory"
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture(scope="module")
def client(cell_rig: Rig) -> Client:
    return cell_rig.client()


@pytest.fixture
def supervisor(cell_rig: Rig, client: Client) -> Iterator[Process]:
    before = client.status.get("boot", "")
    client.forget()
    process = cell_rig.supervisor(f"log_directory:={cell_rig.fresh_directory()}")
    try:
        # The last words of the one before may still come.
        client.wait_for(lambda: client.status.get("boot", before) != before, "a new boot", 60.0)
        yield process
    finally:
        process.end()


@pytest.fixture
def guest(cell_rig: Rig) -> Iterator[Callable[[str], Client]]:
    """Nodes that come; they have gone behind the test, however it ends: the next one shares the graph."""
    guests: list[Client] = []

    def come(name: str) -> Client:
        guests.append(cell_rig.client(name))
        return guests[-1]

    yield come
    for one in guests:
        one.close()


@pytest.mark.redteam(32)
@pytest.mark.redteam(41)
@pytest.mark.requirement("SR-040")
@pytest.mark.requirement("SR-047")
def test_a_second_publisher_on_the_motor_topic_is_a_fault_that_survives_a_restart(
    client: Client, supervisor: Process, cell_rig: Rig, guest: Callable[[str], Client]
) -> None:
    client.arm()
    rogue = guest("rogue")
    rogue.publisher(JointTrajectory, MOTORS, 1)
    client.wait_state("FAULT", timeout=10.0)
    assert client.status["cause"] == "E_OUTPUT_PUBLISHER"
    assert client.status["relay_demand"] == "stop"
    assert "/rogue" in supervisor.text
    rogue.close()
    client.spin(0.5)
    assert not client.call("/supervisor/reset").success

    before = client.status["boot"]
    supervisor.end()
    client.forget()
    again = cell_rig.supervisor(f"log_directory:={cell_rig.last_directory}")
    try:
        # The last words of the one before may still come.
        client.wait_for(lambda: client.status.get("boot", before) != before, "a new boot", 60.0)
        client.wait_state("FAULT")
        assert not client.call("/supervisor/reset").success
        assert client.state == "FAULT"
    finally:
        again.end()


@pytest.mark.redteam(30)
@pytest.mark.requirement("SR-050")
def test_a_second_publisher_of_a_source_stops_until_one_is_left(
    client: Client, supervisor: Process, guest: Callable[[str], Client]
) -> None:
    client.arm()
    client.play(travel=-1.0, seconds=6.0)
    intruder = guest("intruder")
    intruder.publisher(JointState, "/supervisor/sources/planner/joint_command")
    client.wait_for(lambda: client.status["cause"] == "E_ENDPOINT_REPLACED", "the stop for the second publisher")
    client.wait_state("LOCKED")
    assert "E_ENDPOINT_REPLACED" in client.status["active_causes"]
    refused = client.call("/supervisor/reset")
    assert not refused.success
    assert "E_ENDPOINT_REPLACED" in refused.message
    intruder.close()
    client.wait_for(lambda: not client.status["active_causes"], "the end of the cause")
    client.arm()


@pytest.mark.redteam(31)
@pytest.mark.requirement("SR-028")
def test_a_foreign_publisher_of_joint_states_stops(
    client: Client, supervisor: Process, guest: Callable[[str], Client]
) -> None:
    client.arm()
    spoofer = guest("spoofer")
    states = spoofer.publisher(JointState, "/joint_states", STREAM)
    client.wait_for(lambda: client.status["cause"] == "E_STATE_PUBLISHER", "the stop for the foreign publisher")
    states.publish(JointState(name=JOINTS, position=[0.0] * 7))
    client.wait_state("PROTECTIVE_STOP", "LOCKED", "FAULT")
    assert not client.call("/supervisor/reset").success
    spoofer.close()


@pytest.mark.long
@pytest.mark.redteam(36)
@pytest.mark.requirement("SR-041")
def test_a_robot_description_that_was_published_first_counts(
    client: Client, cell_rig: Rig, guest: Callable[[str], Client]
) -> None:
    """The usual order: robot_state_publisher has said it, once, before the supervisor comes."""
    other = guest("other_robot")
    other.publisher(String, "/robot_description", LATCHED).publish(String(data="<robot name='other'/>"))
    client.spin(0.5)
    client.forget()
    supervisor = cell_rig.supervisor(f"log_directory:={cell_rig.fresh_directory()}")
    try:
        client.wait_for(lambda: "E_CONFIGURATION_CHANGED" in client.status.get("active_causes", ""), "the cause", 60.0)
        assert client.status["robot_description"] == "another one"
        assert not client.call("/supervisor/reset").success
    finally:
        other.close()
        supervisor.end()


@pytest.mark.long
@pytest.mark.redteam(57)
def test_an_incompatible_publisher_is_an_error_at_once(
    client: Client, supervisor: Process, guest: Callable[[str], Client]
) -> None:
    client.wait_state("LOCKED", timeout=60.0)
    mute = guest("mute")
    mute.publisher(JointTrajectory, "/supervisor/sources/planner/joint_trajectory", BEST_EFFORT)
    client.wait_for(lambda: "RELIABILITY" in supervisor.text, "an error that names the policy", 5.0)
    assert "/supervisor/sources/planner/joint_trajectory" in supervisor.text
    mute.publisher(String, "/robot_description", 1)  # volatile: a required input that would never be heard
    client.wait_for(lambda: "DURABILITY" in supervisor.text, "an error that names the other policy", 5.0)
    client.wait_for(lambda: "E_INCOMPATIBLE_QOS" in client.status["active_causes"], "the cause", 5.0)
    assert client.state == "LOCKED"
    assert not client.call("/supervisor/reset").success
    mute.close()


@pytest.mark.redteam(36)
@pytest.mark.requirement("SR-041")
def test_a_configuration_edited_while_running_is_a_fault(client: Client, supervisor: Process, cell_rig: Rig) -> None:
    client.arm()
    path = cell_rig.directory / "robot.yaml"
    path.touch()  # touched is not changed
    client.spin(1.5)
    assert client.state == "AUTO/HOLDING"
    edited = yaml.safe_load(path.read_text())
    edited["envelope"]["frame_speed"] = 1.7
    path.write_text(yaml.safe_dump(edited))
    client.wait_state("FAULT", timeout=10.0)
    assert client.status["cause"] == "E_CONFIGURATION_CHANGED"


@pytest.mark.redteam(36)
@pytest.mark.requirement("SR-041")
def test_another_robot_description_is_not_armed(
    client: Client, supervisor: Process, guest: Callable[[str], Client]
) -> None:
    client.wait_state("LOCKED", timeout=60.0)
    other = guest("other_robot")
    other.publisher(String, "/robot_description", LATCHED).publish(String(data="<robot name='other'/>"))
    client.wait_for(lambda: "E_CONFIGURATION_CHANGED" in client.status["active_causes"], "the cause")
    refused = client.call("/supervisor/reset")
    assert not refused.success
    assert "E_CONFIGURATION_CHANGED" in refused.message
    other.close()


@pytest.mark.redteam(4)
def test_a_publisher_for_a_source_that_is_none_is_told_with_the_nearest_name(
    client: Client, supervisor: Process, guest: Callable[[str], Client]
) -> None:
    client.arm()
    wrong = guest("wrong")
    wrong.publisher(JointState, "/supervisor/sources/planer/joint_command")
    client.wait_for(lambda: "planer" in client.status.get("incompatible_endpoints", ""), "the status to tell", 10.0)
    assert "/supervisor/sources/planner/ is meant" in client.status["incompatible_endpoints"]

    def told() -> list[str]:
        return [str(text) for text in client.decisions if "E_UNKNOWN_SOURCE" in str(text)]

    client.wait_for(told, "the decision, which may come behind the status")
    client.spin(0.5)
    assert len(told()) == 1, "once"
    assert "planner" in told()[0]
    assert client.state == "AUTO/HOLDING", "it is no input, and stops nothing"
    wrong.close()
    client.wait_for(lambda: not client.status.get("incompatible_endpoints", ""), "the status to forget", 30.0)
