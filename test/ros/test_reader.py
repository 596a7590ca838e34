"""How a topic is read raw: on real Fast DDS, whatever anybody publishes there, and whatever the wall clock does."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from ros_rig import Client, running_rig
from std_msgs.msg import String

from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.ros.reader import LONGEST, SLICE, Reader

DEPTH = QoSProfile(depth=100)
HOUR = 3600 * NS_PER_S


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with running_rig(tmp_path_factory.mktemp("reader")) as rig:
        yield rig.client()


def heard_by(client: Client, topic: str, reader: Reader | None = None, longest: int = LONGEST) -> tuple[Reader, object]:
    """Return a reader that is looked at, and a publisher that has found it."""
    reader = reader or Reader(client.node, String, topic, DEPTH, longest=longest)
    publisher = client.node.create_publisher(String, topic, DEPTH)
    client.wait_for(publisher.get_subscription_count, "the reader is found")
    return reader, publisher


def said(reader: Reader, most: float = 5.0, until: str = "end") -> list[str]:
    """Return all that was read until the last word has come."""
    words: list[str] = []
    ends = time.monotonic() + most
    while until not in words:
        assert time.monotonic() < ends, words
        words += [message.data for message, _ in reader.look()]
        time.sleep(0.01)
    return words


@pytest.mark.parametrize("step", [-HOUR, 0, HOUR], ids=["set back", "as it is", "set forward"])
def test_a_message_is_as_old_as_it_is_and_never_younger(
    client: Client, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    reader, publisher = heard_by(client, f"age_{abs(step)}_{step < 0}")
    reader.look()
    time.sleep(0.3)
    begin = time.monotonic_ns()
    publisher.publish(String(data="end"))  # type: ignore[attr-defined]
    time.sleep(0.4)
    after, wall = time.monotonic_ns(), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: wall() + step)
    ((message, at),) = reader.look()
    assert message.data == "end"
    assert at <= after - NS_PER_S // 5  # it lay there for 0.4 s
    if step == 0:
        assert at >= begin - NS_PER_S // 100
    # And what comes after that look is no older than it.
    publisher.publish(String(data="end"))  # type: ignore[attr-defined]
    time.sleep(0.2)
    ((_, at),) = reader.look()
    assert at >= after


def test_what_is_too_long_is_not_read_and_what_comes_behind_it_is(client: Client) -> None:
    fits = String(data="x" * 100)
    reader, publisher = heard_by(client, "long", longest=len(serialize_message(fits)))
    for message in (String(data="x" * 110), fits, String(data="y" * 100_000), String(data="end")):
        publisher.publish(message)  # type: ignore[attr-defined]
    assert said(reader) == [fits.data, "end"]


def test_bytes_that_are_no_such_message_are_none(client: Client) -> None:
    whole = serialize_message(String(data="a message that is whole"))
    other = serialize_message(DiagnosticArray(status=[DiagnosticStatus(name="n" * 300)]))
    endless = whole[:4] + b"\xff\xff\xff\x7f" + whole[8:]
    reader, publisher = heard_by(client, "nonsense")
    for data in (whole[:4], whole[:7], whole[:12], endless, b"\xff" * 64, other, serialize_message(String(data="end"))):
        publisher.publish(data)  # type: ignore[attr-defined]
    assert "end" in (words := said(reader))
    assert "a message that is whole" not in words


def test_a_flood_is_read_in_slices_and_the_rest_of_the_node_is_heard_between(client: Client) -> None:
    """A node of its own, so that nothing else is spun."""
    node, order, runs = Node("reads", context=client.context, start_parameter_services=False), list[str](), list[int]()

    def hear(message: String) -> None:
        order.append(message.data)
        runs.append(reader.run)

    reader = Reader(node, String, "flood", DEPTH, hear)
    node.create_subscription(String, "beside", lambda message: order.append(message.data), DEPTH)
    _, floods = heard_by(client, "flood", reader)
    beside = client.node.create_publisher(String, "beside", DEPTH)
    client.wait_for(beside.get_subscription_count, "the other one is found")
    many = 3 * SLICE - 8
    for number in range(many):
        floods.publish(String(data=str(number)))  # type: ignore[attr-defined]
    beside.publish(String(data="beside"))
    time.sleep(0.5)
    client.executor.remove_node(client.node)
    client.executor.add_node(node)
    try:
        client.wait_for(lambda: len(order) == many + 1, "all is read")
        client.wait_for(lambda: reader.run == 0, "the pause is seen")
    finally:
        client.executor.remove_node(node)
        client.executor.add_node(client.node)
        node.destroy_node()
    assert [one for one in order if one != "beside"] == [str(number) for number in range(many)]
    assert order.index("beside") <= 2 * SLICE
    assert order.index("beside") % SLICE == 0
    assert runs == list(range(1, many + 1))
