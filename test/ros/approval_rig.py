"""A cell whose policy asks people, over ROS: an agent, three people with their keys, and a robot in AUTO."""

from __future__ import annotations

import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from diagnostic_msgs.msg import DiagnosticArray
from ros_rig import LATCHED, Client, Process, Rig, make_trajectory, merge
from test_tokens import Holder, run

from safety_supervisor.tokens.claims import OperatorClaims
from safety_supervisor.tokens.key_file import public_text
from safety_supervisor.tokens.operator_act import FORM
from safety_supervisor.tokens.signed_act import sign

SEEDS = {"ada": b"a" * 32, "bob": b"b" * 32, "eve": b"e" * 32}
KEYS = {name: Ed25519PrivateKey.from_private_bytes(seed) for name, seed in SEEDS.items()}
ROLES = {"ada": "technician", "bob": "safety_officer", "eve": "operator"}
SETTINGS: dict[str, Any] = {
    "operators": {
        "unsigned_services": True,
        "people": {name: {"role": ROLES[name], "public_key": public_text(KEYS[name])} for name in KEYS},
    },
    "timing": {"idle": 600.0},
}


class People(Holder):
    """Three people with their keys, and what they see."""

    topic = "operator_requests"

    def __init__(self, client: Client, config: str) -> None:
        super().__init__(client)
        self.config = config
        self.lists: list[DiagnosticArray] = []
        client.node.create_subscription(DiagnosticArray, "/supervisor/interventions", self.lists.append, LATCHED)

    @property
    def shown(self) -> list[dict[str, str]]:
        """The newest list."""
        if not self.lists:
            return []
        return [{one.key: one.value for one in status.values} for status in self.lists[-1].status]

    def made(self, act: str, person: str, target: str, **changes: Any) -> tuple[str, str]:
        status, now = self.client.status, int(time.time())
        fields: dict[str, Any] = {
            "iss": person, "sub": person, "role": ROLES[person], "aud": "panda", "nonce": status["nonce"],
            "jti": secrets.token_hex(8), "iat": now, "exp": now + 30, "act": act, "target": target,
            "command_sha256": "", "config_sha256": status["configuration_sha256"], "epoch": int(status["epoch"]),
            "reason": "a test",
        }  # fmt: skip
        key = changes.pop("key", KEYS[person])
        fields |= changes
        return sign(key, FORM, OperatorClaims(**fields)), fields["jti"]

    def do(self, act: str, person: str, target: str, **changes: Any) -> dict[str, Any]:
        self.client.spin(0.06)  # 20 a second are looked at
        token, jti = self.made(act, person, target, **changes)
        self.answers.clear()
        self.send(token)
        return self.wait(lambda answer: (answer["jti"] in (jti, "") and not answer["ok"]) or answer["jti"] == jti)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `safety-supervisor operator …` as a person does."""
        done: list[subprocess.CompletedProcess[str]] = []
        given = [*words, "--config", self.config]
        thread = threading.Thread(target=lambda: done.append(run("operator", *given, domain=self.client.domain)))
        thread.start()
        self.client.wait_for(lambda: not thread.is_alive(), "the command ends", 60.0)
        return done[0]


class Cell:
    """One start for all cases: an agent, people, a robot in AUTO; `settings` are laid over those of here."""

    def __init__(self, rig: Rig, **settings: Any) -> None:
        rig.cell()
        self.rig = rig
        self.client = rig.client()
        self.client.domain = rig.domain
        self.agent = self.client.trajectory_publisher()
        self.supervisor: Process
        self.people: People
        self.start(**settings)

    def start(self, **settings: Any) -> None:
        """Start a supervisor, and it the robot."""
        self.client.forget()
        self.supervisor = self.rig.supervisor(**merge(SETTINGS, settings))
        self.client.wait_state("LOCKED", timeout=60.0)
        self.people = People(self.client, str(self.rig.directory / "robot.yaml"))
        self.client.wait_for(self.agent.get_subscription_count, "the supervisor hears the trajectory's publisher")
        self.client.spin(0.5)
        self.client.arm()

    def restart(self, **settings: Any) -> None:
        """Kill the supervisor, and start another one."""
        self.rig.kill(self.supervisor)
        self.start(**settings)

    def ask(self, by: float = 0.3, duration: float = 2.0, frame_id: str = "") -> list[float]:
        """Send a goal; return where it ends."""
        here = [float(one) for one in self.client.pose()]
        message = make_trajectory([(duration, [here[0] + by, *here[1:]])])
        message.header.frame_id = frame_id
        self.agent.publish(message)
        return [here[0] + by, *here[1:]]

    def waits(self, by: float = 0.3, duration: float = 2.0, frame_id: str = "") -> dict[str, str]:
        """Ask, and wait until it is shown; a late cycle of a busy machine may have stopped what was before."""
        known = {one.get("id") for one in self.people.shown}
        self.ask(by, duration, frame_id)

        def new() -> list[dict[str, str]]:
            return [one for one in self.people.shown if one.get("id") not in known]

        self.client.wait_for(new, "it is shown")
        return new()[0]

    def end_of(self, asked: dict[str, str]) -> list[tuple[str, str]]:
        told = [one for one in self.client.decisions if one["id"] == asked["command_id"]]
        first = next((i for i, one in enumerate(told) if one["intervention"] == asked["id"]), len(told))
        return [(one["verdict"], one["code"]) for one in told[first:] if one["verdict"] != "WAIT"]

    def rests_at(self, before: list[float], seconds: float = 0.7) -> bool:
        self.client.spin(seconds)
        return max(abs(a - b) for a, b in zip(self.client.pose(), before, strict=True)) < 0.005

    def steadily(self, phase: Callable[[], None]) -> None:
        """Do it; and again where late cycles of a busy machine have stopped the robot, which ends what waits."""
        for left in (2, 1, 0):
            told, known = len(self.client.states), len(self.client.decisions)
            try:
                phase()
                return
            except AssertionError as error:
                self.client.spin(0.5)
                codes = {one["code"] for one in self.client.decisions[known:] if one["verdict"] == "STOP"}
                stopped = {"STOPPING", "PROTECTIVE_STOP", "LOCKED"} & set(self.client.states[told:])
                causes = {self.client.status["cause"], *codes}
                if not left or not stopped or not causes & {"E_OVERRUN", "E_STATE_STALE", "E_ESTOP_SILENT"}:
                    raise AssertionError(f"{self.client.states[told:]}, {causes}: {error}") from error
                self.client.arm()

    def played(self, asked: dict[str, str]) -> None:
        """Wait until it was played to its end."""
        self.client.wait_for(lambda: self.end_of(asked)[-1:] == [("PASS", "E_ENDED")], "it is played", 20.0)
