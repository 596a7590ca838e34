"""A policy server for tests: OPA's data API over HTTP, its rules in Rego, judged by regopy; and a bad one at will."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

RULES = Path(__file__).parents[1] / "policy"
PATH = "/v1/data/robot/verdict"


class OpaServer:
    """Answers on a port of its own.

    Attributes:
        asked: inputs that came.
        spoils: what it does with a request instead of answering it; None: it answers as OPA does.
        waits: before every answer, [s].
    """

    def __init__(self, *modules: str, port: int = 0) -> None:
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.spoils: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.waits = 0.0
        self._lock = threading.Lock()
        self._engine: Any = None
        if modules:
            regopy = pytest.importorskip("regopy", reason="the server's rules are judged by regopy")
            self._engine = regopy.Interpreter()
            for number, module in enumerate(modules):
                self._engine.add_module(f"module_{number}", module)
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server.serve(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Http(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self._http = Http(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        given = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        with self._lock:
            self.paths.append(request.path)
            self.asked.append(given["input"])
        time.sleep(self.waits)
        try:
            if self.spoils is not None:
                self.spoils(request)
            else:
                reply(request, json.dumps(self.answer(given)).encode())
        except OSError:
            request.close_connection = True  # whoever asked has gone

    def answer(self, given: dict[str, Any]) -> dict[str, Any]:
        """Answer as OPA does: a rule that is undefined leaves no `result`."""
        with self._lock:
            self._engine.set_input(given["input"])
            results = self._engine.query("data.robot.verdict").results
        found = list(results[0].expressions) if results else []
        return {"decision_id": "1", "result": plain(found[0])} if found else {}

    def close(self) -> None:
        if not self._thread.is_alive():
            return
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def plain(value: Any) -> Any:
    """Turn what regopy returns into what JSON can say."""
    if isinstance(value, str):
        return value
    return {str(key): str(value[key]) for key in value}


def reply(request: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    request.send_response(status)
    for name, text in headers.items():
        request.send_header(name.replace("_", "-"), text)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@contextmanager
def opa_server(*modules: str, port: int = 0) -> Iterator[OpaServer]:
    server = OpaServer(*modules, port=port)
    try:
        yield server
    finally:
        server.close()


def cell_server(port: int = 0) -> Any:
    """A server with the rules of the shipped policy's twin."""
    modules = ((RULES / name).read_text(encoding="utf-8") for name in ("cell.rego", "verdict.rego"))
    return opa_server(*modules, port=port)
