"""Fixtures of the core's behaviour tests: every rig is judged at the end of its test, whatever the test was about."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from judges import judge_envelope, judge_output, judge_replay
from machines import ROBOTS, Machine, machine_of
from rig import CONFIGURATION, Rig, panda
from stages import _shared_stages, own_stages  # noqa: F401  fixtures

from safety_supervisor.config import load_config


@pytest.fixture
def _made(request: pytest.FixtureRequest) -> Iterator[list[Rig]]:
    """Rigs of a test; afterwards all output is judged, and the events of each eighth test are replayed: they have to
    give the same (SR-044); with `--long` those of all."""
    replayed = request.config.getoption("--long") or crc32(request.node.nodeid.encode()) % 8 == 0
    made: list[Rig] = []
    yield made
    for rig in made:
        judge_output(rig)
        if not (rig.placed_anew or rig.skips):
            judge_envelope(rig)
        if replayed:
            judge_replay(rig)


@pytest.fixture(scope="session", autouse=True)
def _shared_configuration() -> Iterator[None]:
    """Tests share the configuration that `panda` read: none may have changed it."""
    yield
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        assert repr(panda()) == repr(load_config(CONFIGURATION)), "a test changed the shared configuration"


@pytest.fixture(params=ROBOTS)
def machine(request: pytest.FixtureRequest) -> Machine:
    """Each shipped robot in turn: a claim about any robot holds for an arm and for a humanoid."""
    return machine_of(request.param)


@pytest.fixture
def rigs(_made: list[Rig], machine: Machine) -> Callable[..., Rig]:
    """Make rigs of each shipped robot in turn, e-stop on RUN, just booted; keywords replace sections of its file."""

    def make(**changes: Any) -> Rig:
        rig = machine.rig(**changes)
        _made.append(rig)
        return rig

    return make


@pytest.fixture
def panda_rigs(_made: list[Rig]) -> Callable[..., Rig]:
    """Make rigs of the Panda, for what is said of its own joints and links."""

    def make(*args: Any, **kwargs: Any) -> Rig:
        rig = Rig(*args, **kwargs)
        _made.append(rig)
        return rig

    return make


@pytest.fixture
def rig(panda_rigs: Callable[..., Rig]) -> Rig:
    """A rig of the Panda."""
    return panda_rigs()
