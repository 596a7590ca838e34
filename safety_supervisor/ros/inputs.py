"""What the node listens to: raw subscriptions that turn bytes into events.

Every message costs the control thread a bounded time: rate and byte length are judged before anything is decoded,
joint states are read in place, trajectories go to the decoder process. Streams and states: best effort, depth 1,
which matches every publisher. Trajectories: reliable, depth 10, with the source's liveliness lease.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

from geometry_msgs.msg import PoseArray
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor.core.errors import Code
from safety_supervisor.core.settings import (
    CommandKind,
    Configuration,
    EstopDriver,
    SeparationSettings,
    SourceSettings,
)
from safety_supervisor.core.types import (
    CommandUnreadable,
    EstopInput,
    HoldToRun,
    Humans,
    JointStates,
    RobotDescription,
    SourceLiveliness,
    StopRequested,
    StreamCommand,
)
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.cdr import JointStateFields, JointStateReader, read_points, read_string
from safety_supervisor.ros.decoding import Decoder
from safety_supervisor.ros.frames import hash_content
from safety_supervisor.ros.quality import Endpoints, Sink
from safety_supervisor.ros.rate import TokenBucket
from safety_supervisor.ros.text import escape

MAX_STATE_BYTES = 65_536
MAX_STATE_RATE_HZ = 5_000.0
MAX_TEXT_BYTES = 4_096
MAX_PEOPLE_RATE_HZ = 500.0
PEOPLE_TOPIC = "~/humans"


def _stream_profile() -> QoSProfile:
    return QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE)


def _trajectory_profile(lease: Nanoseconds | None) -> QoSProfile:
    profile = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)
    if lease is not None:
        profile.liveliness = LivelinessPolicy.AUTOMATIC
        profile.liveliness_lease_duration = Duration(nanoseconds=lease)
    return profile


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
        self.bucket = TokenBucket(source.rate_limit_hz)
        self._sink = sink
        self._decoder = decoder
        self._reader = JointStateReader()
        self._reported_at = time.monotonic_ns()

    def hear_set_point(self, data: bytes) -> None:
        """Handle the bytes of `~/sources/NAME/joint_command`."""
        now = time.monotonic_ns()
        source = self.source
        if not self.bucket.admit(now):
            return
        if len(data) > source.max_message_bytes:
            self._refuse(now, Code.TOO_LARGE, len(data), source.max_message_bytes, "bytes of the set-point's message")
            return
        clock = time.time_ns()
        fields = decode_joint_state(self._reader, data)
        if isinstance(fields, str):
            self._refuse(now, Code.UNDECODABLE, 0.0, 0.0, fields)
            return
        body = ""
        if "key:" in fields.frame_id:
            body = hash_content((fields.names, fields.positions, fields.velocities, fields.efforts))
        self._sink.enter(
            StreamCommand(
                at=now,
                source=source.name,
                names=fields.names,
                positions=fields.positions,
                velocities=fields.velocities,
                efforts=len(fields.efforts),
                stamp=fields.stamp,
                clock=clock,
                frame_id=fields.frame_id,
                body=body,
            )
        )

    def hear_trajectory(self, data: bytes) -> None:
        """Handle the bytes of `~/sources/NAME/joint_trajectory`."""
        now = time.monotonic_ns()
        source = self.source
        if not self.bucket.admit(now):
            return
        if len(data) > source.max_trajectory_bytes:
            self._refuse(
                now, Code.TOO_LARGE, len(data), source.max_trajectory_bytes, "bytes of the trajectory's message"
            )
            return
        refusal = self._decoder.submit(source.name, data, time.time_ns(), now, source.max_trajectory_points)
        if refusal is not None:
            self._sink.enter(refusal)

    def hear_liveliness(self, status: Any) -> None:
        """Handle a change of the trajectory publisher's liveliness."""
        self._sink.enter(SourceLiveliness(time.monotonic_ns(), self.source.name, status.alive_count > 0))

    def report_excess(self, now: Nanoseconds) -> None:
        """Tell of the messages that the bucket held back since the last cycle, as one event."""
        elapsed = max(1, now - self._reported_at)
        self._reported_at = now
        if self.bucket.excess:
            count = self.bucket.take_excess()
            self._refuse(
                now, Code.RATE, count * NS_PER_S / elapsed, self.bucket.rate, "messages per second above", count
            )

    def _refuse(self, now: Nanoseconds, code: Code, value: float, limit: float, detail: str, count: int = 1) -> None:
        event = CommandUnreadable(now, self.source.name, code.value, float(value), float(limit), detail, count)
        self._sink.enter(event)


class SimulatedEstop:
    """The word of `~/simulated_estop`; other words than `run` and `stop` are unknown, which is a stop.

    What is not RUN is kept until a cycle has seen it: a press that is shorter than a cycle is a press (SR-001).
    """

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self._newest = EstopInput("unknown")
        self._unseen: EstopInput | None = None

    def hear(self, data: bytes) -> None:
        """Handle a message."""
        text = read_string(data) if len(data) <= MAX_TEXT_BYTES else None
        now = time.monotonic_ns()
        if text == "run":
            self._newest = EstopInput("run", received_at=now)
            return
        self._newest = EstopInput("stop" if text == "stop" else "unknown", received_at=now)
        if self._unseen is None or text == "stop":
            self._unseen = self._newest

    def sample(self) -> EstopInput:
        """Return the word for this cycle."""
        word, self._unseen = self._unseen or self._newest, None
        return word


