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
from typing import NoReturn

import msgspec
from rclpy.serialization import deserialize_message, serialize_message
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import CommandUnreadable, TrajectoryCommand
from safety_supervisor.ros.frames import DecodeReply, DecodeRequest, FrameBuffer, encode_frame
from safety_supervisor.ros.process import die_with_parent, write_all
from safety_supervisor.ros.source_gate import trajectory_event

MEMORY = 2 * 1024**3
"""Address space of the worker, [bytes]: a message made to exhaust memory ends the worker and nothing else."""
PATIENCE = 2.0
"""A message that takes longer ends the worker, [s]."""


def decode(request: DecodeRequest) -> TrajectoryCommand | CommandUnreadable:
    """Decode one trajectory. Never raises: what can not be decoded is data."""
    try:
        message = deserialize_message(request.data, JointTrajectory)
    except Exception as error:  # whatever the library makes of foreign bytes
        return _refuse(request, Code.UNDECODABLE, 0.0, 0.0, f"{type(error).__name__}: {error}"[:200])
    return trajectory_event(message, request)


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
