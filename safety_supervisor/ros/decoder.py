"""The decoder process, `python -m safety_supervisor.ros.decoder`: trajectories from bytes to events.

Decoding 200 points takes 1 ms and 100,000 points over a second, so it happens beside the control process. A *keeper*
hands each request to a *worker* that it forked; a worker that dies of a message or hangs is replaced here, because
starting a process would hold the control process for milliseconds. Both hold nothing, decide nothing but the number of
points, and end with their parent.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import time
from array import array
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec
from rclpy.serialization import deserialize_message, serialize_message
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import CommandUnreadable, TrajectoryCommand
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.ros.frames import DecodeReply, DecodeRequest, FrameBuffer, encode_frame, hash_content
from safety_supervisor.ros.process import die_with_parent, write_all

MEMORY = 2 * 1024**3
"""Address space of the worker, [bytes]: a message made to exhaust memory ends the worker and nothing else."""
PATIENCE = 2.0
"""A message that takes longer ends the worker, [s]."""
_KEY = "key:"


def _rows(rows: Sequence[Any]) -> tuple[bytes, tuple[int, ...]]:
    """Join the rows of a field into one block and the lengths of the rows."""
    block = array("d")
    for row in rows:
        block.extend(row)
    return block.tobytes(), tuple(len(row) for row in rows)


def decode(request: DecodeRequest) -> TrajectoryCommand | CommandUnreadable:
    """Decode one trajectory. Never raises: what can not be decoded is data."""
    try:
        message = deserialize_message(request.data, JointTrajectory)
    except Exception as error:  # whatever the library makes of foreign bytes
        return _refuse(request, Code.UNDECODABLE, 0.0, 0.0, f"{type(error).__name__}: {error}"[:200])
    points = message.points
    if len(points) > request.max_points:
        return _refuse(request, Code.TOO_MANY_POINTS, len(points), request.max_points, "points of the trajectory")
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


def _refuse(request: DecodeRequest, code: Code, value: float, limit: float, detail: str) -> CommandUnreadable:
    return CommandUnreadable(0, request.source, code.value, float(value), float(limit), detail, command=request.command)


class Worker:
    """A forked process that decodes one request after the other."""

    def __init__(self) -> None:
        """Fork."""
        requests_out, self._requests = os.pipe()
        self._replies, replies_in = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._requests)
            os.close(self._replies)
            _work(requests_out, replies_in)
        os.close(requests_out)
        os.close(replies_in)

    def ask(self, frame: bytes, patience: float) -> bytes | None:
        """Return the reply to a request; None when the worker dies of it or takes longer than `patience`, [s]."""
        ends = time.monotonic() + patience
        buffer = FrameBuffer()
        try:
            write_all(self._requests, encode_frame(frame))
        except BrokenPipeError:
            return None
        while (reply := buffer.next()) is None:
            if not select.select([self._replies], [], [], max(0.0, ends - time.monotonic()))[0]:
                return None
            data = os.read(self._replies, 1 << 20)
            if not data:
                return None
            buffer.feed(data)
        return reply

    def end(self) -> None:
        """Kill it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._requests)
        os.close(self._replies)


def _work(source: int, sink: int) -> NoReturn:
    """Be the worker until the keeper ends."""
    die_with_parent(signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    requests, encoder, buffer = msgspec.msgpack.Decoder(DecodeRequest), msgspec.msgpack.Encoder(), FrameBuffer()
    try:
        while data := os.read(source, 1 << 20):
            buffer.feed(data)
            while (frame := buffer.next()) is not None:
                request = requests.decode(frame)
                write_all(sink, encode_frame(encoder.encode(DecodeReply(request.number, decode(request)))))
    finally:
        os._exit(0)


def serve(source: int, sink: int) -> None:
    """Answer every request until the other end closes."""
    requests, encoder, buffer = msgspec.msgpack.Decoder(DecodeRequest), msgspec.msgpack.Encoder(), FrameBuffer()
    # The first message loads the library's type support; every worker inherits that.
    decode(DecodeRequest(0, "", 0, 1, serialize_message(JointTrajectory(points=[JointTrajectoryPoint()]))))
    worker = Worker()
    write_all(sink, encode_frame(encoder.encode(DecodeReply(0, None))))
    while data := os.read(source, 1 << 20):
        buffer.feed(data)
        while (frame := buffer.next()) is not None:
            reply = worker.ask(frame, PATIENCE)
            if reply is None:
                worker.end()
                worker = Worker()
                request = requests.decode(frame)
                refusal = _refuse(request, Code.UNDECODABLE, 0.0, 0.0, "the decoder died of it or took too long")
                reply = encoder.encode(DecodeReply(request.number, refusal))
            write_all(sink, encode_frame(reply))


def main() -> None:
    """Run until the parent ends. Ctrl-C is the parent's to handle: it still needs us while it stops."""
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # ordinary, but before what else the machine does
        os.setpriority(os.PRIO_PROCESS, 0, -5)
    with contextlib.suppress(BrokenPipeError):
        serve(0, 1)


if __name__ == "__main__":
    main()
