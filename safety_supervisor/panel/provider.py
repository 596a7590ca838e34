"""Talks to the provider of single sign-on, on a thread and an event loop of its own: no stop waits for it.

Everything has a limit in time and size; no redirection is followed and no proxy of the environment asked.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import threading
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from safety_supervisor.config.bounds import open_regular
from safety_supervisor.config.panel_checks import is_loopback
from safety_supervisor.core.panel_settings import OidcSettings
from safety_supervisor.panel.id_token import Expected, TokenRefusedError, UnknownKeyError, judge

LIMIT: Final = 8.0
"""For all that one step of a login asks of the provider, [s]."""
KEPT: Final = 600.0
"""What the provider says of itself is asked anew after, [s]."""
_LONGEST: Final = 262_144
_AGAIN: Final = 10.0
"""Keys are not asked anew for a token that none of them fits within, [s]."""
_MOST: Final = 8
"""Steps at one time."""
_DISCOVERY: Final = "/.well-known/openid-configuration"
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_T = TypeVar("_T")


class ProviderError(Exception):
    """The provider could not be asked, or said no; the text says what, for people, and holds no secret."""


class Provider:
    """One provider.

    Args:
        settings: of the configuration.

    Raises:
        OSError, ValueError: a file that the settings name can not be used.
    """

    def __init__(self, settings: OidcSettings) -> None:
        """Read the files; nothing is asked yet, so that the panel starts while the provider is down."""
        self._settings = settings
        self._secret = read_secret(Path(settings.client_secret_file)) if settings.client_secret_file else ""
        self._tls = ssl.create_default_context(cafile=settings.certificates or None)
        self._metadata: tuple[float, dict[str, Any]] = (-KEPT, {})
        self._keys: tuple[float, list[dict[str, Any]]] = (-KEPT, [])
        self._running = 0
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="panel-provider", daemon=True).start()

    @property
    def name(self) -> str:
        """What people call it: its host."""
        return urlsplit(self._settings.issuer).netloc

    @property
    def settings(self) -> OidcSettings:
        """Those of the configuration."""
        return self._settings

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def begin(self, redirect: str, state: str, nonce: str, verifier: str) -> str:
        """Return the address to which the browser goes.

        Raises:
            ProviderError: see there.
        """
        return await self._apart(self._begin(redirect, state, nonce, verifier))

    async def finish(self, redirect: str, code: str, issuer: str, nonce: str, verifier: str) -> dict[str, Any]:
        """Exchange a code; return the claims of the ID token.

        Args:
            redirect: as it was when it began.
            code: that the browser brought.
            issuer: that the browser brought with it (RFC 9207), empty for none.
            nonce: of this login.
            verifier: of this login (PKCE, RFC 7636).

        Raises:
            ProviderError: see there.
            TokenRefusedError: see there.
        """
        return await self._apart(self._finish(redirect, code, issuer, nonce, verifier))

    async def _apart(self, step: Coroutine[Any, Any, _T]) -> _T:
        if self._running >= _MOST:
            step.close()
            raise ProviderError("too many logins at once")
        self._running += 1
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_limited(step), self._loop))
        finally:
            self._running -= 1

    async def _begin(self, redirect: str, state: str, nonce: str, verifier: str) -> str:
        metadata = await self._known()
        # `prompt=login`: whoever was at this screen before is not taken for who sits there now.
        uri = prepare_grant_uri(
            metadata["authorization_endpoint"], self._settings.client_id, "code", redirect, self._scope(), state,
            nonce=nonce, code_challenge=create_s256_code_challenge(verifier), code_challenge_method="S256",
            prompt="login",
        )  # fmt: skip
        return str(uri)

    def _scope(self) -> str:
        more = {"sub": "", "email": " email"}.get(self._settings.claim, " profile")
        return f"openid{more}"

    async def _finish(self, redirect: str, code: str, issuer: str, nonce: str, verifier: str) -> dict[str, Any]:
        metadata = await self._known()
        tells = metadata.get("authorization_response_iss_parameter_supported") is True
        if (issuer or tells) and issuer != self._settings.issuer:
            raise TokenRefusedError("the answer is of another provider (iss)")
        body = prepare_token_request("authorization_code", "", redirect, code=code, code_verifier=verifier)
        supported = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in supported else "client_secret_post"
        auth = ClientAuth(self._settings.client_id, self._secret, method if self._secret else "none")
        headers = {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8", "Accept": "application/json"}
        uri, headers, body = auth.prepare("POST", metadata["token_endpoint"], headers, body)
        answer = await self._ask("POST", uri, headers, body)
        token, access = answer.get("id_token"), answer.get("access_token", "")
        if not isinstance(token, str) or not isinstance(access, str):
            raise ProviderError("it gave no ID token")
        expected = Expected(self._settings.issuer, self._settings.client_id, nonce, access)
        try:
            return judge(token, await self._signing_keys(metadata, KEPT), expected, int(time.time()))
        except UnknownKeyError:
            return judge(token, await self._signing_keys(metadata, _AGAIN), expected, int(time.time()))

    async def _known(self) -> dict[str, Any]:
        asked, metadata = self._metadata
        if time.monotonic() - asked < KEPT and metadata:
            return metadata
        metadata = await self._ask("GET", self._settings.issuer.rstrip("/") + _DISCOVERY, {}, "")
        if metadata.get("issuer") != self._settings.issuer:
            raise ProviderError("it calls itself by another name than `panel.oidc.issuer`")
        for name in _ENDPOINTS:
            if not self._is_safe(metadata.get(name)):
                raise ProviderError(f"its {name} is missing, or no https URL")
        self._metadata = (time.monotonic(), metadata)
        return metadata

    async def _signing_keys(self, metadata: Mapping[str, Any], age: float) -> list[dict[str, Any]]:
        asked, keys = self._keys
        if time.monotonic() - asked < age and keys:
            return keys
        found = (await self._ask("GET", metadata["jwks_uri"], {}, "")).get("keys")
        if not isinstance(found, list):
            raise ProviderError("it has no keys")
        self._keys = (time.monotonic(), [key for key in found[:64] if isinstance(key, dict)])
        return self._keys[1]

    def _is_safe(self, url: Any) -> bool:
        try:
            parts = urlsplit(url) if isinstance(url, str) else None
            if parts is None or not parts.hostname or "@" in parts.netloc or not url.isascii() or not url.isprintable():
                return False
        except ValueError:
            return False
        # Where the issuer is on this machine, so may the rest be; and nowhere else without TLS.
        plain = self._settings.issuer.startswith("http://") and is_loopback(parts.hostname)
        return parts.scheme == "https" or (parts.scheme == "http" and plain)

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: str) -> dict[str, Any]:
        """Ask, and return the JSON object that is answered."""
        sent = body.encode() if body else None
        options: dict[str, Any] = {"verify": self._tls, "trust_env": False, "follow_redirects": False, "timeout": 5.0}
        data = b""
        async with (
            httpx.AsyncClient(**options) as client,
            client.stream(method, url, headers=dict(headers), content=sent) as answer,
        ):
            async for part in answer.aiter_bytes(65536):
                data += part
                if len(data) > _LONGEST:
                    raise ProviderError("it talks too much")
        try:
            said = json.loads(data)
        except (ValueError, RecursionError):
            said = None
        if answer.status_code != 200 or not isinstance(said, dict):
            _complain(answer.status_code, said)
        return said


def _complain(status: int, said: Any) -> NoReturn:
    code = said.get("error", "") if isinstance(said, dict) else ""
    raise ProviderError(f"it answered {status} {error_code(code)}".strip())


def error_code(said: Any) -> str:
    """Return an error of a provider as far as it is a plain code; empty otherwise."""
    plain = isinstance(said, str) and len(said) <= 64 and said.isascii() and said.replace("_", "").isalnum()
    return said if plain else ""


async def _limited(step: Coroutine[Any, Any, _T]) -> _T:
    try:
        return await asyncio.wait_for(step, LIMIT)
    except (asyncio.TimeoutError, httpx.TimeoutException):
        raise ProviderError("it does not answer in time") from None
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
        raise ProviderError(f"it can not be reached ({type(error).__name__})") from None


def read_secret(path: Path) -> str:
    """Read the client's secret.

    Raises:
        OSError: it can not be read.
        ValueError: others may read it, or it holds no secret.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise ValueError(f"{path} can be read by others: chmod 600, and have the provider make a new secret")
        text = file.read(4096).decode("ascii", "replace").strip()
    if not text or not text.isprintable() or not text.isascii() or len(text) > 1024:
        raise ValueError(f"{path} holds no secret: one line of 1 to 1024 ASCII characters")
    return text
