"""How the panel's cookies are set and read: over TLS as `__Host-`, which no other name and no plain page can set."""

from __future__ import annotations

from typing import Final, Literal

from fastapi import Request
from fastapi.responses import Response

SESSION: Final = "panel_session"
"""Who is logged in: an id of `sessions.py`."""
FORM: Final = "panel_form"
"""Binds the form of a login to this browser."""
FLOW: Final = "panel_flow"
"""What a login at the provider began with, sealed."""


def _name(request: Request, base: str) -> str:
    # By the line itself: no header of a proxy is believed.
    return f"__Host-{base}" if request.url.scheme == "https" else base


def read(request: Request, base: str) -> str:
    """Return a cookie's value; empty where there is none."""
    return request.cookies.get(_name(request, base), "")


def put(
    request: Request, response: Response, base: str, value: str, same_site: Literal["strict", "lax"] = "strict"
) -> None:
    """Set a cookie, until the browser is closed; an empty value removes it."""
    name, secure = _name(request, base), request.url.scheme == "https"
    if value:
        response.set_cookie(name, value, path="/", secure=secure, httponly=True, samesite=same_site)
    else:
        response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite=same_site)
