"""Polled subscriptions on real rclpy: nothing is lost within a queue, nothing beyond it is read, and when it came."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile
from ros_rig import STREAM, next_domain
from std_msgs.msg import String

from safety_supervisor.ros.cdr import read_string
from safety_supervisor.ros.polled import PolledSubscriptions

DEPTH = 4


class Pair:
    """A publisher, and a subscription that is polled."""

    def __init__(self, node: Node) -> None:
        self.publisher = node.create_publisher(String, "words", QoSProfile(depth=100))
        self.polled = PolledSubscriptions()
        self.heard: list[tuple[str | None, int]] = []
        self.calls: list[str] = []
        profile = QoSProfile(depth=DEPTH, reliability=STREAM.reliability)
        subscription = node.create_subscription(String, "words", self.calls.append, profile, raw=True)
        self.polled.hold(subscription, lambda data, at: self.heard.append((read_string(data), at)), DEPTH)
        while self.publisher.get_subscription_count() == 0:
            time.sleep(0.01)
        time.sleep(0.2)
        self.polled.discard()

    def say(self, *words: str) -> None:
        for word in words:
            self.publisher.publish(String(data=word))
        time.sleep(0.3)  # they are in the queue by then

    def words(self) -> list[str | None]:
        return [word for word, _ in self.heard]


@pytest.fixture
def pair() -> Iterator[Pair]:
    context = Context()
    rclpy.init(context=context, domain_id=next_domain(), args=[])
    node = Node("pair", context=context, start_parameter_services=False)
    yield Pair(node)
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def test_a_bunch_is_taken_whole_and_in_order(pair: Pair) -> None:
    pair.say("a", "b", "c", "d")
    assert pair.heard == []
    pair.polled.poll()
    assert pair.words() == ["a", "b", "c", "d"]
    pair.polled.poll()
    assert len(pair.heard) == 4
    assert pair.calls == []


@pytest.mark.redteam(25)
def test_of_more_than_a_queue_holds_the_newest_are_taken(pair: Pair) -> None:
    pair.say(*(str(number) for number in range(50)))
    pair.polled.poll()
    assert pair.words() == ["46", "47", "48", "49"]


def test_the_time_of_receipt_lies_before_the_poll_and_after_the_one_before(pair: Pair) -> None:
    before = time.monotonic_ns()
    pair.say("a")
    sent = time.monotonic_ns()
    pair.polled.poll()
    ((_, received),) = pair.heard
    # 0.3 s lie between the message and `sent`: the receipt is the message's, not the poll's.
    assert before <= received < sent - 100_000_000


def test_a_clock_that_was_set_makes_no_message_older_than_the_poll_before(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.polled.poll()
    before = time.monotonic_ns()
    pair.say("a", "b")
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3_600_000_000_000)
    pair.polled.poll()
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3_600_000_000_000)
    pair.say("c")
    pair.polled.poll()
    assert pair.words() == ["a", "b", "c"]
    assert all(before - 50_000_000 <= at <= time.monotonic_ns() for _, at in pair.heard)


@pytest.mark.requirement("SR-013")
def test_what_came_before_the_beginning_is_discarded(pair: Pair) -> None:
    pair.say("old", "older")
    pair.polled.discard()
    pair.say("new")
    pair.polled.poll()
    assert pair.words() == ["new"]
