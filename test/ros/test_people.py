"""People on the real topic: known, near, silent, told by two."""

from __future__ import annotations

import math
from typing import Any

import pytest
from geometry_msgs.msg import Point, Pose, PoseArray
from ros_rig import STREAM, Client, Rig

SEPARATION: dict[str, Any] = {
    "latency": 0.1, "timeout": 1.0, "intrusion": 0.0, "sensor_uncertainty": 0.05, "body_radius": 0.2,
}  # fmt: skip
REDUCED = {"frame_speed": 0.25, "velocity_share": 0.2}


class Perception:
    """Tells every 50 ms where people are."""

    def __init__(self, client: Client) -> None:
        self.points: list[tuple[float, float, float]] = []
        self.frame = "panda_link0"
        self._clock = client.node.get_clock()
        self._publisher = client.publisher(PoseArray, "/supervisor/humans", STREAM)
        self._timer = client.node.create_timer(0.05, self._tell)

    def _tell(self) -> None:
        message = PoseArray(poses=[Pose(position=Point(x=x, y=y, z=z)) for x, y, z in self.points])
        message.header.frame_id = self.frame
        message.header.stamp = self._clock.now().to_msg()
        self._publisher.publish(message)

    def end(self) -> None:
        self._timer.cancel()


@pytest.mark.requirement("SR-033")
@pytest.mark.requirement("SR-036")
@pytest.mark.redteam(54)
def test_people_are_heard_and_kept_from(rig: Rig) -> None:
    rig.cell()
    client = rig.client()
    rig.supervisor(separation=SEPARATION, envelope={"reduced": REDUCED})
    client.wait_state("LOCKED", timeout=60.0)
    assert "E_PEOPLE_UNKNOWN" in client.call("/supervisor/reset").message
    perception = Perception(client)

    def causes() -> str:
        return client.status["active_causes"]

    def known() -> None:
        client.wait_for(lambda: "E_PEOPLE_UNKNOWN" not in causes() and "E_SEPARATION" not in causes(), "people known")

    # What lasts is told in every state, so that a noisy machine's own stops are no matter.
    client.wait_for(lambda: client.status["people"] == "0 points", "an empty cell")
    known()
    perception.points = [(0.8, 0.0, 0.5)]
    client.wait_for(lambda: "E_SEPARATION" in causes(), "somebody is too near")
    assert "E_SEPARATION" in client.call("/supervisor/reset").message
    perception.points = [(6.0, 0.0, 1.0)]
    client.wait_for(lambda: client.status["people"] == "1 points", "who vanished is forgotten")
    known()

    perception.points = [(math.nan, 0.0, 1.0)]
    client.wait_for(lambda: "E_PEOPLE_UNKNOWN" in causes(), "a person somewhere")
    assert {"E_NOT_FINITE"} <= client.codes()
    perception.points = [(6.0, 0.0, 1.0)]
    known()

    other = rig.client("rogue")
    other.publisher(PoseArray, "/supervisor/humans", STREAM)
    client.wait_for(lambda: "E_PEOPLE_UNKNOWN" in causes(), "two publishers")
    client.wait_for(lambda: client.status["people"] == "unknown: 2 publishers", "the reason")
    other.close()
    known()

    for _ in range(5):
        perception.points = [(6.0, 0.0, 1.0)]
        client.arm()
        client.spin(0.2)
        place = 3.0  # and nearer at half a metre a second: on a punctual machine the reaction comes later
        while client.state == "AUTO/HOLDING" and place > 1.0:
            perception.points = [(place, 0.0, 1.0)]
            client.spin(0.2)
            place -= 0.1
        if client.state == "AUTO/REDUCED":
            break
        client.spin(3.0)  # until who came is forgotten
    assert client.state == "AUTO/REDUCED"
    perception.end()
    client.wait_for(lambda: client.status["people"].startswith("unknown: perception is"), "silence is everybody")
    client.wait_state("LOCKED")
