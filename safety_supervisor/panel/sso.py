"""Single sign-on: the provider says who sits here; what signs is still the person's own key, opened by its password.

POST /sso       a login begins: state, nonce and PKCE verifier go, sealed, into a cookie of this browser
GET /sso/back   the provider's answer, for that cookie once; then the password of that one person is asked for
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import time
from collections.abc import Container
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from fastapi import Request

from safety_supervisor.config.public_key import decode_base64url, encode_base64url
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.panel import cookies
from safety_supervisor.panel.id_token import TokenRefusedError, subject
from safety_supervisor.panel.provider import Provider, ProviderError, error_code

"""`SameSite=Lax`: it has to come along when the provider sends the browser back. It proves nothing by itself."""
BACK: Final = "/sso/back"
LASTS: Final[Nanoseconds] = 600 * NS_PER_S
"""Between the begin of a login and the provider's answer at most, [ns]."""
WAITS: Final[Nanoseconds] = 300 * NS_PER_S
"""Between that answer and the password at most, [ns]."""
_MOST: Final = 256
_LOG: Final = logging.getLogger("safety_supervisor.panel")


class Refused(NamedTuple):
    """Why nobody is known now."""

    told: str
    status: int
    plain: bool


class Known(NamedTuple):
    """Who the provider says it is; the form's cookie that stands for it."""

    name: str
    cookie: str
    plain: bool


class Flow(NamedTuple):
    """A login that has begun."""

    state: str
    nonce: str
    verifier: str
    redirect: str
    plain: bool
    until: Nanoseconds


class Sso:
    """The provider's part of logins.

    Args:
        provider: is asked.
        people: names of those who may log in.
    """

    def __init__(self, provider: Provider, people: Container[str]) -> None:
        """Nobody is known yet."""
        self.provider = provider
        self.required = provider.settings.required
        self._people = people
        self._seal = ChaCha20Poly1305(ChaCha20Poly1305.generate_key())
        self._used: dict[str, Nanoseconds] = {}
        self._known: dict[str, tuple[str, Nanoseconds]] = {}

    async def begin(self, request: Request, plain: bool) -> tuple[str, str] | Refused:
        """Begin a login; return where the browser goes, and the value of its cookie."""
        # The name under which this browser calls us, which the gate has found to be ours.
        redirect = f"{request.url.scheme}://{request.headers['host']}{BACK}"
        state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
        flow = Flow(state, nonce, verifier, redirect, plain, time.monotonic_ns() + LASTS)
        try:
            where = await self.provider.begin(redirect, state, nonce, verifier)
        except ProviderError as error:
            return self._refuse(f"{self.provider.name} can not be asked: {error}.", 503, plain)
        return where, self._close(flow)

    async def back(self, request: Request) -> Known | Refused:
        """Judge what the provider sent the browser back with."""
        flow, now = self._open(cookies.read(request, cookies.FLOW)), time.monotonic_ns()
        pairs = parse_qsl(request.url.query, keep_blank_values=True)[:17]
        said = dict(pairs)
        state = said.get("state", "")
        if flow is None or len(said) != len(pairs) or not hmac.compare_digest(state.encode(), flow.state.encode()):
            return self._refuse("This login was not begun in this browser. Begin anew.", 403, False)
        if now > flow.until:
            return self._refuse("This login has taken too long. Begin anew.", 403, flow.plain)
        if not self._first(flow, now):
            return self._refuse("This answer of the provider was used before. Begin anew.", 403, flow.plain)
        if "error" in said or not said.get("code"):
            code = error_code(said.get("error"))
            return self._refuse(f"{self.provider.name} says no{f': {code}' if code else ''}.", 403, flow.plain)
        try:
            claims = await self.provider.finish(
                flow.redirect, said["code"], said.get("iss", ""), flow.nonce, flow.verifier
            )
            name = self._name(subject(claims, self.provider.settings.claim))
        except ProviderError as error:
            return self._refuse(f"{self.provider.name} did not say who you are: {error}.", 503, flow.plain)
        except TokenRefusedError as error:
            return self._refuse(f"What {self.provider.name} says does not count: {error}.", 403, flow.plain)
        while len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        cookie = secrets.token_urlsafe(32)
        self._known[cookie] = (name, now + WAITS)
        return Known(name, cookie, flow.plain)

    def who(self, cookie: str) -> str:
        """Return the name that the provider gave to a browser; empty for none."""
        name, until = self._known.get(cookie, ("", 0))
        return name if time.monotonic_ns() <= until else ""

    def forget(self, cookie: str) -> None:
        """It is logged in: the next login begins anew."""
        self._known.pop(cookie, None)

    def _name(self, said: str) -> str:
        people = self.provider.settings.people
        name = said if people is None else people.get(said, "")
        if name not in self._people:
            raise TokenRefusedError(f"{said[:80]!a} is nobody who may log in here")
        return name

    def _first(self, flow: Flow, now: Nanoseconds) -> bool:
        """Whether a login's answer comes for the first time; what is forgotten for want of room, the code still is."""
        for state, until in list(self._used.items()):
            if until < now or len(self._used) >= _MOST:
                del self._used[state]
        if flow.state in self._used:
            return False
        self._used[flow.state] = flow.until
        return True

    def _refuse(self, told: str, status: int, plain: bool) -> Refused:
        _LOG.warning("single sign-on: %s", told)
        return Refused(told, status, plain)

    def _close(self, flow: Flow) -> str:
        nonce = secrets.token_bytes(12)
        return encode_base64url(nonce + self._seal.encrypt(nonce, json.dumps(flow).encode(), None))

    def _open(self, cookie: str) -> Flow | None:
        sealed = decode_base64url(cookie) if cookie else None
        if sealed is None or len(sealed) < 28:
            return None
        try:
            told: Any = json.loads(self._seal.decrypt(sealed[:12], sealed[12:], None))
        except InvalidTag:
            return None
        return Flow(*told)
