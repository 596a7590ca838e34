"""Who is logged in. The unlocked key lives here and nowhere else; it ends with the session. Pure: the time is given."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety_supervisor.core.operator_settings import Person
from safety_supervisor.core.states.authority import ACTS_OF, DECISIONS
from safety_supervisor.core.units import NS_PER_S, Nanoseconds

IDLE: Final[Nanoseconds] = 600 * NS_PER_S
"""A session ends that long after the last thing that its person did, or earlier, [ns]."""
LONGEST: Final[Nanoseconds] = 12 * 3600 * NS_PER_S
"""And that long after the login, whatever was done, [ns]."""
MOST: Final = 16
"""Sessions at one time."""


@dataclass(frozen=True)
class Session:
    """A person who is logged in.

    Attributes:
        person: with the role of the configuration.
        key: private, unlocked.
        since: when it began, steady clock, [ns].
        used: when the person did something last.
    """

    person: Person
    key: Ed25519PrivateKey
    since: Nanoseconds
    used: Nanoseconds


class Sessions:
    """All sessions, by an id that only the person's browser has.

    Args:
        draw: makes an id that nobody can guess.
        idle: a session ends so long after the last thing that its person did, [ns].
    """

    def __init__(self, draw: Callable[[], str], idle: Nanoseconds = IDLE) -> None:
        """Nobody is logged in."""
        self._draw = draw
        self.idle = idle
        self._held: dict[str, Session] = {}
        self._lock = threading.Lock()

    def begin(self, person: Person, key: Ed25519PrivateKey, now: Nanoseconds) -> str | None:
        """Begin a session; return its id, None where there are too many."""
        with self._lock:
            self._forget(now)
            if len(self._held) >= MOST:
                return None
            name = self._draw()
            self._held[name] = Session(person, key, now, now)
            return name

    def look(self, name: str, now: Nanoseconds) -> Session | None:
        """Return a session that lasts; looking does not prolong it."""
        with self._lock:
            self._forget(now)
            return self._held.get(name)

    def use(self, name: str, now: Nanoseconds) -> Session | None:
        """Return a session whose person does something now, which prolongs it."""
        with self._lock:
            self._forget(now)
            held = self._held.get(name)
            if held is not None:
                held = self._held[name] = replace(held, used=now)
            return held

    def end(self, name: str) -> None:
        """Log out."""
        with self._lock:
            self._held.pop(name, None)

    def deciders(self, now: Nanoseconds) -> tuple[str, ...]:
        """Return the names of those logged in who may approve: two of them are keys that one process holds."""
        with self._lock:
            self._forget(now)
            people = {held.person.name for held in self._held.values() if ACTS_OF[held.person.role] & DECISIONS}
        return tuple(sorted(people))

    def _forget(self, now: Nanoseconds) -> None:
        for name, held in list(self._held.items()):
            if now - held.used > self.idle or now - held.since > LONGEST:
                del self._held[name]


class FormTokens:
    """What a form carries to prove that a page of ours was its origin: bound to the browser's cookie.

    Args:
        secret: of this process.
    """

    def __init__(self, secret: bytes) -> None:
        """Keep the secret."""
        self._secret = secret

    def make(self, cookie: str) -> str:
        """Return the token for pages that go to the browser with this cookie."""
        return hmac.new(self._secret, cookie.encode(), hashlib.sha256).hexdigest()

    def fits(self, cookie: str, token: str) -> bool:
        """Whether a form has come from such a page."""
        return bool(cookie) and hmac.compare_digest(self.make(cookie).encode(), token.encode("utf-8", "replace"))
