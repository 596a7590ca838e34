"""Subscriptions and publishers whose quality-of-service trouble is shown at once (REDTEAM 57).

A reliable subscription silently misses a best-effort publisher: without the middleware's event nobody would know. The
event says neither who it was nor when he has gone, so that on the topics that matter it only asks the graph watch to
look at once; there the graph tells both.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from typing import Any, Final, Protocol

from rclpy.duration import Duration, Infinite
from rclpy.lifecycle import LifecycleNode
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSPolicyKind, QoSProfile, qos_check_compatible

from safety_supervisor.core.events import Event, IncompatibleEndpoint
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.ros.polled import Heard, PolledSubscriptions

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # before Iron
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

_MATCHED = "matched" in inspect.signature(SubscriptionEventCallbacks.__init__).parameters
TYPE: Final = "TYPE"
"""Stands beside the policies: an endpoint of another message type is not heard either."""
_SIGNS: Final = {
    "RELIABILITY": "reliable",
    "DURABILITY": "transient local",
    "DEADLINE": "deadline",
    "LIVELINESS": "liveliness",
}
"""Policy to the words by which the middleware's reason names it."""
_PUBLISH: Final = {
    TYPE: "publish {kind}",
    "RELIABILITY": "publish RELIABLE",
    "DURABILITY": "publish TRANSIENT_LOCAL",
    "DEADLINE": "offer a deadline of at most {deadline}",
    "LIVELINESS": "offer a liveliness lease of at most {lease}",
}
"""What another publisher has to change, to be heard by us."""
_SUBSCRIBE: Final = {
    TYPE: "subscribe as {kind}",
    "RELIABILITY": "subscribe BEST_EFFORT",
    "DURABILITY": "subscribe VOLATILE",
    "DEADLINE": "ask for no deadline below {deadline}",
    "LIVELINESS": "ask for no liveliness lease below {lease}",
}
"""What another subscription has to change, to hear us."""


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


def _seconds(duration: Duration) -> str:
    return "infinity" if duration == Infinite else f"{duration.nanoseconds / NS_PER_S:g} s"


def _resolve(profile: QoSProfile) -> QoSProfile:
    """Return the profile with times that were left open as what they are: `qos_check_compatible` does not know it."""
    if profile.deadline.nanoseconds and profile.liveliness_lease_duration.nanoseconds:
        return profile
    resolved = copy(profile)
    resolved.deadline = profile.deadline if profile.deadline.nanoseconds else Infinite
    lease = profile.liveliness_lease_duration
    resolved.liveliness_lease_duration = lease if lease.nanoseconds else Infinite
    return resolved


@dataclass(frozen=True)
class Ours:
    """An endpoint of ours, which those of others on its topic have to fit."""

    kind: str
    """Name of the message type, as the graph tells it."""
    profile: QoSProfile
    publishes: bool
    """Whether ours is the publisher, so that the others are subscriptions."""
    name: str = ""
    """What people know it by, where the topic alone does not tell: one output of several."""

    def misfits(self, info: Any) -> tuple[str, ...]:
        """Return the policies in which another's endpoint does not fit; none when the two hear each other."""
        if info.topic_type != self.kind:
            return (TYPE,)
        theirs = _resolve(info.qos_profile)
        pair = (self.profile, theirs) if self.publishes else (theirs, self.profile)
        verdict, reason = qos_check_compatible(*pair)
        if verdict != QoSCompatibility.ERROR:
            return ()  # a warning is about what the middleware does not tell: no reason to stop anything
        errors = " ".join(part for part in str(reason).lower().split(";") if part.startswith("error"))
        return tuple(policy for policy, sign in _SIGNS.items() if sign in errors) or ("QOS",)

    def cure(self, policies: Iterable[str]) -> str:
        """Return what the other one has to change."""
        cures = _SUBSCRIBE if self.publishes else _PUBLISH
        deadline, lease = self.profile.deadline, self.profile.liveliness_lease_duration
        values = {"kind": self.kind, "deadline": _seconds(deadline), "lease": _seconds(lease)}
        known = [cures[policy].format(**values) for policy in policies if policy in cures]
        return ", ".join(known) or "use the profile that the documentation names"


def describe(kind: type[Any], profile: QoSProfile, *, publishes: bool, name: str = "") -> Ours:
    """Return an endpoint of ours as others see it."""
    return Ours(f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}", _resolve(profile), publishes, name)


