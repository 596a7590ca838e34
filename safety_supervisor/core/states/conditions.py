"""Causes that last: they hold until the world changes, stop what moves, and block the reset meanwhile."""

from __future__ import annotations

from safety_supervisor.core.errors import Code
from safety_supervisor.core.settings import Configuration


class Conditions:
    """The set of lasting causes."""

    def __init__(self, configuration: Configuration) -> None:
        """Start with none."""
        self._allowed = frozenset(publisher.node for publisher in configuration.robot.state_publishers)
        self._active: set[Code] = set()
        self.version = 0
        """Counts changes."""

    def note(self, code: Code, holds: bool) -> None:
        """Note whether a cause holds."""
        if holds is (code in self._active):
            return
        self.version += 1
        if holds:
            self._active.add(code)
        else:
            self._active.discard(code)

    def active(self) -> set[Code]:
        """Return the causes that hold."""
        return set(self._active)

    def wrong_state_publishers(self, nodes: tuple[str, ...]) -> bool:
        """Whether a node publishes joint states that may not, or does so twice (REDTEAM 31)."""
        return len(set(nodes)) != len(nodes) or not set(nodes) <= self._allowed
