"""The ways in for signed acts, `~/operator_requests` of people and `~/agent_sessions` of sources, and the answers;
and for the beats of a person who holds the hold-to-run button, `~/hold`.

Anyone may publish there, so a message costs the control thread microseconds: rate and length are judged, the rest is
for the token judge, a process of its own. What it has verified is judged for freshness when it would act, and enters
the core. What is refused unverified is told once a second for each code, without a word of what it said.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias, cast

import msgspec
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from safety_supervisor.core.act_events import Act, AgentSession, HoldToRun, OperatorAct, TokenRefused, ToolChange
from safety_supervisor.core.effects import Reply
from safety_supervisor.core.errors import Code
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.cdr import read_string, write_string
from safety_supervisor.ros.child import Child
from safety_supervisor.ros.frames import TokenKeys, TokenReply, TokenRequest
from safety_supervisor.ros.noted import NotedActs
from safety_supervisor.ros.quality import Endpoints, Sink
from safety_supervisor.ros.rate import TokenBucket
from safety_supervisor.ros.text import escape
from safety_supervisor.tokens.claims import (
    AGENT_ACT,
    HOLD,
    OPERATOR_ACT,
    AgentClaims,
    Claims,
    HoldClaims,
    OperatorClaims,
    Refused,
    SessionClaims,
)
from safety_supervisor.tokens.freshness import Freshness

SESSIONS: Final = "agent_sessions"
REQUESTS: Final = "operator_requests"
HOLDS: Final = "hold"
RESULTS: Final = "~/operator_results"
RATE_HZ: Final = 20.0
"""Tokens that are looked at on each topic, [1/s]: a flood on one costs nothing on the other."""
BURST: Final = 10
"""Tokens that may come at once: what the topic's queue holds."""
LONGEST_MESSAGE: Final = 4096 + 16
"""Bytes of a message that can hold a token; the judge knows the token's own bound."""
MOST_WAITING: Final = 16
"""Tokens of a topic that the judge has and has not answered."""
TIMEOUT: Final[Nanoseconds] = 2 * NS_PER_S
"""A judge that does not answer for so long is ended, [ns]."""
MOST_ANSWERS: Final = 64
"""Answers that wait to be sent; of more the oldest are dropped."""
_Acts: TypeAlias = AgentClaims | SessionClaims | OperatorClaims
_Acted: TypeAlias = OperatorAct | ToolChange | AgentSession
_PROFILE: Final = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


class _Way:
    """One topic.

    Attributes:
        topic: its name in the node's namespace.
        kind: of its tokens.
        bucket: bounds their rate.
        waiting: when the judge has to have answered each that it has, by number.
    """

    def __init__(self, topic: str, kind: str) -> None:
        self.topic = topic
        self.kind = kind
        self.bucket = TokenBucket(RATE_HZ, BURST)
        self.waiting: dict[int, Nanoseconds] = {}


@dataclass(slots=True)
class _Run:
    """Refusals of one holder, or of nobody known, with one code on one topic.

    Attributes:
        said_at: when they were told last; None before the first.
        unsaid: refusals since.
        newest: the newest of them.
    """

    said_at: Nanoseconds | None
    unsaid: int
    newest: Refused


