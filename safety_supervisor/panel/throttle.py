"""How often passwords may be tried, by name and by address (REDTEAM 23). Pure: the time is given.

Each try counts when it begins, so that many at once are no way around. STOP knows nothing of all this.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from safety_supervisor.core.units import NS_PER_S, Nanoseconds

LONGEST: Final[Nanoseconds] = 60 * NS_PER_S
"""Longest wait between two tries, [ns]."""
MEMORY: Final[Nanoseconds] = 600 * NS_PER_S
"""A name or address without tries for so long begins anew, [ns]."""
FREE_OF_NAME: Final = 3
FREE_OF_ADDRESS: Final = 10
"""Tries without a wait."""
MOST: Final = 1024
"""Names and addresses that are remembered. Where it is full nobody logs in until one is forgotten."""


@dataclass
class _Tries:
    count: int = 0
    last: Nanoseconds = 0


class Throttle:
    """Remembers tries."""

    def __init__(self) -> None:
        """Nobody has tried anything yet."""
        self._tries: dict[Hashable, _Tries] = {}

    def begin(self, name: str, address: str, now: Nanoseconds) -> Nanoseconds:
        """Begin a try; or return how long to wait for the next one, [ns]: then this one does not take place."""
        self._forget(now)
        keys = ((("name", name), FREE_OF_NAME), (("address", address), FREE_OF_ADDRESS))
        waits = [self._wait(key, free, now) for key, free in keys]
        if len(self._tries) + sum(key not in self._tries for key, _ in keys) > MOST:
            waits.append(LONGEST)
        if wait := max(waits):
            return wait
        for key, _ in keys:
            tries = self._tries.setdefault(key, _Tries())
            tries.count, tries.last = tries.count + 1, now
        return 0

    def succeeded(self, name: str, address: str) -> None:
        """Forget the tries of a name whose password was right; of its address this one only."""
        self._tries.pop(("name", name), None)
        tries = self._tries.get(("address", address))
        if tries is not None:
            tries.count -= 1

    def _wait(self, key: Hashable, free: int, now: Nanoseconds) -> Nanoseconds:
        tries = self._tries.get(key)
        if tries is None or tries.count < free:
            return 0
        pause = min(LONGEST, NS_PER_S << min(tries.count - free, 10))
        return max(0, tries.last + pause - now)

    def _forget(self, now: Nanoseconds) -> None:
        for key in [key for key, tries in self._tries.items() if now - tries.last > MEMORY]:
            del self._tries[key]
