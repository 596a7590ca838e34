"""A technician who is asked, and answers with signed tokens; and those who pretend to be one."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from safety_supervisor.acts.deciding import Shown, read
from safety_supervisor.tokens.claims import OperatorClaims
from safety_supervisor.tokens.key_file import read_key
from safety_supervisor.tokens.operator_act import FORM
from safety_supervisor.tokens.signed_act import sign
from safety_supervisor_sim.agent.ros_stage import RosStage
from safety_supervisor_sim.agent.stage import StageError

NAME: Final = "technician"
"""In `operators.people`."""
ASKED_WITHIN: Final = 3.0
ANSWERED_WITHIN: Final = 5.0
"""[s]"""
_LATCHED: Final = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


class Technician:
    """One person with a key, beside the robot."""

    def __init__(self, node: Node, stage: RosStage, supervisor: str, key: Path) -> None:
        """Listen to what waits; `key` is that person's.

        Raises:
            KeyFileError: it holds no key.
        """
        self._stage = stage
        self._robot = stage.configuration.robot.id
        self._key, self._own = read_key(key), Ed25519PrivateKey.generate()
        self._waiting: list[dict[str, str]] = []
        self._answers: list[dict[str, Any]] = []
        self._shown: Shown | None = None
        self._good = ""
        node.create_subscription(DiagnosticArray, f"{supervisor}/interventions", self._on_list, _LATCHED)
        node.create_subscription(String, f"{supervisor}/operator_results", self._on_answer, 50)
        self._requests = node.create_publisher(String, f"{supervisor}/operator_requests", 10)

    def _on_list(self, message: DiagnosticArray) -> None:
        told = ({item.key: item.value for item in entry.values} for entry in message.status)
        self._waiting = [one for one in told if "command" in one]

    def _on_answer(self, message: String) -> None:
        self._answers.append(json.loads(message.data))

    @property
    def waiting(self) -> list[str]:
        """Ids of what waits."""
        return [one["id"] for one in self._waiting]

    def see(self, known: list[str]) -> None:
        """Look at what waits, and did not yet.

        Raises:
            StageError: nothing does in time.
        """
        if not _until(lambda: bool(set(self.waiting) - set(known)), ASKED_WITHIN):
            raise StageError("nothing waits for the technician")
        shown = read(next(one for one in self._waiting if one["id"] not in known))
        if isinstance(shown, str):
            raise StageError(f"what waits can not be shown: {shown}")
        self._shown = shown

    def answer_all(self, answers: Sequence[str]) -> bool:
        """Send them one after the other; return whether the last one was accepted."""
        for how in answers:
            self._answer(how)
        return bool(self._stage.observed.replies[-1]["ok"])

    def _answer(self, how: str) -> None:
        """Send an approval of what was seen, good or not (`scenario.Token`), and keep the supervisor's answer.

        Raises:
            StageError: nothing was seen, or nobody answers.
        """
        if self._shown is None:
            raise StageError("the technician has seen nothing that waits")
        shown = self._shown
        if how == "late":
            _until(lambda: shown.told["id"] not in self.waiting, float(shown.told.get("remaining_s", "60")) + 5.0)
        good = self._good if how == "replayed" else self._signed(shown, self._own if how == "self_made" else self._key)
        token = _altered(good) if how == "altered" else good
        if how == "good":
            self._good = token
        began, known = time.monotonic(), len(self._answers)
        self._requests.publish(String(data=token))
        if not _until(lambda: len(self._answers) > known, ANSWERED_WITHIN):
            raise StageError(f"the {how} approval was not answered")
        said = self._answers[known]
        self._stage.observed.replies.append(
            {
                "service": f"approval, {how}",
                "ok": bool(said["ok"]),
                "message": f"{said.get('code', '')} {said.get('detail', '')}".strip(),
                "seconds": time.monotonic() - began,
            }
        )

    def _signed(self, shown: Shown, key: Ed25519PrivateKey) -> str:
        status, now = self._stage.status, int(time.time())
        return sign(
            key,
            FORM,
            OperatorClaims(
                NAME, NAME, NAME, self._robot, status["nonce"], secrets.token_hex(8), now, now + 30, "approve",
                shown.told["id"], shown.sha256, status["configuration_sha256"], int(status["epoch"]), "looked at it",
            ),
        )  # fmt: skip


def _altered(token: str) -> str:
    """Say in a signed token that the command is another one."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    claims["command_sha256"] = secrets.token_hex(32)
    text = json.dumps(claims, sort_keys=True, separators=(",", ":")).encode("ascii")
    return ".".join((head, base64.urlsafe_b64encode(text).rstrip(b"=").decode("ascii"), signature))


def _until(true: Callable[[], bool], timeout: float) -> bool:
    due = time.monotonic() + timeout
    while not true():
        if time.monotonic() > due:
            return False
        time.sleep(0.02)
    return True
