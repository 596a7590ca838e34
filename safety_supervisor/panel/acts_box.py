"""Further acts on the live page: what an act does is said in plain words before it is signed.

An act counts for the state that was shown. Where that changes while somebody chooses and types, the button is dead for
a moment and the page says so; what was typed stays. What only takes rights away counts for whatever is now.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from nicegui import ui

from safety_supervisor.panel.desk import LONGEST_REASON, Desk, Outcome
from safety_supervisor.panel.elements import make_select, make_title, tell
from safety_supervisor.panel.offered import Field, Offer, lacks, may, offers, target_of, words_of
from safety_supervisor.panel.sessions import Session
from safety_supervisor.panel.view import Basis, View

SETTLES: Final = 0.7
"""When what is shown has moved, SIGN and APPROVE take no click for so long: it was meant for what stood there, [s]."""
_CHANGED: Final = 5.0
"""And that it has is shown for so long, [s]."""
Do = Callable[..., Awaitable[Outcome]]


class ActsBox:
    """One page's further acts.

    Args:
        desk: knows the robot.
        do: signs for the person of the page, and tells what came of it.
    """

    def __init__(self, desk: Desk, do: Do) -> None:
        """Make a button for each act; what it needs comes when it is pressed."""
        self._desk, self._do = desk, do
        self._offer: Offer | None = None
        self._seen: Basis | None = None
        self._changed_at = -_CHANGED
        self._chosen: list[str] = []
        self._reason: Any = None
        self._missing, self._missing_at = "", -_CHANGED
        with ui.element("section").props("id=acts") as self._box:
            make_title("Further acts")
            with ui.element("div").classes("acts"):
                self._buttons = [
                    (one, ui.button(one.title, on_click=lambda _, one=one: self._open(one), color=None))
                    for one in offers(desk.configuration)
                ]
            with ui.element("div").classes("sheet") as self._sheet:
                self._title = ui.label().classes("fact")
                self._place = ui.element("div").classes("choice")
                self._words = ui.label()
                self._counts = ui.label()
                self._problem = ui.label().classes("warning").props("role=status")
                with ui.element("div").classes("acts"):
                    self._sign = ui.button("SIGN IT", on_click=self._signed, color=None).classes("approve")
                    ui.button("CANCEL", on_click=lambda: self._close(), color=None)
        self._sheet.set_visibility(False)

    def _open(self, offer: Offer) -> None:
        self._offer, self._changed_at, self._missing_at = offer, -_CHANGED, -_CHANGED
        self._seen = self._desk.view().basis
        self._chosen = [field.begins or (field.values[0] if field.values else "") for field in offer.fields]
        self._title.set_text(f"{offer.title}: look at the robot, then sign")
        self._place.clear()
        with self._place:
            for index, field in enumerate(offer.fields):
                self._make(index, field)
            self._reason = ui.input("Reason (has to be typed)" if offer.asks_reason else "Reason")
            self._reason.props(f"maxlength={LONGEST_REASON} outlined autocomplete=off")
        self._sheet.set_visibility(True)

    def _make(self, index: int, field: Field) -> None:
        if not field.values:
            text = ui.input(field.name, value=field.begins).props("maxlength=40 outlined autocomplete=off")
            text.on_value_change(lambda event: self._choose(index, str(event.value or "")))
            return
        make_select(field.name, field.values, "", lambda value: self._choose(index, value))

    def _choose(self, index: int, value: str) -> None:
        if index < len(self._chosen):
            self._chosen[index] = value[:40]

    def _close(self) -> None:
        self._offer = None
        self._sheet.set_visibility(False)

    def update(self, view: View, held: Session | None) -> None:
        """Show what may be done now, and what the open act would do."""
        allowed = [held is not None and may(one, held.person.role) for one, _ in self._buttons]
        for (_, button), one in zip(self._buttons, allowed, strict=True):
            button.set_visibility(one)
        self._box.set_visibility(any(allowed))
        offer, now = self._offer, time.monotonic()
        if offer is None:
            return
        if held is None or not may(offer, held.person.role):
            self._close()
            return
        if view.basis != self._seen:
            self._changed_at = -_CHANGED if offer.takes_away else now
            self._seen = view.basis
        status = self._desk.heard.status
        self._words.set_text(words_of(offer, tuple(self._chosen), status))
        known = (
            "It counts for what you see now" if not offer.takes_away else "It counts whatever the robot does meanwhile"
        )
        self._counts.set_text(f"{known}: {view.state}. {view.cause}")
        problem = (
            "" if view.basis is not None else "what is shown is stale, or not to be trusted: nothing can be signed"
        )
        if not problem and now - self._changed_at < _CHANGED:
            problem = "the state has changed: look again, then sign"
        if not problem and now - self._missing_at < _CHANGED:
            problem = self._missing
        tell(self._problem, problem)
        self._sign.set_enabled(view.basis is not None and now - self._changed_at >= SETTLES)

    async def _signed(self) -> None:
        offer, seen = self._offer, self._seen
        if offer is None or seen is None or time.monotonic() - self._changed_at < SETTLES:
            return
        chosen, reason = tuple(self._chosen), str(self._reason.value or "")
        if missing := lacks(offer, chosen, reason):
            self._missing, self._missing_at = f"nothing was signed: {missing}", time.monotonic()
            return
        self._close()  # a double click signs once
        await self._do(offer.act, target_of(offer, chosen), seen, reason)
