"""Fixtures of the core's behaviour tests: every rig is judged at the end of its test, whatever the test was about."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rig import Rig

from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.core.types import Actuate

encode = msgspec.msgpack.Encoder().encode
STILL = {"LOCKED", "READY", "PROTECTIVE_STOP", "EMERGENCY_STOP", "FAULT"}


def judge_output(rig: Rig) -> None:
    """One set-point a cycle, first of all; none in INIT; standstill in the stopped states; the stop ends at rest."""
    last: Actuate | None = None
    for before, after, effects in rig.ticks:
        sent = [effect for effect in effects if isinstance(effect, Actuate)]
        if after == "INIT":
            assert not sent, "INIT sends nothing"
            last = None
            continue
        if sent:
            assert len(sent) == 1
            assert effects[0] is sent[0], "the motors are served before anything is reported"
            assert math.isfinite(sum(sent[0].positions) + sum(sent[0].velocities) + sum(sent[0].accelerations))
            if sent[0].horizon:
                end = sent[0].horizon[-1]
                assert not any(end.velocities), "the kept stop ends at rest"
                assert not any(end.accelerations)
                times = [point.time for point in sent[0].horizon]
                assert times[0] > 0
                assert times == sorted(set(times))
            else:
                assert max(map(abs, sent[0].velocities)) < 1e-9, "what moves carries its stop"
            if last is not None and before in STILL and after in STILL and not rig.placed_anew:
                assert sent[0].positions == last.positions, (before, after)
        else:
            assert last is None or rig.silent, f"a cycle without a set-point in {after}"
        last = sent[0] if sent else None


def judge_envelope(rig: Rig) -> None:
    """Velocity, acceleration and jerk of consecutive set-points, from first principles (SR-025)."""
    limits, dt = rig.configuration.envelope.joints, rig.period / 1e9
    rows = np.array(rig.outputs)
    for order, limit in ((1, limits.velocity), (2, limits.acceleration), (3, limits.jerk)):
        if len(rows) > order:
            worst = np.abs(np.diff(rows, n=order, axis=0)).max(axis=0) / dt**order
            assert (worst <= limit * (1 + 1e-6) + 1e-6).all(), (order, worst, limit)


@pytest.fixture
def rigs() -> Iterator[Callable[..., Rig]]:
    """Make rigs; afterwards every script of events is replayed and has to give the same effects (SR-044)."""
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
        if rig.tampered:
            continue
        fresh = Supervisor(rig.configuration)
        again = [effect for event in rig.events for effect in fresh.handle(event)]
        # As bytes, in which NaN is equal to itself.
        assert [encode(effect) for effect in again] == [encode(effect) for effect in rig.history]


@pytest.fixture
def rig(rigs: Callable[..., Rig]) -> Rig:
    """A rig with the shipped configuration, its e-stop on RUN, just booted."""
    return rigs()
