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
        self.node = node
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

    def poll(self, seconds: float = 10.0) -> None:
        self.polled.poll(time.monotonic_ns() + round(seconds * 1e9))

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
    pair.poll()
    assert pair.words() == ["a", "b", "c", "d"]
    pair.poll()
    assert len(pair.heard) == 4
    assert pair.calls == []


@pytest.mark.redteam(25)
def test_of_more_than_a_queue_holds_the_newest_are_taken(pair: Pair) -> None:
    pair.say(*(str(number) for number in range(50)))
    pair.poll()
    assert pair.words() == ["46", "47", "48", "49"]


def test_the_time_of_receipt_lies_before_the_poll_and_after_the_one_before(pair: Pair) -> None:
    before = time.monotonic_ns()
    pair.say("a")
    sent = time.monotonic_ns()
    pair.poll()
    ((_, received),) = pair.heard
    # 0.3 s lie between the message and `sent`: the receipt is the message's, not the poll's.
    assert before <= received < sent - 100_000_000


def test_a_clock_that_was_set_makes_no_message_older_than_the_poll_before(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.poll()
    before = time.monotonic_ns()
    pair.say("a", "b")
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3_600_000_000_000)
    pair.poll()
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3_600_000_000_000)
    pair.say("c")
    pair.poll()
    assert pair.words() == ["a", "b", "c"]
    assert all(before - 50_000_000 <= at <= time.monotonic_ns() for _, at in pair.heard)


@pytest.mark.requirement("SR-013")
def test_what_came_before_the_beginning_is_discarded(pair: Pair) -> None:
    pair.say("old", "older")
    pair.polled.discard()
    pair.say("new")
    pair.poll()
    assert pair.words() == ["new"]


@pytest.mark.requirement("SR-041")
def test_what_is_latched_was_said_once_and_is_not_discarded(pair: Pair) -> None:
    subscription = pair.node.create_subscription(String, "words", lambda data: None, QoSProfile(depth=DEPTH), raw=True)
    pair.polled.hold(
        subscription, lambda data, at: pair.heard.append((f"latched {read_string(data)}", at)), DEPTH, latched=True
    )
    time.sleep(0.3)
    pair.say("once")
    pair.polled.discard()
    pair.poll()
    assert pair.words() == ["latched once"]


class Several:
    """Topics of one node, each message of which takes its time to be read."""

    def __init__(self, node: Node, reading: float, urgent: tuple[str, ...], others: tuple[str, ...]) -> None:
        self.heard: list[str] = []
        self.polled = PolledSubscriptions()
        self.publishers = {}
        profile = QoSProfile(depth=DEPTH)
        for name in (*others, *urgent):
            self.publishers[name] = node.create_publisher(String, name, profile)
            subscription = node.create_subscription(String, name, lambda data: None, profile, raw=True)

            def hear(data: bytes, at: int, name: str = name) -> None:
                self.heard.append(name)
                time.sleep(reading)

            self.polled.hold(subscription, hear, DEPTH, urgent=name in urgent)
        while any(publisher.get_subscription_count() == 0 for publisher in self.publishers.values()):
            time.sleep(0.01)
        time.sleep(0.2)
        self.polled.discard()

    def say(self, *names: str) -> None:
        for name in names:
            for _ in range(DEPTH):
                self.publishers[name].publish(String(data="x"))
        time.sleep(0.3)

    def poll(self, seconds: float) -> list[str]:
        self.heard.clear()
        self.polled.poll(time.monotonic_ns() + round(seconds * 1e9))
        return list(self.heard)


@pytest.mark.redteam(52)
def test_what_stops_is_read_first_and_whole_and_nothing_else_longer_than_there_is_time(pair: Pair) -> None:
    topics = Several(pair.node, 0.02, ("stop", "estop"), ("slow", "other", "third"))
    topics.say("slow", "other", "third", "stop", "estop")
    assert topics.poll(0.0) == ["stop"] * DEPTH + ["estop"] * DEPTH + ["slow"], "late already: one message is read"
    # The next turn is another topic's, so that a flooded one starves nobody.
    topics.say("slow")
    assert topics.poll(0.0) == ["other"]
    assert topics.poll(0.0) == ["third"]
    assert topics.poll(0.0) == ["slow"]
    assert topics.poll(0.0) == ["other"]
    assert sorted(topics.poll(10.0)) == ["other"] * 2 + ["slow"] * 3 + ["third"] * 3
    assert topics.poll(10.0) == []


def test_a_message_that_waited_for_its_turn_is_as_old_as_it_is(pair: Pair) -> None:
    received: list[int] = []
    pair.heard = _Ages(received)
    pair.say("a", "b", "c")
    sent = time.monotonic_ns()
    for _ in range(3):
        pair.poll(0.0)
        time.sleep(0.05)
    assert len(received) == 3
    assert all(at < sent - 100_000_000 for at in received)


class _Ages(list):  # type: ignore[type-arg]
    """Notes receipts, and takes its time."""

    def __init__(self, received: list[int]) -> None:
        super().__init__()
        self.received = received

    def append(self, item: tuple[str | None, int]) -> None:
        self.received.append(item[1])
        time.sleep(0.001)
