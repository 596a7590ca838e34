"""Signed acts of sources on the real node: taken, refused, told, recorded; its judge killed; the topic flooded."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ros_rig import HOME, REPOSITORY, Client, Process, Rig, children_of, command_of, make_trajectory
from std_msgs.msg import String
from two_tools import PRIVATE_KEY, PUBLIC_KEY, TOOLS

from safety_supervisor.config.public_key import encode_base64url
from safety_supervisor.tokens.agent_act import FORM
from safety_supervisor.tokens.claims import AgentClaims
from safety_supervisor.tokens.key_file import public_text
from safety_supervisor.tokens.signed_act import sign

ROD = "gripper_with_rod"
KEY = Ed25519PrivateKey.from_private_bytes(PRIVATE_KEY)
SETTINGS: dict[str, Any] = {
    "tools": TOOLS,
    "robot": {"payload": 1.0},
    "sources": {"planner": {"tools": [ROD], "public_key": PUBLIC_KEY}},
}


class Holder:
    """Whoever has the planner's key."""

    topic = "agent_sessions"

    def __init__(self, client: Client) -> None:
        self.client = client
        self.answers: list[dict[str, Any]] = []
        client.node.create_subscription(String, "/supervisor/operator_results", self._hear, 50)
        self.publisher = client.publisher(String, f"/supervisor/{self.topic}", 10)
        client.wait_for(self.publisher.get_subscription_count, "somebody hears tokens", 60.0)
        client.wait_for(lambda: client.status.get("tokens") == "verified", "the judge is ready", 60.0)
        client.spin(0.3)

    def _hear(self, message: String) -> None:
        self.answers.append(json.loads(message.data))

    def token(self, target: str, key: Ed25519PrivateKey = KEY, **changes: Any) -> tuple[str, str]:
        jti, now = secrets.token_hex(8), int(time.time())
        fields: dict[str, Any] = {
            "iss": "planner", "sub": "test", "aud": "panda", "nonce": self.client.status["nonce"], "jti": jti,
            "iat": now, "exp": now + 30, "act": "tool", "target": target, "reason": "a test",
        }  # fmt: skip
        return sign(key, FORM, AgentClaims(**(fields | changes))), jti

    def send(self, token: str) -> None:
        self.publisher.publish(String(data=token))

    def wait(self, found: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        self.client.wait_for(lambda: any(found(answer) for answer in self.answers), "an answer")
        return next(answer for answer in self.answers if found(answer))

    def ask(self, target: str, **changes: Any) -> dict[str, Any]:
        token, jti = self.token(target, **changes)
        self.send(token)
        return self.wait(lambda answer: answer["jti"] == jti)


def judges_of(supervisor: Process) -> list[int]:
    found = children_of(supervisor.process.pid)
    return [pid for pid in found if "safety_supervisor.ros.token_judge" in command_of(pid)]


def start(rig: Rig) -> tuple[Client, Process, Holder]:
    rig.cell()
    client = rig.client()
    supervisor = rig.supervisor(**SETTINGS)
    client.wait_state("LOCKED", timeout=60.0)
    holder = Holder(client)
    publisher = client.trajectory_publisher()
    client.wait_for(publisher.get_subscription_count, "the supervisor hears the trajectory's publisher")
    client.arm()
    return client, supervisor, holder


@pytest.mark.requirement("SR-026")
@pytest.mark.redteam(7)
@pytest.mark.redteam(16)
def test_a_source_takes_a_tool_by_a_token_and_nobody_else_does(rig: Rig) -> None:
    client, supervisor, holder = start(rig)
    refused = holder.ask("gripper")
    assert (refused["ok"], refused["code"]) == (False, "E_TOOL_SOURCE")
    stranger, _ = holder.token(ROD, key=Ed25519PrivateKey.generate())
    holder.send(stranger)
    answer = holder.wait(lambda answer: answer["code"] == "E_TOKEN_SIGNATURE")
    assert answer["jti"] == ""
    assert holder.ask(ROD, aud="another")["code"] == "E_TOKEN_AUD"
    assert holder.ask(ROD, nonce="0" * 32)["code"] == "E_TOKEN_NONCE"
    client.spin(0.3)
    assert client.status["tool"] == ""

    token, jti = holder.token(ROD)
    holder.send(token)
    taken = holder.wait(lambda answer: answer["jti"] == jti)
    assert (taken["ok"], taken["code"], taken["detail"]) == (True, "", f"tool: {ROD}, 0.6 kg")
    client.wait_for(lambda: client.status["tool"] == ROD, "the status tells the tool")
    holder.answers.clear()
    holder.send(token)
    assert holder.wait(lambda answer: answer["jti"] == jti)["code"] == "E_TOKEN_USED"

    low = [HOME[0], -0.06, *HOME[2:]]
    told = len(client.decisions)
    client.trajectory_publisher().publish(make_trajectory([(3.0, low)]))
    client.wait_for(lambda: any(d["code"] == "E_WORKSPACE" for d in client.decisions[told:]), "the rod is refused")
    client.spin(1.0)
    if client.state != "AUTO/HOLDING":
        client.arm()
    assert holder.ask("", reason="it was put into the rack")["ok"]
    client.wait_for(lambda: client.status["tool"] == "", "the status tells none")

    codes = {(decision["source"], decision["code"]) for decision in client.decisions}
    assert {("agent_sessions", "E_TOKEN_SIGNATURE"), ("planner", "E_TOKEN_AUD"), ("planner", "E_TOKEN_USED")} <= codes
    assert client.status["adapter_failures"] == "0"
    assert "E_TOKEN_SIGNATURE" in supervisor.text

    supervisor.send(signal.SIGINT)
    client.wait_end(supervisor)
    (log,) = (rig.directory / "log").rglob("*.events")
    shown = run("log", "replay", str(log))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert jti.encode() in log.read_bytes()


def run(*arguments: str, domain: int | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST")
    environment.pop("_ROS_WHEELS_BOOTSTRAP_COMPLETE", None)
    if domain is not None:
        environment["ROS_DOMAIN_ID"] = str(domain)
    return subprocess.run(
        [sys.executable, "-m", "safety_supervisor.cli", *arguments],
        capture_output=True, text=True, timeout=60.0, env=environment, cwd=REPOSITORY,
    )  # fmt: skip


def write_key(path: Path, seed: bytes) -> Path:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    held = {"kty": "OKP", "crv": "Ed25519", "d": encode_base64url(seed), "x": public_text(key)}
    path.write_text(json.dumps(held))
    path.chmod(0o600)
    return path


def test_the_command_takes_and_puts_down(rig: Rig) -> None:
    client, _, _ = start(rig)
    key = write_key(rig.directory / "planner.key", PRIVATE_KEY)
    given = ["--config", str(rig.directory / "robot.yaml"), "--key", str(key), "--source", "planner"]

    def command(*words: str) -> tuple[int, str]:
        """Run it; a late cycle of a busy machine may have stopped the robot meanwhile: then again, armed anew."""
        for _ in range(3):
            result = once(*words)
            if client.state == "AUTO/HOLDING" and "STATE" not in result[1]:
                break
            client.arm()
        return result

    def once(*words: str) -> tuple[int, str]:
        done: list[subprocess.CompletedProcess[str]] = []
        thread = threading.Thread(target=lambda: done.append(run("agent", "tool", *words, *given, domain=rig.domain)))
        thread.start()
        client.wait_for(lambda: not thread.is_alive(), "the command ends", 60.0)
        return done[0].returncode, done[0].stdout

    assert command(ROD) == (0, f"tool: {ROD}, 0.6 kg\n")
    client.wait_for(lambda: client.status["tool"] == ROD, "the status tells the tool")
    status, text = command("gripper", "--json")
    assert (status, json.loads(text)["code"]) == (1, "E_TOOL_SOURCE")
    assert command("--none")[0] == 0
    client.wait_for(lambda: client.status["tool"] == "", "the status tells none")


@pytest.mark.redteam(25)
def test_a_flood_of_garbage_and_a_dead_judge_slow_nothing_and_a_stop_is_answered(rig: Rig) -> None:
    client, supervisor, holder = start(rig)
    (judge,) = judges_of(supervisor)
    os.kill(judge, signal.SIGKILL)
    client.wait_for(lambda: client.status["tokens"] != "verified", "the loss is told")
    holder.send(holder.token(ROD)[0])
    holder.wait(lambda answer: answer["code"] == "E_TOKEN_BUSY")
    assert client.status["tool"] == ""
    assert judges_of(supervisor) == [], "in AUTO nothing is started"

    flood = rig.script("flooder.py", "/supervisor/agent_sessions", "String", "3000", "5000", "60")
    try:
        client.wait_for(lambda: "E_TOKEN_RATE" in client.codes(), "the flood is told", 30.0)
        assert client.call("/supervisor/stop").success
        client.wait_state("LOCKED")
        client.wait_for(lambda: client.status["tokens"] == "verified", "a new judge", 30.0)
        assert client.status["token_judge_restarts"] == "1"
        cycles, began = int(client.status["cycles"]), time.monotonic()
        client.spin(2.0)
        done = int(client.status["cycles"]) - cycles
        print("cycles under the flood:", done, "in", time.monotonic() - began, client.status.get("cycle_p99"))
        assert done > 100
        assert flood.process.poll() is None, "all of that was in its midst"
        flood.send(signal.SIGINT)
        assert client.wait_end(flood) == 0
    finally:
        flood.end()
    sent = int(flood.text.split()[1])
    assert len(holder.answers) < 200 < sent
    client.spin(1.2)
    client.arm()
    assert holder.ask(ROD)["ok"]
    assert client.status["adapter_failures"] == "0"


def test_a_thousand_copies_of_one_token_act_once(rig: Rig) -> None:
    client, _, holder = start(rig)
    token, jti = holder.token(ROD)
    others = [rig.client(f"copier{number}") for number in range(3)]
    publishers = [holder.publisher, *(o.publisher(String, "/supervisor/agent_sessions", 10) for o in others)]
    for publisher in publishers:
        client.wait_for(publisher.get_subscription_count, "a copier is heard")
    for number in range(1000):
        publishers[number % len(publishers)].publish(String(data=token))
        client.spin(0.004)
    client.spin(1.0)
    mine = [answer for answer in holder.answers if answer["jti"] == jti]
    assert [answer["ok"] for answer in mine].count(True) == 1
    assert {answer["code"] for answer in mine} == {"", "E_TOKEN_USED"}
    changes = [d for d in client.decisions if d["id"] == f"tool/{jti}"]
    assert [change["verdict"] for change in changes] == ["PASS"]
    assert client.status["adapter_failures"] == "0"
