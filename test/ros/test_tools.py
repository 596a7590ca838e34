"""Tools on the real node: attached, refused, detached, told in the status; drawn by the painter's writer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ros_rig import HOME, Client, Rig, make_trajectory
from two_tools import TOOLS, write_two_tools
from visualization_msgs.msg import Marker

from safety_supervisor.config import load_config
from safety_supervisor.ros.markers import MarkerWriter, Moment

ROD = "gripper_with_rod"
LOW = [*HOME[:1], -0.06, *HOME[2:]]
"""The rod would be in the table."""


def go(client: Client, goal: list[float]) -> dict[str, str]:
    """Send a trajectory; return the first decision on it. A late cycle may end one: then another is sent."""
    publisher = client.trajectory_publisher()
    for _ in range(5):
        told = len(client.decisions)
        publisher.publish(make_trajectory([(3.0, goal)]))
        client.wait_for(lambda first=told: len(client.decisions) > first, "a decision")  # type: ignore[misc]
        client.spin(3.5)
        if client.decisions[told]["code"] or client.decisions[-1]["code"] == "E_ENDED":
            return client.decisions[told]
        if client.state != "AUTO/HOLDING":
            client.arm()
    raise AssertionError("stopped by late cycles again and again")


@pytest.mark.long
@pytest.mark.requirement("SR-026")
def test_attached_refused_and_detached(rig: Rig) -> None:
    rig.cell()
    client = rig.client()
    supervisor = rig.supervisor(tools=TOOLS, robot={"payload": 1.0})
    client.wait_state("LOCKED", timeout=60.0)
    assert (client.status["tool"], client.status["tool_mass"]) == ("", "0")
    publisher = client.trajectory_publisher()
    client.wait_for(publisher.get_subscription_count, "the supervisor hears the trajectory's publisher")
    client.arm()
    attached = client.call(f"/supervisor/tools/{ROD}/attach")
    assert attached.success, attached.message
    client.wait_for(lambda: client.status["tool"] == ROD, "the status tells the tool")
    assert client.status["tool_mass"] == "0.6"
    assert f"tool: {ROD}, 0.6 kg" in supervisor.text

    refused = go(client, LOW)
    assert (refused["verdict"], refused["code"], refused["joint"], refused["tool"]) == (
        "REJECT", "E_WORKSPACE", "panda_hand", ROD,
    )  # fmt: skip

    detached = client.call("/supervisor/tools/detach")
    assert detached.success, detached.message
    client.wait_for(lambda: client.status["tool"] == "", "the status tells none")
    assert go(client, LOW)["verdict"] == "PASS"
    client.wait_rest()

    touching = client.call(f"/supervisor/tools/{ROD}/attach")
    assert not touching.success
    assert touching.message.startswith("E_TOOL panda_hand - zones.table: ")
    assert "needed" in touching.message
    client.spin(0.3)
    assert client.status["tool"] == ""


def test_without_tools_there_is_no_such_service(rig: Rig) -> None:
    rig.cell()
    client = rig.client()
    rig.supervisor()
    client.wait_state("LOCKED", timeout=60.0)
    assert not [name for name in client.services_of("supervisor") if "/tools/" in name]


def test_the_picture_shows_what_is_carried(tmp_path: Path) -> None:
    writer, home = MarkerWriter(load_config(write_two_tools(tmp_path))), np.array(HOME)
    counts = []
    for tool in ("", ROD, "gripper", ""):
        markers = writer.write(Moment(home, home, tool), 0).markers
        counts.append(Counter(marker.ns for marker in markers if marker.action == Marker.ADD)["links/panda_hand"])
        gone = [marker.ns for marker in markers if marker.action == Marker.DELETE]
        assert set(gone) <= {"links/panda_hand"}
    # The hand is two polytopes; a capsule is a cylinder and two spheres.
    assert counts == [2, 8, 5, 2]
