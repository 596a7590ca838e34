"""How many lines a browser, or whoever plays one, may hold open: STOP has to get in whatever else is open (REDTEAM 23).

Nobody is refused for want of room: where it is full, whoever holds most loses the oldest. So many lines from one
address cost that address alone. A line on which no whole request has come in time is closed.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Container, Iterable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST: Final = 512
"""Lines at one time, live pages with theirs."""
WHOLE: Final = 10.0
"""A request has come to its end that long after its line was opened, or after the answer before it, [s]."""
LONGEST_HEADER: Final = 16384
"""Of a request, [bytes]."""
LONGEST_MESSAGE: Final = 65536
"""Over a live page's websocket, [bytes]."""
MOST_PAGES: Final = 48
"""Live pages at one time, each with timers and elements of its own."""
PAGES_OF_ADDRESS: Final = 24
_FILES: Final = 4096
_NO_PAGE: Final = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def options() -> dict[str, Any]:
    """Return what uvicorn has to be told, and see to it that the process may have the files open that it takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES if hard < 0 else min(_FILES, hard), hard))
    return {
        "http": Line,
        "h11_max_incomplete_event_size": LONGEST_HEADER,
        "ws_max_size": LONGEST_MESSAGE,
        "backlog": _FILES,  # a line that finds no place there is tried again after a second, then after three
        "log_level": "critical",  # a line of a log for each bad request would be a way to slow the panel down
        "proxy_headers": False,
        "server_header": False,
    }


def crowded(address: str, pages: Iterable[str]) -> bool:
    """Whether an address gets the page without scripts instead of one live page more.

    Args:
        address: that asks.
        pages: address of each live page that there is.
    """
    counts = Counter(pages)
    return counts.total() >= MOST_PAGES or counts[address] >= PAGES_OF_ADDRESS


class Allowance:
    """So many at once, and so many more each second.

    Args:
        most: at once.
        per_second: more.
    """

    def __init__(self, most: float, per_second: float) -> None:
        """All are there."""
        self._most, self._per_second, self._left, self._at = most, per_second, most, 0.0

    def take(self, now: float) -> bool:
        """Take one; return whether there was one. `now` is the steady clock, [s]."""
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Lines:
    """The lines that are open, in the order in which they were opened."""

    def __init__(self, most: int = MOST) -> None:
        """None is."""
        self._most = most
        self._open: MutableMapping[asyncio.Transport, str] = {}
        self._held: Counter[str] = Counter()
        self._known, self._strange = Allowance(2 * MOST_PAGES, MOST_PAGES), Allowance(32, 16)
        self.pages: Container[str] = ()
        """Ids of the live pages that there are."""

    def add(self, transport: asyncio.Transport, address: str) -> None:
        """Count a line; where there are too many, cut one of whoever holds most."""
        if len(self._open) >= self._most:
            for one in [one for one in self._open if one.is_closing()]:  # as of live pages, which tell nobody
                self.remove(one)
        if len(self._open) >= self._most:
            most = max(self._held.values())
            oldest = next(one for one, held in self._open.items() if self._held[held] == most)
            self.remove(oldest)
            oldest.abort()
        self._open[transport] = address
        self._held[address] += 1

    def remove(self, transport: asyncio.Transport) -> None:
        """A line is closed."""
        address = self._open.pop(transport, None)
        if address is not None:
            self._held[address] -= 1
            if not self._held[address]:
                del self._held[address]

    def may_knock(self, page: str, now: float) -> bool:
        """Whether a websocket is opened for a page; each takes long, so few are at a time.

        Args:
            page: its id, as the browser tells it.
            now: steady clock, [s].
        """
        return (self._known if page in self.pages else self._strange).take(now)

    def __len__(self) -> int:
        """Return how many are counted."""
        return len(self._open)


LINES: Final = Lines()


class Line(H11Protocol):
    """One line. h11 takes no request that two programs could read in two ways."""

    _patience: asyncio.TimerHandle | None = None
    _whole: Any = None
    """Cycle of the last request that has come to its end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, and wait for its first request."""
        super().connection_made(transport)
        LINES.add(transport, self.client[0] if self.client else "?")
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        self._end_wait()
        LINES.remove(self.transport)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Read what has come; with a request that is whole, nobody waits for it any more."""
        super().handle_events()
        if self.cycle is not None and self.cycle is not self._whole and not self.cycle.more_body:
            self._whole = self.cycle
            self._end_wait()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the line over: it stays counted until it is closed."""
        self._end_wait()
        (page,) = parse_qs(event.target.partition(b"?")[2]).get(b"client_id", [b""])[:1]
        if LINES.may_knock(page.decode("latin-1"), time.monotonic()):
            super().handle_websocket_upgrade(event)
        else:
            self.transport.write(_NO_PAGE)
            self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._wait()
        super().on_response_complete()  # which may find the next one whole already

    def _wait(self) -> None:
        self._end_wait()
        self._patience = self.loop.call_later(WHOLE, self.transport.abort)

    def _end_wait(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
