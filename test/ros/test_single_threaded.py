"""With the executor of ROS 2 Humble, which has no EventsExecutor, the node does the same."""

from __future__ import annotations

import signal

import pytest
from ros_rig import Rig, write_configuration


@pytest.mark.long
@pytest.mark.requirement("SR-026")
def test_it_arms_moves_stops_and_ends(rig: Rig) -> None:
    rig.cell()
    client = rig.client()
    path = write_configuration(rig.directory)
    supervisor = rig.script("single_threaded.py", "--ros-args", "-p", f"config_file:={path}")
    client.arm()
    assert "executor SingleThreadedExecutor" in supervisor.text
    client.play(travel=1.0, seconds=3.0)
    client.wait_state("AUTO/HOLDING")
    assert client.codes() <= {"", "E_ENDED", "E_OVERRUN"}
    client.play(travel=-1.0, seconds=4.0)
    assert client.state == "AUTO/MOVING"
    assert client.call("/supervisor/stop").success
    client.wait_state("LOCKED")
    assert "STOPPING" in client.states
    client.arm()
    client.play(travel=0.5, seconds=4.0)
    supervisor.send(signal.SIGINT)
    assert client.wait_end(supervisor) == 0
    assert "Traceback" not in supervisor.text
    assert client.status["adapter_failures"] == "0"
    client.wait_rest()
    assert rig.report(client)["violations"] == []
