"""What waits for people, requests and floods of tokens: what a control cycle pays for them.

The Panda as seven joint groups, at rest as it is whenever something waits, 250 Hz in real time. All cases run beside
each other in one process, some cycles each in turn, each with a supervisor, a token judge and a list of its own: they
meet the same machine. A cycle is as in the node: messages on the tokens' topic are heard (`.heard`: rate's gate,
judge, and the core's ruling on what was verified), then the core's whole `Tick` (`interventions.CASE`) and
`prepare`, then `~/interventions` where it is due (`.list`, behind the motors' message).

`quiet`: nothing waits. `waiting`: as many commands as may, eight of two sources. `denied`: those, and another source
sends 500 goals, each of which is verified and then denied by the policy: what any goal costs. `requests`: the same 500,
which ask for people instead. `tokens`: those that wait, and ten tokens every cycle, as many as the topic's queue holds:
good approvals, new ones and replays, of which 20 a second are looked at. `long`: eight commands as long as may wait.
`moving`: one source streams all joints, nothing waits; `flooded`: the same under those requests and those tokens.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import rclpy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.bench_decision import AMPLITUDE, CONFIGURATION, HOME, OMEGA, Loop
from bench.bench_relay import environment
from bench.measure import NoGarbageCollection, Row, Stopwatch, percentiles, row
from safety_supervisor.config import load_config
from safety_supervisor.config.policy.program import CelPolicy, compile_policy
from safety_supervisor.core.effects import Actuate, Effect, InterventionAsked, Interventions, Reply
from safety_supervisor.core.events import Event, StreamCommand, TrajectoryCommand
from safety_supervisor.core.interventions.command_text import MOST_NUMBERS
from safety_supervisor.core.interventions.interventions import MOST, MOST_OF_SOURCE
from safety_supervisor.core.operator_settings import OperatorSettings, Person, Role
from safety_supervisor.core.settings import Configuration
from safety_supervisor.ros.cdr import write_string
from safety_supervisor.ros.interventions import InterventionList
from safety_supervisor.ros.noted import NotedActs
from safety_supervisor.ros.tokens import BURST, Tokens
from safety_supervisor.tokens.claims import OperatorClaims
from safety_supervisor.tokens.operator_act import FORM
from safety_supervisor.tokens.signed_act import sign

CYCLES, QUICK_CYCLES = 5000, 250
TURN = 50
"""Cycles of a case in a row."""
BEHIND = 10
"""First cycles of a turn that are not counted: what was displaced from the caches meanwhile comes back."""
REQUESTS = 500
PROGRAM = 'verb == "position" ? allow : source == "denied" ? deny("E_POLICY_NO") : approve("zone", 2, 600)'
NOBODY = InterventionAsked(0, "w1", "", "", "", 1, 0, "", "0" * 64, 0, "0" * 64, "", (), 0.0, 0.0, "")
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
CASES = ("quiet", "waiting", "denied", "requests", "tokens", "long", "moving", "flooded")
MOVING = ("moving", "flooded")


def configure() -> Configuration:
    """The shipped Panda, a group a joint. Who asks and is refused is never cut off for it: that would end the flood."""
    shipped = load_config(CONFIGURATION)
    policy = compile_policy(PROGRAM, {"E_POLICY_NO": "no"})
    if not isinstance(policy, CelPolicy):
        raise RuntimeError(policy)
    names = tuple(f"j{number}" for number in range(7))
    robot = replace(shipped.robot, groups={name: (index,) for index, name in enumerate(names)})
    planner = replace(shipped.source("planner"), groups=names, refusals=10**6, max_trajectory_points=2000)
    public = KEY.public_key().public_bytes_raw()
    people = (Person("ada", Role.TECHNICIAN, public), Person("bob", Role.TECHNICIAN, hashlib.sha256(b"bob").digest()))
    return replace(
        shipped,
        robot=robot,
        sources=tuple(replace(planner, name=name) for name in ("planner", "second", "requests", "denied")),
        operators=OperatorSettings(False, people),
        policy=policy,
        timing=replace(shipped.timing, idle=10**13),
    )


def approval(robot: str, asked: InterventionAsked, nonce: str, sha256: str, epoch: int) -> str:
    """Return another approval of what waits, well signed."""
    claims = OperatorClaims(
        iss="ada", sub="ada", role="technician", aud=robot, nonce=nonce, jti=secrets.token_hex(8), iat=0, exp=1,
        act="approve", target=asked.intervention, command_sha256=asked.sha256, config_sha256=sha256, epoch=epoch,
        reason="bench",
    )  # fmt: skip
    return sign(KEY, FORM, claims)


class Ways:
    """As much of the node's endpoints as tokens and list use: what is sent is sent, who would hear is called."""

    def __init__(self, node: Any) -> None:
        """Nothing is made yet."""
        self._node = node
        self.heard: dict[str, Callable[[bytes, int], None]] = {}

    def advertise(self, kind: Any, topic: str, profile: Any) -> Any:
        """Make a real publisher."""
        return self._node.create_publisher(kind, topic, profile)

    def subscribe(self, kind: Any, topic: str, heard: Callable[[bytes, int], None], profile: Any) -> None:
        """Remember who would hear."""
        self.heard[topic] = heard


