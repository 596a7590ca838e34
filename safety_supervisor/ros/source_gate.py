"""What is judged of a source's messages before they become events: rate, length, readability. No ROS, no clock.

`SourceInput` uses it in the node; the scenario laboratory's core engine uses it in simulated time.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any

from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import CommandUnreadable, StreamCommand, TrajectoryCommand
from safety_supervisor.core.settings import SourceSettings
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.cdr import JointStateFields
from safety_supervisor.ros.frames import DecodeRequest, hash_content
from safety_supervisor.ros.rate import TokenBucket

_KEY = "key:"


class SourceGate:
    """The gate before one source.

    Args:
        source: its settings.
        read: bytes of a set-point to its fields; a text says why they are none.
        now: steady clock, [ns].

    Attributes:
        bucket: of all messages of the source.
    """

    def __init__(self, source: SourceSettings, read: Callable[[bytes], JointStateFields | str], now: int) -> None:
        """Start with a full bucket."""
        self.source = source
        self.bucket = TokenBucket(source.rate_limit_hz)
        self._read = read
        self._reported_at = now

    def set_point(
        self, data: bytes, now: Nanoseconds, clock: Callable[[], int], received: Nanoseconds
    ) -> StreamCommand | CommandUnreadable | None:
        """Judge the bytes of `~/sources/NAME/joint_command`; None: held back by rate.

        Args:
            data: sensor_msgs/JointState.
            now: steady clock, [ns].
            clock: reads the ROS clock, [ns].
            received: when the middleware received them, steady clock, [ns].
        """
        source = self.source
        if not self.bucket.admit(now):
            return None
        if len(data) > source.max_message_bytes:
            limit = source.max_message_bytes
            return self.refuse(now, Code.TOO_LARGE, len(data), limit, "bytes of the set-point's message")
        at_clock = clock()
        fields = self._read(data)
        if isinstance(fields, str):
            return self.refuse(now, Code.UNDECODABLE, 0.0, 0.0, fields)
        body = ""
        if _KEY in fields.frame_id:
            body = hash_content((fields.names, fields.positions, fields.velocities, fields.efforts))
        return StreamCommand(
            at=now,
            source=source.name,
            names=fields.names,
            positions=fields.positions,
            velocities=fields.velocities,
            efforts=len(fields.efforts),
            stamp=fields.stamp,
            clock=at_clock,
            frame_id=fields.frame_id,
            body=body,
            received=received,
        )

    def trajectory(self, size: int, now: Nanoseconds) -> CommandUnreadable | bool:
        """Judge the length of `~/sources/NAME/joint_trajectory`; True: to be decoded, False: held back by rate."""
        if not self.bucket.admit(now):
            return False
        limit = self.source.max_trajectory_bytes
        if size > limit:
            return self.refuse(now, Code.TOO_LARGE, size, limit, "bytes of the trajectory's message")
        return True

    def excess(self, now: Nanoseconds) -> CommandUnreadable | None:
        """Tell of the messages that the bucket held back since the last call, as one event."""
        elapsed = max(1, now - self._reported_at)
        self._reported_at = now
        if not self.bucket.excess:
            return None
        count = self.bucket.take_excess()
        rate = count * NS_PER_S / elapsed
        return self.refuse(now, Code.RATE, rate, self.bucket.rate, "messages per second above", count)

    def refuse(
        self, now: Nanoseconds, code: Code, value: float, limit: float, detail: str, count: int = 1
    ) -> CommandUnreadable:
        """Return the event of a message that is not read."""
        return CommandUnreadable(now, self.source.name, code.value, float(value), float(limit), detail, count)


def trajectory_event(message: Any, request: DecodeRequest) -> TrajectoryCommand | CommandUnreadable:
    """Turn a trajectory that was read into its event; `at` is 0 until it enters the core.

    Args:
        message: trajectory_msgs/JointTrajectory, or what has its fields.
        request: what it was read for; its bytes are not looked at.
    """
    points = message.points
    if len(points) > request.max_points:
        code, count, limit = Code.TOO_MANY_POINTS.value, float(len(points)), float(request.max_points)
        return CommandUnreadable(
            0, request.source, code, count, limit, "points of the trajectory", command=request.command
        )
    positions, position_counts = _rows([point.positions for point in points])
    velocities, velocity_counts = _rows([point.velocities for point in points])
    accelerations, acceleration_counts = _rows([point.accelerations for point in points])
    times = tuple(point.time_from_start.sec * NS_PER_S + point.time_from_start.nanosec for point in points)
    efforts = sum(len(point.effort) for point in points)
    names = tuple(message.joint_names)
    frame_id = message.header.frame_id
    if request.command and not frame_id.startswith("why:"):
        frame_id = ""  # a goal's header says why, and nothing else
    body = ""
    if _KEY in frame_id and not request.command:
        counts = (position_counts, velocity_counts, acceleration_counts)
        body = hash_content((names, times, positions, velocities, accelerations, counts, efforts))
    return TrajectoryCommand(
        at=0,
        source=request.source,
        names=names,
        times=times,
        positions=positions,
        position_counts=position_counts,
        velocities=velocities,
        velocity_counts=velocity_counts,
        accelerations=accelerations,
        acceleration_counts=acceleration_counts,
        efforts=efforts,
        stamp=message.header.stamp.sec * NS_PER_S + message.header.stamp.nanosec,
        clock=request.clock,
        frame_id=frame_id,
        body=body,
        command=request.command,
    )


def _rows(rows: Sequence[Any]) -> tuple[bytes, tuple[int, ...]]:
    """Join the rows of a field into one block and the lengths of the rows."""
    block = array("d")
    for row in rows:
        block.extend(row)
    return block.tobytes(), tuple(len(row) for row in rows)
