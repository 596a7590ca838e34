"""A base over real DDS: a good cmd_vel passes, the fence holds, silence, another frame, a jump and NaN stop."""

from __future__ import annotations

import math
import signal
import time
from copy import deepcopy
from typing import Any

import pytest
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile
from ros_rig import STREAM, Client, Process, Rig

from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.evidence.event_log import EventLog
from safety_supervisor.evidence.replay import recorded_configuration, replay

OUT = "/supervisor/cmd_vel_out"
IN = "/supervisor/sources/planner/cmd_vel"
BASE: dict[str, Any] = {
    "speed": 0.8, "turning": 1.0, "acceleration": 1.5, "turning_acceleration": 3.0, "sideways": True,
    "reaction": 0.1, "command_timeout": 0.5, "radius": 0.4, "margin": 0.02,
    "fence": {"keep_in": [[-2.0, -2.0], [2.0, -2.0], [2.0, 2.0], [-2.0, 2.0]]},
    "odometry": {
        "node": "/base_driver", "frame": "odom", "latency": 0.05, "timeout": 0.5, "jump": 0.2, "turn_jump": 0.3,
        "rest": 0.01, "turn_rest": 0.02,
    },
    "deadman": {"time": 0.1, "tested": "in this test, by silence"},
}  # fmt: skip
SOURCES = {"planner": {"commands": ["position", "trajectory", "cmd_vel"]}}
SLOW = {"period": 0.02}
"""This process hears every cycle."""


