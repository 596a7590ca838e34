"""The whole state of a supervisor as bytes, and back into a fresh one of the same configuration and code.

Nothing is named by hand, so that nothing can be forgotten: every object that can be reached from the supervisor is
looked at. What a fresh supervisor has, too (the *fixtures*: it is built alike from the same configuration, so that the
same walk meets the same objects in the same order), is told by its number and only where it differs from the fresh one;
what came later is told whole. Objects keep their identity, arrays share memory as they did.

What can not be told is refused (`telling.NotTellableError`), never left out: a generator that is half through, a file,
a class that is not the core's. Of Pinocchio's objects is told what outlives a computation: placements of bodies, joints
and frames. Distances are computed anew: they depend on the pose alone (`core/geometry/query.py`).

Bytes are data. Reading them calls nothing but constructors of the core's own value types and sets fields of objects of
the core's own classes.
"""

from __future__ import annotations

import hashlib
import types
from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import Any

import msgspec
import numpy as np

from safety_supervisor.core.geometry.query import Query
from safety_supervisor.evidence.snapshots.reading import Reader, StateError
from safety_supervisor.evidence.snapshots.telling import (
    NATIVE,
    Teller,
    encode,
    fields_of,
    has_identity,
    is_foreign,
    is_ours,
)


def _children(thing: Any) -> Iterator[Any]:
    """Yield what a thing holds, in an order that is the same in every process."""
    kind = type(thing)
    if isinstance(thing, dict):
        yield from thing.values()
    elif isinstance(thing, (list, tuple, deque)):
        yield from thing
    elif isinstance(thing, types.FunctionType):
        yield from (cell.cell_contents for cell in thing.__closure__ or ())
    elif isinstance(thing, types.MethodType):
        yield thing.__self__
    elif isinstance(thing, np.ndarray):
        if thing.base is not None:
            yield thing.base
    elif is_ours(kind) and not isinstance(thing, NATIVE):
        yield from (value for _, value in fields_of(thing))


class Fixtures:
    """What a fresh supervisor consists of, numbered, and what it looks like.

    Args:
        root: the supervisor, fresh.
    """

    def __init__(self, root: Any) -> None:
        """Look at all of it."""
        self.things: list[Any] = []
        self.numbers: dict[int, int] = {}
        self._alive: list[Any] = []  # an id is of one thing only while that lives
        seen: set[int] = set()
        self._walk(root._configuration, seen, constant=True)
        self._constants = len(self.things)
        self._walk(root, seen, constant=False)
        self.fresh = [encode(self._content(number, Teller(self.numbers))) for number in range(len(self.things))]
        self.sha256 = hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in self.fresh)).hexdigest()
        """Of all of it: another configuration, another version of the code gives another one."""

    def _walk(self, root: Any, seen: set[int], constant: bool) -> None:
        """Number what can be reached; `constant`: from the configuration, which may hold what can not be told."""
        waiting = [root]
        while waiting:
            thing = waiting.pop()
            if thing is None or isinstance(thing, (int, float, str, bytes, type, Enum)) or id(thing) in seen:
                continue
            seen.add(id(thing))
            self._alive.append(thing)
            if has_identity(thing) or (constant and is_foreign(thing)):
                self.numbers[id(thing)] = len(self.things)
                self.things.append(thing)
            waiting.extend(reversed(list(_children(thing))))

    def _content(self, number: int, teller: Teller) -> Any:
        """Tell a fixture; the frozen objects of the configuration are what its hash says, wherever its file lay."""
        thing = self.things[number]
        changes = isinstance(thing, (dict, list, set, deque, np.ndarray))
        return ["constant"] if number < self._constants and not changes else teller.content(thing)

    def take(self) -> bytes:
        """Return the state as it is now.

        Raises:
            NotTellableError: something of it is no data in this moment.
        """
        teller = Teller(self.numbers)
        changed: list[list[Any]] = []
        for number in range(len(self.things)):
            before = len(teller.later)
            content = self._content(number, teller)
            # What came later is told by its number, so a fixture that holds any of it differs from the fresh one.
            if len(teller.later) != before or encode(content) != self.fresh[number]:
                changed.append([number, content])
        later, done = [], 0
        while done < len(teller.later):
            later.append(teller.content(teller.later[done], whole=True))
            done += 1
        return encode([changed, later])

    def put(self, state: bytes) -> None:
        """Bring the fresh supervisor to a state. Where it fails the supervisor is of no use any more.

        Raises:
            StateError: the bytes are no such state.
        """
        try:
            changed, later = msgspec.msgpack.decode(state)
            Reader(self.things, later).read(changed)
        except StateError:
            raise
        except Exception as error:  # whatever bytes of another origin lead to
            raise StateError(f"it can not be read: {error!r}") from error
        for thing in self.things:
            if isinstance(thing, Query):
                thing.again()
