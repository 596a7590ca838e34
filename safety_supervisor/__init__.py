"""A supervisor between an agent that cannot be trusted to be right and a robot's motors.

from safety_supervisor import Supervisor, load_config

supervisor = Supervisor(load_config("config/panda.yaml"))
effects = supervisor.handle(event)  # safety_supervisor.core.events and .effects
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safety_supervisor.config import load_config
    from safety_supervisor.core.supervisor import Supervisor

__all__ = ["Supervisor", "load_config"]


def __getattr__(name: str) -> Any:
    """Import on first use: the command line's help needs neither Pinocchio nor pydantic."""
    if name == "Supervisor":
        from safety_supervisor.core.supervisor import Supervisor

        return Supervisor
    if name == "load_config":
        from safety_supervisor.config import load_config

        return load_config
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
