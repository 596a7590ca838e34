"""The sender's side of a token: reads the nonce, sends, and waits for the answer.

Anybody may publish status and answers, so whatever they say is fit to be shown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from safety_supervisor.ros.text import escape

_SETTLING = 0.2
"""Behind the match of our publisher; the answer's way is matched by then, too, [s]."""


class Seen(NamedTuple):
    """What the status showed, and what a token has to carry of it."""

    boot: str
    nonce: str
    state: str
    cause: str
    next_step: str
    configuration_sha256: str
    epoch: int
    agents: str = ""
    """Who speaks at each source that needs a session; empty where none does."""


class NoSupervisorError(RuntimeError):
    """No supervisor was found that hears tokens, or it is another robot's."""


class TokenClient:
    """A node that sends tokens to one supervisor. Its context is its own, so that it disturbs no other node."""

    def __init__(self, supervisor: str, topic: str) -> None:
        """Join the graph.

        Args:
            supervisor: full name of its node, such as /supervisor.
            topic: `agent_sessions` or `operator_requests`.
        """
        self._context = rclpy.Context()
        rclpy.init(context=self._context, args=[])
        self._node = Node("signed_act", context=self._context, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._supervisor = supervisor
        self._topic = topic
        self._robot = ""
        self._values: dict[str, str] = {}
        self._answers: list[dict[str, Any]] = []
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        reliable = QoSProfile(depth=10)
        self._node.create_subscription(DiagnosticArray, f"{supervisor}/status", self._hear_status, latched)
        self._node.create_subscription(String, f"{supervisor}/operator_results", self._hear_answer, reliable)
        self._publisher = self._node.create_publisher(String, f"{supervisor}/{topic}", reliable)

    def find(self, robot: str, timeout: float, sends: bool = True) -> Seen:
        """Wait for the supervisor; return what it shows.

        Args:
            robot: its id.
            timeout: for all of it, [s].
            sends: whether it has to hear our tokens.

        Raises:
            NoSupervisorError: it is not there within the time, hears no tokens, or serves another robot.
        """
        if not self._wait(lambda: self._values and (not sends or self._publisher.get_subscription_count()), timeout):
            heard = f"hears no tokens on {self._topic}" if self._values else "tells no status"
            raise NoSupervisorError(f"{self._supervisor} {heard}, for {timeout:g} s")
        if self._robot != robot:
            raise NoSupervisorError(f"{self._supervisor} serves {self._robot!r}, the configuration is of {robot!r}")
        if sends:
            self._wait(lambda: False, _SETTLING)
        return self.look(timeout)

    def look(self, timeout: float) -> Seen:
        """Return what the next status shows.

        Raises:
            NoSupervisorError: there is none within the time, [s], or it is that of another version.
        """
        self._values = {}
        if not self._wait(lambda: self._values, timeout):
            raise NoSupervisorError(f"{self._supervisor} tells no status any more, for {timeout:g} s")
        told = self._values
        try:
            return Seen(
                told["boot"], told["nonce"], told["state"], told["cause"], told["next_step"],
                told["configuration_sha256"], int(told["epoch"]), told.get("agents", ""),
            )  # fmt: skip
        except (KeyError, ValueError) as error:
            told_not = f"the status of {self._supervisor} does not tell {error}"
            raise NoSupervisorError(f"{told_not}: another version?") from None

    def waiting(self, timeout: float) -> list[dict[str, str]]:
        """Return what waits for people and what they granted, as it is shown now, unescaped.

        Raises:
            NoSupervisorError: nothing of it is told within the time, [s].
        """
        heard: list[DiagnosticArray] = []
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        topic = f"{self._supervisor}/interventions"
        subscription = self._node.create_subscription(DiagnosticArray, topic, heard.append, latched)
        try:
            if not self._wait(lambda: heard, timeout):
                raise NoSupervisorError(f"{self._supervisor} does not tell what waits, for {timeout:g} s")
        finally:
            self._node.destroy_subscription(subscription)
        return [{entry.key: entry.value for entry in status.values} for status in heard[-1].status]

    def send(self, token: str, holder: str, jti: str, timeout: float) -> dict[str, Any] | None:
        """Send a token; return its answer, None when none came in time, [s].

        Args:
            token: to send.
            holder: whose key has signed it: others may use the same id, and get another answer.
            jti: its id.
            timeout: [s].
        """
        self._answers.clear()
        self._publisher.publish(String(data=token))

        def own() -> dict[str, Any] | None:
            return next((a for a in self._answers if (a.get("iss"), a.get("jti")) == (holder, jti)), None)

        self._wait(own, timeout)
        return own()

    @property
    def unverified(self) -> list[str]:
        """What was told meanwhile of tokens that could not be verified; ours may be among them."""
        return [f"{answer.get('code')} {answer.get('detail')}" for answer in self._answers if not answer.get("jti")]

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def _hear_status(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self._robot = status.hardware_id
            self._values = {entry.key: escape(entry.value) for entry in status.values}

    def _hear_answer(self, message: String) -> None:
        try:
            answer = json.loads(message.data)
        except (ValueError, RecursionError):
            return
        if isinstance(answer, dict):
            self._answers.append({key: escape(told) if isinstance(told, str) else told for key, told in answer.items()})

    def _wait(self, done: Callable[[], Any], timeout: float) -> bool:
        ends = time.monotonic() + timeout
        while not done():
            if time.monotonic() > ends:
                return False
            self._executor.spin_once(timeout_sec=0.02)
        return True


@contextmanager
def connected(supervisor: str, topic: str) -> Iterator[TokenClient]:
    """Yield a client, and close it behind; arguments as of `TokenClient`."""
    client = TokenClient(supervisor, topic)
    try:
        yield client
    finally:
        client.close()
