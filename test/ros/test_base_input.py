"""The base's bytes on their way in: judged by rate and length before they are read."""

from __future__ import annotations

from functools import partial

import pytest
from geometry_msgs.msg import Twist, TwistStamped, Vector3
from nav_msgs.msg import Odometry as OdometryMessage
from rclpy.serialization import serialize_message
from ros_rig import REPOSITORY

from safety_supervisor.config import load_config
from safety_supervisor.core.events import BaseCommand, CommandUnreadable, Event, Odometry
from safety_supervisor.ros.base_input import MAX_ODOMETRY_BYTES, hear_odometry
from safety_supervisor.ros.source_input import SourceInput


class Kept:
    """Keeps what enters."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def enter(self, event: Event) -> None:
        self.events.append(event)

    def fail(self, where: str, error: Exception) -> None:
        raise error


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def source(kept: Kept) -> SourceInput:
    settings = load_config(REPOSITORY / "config" / "panda.yaml").source("planner")
    return SourceInput(settings, kept, None)  # type: ignore[arg-type]


@pytest.mark.requirement("SR-024")
def test_a_stamped_twist_carries_its_frame_and_a_plain_one_is_given_it(source: SourceInput, kept: Kept) -> None:
    twist = Twist(linear=Vector3(x=0.1, y=0.2, z=0.3), angular=Vector3(x=0.4, y=0.5, z=0.6))
    stamped = TwistStamped(twist=twist)
    stamped.header.frame_id, stamped.header.stamp.sec = "elsewhere", 7
    source.hear_twist(serialize_message(stamped), 5, frame=None)
    source.hear_twist(serialize_message(twist), 6, frame="panda_link0")
    first, second = kept.events
    assert isinstance(first, BaseCommand)
    assert isinstance(second, BaseCommand)
    assert (first.frame_id, first.stamp, first.received) == ("elsewhere", 7 * 10**9, 5)
    assert (second.frame_id, second.stamp, second.received) == ("panda_link0", 0, 6)
    for event in (first, second):
        assert (event.source, event.linear, event.angular) == ("planner", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.mark.redteam(26)
def test_what_is_too_long_or_no_twist_is_refused_unread(source: SourceInput, kept: Kept) -> None:
    whole = serialize_message(TwistStamped())
    source.hear_twist(whole + bytes(source.source.max_message_bytes), 5, frame=None)
    source.hear_twist(whole[:40], 5, frame=None)
    source.hear_twist(b"", 5, frame="panda_link0")
    codes = [event.code for event in kept.events if isinstance(event, CommandUnreadable)]
    assert codes == ["E_TOO_LARGE", "E_UNDECODABLE", "E_UNDECODABLE"]


@pytest.mark.redteam(26)
def test_odometry_that_is_too_long_or_none_is_told_as_such(kept: Kept) -> None:
    hear = partial(hear_odometry(kept).hear, received=5)
    whole = serialize_message(OdometryMessage(child_frame_id="panda_link0"))
    hear(whole)
    hear(whole[:-4])
    hear(whole + bytes(MAX_ODOMETRY_BYTES))
    events = [event for event in kept.events if isinstance(event, Odometry)]
    assert [event.code for event in events] == ["", "E_UNDECODABLE", "E_TOO_LARGE"]
    assert (events[0].child_frame_id, events[0].received) == ("panda_link0", 5)


def test_a_flood_is_not_read(source: SourceInput, kept: Kept) -> None:
    whole = serialize_message(TwistStamped())
    for _ in range(5000):
        source.hear_twist(whole, 5, frame=None)
    assert len(kept.events) < 1000
    assert source.bucket.excess > 3000
