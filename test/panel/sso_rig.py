"""A panel's pages with single sign-on, in this process, and providers beside it: a real one, and one that lies."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey
from panel_rig import Answer, Browser, free_port

from safety_supervisor.config.public_key import decode_base64url
from safety_supervisor.core.operator_settings import Person, Role
from safety_supervisor.core.panel_settings import OidcSettings
from safety_supervisor.panel import line
from safety_supervisor.panel.desk import Desk
from safety_supervisor.panel.key_box import Cost, write_new_box
from safety_supervisor.panel.people import People
from safety_supervisor.panel.provider import Provider
from safety_supervisor.panel.security import Gate, origins
from safety_supervisor.panel.server import Panel
from safety_supervisor.panel.sessions import Sessions
from safety_supervisor.panel.snapshot import Snapshot
from safety_supervisor.panel.sso import Sso

PASSWORDS = {"ada": "ada has a long password", "bob": "bob has a long password"}
CLIENT = "panel"
SIGNER = RSAKey.import_key(rsa.generate_private_key(65537, 2048))
OTHER = RSAKey.import_key(rsa.generate_private_key(65537, 2048))


class Heard:
    """The link: answers stops at once, and counts them."""

    def __init__(self) -> None:
        self.stops = 0
        self.snapshot = Snapshot("panda", "", {}, 0, (), None, 1, 1, 1)

    def stop(self, reason: str) -> Future[tuple[bool, str]]:
        self.stops += 1
        done: Future[tuple[bool, str]] = Future()
        done.set_result((True, ""))
        return done


class SsoPanel:
    """The panel's pages without script, behind its gate, on a port."""

    def __init__(self, directory: Path, settings: OidcSettings, port: int = 0) -> None:
        people = []
        for number, (name, password) in enumerate(PASSWORDS.items()):
            public = write_new_box(directory / f"{name}.panelkey", name, password, Cost(64, 1, 1))
            key = decode_base64url(public)
            assert key is not None
            people.append(Person(name, (Role.TECHNICIAN, Role.OPERATOR)[number], key))
        self.port, self.link = port or free_port(), Heard()
        ids = iter(range(10**6))
        self.sessions = Sessions(lambda: f"session{next(ids)}")
        configuration = SimpleNamespace(robot=SimpleNamespace(id="panda"), sha256="c" * 64)
        desk = Desk(cast(Any, configuration), cast(Any, self.link), self.sessions)
        self.sso = Sso(Provider(settings), set(PASSWORDS))
        self.pages = Panel(desk, People(people, directory), "panda", self.sso)
        gate = Gate(self.pages.application, origins("http", ("127.0.0.1", "localhost"), self.port))
        self._server = uvicorn.Server(uvicorn.Config(cast(Any, gate), port=self.port, **line.options()))
        self._thread = threading.Thread(target=self._server.run)

    @contextlib.contextmanager
    def running(self) -> Iterator[SsoPanel]:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        try:
            yield self
        finally:
            self._server.should_exit = True
            self._thread.join()
            self.pages.close()

    def provided(self, secret: str = "", **changes: Any) -> None:
        """Change the settings of the provider, and forget what is known of it."""
        provider = self.sso.provider
        provider._settings = replace(provider._settings, **changes)
        provider._secret = secret
        provider._metadata, provider._keys = (-1e9, {}), (-1e9, [])
        self.sso.required = provider._settings.required

    def browser(self) -> SsoBrowser:
        return SsoBrowser(self.port)


class SsoBrowser(Browser):
    """One that also goes to the provider."""

    def token(self, page: Answer | None = None) -> str:
        found = re.search(r'name="csrf" value="(\w+)"', (page or self.get("/login")).page)
        assert found
        return found[1]

    def begin(self) -> str:
        """Press the button; return the address of the provider to which the page leads."""
        answer = self.ask("POST", "/sso", {"csrf": self.token(), "plain": "1"})
        assert answer.status == 200, answer.text
        found = re.search(r'http-equiv="refresh" content="0; url=([^"]*)"', answer.page)
        assert found
        return found[1].replace("&amp;", "&")

    def back(self, where: str) -> Answer:
        """Go where the provider sends us."""
        url = urlsplit(where)
        assert (url.netloc, url.path) == (f"127.0.0.1:{self.port}", "/sso/back")
        return self.ask("GET", f"{url.path}?{url.query}")

    def unlock(self, page: Answer, whose: str, password: str = "", **more: str) -> Answer:
        said = password or PASSWORDS[whose]
        return self.ask("POST", "/login", {"csrf": self.token(page), "plain": "1", "password": said} | more)


class LyingProvider:
    """Says what it is told to say."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.sign: Callable[[dict[str, Any]], str] = signed
        self.delay = 0.0
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.answer: tuple[int, bytes] | None = None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append((self.path, {}))
                self.say(provider.document(self.path))

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                provider.asked.append((self.path, form))
                self.say({"id_token": provider.sign(provider.claims), "access_token": "a", "token_type": "Bearer"})

            def say(self, said: dict[str, Any]) -> None:
                time.sleep(provider.delay)
                status, body = provider.answer or (200, json.dumps(said).encode())
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def document(self, path: str) -> dict[str, Any]:
        if path == "/keys":
            return {"keys": [SIGNER.as_dict(private=False, kid="one", use="sig")]}
        ends = {"authorization_endpoint": "/go", "token_endpoint": "/token", "jwks_uri": "/keys"}
        return {"issuer": self.issuer} | {name: self.issuer + path for name, path in ends.items()} | self.metadata

    def tell(self, where: str, **changes: Any) -> str:
        """Make the claims that fit a login, but for changes; return its state."""
        asked = {name: value for name, (value,) in parse_qs(urlsplit(where).query).items()}
        now = int(time.time())
        fit = {"iss": self.issuer, "aud": CLIENT, "sub": "ada", "nonce": asked["nonce"], "iat": now, "exp": now + 60}
        self.claims = {name: value for name, value in (fit | changes).items() if value is not None}
        return asked["state"]

    def be_honest(self) -> None:
        self.metadata, self.sign, self.delay, self.answer = {}, signed, 0.0, None
        self.asked.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def signed(claims: dict[str, Any], key: RSAKey = SIGNER, kid: str = "one", **header: Any) -> str:
    return jwt.encode({"alg": "RS256", "kid": kid} | header, claims, key)
