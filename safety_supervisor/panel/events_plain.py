"""Pages without script about what has happened: the list, and each event with all that was told. Text is escaped."""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import urlencode

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.panel.events import (
    OTHERS,
    STATE,
    SUPERVISOR,
    VERDICTS,
    Choice,
    Event,
    EventLog,
    ago_words,
    headline,
)
from safety_supervisor.panel.plain import STOP, make_page
from safety_supervisor.panel.view import cure_of, meaning_of

MOST_SHOWN: Final = 100
CUT: Final = "More decisions came at once than are read: some may be missing here"
_LONGEST_TEXT: Final = 80


def choice_of(fields: dict[str, str]) -> Choice:
    """Return what a query asks for; what is too long is cut."""
    return Choice(*(fields.get(name, "")[:_LONGEST_TEXT] for name in Choice._fields))


def cut_words(log: EventLog, now: Nanoseconds) -> str:
    """Say that decisions are missing, and since when; empty where none are."""
    return "" if log.cut_at is None else f"{CUT}, last {ago_words(log.cut_at, now)}."


def details(event: Event, now: Nanoseconds) -> list[tuple[str, str]]:
    """Return all that is known of an event, as name and text."""
    told = [
        ("event", str(event.number)), ("happened last", ago_words(event.last, now)),
        ("happened first", ago_words(event.first, now)), ("how often", str(event.times)), ("message", event.words),
        ("means", meaning_of(event.code)), ("what to do", cure_of(event.code)), ("waited as", event.of),
        ("boot of the supervisor", event.boot),
    ]  # fmt: skip
    return [(name, text) for name, text in told if text] + [
        (f"field {name}", text) for name, text in event.fields.items()
    ]


def events_page(log: EventLog, choice: Choice, now: Nanoseconds) -> str:
    """Return the newest events that are chosen, with a form to choose others."""
    events, count = log.choose(choice, MOST_SHOWN)
    rows = "".join(
        f'<li><a href="/event/{event.number}">{escape(headline(event, now))}</a>'
        f"<div>{escape(meaning_of(event.code))}</div></li>"
        for event in events
    )
    sources = _select("source", (*log.sources, SUPERVISOR, OTHERS), choice.source)
    verdicts = _select("verdict", (*VERDICTS, STATE), choice.verdict)
    cut = cut_words(log, now)
    body = (
        f"{STOP}<h1>What has happened</h1>"
        f'<form class="choice" method="get" action="/events">{sources}{verdicts}'
        f'<label>code or text <input name="text" maxlength="{_LONGEST_TEXT}" value="{escape(choice.text)}"></label>'
        f'{_of(choice)}<button type="submit">Choose</button></form>'
        f"{f'<p class=warning>{escape(cut)}</p>' if cut else ''}"
        f"<p>{len(events)} of {count}, newest first, as of when this page was asked for. "
        f'<a href="/events?{escape(urlencode(choice._asdict()))}">Ask again</a></p>'
        f'<ul class="events">{rows or "<li>nothing</li>"}</ul><p><a href="/plain">State</a></p>'
    )
    return make_page("events", body)


def event_page(event: Event, now: Nanoseconds) -> str:
    """Return one event with all that was told of it."""
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in details(event, now))
    of = (
        f'<p><a href="/events?{escape(urlencode({"of": event.of}))}">all decisions of {escape(event.of)}</a></p>'
        if event.of
        else ""
    )
    return make_page(
        f"event {event.number}",
        f"{STOP}<h1>{escape(headline(event, now))}</h1>"
        f'<dl class="fields">{rows}</dl>{of}<p><a href="/events">All events</a> <a href="/plain">State</a></p>',
    )


def no_event_page(number: str) -> str:
    """Say that an event is not kept."""
    name = number if number.isascii() and number.isdigit() and len(number) < 16 else "of that number"
    words = f"Event {name} is not kept here: only the newest are, and none from before the panel was started."
    return make_page(
        "no event",
        f'{STOP}<p class="warning">{escape(words)}</p>'
        '<p><a href="/events">All events</a> <a href="/plain">State</a></p>',
    )


def _of(choice: Choice) -> str:
    if not choice.of:
        return ""
    return f'<label>waited as <input name="of" maxlength="{_LONGEST_TEXT}" value="{escape(choice.of)}"></label>'


def _select(name: str, values: tuple[str, ...], chosen: str) -> str:
    options = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(value or "any")}</option>'
        for value in ("", *values)
    )
    return f'<label>{name} <select name="{name}">{options}</select></label>'
