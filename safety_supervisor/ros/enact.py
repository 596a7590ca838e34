"""Carries out the core's effects: motors first, then heartbeat, latches and replies; status and decisions can wait."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String, UInt64

from safety_supervisor.core.effects import (
    Actuate,
    Decision,
    DriveBase,
    Effect,
    InterventionAsked,
    Interventions,
    LadderMode,
    Latches,
    PolicyQuestion,
    RelayDemand,
    Reply,
    Stages,
    Status,
)
from safety_supervisor.core.errors import CODE_OF
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.evidence.feed import EventFeed
from safety_supervisor.ros.base_input import twist_type
from safety_supervisor.ros.cdr import write_counter, write_string
from safety_supervisor.ros.cdr_base import TwistWriter
from safety_supervisor.ros.interventions import InterventionList
from safety_supervisor.ros.messages import StatusWriter, decision_message
from safety_supervisor.ros.outputs import Output, offer_profile
from safety_supervisor.ros.quality import Endpoints
from safety_supervisor.ros.refusals import RefusalLog
from safety_supervisor.ros.text import describe

STATUS_PERIOD = NS_PER_S // 10
DIAGNOSTICS_PERIOD = NS_PER_S
WAITING_DECISIONS = 200
HEARTBEAT = "~/heartbeat"
LOCOMOTION_MODE = "~/locomotion_mode"
USUAL = ("READY", "AUTO/MOVING", "AUTO/HOLDING", "LOCKED E_RESTARTED")
"""States, some with their cause, that are no warning in the log."""

PATIENCE = 5 * NS_PER_S
"""After so long in INIT, and again each time, the log says what it waits for, [ns]."""

Facts = Callable[[], Iterable[tuple[str, str]]]


class Enactor:
    """Everything that leaves the node on topics.

    Args:
        node: that publishes.
        configuration: of the robot.
        endpoints: makes publishers that tell of incompatible subscriptions.
        outputs: make the motor messages, one for each of `configuration.outputs`.
        feed: keeps latches.
        reply: gives the answer to a request.
        ask: takes a question to the policy server.
        facts: what the status shows besides the core's status.
    """

    def __init__(
        self,
        node: LifecycleNode,
        configuration: Configuration,
        endpoints: Endpoints,
        outputs: Sequence[Output],
        feed: EventFeed,
        reply: Callable[[Reply], None],
        ask: Callable[[PolicyQuestion], None],
        facts: Facts,
    ) -> None:
        """Make all publishers."""
        self._feed = feed
        self._reply = reply
        self._ask = ask
        self._facts = facts
        self._misfits = endpoints.misfits
        self._log = node.get_logger()
        reliable = ReliabilityPolicy.RELIABLE
        latched = QoSProfile(depth=1, reliability=reliable, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        beat = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        base, profile = configuration.base, offer_profile(configuration.timing.period)
        self._motors: list[tuple[Callable[[bytes], None], Callable[[Actuate], bytes]]] = []
        for settings, output in zip(configuration.outputs, outputs, strict=True):
            name = f"output {settings.name}" if settings.name else ""
            publisher = endpoints.advertise(output.message_type, settings.topic, profile, required=True, name=name)
            self._motors.append((publisher.publish, output.encode))
        if base is not None:
            kind = twist_type(stamped=base.stamped_output)
            self._base = endpoints.advertise(kind, base.output_topic, profile, required=True)
            self._twist = TwistWriter(configuration.robot.base_frame, stamped=base.stamped_output)
        self._heartbeat = endpoints.advertise(UInt64, HEARTBEAT, beat)
        self._mode = b""
        balance = configuration.balance
        if balance is not None and balance.ladder is not None:
            self._modes = endpoints.advertise(String, LOCOMOTION_MODE, latched, required=True)
        self._status = endpoints.advertise(DiagnosticArray, "~/status", latched)
        self._decisions = endpoints.advertise(
            DiagnosticArray, "~/decisions", QoSProfile(depth=100, reliability=reliable)
        )
        self._interventions = InterventionList(endpoints, configuration.robot.id)
        self._diagnostics = endpoints.advertise(
            DiagnosticArray, "/diagnostics", QoSProfile(depth=10, reliability=reliable)
        )
        estop = configuration.estop
        constants = {
            "robot": configuration.robot.id,
            "urdf_sha256": configuration.robot.urdf_sha256,
            "output_type": ", ".join(f"{one.name} {one.type.value}".strip() for one in configuration.outputs),
            "simulated": "yes" if configuration.simulated else "no",
            "signed_by": configuration.signed_by,
            "estop_driver": estop.driver,
        }
        name = node.get_fully_qualified_name()
        self._writer = StatusWriter(name, configuration.robot.id, constants, estop.required)
        self._beats = 0
        self._newest: Status | None = None
        self._unshown = False
        self._told = ""
        self._carried = None if configuration.tools else ""
        self._status_due = 0
        self._init_due = 0
        self._diagnostics_due = 0
        self._waiting: deque[Decision] = deque()
        self._refusals = RefusalLog()
        self.moving = False
        """Whether the last set-point moves, or the base was sent motion."""
        self.relay_stop = False
        self.dropped_decisions = 0

    def drive(self, effects: Iterable[Effect]) -> Nanoseconds:
        """Send the messages of motors and base of a tick's effects; return when that was done, steady clock, [ns].

        Raises:
            Exception: the first that one of them raised; all others were sent all the same.
        """
        failed: Exception | None = None
        moving: set[bool] = set()
        for effect in effects:
            if isinstance(effect, Actuate):
                moving.add(effect.moving)
                for publish, encode in self._motors:
                    try:  # one controller that can not be told keeps the stop from no other
                        publish(encode(effect))
                    except Exception as error:
                        failed = failed or error
            elif isinstance(effect, DriveBase):
                moving.add(effect.moving)
                try:
                    self._base.publish(self._twist.write(time.time_ns(), effect.x, effect.y, effect.turn))
                except Exception as error:
                    failed = failed or error
        if moving:
            self.moving = True in moving
        if failed is not None:
            raise failed
        return time.monotonic_ns()

    def beat(self) -> None:
        """Tell that a control cycle was good, and the locomotion controller again where it is on the stop ladder."""
        self._beats += 1
        self._heartbeat.publish(write_counter(self._beats))
        if self._mode:
            self._modes.publish(self._mode)

    def carry_out(self, effects: Iterable[Effect]) -> None:
        """Do what has to be done at once, and put aside what can wait.

        Raises:
            Exception: the first that one of them raised. All others are carried out all the same: the core tells a
                latch and a demand on the relays once.
        """
        failed: Exception | None = None
        for effect in effects:
            try:
                self._carry_out(effect)
            except Exception as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Decision):
            self._waiting.append(effect)
            if len(self._waiting) > WAITING_DECISIONS:
                self._waiting.popleft()
                self.dropped_decisions += 1
        elif isinstance(effect, Status):
            self._keep_status(effect)
        elif isinstance(effect, Reply):
            self._reply(effect)
        elif isinstance(effect, PolicyQuestion):
            self._ask(effect)
        elif isinstance(effect, Latches):
            self._feed.save_latches(effect)
        elif isinstance(effect, Stages):
            self._feed.save_stages(effect)
        elif isinstance(effect, RelayDemand):
            self.relay_stop = effect.stop
        elif isinstance(effect, (InterventionAsked, Interventions)):
            self._interventions.take(effect)
        elif isinstance(effect, LadderMode):
            self._mode = write_string(effect.mode)
            self._modes.publish(self._mode)

    def _keep_status(self, status: Status) -> None:
        before = self._newest
        self._newest = status
        if before is None or _shown(before) != _shown(status):
            self._unshown = True

    @property
    def shown(self) -> tuple[str, str]:
        """State, and rung of the stop ladder, that were told last; both empty before the first status."""
        return ("", "") if self._newest is None else (self._newest.state, self._newest.ladder_phase)

    def slice(self, now: Nanoseconds) -> bool:
        """Tell one thing that is due: status, what people decide on, a line of the log, a decision; whether one was."""
        status = self._newest
        if status is not None and (self._unshown or now >= self._status_due):
            phase = status.ladder_phase if status.state == "STOPPING" else ""
            told = " ".join(part for part in (status.state, status.cause, phase) if part)
            if told != self._told:
                self._told = told
                words = f"{told}: {status.next_step}" if status.next_step else told
                # Two lines of code: rclpy raises when one call site logs with another severity than before.
                if not status.cause or status.state in USUAL or told in USUAL:
                    self._log.info(words)
                else:
                    self._log.warning(words)
            self._tell_waiting(status, now)
            if status.tool != self._carried:
                self._carried = status.tool
                carried = f"{status.tool}, {status.tool_mass:g} kg" if status.tool else "none"
                self._log.info(f"tool: {carried}: see that this is what the robot carries")
            self._unshown = False
            self._status_due = now + STATUS_PERIOD
            message = self._write(status)
            self._status.publish(message)
            if now >= self._diagnostics_due:
                self._diagnostics_due = now + DIAGNOSTICS_PERIOD
                self._diagnostics.publish(message)
            return True
        if self._interventions.slice(now):
            return True
        line = self._refusals.line(now)
        if line:
            self._log.warning(line)
            return True
        if self._waiting:
            decision = self._waiting.popleft()
            self._decisions.publish(decision_message(decision, time.time_ns()))
            self._refusals.take(decision)
            return True
        return False

    def _tell_waiting(self, status: Status, now: Nanoseconds) -> None:
        """Say in the log what INIT waits for, when it takes long."""
        if status.state != "INIT":
            return
        if not self._init_due:
            self._init_due = now + PATIENCE
        elif now >= self._init_due:
            self._init_due = now + PATIENCE
            codes = [(code, CODE_OF[code]) for code in status.active_causes]
            waits = "; ".join(f"{code}: {known.cause} {known.cure}" for code, known in codes)
            joint = f" Not measured: {status.unmeasured}." if status.unmeasured else ""
            self._log.warning(f"INIT waits for {waits or 'its first cycles'}{joint}")

    def _write(self, status: Status) -> DiagnosticArray:
        """Return the status message; endpoints that do not fit are at least a warning."""
        misfits = "; ".join(f"{topic}: {text}" for topic, text in sorted(self._misfits.items()))
        facts: list[tuple[str, str]] = []
        try:
            for fact in self._facts():
                facts.append(fact)
        except Exception as error:  # one that fails keeps no status back
            facts.append(("facts_failed", describe(error)))
        message = self._writer.write(status, time.time_ns(), (*facts, ("incompatible_endpoints", misfits)))
        if misfits:
            message.status[0].level = max(message.status[0].level, DiagnosticStatus.WARN)
        return message


def _shown(status: Status) -> tuple[object, ...]:
    """What is told at once when it changes."""
    return status.state, status.cause, status.epoch, status.ladder_phase
