"""What makes a token fresh: a nonce that was shown not long ago, and an id that was not used since (REDTEAM 16).

Time is steady time. A nonce counts for 30 s after it was shown for the last time; another one is shown every 10 s. Each
source's ids are remembered as long as the nonce that they came with counts, and no memory grows: a source that has
used too many is refused until old ones age out, never forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.units import NS_PER_S, Nanoseconds

VALID: Final[Nanoseconds] = 30 * NS_PER_S
"""How long a nonce counts after it was shown for the last time."""
ROTATION: Final[Nanoseconds] = 10 * NS_PER_S
"""How long one is shown."""
MOST_IDS: Final = 256
"""Ids of a source that are remembered."""


class Freshness:
    """Shows nonces, and takes each id once.

    Args:
        draw: makes a nonce that nobody can guess.
    """

    def __init__(self, draw: Callable[[], str]) -> None:
        """Begin with nothing shown: no token is fresh."""
        self._draw = draw
        self._shown: dict[str, Nanoseconds] = {}
        self._newest = ""
        self._since: Nanoseconds = 0
        self._used: dict[str, dict[str, str]] = {}
        self._counts: dict[str, tuple[int, Nanoseconds]] = {}

    def show(self, now: Nanoseconds) -> str:
        """Return the nonce to show now; tokens that carry it are fresh from here on."""
        if not self._newest or now - self._since >= ROTATION:
            self._newest, self._since = self._draw(), now
        self._shown[self._newest] = now
        self._forget(now)
        return self._newest

    def consume(self, source: str, jti: str, nonce: str, now: Nanoseconds) -> Violation | None:
        """Use the id of a verified token up; or say why the token does not count.

        Args:
            source: whose token.
            jti: its id.
            nonce: that it carries.
            now: when it would act, steady clock, [ns]; not when it was received.
        """
        self._forget(now)
        if nonce not in self._shown:
            return Violation(Code.TOKEN_NONCE, "token.nonce", detail="not shown by this boot within the last 30 s")
        used = self._used.setdefault(source, {})
        if jti in used:
            return Violation(Code.TOKEN_USED, "token.jti")
        if len(used) >= MOST_IDS:
            return Violation(Code.TOKEN_FULL, "token.jti", float(len(used)), float(MOST_IDS))
        used[jti] = nonce
        return None

    def consume_count(self, source: str, count: int, nonce: str, now: Nanoseconds) -> Violation | None:
        """Use the count of a verified beat up, and all below it; or say why the beat does not count.

        A source's count is remembered until every nonce with which an earlier beat can have been made is old.
        """
        self._forget(now)
        if nonce not in self._shown:
            return Violation(Code.TOKEN_NONCE, "token.nonce", detail="not shown by this boot within the last 30 s")
        self._counts = {one: kept for one, kept in self._counts.items() if now - kept[1] <= ROTATION + VALID}
        last, _ = self._counts.get(source, (-1, now))
        if count <= last:
            return Violation(Code.TOKEN_COUNT, "token.count", float(count), float(last))
        self._counts[source] = count, now
        return None

    def _forget(self, now: Nanoseconds) -> None:
        """Forget nonces that no longer count, and the ids that came with them."""
        old = {nonce for nonce, last in self._shown.items() if now - last > VALID}
        if not old:
            return
        for nonce in old:
            del self._shown[nonce]
        self._used = {
            source: {jti: nonce for jti, nonce in used.items() if nonce not in old}
            for source, used in self._used.items()
        }
