"""A pytest plugin: every supervisor of a test is snapshot in the middle, and what it did behind that is done again.

    python -m pytest -p snapshots_everywhere test/core

Behind each test the events after each snapshot go through a fresh supervisor that was brought to it: every effect must
be the same, bit for bit. Rigs whose supervisor a test changes by other ways than events (`tampered`) are left out.
"""

from __future__ import annotations

import gc
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from rig import Rig

from safety_supervisor.core import supervisor as core
from safety_supervisor.evidence.event_log import digest_effects
from safety_supervisor.evidence.snapshots.graph import Fixtures
from safety_supervisor.evidence.snapshots.telling import NotTellableError

MOST = 2
"""Snapshots of one supervisor."""
counts: Counter[str] = Counter()
_build, _handle = core.Supervisor.__init__, core.Supervisor.handle


class Watched:
    """A supervisor, what it was told, and its snapshots."""

    def __init__(self, supervisor: Any, configuration: Any, seed: int) -> None:
        self.supervisor, self.configuration = supervisor, configuration
        self.fixtures = Fixtures(supervisor)
        self.told: list[tuple[Any, bytes]] = []
        self.states: list[tuple[int, bytes]] = []
        self._random = random.Random(seed)
        self._next = self._random.randrange(1, 60)

    def handled(self, event: Any, effects: Any) -> None:
        self.told.append((event, digest_effects(effects)))
        if len(self.told) >= self._next and len(self.states) < MOST:
            try:
                self.states.append((len(self.told), self.fixtures.take()))
            except NotTellableError as error:
                counts[f"not tellable: {error}"] += 1
                self._next += 25
                return
            self._next += self._random.randrange(20, 600)

    def judge(self) -> None:
        for begin, state in self.states:
            again = core.Supervisor.__new__(core.Supervisor)
            _build(again, self.configuration)
            Fixtures(again).put(state)
            for number, (event, digest) in enumerate(self.told[begin:], begin + 1):
                assert digest_effects(_handle(again, event)) == digest, f"event {number} after the snapshot at {begin}"
                counts["events"] += 1
            counts["snapshots"] += 1


watched: list[Watched] = []


@pytest.fixture(autouse=True)
def _snapshots(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    watched.clear()

    def build(self: Any, configuration: Any) -> None:
        _build(self, configuration)
        watched.append(Watched(self, configuration, len(request.node.nodeid) + len(watched)))

    def handle(self: Any, event: Any) -> Any:
        effects = _handle(self, event)
        for one in watched:
            if one.supervisor is self:
                one.handled(event, effects)
        return effects

    monkeypatch.setattr(core.Supervisor, "__init__", build)
    monkeypatch.setattr(core.Supervisor, "handle", handle)
    yield
    monkeypatch.undo()
    tampered = {id(thing.supervisor) for thing in gc.get_objects() if isinstance(thing, Rig) and thing.tampered}
    for one in watched:
        if id(one.supervisor) not in tampered:
            one.judge()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"snapshots: {dict(counts)}")
