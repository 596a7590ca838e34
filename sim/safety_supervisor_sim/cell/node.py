"""The node `sim_cell`: a cell on ROS topics, in real time. What every kind of cell has.

| name | type | what |
| --- | --- | --- |
| `joint_states` (out) | sensor_msgs/JointState, reliable, depth 10 | measured with noise |
| `robot_description` (out) | std_msgs/String, transient local | the URDF as installed |
| the controller's topic (in) | see `controllers/` | what the motors take |
| `~/mark` (in) | std_msgs/String | an act of this name begins |
| `~/measure_after` (in) | std_msgs/String, JSON `name`, `time_ns`, `end_pose` | put into the report |
| `~/margins` (out) | std_msgs/String, JSON, 2 Hz | worst margins so far, violations, act |
| `relays_topic` (in), where given | std_msgs/Bool | closed relays of the e-stop device; see `power.py` |
| `~/cut_power`, `~/restore_power` | std_srvs/Trigger | as open and closed relays |
| `~/write_report` | std_srvs/Trigger | writes the report; its JSON is the answer's message |
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor_sim.cell.cdr import read_joint_trajectory
from safety_supervisor_sim.cell.cell import Cell, Measured
from safety_supervisor_sim.cell.inbox import COMMANDS, Inbox
from safety_supervisor_sim.cell.lateness import Lateness
from safety_supervisor_sim.cell.power import Power

STATES: Final = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
LATCHED: Final = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
MARGINS_HZ: Final = 2.0
NANO: Final = 1_000_000_000


@dataclass(frozen=True)
class Wanted:
    """What the node's parameters ask for, the cell aside.

    Attributes:
        seed: of the measurement noise.
        report_file: written at the end, and on `~/write_report`.
        trace_file: the true motion, written at the end.
        relays_topic: of the e-stop device; empty: the power is always on.
    """

    seed: int = 0
    report_file: Path | None = None
    trace_file: Path | None = None
    relays_topic: str = ""


def fill_joint_state(message: JointState, measured: Measured, stamp_ns: int) -> None:
    """Write a measurement into a message that is used again and again."""
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, NANO)
    message.position = measured.positions.tolist()
    message.velocity = measured.velocities.tolist()


def write_atomically(path: Path, text: str) -> None:
    """Replace a file whole: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def clocks(node: Node) -> tuple[int, int]:
    """Return the steady clock, and ROS time minus it, [ns]."""
    now = time.monotonic_ns()
    return now, node.get_clock().now().nanoseconds - now


class CellNode:
    """Topics and services around one cell; stepped by the owner of the loop.

    Args:
        node: for all but what the motors hear and marks; spun by an executor.
        motors: for those two; polled between steps, so never add it to an executor.
        cell: what is shown.
        rate_hz: of physics.
        measure_hz: of joint states.
        description: the URDF.
        wanted: by parameters.
    """

    def __init__(
        self, node: Node, motors: Node, cell: Cell, rate_hz: float, measure_hz: float, description: str, wanted: Wanted
    ) -> None:
        self.node = node
        self.cell = cell
        self.late = Lateness(cell.period_ns)
        self.inbox = Inbox(motors)
        self._wanted = wanted
        self._power = Power(node, wanted.relays_topic, cell) if wanted.relays_topic else None
        self._measure_every = max(1, round(rate_hz / measure_hz))
        self._second = round(rate_hz)
        self._margins_every = max(1, round(rate_hz / MARGINS_HZ))
        self._states = node.create_publisher(JointState, "joint_states", STATES)
        self._message = JointState()
        self._message.header.frame_id = "sim_cell"
        self._message.name = list(cell.measure().names)
        self._description = node.create_publisher(String, "robot_description", LATCHED)
        self._description.publish(String(data=description))
        self._margins = node.create_publisher(String, "~/margins", STATES)
        self.inbox.hear(String, node.resolve_topic_name("~/mark"), self._take_mark)
        node.create_subscription(String, "~/measure_after", self._take_measure_after, COMMANDS)
        node.create_service(Trigger, "~/cut_power", self._cut_power)
        node.create_service(Trigger, "~/restore_power", self._restore_power)
        node.create_service(Trigger, "~/write_report", self._serve_report)

    # -- time ------------------------------------------------------------------------------

    def step(self) -> None:
        """One physics period, and what is due before and after it."""
        self.inbox.poll(self.cell.ros_offset_ns)
        if self._power is not None:
            self._power.step(time.monotonic_ns())
        self.inbox.deliver(self.cell.now_ns)
        self.cell.step()
        steps = self.cell.steps
        if steps % self._measure_every == 0:
            self.tell(self.node.get_clock().now().nanoseconds)
        if steps % self._margins_every == 0:
            self._margins.publish(String(data=json.dumps(self.summary())))
        if steps % self._second == 0:
            # The wall clock may be slewed; trajectories are stamped with it.
            _, self.cell.ros_offset_ns = clocks(self.node)

    def tell(self, stamp_ns: int) -> None:
        """Publish what is measured now, with a stamp, [ns]."""
        fill_joint_state(self._message, self.cell.measure(), stamp_ns)
        self._states.publish(self._message)

    def summary(self) -> dict[str, Any]:
        """What `~/margins` tells."""
        return self.cell.oracle.summary()

    # -- what comes in ---------------------------------------------------------------------

    def hear_trajectories(self, topic: str) -> None:
        """Take JointTrajectory messages for the motors."""
        self.inbox.hear(JointTrajectory, topic, self._take_trajectory, raw=True)

    def _take_trajectory(self, data: bytes) -> None:
        try:
            message = read_joint_trajectory(data)
        except ValueError as error:
            self.cell.malformed_message(str(error))
            return
        self.cell.send_trajectory(message)

    def _take_mark(self, message: String) -> None:
        self.cell.mark(message.data)

    def _take_measure_after(self, message: String) -> None:
        try:
            request = json.loads(message.data)
            name, time_ns = str(request["name"]), int(request["time_ns"])
            given = request.get("end_pose")
            pose = None if given is None else np.array(given, dtype=np.float64)
            if pose is not None and pose.shape != (len(self.cell.joints),):
                raise ValueError(f"end_pose must have {len(self.cell.joints)} values")
        except (ValueError, TypeError, KeyError) as error:
            self.node.get_logger().warning(f"measure_after refused: {error!r}")
            return
        self.cell.oracle.request_measurement(name, time_ns, pose)

    def _cut_power(self, _: Any, response: Any) -> Any:
        self.cell.cut_power()
        response.success, response.message = True, "power cut"
        return response

    def _restore_power(self, _: Any, response: Any) -> Any:
        self.cell.restore_power()
        response.success, response.message = True, "power restored"
        return response

    def _serve_report(self, _: Any, response: Any) -> Any:
        response.success, response.message = True, self.write_report()
        return response

    # -- the end ---------------------------------------------------------------------------

    def write_report(self) -> str:
        """Write the report file, if one is wanted; returns the JSON text."""
        report = self.cell.report()
        report["lateness"] = self.late.as_dict()
        text = json.dumps(report, allow_nan=False)
        if self._wanted.report_file is not None:
            write_atomically(self._wanted.report_file, text)
        return text

    def finish(self) -> None:
        """Write report and trace, leave PyBullet."""
        try:
            self.write_report()
            if self._wanted.trace_file is not None:
                self.cell.oracle.save_trace(self._wanted.trace_file)
        finally:
            self.cell.close()
