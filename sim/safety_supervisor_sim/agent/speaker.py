"""The agent's mouth: the one process that publishes on a source's topics, or where it must not.

    python -m safety_supervisor_sim.agent.speaker '{"names": [...], "stream": TOPIC, "trajectory": TOPIC, "lease": S}'

It does what it is ordered, badly or well, at the given instants of the steady clock, and knows nothing of what the
supervisor answers. Before `open` it has no node, so that it can be started ahead of time without anyone seeing it.

| order | what | answer |
| --- | --- | --- |
| open | make node and publishers | |
| stream | rows at a period from `start_ns`; a `defect` at row `fault_at`, or silence from there | count, late |
| send | one message, or `count` of them `period` apart, with a `defect` | at |
| replay | the first rows of the last stream again, byte for byte | at |
| flood | the last row again and again | count |
| prepare | build and serialise a trajectory | bytes |
| trajectory | send what was prepared, without a name the last one again | at |
| intrude | tell the motors themselves to hold a pose | at |
| halt | end a stream at once; answered by the stream itself | |
"""

from __future__ import annotations

import gc
import json
import queue
import sys
import threading
import time
from typing import Any, Final

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.qos import LivelinessPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from safety_supervisor_sim import priority
from safety_supervisor_sim.agent.child import answer
from safety_supervisor_sim.agent.commands import (
    HUGE_POINTS,
    defective,
    huge_trajectory,
    quintic_trajectory,
    set_point,
    spoil,
)
from safety_supervisor_sim.agent.messages import joint_state, joint_trajectory
from safety_supervisor_sim.agent.motions import NANO, PointToPoint
from safety_supervisor_sim.scenario import Defect

BURST: Final = 0.001
"""A flood is sent in bursts this far apart, [s]: no clock here sleeps for 200 us."""
MATCHED_WITHIN: Final = 20.0
"""How long a publisher waits until somebody listens, [s]."""
KINDS: Final[dict[str, Any]] = {
    "joint_trajectory_horizon": JointTrajectory,
    "joint_position": Float64MultiArray,
    "joint_velocity": Float64MultiArray,
    "joint_state": JointState,
}


