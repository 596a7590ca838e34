"""A disk that fails under the real node: a controlled stop, no new motion, stopping works on, said everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from ros_rig import HOME, Rig, make_trajectory
from small_disk import FailingLayer, RealDisk, real_disk_at

from safety_supervisor.evidence.decisions.verify import Verifier
from safety_supervisor.evidence.event_log import EventLog

SAID = {"read-only": "Read-only file system", "EIO": "Input/output error"}


@pytest.fixture(params=["read-only", "EIO"])
def disk(
    request: pytest.FixtureRequest, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RealDisk | FailingLayer]:
    with ExitStack() as stack:
        if request.param == "read-only":
            yield stack.enter_context(real_disk_at(rig.directory / "disk", 64 << 20))
            return
        (rig.directory / "disk").mkdir()
        layer = FailingLayer(rig.directory / "layer", rig.directory / "disk")
        for name, value in layer.environment.items():
            monkeypatch.setenv(name, value)
        yield layer


@pytest.mark.long
@pytest.mark.requirement("SR-043")
@pytest.mark.redteam(39)
def test_a_disk_that_fails_stops_the_robot_and_keeps_it_stopped_until_it_is_back(
    rig: Rig, disk: RealDisk | FailingLayer, request: pytest.FixtureRequest
) -> None:
    rig.cell()
    client = rig.client()
    log = rig.directory / "disk" / "log"
    process = rig.supervisor(f"log_directory:={log}")
    client.arm()
    goal = [HOME[0] + 0.4, *HOME[1:]]
    trajectories = client.trajectory_publisher()
    client.wait_for(trajectories.get_subscription_count, "somebody takes trajectories")
    client.spin(0.5)
    trajectories.publish(make_trajectory([(8.0, goal)]))
    client.wait_for(lambda: client.state == "AUTO/MOVING", "it moves", 10.0)
    disk.fail()
    client.wait_for(lambda: "E_LOG" in client.codes(), "the stop is told", 10.0)
    client.wait_state("LOCKED", timeout=20.0)
    said = SAID[request.node.callspec.params["disk"]]
    assert said in client.status["log"]
    assert said in process.text
    refused = client.call("/supervisor/reset")
    assert not refused.success
    assert "E_LOG" in refused.message
    trajectories.publish(make_trajectory([(8.0, goal)]))
    client.spin(1.0)
    assert client.state == "LOCKED"
    assert client.call("/supervisor/stop").success
    disk.replace()
    client.wait_for(lambda: client.status["log"] == "kept", "the log is written again", 20.0)
    client.arm()
    report = Verifier(log, "panda").verify()
    assert report.broken is None
    recording = EventLog(next(log.glob("*.events.mcap")))
    assert sum(1 for _ in recording) > 100
    assert recording.tail.state == "open"
