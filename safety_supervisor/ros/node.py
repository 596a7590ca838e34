"""The lifecycle node `supervisor`: who may configure, activate, deactivate and end it, and when.

Transitions from outside are refused before rclpy's machine sees them (its shutdown can not be refused any more once it
has begun): they are accepted while nothing is active, or when the supervisor is in INIT or LOCKED; a stop is played to
rest before any deactivation. REDTEAM 46, SR-049.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from lifecycle_msgs.msg import Transition
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.service import Service
from rclpy.subscription import Subscription

from safety_supervisor.config import ConfigurationError
from safety_supervisor.core.motion.stopping import longest_stop
from safety_supervisor.core.motion.trajectory import LONGEST_PATH_STOP
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import nanoseconds
from safety_supervisor.ros.configuration import read_configuration
from safety_supervisor.ros.cycle import Cycle, Executor
from safety_supervisor.ros.polled import PolledSubscriptions
from safety_supervisor.ros.process import RealTime, listens_in_shared_memory
from safety_supervisor.ros.records import StartError
from safety_supervisor.ros.services import Answer, HeldServices
from safety_supervisor.ros.session import Session

STOP_ALLOWANCE = 1.5
"""How long a stop before the end or a deactivation may take beyond the longest planned one, [s]."""
IDLE_WAIT = 0.02
"""How long to wait for a request while no cycle runs, [s]."""
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

_LABELS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "cleanup": Transition.TRANSITION_CLEANUP,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
    "shutdown": Transition.TRANSITION_ACTIVE_SHUTDOWN,
}
_SHUTDOWNS = (
    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    Transition.TRANSITION_INACTIVE_SHUTDOWN,
    Transition.TRANSITION_ACTIVE_SHUTDOWN,
)
_ENDS_ACTIVITY = (Transition.TRANSITION_DEACTIVATE, *_SHUTDOWNS)


class SupervisorNode(LifecycleNode):
    """The node. `serve` gives it its executor, then `step` is called for ever."""

    def __init__(self) -> None:
        """Create the node and its lifecycle services."""
        self._held = HeldServices()  # before the node: its lists of services and subscriptions are asked for
        self._polled = PolledSubscriptions()
        overrides = [Parameter("start_type_description_service", value=False)]
        super().__init__("supervisor", start_parameter_services=False, parameter_overrides=overrides)
        self._born = time.monotonic()
        read_only = ParameterDescriptor(read_only=True)
        self._config_file = str(self.declare_parameter("config_file", "", read_only).value)
        self.autostart = bool(self.declare_parameter("autostart", True, read_only).value)
        self._log_directory = str(self.declare_parameter("log_directory", "", read_only).value)
        self._officers_file = str(self.declare_parameter("officers_file", "", read_only).value)
        self.ended = False
        """Whether a shutdown was accepted."""
        self.longest_stop = 0.0
        """How long a stop may take at the longest, with its allowance, [s]; 0 while nothing is active."""
        self.session: Session | None = None
        self._cycle: Cycle | None = None
        self._executor: Executor | None = None
        self._real_time = RealTime()
        self._pending: tuple[int, Answer] | None = None
        self._refused, self._refusal_due = 0, 0.0
        self._held.hold(self._service_change_state, self._serve_change_state)

    @property
    def services(self) -> Iterator[Service]:
        """Services that the executor serves; the others are polled."""
        return (service for service in super().services if not self._held.hides(service))

    @property
    def subscriptions(self) -> Iterator[Subscription]:
        """Subscriptions that the executor serves; the others are polled."""
        return (subscription for subscription in super().subscriptions if not self._polled.hides(subscription))

    def serve(self, executor: Executor) -> None:
        """Use this executor, to which the node has been added."""
        self._executor = executor

    # --- transitions, called by rclpy

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build everything; every error is listed, and then nothing is left running."""
        return SUCCESS if self._build() else FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the control cycle in INIT. A boot is used once: after a deactivation the next is built."""
        if self.session is None and not self._build():
            return FAILURE
        session = self.session
        assert session is not None
        assert self._executor is not None
        self._real_time.take()
        if self._real_time.complete:
            self.get_logger().info(self._real_time.text)
        else:
            self.get_logger().warning(self._real_time.text)
        self.longest_stop = _longest_stop(session.configuration)
        session.begin()
        self._cycle = Cycle(session.configuration.timing.period, self._executor, session, session.statistics)
        return SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Play the stop, then end the boot."""
        self.end_boot("deactivated")
        return SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget what was configured."""
        self.end_boot("cleaned up")
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Play the stop, then end for good."""
        self.end_boot("shut down")
        self.ended = True
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Leave nothing half built."""
        self.end_boot("failed")
        return SUCCESS

    # --- the boot

    def _build(self) -> bool:
        log = self.get_logger()
        try:
            if self.get_parameter("use_sim_time").value:
                raise StartError("use_sim_time is refused: deadlines run on the steady clock of this machine")
            configuration = read_configuration(self._config_file, self._log_directory, self._officers_file, log)
            told = self._held, self._polled, lambda: self._real_time.text
            self.session = Session(self, configuration, *told, self._born)
            if listens_in_shared_memory():
                log.warning("shared memory of the middleware in use: cycles may be missed, see config/fastdds.xml")
        except ConfigurationError as error:
            for line in str(error).splitlines():
                log.error(line)
        except StartError as error:
            log.error(str(error))
        except Exception as error:  # a library that misses a file, a message type, memory
            log.error(f"{type(error).__name__}: {error}")
        return self.session is not None

    def end_boot(self, reason: str, stopped: Callable[[], None] | None = None) -> None:
        """Stop the robot through the cycle, then tear the boot down; `stopped` is called between the two."""
        session, self.session = self.session, None
        cycle, self._cycle = self._cycle, None
        if session is not None and cycle is not None:
            session.request_stop(reason)
            ends = time.monotonic_ns() + nanoseconds(self.longest_stop)
            cycle.run_period()
            while not session.at_rest and time.monotonic_ns() < ends:
                cycle.run_period()
        self.longest_stop = 0.0
        if stopped is not None:
            stopped()
        self._real_time.give_back()
        if session is not None:
            session.close()

    def step(self) -> None:
        """Run one control period, or wait a little for a request while no cycle runs."""
        assert self._executor is not None
        if self._cycle is not None:
            self._cycle.run_period()
        else:
            self._executor.spin_once(timeout_sec=IDLE_WAIT)
            self._held.poll()
            self._held.flush()
        if self._pending is not None:
            (transition, answer), self._pending = self._pending, None
            answer(self._make_transition(transition), "")
            self._held.flush()

    # --- transitions, asked for from outside

    def _serve_change_state(self, request: Any, answer: Answer) -> None:
        wanted = _LABELS.get(request.transition.label) if request.transition.label else request.transition.id
        if wanted is None or self._pending is not None:
            answer(False, "")
        elif self._cycle is None or (wanted in _ENDS_ACTIVITY and self._may_transition()):
            self._pending = (wanted, answer)
        else:
            state = "" if self.session is None else self.session.supervisor.state
            self._refused += 1
            if time.monotonic() >= self._refusal_due:
                times = f" [{self._refused} times]" if self._refused > 1 else ""
                self.get_logger().warning(f"transition {wanted} from outside refused in {state}: only in LOCKED{times}")
                self._refused, self._refusal_due = 0, time.monotonic() + 1.0
            answer(False, "")

    def _may_transition(self) -> bool:
        return self.session is None or self.session.may_transition

    def _make_transition(self, wanted: int) -> bool:
        triggers: dict[int, Callable[[], TransitionCallbackReturn]] = {
            Transition.TRANSITION_CONFIGURE: self.trigger_configure,
            Transition.TRANSITION_CLEANUP: self.trigger_cleanup,
            Transition.TRANSITION_ACTIVATE: self.trigger_activate,
            Transition.TRANSITION_DEACTIVATE: self.trigger_deactivate,
            **dict.fromkeys(_SHUTDOWNS, self.trigger_shutdown),
        }
        trigger = triggers.get(wanted)
        if trigger is None:
            return False
        try:
            return bool(trigger() == SUCCESS)
        except Exception as error:  # rcl's word for a transition that does not exist here
            self.get_logger().warning(f"transition {wanted} refused: {error}")
            return False


def _longest_stop(configuration: Configuration) -> float:
    base = configuration.base
    return STOP_ALLOWANCE + max(
        LONGEST_PATH_STOP,
        longest_stop(configuration.envelope.joints),
        0.0 if base is None else base.gate.longest_stop,
    )
