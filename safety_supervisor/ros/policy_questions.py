"""The way of the core's questions to the policy server, and of the answers back: a process beside the control process.

Requirements: SR-036; REDTEAM 37.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from safety_supervisor.core.effects import PolicyQuestion
from safety_supervisor.core.events import PolicyAnswer
from safety_supervisor.core.policy.server import PolicyServer
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, seconds
from safety_supervisor.ros.child import Child
from safety_supervisor.ros.frames import PolicyReply, PolicyRequest
from safety_supervisor.ros.quality import Sink

PATIENCE: Final[Nanoseconds] = 5 * NS_PER_S
"""A client that does not say what came of a question for so long behind its time is ended, [ns]."""
LOST: Final = "the process that asks the policy server was lost"


class PolicyQuestions:
    """Carries questions and answers.

    Args:
        configuration: of the robot; where its policy is no server, nothing is made.
        sink: takes the answers.
    """

    def __init__(self, configuration: Configuration, sink: Sink) -> None:
        """Start the client."""
        self.restarts = 0
        self._sink = sink
        self._encoder = msgspec.msgpack.Encoder()
        self._replies = msgspec.msgpack.Decoder(PolicyReply)
        self._unsent: list[PolicyRequest] = []
        self._waiting: dict[int, Nanoseconds] = {}
        self._lost: list[int] = []
        self._told = "not asked yet"
        self._child: Child | None = None
        self._patience: Nanoseconds = 0
        if isinstance(configuration.policy, PolicyServer):
            server = configuration.policy
            self._patience = server.timeout + PATIENCE
            self._child = Child("safety_supervisor.ros.policy_client", (server.url, f"{seconds(server.timeout):g}"))

    @property
    def pid(self) -> int | None:
        """Process id of the client, None while there is none."""
        return None if self._child is None else self._child.pid

    def facts(self) -> Iterator[tuple[str, str]]:
        """Show what the server said last."""
        if self._child is not None:
            yield "policy_server", self._told
            yield "policy_client_restarts", str(self.restarts)

    def ask(self, question: PolicyQuestion) -> None:
        """Take a question; `poll` sends it."""
        if self.pid is None:
            self._lost.append(question.number)
            return
        self._unsent.append(PolicyRequest(question.number, question.facts))
        self._waiting[question.number] = question.at + self._patience

    def poll(self, now: Nanoseconds, may_restart: bool) -> None:
        """Move some bytes, and let answers enter.

        Args:
            now: steady clock, [ns].
            may_restart: whether the milliseconds of starting a process may be spent now.
        """
        child = self._child
        if child is None:
            return
        if child.pid is None:
            child.bury()
            if may_restart and child.restart(now):
                self.restarts += 1
        else:
            if self._unsent:
                child.send(self._encoder.encode(self._unsent))
                self._unsent.clear()
            if not self._exchange(child, now) or any(due <= now for due in self._waiting.values()):
                child.end()
                self._lost += self._waiting
                self._waiting.clear()
                self._unsent.clear()
        lost, self._lost = self._lost, []
        for number in lost:
            self._enter(PolicyAnswer(now, number, "", LOST))

    def _exchange(self, child: Child, now: Nanoseconds) -> bool:
        """Take what the client says; return whether it is there and makes sense."""
        frames = child.exchange()
        for frame in frames or ():
            try:
                reply = self._replies.decode(frame)
            except msgspec.MsgspecError:
                return False
            if self._waiting.pop(reply.number, None) is not None:
                self._enter(PolicyAnswer(now, reply.number, reply.verdict, reply.error))
        return frames is not None

    def _enter(self, answer: PolicyAnswer) -> None:
        self._told = f"failed: {answer.error}" if answer.error else "answers"
        self._sink.enter(answer)

    def close(self) -> None:
        """End the client."""
        if self._child is not None:
            self._child.close()
