"""`~/evidence_head`: the newest signed head of the decision log, so that somebody else keeps it.

Latched, a head a second: the line of the chain itself, as `std_msgs/String`. Whoever keeps it on another machine can
tell later whether the log was cut off or rolled back (`log verify --heads`). Where heads go besides (`evidence.heads`)
and one does not get there, the node says so. Requirement: SR-042.
"""

from __future__ import annotations

from collections.abc import Callable

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.evidence.decisions.sink_words import KEPT, WAITING
from safety_supervisor.evidence.feed import EventFeed
from safety_supervisor.ros.cdr import write_string
from safety_supervisor.ros.quality import Endpoints

TOPIC = "~/evidence_head"
EVERY: Nanoseconds = NS_PER_S // 4
"""The pipe is looked at so often, [ns]: it costs a system call."""
_LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class EvidenceHead:
    """Publishes heads.

    Args:
        endpoints: makes the publisher.
        feed: has the heads.
        warn: is told when heads do not get to where they are to be kept, and when they do again.
    """

    def __init__(self, endpoints: Endpoints, feed: EventFeed, warn: Callable[[str], object]) -> None:
        """Offer the topic."""
        self._feed = feed
        self._warn = warn
        self._told = KEPT
        self._due: Nanoseconds = 0
        self._publisher = endpoints.advertise(String, TOPIC, _LATCHED)

    def slice(self, now: Nanoseconds) -> bool:
        """Publish a head that is new; return whether there was one.

        Args:
            now: steady clock, [ns].
        """
        if now < self._due:
            return False
        self._due = now + EVERY
        self._feed.sinks.poll()
        told = self._feed.sinks.text
        if told not in ("", WAITING, self._told):
            self._told = told
            self._warn(f"heads of the decision log: {told}")
        head = self._feed.newest_head()
        if head:
            self._publisher.publish(write_string(head))
        return bool(head)
