"""The list of events on the live page: chosen, paused, and each opened with all that was told of it.

A fixed number of lines, whose texts change: whatever comes, an update costs the same, and there are two a second at
most.
"""

from __future__ import annotations

import time
from typing import Any, Final

from nicegui import ui

from safety_supervisor.panel import events_plain
from safety_supervisor.panel.elements import make_pair, make_select, make_title, tell
from safety_supervisor.panel.events import (
    OTHERS,
    STATE,
    SUPERVISOR,
    VERDICTS,
    Choice,
    Event,
    EventLog,
    headline,
    numbers_of,
)
from safety_supervisor.panel.view import cure_of, meaning_of

LINES: Final = 25
APART: Final = 0.5
"""Between two updates of the list, [s]."""
_ANY: Final = "(any)"


class EventsBox:
    """One page's list.

    Args:
        log: of all events.
    """

    def __init__(self, log: EventLog) -> None:
        """Make the elements; nothing of the list is there until somebody asks for it."""
        self._log, self._choice = log, Choice()
        self._at, self._paused, self._lines = 0.0, False, list[_Line]()
        with ui.element("section").props("id=events") as self._box:
            make_title("What has happened")
            self._newest = ui.label().classes("fact")
            self._button = ui.button("SHOW EVENTS", on_click=self.toggle, color=None)
            self._place = ui.element("div")
        self._box.set_visibility(False)

    def link_to(self, of: str) -> None:
        """Make a link, where the page stands now, to all decisions of what waits under an id."""
        link = ui.element("a").props("href=#events").classes("its")
        with link:
            ui.label("its decisions, below")
        link.on("click", lambda: self.choose(Choice(of=of)), [])

    def choose(self, choice: Choice) -> None:
        """Show those events, and no others."""
        self._choice = choice
        if self._lines:
            self.toggle()
        self.toggle()

    def toggle(self) -> None:
        """Show the list, or show it no more."""
        shows = not self._lines
        self._button.set_text("HIDE EVENTS" if shows else "SHOW EVENTS")
        self._place.clear()
        self._lines, self._paused = [], False
        if shows:
            with self._place:
                self._make()
            self._refresh()

    def _make(self) -> None:
        with ui.element("div").classes("choice"):
            self._make_choice("source", (*self._log.sources, SUPERVISOR, OTHERS), self._choice.source)
            self._make_choice("verdict", (*VERDICTS, STATE), self._choice.verdict)
            text = ui.input("code or text", value=self._choice.text).props("maxlength=80 outlined autocomplete=off")
            text.on_value_change(lambda event: self._choose_one("text", str(event.value or "")))
            self._pause = ui.button("PAUSE", on_click=self._toggle_pause, color=None).classes("small")
        self._of = ui.label().classes("fact")
        self._all = ui.button("ALL EVENTS", on_click=lambda: self.choose(Choice()), color=None).classes("small")
        self._cut = ui.label().classes("warning")
        self._count = ui.label()
        with ui.element("div").classes("sheet") as self._sheet:
            self._text = ui.element("dl").classes("fields")
            ui.button("CLOSE", on_click=self._close, color=None).classes("small")
        self._sheet.set_visibility(False)
        with ui.element("ul").classes("events"):
            self._lines = [_Line(self._look_at) for _ in range(LINES)]

    def _make_choice(self, name: str, values: tuple[str, ...], chosen: str) -> None:
        make_select(name, (_ANY, *values), chosen or _ANY, lambda value: self._choose_one(name, value))

    def _choose_one(self, name: str, value: str) -> None:
        self._choice = self._choice._replace(**{name: "" if value == _ANY else value[:80]})
        self._refresh()

    def _toggle_pause(self) -> None:
        self._paused = not self._paused
        self._pause.set_text("GO ON" if self._paused else "PAUSE")

    def update(self, visible: bool) -> None:
        """Show what has come; `visible` for people who are logged in."""
        self._box.set_visibility(visible)
        if not visible:
            if self._lines:
                self.toggle()
            self._newest.set_text("")
            return
        if time.monotonic() - self._at < APART:
            return
        self._at, now = time.monotonic(), time.monotonic_ns()
        latest = self._log.choose(Choice(), 1)[0]
        self._newest.set_text(headline(latest[0], now) if latest else "nothing was heard yet")
        if self._lines and not self._paused:
            self._refresh()

    def _refresh(self) -> None:
        now = time.monotonic_ns()
        events, count = self._log.choose(self._choice, LINES)
        for line, event in zip(self._lines, [*events, *[None] * (LINES - len(events))], strict=True):
            line.show(event, now)
        of = self._choice.of
        tell(self._of, f"decisions of {of} alone" if of else "")
        self._all.set_visibility(self._choice != Choice())
        tell(self._cut, events_plain.cut_words(self._log, now))
        self._count.set_text(f"{len(events)} of {count}, newest first" if count else "nothing of this kind is kept")

    def _look_at(self, number: int) -> None:
        event = self._log.find(number)
        self._text.clear()
        with self._text:
            if event is None:
                make_pair("event", "it is not kept any more")
            else:
                for name, text in events_plain.details(event, time.monotonic_ns()):
                    make_pair(name, text)
                with ui.element("div"), ui.element("dt"):
                    ui.link("a page of its own", f"/event/{event.number}", new_tab=True)
        self._sheet.set_visibility(True)

    def _close(self) -> None:
        self._sheet.set_visibility(False)
        self._text.clear()


class _Line:
    """One line of the list, and what it shows now."""

    def __init__(self, opened: Any) -> None:
        self._number = 0
        with ui.element("li") as self._item:
            with ui.element("a") as self._link:
                self._head = ui.label()
            self._numbers, self._means = ui.label(), ui.label()
        self._link.on("click.prevent", lambda: opened(self._number), [])
        self._item.set_visibility(False)

    def show(self, event: Event | None, now: int) -> None:
        self._item.set_visibility(event is not None)
        if event is None:
            return
        if event.number != self._number:
            self._number = event.number
            self._link.props(f"href=/event/{event.number}")
        self._head.set_text(headline(event, now))
        tell(self._numbers, numbers_of(event))
        tell(self._means, " ".join(part for part in (meaning_of(event.code), cure_of(event.code)) if part))
