"""Endpoints that do not fit: told by name, a cause only while they are there, an onlooker no cause at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import LivelinessPolicy, QoSProfile, ReliabilityPolicy
from ros_rig import LATCHED, SIMULATED_ESTOP, Client, Process, Rig, next_domain
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor.core.events import HumansEndpoints, SourceEndpoints, StreamCommand
from safety_supervisor.ros.graph import NAME_WAIT, NAMELESS, SLICE, GraphWatch
from safety_supervisor.ros.outputs import offer_profile
from safety_supervisor.ros.polled import PolledSubscriptions
from safety_supervisor.ros.quality import Endpoints, describe

MOTORS = "/panda_arm_controller/joint_trajectory"
TRAJECTORY = "/supervisor/sources/planner/joint_trajectory"
SET_POINTS = "/supervisor/sources/planner/joint_command"
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
CAUSE = "E_INCOMPATIBLE_QOS"


def leased(
    seconds: float, liveliness: LivelinessPolicy = LivelinessPolicy.AUTOMATIC, reliable: bool = True
) -> QoSProfile:
    lease = Duration(seconds=seconds)
    reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(depth=1, reliability=reliability, liveliness=liveliness, liveliness_lease_duration=lease)


# --- what the graph tells, against what the middleware does

PUBLISHERS = {
    "plain": QoSProfile(depth=1),
    "best effort": BEST_EFFORT,
    "latched": LATCHED,
    "lease": leased(0.2),
    "motors": offer_profile(4_000_000),
}
SUBSCRIPTIONS = {
    "plain": (QoSProfile(depth=1), ""),
    "best effort": (BEST_EFFORT, ""),
    "latched": (LATCHED, "DURABILITY"),
    "patient": (QoSProfile(depth=1, deadline=Duration(seconds=1.0)), "DEADLINE"),
    "impatient": (QoSProfile(depth=1, deadline=Duration(seconds=0.001)), "DEADLINE"),
    "lease": (leased(0.5), "LIVELINESS"),
    "short lease": (leased(0.001, LivelinessPolicy.MANUAL_BY_TOPIC), "LIVELINESS"),
}


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Node, Node]]:
    context = Context()
    rclpy.init(context=context, domain_id=next_domain(), args=[])
    nodes = [Node(name, context=context, start_parameter_services=False) for name in ("speaker", "listener")]
    yield nodes[0], nodes[1]
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown(context=context)


def wait(condition: Callable[[], Any], what: str) -> None:
    ends = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < ends, what
        time.sleep(0.02)


def test_the_graph_tells_of_every_pair_what_the_middleware_does_with_it(pair: tuple[Node, Node]) -> None:
    speaker, listener = pair
    for publisher_name, offered in PUBLISHERS.items():
        topic = f"/{publisher_name.replace(' ', '_')}"
        publisher = speaker.create_publisher(JointTrajectory, topic, offered)
        for subscription_name, (requested, policy) in SUBSCRIPTIONS.items():
            what = f"{publisher_name} publisher, {subscription_name} subscription"
            subscription = listener.create_subscription(JointTrajectory, topic, lambda message: None, requested)
            wait(lambda topic=topic: len(speaker.get_subscriptions_info_by_topic(topic)) == 1, what)
            time.sleep(0.1)  # a match follows the graph
            matched = publisher.get_subscription_count() == 1
            theirs = speaker.get_subscriptions_info_by_topic(topic)[0]
            ours = describe(JointTrajectory, offered, publishes=True)
            assert matched == (not ours.misfits(theirs)), what
            heard = describe(JointTrajectory, requested, publishes=False)
            found = heard.misfits(speaker.get_publishers_info_by_topic(topic)[0])
            assert found == ours.misfits(theirs), what
            assert set(found) <= {policy, "RELIABILITY"}, what
            if publisher_name == "best effort" and subscription_name == "latched":
                assert found == ("RELIABILITY", "DURABILITY")
                assert heard.cure(found) == "publish RELIABLE, publish TRANSIENT_LOCAL"
            listener.destroy_subscription(subscription)
            wait(lambda topic=topic: not speaker.get_subscriptions_info_by_topic(topic), what)
        speaker.destroy_publisher(publisher)


def test_the_cure_names_what_ours_offers_or_asks_for(pair: tuple[Node, Node]) -> None:
    motors = describe(JointTrajectory, offer_profile(4_000_000), publishes=True)
    assert motors.cure(("DURABILITY",)) == "subscribe VOLATILE"
    assert motors.cure(("DEADLINE", "LIVELINESS")) == (
        "ask for no deadline below 0.02 s, ask for no liveliness lease below 0.1 s"
    )
    plain = describe(JointTrajectory, QoSProfile(depth=1), publishes=True)
    assert plain.cure(("DEADLINE",)) == "ask for no deadline below infinity"
    source = describe(JointTrajectory, leased(0.5), publishes=False)
    assert source.cure(("LIVELINESS",)) == "offer a liveliness lease of at most 0.5 s"
    assert source.cure(("TYPE",)) == "publish trajectory_msgs/msg/JointTrajectory"
    assert source.cure(("QOS",)) == "use the profile that the documentation names"


# --- the watch by itself


IDS = count(1000)


class FakeNode:
    """A graph that the test writes."""

    def __init__(self) -> None:
        self.publishers: dict[str, list[Any]] = {}
        self.subscriptions: dict[str, list[Any]] = {}
        self.asked: list[str] = []
        self.logged: list[tuple[str, str]] = []

    def get_fully_qualified_name(self) -> str:
        return "/supervisor"

    def resolve_topic_name(self, topic: str) -> str:
        return f"/{topic}"

    def get_topic_names_and_types(self) -> list[tuple[str, list[str]]]:
        return []

    def get_publishers_info_by_topic(self, topic: str) -> list[Any]:
        self.asked.append(topic)
        return self.publishers.get(topic, [])

    def get_subscriptions_info_by_topic(self, topic: str) -> list[Any]:
        self.asked.append(f"subscriptions of {topic}")
        return self.subscriptions.get(topic, [])

    def get_logger(self) -> Any:
        return SimpleNamespace(
            error=lambda text: self.logged.append(("error", text)),
            warning=lambda text: self.logged.append(("warning", text)),
            info=lambda text: self.logged.append(("info", text)),
        )


class FakeSink:
    def __init__(self) -> None:
        self.events: list[Any] = []

    def enter(self, event: Any) -> None:
        self.events.append(event)

    def fail(self, where: str, error: Exception) -> None:
        raise error


def endpoint(
    name: str, profile: QoSProfile, kind: str = "trajectory_msgs/msg/JointTrajectory", gid: int | None = None
) -> Any:
    identity = list((next(IDS) if gid is None else gid).to_bytes(16, "big"))
    return SimpleNamespace(
        node_name=name, node_namespace="/", topic_type=kind, qos_profile=profile, endpoint_gid=identity
    )


@pytest.fixture
def watched() -> tuple[FakeNode, FakeSink, Endpoints, GraphWatch]:
    node, sink = FakeNode(), FakeSink()
    endpoints = Endpoints(node, sink, PolledSubscriptions())  # type: ignore[arg-type]
    endpoints.sources["planner"] = ["/planner"]
    endpoints.watched["/planner"] = describe(JointTrajectory, QoSProfile(depth=10), publishes=False)
    endpoints.watched["/motors"] = describe(JointTrajectory, offer_profile(4_000_000), publishes=True)
    node.subscriptions["/motors"] = [endpoint("controller", QoSProfile(depth=1))]
    return node, sink, endpoints, GraphWatch(node, sink, endpoints, ("/motors",), "/beat")  # type: ignore[arg-type]


def incompatible(sink: FakeSink) -> list[tuple[str, str, bool]]:
    found = [event for event in sink.events if type(event).__name__ == "IncompatibleEndpoint"]
    assert all(event.required for event in found)
    return [(event.topic, event.policy, event.prevents) for event in found]


def test_nothing_is_told_where_everything_fits(watched: Any) -> None:
    node, sink, endpoints, watch = watched
    watch.look_at_all(0)
    assert not incompatible(sink)
    assert not node.logged
    assert not endpoints.misfits


def test_many_endpoints_that_do_not_fit_are_one_event_and_a_short_text(watched: Any) -> None:
    node, sink, endpoints, watch = watched
    node.publishers["/planner"] = [endpoint(f"mute{number}", BEST_EFFORT) for number in range(50)]
    watch.look_at_all(0)
    watch.look_at_all(0)
    assert incompatible(sink) == [("/planner", "RELIABILITY", True)]
    assert "/mute0 does not fit in RELIABILITY: publish RELIABLE" in endpoints.misfits["/planner"]
    assert endpoints.misfits["/planner"].endswith("; and 47 more")
    node.publishers["/planner"] = []
    watch.look_at_all(0)
    assert incompatible(sink)[1:] == [("/planner", "", False)]
    assert not endpoints.misfits


def test_names_from_outside_are_escaped(watched: Any) -> None:
    node, _, endpoints, watch = watched
    node.publishers["/planner"] = [endpoint("mute\n[INFO] all is well", BEST_EFFORT)]
    watch.look_at_all(0)
    assert "mute\\x0a[INFO]" in endpoints.misfits["/planner"]
    assert all("\n" not in text for _, text in node.logged if text.startswith("/planner"))


def test_a_nameless_endpoint_is_given_time_and_then_told(watched: Any) -> None:
    node, sink, _, watch = watched
    node.publishers["/planner"] = [endpoint(NAMELESS, BEST_EFFORT)]
    watch.look_at_all(1)
    assert not incompatible(sink)
    watch.look_at_all(1 + NAME_WAIT)
    assert incompatible(sink) == [("/planner", "RELIABILITY", True)]


def told_publishers(sink: FakeSink) -> list[int]:
    return [event.publishers for event in sink.events if isinstance(event, SourceEndpoints)]


def test_a_publisher_that_gets_its_name_is_the_same_one(watched: Any) -> None:
    node, sink, _, watch = watched
    node.publishers["/planner"] = [endpoint(NAMELESS, QoSProfile(depth=1), gid=1)]
    watch.look_at_all(1)
    assert told_publishers(sink) == [1], "a command may come at once"
    watch.look_at_all(1 + 2 * NAME_WAIT)
    node.publishers["/planner"] = [endpoint("agent", QoSProfile(depth=1), gid=1)]
    watch.look_at_all(2 + 2 * NAME_WAIT)
    assert told_publishers(sink) == [1]


def test_one_that_was_started_anew_under_the_same_name_is_another_one(watched: Any) -> None:
    node, sink, _, watch = watched
    for gid in (1, 2):
        node.publishers["/planner"] = [endpoint("agent", QoSProfile(depth=1), gid=gid)]
        watch.look_at_all(gid)
        watch.look_at_all(gid)
    assert told_publishers(sink) == [1, 1]


def test_a_second_topic_of_the_same_node_is_the_same_speaker_and_another_node_is_a_second_one(watched: Any) -> None:
    node, sink, endpoints, watch = watched
    endpoints.sources["planner"].append("/planner/more")
    node.publishers["/planner"] = [endpoint("agent", QoSProfile(depth=1), gid=1)]
    watch.look_at_all(1)
    node.publishers["/planner/more"] = [endpoint("agent", QoSProfile(depth=1), gid=2)]
    watch.look_at_all(2)
    assert told_publishers(sink) == [1]
    node.publishers["/planner/more"] = [endpoint(NAMELESS, QoSProfile(depth=1), gid=3)]
    watch.look_at_all(3)
    assert told_publishers(sink) == [1, 1]
    watch.look_at_all(3 + NAME_WAIT)
    assert told_publishers(sink) == [1, 1, 2], "who stays nameless is somebody else"
    node.publishers.clear()
    watch.look_at_all(4 + NAME_WAIT)
    assert told_publishers(sink) == [1, 1, 2, 0]


def test_a_second_process_that_borrows_the_name_is_a_second_speaker(watched: Any) -> None:
    node, sink, endpoints, watch = watched
    endpoints.sources["planner"].append("/planner/more")
    node.publishers["/planner"] = [endpoint("agent", QoSProfile(depth=1), gid=1)]
    node.publishers["/planner/more"] = [endpoint("agent", QoSProfile(depth=1), gid=1 << 32)]
    watch.look_at_all(1)
    assert told_publishers(sink) == [2]
    assert any("/agent" in text for level, text in node.logged if level == "error")


def test_whoever_tells_of_people_is_known_by_his_id(watched: Any) -> None:
    node, sink, endpoints, _ = watched
    endpoints.watched["/~/humans"] = describe(JointTrajectory, QoSProfile(depth=10), publishes=False)
    watch = GraphWatch(node, sink, endpoints, ("/motors",), "/beat")
    for gid in (1, 2):
        node.publishers["/~/humans"] = [endpoint("eyes", QoSProfile(depth=1), gid=gid)]
        watch.look_at_all(gid)
    told = [event for event in sink.events if isinstance(event, HumansEndpoints)]
    assert [event.nodes for event in told] == [("/eyes",), ("/eyes",)]
    assert told[0].ids != told[1].ids


def test_who_speaks_is_told_before_his_first_command_and_nobody_is_asked_for_once_a_slice(watched: Any) -> None:
    node, sink, _, watch = watched
    watch.look_at_all(0)

    def command(at: int) -> StreamCommand:
        return StreamCommand(at, "planner", (), (), (), 0, 0, 0, "", "", at)

    node.asked.clear()
    for at in range(1, 101):
        watch.meet(command(SLICE + at))
    assert node.asked == ["/planner"]
    node.publishers["/planner"] = [endpoint("agent", QoSProfile(depth=1))]
    watch.meet(command(3 * SLICE))
    assert told_publishers(sink) == [1]
    node.asked.clear()
    watch.meet(command(9 * SLICE))
    assert not node.asked, "known: each command costs a look no more"


def test_changes_are_looked_at_at_once_and_hold_up_no_turn(watched: Any) -> None:
    node, _, endpoints, watch = watched
    period, now = SLICE // 5, SLICE
    watch.slice(now)  # a turn
    node.asked.clear()
    endpoints.changed.add("/motors")
    assert watch.slice(now + period)
    assert node.asked == ["subscriptions of /motors"]
    for rate in (5, 1):  # with control periods shorter than a slice, and with long ones
        node.asked.clear()
        idle = 0
        for _ in range(50 * rate):
            endpoints.changed.add("/motors")  # somebody comes and goes all the time
            now += SLICE // rate * (2 if rate == 1 else 1)
            idle += not watch.slice(now)
        turns = [topic for topic in node.asked if topic != "subscriptions of /motors"]
        assert {"/motors", "/joint_states", "/beat", "/planner"} <= set(turns)
        assert len(turns) >= 15
        assert rate == 1 or idle >= 100, "what else waits for spare time is never reached"


# --- with real nodes


@pytest.fixture(scope="module")
def client(cell_rig: Rig) -> Client:
    return cell_rig.client()


@pytest.fixture
def supervisor(cell_rig: Rig, client: Client) -> Iterator[Process]:
    client.forget()
    process = cell_rig.supervisor(f"log_directory:={cell_rig.fresh_directory()}", estop=SIMULATED_ESTOP)
    yield process
    process.end()


@pytest.fixture
def guest(cell_rig: Rig) -> Iterator[Callable[[str], Client]]:
    """Nodes that come; they have gone behind the test, however it ends: the next one shares the graph."""
    guests: list[Client] = []

    def come(name: str) -> Client:
        guests.append(cell_rig.client(name))
        return guests[-1]

    yield come
    for one in guests:
        one.close()


def active(client: Client) -> bool:
    return CAUSE in client.status["active_causes"]


LEASE = "offer a liveliness lease of at most 0.5 s"


@pytest.mark.redteam(57)
@pytest.mark.parametrize(
    "mutes",
    [  # of one source there is no second one that sends: each of its topics by itself
        pytest.param(
            [(TRAJECTORY, JointTrajectory, leased(0.5, reliable=False), "RELIABILITY", "publish RELIABLE")],
            marks=pytest.mark.long,
        ),
        pytest.param(
            [(SET_POINTS, String, BEST_EFFORT, "TYPE", "publish sensor_msgs/msg/JointState")], marks=pytest.mark.long
        ),
        [
            (TRAJECTORY, JointTrajectory, QoSProfile(depth=1), "LIVELINESS", LEASE),
            ("/robot_description", String, QoSProfile(depth=1), "DURABILITY", "publish TRANSIENT_LOCAL"),
            ("/supervisor/simulated_estop", JointTrajectory, BEST_EFFORT, "TYPE", "publish std_msgs/msg/String"),
        ],
    ],
)
def test_publishers_that_are_not_heard_block_while_they_are_there(
    client: Client,
    supervisor: Process,
    guest: Callable[[str], Client],
    mutes: list[tuple[str, Any, QoSProfile, str, str]],
) -> None:
    client.arm()
    guests = [guest(f"mute_{number}") for number in range(len(mutes))]
    told = []
    for one, (topic, kind, profile, policy, cure) in zip(guests, mutes, strict=True):
        one.publisher(kind, topic, profile)
        told.append(f"{topic}: /{one.node.get_name()} does not fit in {policy}: {cure}")
    client.wait_for(lambda: active(client), "the cause")
    client.wait_state("LOCKED")
    assert client.status["cause"] == CAUSE
    for line in told:
        client.wait_for(lambda line=line: line in client.status["incompatible_endpoints"], line)
        assert line in supervisor.text
    refused = client.call("/supervisor/reset")
    assert not refused.success
    assert CAUSE in refused.message

    for one in guests:
        assert active(client), "as long as one is left"
        one.close()
    client.wait_for(lambda: not active(client), "the end of the cause")
    client.spin(0.5)
    assert client.state == "LOCKED", "the cause has ended; who resets is a person"
    assert client.status["incompatible_endpoints"] == ""
    client.arm()


@pytest.mark.long
@pytest.mark.redteam(57)
def test_an_onlooker_on_the_motor_topic_is_shown_and_blocks_nothing(
    client: Client, supervisor: Process, guest: Callable[[str], Client]
) -> None:
    client.wait_state("LOCKED", timeout=60.0)
    levels: list[bytes] = []
    tool = guest("tool")
    hear = client.node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda message: levels.append(message.status[0].level), 10
    )
    client.wait_for(lambda: DiagnosticStatus.OK in levels, "diagnostics")
    tool.node.create_subscription(JointTrajectory, MOTORS, lambda message: None, LATCHED)
    client.wait_for(
        lambda: "/tool does not fit" in client.status["incompatible_endpoints"], "the onlooker in the status"
    )
    told = f"{MOTORS}: /tool does not fit in DURABILITY: subscribe VOLATILE"
    assert told in client.status["incompatible_endpoints"]
    client.wait_for(lambda: f"{told}; an onlooker" in supervisor.text, "the warning")
    levels.clear()
    client.wait_for(lambda: DiagnosticStatus.WARN in levels, "diagnostics that warn")
    assert not client.status["active_causes"]
    client.arm()
    client.play(travel=-0.3, seconds=2.0)
    assert client.state == "AUTO/MOVING"
    tool.close()
    client.wait_for(lambda: not client.status["incompatible_endpoints"], "the end of the warning")
    client.node.destroy_subscription(hear)


@pytest.mark.redteam(52)
def test_a_client_that_can_hear_no_answer_holds_up_no_cycle(
    client: Client, supervisor: Process, guest: Callable[[str], Client]
) -> None:
    """Its reader is never matched: the middleware would wait for it with each answer (config/fastdds.xml)."""
    client.wait_state("LOCKED", timeout=60.0)
    deaf = guest("deaf")
    start = deaf.node.create_client(Trigger, "/supervisor/start", qos_profile=LATCHED)
    client.spin(1.0)
    assert client.call("/supervisor/reset").success
    client.wait_state("READY")
    asked = start.call_async(Trigger.Request())
    for _ in range(20):  # a refusal, such as for a robot that has not rested long enough, is not heard either
        client.spin(0.3)
        if client.state == "AUTO/HOLDING":
            break
        asked = start.call_async(Trigger.Request())
    start.call_async(Trigger.Request())
    client.spin(0.5)
    assert client.state == "AUTO/HOLDING", client.status["cause"]
    assert not asked.done()


UNHEARD = "/other_controller/joint_trajectory"


@pytest.fixture
def unheard(cell_rig: Rig, client: Client) -> Iterator[Process]:
    """A supervisor whose motor topic is none of the cell's."""
    client.forget()
    process = cell_rig.supervisor(f"log_directory:={cell_rig.fresh_directory()}", output={"topic": UNHEARD})
    yield process
    process.end()


