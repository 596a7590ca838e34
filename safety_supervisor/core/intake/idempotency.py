"""Idempotency keys: the same command sent twice moves the robot once.

A key that came before with the same body gets the first result again; with another body it is a conflict. The number
of keys is bounded, so that a flood of them can not fill the memory, and they age by the steady clock.
REDTEAM rows 13 to 15.
"""

from __future__ import annotations

from dataclasses import dataclass

from safety_supervisor.core.effects import Verdict
from safety_supervisor.core.errors import Code
from safety_supervisor.core.units import Nanoseconds


@dataclass(frozen=True, slots=True)
class Earlier:
    """The result that a key already has."""

    verdict: Verdict
    code: str
    """Stable `E_...` code; empty for PASS."""


UNDECIDED = Earlier("WAIT", Code.BUSY.value)
"""What a repeated command is told while the first one has no result yet."""


@dataclass(slots=True, eq=False)
class _Entry:
    body: str
    command: str
    since: Nanoseconds
    result: Earlier


class IdempotencyKeys:
    """The keys of one source."""

    def __init__(self, capacity: int, lifetime: Nanoseconds) -> None:
        """Start empty.

        Args:
            capacity: how many keys are remembered.
            lifetime: how long each is remembered after it first came, [ns].
        """
        self._capacity = capacity
        self._lifetime = lifetime
        self._entries: dict[str, _Entry] = {}
        self._undecided: dict[str, list[_Entry]] = {}

    @property
    def undecided(self) -> bool:
        """Whether any command that carried a key waits for its result."""
        return bool(self._undecided)

    def judge(self, key: str, body: str, at: Nanoseconds) -> Earlier | Code | None:
        """Look a key up.

        Args:
            key: the sender's key.
            body: hash of what the command says.
            at: receipt time, steady clock, [ns].

        Returns:
            The first result of the same command; KEY_CONFLICT when the key came with another body; KEYS_FULL when it
            is new and there is no room; None when it is new.
        """
        self._forget(at)
        entry = self._entries.get(key)
        if entry is None:
            return Code.KEYS_FULL if len(self._entries) >= self._capacity else None
        return entry.result if entry.body == body else Code.KEY_CONFLICT

    def open(self, key: str, body: str, command: str, at: Nanoseconds) -> None:
        """Take up a new key, whose command has no result yet."""
        entry = _Entry(body, command, at, UNDECIDED)
        self._entries[key] = entry
        self._undecided.setdefault(command, []).append(entry)

    def refuse(self, key: str, code: Code) -> None:
        """Store that the command of a key was refused."""
        entry = self._entries[key]
        self._take_out(entry)
        entry.result = Earlier("REJECT", code.value)

    def close(self, command: str, result: Earlier) -> None:
        """Store the result of a command; nothing happens when it carried no key or has its result already."""
        for entry in self._undecided.pop(command, ()):
            entry.result = result

    def _forget(self, at: Nanoseconds) -> None:
        """Drop keys that have aged out; the oldest come first."""
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if at - entry.since < self._lifetime:
                return
            del self._entries[key]
            self._take_out(entry)

    def _take_out(self, entry: _Entry) -> None:
        """Wait no longer for an entry's result."""
        waiting = self._undecided.get(entry.command, [])
        if entry in waiting:
            waiting.remove(entry)
            if not waiting:
                del self._undecided[entry.command]
