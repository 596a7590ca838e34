"""A disk that is full under the real node: a controlled stop, no new motion, and stopping works on (REDTEAM row 39)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ros_rig import HOME, Rig, make_trajectory
from small_disk import small_disk_at

from safety_supervisor.evidence.decisions.verify import Verifier


@pytest.fixture
def small_disk(rig: Rig) -> Iterator[Path]:
    """32 MB for log and latches."""
    with small_disk_at(rig.directory / "disk", "32m") as place:
        yield place


@pytest.mark.long
@pytest.mark.requirement("SR-043")
@pytest.mark.redteam(39)
def test_a_full_disk_stops_the_robot_and_keeps_it_stopped_until_it_is_freed(rig: Rig, small_disk: Path) -> None:
    rig.cell()
    client = rig.client()
    rig.supervisor(f"log_directory:={small_disk / 'log'}")
    client.arm()
    goal = [HOME[0] + 0.4, *HOME[1:]]
    trajectories = client.trajectory_publisher()
    client.wait_for(trajectories.get_subscription_count, "somebody takes trajectories")
    client.spin(0.5)
    trajectories.publish(make_trajectory([(8.0, goal)]))
    client.wait_for(lambda: client.state == "AUTO/MOVING", "it moves", 10.0)
    ballast = small_disk / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(descriptor, b"x" * 4096)
    os.close(descriptor)
    client.wait_for(lambda: "E_LOG" in client.codes(), "the stop is told", 10.0)
    client.wait_state("LOCKED", timeout=20.0)
    assert "No space left on device" in client.status["log"]
    refused = client.call("/supervisor/reset")
    assert not refused.success
    assert "E_LOG" in refused.message
    assert client.call("/supervisor/stop").success
    ballast.unlink()
    client.wait_for(lambda: client.status["log"] == "kept", "the log is written again", 20.0)
    client.arm()
    report = Verifier(small_disk / "log", "panda").verify()
    assert report.broken is None
