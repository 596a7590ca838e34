"""How a check of a running supervisor is turned off: one object gets a subclass of its own in which a method differs.

Only that object changes. The supervisor of the next run in the same process is another object, so nothing leaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import msgspec
import numpy as np

from safety_supervisor.core.checks.envelope import JointEnvelope
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.geometry.scene import Pair, Scene
from safety_supervisor.core.intake.results import Refused, SetPoint
from safety_supervisor_sim.engine.clockwork import Clockwork

Switch: TypeAlias = Callable[[Clockwork], None]
"""Turns something off in a world, for the supervisor that it has now."""

AWAY = -100.0
"""A pair with such a margin is never too near, [m]."""


def override(target: object, **members: object) -> None:
    """Give one object other members than its class has."""
    kind = type(target)
    target.__class__ = type(kind.__name__, (kind,), {"__slots__": (), "__module__": kind.__module__, **members})


def wrap(target: object, name: str, around: Callable[..., Any]) -> None:
    """Have calls of one object's method go through `around(original, *arguments)`."""
    original = getattr(type(target), name)

    def method(self: object, *args: Any, **named: Any) -> Any:
        return around(partial(original, self), *args, **named)

    override(target, **{name: method})


def lasting(switch: Switch) -> Switch:
    """Turn something off for supervisors that are started anew in the same run, too."""

    def off(world: Clockwork) -> None:
        def boot(original: Callable[[], None]) -> None:
            switch(world)
            original()

        switch(world)
        wrap(world, "_boot", boot)

    return off


def all_of(*switches: Switch) -> Switch:
    """Turn several things off together."""

    def off(world: Clockwork) -> None:
        for switch in switches:
            switch(world)

    return off


# --- causes of stops


def cause(*codes: Code) -> Switch:
    """Stop for none of these causes, and let none of them last."""

    def stop(original: Callable[..., bool], rule: Any, now: int) -> bool:
        return rule.code not in codes and original(rule, now)

    def expire(original: Callable[..., bool], now: int, code: Code) -> bool:
        return code not in codes and original(now, code)

    def note(original: Callable[..., None], code: Code, holds: bool) -> None:
        original(code, holds and code not in codes)

    def off(world: Clockwork) -> None:
        core: Any = world.supervisor
        wrap(core._state, "stop", stop)
        wrap(core._state, "expire", expire)
        wrap(core._inputs.conditions, "note", note)

    return off


def estop_code(*codes: Code) -> Switch:
    """Take the e-stop device's word for RUN where it is one of these."""

    def judge(original: Callable[..., Code | None], estop: Any, now: int) -> Code | None:
        found = original(estop, now)
        return None if found in codes else found

    def off(world: Clockwork) -> None:
        core: Any = world.supervisor
        wrap(core._inputs.estop, "judge", judge)

    return off


# --- refusals


def refusal(part: Callable[[Any], object], method: str, *codes: Code) -> Switch:
    """Have a part of the supervisor answer None where it would answer a violation or a refusal with these codes."""

    def judged(original: Callable[..., Any], *args: Any, **named: Any) -> Any:
        found = original(*args, **named)
        return None if getattr(found, "code", None) in codes else found

    return lambda world: wrap(part(world.supervisor), method, judged)


def sessions(member: str, value: object, *, when: Code | None = None) -> Switch:
    """Have the standing of all sources be `value` in one respect; with `when`: only where else that code is told."""

    def off(world: Clockwork) -> None:
        core: Any = world.supervisor
        for session in core._commands.sessions.values():
            if when is None:
                override(session, **{member: property(lambda self: value)})
            else:
                wrap(session, "may_not_command", _without(session, member, value, when))

    return off


def _without(session: Any, member: str, value: object, code: Code) -> Callable[..., Violation | None]:
    """Ask again, as if `member` were `value`, where a code is told: what is checked behind it still counts."""

    def judged(original: Callable[..., Violation | None], *args: Any, **named: Any) -> Violation | None:
        found = original(*args, **named)
        if found is None or found.code is not code:
            return found
        before = getattr(session, member)
        setattr(session, member, value)
        try:
            return original(*args, **named)
        finally:
            setattr(session, member, before)

    return judged


