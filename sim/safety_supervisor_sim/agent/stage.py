"""What stands around the agent, whatever engine plays: a clock, ears, hands for services, marks for the oracle.

Acts are written against `Stage` alone. `ros_stage.RosStage` is the one around real nodes, in real time;
`engine.stage.CoreStage` the one around the core and a simulated cell, where waiting advances simulated time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.agent.motions import NANO, Array

_SETTLES: Final = 2.0
"""How long whatever was begun may take to settle, [s]; the stop ladder of a robot that stands comes on top."""
_LOOKS: Final = 0.02
"""Between two looks at whether the robot rests, [s]."""


class StageError(RuntimeError):
    """The supervisor or the cell is not there, or does not answer."""


@dataclass
class Observed:
    """What was heard since an act began."""

    states: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    decisions: list[dict[str, str]] = field(default_factory=list)
    replies: list[dict[str, Any]] = field(default_factory=list)


class Stage(ABC):
    """What acts hear and do.

    Args:
        configuration: the supervisor's.
        report: called with what a live table shows, as it arrives.

    Attributes:
        status: what the supervisor's newest status says, by key.
        observed: what was heard since the act began.
        settles: how long whatever was begun may take to settle, [s].
        on_feet: whether the robot stands on feet of its own.
    """

    def __init__(self, configuration: Configuration, report: Callable[[dict[str, Any]], None]) -> None:
        """Nothing was heard yet."""
        self.configuration = configuration
        self.report = report
        self.status: dict[str, str] = {}
        self.observed = Observed()
        self.settles = _SETTLES
        self.on_feet = configuration.balance is not None
        self._cause_before = ""
        if configuration.balance is not None and configuration.balance.ladder is not None:
            self.settles += configuration.balance.ladder.duration / NANO

    # -- what an engine does by itself ------------------------------------------------------

    @abstractmethod
    def now(self) -> int:
        """Return the steady clock of this engine, [ns]."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Let time pass, [s]."""

    @abstractmethod
    def wait(self, true: Callable[[], bool], timeout: float) -> bool:
        """Wait until a condition over what is heard holds; False when it did not within `timeout`, [s]."""

    @abstractmethod
    def mark(self, name: str) -> None:
        """Tell the oracle that from now on it is `name` that happens."""

    @abstractmethod
    def call(self, name: str, timeout: float = 5.0) -> bool:
        """Call a service of the supervisor (`stop`, `reset`, `start`, `recover`) and keep its reply.

        Raises:
            StageError: when there is no such service or it does not answer.
        """

    @abstractmethod
    def push(self, force: Sequence[float]) -> None:
        """Push a robot that stands, world's axes, shape (3,), [N]."""

    @abstractmethod
    def stand_up(self, timeout: float = 5.0) -> None:
        """Have the robot set on its feet, in its hoist.

        Raises:
            StageError: when nobody does.
        """

    @abstractmethod
    def wait_for_services(self, timeout: float) -> None:
        """Wait until the supervisor can be called.

        Raises:
            StageError: when it can not in time.
        """

    @abstractmethod
    def has_output(self) -> bool:
        """Whether anything was sent to the motors yet."""

    @abstractmethod
    def capture(self) -> None:
        """Keep what the motors are sent from now on."""

    @abstractmethod
    def captured(self) -> list[list[float]]:
        """Return the set-points that the motors were sent since `capture`, rows of n values in joint order.

        Positions, [rad]; velocities, [rad/s], where the output carries nothing else.
        """

    @abstractmethod
    def commanded(self) -> Array:
        """Return the pose that the robot is commanded to hold, shape (n,), [rad].

        A good agent starts its motions from there. Raises StageError before there is any output.
        """

    # -- what the core engine alone can do --------------------------------------------------

    def flood_stops(self, rate_hz: float, seconds: float) -> None:
        """Ask for a stop on the topic for that, so many times a second, [s]."""
        raise StageError("this engine floods nobody with stops")

    def respawn(self, down: float) -> None:
        """Have the supervisor crash, and start anew after a time, [s]."""
        raise StageError("this engine starts no supervisor anew")

    # -- what all engines share -------------------------------------------------------------

    def sleep_until(self, time_ns: int) -> None:
        """Let time pass until an instant of `now`, [ns]."""
        self.sleep(max(0.0, (time_ns - self.now()) / NANO))

    def begin(self, name: str) -> None:
        """Begin an act: for the oracle, and for what is observed."""
        state, self._cause_before = self.status.get("state", ""), self.status.get("cause", "")
        self.observed = Observed(states=[state] if state else [])
        self.mark(name)

    def hear_status(self, values: dict[str, str]) -> None:
        """Take a status."""
        self.status = values
        observed, state, cause = self.observed, values.get("state", ""), values.get("cause", "")
        if not observed.states or observed.states[-1] != state:
            observed.states.append(state)
        if cause != self._cause_before:
            self._cause_before = ""
        if cause and cause != self._cause_before and cause not in observed.causes:
            observed.causes.append(cause)

    def heard(self) -> set[str]:
        """Return the codes heard since the act began, of decisions and of causes."""
        return {decision.get("code", "") for decision in self.observed.decisions} | set(self.observed.causes)

    def period_of(self, source: str) -> float:
        """Return the time between two set-points of a source, [s]."""
        return self.configuration.source(source).period / NANO

    def wait_for_state(self, states: Iterable[str], timeout: float) -> bool:
        """Wait until the supervisor is in one of these states."""
        wanted = set(states)
        return self.wait(lambda: self.status.get("state") in wanted, timeout)

    def wait_for_codes(self, codes: Iterable[str], timeout: float) -> bool:
        """Wait until one of these codes was heard since the act began."""
        wanted = set(codes)
        return self.wait(lambda: bool(wanted & self.heard()), timeout)

    def wait_for_rest(self, timeout: float, still: float = 0.1) -> bool:
        """Wait until the output has not moved for `still` seconds, and the drives had time to follow."""
        due = self.now() + round(timeout * NANO)
        last, since = self.commanded(), self.now()
        while self.now() < due:
            self.sleep(_LOOKS)
            now = self.commanded()
            if not np.array_equal(now, last):
                last, since = now, self.now()
            elif self.now() - since >= still * NANO:
                return True
        return False
