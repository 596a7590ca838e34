"""Watches the graph: who else publishes on the motor topic, on a source's inputs, on joint_states, as a supervisor.

The graph lists endpoints, not life: it finds second publishers, never a death. One topic is looked at per slice; only
changes become events.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.lifecycle import LifecycleNode

from safety_supervisor.core.errors import Code
from safety_supervisor.core.types import AdapterFault, JointStateEndpoints, OutputEndpoints, SourceEndpoints
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.quality import Endpoints, Sink

SLICE = NS_PER_S // 50
"""Time between two slices, [ns]."""
NAME_WAIT = NS_PER_S // 2
"""How long a publisher's node may stay nameless: discovery of a node may come behind that of its publisher, [ns]."""
NAMELESS = "_NODE_NAME_UNKNOWN_"


def qualify(info: Any) -> str:
    """Return the fully qualified name of an endpoint's node."""
    namespace = info.node_namespace.rstrip("/")
    return f"{namespace}/{info.node_name}"


def list_publishers(node: LifecycleNode, topic: str) -> list[str]:
    """Return the fully qualified node name of each publisher of a topic, sorted."""
    return sorted(qualify(info) for info in node.get_publishers_info_by_topic(topic))


def without_one(names: list[str], ours: str) -> tuple[str, ...]:
    """Return the names without one occurrence of ours: a second endpoint in our name is foreign too."""
    rest = list(names)
    if ours in rest:
        rest.remove(ours)
    return tuple(rest)


class GraphWatch:
    """Looks at one topic per slice and tells what changed.

    Args:
        node: whose graph is looked at.
        sink: where events go.
        endpoints: our subscriptions, by source.
        output: motor topic.
        heartbeat: our heartbeat's topic; a second publisher there is a second supervisor.
    """

    def __init__(self, node: LifecycleNode, sink: Sink, endpoints: Endpoints, output: str, heartbeat: str) -> None:
        """Plan the slices."""
        self._node = node
        self._sink = sink
        self._endpoints = endpoints
        self._ours = node.get_fully_qualified_name()
        self._next_slice = 0
        self._turn = 0
        self._known: dict[str, tuple[str, ...]] = {}
        self._nameless_since: dict[str, Nanoseconds] = {}
        states = node.resolve_topic_name("joint_states")
        self._slices: list[Callable[[Nanoseconds], None]] = [
            lambda now: self._look_output(output, now),
            lambda now: self._look_states(states, now),
            lambda now: self._look_heartbeat(heartbeat, now),
        ]
        self._slices += [partial(self._look_source, name) for name in endpoints.sources]
        self._topics = {topic: name for name, topics in endpoints.sources.items() for topic in topics}

    def slice(self, now: Nanoseconds) -> bool:
        """Look at one topic when it is time; return whether anything was done."""
        changed = self._endpoints.changed
        if changed:
            self._look_source(self._topics[changed.pop()], now)
            return True
        if now < self._next_slice:
            return False
        self._next_slice = now + SLICE
        self._slices[self._turn](now)
        self._turn = (self._turn + 1) % len(self._slices)
        return True

    def look_at_all(self, now: Nanoseconds) -> None:
        """Look at every topic: at start, before motion is possible."""
        for look in self._slices:
            look(now)

    def _changed(self, key: str, value: tuple[str, ...], now: Nanoseconds) -> bool:
        """Return whether a value is new and worth telling; a nameless publisher is given time to be named."""
        if any(name.endswith(NAMELESS) for name in value):
            since = self._nameless_since.setdefault(key, now)
            if now - since < NAME_WAIT:
                return False
        else:
            self._nameless_since.pop(key, None)
        if self._known.get(key) == value:
            return False
        self._known[key] = value
        return True

    def _look_output(self, topic: str, now: Nanoseconds) -> None:
        foreign = without_one(list_publishers(self._node, topic), self._ours)
        if self._changed("output", foreign, now):
            if foreign:
                self._node.get_logger().error(f"{topic}: foreign publisher {', '.join(foreign)}")
            self._sink.enter(OutputEndpoints(time.monotonic_ns(), foreign))

    def _look_states(self, topic: str, now: Nanoseconds) -> None:
        nodes = tuple(list_publishers(self._node, topic))
        if self._changed("states", nodes, now):
            self._sink.enter(JointStateEndpoints(time.monotonic_ns(), nodes))

    def _look_heartbeat(self, topic: str, now: Nanoseconds) -> None:
        others = without_one(list_publishers(self._node, topic), self._ours)
        if self._changed("heartbeat", others, now) and others:
            detail = f"{topic} has another publisher: {', '.join(others)}"
            self._node.get_logger().error(detail)
            self._sink.enter(AdapterFault(time.monotonic_ns(), Code.SECOND_SUPERVISOR.value, detail))

    def _look_source(self, source: str, now: Nanoseconds) -> None:
        each = [list_publishers(self._node, topic) for topic in self._endpoints.sources[source]]
        nodes = {name for names in each for name in names}
        # One publisher a topic, and all of one node: two nodes on two inputs of a source are two speakers.
        publishers = max(len(nodes), *(len(names) for names in each)) if each else 0
        if self._changed(f"source {source}", (str(publishers), *sorted(nodes)), now):
            self._sink.enter(SourceEndpoints(time.monotonic_ns(), source, publishers))
