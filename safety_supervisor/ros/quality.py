"""Subscriptions and publishers whose quality-of-service trouble is shown at once (REDTEAM 57).

A reliable subscription silently misses a best-effort publisher: without the middleware's event nobody would know.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any, Protocol

from rclpy.lifecycle import LifecycleNode
from rclpy.publisher import Publisher
from rclpy.qos import QoSPolicyKind, QoSProfile

from safety_supervisor.core.types import Event, IncompatibleEndpoint

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # before Iron
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

_MATCHED = "matched" in inspect.signature(SubscriptionEventCallbacks.__init__).parameters
_CURES = {
    "RELIABILITY": "publish RELIABLE where the subscription is reliable",
    "DURABILITY": "publish TRANSIENT_LOCAL",
    "DEADLINE": "offer a deadline that is no longer than the one asked for",
    "LIVELINESS": "offer a liveliness lease that is no longer than the one asked for",
}


class Sink(Protocol):
    """Where events and faults go."""

    def enter(self, event: Event) -> None:
        """Let the core handle an event."""

    def fail(self, where: str, error: Exception) -> None:
        """Report that an adapter raised."""


def name_policy(kind: object) -> str:
    """Return a policy's name, such as RELIABILITY."""
    try:
        return QoSPolicyKind(int(kind)).name  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return str(kind)


class Endpoints:
    """Makes the node's endpoints and reports those that do not fit.

    Attributes:
        changed: topics whose number of matched publishers changed since the graph was last looked at.
        sources: source name to its topics.
    """

    def __init__(self, node: LifecycleNode, sink: Sink) -> None:
        """Nothing is made yet."""
        self._node = node
        self._sink = sink
        self._made: list[Any] = []
        self._publishers: list[Any] = []
        self.changed: set[str] = set()
        self.sources: dict[str, list[str]] = {}

    def subscribe(
        self,
        kind: type[Any],
        topic: str,
        callback: Callable[[bytes], None],
        profile: QoSProfile,
        *,
        source: str = "",
        required: bool = False,
        watch: bool = True,
        liveliness: Callable[[Any], None] | None = None,
    ) -> None:
        """Subscribe to raw bytes.

        Args:
            kind: message type.
            topic: as the node resolves it.
            callback: takes the bytes.
            profile: quality of service.
            source: source whose input this is.
            required: whether an incompatible publisher prevents arming.
            watch: whether an incompatible publisher is worth telling.
            liveliness: takes changes of liveliness.
        """
        name = self._node.resolve_topic_name(topic)
        if source:
            self.sources.setdefault(source, []).append(name)
        options: dict[str, Any] = {"use_default_callbacks": False}
        if watch:
            options["incompatible_qos"] = self._guard(name, lambda status: self._tell(name, status, required))
        if liveliness is not None:
            options["liveliness"] = self._guard(name, liveliness)
        if _MATCHED and source:
            options["matched"] = self._guard(name, lambda status: self.changed.add(name))
        events = SubscriptionEventCallbacks(**options)
        guarded = self._guard(name, callback)
        self._made.append(
            self._node.create_subscription(kind, topic, guarded, profile, raw=True, event_callbacks=events)
        )

    def advertise(self, kind: type[Any], topic: str, profile: QoSProfile, *, required: bool = False) -> Publisher:
        """Make a publisher; `required` as for `subscribe`."""
        name = self._node.resolve_topic_name(topic)
        events = PublisherEventCallbacks(
            incompatible_qos=self._guard(name, lambda status: self._tell(name, status, required)),
            use_default_callbacks=False,
        )
        publisher = self._node.create_publisher(kind, topic, profile, event_callbacks=events)
        self._publishers.append(publisher)
        return publisher

    def close(self) -> None:
        """Destroy everything that was made."""
        for subscription in self._made:
            self._node.destroy_subscription(subscription)
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)
        self._made.clear()
        self._publishers.clear()

    def _guard(self, where: str, callback: Callable[[Any], None]) -> Callable[[Any], None]:
        """Wrap a callback so that an exception becomes a fault of the supervisor and never ends the loop."""

        def run(argument: Any) -> None:
            try:
                callback(argument)
            except Exception as error:  # our own bug, not the sender's: bad input is data
                self._sink.fail(where, error)

        return run

    def _tell(self, topic: str, status: Any, required: bool) -> None:
        policy = name_policy(status.last_policy_kind)
        cure = _CURES.get(policy, "use the profile that the documentation names")
        self._node.get_logger().error(f"{topic}: an endpoint has an incompatible {policy}: nothing is heard; {cure}")
        self._sink.enter(IncompatibleEndpoint(time.monotonic_ns(), topic, policy, required))
