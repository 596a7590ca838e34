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
    client.wait_for(lambda: client.status["people"] == "0 points", "an empty cell")
    client.arm()
    client.play(travel=0.3, seconds=3.0)

    perception.points = [(3.0, 0.0, 1.0)]
    client.wait_state("AUTO/REDUCED")
    perception.points = [(0.8, 0.0, 0.5)]
    client.wait_state("LOCKED")
    assert client.status["cause"] == "E_SEPARATION"
    assert "E_SEPARATION" in client.call("/supervisor/reset").message
    perception.points = [(6.0, 0.0, 1.0)]
    client.wait_for(lambda: client.status["active_causes"] == "", "who vanished is forgotten")

    client.arm()
    perception.points = [(math.nan, 0.0, 1.0)]
    client.wait_for(lambda: client.status["cause"] == "E_PEOPLE_UNKNOWN", "a stop")
    assert {"E_NOT_FINITE"} <= client.codes()
    perception.points = [(6.0, 0.0, 1.0)]
    client.wait_for(lambda: client.status["active_causes"] == "", "people known again")

    other = rig.client("rogue")
    other.publisher(PoseArray, "/supervisor/humans", STREAM)
    client.wait_for(lambda: "E_PEOPLE_UNKNOWN" in client.status["active_causes"], "two publishers")
    assert client.status["people"] == "unknown: 2 publishers"
    other.close()
    client.wait_for(lambda: client.status["active_causes"] == "", "one publisher")
    perception.end()
    client.wait_for(lambda: client.status["people"].startswith("unknown: perception is"), "silence is everybody")
