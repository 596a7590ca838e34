"""Whoever holds keys, over ROS: sends tokens and hears the answers, as a source or as people; and the commands."""

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

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ros_rig import REPOSITORY, Client, Process, children_of, command_of
from std_msgs.msg import String
from two_tools import PRIVATE_KEY

from safety_supervisor.config.public_key import encode_base64url
from safety_supervisor.tokens import hold_beat, operator_act
from safety_supervisor.tokens.agent_act import FORM
from safety_supervisor.tokens.claims import AgentClaims, HoldClaims, OperatorClaims
from safety_supervisor.tokens.key_file import public_text
from safety_supervisor.tokens.signed_act import sign

KEY = Ed25519PrivateKey.from_private_bytes(PRIVATE_KEY)
SEEDS = {"ada": b"a" * 32, "bob": b"b" * 32, "eve": b"e" * 32}
KEYS = {name: Ed25519PrivateKey.from_private_bytes(seed) for name, seed in SEEDS.items()}


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


class People(Holder):
    """Whoever has the keys of three people, each in a role."""

    topic = "operator_requests"

    def __init__(self, client: Client, roles: dict[str, str]) -> None:
        super().__init__(client)
        self.roles = roles

    def made(self, act: str, person: str = "ada", target: str = "", **changes: Any) -> tuple[str, str]:
        status, now = self.client.status, int(time.time())
        fields: dict[str, Any] = {
            "iss": person, "sub": person, "role": self.roles[person], "aud": "panda", "nonce": status["nonce"],
            "jti": secrets.token_hex(8), "iat": now, "exp": now + 30, "act": act, "target": target,
            "command_sha256": "", "config_sha256": status["configuration_sha256"], "epoch": int(status["epoch"]),
            "reason": "a test",
        }  # fmt: skip
        key = changes.pop("key", KEYS[person])
        fields |= changes
        return sign(key, operator_act.FORM, OperatorClaims(**fields)), fields["jti"]

    def beat(self, person: str, count: int) -> str:
        """What a hold-to-run button in that person's hand sends."""
        claims = HoldClaims(person, self.roles[person], "panda", self.client.status["nonce"], count)
        return sign(KEYS[person], hold_beat.FORM, claims)

    def do(self, act: str, person: str = "ada", target: str = "", **changes: Any) -> dict[str, Any]:
        self.client.spin(0.06)  # 20 a second are looked at
        token, jti = self.made(act, person, target, **changes)
        # Whose token was not verified is answered without its id.
        known = {jti} if not {"key", "iss"} & changes.keys() else {jti, ""}
        self.answers.clear()
        self.send(token)
        return self.wait(lambda answer: answer["jti"] in known)


def people_of(roles: dict[str, str]) -> dict[str, Any]:
    """Section `operators.people`."""
    return {name: {"role": role, "public_key": public_text(KEYS[name])} for name, role in roles.items()}


def judges_of(supervisor: Process) -> list[int]:
    found = children_of(supervisor.process.pid)
    return [pid for pid in found if "safety_supervisor.ros.token_judge" in command_of(pid)]


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


def command(client: Client, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command beside a client that goes on hearing."""
    done: list[subprocess.CompletedProcess[str]] = []
    thread = threading.Thread(target=lambda: done.append(run(*arguments, domain=client.domain)))
    thread.start()
    client.wait_for(lambda: not thread.is_alive(), "the command ends", 60.0)
    return done[0]


def ends_and_replays(client: Client, supervisor: Process, directory: Path) -> list[Path]:
    """End a supervisor; what its logs tell comes out again. Return them."""
    supervisor.send(signal.SIGINT)
    client.wait_end(supervisor)
    logs = sorted(directory.rglob("*.events.mcap"))
    assert logs
    for log in logs:
        shown = run("log", "replay", str(log))
        assert shown.returncode == 0, shown.stdout + shown.stderr
    return logs
