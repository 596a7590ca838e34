"""Pages without script for people who are logged in: what has happened, one event, rights to take away."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from safety_supervisor.panel import events_plain
from safety_supervisor.panel.agents import make_agents
from safety_supervisor.panel.desk import Desk
from safety_supervisor.panel.offered import may, offers
from safety_supervisor.panel.rights_plain import rights_page
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

    async def rights(request: Request) -> Response:
        cookie, held = look(request)
        if held is None:
            return RedirectResponse("/login?plain=1", 303)
        view, heard = desk.view(), desk.heard
        agents = make_agents(desk.configuration, heard.status, heard.status_at is not None, view.stale)
        grants = [one for one in heard.waiting if one.get("kind") == "grant"] if view.waiting_known else []
        offered = [one for one in offers(desk.configuration) if one.takes_away and may(one, held.person.role)]
        return html(rights_page(view, agents, grants, offered, tokens.make(cookie)))

    app.add_route("/rights", rights, methods=["GET"])
    app.add_route("/events", events, methods=["GET"])
    app.add_route("/event/{number}", event, methods=["GET"])
