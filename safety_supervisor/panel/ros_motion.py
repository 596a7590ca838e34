"""Where the robot is measured and commanded, and where people are, as the panel hears it on the graph.

Each topic is looked at ten times a second, whatever its rate: its subscription belongs to a node that nothing spins, so
what comes in between costs this program nothing. They are best effort: no publisher waits for the panel.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import rclpy
from geometry_msgs.msg import PoseArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor.core.output_settings import OutputSettings, OutputType
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.panel.snapshot import Points, Whereabouts
from safety_supervisor.ros.reader import Reader

_LOG: Final = logging.getLogger("safety_supervisor.panel")
PERIOD: Final = 0.1
"""Between two looks, [s]."""
LIMIT: Final[Nanoseconds] = NS_PER_S // 2
"""What was told longer ago is not known any more, [ns]."""
_DEPTH: Final = 8
_MOST_PEOPLE: Final = 64


class Watch:
    """Looks at the topics, on a thread of its own.

    Args:
        supervisor: full name of its node.
        configuration: of the robot.
    """

    def __init__(self, supervisor: str, configuration: Configuration) -> None:
        """Join the graph."""
        self.now = Whereabouts()
        self._joints = frozenset(configuration.robot.joints)
        self._frame = configuration.robot.base_frame
        self._measured: dict[str, tuple[float, Nanoseconds]] = {}
        self._commanded: dict[str, tuple[float, Nanoseconds]] = {}
        self._people: tuple[Points, Nanoseconds] | None = None
        self._context = rclpy.Context()
        rclpy.init(context=self._context, args=[])
        space, _, _ = supervisor.rpartition("/")
        self._node = Node(
            "safety_supervisor_panel_watch",
            namespace=space or "/",
            context=self._context,
            start_parameter_services=False,
        )
        self._heard: list[tuple[Reader, Callable[[Any, Nanoseconds], None]]] = []
        self._hear(JointState, "joint_states", self._take_states(self._measured))
        if configuration.separation is not None:
            self._hear(PoseArray, f"{supervisor}/humans", self._take_people)
        for output in configuration.outputs:
            self._hear_output(supervisor, configuration, output)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="panel-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the graph."""
        self._closed.set()
        self._thread.join(2.0)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _hear_output(self, supervisor: str, configuration: Configuration, output: OutputSettings) -> None:
        names = tuple(configuration.robot.joints[index] for index in output.joints)
        topic = output.topic.replace("~", supervisor, 1) if output.topic.startswith("~") else output.topic
        if output.type is OutputType.JOINT_TRAJECTORY_HORIZON:
            self._hear(JointTrajectory, topic, self._take_horizon)
        elif output.type is OutputType.JOINT_STATE:
            self._hear(JointState, topic, self._take_states(self._commanded))
        elif output.type is OutputType.JOINT_POSITION:
            self._hear(Float64MultiArray, topic, lambda said, at: self._keep(self._commanded, names, said.data, at))

    def _hear(self, kind: Any, topic: str, take: Callable[[Any, Nanoseconds], None]) -> None:
        profile = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._heard.append((Reader(self._node, kind, topic, profile), take))

    def _run(self) -> None:
        while not self._closed.wait(PERIOD):
            for reader, take in self._heard:
                try:
                    for message, at in reader.look():
                        take(message, at)
                except Exception:  # one bad message must not make the panel blind
                    _LOG.exception("looking at a topic failed")
            self.now = self._known(time.monotonic_ns())

    def _known(self, now: Nanoseconds) -> Whereabouts:
        people = None if self._people is None or now - self._people[1] > LIMIT else self._people[0]
        return Whereabouts(_fresh(self._measured, now), _fresh(self._commanded, now), people)

    def _take_states(self, kept: dict[str, tuple[float, Nanoseconds]]) -> Callable[[Any, Nanoseconds], None]:
        return lambda said, at: self._keep(kept, said.name, said.position, at)

    def _take_horizon(self, said: Any, at: Nanoseconds) -> None:
        if said.points:
            self._keep(self._commanded, said.joint_names, said.points[0].positions, at)

    def _keep(self, kept: dict[str, tuple[float, Nanoseconds]], names: Any, values: Any, at: Nanoseconds) -> None:
        """Keep what is whole and of this robot."""
        if len(names) != len(values):
            return
        for name, value in zip(names, values, strict=True):
            if name in self._joints and math.isfinite(value):
                kept[name] = float(value), at

    def _take_people(self, said: Any, at: Nanoseconds) -> None:
        points = tuple((one.position.x, one.position.y, one.position.z) for one in said.poses[:_MOST_PEOPLE])
        # The supervisor refuses other frames, too (E_PEOPLE_FRAME): drawn in this one they would stand elsewhere.
        whole = (
            said.header.frame_id == self._frame
            and len(said.poses) <= _MOST_PEOPLE
            and all(math.isfinite(number) for point in points for number in point)
        )
        self._people = (points, at) if whole else None


def _fresh(kept: Mapping[str, tuple[float, Nanoseconds]], now: Nanoseconds) -> Mapping[str, float]:
    return MappingProxyType({name: value for name, (value, at) in kept.items() if now - at <= LIMIT})
