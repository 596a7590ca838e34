"""Routes of further pages without script: events, agents, and acts that take rights away."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from safety_supervisor.panel import events_plain
from safety_supervisor.panel.desk import Desk
from safety_supervisor.panel.sessions import FormTokens, Session

Look = Callable[[Request], tuple[str, Session | None]]
Html = Callable[..., Response]
_LONGEST_NUMBER = 15


def add(app: FastAPI, desk: Desk, tokens: FormTokens, look: Look, html: Html) -> None:
    """Serve them.

    Args:
        app: gets the routes.
        desk: knows what was heard.
        tokens: of forms.
        look: returns the cookie of a request and who is logged in there.
        html: makes the answer of a page.
    """

    async def events(request: Request) -> Response:
        if look(request)[1] is None:
            return RedirectResponse("/login?plain=1", 303)
        choice = events_plain.choice_of(dict(request.query_params))
        return html(events_plain.events_page(desk.events, choice, time.monotonic_ns()))

    async def event(request: Request) -> Response:
        if look(request)[1] is None:
            return RedirectResponse("/login?plain=1", 303)
        number = str(request.path_params["number"])
        whole = number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER
        found = desk.events.find(int(number)) if whole else None
        if found is None:
            return html(events_plain.no_event_page(number), 404)
        return html(events_plain.event_page(found, time.monotonic_ns()))

    app.add_route("/events", events, methods=["GET"])
    app.add_route("/event/{number}", event, methods=["GET"])


def link_to(of: str) -> str:
    """Return the address of all decisions of what waited under an id."""
    return f"/events?of={quote(of, safe='')}"
