"""Plays one case with whoever it names, and measures what a cycle's decision takes besides."""

from __future__ import annotations

import statistics
import time
from typing import Any, Final

from safety_supervisor.core.effects import Actuate, Effect
from safety_supervisor.core.events import Event, Tick
from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.play import play as play_case
from safety_supervisor_sim.compare.stand import FILTERS
from safety_supervisor_sim.engine.clockwork import Clockwork

SUBJECTS: Final = ("supervisor", *FILTERS)
"""Who can play; filters are loaded here, so that runs forked from this process share them."""


class Timed:
    """Stands around who decides, and keeps the processor time of each cycle in which the robot moves."""

    def __init__(self, inner: Any) -> None:
        """Measure nothing yet."""
        self._inner = inner
        self._spent = 0
        self.cycles: list[int] = []
        """[ns]"""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Hand an event on."""
        began = time.process_time_ns()
        effects: tuple[Effect, ...] = self._inner.handle(event)
        self._spent += time.process_time_ns() - began
        if isinstance(event, Tick):
            if any(isinstance(effect, Actuate) and effect.moving for effect in effects):
                self.cycles.append(self._spent)
            self._spent = 0
        return effects


def play(case: Case) -> dict[str, Any]:
    """Play a case; return its row, `cycle_cpu` in it."""
    timed: list[Timed] = []

    def watch(world: Clockwork) -> None:
        def wrap(inner: Any) -> Any:
            timed.append(Timed(inner))
            return timed[-1]

        world.wrap(wrap)

    row = play_case(case, replayed=0.0, watch=watch)
    cycles = [cycle for one in timed for cycle in one.cycles]
    return row | {"cycle_cpu": statistics.median(cycles) * 1e-9 if cycles else None}
