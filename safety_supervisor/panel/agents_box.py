"""The sources on the live page: who speaks at each, with the stage, and how strangely it behaves."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from safety_supervisor.core.settings import Configuration
from safety_supervisor.panel.agents import WORDS, Agent, make_agents
from safety_supervisor.panel.elements import make_pair, make_title
from safety_supervisor.panel.snapshot import Snapshot


class AgentsBox:
    """One page's sources.

    Args:
        configuration: of the robot.
    """

    def __init__(self, configuration: Configuration) -> None:
        """Make the elements; the names are those of the configuration."""
        self._configuration = configuration
        self._known: tuple[Agent, ...] = ()
        self._texts: list[tuple[Any, dict[str, Any]]] = []
        with ui.element("section").props("id=agents"):
            make_title("Sources and their agents")
            with ui.element("div").classes("agents"):
                for source in configuration.sources:
                    with ui.element("div").classes("sheet") as sheet:
                        ui.label(f"{source.name} ({source.kind.value})").classes("fact")
                        with ui.element("dl").classes("fields"):
                            self._texts.append((sheet, {name: make_pair(words) for name, words in WORDS}))

    def update(self, heard: Snapshot, stale: bool) -> None:
        """Show what is told now; what has not changed is not sent."""
        agents = make_agents(self._configuration, heard.status, heard.status_at is not None, stale)
        if agents == self._known:
            return
        self._known = agents
        for agent, (sheet, texts) in zip(agents, self._texts, strict=True):
            sheet.classes(add="alarm" if agent.alarm else "", remove="" if agent.alarm else "alarm")
            for name, label in texts.items():
                label.set_text(getattr(agent, name))
