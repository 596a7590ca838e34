"""One boot of the supervisor: everything that `configure` builds, and the way of every event through the core."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
from rclpy.lifecycle import LifecycleNode
from std_srvs.srv import Trigger

from safety_supervisor.core.act_events import OperatorAct, StopRequested
from safety_supervisor.core.effects import Reply
from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import AdapterFault, Boot, Event, Tick
from safety_supervisor.core.settings import CommandKind, Configuration
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.ros.configuration import find_uncommissioned
from safety_supervisor.ros.decoding import Decoder
from safety_supervisor.ros.enact import HEARTBEAT, Enactor
from safety_supervisor.ros.evidence_head import EvidenceHead
from safety_supervisor.ros.files import FileWatch
from safety_supervisor.ros.goals.goals import ACTION, NOT_INSTALLED, Goals, is_installed
from safety_supervisor.ros.graph import GraphWatch, list_publishers
from safety_supervisor.ros.inputs import Inputs
from safety_supervisor.ros.noted import NotedActs
from safety_supervisor.ros.outputs import find_outputs
from safety_supervisor.ros.painting import Painting
from safety_supervisor.ros.policy_questions import PolicyQuestions
from safety_supervisor.ros.polled import PolledSubscriptions
from safety_supervisor.ros.quality import Endpoints
from safety_supervisor.ros.records import Records, StartError
from safety_supervisor.ros.services import Answer, HeldServices
from safety_supervisor.ros.statistics import CycleStatistics
from safety_supervisor.ros.text import describe
from safety_supervisor.ros.tokens import Tokens
from safety_supervisor.ros.warmup import warm_up

DISCOVERY = 3.3
"""How long behind our node's begin another supervisor may be discovered, [s]: Fast DDS says every 3 s who is there, and
what it says at once can get lost. Most of it passes while everything else is built."""
SETTLING = 0.5
"""And at least so long when everything is built: on a busy machine discovery gets no more of it than we do, [s]."""
DECODER_START = 20.0
"""[s]"""
POLLING_SHARE = 4
"""Polling may take this part of a period: out of a pause of 10 ms one message takes 0.1 ms, and floods take all."""
RESTING = ("INIT", "LOCKED", "EMERGENCY_STOP", "FAULT")
"""States in which the e-stop device may test itself."""
FAILURES = 20
"""Exceptions of adapters that are logged with their text; the rest is counted."""


class Session:
    """The adapters around one core.

    Args:
        node: the lifecycle node.
        configuration: of the robot.
        services: that are polled.
        polled: takes the subscriptions.
        real_time: says what the operating system permitted.
        born: when the node began, steady clock, [s].

    Raises:
        StartError: something that is needed is not there, or another supervisor serves the robot.
    """

    def __init__(
        self,
        node: LifecycleNode,
        configuration: Configuration,
        services: HeldServices,
        polled: PolledSubscriptions,
        real_time: Callable[[], str],
        born: float,
    ) -> None:
        """Build everything, in the order in which it may fail; what was built is torn down when a later part fails."""
        self.configuration = configuration
        self.statistics = CycleStatistics()
        self.running = False
        self._node = node
        self._services = services
        self._polled = polled
        self._real_time = real_time
        self._born = born
        self._log_ok = True
        self._failures = 0
        self._undo: list[Callable[[], object]] = []
        try:
            self._build(configuration)
        except BaseException:
            self.close()
            raise

    def _build(self, configuration: Configuration) -> None:
        node = self._node
        try:
            outputs = find_outputs(configuration)
        except LookupError as error:
            raise StartError(str(error)) from error
        records = Records(configuration, node.get_logger())
        self._undo.append(records.close)
        self._decoder = Decoder()
        self._undo.append(self._decoder.close)
        boot_id, nonce = uuid.uuid4().hex, secrets.token_hex(16)
        header = records.begin(boot_id, nonce)
        self._records, self._feed = records, records.feed
        warm_up(configuration, outputs)
        self.supervisor = Supervisor(configuration)
        self._await_decoder()
        self._refuse_second()
        endpoints = Endpoints(node, self, self._polled)
        self._undo.append(endpoints.close)
        self._noted, self._head = NotedActs(self._feed), EvidenceHead(endpoints, self._feed, node.get_logger().warning)
        self._tokens = Tokens(endpoints, configuration, self, self._noted)
        self._undo.append(self._tokens.close)
        self._questions = PolicyQuestions(configuration, self)
        self._undo.append(self._questions.close)
        given = self._feed, self._reply, self._questions.ask, self._facts
        self.enactor = Enactor(node, configuration, endpoints, outputs, *given)
        self.inputs = Inputs(endpoints, configuration, self, self._decoder, self._tokens.hear_hold)
        actions = self._name_actions(configuration)
        endpoints.actions.update(actions)
        self._painting = Painting(endpoints, header)
        self._undo.append(self._painting.close)
        if self.inputs.line is not None:
            self._undo.append(self.inputs.line.close)
        self._offer_services()
        measures = frozenset(publisher.node for publisher in configuration.robot.state_publishers)
        motors, beat = tuple(output.topic for output in configuration.outputs), node.resolve_topic_name(HEARTBEAT)
        told = {} if configuration.balance is None else configuration.balance.topics
        self._graph = GraphWatch(node, self, endpoints, motors, beat, measures, told)
        self.goals: Goals | None = None
        if actions:
            self._offer_actions(configuration, actions)
        self._files = FileWatch(configuration, self)
        found, stages = records.latches, records.stages
        self._boot = Boot(
            time.monotonic_ns(), boot_id, nonce, found.emergency_stop, found.fault, stages.demoted, stages.damaged,
            find_uncommissioned(configuration, node.get_logger()),
        )  # fmt: skip

    def _name_actions(self, configuration: Configuration) -> dict[str, str]:
        """Return the action of each source of trajectories; none where its messages are not installed."""
        names = [source.name for source in configuration.sources if CommandKind.TRAJECTORY in source.commands]
        if names and not is_installed():
            self._node.get_logger().info(f"{ACTION}: {NOT_INSTALLED}")
            return {}
        return {name: self._node.resolve_service_name(f"~/sources/{name}/{ACTION}") for name in names}

    def _offer_actions(self, configuration: Configuration, actions: dict[str, str]) -> None:
        name = self._node.get_fully_qualified_name()
        sources = {heard.source.name: heard for heard in self.inputs.sources}
        self.goals = Goals(configuration, self, sources, actions, name, self._graph.introduced, self.supervisor.plays)
        self._undo.append(self.goals.close)
        self.inputs.watch_states = self.goals.measure

    def _await_decoder(self) -> None:
        ends = time.monotonic() + DECODER_START
        while not self._decoder.ready:
            if time.monotonic() > ends or self._decoder.pid is None:
                raise StartError("the decoder process does not start: see its message above")
            self._decoder.poll(time.monotonic_ns(), may_restart=False)
            time.sleep(0.01)

    def _refuse_second(self) -> None:
        """Refuse to serve a robot that another supervisor of this name serves (REDTEAM 48)."""
        topic = self._node.resolve_topic_name(HEARTBEAT)
        ends = max(time.monotonic() + SETTLING, self._born + DISCOVERY)
        while not (others := list_publishers(self._node, topic)) and time.monotonic() < ends:
            time.sleep(0.05)
        if others:
            code = Code.SECOND_SUPERVISOR
            raise StartError(f"{code.value}: {topic} is published by {', '.join(others)}. {code.cure}")

    def _offer_services(self) -> None:
        offered: list[tuple[str, Callable[[Any, Answer], None]]] = [("~/stop", self._serve_stop)]
        if self.configuration.operators.unsigned_services:
            acts = (("reset", ""), ("start", "auto"), ("recover", ""))
            offered += [(f"~/{act}", self._serve_act(act, target)) for act, target in acts]
            tools = self.configuration.tools
            offered += [(f"~/tools/{name}/attach", self._serve_act("tool", name)) for name in tools]
            offered += [("~/tools/detach", self._serve_act("tool", ""))] if tools else []
        for name, handler in offered:
            service = self._node.create_service(Trigger, name, _never)
            self._services.hold(service, handler)
            self._undo.append(partial(self._destroy, service))

    def _destroy(self, service: Any) -> None:
        self._services.forget(service)
        self._node.destroy_service(service)

    def _serve_stop(self, request: object, answer: Answer) -> None:
        now = time.monotonic_ns()
        self.enter(StopRequested(now, "service", "~/stop", self._services.owe(answer, now)))

    def _serve_act(self, act: Any, target: str) -> Callable[[object, Answer], None]:
        def serve(request: object, answer: Answer) -> None:
            now = time.monotonic_ns()
            asked = self._services.owe(answer, now)

            def refuse(code: Code, why: str) -> None:
                self._services.reply(Reply(now, asked, False, code.value, why))

            self._noted.submit(OperatorAct(now, act, "unsigned service", target, -1, asked), now, self.enter, refuse)

        return serve

    # --- while active

    def begin(self) -> None:
        """Boot the core, and tell it of the graph as it is now; messages count from now on."""
        self._polled.discard()
        self.running = True
        if self.inputs.line is not None:
            self.inputs.line.start()
        self.enter(msgspec.structs.replace(self._boot, at=time.monotonic_ns()))
        self._graph.look_at_all(time.monotonic_ns())

    def enter(self, event: Event) -> None:
        """Let the core handle an event, carry out its effects, then record both."""
        if not self.running:
            return
        self._graph.meet(event)
        begun = time.monotonic_ns()
        effects = self.supervisor.handle(event)
        self.statistics.decided(time.monotonic_ns() - begun)
        try:
            self.enactor.carry_out(effects)
        finally:
            self._feed.record(event, effects)
        if isinstance(event, StopRequested):
            self._noted.void("a stop was asked for meanwhile")
        if self.goals is not None:
            self.goals.follow(effects)

    def _reply(self, reply: Reply) -> None:
        """Give an answer to whoever asked; each of the two knows its own requests."""
        self._services.reply(reply)
        self._tokens.reply(reply)

    def fail(self, where: str, error: Exception) -> None:
        """Turn an adapter's exception into a fault: the stop goes on, the loop goes on."""
        self._failures += 1
        detail = f"{where}: {describe(error)}"[:300]
        self._log_failure(detail)
        try:
            self.enter(AdapterFault(time.monotonic_ns(), Code.INTERNAL.value, detail))
        except Exception as again:  # the core knows, and stops; that it can not be told ends no loop
            self._log_failure(f"telling it: {describe(again)}")

    def _log_failure(self, text: str) -> None:
        if self._failures <= FAILURES:
            with suppress(Exception):  # a log that takes no words ends no loop
                self._node.get_logger().error(text)

    def request_stop(self, reason: str) -> None:
        """Ask for the kept stop before the end or a deactivation."""
        self.enter(StopRequested(time.monotonic_ns(), "node", reason))
        self._painting.retire()  # a nice process takes its time to end on a busy machine

    @property
    def at_rest(self) -> bool:
        """Whether the last stop was played to rest."""
        return not self.enactor.moving and self.supervisor.state != "STOPPING"

    @property
    def may_transition(self) -> bool:
        """Whether a transition from outside may begin (REDTEAM 46)."""
        return self.supervisor.state in ("INIT", "LOCKED")

    def tick(self, at: Nanoseconds, scheduled: Nanoseconds) -> Nanoseconds:
        """Serve the motors; return when their message was sent."""
        event = Tick(at, scheduled, self.inputs.sample_estop(at), self._log_ok)
        begun = time.monotonic_ns()
        effects, failed = self.supervisor.handle(event), None
        self.statistics.decided(time.monotonic_ns() - begun)
        try:
            sent = self.enactor.drive(effects)
            if at - scheduled <= self.configuration.timing.overrun:
                self.enactor.beat()
        except Exception as error:  # publishing failed; the next tick tries again, in FAULT
            sent, failed = time.monotonic_ns(), error
        try:  # what the core has decided is carried out and recorded all the same
            try:
                self.enactor.carry_out(effects)
            finally:
                self._feed.record(event, effects)
            self.supervisor.prepare()
            if self.goals is not None:
                self.goals.follow(effects)
        except Exception as error:
            failed = failed or error
        try:
            # A cycle that failed is no sign of life; the fault's demand to stop follows in the next one.
            self._serve_estop(failed is None and at - scheduled <= self.configuration.timing.overrun)
        except Exception as error:
            failed = failed or error
        if failed is not None:
            self.fail("tick", failed)
        return sent

    def _serve_estop(self, on_time: bool) -> None:
        """Give the e-stop device the sign of life, and the demand on its relays."""
        line = self.inputs.line
        if line is not None:
            resting = not self.enactor.moving and self.supervisor.state in RESTING
            line.serve(time.monotonic_ns(), on_time, self.enactor.relay_stop, resting)

    def after_tick(self, now: Nanoseconds) -> None:
        """Hand over records, fetch decoded trajectories and verified tokens, report what was held back."""
        try:
            self._feed.flush()
            self._log_ok = self._records.healthy(now)
            self._noted.poll(now)
            self.inputs.report_excess(now)
            for event in self._decoder.poll(now, may_restart=self.may_transition):
                self.enter(event)
            locked = self.may_transition or self.supervisor.state == "FAULT"
            self._tokens.poll(now, may_restart=locked)
            self._questions.poll(now, may_restart=locked or self.at_rest)  # without it nothing moves, nor would
            if self.goals is not None:
                self.goals.poll(now, may_restart=self.may_transition)
        except Exception as error:
            self.fail("after tick", error)

    def before_tick(self, due: Nanoseconds) -> None:
        """Take service requests, and what was heard since the last cycle."""
        try:
            self._polled.poll(max(due, time.monotonic_ns() + self.configuration.timing.period // POLLING_SHARE))
        except Exception as error:
            self.fail("polling", error)
        try:
            self._services.poll()
        except Exception as error:
            self.fail("polling services", error)

    def spare(self, now: Nanoseconds) -> None:
        """Do one slice of what can wait."""
        try:
            self._services.expire(now)
            self._services.answer(now)
            # The files first: once a second they are looked at, whoever keeps the enactor busy (SR-041).
            parts = (self._files.slice, self._head.slice, self._graph.slice, self._tokens.slice, self.enactor.slice)
            if not any(part(now) for part in parts):
                self._paint(now)
        except Exception as error:
            self.fail("spare time", error)

    def _paint(self, now: Nanoseconds) -> bool:
        core = self.supervisor
        return self._painting.slice(now, core.commanded, self.may_transition, core.tool, self.enactor.shown)

    def _facts(self) -> Iterable[tuple[str, str]]:
        yield from self.statistics.summarise()
        yield "boot", self._boot.boot_id
        yield from self._tokens.facts(time.monotonic_ns())
        yield from self._questions.facts()
        if (commissioning := self.configuration.commissioning) is not None and commissioning.required:
            yield "commissioning", self._boot.uncommissioned or "measured"
        yield "scheduler", self._real_time()
        yield "log", self._feed.failure or "kept"
        yield "log_pending_bytes", str(self._feed.pending)
        if heads := self._feed.sinks.text:
            yield "evidence_heads", heads
        yield "acts_noted_within_ms", f"{self._noted.longest / 1e6:.1f}"
        yield ACTION, NOT_INSTALLED if self.goals is None else self.goals.text
        yield "robot_description", self.inputs.description
        yield "polls_cut_short", str(self._polled.cut_short)
        if self.inputs.line is not None:
            yield from self.inputs.line.facts()
        yield "decoder_restarts", str(self._decoder.restarts)
        yield "markers", self._painting.text
        yield "decisions_dropped", str(self.enactor.dropped_decisions)
        yield "relay_demand", "stop" if self.enactor.relay_stop else "run"
        yield "adapter_failures", str(self._failures)

    def close(self) -> None:
        """Tear everything down, the last built first."""
        self.running = False
        while self._undo:
            undo = self._undo.pop()
            try:
                undo()
            except Exception as error:
                self._node.get_logger().error(f"while closing: {describe(error)}")


def _never(request: object, response: object) -> object:
    raise AssertionError("this service is polled, never called back")
