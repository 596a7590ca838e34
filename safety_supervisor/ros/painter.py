"""The painter process, `python -m safety_supervisor.ros.painter`: markers from a pose.

Distances of all pairs and some eighty markers take 10 ms, fifty times what a control cycle can spare. So they are made
here, and come back as the bytes of the message, which the control process only passes on. Nothing depends on it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

NICE = 10
"""The rest of the machine comes before a picture."""


def main() -> None:
    """Run until the parent ends; the large imports wait until this process is a nice one."""
    os.nice(NICE)
    from safety_supervisor.ros.process import die_with_parent

    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        serve(0, 1)


def serve(source: int, sink: int) -> None:
    """Answer every request with a picture until the other end closes. The first frame is the boot's header."""
    import msgspec
    import numpy as np
    from rclpy.serialization import serialize_message

    from safety_supervisor.evidence.event_log import LogHeader
    from safety_supervisor.evidence.replay import recorded_configuration
    from safety_supervisor.ros.frames import PaintRequest, encode_frame
    from safety_supervisor.ros.markers import MarkerWriter, Moment

    frames = _read_frames(source)
    header = next(frames, None)
    if header is None:
        return
    writer = MarkerWriter(recorded_configuration(msgspec.msgpack.decode(header, type=LogHeader)))
    requests = msgspec.msgpack.Decoder(PaintRequest)
    for frame in frames:
        request = requests.decode(frame)
        here, end = (np.array(q) if q else None for q in (request.positions, request.stop))
        moment = Moment(here, end, request.tool, request.state, request.rung)
        reply = memoryview(encode_frame(serialize_message(writer.write(moment, time.time_ns()))))
        while reply:
            reply = reply[os.write(sink, reply) :]


def _read_frames(source: int) -> Iterator[bytes]:
    from safety_supervisor.ros.frames import FrameBuffer

    buffer = FrameBuffer()
    while data := os.read(source, 1 << 20):
        buffer.feed(data)
        while (frame := buffer.next()) is not None:
            yield frame


if __name__ == "__main__":
    main()
