"""Fixtures of the core's behaviour tests: every rig is judged at the end of its test, whatever the test was about."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from judges import judge_envelope, judge_output
from rig import Rig

from safety_supervisor.core.supervisor import Supervisor

encode = msgspec.msgpack.Encoder().encode


@pytest.fixture
def rigs(request: pytest.FixtureRequest) -> Iterator[Callable[..., Rig]]:
    """Make rigs; afterwards all output is judged, and events of a third of the tests, always the same, replayed.

    They have to give the same effects (SR-044); all would take as long again as the tests.
    """
    replayed = crc32(request.node.nodeid.encode()) % 3 == 0
    made: list[Rig] = []

    def make(*args: object, **kwargs: object) -> Rig:
        rig = Rig(*args, **kwargs)  # type: ignore[arg-type]
        made.append(rig)
        return rig

    yield make
    for rig in made:
        judge_output(rig)
        if not (rig.placed_anew or rig.skips):
            judge_envelope(rig)
        if rig.tampered or not replayed:
            continue
        fresh = Supervisor(rig.configuration)
        again = [effect for event in rig.events for effect in fresh.handle(event)]
        # As bytes, in which NaN is equal to itself.
        assert [encode(effect) for effect in again] == [encode(effect) for effect in rig.history]


@pytest.fixture
def rig(rigs: Callable[..., Rig]) -> Rig:
    """A rig with the shipped configuration, its e-stop on RUN, just booted."""
    return rigs()