class Kept:
    """A disk that takes no time."""

    failure = ""

    def note(self, event: Any) -> int:
        """Take an act."""
        return 0

    def is_durable(self, mark: int) -> bool:
        """Say that it is there."""
        return True


class Case(Loop):
    """One supervisor with what is around it."""

    def __init__(self, name: str, configuration: Configuration, node: Any) -> None:
        """Bring it into AUTO, and let wait what waits."""
        self.name = name
        super().__init__(configuration)
        self._configuration = configuration
        self._ways = Ways(node)
        self._noted = NotedActs(Kept())
        self.tokens = Tokens(self._ways, configuration, self, self._noted)  # type: ignore[arg-type]
        self._list = InterventionList(self._ways, configuration.robot.id)  # type: ignore[arg-type]
        self.heard_clock, self.list_clock = Stopwatch(), Stopwatch()
        self._asked: list[InterventionAsked] = []
        self.replies = self.waiting = self._cycle = 0
        self._token = b""
        ends = time.monotonic() + 20.0
        while not self.tokens.ready:
            self.tokens.poll(time.monotonic_ns(), may_restart=True)
            time.sleep(0.01)
            if time.monotonic() > ends:
                raise RuntimeError("the token judge does not start")
        if name not in ("quiet", *MOVING):
            self._fill()
        self._sent, self._begin = 0, self.now

    def _fill(self) -> None:
        """Let as many commands wait as may."""
        count = (MOST_NUMBERS - 4) // 4 if self.name == "long" else 1
        for number in range(MOST):
            source = ("planner", "second")[number // MOST_OF_SOURCE]
            self.enter(self._goal(source, number % MOST_OF_SOURCE, count))
            for _ in range(5000):
                if self.waiting > number:
                    break
                self._control()
        if self.waiting != MOST:
            raise RuntimeError(f"{self.waiting} commands wait in the benchmark, not {MOST}")

    def _goal(self, source: str, joint: int, count: int = 1) -> TrajectoryCommand:
        s = np.linspace(0.0, 1.0, count + 1)[1:]
        seconds = max(1.0, 0.01 * count)
        q = HOME[joint] + 0.2 * (10 * s**3 - 15 * s**4 + 6 * s**5)
        v = 0.2 * (30 * s**2 - 60 * s**3 + 30 * s**4) / seconds
        a = 0.2 * (60 * s - 180 * s**2 + 120 * s**3) / seconds**2
        a[-1] = 0.0
        times = tuple(round(t * 1e9) for t in (s * seconds).tolist())
        ones = (1,) * count
        return TrajectoryCommand(
            self.now, source, (self.names[joint],), times, q.tobytes(), ones, v.tobytes(), ones, a.tobytes(), ones,
            0, 0, self.now, "", "",
        )  # fmt: skip

    # --- as the node

    def enter(self, event: Event) -> None:
        """Take an event, as tokens give it, at the time of here."""
        self._take(self.supervisor.handle(msgspec.structs.replace(event, at=self.now)))

    def _take(self, effects: Any) -> None:
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Actuate):
            self.robot = effect.positions
        elif isinstance(effect, Reply):
            self.replies += 1
            self.tokens.reply(effect)
        elif isinstance(effect, InterventionAsked | Interventions):
            self._list.take(effect)
            if isinstance(effect, InterventionAsked):
                self._asked.append(effect)
            else:
                self.waiting = len(effect.waiting)

    def _control(self) -> None:
        self.now += self.period
        self._take(self.supervisor.handle(self.script.measure(self.now, self.robot)))
        effects = self.tick_clock.call(self.supervisor.handle, self.script.tick(self.now))
        self._take(effects)
        self.supervisor.prepare()

    def _new_token(self) -> None:
        asked = self._asked[0] if self._asked else NOBODY
        nonce = dict(self.tokens.facts(time.monotonic_ns()))["nonce"]
        token = approval(self._configuration.robot.id, asked, nonce, asked.configuration, asked.epoch)
        self._token = write_string(token)

    def cycle(self, every: int) -> None:
        """Run one; a request comes each so many cycles."""
        self._cycle += 1
        if self.name in ("requests", "denied", "flooded") and self._cycle % every == 0:
            self.enter(self._goal("denied" if self.name == "denied" else "requests", 4 + self._cycle // every % 3))
        while self.name in MOVING and self._sent * 0.01 <= (self.now - self._begin) / 1e9:
            q = HOME + AMPLITUDE * (1.0 - np.cos(OMEGA * 0.01 * self._sent))
            self._sent += 1
            self.enter(StreamCommand(0, "planner", self.names, tuple(q.tolist()), (), 0, 0, self.now, "", ""))
        messages: tuple[bytes, ...] = ()
        if self.name in ("tokens", "flooded"):
            if self._cycle % 10 == 0:
                self._new_token()
            messages = (self._token,) * BURST
        self.heard_clock.call(self._hear, messages)
        self._control()
        now = time.monotonic_ns()
        if self._list._due is not None and now >= self._list._due:
            self.list_clock.call(self._list.slice, now)
        self.tokens.slice(now)

    def _hear(self, messages: tuple[bytes, ...]) -> None:
        now = time.monotonic_ns()
        for message in messages:
            self._ways.heard["~/operator_requests"](message, now)
        self._noted.poll(now)
        self.tokens.poll(now, may_restart=False)

    def turn(self, cycles: int, every: int) -> None:
        """Run cycles in real time; the first do not count."""
        due = time.monotonic_ns()
        for number in range(cycles + BEHIND):
            due += self.period
            time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
            self.cycle(every)
            if number < BEHIND:
                for clock in (self.tick_clock, self.heard_clock):
                    clock.cpu.pop()
                    clock.wall.pop()


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows."""
    n = QUICK_CYCLES if quick else CYCLES
    configuration = configure()
    with ExitStack() as stack:
        os.environ.update(environment())
        rclpy.init(args=[])
        stack.callback(rclpy.shutdown)
        node = rclpy.create_node("bench_interventions", start_parameter_services=False)
        stack.callback(node.destroy_node)
        cases = []
        for name in CASES:
            cases.append(Case(name, configuration, node))
            stack.callback(cases[-1].tokens.close)
        with NoGarbageCollection():
            for case in cases:
                case.turn(TURN, max(1, n // REQUESTS))
                case.tick_clock, case.heard_clock, case.list_clock = Stopwatch(), Stopwatch(), Stopwatch()
                case.replies = 0
            while len(cases[-1].tick_clock.wall) < n:
                for case in cases:
                    case.turn(TURN, max(1, n // REQUESTS))
        alone = {
            case.name: percentiles(case.tick_clock.cpu)["p99"] for case in cases if case.name in ("quiet", "moving")
        }
        return [found for case in cases for found in _rows(case, alone["moving" if case.name in MOVING else "quiet"])]


def _rows(case: Case, alone: float) -> list[Row]:
    state, waiting = (
        ("AUTO/MOVING", 0) if case.name in MOVING else ("AUTO/HOLDING", 0 if case.name == "quiet" else MOST)
    )
    if (case.supervisor.state, case.waiting) != (state, waiting):
        raise RuntimeError(f"{case.name}: {case.supervisor.state}, {case.waiting} wait")
    about: dict[str, Any] = {"robot": "panda", "joints": 7}
    ratio = round(percentiles(case.tick_clock.cpu)["p99"] / alone, 2)
    name, heard, told = f"interventions.{case.name}", case.heard_clock, case.list_clock
    found = [row(name, case.tick_clock.cpu, case.tick_clock.wall, **about, p99_by_that_alone=ratio)]
    if case.replies:
        found.append(row(f"{name}.heard", heard.cpu, heard.wall, **about, rulings=case.replies))
    if told.wall and case.name in ("waiting", "long"):
        found.append(row(f"{name}.list", told.cpu, told.wall, **about))
    return found
