"""The node `sim_cell`: the cell on ROS topics, in real time.

| name | type | what |
| --- | --- | --- |
| `joint_states` (out) | sensor_msgs/JointState, reliable, depth 10 | measured with noise |
| `robot_description` (out) | std_msgs/String, transient local | the URDF as installed |
| the controller's topic (in) | see `controllers/` | what the motors take |
| `~/mark` (in) | std_msgs/String | an act of this name begins |
| `~/measure_after` (in) | std_msgs/String, JSON `name`, `time_ns`, `end_pose` | put into the report |
| `~/margins` (out) | std_msgs/String, JSON, 2 Hz | worst margins so far, violations, act |
| `relays_topic` (in), where given | std_msgs/Bool | closed relays of the e-stop device; see `power.py` |
| `~/cut_power`, `~/restore_power` | std_srvs/Trigger | brakes |
| `~/write_report` | std_srvs/Trigger | writes the report; its JSON is the answer's message |
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor_sim.cell.cdr import read_joint_trajectory
from safety_supervisor_sim.cell.cell_file import CellFile, ControllerName
from safety_supervisor_sim.cell.panda_cell import Measured, PandaCell
from safety_supervisor_sim.cell.power import Power
from safety_supervisor_sim.cell.robot import urdf_path

# Every message shall reach the oracle, also those that come while a step is late.
COMMANDS = QoSProfile(depth=200, reliability=ReliabilityPolicy.RELIABLE)
STATES = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
MARGINS_HZ = 2.0
MOST_AT_ONCE = 40  # messages of one topic taken before a step: a flood can not hold the physics
NANO = 1_000_000_000


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


class CellNode:
    """Topics and services around one PandaCell; stepped by the owner of the loop.

    Args:
        node: for all but the motors' topic and marks; spun by an executor.
        motors: for those two; polled between steps, so never add it to an executor.
    """

    def __init__(
        self,
        node: Node,
        motors: Node,
        cell_file: CellFile,
        controller: ControllerName,
        *,
        seed: int = 0,
        home: list[float] | None = None,
        report_file: Path | None = None,
        trace_file: Path | None = None,
        relays_topic: str = "",
    ) -> None:
        self._node = node
        self._report_file = report_file
        self._trace_file = trace_file
        now = time.monotonic_ns()
        self.cell = PandaCell(
            cell_file,
            controller,
            seed=seed,
            home=home,
            start_ns=now,
            ros_offset_ns=node.get_clock().now().nanoseconds - now,
        )
        self._power = Power(node, relays_topic, self.cell) if relays_topic else None
        self.late = Lateness(self.cell.period_ns)
        rate = cell_file.physics.rate_hz
        self._measure_every = max(1, round(rate / cell_file.measurement.rate_hz))
        self._second = round(rate)
        self._margins_every = max(1, round(rate / MARGINS_HZ))
        self._states = node.create_publisher(JointState, "joint_states", STATES)
        self._message = JointState()
        self._message.header.frame_id = "sim_cell"
        self._message.name = list(self.cell.measure().names)
        self._description = node.create_publisher(String, "robot_description", LATCHED)
        self._description.publish(String(data=urdf_path(cell_file.robot).read_text(encoding="utf-8")))
        self._margins = node.create_publisher(String, "~/margins", STATES)
        topic = cell_file.controllers.named(controller).topic
        kinds: dict[str, tuple[Any, Callable[[Any], None]]] = {
            "joint_trajectory_controller": (JointTrajectory, self._take_trajectory),
            "forward_position": (Float64MultiArray, self._take_array),
            "forward_velocity": (Float64MultiArray, self._take_array),
            "joint_state": (JointState, self._take_joint_state),
        }
        kind, callback = kinds[controller]
        self._waiting: deque[tuple[int, Callable[[Any], None], Any]] = deque()
        raw = kind is JointTrajectory
        mark = node.resolve_topic_name("~/mark")
        self._polled = [
            (motors.create_subscription(kind, topic, callback, COMMANDS, raw=raw), callback),
            (motors.create_subscription(String, mark, self._take_mark, COMMANDS), self._take_mark),
        ]
        node.create_subscription(String, "~/measure_after", self._take_measure_after, COMMANDS)
        node.create_service(Trigger, "~/cut_power", self._cut_power)
        node.create_service(Trigger, "~/restore_power", self._restore_power)
        node.create_service(Trigger, "~/write_report", self._serve_report)

    # -- time ------------------------------------------------------------------------------

    def step(self) -> None:
        """One physics period, and what is due before and after it."""
        self._poll()
        if self._power is not None:
            self._power.step(time.monotonic_ns())
        while self._waiting and self._waiting[0][0] <= self.cell.now_ns:
            _, callback, message = self._waiting.popleft()
            callback(message)
        self.cell.step()
        steps = self.cell.steps
        if steps % self._measure_every == 0:
            stamp = self._node.get_clock().now().nanoseconds
            fill_joint_state(self._message, self.cell.measure(), stamp)
            self._states.publish(self._message)
        if steps % self._margins_every == 0:
            self._margins.publish(String(data=json.dumps(self.cell.oracle.summary())))
        if steps % self._second == 0:
            # The wall clock may be slewed; trajectories are stamped with it.
            offset = self._node.get_clock().now().nanoseconds - time.monotonic_ns()
            self.cell.ros_offset_ns = offset

    # -- what comes in ---------------------------------------------------------------------

    def _poll(self) -> None:
        """Take what has come for the motors: no executor, 3 us when there is nothing.

        Jazzy's EventsExecutor ends with a SystemError when a callback asks for message info.
        """
        for subscription, callback in self._polled:
            with subscription.handle:
                for _ in range(MOST_AT_ONCE):
                    taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
                    if taken is None:
                        break
                    self._put(callback, *taken)

    def _put(self, callback: Callable[[Any], None], message: Any, info: dict[str, Any]) -> None:
        """Keep a message until the cell's time has reached the time at which it was sent.

        On time that is at once. When this process was starved, its clock is behind and messages
        have heaped up: taken all at once they would make a jump that nobody commanded.
        """
        sent = int(info["source_timestamp"]) - self.cell.ros_offset_ns
        latest = self._waiting[-1][0] if self._waiting else 0  # order is kept whatever stamps say
        due = max(latest, min(sent, time.monotonic_ns()))
        self._waiting.append((due, callback, message))

    def _take_array(self, message: Float64MultiArray) -> None:
        self.cell.send_array(np.array(message.data, dtype=np.float64))

    def _take_joint_state(self, message: JointState) -> None:
        if len(message.velocity) or len(message.effort):
            self.cell.malformed_message("velocity or effort filled")
            return
        self.cell.send_joint_state(tuple(message.name), np.array(message.position, dtype=np.float64))

    def _take_trajectory(self, data: bytes) -> None:
        try:
            message = read_joint_trajectory(data)
        except ValueError as error:
            self.cell.malformed_message(str(error))
            return
        self.cell.send_trajectory(message)

    def _take_mark(self, message: String) -> None:
        self.cell.oracle.mark(self.cell.now_ns, message.data)

    def _take_measure_after(self, message: String) -> None:
        try:
            request = json.loads(message.data)
            name, time_ns = str(request["name"]), int(request["time_ns"])
            given = request.get("end_pose")
            pose = None if given is None else np.array(given, dtype=np.float64)
            if pose is not None and pose.shape != (len(self.cell.joints),):
                raise ValueError(f"end_pose must have {len(self.cell.joints)} values")
        except (ValueError, TypeError, KeyError) as error:
            self._node.get_logger().warning(f"measure_after refused: {error!r}")
            return
        self.cell.oracle.request_measurement(name, time_ns, pose)

    def _cut_power(self, _: Any, response: Any) -> Any:
        self.cell.cut_power()
        response.success, response.message = True, "brakes engaged"
        return response

    def _restore_power(self, _: Any, response: Any) -> Any:
        self.cell.restore_power()
        response.success, response.message = True, "brakes released"
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
        if self._report_file is not None:
            write_atomically(self._report_file, text)
        return text

    def finish(self) -> None:
        """Write report and trace, leave PyBullet."""
        try:
            self.write_report()
            if self._trace_file is not None:
                self.cell.oracle.save_trace(self._trace_file)
        finally:
            self.cell.close()


class Lateness:
    """How far the simulation ran behind the steady clock.

    A step is late by the time since it was due. Up to MOST_CATCH_UP_NS it is made up for by
    stepping faster; beyond it the clock goes on without physics, which is counted as lost.
    """

    MOST_CATCH_UP_NS = 500_000_000
    NOTABLE_NS = 2_000_000

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self.worst_ns = 0
        self.notable = 0
        self.lost_ns = 0
        self.steps = 0

    def note(self, late_ns: int) -> int:
        """Count a step that is late; returns the time to give up, [ns]."""
        self.steps += 1
        self.worst_ns = max(self.worst_ns, late_ns)
        if late_ns > self.NOTABLE_NS:
            self.notable += 1
        if late_ns <= self.MOST_CATCH_UP_NS:
            return 0
        self.lost_ns += late_ns
        return late_ns

    def as_dict(self) -> dict[str, float]:
        """Ready for JSON, [s]."""
        return {
            "steps": self.steps,
            "worst": self.worst_ns * 1e-9,
            "steps_over_2ms": self.notable,
            "lost": self.lost_ns * 1e-9,
            "period": self._period_ns * 1e-9,
        }
