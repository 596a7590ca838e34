"""Set-points as Float64MultiArray: off unless configured, and by name or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rclpy.serialization import serialize_message
from ros_rig import JOINTS, REPOSITORY, STREAM, Client, Rig, write_configuration
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, MultiArrayLayout
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor.config import ConfigurationError, load_config
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.ros.arrays import NamedArray, decode_array

TOPIC = "/supervisor/sources/planner/commands"
PERIOD, STEPS = 0.05, 40
"""Slow: two periods late is still in time on a test machine that is shared."""
GOOD = [0.1 * number for number in range(7)]


def make_array(values: list[float], labels: list[str], offset: int = 0, size: int = 1) -> Float64MultiArray:
    dimensions = [MultiArrayDimension(label=label, size=size, stride=1) for label in labels]
    return Float64MultiArray(layout=MultiArrayLayout(dim=dimensions, data_offset=offset), data=values)


@pytest.mark.requirement("SR-024")
@pytest.mark.parametrize("size", [0, 1])
def test_labels_name_the_values_in_their_order(size: int) -> None:
    names = JOINTS[::-1]
    found = decode_array(serialize_message(make_array(GOOD, names, size=size)))
    assert found == NamedArray(tuple(names), tuple(GOOD))


@pytest.mark.requirement("SR-024")
@pytest.mark.parametrize(
    "array",
    [
        Float64MultiArray(data=GOOD),
        make_array(GOOD, JOINTS[:6]),
        make_array(GOOD[:6], JOINTS),
        make_array([], []),
        make_array([], JOINTS),
        make_array(GOOD, JOINTS, offset=1),
        make_array(GOOD, JOINTS, size=7),
        make_array(GOOD, ["joints"], size=7),
    ],
)
def test_an_array_that_does_not_name_its_joints_is_refused(array: Any) -> None:
    found = decode_array(serialize_message(array))
    assert isinstance(found, Violation)
    assert found.code is Code.LABELS


@pytest.mark.redteam(26)
@pytest.mark.parametrize("data", [b"", b"\x00\x01\x00\x00" + b"\xff" * 40])
def test_bytes_that_are_no_array_are_refused(data: bytes) -> None:
    found = decode_array(data)
    assert isinstance(found, Violation)
    assert found.code is Code.UNDECODABLE


def test_the_least_room_that_a_configuration_may_give_holds_an_array(tmp_path: Path) -> None:
    needed = len(serialize_message(make_array(GOOD, JOINTS)))
    small = {"array_commands": "position", "max_message_bytes": needed - 1}
    with pytest.raises(ConfigurationError, match="max_message_bytes"):
        load_config(write_configuration(tmp_path, sources={"planner": small}))


def test_arrays_are_off_by_default() -> None:
    assert [source.array_commands for source in load_config(REPOSITORY / "config" / "panda.yaml").sources] == [None] * 2


@pytest.mark.requirement("SR-024")
def test_arrays_move_the_robot_by_name(rig: Rig) -> None:
    rig.cell()
    slow = {"array_commands": "position", "period": PERIOD, "rate_limit_hz": 3.0 / PERIOD}
    rig.supervisor(sources={"planner": slow})
    client = rig.client()
    client.arm()
    publisher = client.publisher(Float64MultiArray, TOPIC, STREAM)
    client.wait_for(publisher.get_subscription_count, "the supervisor listens to arrays")
    client.wait_for(lambda: client.status.get("state") == "AUTO/HOLDING", "the state")
    client.spin(0.5)  # the publisher is in the graph before it moves anything

    def refused(array: Any, code: str) -> None:
        client.decisions.clear()
        client.spin(2.0 * PERIOD)  # not above the rate
        publisher.publish(array)
        client.wait_for(lambda: client.decisions, code)
        assert client.codes() == {code}

    here = list(client.pose())
    refused(Float64MultiArray(data=here), "E_LABELS")
    refused(make_array(here, [*JOINTS[:6], JOINTS[0]]), "E_DUPLICATE_JOINT")
    refused(make_array(here, [*JOINTS[:6], "elbow"]), "E_UNKNOWN_JOINT")
    refused(make_array(here[:6], JOINTS[:6]), "E_MISSING_JOINT")
    refused(make_array([*here[:6], float("nan")], JOINTS), "E_NOT_FINITE")

    first = motors(client)
    for _ in range(5):  # a stream that lateness ends begins again from where the robot is, as a good agent's does
        client.decisions.clear()
        start = motors(client)
        for step in range(STEPS + 4):  # the last one is repeated, which ends the motion
            goal = [*start[:6], start[6] + 0.3 * ease(min(1.0, step / STEPS))]
            publisher.publish(make_array(goal[::-1], JOINTS[::-1]))
            client.spin(0.98 * PERIOD)
            if client.codes() - {""}:
                break
        end = client.wait_rest()
        if end[6] > first[6] + 0.1:
            break
    assert end[6] > first[6] + 0.1, client.decisions
    assert end[:6] == pytest.approx(first[:6], abs=0.02)


def ease(share: float) -> float:
    """Rest to rest."""
    return share**3 * (10.0 - 15.0 * share + 6.0 * share**2)


def motors(client: Client) -> list[float]:
    """Return the commanded pose of the resting robot, as it is on the motor topic."""
    heard: list[list[float]] = []
    subscription = client.node.create_subscription(
        JointTrajectory, "/panda_arm_controller/joint_trajectory", lambda one: heard.append(one.points[0].positions), 1
    )
    client.wait_for(lambda: heard, "the motor topic")
    client.node.destroy_subscription(subscription)
    return list(heard[-1])
