"""Watches the graph: who else publishes on the motor topic, on a source's inputs, on joint_states, as a supervisor; and
whose quality of service keeps him from hearing us, or us from hearing him; and who speaks for a source that is none.

The graph lists endpoints, not life: it finds second publishers, never a death. One topic is looked at per slice; only
changes become events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.utilities import get_rmw_implementation_identifier

from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import (
    AdapterFault,
    BalanceEndpoints,
    BaseCommand,
    Event,
    HumansEndpoints,
    IncompatibleEndpoint,
    JointStateEndpoints,
    OdometryEndpoints,
    OutputEndpoints,
    SourceEndpoints,
    StreamCommand,
    TrajectoryCommand,
)
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.base_input import ODOMETRY_TOPIC
from safety_supervisor.ros.goals.pulse import clients_of
from safety_supervisor.ros.quality import Endpoints, Ours, Sink
from safety_supervisor.ros.strays import StraySources
from safety_supervisor.ros.text import escape
from safety_supervisor.ros.world_input import PEOPLE_TOPIC

SLICE = NS_PER_S // 50
"""Time between two slices, [ns]."""
NAME_WAIT = NS_PER_S // 2
"""How long a publisher's node may stay nameless: discovery of a node may come behind that of its publisher, [ns]."""
NAMELESS = "_NODE_NAME_UNKNOWN_"
SHOWN = 3
"""Endpoints of a topic that are named when they do not fit; the rest is counted."""
_COMMANDS = (StreamCommand, BaseCommand, TrajectoryCommand)
_PREFIX = 12
_IS_DDS = "dds" in get_rmw_implementation_identifier() or "fastrtps" in get_rmw_implementation_identifier()
FITS = ("",)
"""What is known of a topic on which everything fits."""


def qualify(info: Any) -> str:
    """Return the fully qualified name of an endpoint's node."""
    namespace = info.node_namespace.rstrip("/")
    return f"{namespace}/{info.node_name}"


def identify(info: Any) -> str:
    """Return what no other endpoint has, whatever its node is called: its global id, as hexadecimal digits."""
    return bytes(info.endpoint_gid).hex()


def participant(info: Any) -> str:
    """Return what all endpoints of a process have in common: in DDS, the first 12 of the 16 bytes of an id.

    A middleware that is no DDS has no such bytes: there it is empty, and names alone tell speakers apart.
    """
    return identify(info)[: 2 * _PREFIX] if _IS_DDS else ""


def list_publishers(node: LifecycleNode, topic: str) -> list[str]:
    """Return the fully qualified node name of each publisher of a topic, sorted."""
    return sorted(qualify(info) for info in node.get_publishers_info_by_topic(topic))


def without_one(names: list[str], ours: str) -> tuple[str, ...]:
    """Return the names without one occurrence of ours: a second endpoint in our name is foreign too."""
    rest = list(names)
    if ours in rest:
        rest.remove(ours)
    return tuple(rest)


@dataclass(frozen=True)
class _Speakers:
    """Who speaks for a source, by ids: a node's name comes late, and stays when a process is started anew."""

    publishers: int
    endpoints: Mapping[str, frozenset[str]]
    """Topic or action to the ids."""

    def are_others(self, now: _Speakers) -> bool:
        """Return whether somebody came or went; one who speaks on a further topic is still the same."""
        kept = all(ids == now.endpoints[topic] for topic, ids in self.endpoints.items() if ids)
        return not kept or self.publishers != now.publishers


