"""What stands below the state, the acts and what waits on the live page: events, plots, agents, further acts."""

from __future__ import annotations

from safety_supervisor.panel.desk import Desk
from safety_supervisor.panel.events_box import EventsBox
from safety_supervisor.panel.plots import PlotsBox
from safety_supervisor.panel.sessions import Session
from safety_supervisor.panel.view import View


class MoreBoxes:
    """Of one page.

    Args:
        desk: does what the person does.
    """

    def __init__(self, desk: Desk) -> None:
        """Make the elements."""
        self.plots = PlotsBox(desk.history)
        self.events = EventsBox(desk.events)

    def update(self, view: View, held: Session | None) -> None:
        """Show what is now, some times a second."""
        self.plots.update(view.warnings[0] if view.warnings else "")
        self.events.update(held is not None)