class Endpoints:
    """Makes the node's endpoints and reports those that do not fit.

    Attributes:
        changed: watched topics on which the middleware told of a change since the graph was last looked at.
        sources: source name to its topics.
        actions: source name to its action.
        watched: topic to our endpoint, where one that does not fit prevents arming while it is there.
        misfits: topic to what does not fit there now, kept by the graph watch, for people.
    """

    def __init__(self, node: LifecycleNode, sink: Sink, polled: PolledSubscriptions) -> None:
        """Nothing is made yet."""
        self._node = node
        self._sink = sink
        self._polled = polled
        self._made: list[Any] = []
        self._publishers: list[Any] = []
        self.changed: set[str] = set()
        self.sources: dict[str, list[str]] = {}
        self.actions: dict[str, str] = {}
        self.watched: dict[str, Ours] = {}
        self.misfits: dict[str, str] = {}

    def subscribe(
        self,
        kind: type[Any],
        topic: str,
        heard: Heard,
        profile: QoSProfile,
        *,
        source: str = "",
        required: bool = False,
        watch: bool = True,
        urgent: bool = False,
        liveliness: Callable[[Any], None] | None = None,
    ) -> None:
        """Subscribe to raw bytes, which are polled.

        Args:
            kind: message type.
            topic: as the node resolves it.
            heard: takes the bytes and the time of their receipt.
            profile: quality of service.
            source: source whose input this is; a publisher that does not fit prevents arming.
            required: whether that is so without a source too.
            watch: whether an incompatible publisher is worth telling.
            urgent: whether it is there to stop the robot.
            liveliness: takes changes of liveliness.
        """
        name = self._node.resolve_topic_name(topic)
        if source:
            self.sources.setdefault(source, []).append(name)
        ours = describe(kind, profile, publishes=False)
        options = self._watch(name, ours, required=required or bool(source)) if watch else {}
        if liveliness is not None:
            options["liveliness"] = self._guard(name, liveliness)
        events = SubscriptionEventCallbacks(**options, use_default_callbacks=False)
        subscription = self._node.create_subscription(kind, topic, _never, profile, raw=True, event_callbacks=events)
        latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        self._polled.hold(subscription, self._guard(name, heard), profile.depth, urgent=urgent, latched=latched)
        self._made.append(subscription)

    def advertise(
        self, kind: type[Any], topic: str, profile: QoSProfile, *, required: bool = False, name: str = ""
    ) -> Publisher:
        """Make a publisher; `required`: without a subscription that fits, arming is prevented. `name`: for people."""
        full = self._node.resolve_topic_name(topic)
        options = self._watch(full, describe(kind, profile, publishes=True, name=name), required=required)
        events = PublisherEventCallbacks(**options, use_default_callbacks=False)
        publisher = self._node.create_publisher(kind, topic, profile, event_callbacks=events)
        self._publishers.append(publisher)
        return publisher

    def count_publishers(self, topic: str) -> int:
        """Count the publishers of a topic, as the node resolves it, in the graph now."""
        count: int = self._node.count_publishers(self._node.resolve_topic_name(topic))
        return count

    def close(self) -> None:
        """Destroy everything that was made."""
        for subscription in self._made:
            self._polled.forget(subscription)
            self._node.destroy_subscription(subscription)
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)
        self._made.clear()
        self._publishers.clear()

    def _guard(self, where: str, callback: Callable[..., None]) -> Callable[..., None]:
        """Wrap a callback so that an exception becomes a fault of the supervisor and never ends the loop."""

        def run(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception as error:  # our own bug, not the sender's: bad input is data
                self._sink.fail(where, error)

        return run

    def _watch(self, topic: str, ours: Ours, *, required: bool) -> dict[str, Any]:
        """Return the callbacks of an endpoint: a watched one asks the graph to be looked at, another one tells."""
        if not required:
            return {"incompatible_qos": self._guard(topic, lambda status: self._tell(topic, ours, status))}
        self.watched[topic] = ours
        look = self._guard(topic, lambda status: self.changed.add(topic))
        return {"incompatible_qos": look, "matched": look} if _MATCHED else {"incompatible_qos": look}

    def _tell(self, topic: str, ours: Ours, status: Any) -> None:
        policy = name_policy(status.last_policy_kind)
        self._node.get_logger().error(
            f"{topic}: an endpoint has an incompatible {policy}: nothing is heard; {ours.cure((policy,))}"
        )
        self._sink.enter(IncompatibleEndpoint(time.monotonic_ns(), topic, policy, False))


def _never(data: bytes) -> None:
    raise AssertionError("this subscription is polled, never called back")
