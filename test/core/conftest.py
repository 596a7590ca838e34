"""Fixtures of the core's behaviour tests: every rig is judged at the end of its test, whatever the test was about."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from judges import judge_envelope, judge_output, judge_replay
from machines import ROBOTS, Machine, machine_of
from rig import CONFIGURATION, Rig, panda

from safety_supervisor.config import load_config


@pytest.fixture
def rigs() -> Iterator[Callable[..., Rig]]:
    """Make rigs; afterwards all output is judged, and all events replayed: they have to give the same (SR-044)."""
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
        judge_replay(rig)


@pytest.fixture(scope="session", autouse=True)
def _shared_configuration() -> Iterator[None]:
    """Tests share the configuration that `panda` read: none may have changed it."""
    yield
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        assert repr(panda()) == repr(load_config(CONFIGURATION)), "a test changed the shared configuration"


@pytest.fixture
def rig(rigs: Callable[..., Rig]) -> Rig:
    """A rig with the shipped configuration, its e-stop on RUN, just booted."""
    return rigs()


@pytest.fixture(params=ROBOTS)
def machine(request: pytest.FixtureRequest) -> Machine:
    """Each shipped robot in turn: a claim about any robot holds for an arm and for a humanoid."""
    return machine_of(request.param)


@pytest.fixture
def any_rigs(rigs: Callable[..., Rig], machine: Machine) -> Callable[..., Rig]:
    """Make rigs of each shipped robot in turn, for claims that name no joint; judged as those of `rigs`."""

    def make(**kwargs: object) -> Rig:
        return rigs(machine.configuration, **{"start": machine.home, **kwargs})

    return make
