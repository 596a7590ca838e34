"""`~/interventions`: what waits for people, and what they have granted, the whole list each time.

The control cycle only takes note; the message is made and sent in spare time, when something changes and once a second
while anything counts down.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from safety_supervisor.core.effects import InterventionAsked, Interventions, StandingGrant, StandsBy
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.quality import Endpoints
from safety_supervisor.ros.text import escape

TOPIC: Final = "~/interventions"
PERIOD: Final[Nanoseconds] = NS_PER_S
"""Time between two lists while something counts down, [ns]."""
_LATCHED: Final = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


class InterventionList:
    """Publishes the list.

    Args:
        endpoints: makes the publisher.
        robot: id.
    """

    def __init__(self, endpoints: Endpoints, robot: str) -> None:
        """Begin with an empty list, which is told too."""
        self._publisher = endpoints.advertise(DiagnosticArray, TOPIC, _LATCHED)
        self._robot = robot
        self._asked: dict[str, InterventionAsked] = {}
        self._list = Interventions(0, (), ())
        self._due: Nanoseconds | None = 0

    def take(self, effect: InterventionAsked | Interventions) -> None:
        """Note what the core tells."""
        if isinstance(effect, InterventionAsked):
            self._asked[effect.intervention] = effect
            return
        self._list, self._due = effect, 0
        waits = {one.intervention for one in effect.waiting}
        self._asked = {name: asked for name, asked in self._asked.items() if name in waits}

    def slice(self, now: Nanoseconds) -> bool:
        """Publish the list where it is due; return whether it was. Steady clock, [ns]."""
        if self._due is None or now < self._due:
            return False
        self._due = now + PERIOD if self._list.waiting or self._list.grants else None
        self._publisher.publish(write_list(self._list, self._asked, self._robot, now, time.time_ns()))
        return True


def write_list(
    told: Interventions, asked: dict[str, InterventionAsked], robot: str, now: Nanoseconds, clock: int
) -> DiagnosticArray:
    """Return the message.

    Args:
        told: the list.
        asked: all that people need of each that waits, by id.
        robot: id.
        now: steady clock, [ns]: what counts down is told as seconds that are left.
        clock: ROS clock, [ns], for the header's stamp.
    """
    message = DiagnosticArray()
    message.header.stamp = Time(sec=clock // NS_PER_S, nanosec=clock % NS_PER_S)
    for one in told.waiting:
        message.status.append(_waiting(one, asked[one.intervention], robot, now))
    for grant in told.grants:
        message.status.append(_grant(grant, robot, now))
    return message


def _waiting(one: StandsBy, asked: InterventionAsked, robot: str, now: Nanoseconds) -> DiagnosticStatus:
    left = _left(asked.deadline, now)
    needs = f"{len(one.approved)} of {asked.people} approved"
    values = (
        ("kind", "command"),
        ("id", one.intervention),
        ("source", asked.source),
        ("command_id", escape(asked.command)),
        ("approval", asked.kind),
        ("people", str(asked.people)),
        ("approved", " ".join(one.approved)),
        ("remaining_s", left),
        ("why", escape(asked.why)),
        ("zones", " ".join(asked.zones)),
        ("joint_speed", f"{asked.joint_speed:g}"),
        ("frame_speed", f"{asked.frame_speed:g}"),
        ("people_near", asked.people_near),
        ("epoch", str(asked.epoch)),
        ("configuration_sha256", asked.configuration),
        ("command_sha256", asked.sha256),
        ("command", asked.text),  # exactly this text was hashed: neither cut nor escaped, it is plain ASCII
    )
    text = f"{asked.source} waits for {asked.kind}: {needs}, {left} s left"
    return _status(one.intervention, text, robot, DiagnosticStatus.WARN, values)


def _grant(grant: StandingGrant, robot: str, now: Nanoseconds) -> DiagnosticStatus:
    left = _left(grant.until, now) if grant.until else ""
    values = (
        ("kind", "grant"),
        ("approval", grant.kind),
        ("source", grant.source),
        ("people", str(grant.people)),
        ("by", " ".join(grant.by)),
        ("asked", " ".join(grant.asked)),
        ("remaining_s", left),
    )
    held = f"held for {left} s" if left else f"granted by {len(grant.asked)} of {grant.people}"
    name = f"{grant.kind} {grant.source}"
    return _status(name, f"{grant.source}: {grant.kind} {held}", robot, DiagnosticStatus.OK, values)


def _status(name: str, text: str, robot: str, level: bytes, values: Iterable[tuple[str, str]]) -> DiagnosticStatus:
    pairs = [KeyValue(key=key, value=value) for key, value in values]
    return DiagnosticStatus(level=level, name=name, message=text, hardware_id=robot, values=pairs)


def _left(until: Nanoseconds, now: Nanoseconds) -> str:
    return f"{max(0, until - now) / NS_PER_S:.1f}"
