"""The panel's web server: what is asked for, and who answers it."""

from __future__ import annotations

import asyncio
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from safety_supervisor.acts import deciding
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.panel import cookies, line, live, logged_in_pages, plain
from safety_supervisor.panel.desk import Desk, Outcome
from safety_supervisor.panel.jog_stream import Jogger
from safety_supervisor.panel.people import People
from safety_supervisor.panel.preview_scene import Stage
from safety_supervisor.panel.security import PLAIN_POLICY, Gate
from safety_supervisor.panel.sessions import FormTokens, Session
from safety_supervisor.panel.sso import BACK, Known, Refused, Sso
from safety_supervisor.panel.throttle import Throttle
from safety_supervisor.panel.view import Basis

_STATIC: Final = Path(__file__).with_name("static")
_WRONG: Final = "Name or password is wrong."
_NOT_OURS: Final = "REFUSED - this form is of no page of your login as it is now; nothing was sent. Look again."
_MOST_FIELDS: Final = 16
_MOST_SENT: Final = 256
"""Forms whose answer is remembered."""


class Panel:
    """The routes that need no script.

    Args:
        desk: does what people do.
        people: who may log in.
        robot: id.
        sso: single sign-on, where there is one.
    """

    def __init__(self, desk: Desk, people: People, robot: str, sso: Sso | None = None) -> None:
        """Make the application; `self.application` serves it."""
        self._desk, self._people, self._robot, self._sso = desk, people, robot, sso
        self.tokens = FormTokens(secrets.token_bytes(32))
        self._throttle = Throttle()
        self._sent: dict[tuple[str, str], asyncio.Future[str]] = {}
        # Two at a time: each takes 64 MiB and a core; whatever waits here keeps no stop waiting.
        self._pool = ThreadPoolExecutor(2, "panel-login")
        self.application = app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        for path, method, answer in (
            ("/stop", "POST", self._stop), ("/stop_answer", "GET", self._stop_answer), ("/plain", "GET", self._plain),
            ("/plain/{name}", "GET", self._decide), ("/login", "GET", self._login_form),
            ("/login", "POST", self._login), ("/logout", "POST", self._logout), ("/act", "POST", self._act),
        ):  # fmt: skip
            app.add_route(path, answer, methods=[method])
        logged_in_pages.add(app, desk, self.tokens, self._held, _html)
        if sso is not None:
            app.add_route("/sso", self._sso_begin, methods=["POST"])
            app.add_route(BACK, self._sso_back, methods=["GET"])
        scripts = tuple((name, "text/javascript") for name in ("panel.js", "hold.js", "jog.js", "film.js"))
        for name, kind in (("panel.css", "text/css"), *scripts):
            app.add_route(f"/{name}", _static(name, kind), methods=["GET"])

    async def _stop(self, request: Request) -> Response:
        address = request.client.host if request.client else "?"
        outcome = await self._desk.stop(f"software stop at the panel, from {address}")
        framed = request.query_params.get("framed") == "1"
        page = plain.stop_frame if framed else plain.stop_page
        return _html(page(_stop_words(outcome), outcome.ok), framed=framed)

    async def _stop_answer(self, request: Request) -> Response:
        return _html(plain.stop_frame("What came of STOP is told here.", True), framed=True)

    async def _plain(self, request: Request) -> Response:
        return self._state(request, "")

    def _state(self, request: Request, told: str, status: int = 200) -> Response:
        cookie, held = self._held(request)
        person = held.person if held else None
        page = plain.state_page(
            self._desk.view(), self._robot, person, self.tokens.make(cookie), told, self._desk.both_keys()
        )
        return _html(page, status)

    async def _decide(self, request: Request) -> Response:
        cookie, held = self._held(request)
        if held is None:
            return RedirectResponse("/login?plain=1", 303)
        view, name = self._desk.view(), request.path_params["name"]
        found = [one for one in view.waiting if one.id == name]
        if len(found) != 1:
            # What an address says is repeated only where it is a name: a link is no way to make this page say things.
            known = deciding.NAME.fullmatch(name) is not None
            ended = view.ended.get(name, "decided, expired or cancelled") if known else "nothing is called so"
            return self._state(request, f"{name if known else 'that'} waits no more: {ended}")
        return _html(plain.decision_page(found[0], view.basis, self.tokens.make(cookie)))

    async def _act(self, request: Request) -> Response:
        cookie, _ = self._held(request)
        form = await _read_form(request)
        once = form.get("once", "")
        if not self.tokens.fits(cookie, form.get("csrf", "")) or not once:
            return self._state(request, _NOT_OURS, 403)
        # A form counts once: what a double click, a reload or the back button sends again gets the first answer again.
        key, again = (cookie, once), (cookie, once) in self._sent
        if not again:
            while len(self._sent) >= _MOST_SENT:
                del self._sent[next(iter(self._sent))]
            self._sent[key] = asyncio.ensure_future(self._do(cookie, form))
        told = await asyncio.shield(self._sent[key])
        return self._state(request, f"{told} - this form was sent before, and not sent again" if again else told)

    async def _do(self, cookie: str, form: dict[str, str]) -> str:
        act, target = form.get("act", ""), form.get("target", "")
        outcome = await self._desk.act(
            cookie, act, target, _basis(form), form.get("reason", ""), form.get("sha256", "")
        )
        return f"{f'{act} {target}'.strip()}: {outcome}"

    async def _login_form(self, request: Request) -> Response:
        return self._login_page(request, "", request.query_params.get("plain") == "1")

    def _login_page(self, request: Request, told: str, back: bool, status: int = 200) -> Response:
        return self._login_page_of(
            cookies.read(request, cookies.FORM) or secrets.token_urlsafe(32), request, told, back, status
        )

    def _login_page_of(self, cookie: str, request: Request, told: str, back: bool, status: int) -> Response:
        name = self._sso.who(cookie) if self._sso else ""
        response = _html(
            plain.login_page(self.tokens.make(cookie), told, back, self._sso, name, self._desk.sessions.idle), status
        )
        cookies.put(request, response, cookies.FORM, cookie)
        return response

    async def _sso_begin(self, request: Request) -> Response:
        form = await _read_form(request)
        back = form.get("plain") == "1"
        if self._sso is None or not self.tokens.fits(cookies.read(request, cookies.FORM), form.get("csrf", "")):
            return self._login_page(request, "The form was old. Try again.", back, 403)
        begun = await self._sso.begin(request, back)
        if isinstance(begun, Refused):
            return self._login_page(request, begun.told, back, begun.status)
        response = _html(plain.away(begun[0], self._sso.provider.name))
        cookies.put(request, response, cookies.FLOW, begun[1], "lax")
        return response

    async def _sso_back(self, request: Request) -> Response:
        assert self._sso is not None
        came = await self._sso.back(request)
        # A new cookie for the form either way: whatever the browser had before was not made for this login.
        known = isinstance(came, Known)
        cookie = came.cookie if isinstance(came, Known) else secrets.token_urlsafe(32)
        told, status = ("", 200) if isinstance(came, Known) else (came.told, came.status)
        response = self._login_page_of(cookie, request, told, came.plain, status)
        if known:
            cookies.put(request, response, cookies.FLOW, "", "lax")
        return response

    async def _login(self, request: Request) -> Response:
        form, now = await _read_form(request), time.monotonic_ns()
        back = form.get("plain") == "1"
        cookie = cookies.read(request, cookies.FORM)
        if not self.tokens.fits(cookie, form.get("csrf", "")):
            return self._login_page(request, "The form was old. Try again.", back, 403)
        name, address = form.get("name", "")[:64], request.client.host if request.client else "?"
        if self._sso is not None:
            name = self._sso.who(cookie) or ("" if self._sso.required else name)
            if not name:
                return self._login_page(request, f"First log in with {self._sso.provider.name}.", back, 403)
        if wait := self._throttle.begin(name, address, now):
            return self._login_page(request, f"Too many tries: wait {-(-wait // NS_PER_S)} s.", back, 429)
        unlocked = await asyncio.get_running_loop().run_in_executor(
            self._pool, self._people.unlock, name, form.get("password", "")
        )
        if unlocked is None:
            return self._login_page(request, _WRONG, back, 403)
        self._throttle.succeeded(name, address)
        if self._sso is not None:
            self._sso.forget(cookie)
        self._desk.sessions.end(cookies.read(request, cookies.SESSION))
        session = self._desk.sessions.begin(*unlocked, time.monotonic_ns())
        if session is None:
            return self._login_page(request, "Too many people are logged in here.", back, 503)
        response = RedirectResponse("/plain" if back else "/", 303)
        cookies.put(request, response, cookies.SESSION, session)
        return response

    async def _logout(self, request: Request) -> Response:
        cookie, _ = self._held(request)
        form = await _read_form(request)
        if not self.tokens.fits(cookie, form.get("csrf", "")):
            return self._state(request, _NOT_OURS, 403)
        self._desk.sessions.end(cookie)
        response = RedirectResponse("/login", 303)
        cookies.put(request, response, cookies.SESSION, "")
        return response

    def _held(self, request: Request) -> tuple[str, Session | None]:
        cookie = cookies.read(request, cookies.SESSION)
        return cookie, self._desk.sessions.look(cookie, time.monotonic_ns())

    def close(self) -> None:
        """End the threads that try passwords."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._sso is not None:
            self._sso.provider.close()


def assemble(
    panel: Panel, desk: Desk, robot: str, known: frozenset[str], stage: Stage, jogger: Jogger | None = None
) -> Gate:
    """Return the whole application: the plain routes, the live page, and the gate before both."""
    from nicegui import Client, core, ui
    from nicegui.client import templates

    loader: Any = templates.env.loader
    source = loader.get_source

    def with_nonce(environment: Any, name: str) -> Any:
        # In the template's source, never in what was rendered: no text from data can get a nonce by this.
        text, *rest = source(environment, name)
        return text.replace("<script", '<script nonce="{{ request.state.csp_nonce }}"'), *rest

    loader.get_source = with_nonce
    live.install(desk, panel.tokens, robot, stage, jogger)
    ui.run_with(panel.application, tailwind=False, show_welcome_message=False, reconnect_timeout=5.0)
    line.LINES.pages = Client.instances
    core.app.config.socket_io_js_transports = ["websocket"]  # whose handshake has an origin

    async def bounded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/" and scope["client"]:
            pages = [one.request.client.host for one in Client.instances.values() if one.request.client]
            if line.crowded(scope["client"][0], pages):
                await RedirectResponse("/plain", 303)(scope, receive, send)
                return
        await panel.application(scope, receive, send)

    return Gate(bounded, known)


def _stop_words(outcome: Outcome) -> str:
    return ". ".join(part for part in (outcome.detail, outcome.cure) if part)


def _html(page: str, status: int = 200, framed: bool = False) -> HTMLResponse:
    ancestors = "'self'" if framed else "'none'"
    return HTMLResponse(page, status, {"Content-Security-Policy": PLAIN_POLICY.format(ancestors=ancestors)})


def _static(name: str, kind: str) -> Any:
    async def answer(request: Request) -> Response:
        return FileResponse(_STATIC / name, media_type=kind)

    return answer


async def _read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; the gate has bounded its length. A field twice, or no form: nothing."""
    try:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else {}


def _basis(form: dict[str, str]) -> Basis | None:
    epoch = form.get("epoch", "")
    if not epoch.isascii() or not epoch.isdigit() or len(epoch) > 15:
        return None
    return Basis(form.get("boot", ""), int(epoch), form.get("configuration", ""))
