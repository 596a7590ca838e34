"""The inputs of one source: bytes of set-points, arrays and trajectories, judged by rate and length before reading."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.events import BaseCommand, CommandUnreadable, SourceLiveliness, StreamCommand
from safety_supervisor.core.settings import (
    CommandKind,
    SourceSettings,
)
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.arrays import decode_array
from safety_supervisor.ros.cdr import JointStateFields, JointStateReader
from safety_supervisor.ros.cdr_base import read_twist
from safety_supervisor.ros.decoding import Decoder
from safety_supervisor.ros.quality import Sink
from safety_supervisor.ros.source_gate import SourceGate


def decode_joint_state(reader: JointStateReader, data: bytes) -> JointStateFields | str:
    """Read a JointState; what is not plainly one is given to the library. A text says why it is none."""
    fields = reader.read(data)
    if fields is not None:
        return fields
    try:
        message = deserialize_message(data, JointState)
    except Exception as error:  # whatever the library makes of foreign bytes
        return f"{type(error).__name__}: {error}"[:200]
    stamp = message.header.stamp
    return JointStateFields(
        stamp.sec * NS_PER_S + stamp.nanosec,
        message.header.frame_id,
        tuple(message.name),
        tuple(message.position),
        tuple(message.velocity),
        tuple(message.effort),
    )


class SourceInput:
    """The inputs of one source."""

    def __init__(self, source: SourceSettings, sink: Sink, decoder: Decoder) -> None:
        """Start with a full bucket."""
        self.source = source
        self._gate = SourceGate(source, partial(decode_joint_state, JointStateReader()), time.monotonic_ns())
        self.bucket = self._gate.bucket
        self._sink = sink
        self._decoder = decoder
        self.publisher_alive = False
        """Whether a publisher of trajectory messages keeps its lease."""

    def hear_set_point(self, data: bytes, received: Nanoseconds) -> None:
        """Handle the bytes of `~/sources/NAME/joint_command`."""
        event = self._gate.set_point(data, time.monotonic_ns(), time.time_ns, received)
        if event is not None:
            self._sink.enter(event)

    def hear_array(self, data: bytes, received: Nanoseconds) -> None:
        """Handle the bytes of `~/sources/NAME/commands`."""
        now = time.monotonic_ns()
        source = self.source
        if not self.bucket.admit(now):
            return
        if len(data) > source.max_message_bytes:
            self._refuse(now, Code.TOO_LARGE, len(data), source.max_message_bytes, "bytes of the array's message")
            return
        clock = time.time_ns()
        array = decode_array(data)
        if isinstance(array, Violation):
            self._refuse(now, array.code, array.value, array.limit, array.detail)
            return
        holds_velocities = source.array_commands is CommandKind.VELOCITY
        self._sink.enter(
            StreamCommand(
                at=now,
                source=source.name,
                names=array.names,
                positions=() if holds_velocities else array.values,
                velocities=array.values if holds_velocities else (),
                efforts=0,
                stamp=0,
                clock=clock,
                frame_id="",
                body="",
                received=received,
            )
        )

    def hear_twist(self, data: bytes, received: Nanoseconds, frame: str | None) -> None:
        """Handle the bytes of `~/sources/NAME/cmd_vel`; `frame`: of a Twist, which names none, None: it is stamped."""
        now = time.monotonic_ns()
        source = self.source
        if not self.bucket.admit(now):
            return
        if len(data) > source.max_message_bytes:
            self._refuse(now, Code.TOO_LARGE, len(data), source.max_message_bytes, "bytes of the twist's message")
            return
        clock = time.time_ns()
        fields = read_twist(data, stamped=frame is None)
        if fields is None:
            self._refuse(now, Code.UNDECODABLE, 0.0, 0.0, "not a twist in plain little-endian CDR")
            return
        frame_id = fields.frame_id if frame is None else frame
        self._sink.enter(
            BaseCommand(now, source.name, fields.linear, fields.angular, frame_id, fields.stamp, clock, received)
        )

    def hear_trajectory(self, data: bytes, received: Nanoseconds) -> None:
        """Handle the bytes of `~/sources/NAME/joint_trajectory`."""
        now = time.monotonic_ns()
        source = self.source
        refusal: CommandUnreadable | bool | None = self._gate.trajectory(len(data), now)
        if refusal is False:
            return
        if refusal is True:
            refusal = self._decoder.submit(
                source.name, data, time.time_ns(), now, source.max_trajectory_points, received=received
            )
        if refusal is not None:
            self._sink.enter(refusal)

    def hear_goal(self, goal: str, data: bytes, clock: int, received: Nanoseconds) -> None:
        """Handle the trajectory of an action goal; its length was judged where it came in.

        Args:
            goal: its correlation id.
            data: trajectory_msgs/JointTrajectory.
            clock: ROS clock at receipt, [ns].
            received: steady clock, [ns].
        """
        now = time.monotonic_ns()
        source = self.source
        refusal: CommandUnreadable | None
        if not self.bucket.admit(now):
            self.bucket.excess -= 1  # told here, by its id
            limit = source.rate_limit_hz
            refusal = CommandUnreadable(now, source.name, Code.RATE.value, limit, limit, "goals", command=goal)
        else:
            refusal = self._decoder.submit(
                source.name, data, clock, now, source.max_trajectory_points, received=received, command=goal
            )
        if refusal is not None:
            self._sink.enter(refusal)

    def withdraw_goal(self, goal: str) -> bool:
        """Forget a goal that is still being decoded; return whether it was."""
        return self._decoder.withdraw(self.source.name, goal)

    def hear_liveliness(self, status: Any) -> None:
        """Handle a change of the trajectory publisher's liveliness."""
        self.publisher_alive = status.alive_count > 0
        self._sink.enter(SourceLiveliness(time.monotonic_ns(), self.source.name, self.publisher_alive))

    def report_excess(self, now: Nanoseconds) -> None:
        """Tell of the messages that the bucket held back since the last cycle, as one event."""
        event = self._gate.excess(now)
        if event is not None:
            self._sink.enter(event)

    def _refuse(self, now: Nanoseconds, code: Code, value: float, limit: float, detail: str, count: int = 1) -> None:
        self._sink.enter(self._gate.refuse(now, code, value, limit, detail, count))
