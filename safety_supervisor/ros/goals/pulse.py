"""Proof that the client of an action is alive, which action clients do not offer by themselves.

No endpoint of an action client has a liveliness lease, and the graph shows a killed process for 20 s. But every client
subscribes to its feedback, reliably, and its middleware acknowledges what comes: not when the process is dead, nor when
it is frozen. So a feedback for no goal, which clients ignore, is published a few times within each lease; the time of
the newest one that all have acknowledged within a lease is a time at which the client was alive. An onlooker that
subscribes to the feedback and dies spoils the proof: that ends in a stop, never in motion.
"""

from __future__ import annotations

from typing import Any, Final

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

BEATS: Final = 5
"""Proofs within a lease, where everything goes well."""


def clients_of(node: Node, action: str) -> list[Any]:
    """Return the endpoint of each client that may send goals of an action.

    A service is a pair of DDS topics; this is the name that every DDS middleware gives the one of its requests.
    """
    found: list[Any] = node.get_publishers_info_by_topic(f"rq{action}/_action/send_goalRequest", no_mangle=True)
    return found


def _speaks(info: Any) -> tuple[str, str]:
    return info.node_namespace, info.node_name


class Pulse:
    """Feels the pulse of one action's client.

    Args:
        node: that publishes.
        kind: the action's type.
        action: its fully qualified name.
        lease: [ns].
    """

    def __init__(self, node: Node, kind: type[Any], action: str, lease: int) -> None:
        """Make the publisher."""
        self.proof = 0
        """When the client was last known to be alive, steady clock, [ns]; 0: never."""
        self._node = node
        self._action = action
        self._lease = lease
        self._every = lease // BEATS
        self._topic = f"{action}/_action/feedback"
        # Depth 1: Fast DDS asks for the acknowledgement with the message itself only when the history is full.
        self._publisher = node.create_publisher(kind.Impl.FeedbackMessage, self._topic, QoSProfile(depth=1))
        self._nobody = kind.Impl.FeedbackMessage()
        self._sent = 0
        self._unanswered_since = 0
        self._heard = False
        self._due = 0

    def beat(self, now: int) -> bool:
        """Look whether what was sent has arrived, and send again when it is time; return whether there is new proof."""
        fresh = False
        if self._unanswered_since and self._publisher.wait_for_all_acked(Duration(nanoseconds=0)):
            # A client that is given up for dead, after 20 s, owes no acknowledgement: all counts as acknowledged then.
            # So an answer is one within the lease alone, and only while whoever was to give it is still there.
            fresh = self._heard and now - self._unanswered_since <= self._lease and self._will_be_heard()
            self._unanswered_since = 0
            if fresh:
                self.proof = self._sent
        if now >= self._due:
            self._due = now + self._every
            self._heard = self._will_be_heard()
            self._sent = now
            self._unanswered_since = self._unanswered_since or now
            self._publisher.publish(self._nobody)
        return fresh

    def _will_be_heard(self) -> bool:
        """Whether each client's own subscription takes part in the acknowledgement."""
        speakers = {_speaks(info) for info in clients_of(self._node, self._action)}
        heard = self._node.get_subscriptions_info_by_topic(self._topic)
        reliable = {_speaks(info) for info in heard if info.qos_profile.reliability == ReliabilityPolicy.RELIABLE}
        return bool(speakers) and speakers <= reliable and self._publisher.get_subscription_count() >= len(heard)
