"""What the node listens to: raw subscriptions that turn bytes into events.

Every message costs the control thread a bounded time: rate and byte length are judged before anything is decoded,
joint states are read in place, trajectories go to the decoder process. Streams and states: best effort, which matches
every publisher; their queues hold what a period brings, a bunch of late set-points included. Trajectories: reliable,
depth 10, with the source's liveliness lease.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from geometry_msgs.msg import PoseArray
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor.core.act_events import HoldToRun, StopRequested
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.estop_settings import SIMULATED
from safety_supervisor.core.events import JointStates, RobotDescription
from safety_supervisor.core.settings import (
    CommandKind,
    Configuration,
)
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.ros.balance_input import subscribe_balance
from safety_supervisor.ros.base_input import subscribe_base
from safety_supervisor.ros.cdr import JointStateReader, read_string
from safety_supervisor.ros.decoding import Decoder
from safety_supervisor.ros.estop_line import EstopLine
from safety_supervisor.ros.quality import Endpoints, Sink
from safety_supervisor.ros.rate import TokenBucket
from safety_supervisor.ros.source_input import SourceInput, decode_joint_state
from safety_supervisor.ros.text import escape
from safety_supervisor.ros.world_input import MAX_TEXT_BYTES, PEOPLE_TOPIC, SimulatedEstop, hear_people

MAX_STATE_BYTES = 65_536
MAX_STATE_RATE_HZ = 5_000.0
STREAM_DEPTH = 8
"""Set-points or joint states that one cycle takes at most; of more, the newest are kept."""
ANOTHER = "another one"
PEOPLE_DEPTH = 2
"""Each message says where all people are: the newest one counts, and the one before it."""
ESTOP_DEPTH = 16
"""A press may be followed by a release within one cycle, and must be seen."""


def _stream_profile(depth: int = STREAM_DEPTH) -> QoSProfile:
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE)


def _trajectory_profile(lease: Nanoseconds | None) -> QoSProfile:
    profile = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)
    if lease is not None:
        profile.liveliness = LivelinessPolicy.AUTOMATIC
        profile.liveliness_lease_duration = Duration(nanoseconds=lease)
    return profile


class Inputs:
    """All subscriptions of one boot.

    Args:
        endpoints: makes them.
        configuration: of the robot.
        sink: takes the events.
        decoder: of trajectories.
        signed_hold: takes beats of the hold-to-run button that are signed, and when they were received.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        configuration: Configuration,
        sink: Sink,
        decoder: Decoder,
        signed_hold: Callable[[bytes, Nanoseconds], None],
    ) -> None:
        """Subscribe to everything."""
        self._sink = sink
        self._signed_hold = signed_hold
        self._unsigned = configuration.operators.unsigned_services
        self._state_reader = JointStateReader()
        self._state_bucket = TokenBucket(MAX_STATE_RATE_HZ)
        self._stop_heard = False
        self._described = b""
        self._urdf_sha256 = configuration.robot.urdf_sha256
        self.description = "not heard"
        """What was made of `robot_description`, for people."""
        self._urdf_bytes = len(configuration.robot.urdf.encode())
        self.estop: SimulatedEstop | None = None
        self.line: EstopLine | None = None
        """The e-stop device on a serial line."""
        self.sources = [SourceInput(source, sink, decoder) for source in configuration.sources]
        self.watch_states: Callable[[JointStates], None] | None = None
        """Takes joint states too."""
        self._publishers = endpoints.count_publishers
        subscribe = endpoints.subscribe
        stream = _stream_profile()
        for heard in self.sources:
            source = heard.source
            prefix = f"~/sources/{source.name}"
            if source.commands & {CommandKind.POSITION, CommandKind.VELOCITY}:
                subscribe(JointState, f"{prefix}/joint_command", heard.hear_set_point, stream, source=source.name)
            if source.array_commands is not None:
                subscribe(Float64MultiArray, f"{prefix}/commands", heard.hear_array, stream, source=source.name)
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
            depth=4, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
        )
        subscribe(String, "robot_description", self._hear_description, latched, required=True)
        # From anyone: the reliable one loses nothing, the best-effort one hears those who offer no more.
        for reliability in (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT):
            subscribe(
                String,
                "~/stop_requests",
                self._hear_stop,
                QoSProfile(depth=1, reliability=reliability),
                watch=False,
                urgent=True,
            )
        subscribe(String, "~/hold", self._hear_hold, _stream_profile(1), urgent=True)
        if configuration.separation is not None:
            people = hear_people(configuration.separation, sink)
            subscribe(PoseArray, PEOPLE_TOPIC, people.hear, _stream_profile(PEOPLE_DEPTH), required=True)
        if configuration.base is not None:
            frame = configuration.robot.base_frame
            subscribe_base(endpoints, configuration.base, frame, self.sources, sink, _stream_profile)
        if configuration.balance is not None:
            subscribe_balance(endpoints, configuration.balance, sink, stream)
        if configuration.estop.driver == SIMULATED:
            self.estop = SimulatedEstop()
            subscribe(
                String, "~/simulated_estop", self.estop.hear, _stream_profile(ESTOP_DEPTH), required=True, urgent=True
            )
        if configuration.estop.line is not None:
            self.line = EstopLine(configuration.estop, sink.enter)

    def report_excess(self, now: Nanoseconds) -> None:
        """Report what was held back since the last cycle."""
        self._stop_heard = False
        for heard in self.sources:
            heard.report_excess(now)

    def sample_estop(self, at: Nanoseconds) -> EstopInput:
        """Return the e-stop's newest word for the tick of this time."""
        if self.line is not None:
            return self.line.sample(at)
        return EstopInput("run") if self.estop is None else self.estop.sample()

    def _hear_joint_states(self, data: bytes, received: Nanoseconds) -> None:
        now = time.monotonic_ns()
        if len(data) > MAX_STATE_BYTES or not self._state_bucket.admit(now):
            return  # what is not heard turns stale, and stale is a stop
        clock = time.time_ns()
        fields = decode_joint_state(self._state_reader, data)
        if isinstance(fields, str):
            return
        event = JointStates(now, fields.names, fields.positions, fields.velocities, fields.stamp, clock, received)
        if self.watch_states is not None:
            self.watch_states(event)
        self._sink.enter(event)

    def _hear_description(self, data: bytes, received: Nanoseconds) -> None:
        # Another length is another description: what is decoded and hashed is bounded by our own URDF's size.
        text = None
        if len(data) <= self._urdf_bytes + MAX_TEXT_BYTES:
            if data == self._described:
                return
            self._described = data
            text = read_string(data)
        encoded = b"" if text is None else text.encode()
        digest = hashlib.sha256(encoded).hexdigest() if len(encoded) == self._urdf_bytes else ""
        right = digest == self._urdf_sha256
        if right and self.description == ANOTHER and self._publishers("robot_description") > 1:
            return  # one of them says so and another says otherwise
        self.description = "as configured" if right else ANOTHER
        self._sink.enter(RobotDescription(time.monotonic_ns(), digest))

    def _hear_stop(self, data: bytes, received: Nanoseconds) -> None:
        if self._stop_heard:
            return  # this cycle already stops; repeats cost nothing (REDTEAM 52)
        self._stop_heard = True
        text = read_string(data) if len(data) <= MAX_TEXT_BYTES else None
        reason = escape(text) if text is not None else "(unreadable)"
        self._sink.enter(StopRequested(time.monotonic_ns(), "topic", reason))

    def _hear_hold(self, data: bytes, received: Nanoseconds) -> None:
        text = read_string(data) if self._unsigned and len(data) <= MAX_TEXT_BYTES else None
        if text is not None and text.isascii() and text.isdecimal() and len(text) <= 18:
            self._sink.enter(HoldToRun(time.monotonic_ns(), int(text)))
        else:
            self._signed_hold(data, received)
