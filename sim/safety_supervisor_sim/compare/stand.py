"""Who can stand in the supervisor's place in the core engine, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor_sim.compare.barriers import Barriers
from safety_supervisor_sim.compare.clamp import Clamp
from safety_supervisor_sim.compare.subject import Filter, Subject, Unchanged
from safety_supervisor_sim.engine.clockwork import Clockwork

FILTERS: Final[dict[str, Callable[[Configuration], Filter]]] = {
    "pass_through": lambda configuration: Unchanged(),
    "clamp": Clamp,
    "pink": Barriers,
}


def put_in_place(world: Clockwork, name: str) -> None:
    """Have a comparator stand in the supervisor's place, from the boot on, and after every restart.

    Raises:
        KeyError: there is no such comparator.
        NotInstalledError: what it needs is not there.
    """
    make = FILTERS[name]

    def build(configuration: Configuration) -> Supervisor:
        # The engine asks for `handle`, `prepare` and `state` alone; a subject has these.
        return cast(Supervisor, Subject(configuration, make(configuration)))

    world.replace(build)
