"""The policy client, `python -m safety_supervisor.ros.policy_client URL SECONDS`: asks the policy server by HTTP.

A process of its own, so that no name that is looked up, no connection and no server holds the control process. Each
question is a POST by OPA's data API over a connection of its own: to that URL alone, no proxy, no redirect, no word
after its time. An answer is read strictly; whether the configuration knows the verdict is the core's to judge.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import msgspec

from safety_supervisor.ros.frames import FrameBuffer, PolicyReply, PolicyRequest, encode_frame
from safety_supervisor.ros.process import die_with_parent, write_all
from safety_supervisor.ros.text import escape

LONGEST_BODY: Final = 64 * 1024
"""Bytes of an answer."""
LONGEST_ERROR: Final = 200
MOST_ASKED: Final = 32
"""Questions on their way at once."""

_CODE: Final = re.compile(r"E_POLICY_[A-Z0-9_]{1,40}")
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


class PolicyServerError(Exception):
    """There is no verdict, and why."""


def verdict_of(body: bytes) -> str:
    """Read the body of an answer; return `allow`, `deny("CODE")` or `approve("KIND")`.

    Raises:
        PolicyServerError: it is anything else.
    """
    try:
        answer = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise PolicyServerError(f"the answer is no JSON: {error}") from None
    if type(answer) is not dict or not answer.keys() <= {"result", "decision_id"}:
        raise PolicyServerError("the answer is not an object of `result`, and of `decision_id` at most")
    if "result" not in answer:
        raise PolicyServerError("the answer has no `result`: the server has no such rule, or it is undefined")
    match answer["result"]:
        case "allow":
            return "allow"
        case {"deny": str(code), **rest} if not rest and _CODE.fullmatch(code):
            return f'deny("{code}")'
        case {"approve": str(kind), **rest} if not rest and _KIND.fullmatch(kind):
            return f'approve("{kind}")'
    raise PolicyServerError(f"the result is no verdict: {json.dumps(answer['result'])}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


class PolicyClient:
    """Asks one URL.

    Args:
        url: as the configuration's checks allow it.
        timeout: for all of a question, [s].
    """

    def __init__(self, url: str, timeout: float) -> None:
        """Read certificates, where the server needs one; connect to nothing."""
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path or "/"
        self._timeout = timeout
        self._context = ssl.create_default_context() if parts.scheme == "https" else None

    def ask(self, facts: str) -> str:
        """Return the verdict on facts, a JSON object.

        Raises:
            PolicyServerError: there is none, or it came too late.
        """
        ends = time.monotonic() + self._timeout
        connection, cut = self._connection(), None
        late = f"no answer within {self._timeout:g} s"
        try:
            connection.connect()
            cut = threading.Timer(max(0.0, ends - time.monotonic()), _cut, (connection.sock,))
            cut.daemon = True
            cut.start()
            headers = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
            connection.request("POST", self._path, f'{{"input":{facts}}}'.encode("ascii"), headers)
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise PolicyServerError(f"the server says {response.status} {response.reason}")
            body = response.read(LONGEST_BODY + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            said = late if time.monotonic() >= ends else f"{type(error).__name__}: {error}"
            raise PolicyServerError(said) from None
        finally:
            if cut is not None:
                cut.cancel()
            connection.close()
        if time.monotonic() >= ends:
            raise PolicyServerError(late)
        if len(body) > LONGEST_BODY:
            raise PolicyServerError(f"the answer is longer than {LONGEST_BODY} bytes")
        return verdict_of(body)

    def _connection(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._context)


def _cut(sock: socket.socket) -> None:
    """End a connection whose server says a word now and then: each single one of them would be in time."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def answer(ask: Callable[[str], str], question: PolicyRequest) -> PolicyReply:
    """Ask, and say what came of it, whatever that was."""
    try:
        return PolicyReply(question.number, ask(question.facts))
    except PolicyServerError as error:
        return PolicyReply(question.number, "", escape(str(error)[:LONGEST_ERROR]))
    except Exception as error:
        return PolicyReply(question.number, "", escape(f"{type(error).__name__}: {error}"[:LONGEST_ERROR]))


def serve(source: int, sink: int, client: PolicyClient) -> None:
    """Answer every question until the other end closes; each in a thread, so that one waits for no other."""
    buffer, encoder = FrameBuffer(), msgspec.msgpack.Encoder()
    requests = msgspec.msgpack.Decoder(list[PolicyRequest])
    writing, places = threading.Lock(), threading.BoundedSemaphore(MOST_ASKED)

    def tell(reply: PolicyReply) -> None:
        with writing, contextlib.suppress(BrokenPipeError):
            write_all(sink, encode_frame(encoder.encode(reply)))

    def run(question: PolicyRequest) -> None:
        try:
            reply = answer(client.ask, question)
        finally:
            places.release()
        tell(reply)

    while data := os.read(source, 1 << 16):
        buffer.feed(data)
        while (frame := buffer.next()) is not None:
            for question in requests.decode(frame):
                if not places.acquire(blocking=False):
                    tell(PolicyReply(question.number, "", f"{MOST_ASKED} questions wait for the server"))
                    continue
                try:
                    threading.Thread(target=run, args=(question,), daemon=True).start()
                except RuntimeError as error:  # the system has none to spare
                    places.release()
                    tell(PolicyReply(question.number, "", str(error)))


def main() -> None:
    """Run until the parent ends."""
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(0, 1, PolicyClient(sys.argv[1], float(sys.argv[2])))


if __name__ == "__main__":
    main()