@pytest.mark.redteam(57)
def test_without_a_subscription_that_fits_the_motors_hear_nothing_and_nothing_is_armed(
    client: Client, unheard: Process, guest: Callable[[str], Client]
) -> None:
    topic, supervisor = UNHEARD, unheard
    client.wait_for(lambda: set(client.status.get("active_causes", "").split()) == {CAUSE}, "the cause alone", 60.0)
    assert client.state == "INIT"
    assert f"{topic}: no controller listens" in supervisor.text
    deaf = guest("deaf")
    deaf.node.create_subscription(JointTrajectory, topic, lambda message: None, LATCHED)
    client.wait_for(lambda: "/deaf does not fit" in client.status["incompatible_endpoints"], "the deaf one")
    client.spin(0.5)
    assert client.state == "INIT"

    controller = guest("controller")
    controller.node.create_subscription(JointTrajectory, topic, lambda message: None, 1)
    client.arm()
    assert "/deaf does not fit" in client.status["incompatible_endpoints"]
    assert "/controller does" not in client.status["incompatible_endpoints"]
    controller.close()
    client.wait_for(lambda: active(client), "the cause")
    client.wait_state("LOCKED")
    assert not client.call("/supervisor/reset").success

    again = guest("controller_again")
    again.node.create_subscription(JointTrajectory, topic, lambda message: None, 1)
    client.wait_for(lambda: not active(client), "the end of the cause")
    client.arm()
