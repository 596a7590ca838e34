"""The panel's side of the ROS interfaces, on a thread of its own.

Everything that it hears becomes a frozen `Snapshot`. A stop is published by whoever asks for it, at once, and waits for
nothing that this thread does.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from types import MappingProxyType
from typing import Any, Final

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
from std_srvs.srv import Trigger

from safety_supervisor.acts import deciding
from safety_supervisor.evidence.decisions.kept_heads import KeptHeads
from safety_supervisor.panel.events import EventLog
from safety_supervisor.panel.history import History
from safety_supervisor.panel.ros_heads import HeadTap
from safety_supervisor.panel.snapshot import NOTHING, Snapshot, Values
from safety_supervisor.ros.reader import LONGEST_LIST, Reader
from safety_supervisor.ros.text import escape

_LOG: Final = logging.getLogger("safety_supervisor.panel")
_MOST_WAITING: Final = 64
"""More than the supervisor ever lists: what anybody may publish is bounded here."""
_MOST_ENDED: Final = 32
"""Of so many that waited what became of them is remembered."""
_MOST_CALLS: Final = 64
"""Stops whose answer is still waited for; older ones are given up, and have stopped all the same."""
_MOST_KEYS: Final = 256
_MOST_FIELDS: Final = 32
"""Of a decision, which has half as many."""
_LONGEST_KEY: Final = 80
DEPTH: Final = 256
"""Decisions that are kept until they are read; where so many came without a pause, some may be lost."""
_LONGEST: Final = 1 << 16
"""Of what else is heard, [bytes]: it has some hundred, the status some thousand."""
_LATCHED: Final = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class RosLink:
    """A node that hears one supervisor, stops it, and sends it tokens.

    Args:
        supervisor: full name of its node, such as /supervisor.
        sources: of the configuration.
        heads: where heads of the decision log are kept; None: nowhere.
    """

    def __init__(self, supervisor: str, sources: Iterable[str] = (), heads: KeptHeads | None = None) -> None:
        """Join the graph."""
        self.events, self.history = EventLog(sources), History()
        self._snapshot = Snapshot()
        self._answers: dict[tuple[str, str], Future[dict[str, Any]]] = {}
        self._asked: dict[tuple[str, str], str] = {}
        self._calls: deque[Any] = deque()
        self._lock = threading.Lock()
        self._context = rclpy.Context()
        rclpy.init(context=self._context, args=[])
        self._node = node = Node("safety_supervisor_panel", context=self._context, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._status_topic = f"{supervisor}/status"
        reliable = QoSProfile(depth=10)
        Reader(node, DiagnosticArray, self._status_topic, _LATCHED, self._hear_status, _LONGEST)
        waiting = f"{supervisor}/interventions"
        Reader(node, DiagnosticArray, waiting, _LATCHED, self._hear_waiting, LONGEST_LIST)
        decisions, many = f"{supervisor}/decisions", QoSProfile(depth=DEPTH)
        self._decisions = Reader(node, DiagnosticArray, decisions, many, self._hear_decision, _LONGEST)
        Reader(node, String, f"{supervisor}/operator_results", reliable, self._hear_answer, _LONGEST)
        self._heads = None if heads is None else HeadTap(node, supervisor, heads)
        self._tokens = node.create_publisher(String, f"{supervisor}/operator_requests", reliable)
        self._stops = node.create_publisher(String, f"{supervisor}/stop_requests", QoSProfile(depth=1))
        self._holds = node.create_publisher(
            String, f"{supervisor}/hold", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        )
        self._stop_service = node.create_client(Trigger, f"{supervisor}/stop")
        self._counted = 0.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="panel-ros", daemon=True)
        self._thread.start()

    @property
    def snapshot(self) -> Snapshot:
        """What was heard until now."""
        return self._snapshot

    def stop(self, reason: str) -> Future[tuple[bool, str]]:
        """Ask for a protective stop at once; the future tells whether the supervisor said that it went out.

        It may never be done: wait for it with a limit.
        """
        answer: Future[tuple[bool, str]] = Future()
        self._stops.publish(String(data=reason))
        # The topic alone stops; the service is asked because it answers.
        if not self._stop_service.service_is_ready():
            answer.set_result((False, "no supervisor is there to answer"))
            return answer
        call = self._stop_service.call_async(Trigger.Request())
        with self._lock:
            self._calls.append(call)
            old = self._calls.popleft() if len(self._calls) > _MOST_CALLS else None
        if old is not None:
            self._stop_service.remove_pending_request(old)

        def tell(done: Any) -> None:
            try:
                reply = done.result()
                answer.set_result((bool(reply.success), escape(reply.message)))
            except Exception as error:  # what a middleware raises is no promise of a stop
                answer.set_result((False, escape(str(error))))

        call.add_done_callback(tell)
        return answer

    def send(self, token: str, holder: str, jti: str) -> Future[dict[str, Any]]:
        """Send a token; the future is its answer, and may never be done: wait with a limit, then `forget`."""
        answer: Future[dict[str, Any]] = Future()
        with self._lock:
            self._answers[holder, jti] = answer
        self._tokens.publish(String(data=token))
        return answer

    def hold(self, token: str) -> None:
        """Send one beat of a held button; what is lost on the way is a release."""
        self._holds.publish(String(data=token))

    def forget(self, holder: str, jti: str) -> None:
        """Expect no answer any more."""
        with self._lock:
            self._answers.pop((holder, jti), None)

    def close(self) -> None:
        """Leave the graph."""
        self._closed.set()
        self._executor.wake()
        self._thread.join(2.0)
        if self._heads is not None:
            self._heads.close()
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._executor.spin_once(timeout_sec=0.1)
                self._count()
            except Exception:  # one bad message must not make the panel deaf
                if not self._closed.is_set():
                    _LOG.exception("hearing the supervisor failed")
                    time.sleep(0.1)

    def _count(self) -> None:
        now = time.monotonic()
        if now - self._counted < 0.5:
            return
        self._counted = now
        self.events.look(time.monotonic_ns())
        self._snapshot = self._snapshot._replace(
            tellers=self._node.count_publishers(self._status_topic),
            stop_hearers=self._stops.get_subscription_count(),
            token_hearers=self._tokens.get_subscription_count(),
        )

    def _hear_status(self, message: DiagnosticArray) -> None:
        if len(message.status) != 1:
            return
        status, now = message.status[0], time.monotonic_ns()
        values, heard = _values(status, 1200), self._snapshot
        self.events.status(escape(status.message), values, now)
        self.history.status(values, now)
        # Another boot counts its interventions from one again.
        ended = heard.ended if values.get("boot") == heard.status.get("boot") else NOTHING
        self._snapshot = heard._replace(
            robot=escape(status.hardware_id), message=escape(status.message), status=values, status_at=now, ended=ended
        )

    def _hear_decision(self, message: DiagnosticArray) -> None:
        now = time.monotonic_ns()
        if self._decisions.run >= DEPTH:
            self.events.cut_at = now
        if len(message.status) != 1:
            return
        status = message.status[0]
        values, words = _values(status, 400, _MOST_FIELDS), escape(status.message)
        # What is released is told by its command; what is refused by its intervention, too.
        of_command = self._asked.get((values.get("source", ""), values.get("id", "")), "")
        name = values.get("intervention", "") or of_command
        self.history.decided(*self.events.decision(words, values, name, now), now)
        if not name or values.get("verdict") == "WAIT":
            return
        known = {other: said for other, said in self._snapshot.ended.items() if other != name}
        latest = list(known.items())[1 - _MOST_ENDED :]
        self._snapshot = self._snapshot._replace(ended=MappingProxyType(dict([*latest, (name, words)])))

    def _hear_waiting(self, message: DiagnosticArray) -> None:
        waiting = tuple(_waiting(status) for status in message.status[:_MOST_WAITING])
        for one in waiting:
            deciding.read(one)  # here, where it takes none of the time in which pages and STOP are answered
        asked = {(one.get("source", ""), one.get("command_id", "")): one.get("id", "") for one in waiting}
        self._asked = dict([*(self._asked | asked).items()][-_MOST_ENDED:])
        self._snapshot = self._snapshot._replace(waiting=waiting, waiting_at=time.monotonic_ns())

    def _hear_answer(self, message: String) -> None:
        try:
            answer = json.loads(message.data)
        except (ValueError, RecursionError):
            return
        if not isinstance(answer, dict) or not isinstance(answer.get("iss"), str):
            return
        with self._lock:
            waits = self._answers.pop((answer["iss"], str(answer.get("jti"))), None)
        if waits is not None:
            waits.set_result({key: escape(said) if isinstance(said, str) else said for key, said in answer.items()})


def _values(status: Any, longest: int, most: int = _MOST_KEYS) -> Values:
    pairs = {escape(entry.key, _LONGEST_KEY): escape(entry.value, longest) for entry in status.values[:most]}
    return MappingProxyType(pairs)


def _waiting(status: Any) -> Values:
    """The command's text is hashed as it came: it is neither cut nor escaped."""
    text = next((entry.value for entry in status.values[:_MOST_KEYS] if entry.key == "command"), "")
    return MappingProxyType({**_values(status, 400), "command": text})