Mend: TypeAlias = Callable[[Any, Any], Any]
"""A command that was refused and the supervisor's core, to the command as a careless intake would take it."""


def intake(kind: str, code: Code, mend: Mend, reverts: bool = False) -> Switch:
    """Take a command that has one thing wrong as somebody would who does not look at it.

    Args:
        kind: method of the intake, `stream` or `trajectory`.
        code: with which it is refused.
        mend: makes it one that passes.
        reverts: what it held that was not finite is what is taken, all the same.
    """

    def off(world: Clockwork) -> None:
        core: Any = world.supervisor

        def take(original: Callable[..., Any], event: Any) -> Any:
            taken = original(event)
            if not isinstance(taken, Refused) or taken.violation.code is not code:
                return taken
            mended = mend(msgspec.structs.replace(event, frame_id="", body=""), core)
            again = original(mended)
            if reverts and not isinstance(again, Refused):
                return _reverted(again, event)
            return again

        wrap(core._commands._intake, kind, take)

    return off


def _reverted(taken: Any, event: Any) -> Any:
    """Put the values that came into what was taken; the names are in the configuration's order."""
    if isinstance(taken, SetPoint):
        return msgspec.structs.replace(taken, values=np.array(event.positions or event.velocities))
    return replace(taken, positions=np.frombuffer(event.positions, dtype="<f8").reshape(len(event.times), -1))


# --- the envelope


def envelopes(core: Any) -> Iterator[JointEnvelope]:
    """Return every check of set-points that a supervisor has now."""
    yield core._verifier.envelope
    for ends in core._motion._ends.values():
        yield ends._envelope


def each_job(change: Callable[[Any], None]) -> Switch:
    """Change the verification of every trajectory as it begins."""

    def begin(original: Callable[..., Any], points: Any, approved: Any, *, core: Any) -> Any:
        found = original(points, approved)
        if points.source in core._commands._jobs:
            change(core._commands._jobs[points.source][0])
        return found

    return lambda world: wrap(world.supervisor._commands, "_begin_job", partial(begin, core=world.supervisor))


def derivative(order: int) -> Switch:
    """Check no set-points' differences of an order: 1 velocity, 2 acceleration, 3 jerk."""

    def loosen(envelope: JointEnvelope) -> None:
        bounds = envelope.bounds.copy()
        bounds[order - 1] = np.inf
        envelope.bounds = bounds
        envelope._window_bounds = np.repeat(bounds, envelope._rows, axis=0)
        envelope._quick = [
            tuple(np.inf if place == order + 1 else value for place, value in enumerate(row)) for row in envelope._quick
        ]

    def off(world: Clockwork) -> None:
        for envelope in envelopes(world.supervisor):
            loosen(envelope)

    return all_of(off, each_job(lambda job: loosen(job._envelope)))


def positions() -> Switch:
    """Check no position limits."""

    def loosen(envelope: JointEnvelope) -> None:
        override(envelope, check_positions=lambda self, *args: None)
        envelope._quick = [(-np.inf, np.inf, *row[2:]) for row in envelope._quick]

    def off(world: Clockwork) -> None:
        for envelope in envelopes(world.supervisor):
            loosen(envelope)

    return all_of(off, each_job(lambda job: loosen(job._envelope)))


# --- bodies


def scenes(core: Any) -> Iterator[Scene]:
    """Return every scene of a supervisor."""
    for outfit in core._verifier.outfits.values():
        yield outfit.scene
        yield from (zone.scene for zone in outfit.restricted)


def pairs(matters: Callable[[Pair], bool]) -> Switch:
    """Let some pairs of bodies come as near as they like, in steps, stops and paths; what is measured is judged on."""

    def off(world: Clockwork) -> None:
        core: Any = world.supervisor
        for scene in scenes(core):
            margins = np.array(scene.margins)
            margins[[index for index, pair in enumerate(scene.pairs) if matters(pair)]] = AWAY
            scene.margins = margins
        for verifier in (core._verifier, *core._verifier._doubles):
            for outfit in verifier.outfits.values():
                outfit.collision.forget()
                for zone in outfit.restricted:
                    zone._collision.forget()

    return off
