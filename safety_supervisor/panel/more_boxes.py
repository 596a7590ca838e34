"""What stands below the state, the acts and what waits on the live page: events, plots, agents, further acts."""

from __future__ import annotations

from safety_supervisor.panel.acts_box import ActsBox, Do
from safety_supervisor.panel.agents_box import AgentsBox
from safety_supervisor.panel.desk import Desk
from safety_supervisor.panel.events_box import EventsBox
from safety_supervisor.panel.plots import PlotsBox
from safety_supervisor.panel.sessions import Session
from safety_supervisor.panel.view import View


class MoreBoxes:
    """Of one page.

    Args:
        desk: does what people do.
        do: does it for the person of this page, and tells what came of it.
    """

    def __init__(self, desk: Desk, do: Do) -> None:
        """Make the elements."""
        self._desk = desk
        self.acts = ActsBox(desk, do)
        self.agents = AgentsBox(desk.configuration)
        self.plots = PlotsBox(desk.history)
        self.events = EventsBox(desk.events)

    def update(self, view: View, held: Session | None, shown: bool) -> None:
        """Show what is now, some times a second; plots only where somebody sees the page."""
        self.acts.update(view, held)
        self.agents.update(self._desk.heard, view.stale)
        self.plots.update(view.warnings[0] if view.warnings else "", shown)
        self.events.update(held is not None)