class PeopleInput:
    """The bytes of `~/humans`; what can not be read makes people unknown."""

    def __init__(self, settings: SeparationSettings, sink: Sink) -> None:
        """Start with a full bucket."""
        self._settings = settings
        self._sink = sink
        self._bucket = TokenBucket(MAX_PEOPLE_RATE_HZ)

    def hear(self, data: bytes) -> None:
        """Handle a message."""
        now, clock, most = time.monotonic_ns(), time.time_ns(), self._settings.max_bytes
        if not self._bucket.admit(now):
            return  # what is not heard turns stale, and stale is a stop
        if len(data) > most:
            self._refuse(now, clock, Code.TOO_LARGE, f"{len(data)} bytes; allowed: {most}")
            return
        fields = read_points(data)
        if fields is None:
            self._refuse(now, clock, Code.UNDECODABLE, "not a PoseArray in plain little-endian CDR")
            return
        self._sink.enter(Humans(now, fields.frame_id, fields.points, fields.stamp, clock))

    def _refuse(self, now: Nanoseconds, clock: int, code: Code, detail: str) -> None:
        self._sink.enter(Humans(now, "", b"", 0, clock, code.value, detail))


class Inputs:
    """All subscriptions of one boot."""

    def __init__(self, endpoints: Endpoints, configuration: Configuration, sink: Sink, decoder: Decoder) -> None:
        """Subscribe to everything."""
        self._sink = sink
        self._state_reader = JointStateReader()
        self._state_bucket = TokenBucket(MAX_STATE_RATE_HZ)
        self._stop_heard = False
        self._described = b""
        self._urdf_bytes = len(configuration.robot.urdf.encode())
        self.estop: SimulatedEstop | None = None
        self.sources = [SourceInput(source, sink, decoder) for source in configuration.sources]
        subscribe = endpoints.subscribe
        stream = _stream_profile()
        for heard in self.sources:
            source = heard.source
            prefix = f"~/sources/{source.name}"
            if source.commands & {CommandKind.POSITION, CommandKind.VELOCITY}:
                subscribe(JointState, f"{prefix}/joint_command", heard.hear_set_point, stream, source=source.name)
            if CommandKind.TRAJECTORY in source.commands:
                subscribe(
                    JointTrajectory,
                    f"{prefix}/joint_trajectory",
                    heard.hear_trajectory,
                    _trajectory_profile(source.liveliness_lease),
                    source=source.name,
                    liveliness=heard.hear_liveliness if source.liveliness_lease is not None else None,
                )
        subscribe(JointState, "joint_states", self._hear_joint_states, stream, required=True)
        latched = QoSProfile(
            depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
        )
        subscribe(String, "robot_description", self._hear_description, latched, required=True)
        # From anyone: the reliable one loses nothing, the best-effort one hears those who offer no more.
        for reliability in (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT):
            subscribe(
                String, "~/stop_requests", self._hear_stop, QoSProfile(depth=10, reliability=reliability), watch=False
            )
        subscribe(String, "~/hold", self._hear_hold, stream)
        if configuration.separation is not None:
            people = PeopleInput(configuration.separation, sink)
            subscribe(PoseArray, PEOPLE_TOPIC, people.hear, stream, required=True)
        if configuration.estop.driver is EstopDriver.SIMULATED:
            self.estop = SimulatedEstop()
            subscribe(String, "~/simulated_estop", self.estop.hear, stream, required=True)

    def report_excess(self, now: Nanoseconds) -> None:
        """Report what was held back since the last cycle."""
        self._stop_heard = False
        for heard in self.sources:
            heard.report_excess(now)

    def sample_estop(self) -> EstopInput:
        """Return the e-stop's newest word for this tick."""
        return EstopInput("run") if self.estop is None else self.estop.sample()

    def _hear_joint_states(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if len(data) > MAX_STATE_BYTES or not self._state_bucket.admit(now):
            return  # what is not heard turns stale, and stale is a stop
        clock = time.time_ns()
        fields = decode_joint_state(self._state_reader, data)
        if isinstance(fields, str):
            return
        event = JointStates(now, fields.names, fields.positions, fields.velocities, fields.stamp, clock)
        self._sink.enter(event)

    def _hear_description(self, data: bytes) -> None:
        # Another length is another description: what is decoded and hashed is bounded by our own URDF's size.
        text = None
        if len(data) <= self._urdf_bytes + MAX_TEXT_BYTES:
            if data == self._described:
                return
            self._described = data
            text = read_string(data)
        encoded = b"" if text is None else text.encode()
        digest = hashlib.sha256(encoded).hexdigest() if len(encoded) == self._urdf_bytes else ""
        self._sink.enter(RobotDescription(time.monotonic_ns(), digest))

    def _hear_stop(self, data: bytes) -> None:
        if self._stop_heard:
            return  # this cycle already stops; repeats cost nothing (REDTEAM 52)
        self._stop_heard = True
        text = read_string(data) if len(data) <= MAX_TEXT_BYTES else None
        reason = escape(text) if text is not None else "(unreadable)"
        self._sink.enter(StopRequested(time.monotonic_ns(), "topic", reason))

    def _hear_hold(self, data: bytes) -> None:
        text = read_string(data) if len(data) <= MAX_TEXT_BYTES else None
        if text is not None and text.isascii() and text.isdecimal() and len(text) <= 18:
            self._sink.enter(HoldToRun(time.monotonic_ns(), int(text)))