class GraphWatch:
    """Looks at one topic per slice and tells what changed.

    Args:
        node: whose graph is looked at.
        sink: where events go.
        endpoints: our subscriptions, by source.
        outputs: motor topics.
        heartbeat: our heartbeat's topic; a second publisher there is a second supervisor.
        measures: nodes that may publish joint_states.
        balance: topics of balance's inputs to the foot that they are about, empty for the IMU.
    """

    def __init__(
        self,
        node: LifecycleNode,
        sink: Sink,
        endpoints: Endpoints,
        outputs: tuple[str, ...],
        heartbeat: str,
        measures: frozenset[str] = frozenset(),
        balance: Mapping[str, str] | None = None,
    ) -> None:
        """Plan the slices."""
        self._node = node
        self._sink = sink
        self._endpoints = endpoints
        self._measures = measures
        self._ours = node.get_fully_qualified_name()
        self._next_slice = 0
        self._next_urgent = 0
        self._was_urgent = False
        self._turn = 0
        self._known: dict[str, tuple[str, ...]] = {f"fit {topic}": FITS for topic in endpoints.watched}
        self._nameless_since: dict[str, Nanoseconds] = {}
        self._speakers = dict.fromkeys(endpoints.sources, _Speakers(0, {}))
        self._next_meeting = 0
        states = node.resolve_topic_name("joint_states")
        # Every output that has to be heard is one that nobody else may publish: motors, and a base where there is one.
        more = {topic for topic, ours in endpoints.watched.items() if ours.publishes} - set(outputs)
        outputs = (*outputs, *sorted(more))
        self._slices: list[Callable[[Nanoseconds], None]] = [
            lambda now: self._look_outputs(outputs, now),
            lambda now: self._look_states(states, now),
            lambda now: self._look_heartbeat(heartbeat, now),
        ]
        self._slices += [partial(self._look_source, name) for name in endpoints.sources]
        self._looks: dict[str, Callable[[Nanoseconds], None]] = {
            topic: partial(self._look_source, name) for name, topics in endpoints.sources.items() for topic in topics
        }
        self._looks[states] = self._slices[1]
        people = node.resolve_topic_name(PEOPLE_TOPIC)
        if people in endpoints.watched:
            self._slices.append(partial(self._look_people, people))
            self._looks[people] = self._slices[-1]
        odometry = node.resolve_topic_name(ODOMETRY_TOPIC)
        if odometry in endpoints.watched:
            self._slices.append(partial(self._look_odometry, odometry))
            self._looks[odometry] = self._slices[-1]
        for told, foot in (balance or {}).items():
            name = node.resolve_topic_name(told)
            self._slices.append(partial(self._look_balance, name, foot))
            self._looks[name] = self._slices[-1]
        self._slices.append(StraySources(node, sink, endpoints.sources, endpoints.misfits).look)
        # What is only asked whether it fits shares one slice: a foreign publisher is not to be found later for it.
        self._others = [topic for topic in endpoints.watched if topic not in self._looks]
        self._looks |= {topic: partial(self._look_fit, topic) for topic in self._others}
        if self._others:
            others = cycle(self._others)
            self._slices.append(lambda now: self._look_fit(next(others), now))

    def slice(self, now: Nanoseconds) -> bool:
        """Look at one topic when it is time; return whether anything was done.

        What the middleware told of comes at once, yet no faster than the turns and never twice while a turn is due:
        endpoints that come and go all the time hold up neither the turns nor what else waits for spare time.
        """
        changed = self._endpoints.changed
        due = now >= self._next_slice
        if changed and now >= self._next_urgent and not (due and self._was_urgent):
            self._next_urgent = now + SLICE
            self._was_urgent = True
            self._looks[changed.pop()](now)
            return True
        if not due:
            return False
        self._next_slice = now + SLICE
        self._was_urgent = False
        self._slices[self._turn](now)
        self._turn = (self._turn + 1) % len(self._slices)
        return True

    def introduced(self, source: str) -> bool:
        """Return whether a source's action has clients, and the core was told of every one of them."""
        action = self._endpoints.actions[source]
        clients = {identify(info) for info in clients_of(self._node, action)}
        return bool(clients) and clients <= self._speakers[source].endpoints.get(action, frozenset())

    def meet(self, event: Event) -> None:
        """Tell of who speaks for a source before his first command: told behind it, he would be another one (SR-050).

        Args:
            event: that the core is about to handle.
        """
        if not isinstance(event, _COMMANDS) or self._speakers[event.source].publishers:
            return
        # Where the graph knows of nobody, as behind a publisher that has gone, it is not asked for each message.
        if event.at >= self._next_meeting:
            self._next_meeting = event.at + SLICE
            self._look_source(event.source, event.at)

    def look_at_all(self, now: Nanoseconds) -> None:
        """Look at every topic: at start, before motion is possible."""
        for look in self._slices:
            look(now)
        for topic in self._others:
            self._look_fit(topic, now)

    def _changed(self, key: str, value: tuple[str, ...], now: Nanoseconds) -> bool:
        """Return whether a value is new and worth telling; a nameless publisher is given time to be named."""
        if self._awaits_names(key, value, now) or self._known.get(key) == value:
            return False
        self._known[key] = value
        return True

    def _awaits_names(self, key: str, names: Iterable[str], now: Nanoseconds) -> bool:
        if any(name.endswith(NAMELESS) for name in names):
            return now - self._nameless_since.setdefault(key, now) < NAME_WAIT
        self._nameless_since.pop(key, None)
        return False

    def _look_outputs(self, topics: tuple[str, ...], now: Nanoseconds) -> None:
        found = {topic: without_one(list_publishers(self._node, topic), self._ours) for topic in topics}
        foreign = tuple(name for names in found.values() for name in names)
        if self._changed("output", foreign, now):
            for topic, names in found.items():
                if names:
                    self._node.get_logger().error(f"{topic}: foreign publisher {', '.join(names)}")
            self._sink.enter(OutputEndpoints(time.monotonic_ns(), foreign))

    def _look_states(self, topic: str, now: Nanoseconds) -> None:
        nodes = self._recognise(topic, now)[0]
        if self._changed("states", nodes, now):
            self._tell_states(topic, nodes)
            self._sink.enter(JointStateEndpoints(time.monotonic_ns(), nodes))

    def _tell_states(self, topic: str, nodes: tuple[str, ...]) -> None:
        """Say who publishes joint states and must not; one that was killed stays in the graph for its lease."""
        key, allowed = f"{topic} publishers", ", ".join(sorted(self._measures))
        if len(set(nodes)) == len(nodes) and set(nodes) <= self._measures:
            self._endpoints.misfits.pop(key, None)
            return
        found = ", ".join(escape(name) for name in nodes[:SHOWN]) + (" and more" if len(nodes) > SHOWN else "")
        text = f"published by {found}; allowed (robot.joint_states), once each: {allowed}"
        self._endpoints.misfits[key] = text
        self._node.get_logger().error(f"{topic}: {text}; a killed publisher goes with its lease, after up to 20 s")

    def _look_people(self, topic: str, now: Nanoseconds) -> None:
        nodes, ids = self._recognise(topic, now)
        if self._changed("people", (*nodes, *ids), now):
            self._sink.enter(HumansEndpoints(time.monotonic_ns(), nodes, ids))

    def _look_odometry(self, topic: str, now: Nanoseconds) -> None:
        nodes, ids = self._recognise(topic, now)
        if self._changed("odometry", (*nodes, *ids), now):
            self._sink.enter(OdometryEndpoints(time.monotonic_ns(), nodes, ids))

    def _look_balance(self, topic: str, foot: str, now: Nanoseconds) -> None:
        nodes, ids = self._recognise(topic, now)
        if self._changed(f"balance {foot}", (*nodes, *ids), now):
            self._sink.enter(BalanceEndpoints(time.monotonic_ns(), foot, nodes, ids))

    def _look_heartbeat(self, topic: str, now: Nanoseconds) -> None:
        others = without_one(list_publishers(self._node, topic), self._ours)
        if self._changed("heartbeat", others, now) and others:
            detail = f"{topic} has another publisher: {', '.join(others)}"
            self._node.get_logger().error(detail)
            self._sink.enter(AdapterFault(time.monotonic_ns(), Code.SECOND_SUPERVISOR.value, detail))

    def _look_source(self, source: str, now: Nanoseconds) -> None:
        each = {topic: self._ask(topic, now) for topic in self._endpoints.sources[source]}
        action = self._endpoints.actions.get(source)
        if action is not None:
            each[action] = clients_of(self._node, action)
        everybody = [info for infos in each.values() for info in infos]
        nodes, processes = set(map(qualify, everybody)), set(map(participant, everybody))
        if self._awaits_names(f"source {source}", nodes, now):
            nodes = {name for name in nodes if not name.endswith(NAMELESS)}
        # One publisher a topic, one client of the action, and all of one node of one process: two nodes on two inputs
        # of a source are two speakers, whatever they call themselves.
        publishers = max(len(nodes), len(processes), *(len(infos) for infos in each.values())) if each else 0
        found = _Speakers(publishers, {topic: frozenset(map(identify, infos)) for topic, infos in each.items()})
        before, self._speakers[source] = self._speakers[source], found
        if publishers > 1 and publishers != before.publishers:
            told = ", ".join(escape(name) for name in sorted(nodes)[:SHOWN])
            self._node.get_logger().error(f"source {source} has {publishers} publishers, of {told}; one is allowed")
        if before.are_others(found):
            self._sink.enter(SourceEndpoints(time.monotonic_ns(), source, publishers))

    def _recognise(self, topic: str, now: Nanoseconds) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the fully qualified node name of each publisher of an input of ours, and their ids, each sorted."""
        infos = self._ask(topic, now)
        return tuple(sorted(map(qualify, infos))), tuple(sorted(map(identify, infos)))

    def _ask(self, topic: str, now: Nanoseconds) -> Sequence[Any]:
        """Return the publishers of an input of ours; those that do not fit are told."""
        infos: Sequence[Any] = self._node.get_publishers_info_by_topic(topic)
        ours = self._endpoints.watched.get(topic)
        if ours is not None:
            self._judge(topic, ours, infos, now)
        return infos

    def _look_fit(self, topic: str, now: Nanoseconds) -> None:
        ours = self._endpoints.watched[topic]
        ask = self._node.get_subscriptions_info_by_topic if ours.publishes else self._node.get_publishers_info_by_topic
        self._judge(topic, ours, ask(topic), now)

    def _judge(self, topic: str, ours: Ours, infos: Sequence[Any], now: Nanoseconds) -> None:
        """Tell when other endpoints begin or cease to fit.

        A publisher on an input that can not be heard prevents arming: somebody believes that he is heard. On the motor
        topic one subscription that fits is the controller, and who else can not hear is an onlooker; with none that
        fits, the motors hear nothing.
        """
        misfits = [(policies, qualify(info)) for info in infos if (policies := ours.misfits(info))]
        prevents = len(misfits) == len(infos) if ours.publishes else bool(misfits)
        value = ("prevents" if prevents else "", *sorted(f"{' '.join(policies)} {who}" for policies, who in misfits))
        if not self._changed(f"fit {topic}", value, now):
            return
        texts = [
            f"{escape(who)} does not fit in {' and '.join(policies)}: {ours.cure(policies)}"
            for policies, who in sorted(misfits)
        ]
        if not infos and ours.publishes:
            texts = ["no controller listens"]
        text = "; ".join(texts[:SHOWN]) + (f"; and {len(texts) - SHOWN} more" if len(texts) > SHOWN else "")
        if text and ours.name:
            text = f"{ours.name}: {text}"
        log = self._node.get_logger()
        if prevents and not infos:
            log.info(f"{topic}: {text} yet")  # at the start nobody has been discovered; the status tells while it lasts
        elif prevents:
            log.error(f"{topic}: {text}")
        elif text:
            log.warning(f"{topic}: {text}; an onlooker, since another subscription fits")
        else:
            log.info(f"{topic}: every endpoint fits")
        if text:
            self._endpoints.misfits[topic] = text
        else:
            self._endpoints.misfits.pop(topic, None)
        named = " ".join(sorted({policy for policies, _ in misfits for policy in policies}))
        self._sink.enter(IncompatibleEndpoint(time.monotonic_ns(), topic, named, True, prevents))
