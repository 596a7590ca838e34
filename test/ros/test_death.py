"""The supervisor dies in mid-motion: what the robot then does, output type by output type, as the oracle saw it.

SIGKILL ends the process, SIGSTOP freezes it. With `joint_trajectory_horizon` the controller ends in the kept stop that
travelled with every step; with the others `output.on_loss` happens, which the cell's doubles of the controllers do.
"""

from __future__ import annotations

import math
import signal
from typing import Any

import pytest
from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import LivelinessPolicy, QoSProfile
from ros_rig import CELL_CONTROLLERS, HOME, Client, Process, Rig, children_of, is_alive
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

TRAVEL, SECONDS = 1.2, 3.0
DEADMAN = {"time": 0.1, "tested": "by this test, against the simulated cell"}
ON_LOSS: dict[str, dict[str, Any]] = {
    "joint_trajectory_horizon": {"on_loss": "hold"},
    "joint_position": {"on_loss": "hold"},
    "joint_velocity": {"on_loss": "brake", "deadman": DEADMAN},
    "joint_state": {"on_loss": "brake", "deadman": DEADMAN},
}
BOTH_WAYS = ("joint_trajectory_horizon", "joint_velocity")
"""One that holds and one that brakes: the others are like them, and run with the long tests."""
# How far joint 1 may still turn, [rad], at the 0.8 rad/s of these motions: the cell's brakes take 0.05 at 7 rad/s^2,
# behind a deadman of 0.1 s; twice that for a machine that is late itself.
FARTHEST = 0.3


def output(kind: str) -> dict[str, Any]:
    return {"type": kind, "topic": CELL_CONTROLLERS[kind][1], **ON_LOSS[kind]}


class Motors:
    """What was last sent to the motors: where it says that joint 1 ends."""

    def __init__(self, client: Client, kind: str) -> None:
        self.end = math.nan
        message, take = {
            "joint_trajectory_horizon": (JointTrajectory, lambda one: one.points[-1].positions[0]),
            "joint_position": (Float64MultiArray, lambda one: one.data[0]),
            "joint_velocity": (Float64MultiArray, lambda one: math.nan),
            "joint_state": (JointState, lambda one: one.position[0]),
        }[kind]

        def hear(one: Any) -> None:
            self.end = take(one)

        client.node.create_subscription(message, CELL_CONTROLLERS[kind][1], hear, 1)


def move_and_lose(rig: Rig, client: Client, kind: str, motors: Motors, number: signal.Signals) -> Process:
    """Kill or freeze the supervisor in mid-motion, and see that the robot ends as declared."""
    client.forget()
    supervisor = rig.supervisor(f"log_directory:={rig.fresh_directory()}", output=output(kind))
    client.arm()
    client.play(TRAVEL if client.pose()[0] < HOME[0] + 0.3 else -TRAVEL, SECONDS)
    client.spin(0.9)  # about the greatest speed
    client.wait_state("AUTO/MOVING", timeout=0.1)
    there = client.measured[0]
    if number is signal.SIGKILL:
        rig.kill(supervisor)
    else:
        supervisor.send(number)
    here = client.wait_rest()
    if output(kind)["on_loss"] == "hold":
        assert here[0] == pytest.approx(motors.end, abs=0.005)
    else:
        assert abs(here[0] - there) < FARTHEST
    return supervisor


@pytest.mark.redteam(35)
@pytest.mark.redteam(41)
@pytest.mark.requirement("SR-039")
@pytest.mark.requirement("SR-048")
@pytest.mark.parametrize(
    "kind",
    [one if one in BOTH_WAYS else pytest.param(one, marks=pytest.mark.long) for one in ON_LOSS],
)
def test_killed_or_frozen_in_mid_motion(rig: Rig, kind: str) -> None:
    rig.cell(CELL_CONTROLLERS[kind][0])
    client = rig.client()
    motors = Motors(client, kind)

    move_and_lose(rig, client, kind, motors, signal.SIGKILL)
    report = rig.report(client)
    assert report["controller"]["active"]
    if kind == "joint_trajectory_horizon":
        assert report["violations"] == []
    else:  # a hold or a brake is no planned stop; where it ends is lawful all the same
        assert not [one for one in report["violations"] if "position" in str(one) or "zone" in str(one)]

    # Respawned: it boots disarmed, whatever the agent still sends (REDTEAM 41).
    frozen = move_and_lose(rig, client, kind, motors, signal.SIGSTOP)
    children = children_of(frozen.process.pid)
    frozen.send(signal.SIGCONT)
    client.spin(1.0)
    # Awake again it has missed cycles: it stops, and nothing moves on by itself.
    assert client.states[-1] not in ("AUTO/MOVING", "AUTO/HOLDING", "READY")
    frozen.end()
    assert not [pid for pid in children if is_alive(pid)]
    if kind == "joint_trajectory_horizon":
        # A message that was half sent when the freeze came is old on waking, and its stamp has the controller drop it.
        found = rig.report(client)["violations"]
        assert [one for one in found if one["item"] != "ends in the past" or one["count"] > 1] == []


@pytest.mark.redteam(35)
@pytest.mark.requirement("SR-039")
@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.long)])
def test_a_receiver_that_asks_is_told_of_the_death(rig: Rig, number: signal.Signals) -> None:
    rig.cell()
    client = rig.client()
    alive: list[int] = []
    missed: list[int] = []
    # Shorter than the lease of 0.1 s: a publisher whose lease is over is gone, and misses no deadline any more.
    profile = QoSProfile(depth=1, deadline=Duration(seconds=0.05), liveliness=LivelinessPolicy.AUTOMATIC)
    profile.liveliness_lease_duration = Duration(seconds=0.2)
    heard: list[JointTrajectory] = []
    events = SubscriptionEventCallbacks(
        deadline=lambda status: missed.append(status.total_count),
        liveliness=lambda status: alive.append(status.alive_count),
    )
    client.node.create_subscription(
        JointTrajectory, CELL_CONTROLLERS["joint_trajectory_horizon"][1], heard.append, profile,
        event_callbacks=events,
    )  # fmt: skip
    supervisor = rig.supervisor()
    client.wait_state("LOCKED", timeout=60.0)
    client.wait_for(lambda: alive and alive[-1] == 1, "a live publisher")
    client.wait_for(lambda: heard, "a first message: from it on a deadline is counted")
    missed.clear()
    if number is signal.SIGKILL:
        rig.kill(supervisor)
    else:
        supervisor.send(number)
    client.wait_for(lambda: missed, "a missed deadline", 1.0)
    client.wait_for(lambda: alive[-1] == 0, "a lost publisher", 1.0)
