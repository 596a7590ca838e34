"""A goal gate, `python -m safety_supervisor.ros.goals.gate`: the action server of one source, in a process of its own.

rclpy decodes a goal before anybody can look at its length, and 1,000 points take 10 ms: too long for the control
process, and megabytes take seconds: too long for the goals, cancels and proofs of life of another source, which
therefore has a gate of its own. A gate takes goals, hands their trajectories on as bytes, and tells clients what the
control process says.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from typing import Any

import msgspec
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from safety_supervisor.ros.child import FramePipe
from safety_supervisor.ros.cycle import make_executor
from safety_supervisor.ros.goals.frames import GateSettings, Ready, ToGate
from safety_supervisor.ros.goals.server import GoalServer
from safety_supervisor.ros.idle import IdleWatch
from safety_supervisor.ros.main import NO_LOG_FILE
from safety_supervisor.ros.process import die_with_parent

MEMORY = 4 * 1024**3
"""Address space, [bytes]: a goal made to exhaust memory ends this process and nothing else."""
WAIT = 0.005
"""Longest wait for the middleware between two looks at the pipe, [s]."""


def serve(pipe: FramePipe, name: str, settings: GateSettings) -> None:
    """Serve until the other end of the pipe closes.

    Args:
        pipe: to the control process.
        name: fully qualified name of this process's node.
        settings: of the source.
    """
    namespace, _, own = name.rpartition("/")
    node = Node(own, namespace=namespace or "/", start_parameter_services=False, enable_rosout=False)
    executor = make_executor()
    executor.add_node(node)
    encoder, frames = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(ToGate)

    def send(frame: Any) -> None:
        pipe.send(encoder.encode(frame))

    idle = IdleWatch(WAIT)
    server = GoalServer(node, settings, send, lambda: idle.last)
    send(Ready())
    while (received := pipe.exchange()) is not None:
        for data in received:
            server.hear(frames.decode(data))
        server.step(time.monotonic_ns())
        began = time.monotonic_ns()
        try:
            executor.spin_once(timeout_sec=WAIT)
        except Exception as error:  # rclpy's word for a request that it can not decode
            node.get_logger().error(f"{type(error).__name__}: {error}"[:300])
        idle.waited(began, time.monotonic_ns(), worked=server.busy())


def main() -> None:
    """Run until the parent ends. Ctrl-C is the parent's to handle: clients still wait for their results."""
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    name, described = sys.argv[1:3]
    pipe = FramePipe(os.dup(0), os.dup(1))
    os.dup2(2, 1)  # what any library prints is no frame
    with contextlib.suppress(OSError):  # ordinary, but before what else the machine does
        os.setpriority(os.PRIO_PROCESS, 0, -5)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    rclpy.init(args=list(NO_LOG_FILE), signal_handler_options=SignalHandlerOptions.NO)
    serve(pipe, name, msgspec.json.decode(described, type=GateSettings))


if __name__ == "__main__":
    main()