class Speaker:
    """One node with the publishers of one source."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = parameters
        self._names: list[str] = parameters["names"]
        self._halt = threading.Event()
        self._orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._sent: list[bytes] = []
        self._prepared: dict[str, bytes] = {}
        self._last = ""

    def run(self) -> None:
        """Do what is ordered until the input closes."""
        threading.Thread(target=self._read, daemon=True).start()
        while (order := self._orders.get()) is not None:
            work = getattr(self, f"_{order.pop('do')}")
            answer(**work(**order))

    def _read(self) -> None:
        for line in sys.stdin:
            order = json.loads(line)
            if order["do"] == "halt":
                self._halt.set()
            else:
                self._orders.put(order)
        self._halt.set()
        self._orders.put(None)

    def _open(self) -> dict[str, Any]:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node(self._parameters["node"], start_parameter_services=False)
        self._clock = self._node.get_clock()
        if topic := self._parameters.get("stream"):
            quality = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
            self._stream_publisher = self._node.create_publisher(JointState, topic, quality)
        if topic := self._parameters.get("trajectory"):
            lease = self._parameters.get("lease")
            quality = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
            if lease is not None:
                quality.liveliness = LivelinessPolicy.AUTOMATIC
                quality.liveliness_lease_duration = Duration(nanoseconds=round(lease * NANO))
            self._trajectory_publisher = self._node.create_publisher(JointTrajectory, topic, quality)
        if topic := self._parameters.get("motor"):
            self._kind = KINDS[self._parameters["type"]]
            self._motor_publisher = self._node.create_publisher(self._kind, topic, 1)
        kinds = ("_stream_publisher", "_trajectory_publisher", "_motor_publisher")
        publishers = [getattr(self, kind) for kind in kinds if hasattr(self, kind)]
        began = time.monotonic()
        due = time.monotonic() + MATCHED_WITHIN
        while time.monotonic() < due and not all(one.get_subscription_count() for one in publishers):
            time.sleep(0.01)
        gc.collect()
        gc.freeze()
        priority.take(priority.MOUTH)
        return {
            "heard": all(one.get_subscription_count() for one in publishers),
            "seconds": time.monotonic() - began,
        }

    def close(self) -> None:
        """Leave ROS."""
        if hasattr(self, "_node"):
            self._node.destroy_node()
            rclpy.try_shutdown()

    def _now(self) -> int:
        return int(self._clock.now().nanoseconds)

    def _stream(
        self,
        rows: list[list[float]],
        period: float,
        start_ns: int,
        order: list[int] | None = None,
        fault_at: int | None = None,
        defect: str | None = None,
    ) -> dict[str, Any]:
        self._halt.clear()
        self._sent = []
        latest, late = 0, 0
        indices = order if order is not None else list(range(len(self._names)))
        names = [self._names[index] for index in indices]
        for number, row in enumerate(rows):
            due = start_ns + round(number * period * NANO)
            while (wait := due - time.monotonic_ns()) > 0:
                time.sleep(wait / NANO)
            if self._halt.is_set():
                break
            broken = number == fault_at
            if broken and defect is None:
                break
            if broken and defect is not None:
                said = defective(defect, self._names, np.array(row), self._now())  # type: ignore[arg-type]
            else:
                said = set_point(names, [row[index] for index in indices], self._now())
            data = serialize_message(joint_state(said))
            self._stream_publisher.publish(data)
            self._sent.append(data)
            late = time.monotonic_ns() - due
            latest = max(latest, late)
            if broken:
                break
        return {"count": len(self._sent), "late": latest / NANO, "at": time.monotonic_ns()}

    def _send(
        self, pose: list[float], defect: Defect, count: int, period: float, foreign: tuple[str, float]
    ) -> dict[str, Any]:
        for number in range(count):
            if number:
                time.sleep(period)
            said = defective(defect, self._names, np.array(pose), self._now(), foreign)
            self._stream_publisher.publish(joint_state(said))
        return {"at": time.monotonic_ns()}

    def _replay(self, count: int, period: float) -> dict[str, Any]:
        for data in self._sent[:count]:
            self._stream_publisher.publish(data)
            time.sleep(period)
        return {"at": time.monotonic_ns(), "count": len(self._sent[:count])}

    def _flood(self, pose: list[float], rate_hz: float, seconds: float, start_ns: int) -> dict[str, Any]:
        self._halt.clear()
        data = serialize_message(joint_state(set_point(self._names, pose, 0)))
        sent = 0
        while (wait := start_ns - time.monotonic_ns()) > 0:
            time.sleep(wait / NANO)
        while not self._halt.is_set():
            elapsed = (time.monotonic_ns() - start_ns) / NANO
            if elapsed >= seconds:
                break
            while sent < rate_hz * elapsed:
                self._stream_publisher.publish(data)
                sent += 1
            time.sleep(BURST)
        return {"count": sent, "at": time.monotonic_ns()}

    def _prepare(
        self,
        name: str,
        start: list[float],
        goal: list[float],
        seconds: float,
        points: int,
        defect: str,
        key: str = "",
    ) -> dict[str, Any]:
        motion = PointToPoint(np.array(start), np.array(goal), seconds)
        if points > HUGE_POINTS:
            self._prepared[name] = huge_trajectory(self._names, motion.start, motion.goal, points)
            return {"bytes": len(self._prepared[name])}
        said = spoil(quintic_trajectory(self._names, motion, points), defect)
        said.frame_id = f"cid:{key};key:{key}" if key else ""
        self._prepared[name] = serialize_message(joint_trajectory(said))
        return {"bytes": len(self._prepared[name])}

    def _trajectory(self, name: str) -> dict[str, Any]:
        name = self._last = name or self._last
        self._trajectory_publisher.publish(self._prepared[name])
        return {"at": time.monotonic_ns()}

    def _intrude(self, pose: list[float], count: int, period: float) -> dict[str, Any]:
        if self._kind is JointTrajectory:
            point = JointTrajectoryPoint(positions=pose)
            point.time_from_start.nanosec = round(0.1 * NANO)
            message: Any = JointTrajectory(joint_names=self._names, points=[point])
        elif self._kind is JointState:
            message = joint_state(set_point(self._names, pose, 0))
        else:
            still = [0.0] * len(pose) if self._parameters["type"] == "joint_velocity" else pose
            message = Float64MultiArray(data=still)
        for _ in range(count):
            self._motor_publisher.publish(message)
            time.sleep(period)
        return {"at": time.monotonic_ns()}


def main() -> int:
    """Obey until the input closes."""
    speaker = Speaker(json.loads(sys.argv[1]))
    try:
        speaker.run()
    except KeyboardInterrupt:
        pass
    finally:
        speaker.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
