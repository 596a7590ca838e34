"""What holds of every rig's output, whatever a test is about."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from rig import Rig

from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.supervisor import Supervisor

STILL = {"LOCKED", "READY", "PROTECTIVE_STOP", "EMERGENCY_STOP", "FAULT"}


_encode = msgspec.msgpack.Encoder().encode


def judge_replay(rig: Rig) -> None:
    """The same events give the same effects (SR-044), where nobody reached into the core."""
    if rig.tampered:
        return
    fresh = Supervisor(rig.configuration)
    again = [effect for event in rig.events for effect in fresh.handle(event)]
    # As bytes, in which NaN is equal to itself.
    assert [_encode(effect) for effect in again] == [_encode(effect) for effect in rig.history]


def judge_output(rig: Rig) -> None:
    """One set-point a cycle, first of all; none in INIT; standstill in the stopped states; the stop ends at rest.

    A robot that is not where it was commanded to be may be sent nothing; then only where it is.
    """
    last: Actuate | None = None
    lost = False
    # Where others are is told in no message; in the set-points it follows them while nothing is commanded.
    ours = [i for i in range(len(rig.names)) if i not in rig.configuration.robot.observed]
    for i, (before, after, effects) in enumerate(rig.ticks):
        lost = (lost or i in rig.lost) and after in ("STOPPING", "FAULT")
        sent = [effect for effect in effects if isinstance(effect, Actuate)]
        if after == "INIT":
            assert not sent, "INIT sends nothing"
            last = None
            continue
        if sent:
            assert len(sent) == 1
            if last is None and i and rig.ticks[i - 1][1] in ("STOPPING", "FAULT") and not rig.silent:
                away = np.abs(np.array(sent[0].positions) - rig.measured[i])[ours].max()
                assert away <= rig.configuration.tracking.rest, "behind a silence it is sent where it is"
            assert effects[0] is sent[0], "the motors are served before anything is reported"
            assert math.isfinite(sum(sent[0].positions) + sum(sent[0].velocities) + sum(sent[0].accelerations))
            if sent[0].horizon:
                end = sent[0].horizon[-1]
                assert not any(end.velocities), "the kept stop ends at rest"
                assert not any(end.accelerations)
                times = [point.time for point in sent[0].horizon]
                assert times[0] > 0
                assert times == sorted(set(times))
            elif rig.configuration.carries_stop:
                assert max(map(abs, sent[0].velocities)) < 1e-9, "what moves carries its stop"
            if last is not None and before in STILL and after in STILL and not rig.placed_anew:
                assert all(sent[0].positions[k] == last.positions[k] for k in ours), (before, after)
        else:
            assert last is None or rig.silent or lost, f"a cycle without a set-point in {after}"
        last = sent[0] if sent else None


def judge_envelope(rig: Rig) -> None:
    """Velocity, acceleration and jerk of consecutive set-points, from first principles (SR-025)."""
    limits, dt = rig.configuration.envelope.joints, rig.period / 1e9
    rows = np.array(rig.outputs)
    for order, limit in ((1, limits.velocity), (2, limits.acceleration), (3, limits.jerk)):
        if len(rows) > order:
            worst = np.abs(np.diff(rows, n=order, axis=0)).max(axis=0) / dt**order
            assert (worst <= limit * (1 + 1e-6) + 1e-6).all(), (order, worst, limit)
