"""The control cycle: a grid of times on the steady clock, and what is done between two of them.

Between cycles the executor serves what is rare: lifecycle queries and events of the middleware, one at a time, so that
the clock is looked at after each. Messages and requests are polled just before the cycle. Grid points that were missed
are skipped and never caught up; the cycle that follows names the first one that it missed, so that the core sees the
whole delay.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.statistics import CycleStatistics

TAIL = 300_000
"""The last part of each wait, in which messages are polled and the rest is slept, not spun, [ns].

Measured p99 of the wake-up from sleep 63 us against 100 us from the executor.
"""
SPARE = 300_000
"""Optional work is begun only with this much time left, [ns]."""
PATIENCE = 10
"""Cycles after which optional work is done even so."""


class Executor(Protocol):
    """The part of rclpy's executors that is used."""

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Handle one callback or time out."""


class Work(Protocol):
    """What a cycle does."""

    def tick(self, at: Nanoseconds, scheduled: Nanoseconds) -> Nanoseconds:
        """Serve the motors; return when their message was sent."""

    def after_tick(self, now: Nanoseconds) -> None:
        """Do what every cycle has to do behind that."""

    def spare(self, now: Nanoseconds) -> None:
        """Do one slice of work that can wait."""

    def fail(self, where: str, error: Exception) -> None:
        """Report that an adapter raised; the cycle goes on."""

    def before_tick(self, due: Nanoseconds) -> None:
        """Take the messages and requests that came since the last cycle; at `due` the next one begins."""


class Cycle:
    """Runs one period at a time.

    Args:
        period: control period, [ns].
        executor: handles what arrives.
        work: what a cycle does.
        statistics: where each cycle is recorded.
    """

    def __init__(self, period: Nanoseconds, executor: Executor, work: Work, statistics: CycleStatistics) -> None:
        """Begin the grid one period from now."""
        self.statistics = statistics
        self._period = period
        self._executor = executor
        self._work = work
        self._due = time.monotonic_ns() + period
        self._postponed = 0

    def run_period(self) -> None:
        """Wait for the next grid point, handling what arrives meanwhile, then run the cycle."""
        self._wait()
        at = time.monotonic_ns()
        due = self._due
        missed = (at - due) // self._period
        self._due = due + (missed + 1) * self._period
        served = self._work.tick(at, due)
        self.statistics.record(at - due, served - at, missed)
        self._work.after_tick(time.monotonic_ns())
        now = time.monotonic_ns()
        if self._due - now > SPARE or self._postponed >= PATIENCE:
            self._postponed = 0
            self._work.spare(now)
        else:
            self._postponed += 1

    def _wait(self) -> None:
        clock = time.monotonic_ns
        spin_once = self._executor.spin_once
        tail = self._due - TAIL
        while (remaining := tail - clock()) > 0:
            try:
                spin_once(timeout_sec=remaining / NS_PER_S)
            except Exception as error:  # rclpy's own services raise on requests that rcl does not like
                self._work.fail("executor", error)
        self._work.before_tick(self._due)
        remaining = self._due - clock()
        if remaining > 0:
            time.sleep(remaining / NS_PER_S)


def make_executor(context: Any = None) -> Any:
    """Return the EventsExecutor, which has half the latency of the other one; Humble has only the other one."""
    try:
        from rclpy.experimental import EventsExecutor

        return EventsExecutor(context=context)
    except ImportError:
        from rclpy.executors import SingleThreadedExecutor

        return SingleThreadedExecutor(context=context)
