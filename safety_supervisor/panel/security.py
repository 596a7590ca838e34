"""What stands before every request: who may ask, and what a browser may do with the answer (REDTEAM 22, 24).

STOP passes whatever asks for it: it only takes away.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

STOP: Final = "/stop"
SOCKET: Final = "/_nicegui_ws/"
LONGEST_BODY: Final = 16384
_METHODS: Final = ("GET", "HEAD", "POST")
_FORWARDED: Final = b"x-forwarded-"
_COMMON: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # with `no-referrer` browsers send `Origin: null` with our own forms
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
PLAIN_POLICY: Final = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
)
"""Of pages that are made here: no script at all."""
LIVE_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Of the page that NiceGUI makes: Vue compiles its templates in the browser, and its styles are inline."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def origins(scheme: str, names: tuple[str, ...], port: int) -> frozenset[str]:
    """Return the origins of our own pages, by the names under which browsers reach this server."""
    usual = {"http": 80, "https": 443}[scheme]
    ends = (f":{port}", "") if port == usual else (f":{port}",)
    return frozenset(
        f"{scheme}://{f'[{name}]' if ':' in name else name}{end}".lower() for name in names for end in ends
    )


def refusal(kind: str, method: str, path: str, host: str, origin: str, length: str, known: frozenset[str]) -> str:
    """Say why a request is refused; empty where it passes.

    Args:
        kind: `http` or `websocket`.
        method: of HTTP.
        path: asked for.
        host: header, empty where there is none.
        origin: likewise.
        length: header `Content-Length`, likewise.
        known: our own origins.
    """
    if kind == "http" and method == "POST" and path == STOP:
        return ""
    if not any(one.partition("://")[2] == host.lower() for one in known):
        return "this panel is not called so: Host"
    if kind == "websocket":
        return "" if origin.lower() in known else "no page of this panel: Origin"
    if path.startswith(SOCKET):
        return "the page speaks over a websocket and nothing else"
    if method not in _METHODS:
        return "no such method"
    if method == "POST":
        if origin.lower() not in known:
            return "no page of this panel: Origin"
        if not length.isascii() or not length.isdigit() or len(length) > 9 or int(length) > LONGEST_BODY:
            return "no form of this panel: Content-Length"
    return ""


class Gate:
    """Wraps the whole application.

    Args:
        inner: the application.
        known: our own origins.
    """

    def __init__(self, inner: Application, known: frozenset[str]) -> None:
        """Stand before it."""
        self._inner = inner
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let pass, or refuse."""
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            await self._inner(scope, receive, send)
            return
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        # No proxy is believed, and no header by which a page would change.
        scope["headers"] = [one for one in headers if not one[0].startswith(_FORWARDED) and one[0] != b"accept"]
        given = {}
        for name in (b"host", b"origin", b"content-length"):
            values = [value.decode("latin-1") for header, value in headers if header == name]
            given[name] = values[0] if len(values) == 1 else ""
        method, path = scope.get("method", ""), scope["path"]
        why = refusal(kind, method, path, given[b"host"], given[b"origin"], given[b"content-length"], self._known)
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["csp_nonce"] = nonce

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = dict(message)
                message["headers"] = _headers(list(message.get("headers", ())), nonce)
            await send(message)

        if not why:
            await self._inner(scope, receive, guarded)
        elif kind == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": why})
        else:
            body = why.encode() + b"\n"
            await guarded(
                {
                    "type": "http.response.start",
                    "status": 403,
                    "headers": [
                        (b"content-type", b"text/plain; charset=utf-8"),
                        (b"content-length", b"%d" % len(body)),
                    ],
                }
            )
            await send({"type": "http.response.body", "body": body})


def _headers(headers: list[tuple[bytes, bytes]], nonce: str) -> list[tuple[bytes, bytes]]:
    present = {name.lower() for name, _ in headers}
    html = any(name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in headers)
    added = [one for one in _COMMON if one[0] not in present]
    if b"content-security-policy" not in present:
        policy = LIVE_POLICY.format(nonce=nonce) if html else PLAIN_POLICY.format(ancestors="'none'")
        added.append((b"content-security-policy", policy.encode()))
    if b"cache-control" not in present:
        added.append((b"cache-control", b"no-store"))
    return [*headers, *added]