class Tokens:
    """Hears tokens, lets them be verified, and answers them.

    Args:
        endpoints: makes subscription and publisher.
        configuration: of the robot; where nobody has a key, nothing is made.
        sink: takes the events.
        noted: keeps acts that give a right until their record is on disk.
    """

    def __init__(self, endpoints: Endpoints, configuration: Configuration, sink: Sink, noted: NotedActs) -> None:
        """Start the judge; until it is ready tokens are refused."""
        self.ready = False
        self.restarts = 0
        self._sink = sink
        self._noted = noted
        self._fresh = Freshness(lambda: secrets.token_hex(16))
        self._number = 0
        self._owed: dict[str, tuple[str, str]] = {}
        self._answers: deque[str] = deque(maxlen=MOST_ANSWERS)
        self._runs: dict[tuple[str, str, str], _Run] = {}
        self._encoder = msgspec.msgpack.Encoder()
        self._replies = msgspec.msgpack.Decoder(TokenReply)
        keys = {
            AGENT_ACT: {source.name: source.public_key for source in configuration.sources if source.public_key},
            OPERATOR_ACT: {person.name: person.public_key for person in configuration.operators.people},
        }
        keys[HOLD] = keys[OPERATOR_ACT]
        topics = {AGENT_ACT: SESSIONS, OPERATOR_ACT: REQUESTS, HOLD: HOLDS}
        self._ways = tuple(_Way(topics[kind], kind) for kind, held in keys.items() if held)
        self._holds = next((way for way in self._ways if way.kind == HOLD), None)
        self._keys = self._encoder.encode(TokenKeys(configuration.robot.id, keys))
        self._child: Child | None = None
        if self._ways:
            self._publisher = endpoints.advertise(String, RESULTS, _PROFILE)
            self._child = Child("safety_supervisor.ros.token_judge")
            self._child.send(self._keys)
        for way in self._ways:
            if way is not self._holds:  # that topic is heard as urgent input: `inputs.py`
                endpoints.subscribe(String, f"~/{way.topic}", partial(self._hear, way), _PROFILE)

    @property
    def pid(self) -> int | None:
        """Process id of the judge, None while there is none."""
        return None if self._child is None else self._child.pid

    def facts(self, now: Nanoseconds) -> Iterator[tuple[str, str]]:
        """Show the nonce, and how the judge is."""
        yield "nonce", self._fresh.show(now)
        if self._child is not None:
            yield "tokens", "verified" if self.ready else "refused: the judge starts, in LOCKED, or was lost"
            yield "token_judge_restarts", str(self.restarts)

    def hear_hold(self, data: bytes, received: Nanoseconds) -> None:
        """Handle a signed beat of the hold-to-run button."""
        if self._holds is not None:
            self._hear(self._holds, data, received)

    def _hear(self, way: _Way, data: bytes, received: Nanoseconds) -> None:
        """Handle a message; its age is that of its nonce when it would act, not that of its receipt."""
        now = time.monotonic_ns()
        if not way.bucket.admit(now):
            return  # counted, and told by `poll`
        if len(data) > LONGEST_MESSAGE:
            detail = f"the message has {len(data)} bytes; at most {LONGEST_MESSAGE}, of which the token 4096"
            self._refuse(way, Refused(Code.TOKEN_LONG.value, detail, float(len(data)), float(LONGEST_MESSAGE)))
            return
        text = read_string(data)
        if text is None:
            self._refuse(way, Refused(Code.TOKEN_FORM.value, "not a string"))
        elif self._child is None or not self.ready or len(way.waiting) >= MOST_WAITING:
            self._refuse(way, Refused(Code.TOKEN_BUSY.value, Code.TOKEN_BUSY.cause))
        else:
            self._number += 1
            way.waiting[self._number] = now + TIMEOUT
            self._child.send(self._encoder.encode(TokenRequest(self._number, way.kind, text.encode())))

    def poll(self, now: Nanoseconds, may_restart: bool) -> None:
        """Move some bytes, let verified acts enter, and tell what was refused.

        Args:
            now: steady clock, [ns].
            may_restart: whether the milliseconds of starting a process may be spent now.
        """
        if self._child is None:
            return
        if self._child.pid is None:
            self._child.bury()
            if may_restart and self._child.restart(now):
                self._child.send(self._keys)
                self.restarts += 1
        elif not self._exchange(self._child, now) or any(
            due <= now for way in self._ways for due in way.waiting.values()
        ):
            self.ready = False
            self._child.end()
            for way in self._ways:
                for _ in way.waiting:
                    self._refuse(way, Refused(Code.TOKEN_BUSY.value, "the process that verifies tokens was lost"))
                way.waiting.clear()
        for way in self._ways:
            excess = way.bucket.take_excess()
            if excess:
                self._refuse(way, Refused(Code.TOKEN_RATE.value, "tokens per second", RATE_HZ, RATE_HZ), excess)
        self._tell(now)

    def reply(self, reply: Reply) -> None:
        """Pass on the core's ruling on an act that came by a token."""
        whose = self._owed.pop(reply.request, None)
        if whose is not None:
            self._answer(*whose, reply.ok, reply.code, reply.message)

    def slice(self, now: Nanoseconds) -> bool:
        """Send one answer that waits; return whether there was one."""
        if not self._answers:
            return False
        self._publisher.publish(write_string(self._answers.popleft()))
        return True

    def close(self) -> None:
        """End the judge."""
        self.ready = False
        if self._child is not None:
            self._child.close()

    def _exchange(self, child: Child, now: Nanoseconds) -> bool:
        """Take what the judge says; return whether it is there and makes sense."""
        frames = child.exchange()
        for frame in frames or ():
            try:
                reply = self._replies.decode(frame)
            except msgspec.MsgspecError:
                return False
            if reply.verdict is None:
                self.ready = True
                continue
            for way in self._ways:
                if way.waiting.pop(reply.number, None) is not None:
                    self._judged(way, f"token-{reply.number}", reply.verdict, now)
        return frames is not None

    def _judged(self, way: _Way, request: str, verdict: Claims | Refused, now: Nanoseconds) -> None:
        if isinstance(verdict, HoldClaims):
            late = self._fresh.consume_count(verdict.iss, verdict.count, verdict.nonce, now)
            if late is None:
                self._sink.enter(HoldToRun(now, verdict.count, verdict.iss, verdict.role))
            else:
                detail = late.detail or late.code.cause
                self._refuse(way, Refused(late.code.value, detail, late.value, late.limit, verdict.iss))
            return
        if not isinstance(verdict, Refused):
            stale = self._fresh.consume(verdict.iss, verdict.jti, verdict.nonce, now)
            if stale is None:
                self._act(request, verdict, now)
                return
            detail = stale.detail or stale.code.cause
            verdict = Refused(stale.code.value, detail, stale.value, stale.limit, verdict.iss, verdict.jti)
        if verdict.source and way is not self._holds:  # ten times a second nobody reads
            self._answer(verdict.source, verdict.jti, False, verdict.code, verdict.detail)
        self._refuse(way, verdict)

    def _act(self, request: str, claims: _Acts, now: Nanoseconds) -> None:
        whose = claims.iss, claims.jti

        def enter(event: _Acted) -> None:
            self._owed[request] = whose
            self._sink.enter(event)  # the core's reply comes with its effects
            if self._owed.pop(request, None) is not None:
                self._answer(*whose, False, Code.INTERNAL.value, "the core gave no answer: read the status")

        def refuse(code: Code, why: str) -> None:
            self._answer(*whose, False, code.value, why)

        self._noted.submit(_event(request, claims, now), now, enter, refuse)

    def _refuse(self, way: _Way, refused: Refused, count: int = 1) -> None:
        key = way.topic, refused.source, refused.code
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = _Run(None, 0, refused)
        run.unsaid += count
        run.newest = refused

    def _tell(self, now: Nanoseconds) -> None:
        """Tell the first refusal of each holder and code at once, and those that follow once a second."""
        for (topic, source, code), run in self._runs.items():
            if not run.unsaid or (run.said_at is not None and now - run.said_at < NS_PER_S):
                continue
            count, newest = run.unsaid, run.newest
            run.said_at, run.unsaid = now, 0
            self._sink.enter(TokenRefused(now, source, code, newest.value, newest.limit, newest.detail, count, topic))
            if not source:
                self._answer("", "", False, code, newest.detail, count=count)

    def _answer(self, holder: str, jti: str, ok: bool, code: str, detail: str, **more: Any) -> None:
        answer = {"iss": holder, "jti": jti, "ok": ok, "code": code, "detail": escape(detail)}
        self._answers.append(json.dumps(answer | more))


def _event(request: str, claims: _Acts, now: Nanoseconds) -> _Acted:
    """Return the event of a verified, fresh token."""
    if isinstance(claims, AgentClaims):
        return ToolChange(now, claims.iss, claims.target, request, claims.jti, claims.sub, claims.reason)
    if isinstance(claims, SessionClaims):
        return AgentSession(
            now, claims.iss, claims.model, claims.version, claims.model_sha256, claims.contract, claims.groups,
            request, claims.jti, claims.sub, claims.reason,
        )  # fmt: skip
    return OperatorAct(
        now, cast(Act, claims.act), claims.iss, claims.target, claims.epoch, request, claims.jti, claims.role,
        claims.config_sha256, claims.reason, claims.command_sha256,
    )  # fmt: skip
