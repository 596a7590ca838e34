"""The end: the robot is stopped first, then every process is gone, and nothing is left behind."""

from __future__ import annotations

import signal
import time

import pytest
from ros_rig import Rig, children_of, is_alive

from safety_supervisor_sim import shared_memory


@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_signal_in_mid_motion_stops_the_robot_then_ends_everything(rig: Rig, number: signal.Signals) -> None:
    rig.cell()
    client = rig.client()
    supervisor = rig.supervisor()
    client.arm()
    client.play(travel=1.4, seconds=4.0)
    children = children_of(supervisor.process.pid)
    assert len(children) == 3  # recorder, decoder, painter
    client.spin(1.0)
    assert client.state == "AUTO/MOVING"
    shared = shared_memory.files_of(supervisor.process.pid)

    begin = time.monotonic()
    supervisor.send(number)
    client.spin(0.05)
    supervisor.send(number)  # impatience does not skip the stop
    assert client.wait_end(supervisor, timeout=10.0) == 0
    took = time.monotonic() - begin
    assert took < 2.0
    assert not [pid for pid in children if is_alive(pid)]
    assert "Traceback" not in supervisor.text
    assert "STOPPING" in client.states
    client.wait_rest()
    assert rig.report(client)["violations"] == []

    rig.close()  # whoever heard it has mapped its memory too
    assert shared
    assert not [file for file in shared if file.exists()]


def test_a_signal_while_it_starts_ends_at_once(rig: Rig) -> None:
    supervisor = rig.supervisor()
    deadline = time.monotonic() + 60.0
    while not (children := children_of(supervisor.process.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    begin = time.monotonic()
    supervisor.send(signal.SIGINT)
    assert supervisor.wait(10.0) == 0
    assert time.monotonic() - begin < 4.0
    ends = time.monotonic() + 2.0
    while any(is_alive(pid) for pid in children):
        assert time.monotonic() < ends, "a child outlives it"
        time.sleep(0.01)