class Base:
    """A base driver: follows every twist from its stamp to that of the next, and tells where that has led it at 50 Hz.

    So it is where it was sent to, however late a busy machine lets it hear of it; its odometry says for which moment.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.supervisor: Process | None = None
        self.place = [0.0, 0.0, 0.0]
        self.shift = 0.0
        self.length = 1.0
        self.tells = True
        self.twist = (0.0, 0.0, 0.0)
        self.frames: set[str] = set()
        self.farthest = 0.0
        self._at = self._told = 0
        self._clock = client.node.get_clock()
        self._publisher = client.publisher(Odometry, "/odom", STREAM)
        client.node.create_subscription(TwistStamped, OUT, self._hear, QoSProfile(depth=1000))
        self._timer = client.node.create_timer(0.02, self._tell)

    def _hear(self, message: TwistStamped) -> None:
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        if self._at:
            # It would brake by itself after the deadman's time.
            self._move(min(stamp - self._at, 100_000_000) / 1e9)
        twist = message.twist
        self._at, self.twist = stamp, (twist.linear.x, twist.linear.y, twist.angular.z)
        self.frames.add(message.header.frame_id)

    def _move(self, dt: float) -> None:
        x, y, turn = self.twist
        cos, sin = math.cos(self.place[2]), math.sin(self.place[2])
        self.place[0] += dt * (cos * x - sin * y)
        self.place[1] += dt * (sin * x + cos * y)
        self.place[2] += dt * turn
        self.farthest = max(self.farthest, abs(self.place[0]), abs(self.place[1]))

    def _tell(self) -> None:
        now = self._clock.now().nanoseconds
        # Sent nothing, it rests where it is.
        stamp = self._at if now - self._at < 200_000_000 else now
        if not self.tells or stamp == self._told:
            return
        self._told = stamp
        message = Odometry(child_frame_id="panda_link0")
        message.header.frame_id = "odom"
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
        pose = message.pose.pose
        pose.position.x, pose.position.y = self.place[0] + self.shift, self.place[1]
        pose.orientation.z = self.length * math.sin(self.place[2] / 2)
        pose.orientation.w = self.length * math.cos(self.place[2] / 2)
        self._publisher.publish(message)


@pytest.fixture
def driven(rig: Rig) -> tuple[Client, Base, Rig]:
    rig.cell()
    driver = rig.client("base_driver")
    base = Base(driver)
    base.supervisor = rig.supervisor(base=deepcopy(BASE), sources=SOURCES, timing=SLOW)
    return driver, base, rig


def publish(client: Client, x: float, y: float = 0.0, turn: float = 0.0, frame: str = "panda_link0") -> None:
    message = TwistStamped()
    message.header.frame_id = frame
    message.header.stamp = client.node.get_clock().now().to_msg()
    message.twist.linear.x, message.twist.linear.y, message.twist.angular.z = x, y, turn
    client.publisher(TwistStamped, IN, STREAM).publish(message)


def keep_driving(client: Client, seconds: float, *twist: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        publish(client, *twist)
        client.spin(0.05)


def arm(client: Client) -> None:
    """Reset once the base is measured at rest, as a person would, and start."""
    client.wait_state("LOCKED", timeout=60.0)
    client.wait_for(lambda: client.call("/supervisor/reset").success, "a reset", 30.0)
    client.wait_state("READY")
    start = client.call("/supervisor/start")
    assert start.success, start.message
    client.wait_state("AUTO/HOLDING")


def drive_until(client: Client, base: Base, wanted: tuple[float, float, float]) -> None:
    """Drive until the base is sent what is wanted; a noisy machine's own stop is answered as a person would."""
    for _ in range(4):
        ends = time.monotonic() + 4.0
        while time.monotonic() < ends:
            publish(client, *wanted)
            client.spin(0.05)
            if base.twist == wanted:
                return
            if client.state not in ("AUTO/HOLDING", "AUTO/MOVING"):
                break
        client.wait_state("LOCKED", timeout=20.0)
        arm(client)
    raise AssertionError(f"never sent {wanted}: {base.twist}, {client.status}, {client.decisions[-3:]}")


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-036")
@pytest.mark.requirement("SR-054")
def test_a_base_is_driven_fenced_and_stopped(driven: tuple[Client, Base, Rig]) -> None:
    client, base, rig = driven
    arm(client)
    publisher = client.publisher(TwistStamped, IN, STREAM)
    client.wait_for(publisher.get_subscription_count, "the supervisor listens")

    # Unchanged, and in the base's frame.
    drive_until(client, base, (0.2, 0.1, 0.3))
    assert client.status["source"] == "planner"
    assert base.frames == {"panda_link0"}

    # Silence.
    client.wait_for(lambda: base.twist == (0.0, 0.0, 0.0), "silence stops")
    client.wait_for(lambda: "E_LATE" in client.codes(), "why it stopped")

    # Another frame, and NaN, of who drives.
    for frame, x, code in (("odom", 0.2, "E_BASE_FRAME"), ("panda_link0", math.nan, "E_NOT_FINITE")):
        drive_until(client, base, (0.2, 0.0, 0.0))
        publish(client, x, frame=frame)
        client.wait_for(lambda code=code: code in client.codes(), code)  # type: ignore[misc]
        client.wait_for(lambda: base.twist == (0.0, 0.0, 0.0), "it stops")

    # Toward the fence, for longer than it takes to pass it.
    drive_until(client, base, (0.4, 0.0, 0.0))
    slowed = False
    for _ in range(6):
        keep_driving(client, 2.0, 0.4)
        slowed |= "E_GEOFENCE" in client.codes()
        if slowed and base.twist[0] < 0.02:
            break
        if client.state not in ("AUTO/HOLDING", "AUTO/MOVING"):
            client.wait_state("LOCKED", timeout=20.0)
            arm(client)
    assert slowed
    assert base.farthest <= 2.0 - BASE["radius"]
    assert base.farthest > 0.9, "a fence that keeps everything far away would be of no use"

    # A jump of the odometry.
    drive_until(client, base, (-0.2, 0.0, 0.0))
    base.shift = -1.0
    client.wait_for(lambda: "E_BASE_JUMP" in client.codes(), "a jump")
    client.wait_for(lambda: base.twist == (0.0, 0.0, 0.0), "it stops")
    client.wait_state("LOCKED", timeout=20.0)
    base.shift = 0.0
    client.spin(0.5)

    # A quaternion that is not of unit length; silence of the odometry.
    for change, back, text in (
        (lambda: setattr(base, "length", 1.2), lambda: setattr(base, "length", 1.0), "E_ORIENTATION"),
        (lambda: setattr(base, "tells", False), lambda: setattr(base, "tells", True), "E_BASE_UNKNOWN"),
    ):
        arm(client)
        drive_until(client, base, (-0.1, 0.0, 0.0))
        client.decisions.clear()
        change()
        client.wait_for(lambda text=text: text in client.codes(), text)  # type: ignore[misc]
        client.wait_for(lambda: "E_BASE_UNKNOWN" in client.status["active_causes"], "unknown")
        client.wait_for(lambda: base.twist == (0.0, 0.0, 0.0), "it stops")
        back()
        client.wait_state("LOCKED", timeout=20.0)

    # All of it again from its log.
    assert base.supervisor is not None
    base.supervisor.send(signal.SIGINT)
    client.wait_end(base.supervisor)
    (path,) = (rig.directory / "log").glob("*.events.mcap")
    log = EventLog(path)
    report = replay(log, Supervisor(recorded_configuration(log.header)))
    assert report.same, report.divergence
    assert report.events > 1000


@pytest.mark.long
@pytest.mark.requirement("SR-050")
def test_second_publishers_are_found(driven: tuple[Client, Base, Rig]) -> None:
    client, _, rig = driven
    client.wait_state("LOCKED", timeout=60.0)
    other = rig.client("rogue")
    odometry = other.node.create_publisher(Odometry, "/odom", STREAM)
    client.wait_for(lambda: "E_BASE_UNKNOWN" in client.status["active_causes"], "two tell where the base is")
    other.node.destroy_publisher(odometry)
    client.wait_for(lambda: "E_BASE_UNKNOWN" not in client.status["active_causes"], "one is left")
    first = client.publisher(TwistStamped, IN, STREAM)
    second = other.node.create_publisher(TwistStamped, IN, STREAM)
    client.wait_for(lambda: "E_ENDPOINT_REPLACED" in client.status["active_causes"], "two speak for the planner")
    other.node.destroy_publisher(second)
    assert first is not None
    other.node.create_publisher(TwistStamped, OUT, QoSProfile(depth=1))
    client.wait_state("FAULT")
    assert client.status["cause"] == "E_OUTPUT_PUBLISHER"
