"""The sender's side against a status and answers that anybody may publish: shown as text, believed of nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from threading import Thread

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_rig import next_domain
from std_msgs.msg import String

from safety_supervisor.ros.token_client import TokenClient, connected

TOLD = {
    "boot": "one", "nonce": "0" * 32, "state": "READY\x1b[2J", "cause": "", "next_step": "Press\r\nSTART.",
    "configuration_sha256": "ab" * 32, "epoch": "7",
}  # fmt: skip


class Liar:
    """Answers each token as one who is not the supervisor would, then as that does."""

    def __init__(self, domain: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain, args=[])
        self.node = Node("supervisor", context=self.context, start_parameter_services=False)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.status = self.node.create_publisher(DiagnosticArray, "/supervisor/status", latched)
        self.results = self.node.create_publisher(String, "/supervisor/operator_results", 10)
        self.node.create_subscription(String, "/supervisor/operator_requests", self.answer, 10)
        self.node.create_timer(0.1, self.tell)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.thread = Thread(target=self.executor.spin)
        self.thread.start()

    def tell(self) -> None:
        values = [KeyValue(key=key, value=value) for key, value in TOLD.items()]
        self.status.publish(DiagnosticArray(status=[DiagnosticStatus(hardware_id="panda", values=values)]))

    def answer(self, token: String) -> None:
        good = {"jti": token.data, "iss": "ada", "ok": False, "code": "E_ACT_STATE", "detail": "\x1b[31mred"}
        for text in ("[" * 100_000, json.dumps(good | {"iss": "planner", "ok": True}), json.dumps(good)):
            self.results.publish(String(data=text))

    def close(self) -> None:
        self.executor.shutdown()
        self.thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenClient]:
    domain = next_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    liar = Liar(domain)
    try:
        with connected("/supervisor", "operator_requests") as joined:
            yield joined
    finally:
        liar.close()


@pytest.mark.redteam(5)
@pytest.mark.redteam(19)
def test_what_is_heard_is_shown_as_text_and_only_the_own_answer_counts(client: TokenClient) -> None:
    seen = client.find("panda", 20.0)
    assert (seen.state, seen.next_step) == (r"READY\x1b[2J", r"Press\x0d\x0aSTART.")
    answer = client.send("token-0001", "ada", "token-0001", 20.0)
    assert answer is not None
    assert (answer["iss"], answer["ok"], answer["detail"]) == ("ada", False, r"\x1b[31mred")
