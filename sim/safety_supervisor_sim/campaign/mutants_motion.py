"""Checks of motion, each off: limits, the kept stop, bodies and zones, people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from safety_supervisor.core.errors import Code
from safety_supervisor.core.motion.lane import Progress
from safety_supervisor.core.motion.stopping import StraightStop
from safety_supervisor_sim.campaign.mutant import Mutant
from safety_supervisor_sim.campaign.switches import (
    Switch,
    all_of,
    cause,
    derivative,
    each_job,
    override,
    pairs,
    positions,
    refusal,
    wrap,
)
from safety_supervisor_sim.engine.clockwork import Clockwork


def _standing_stop(core: Any, state: Any) -> StraightStop:
    """Return the stop of a robot that rests at a state's positions."""
    rest = np.zeros_like(state)
    rest[0] = state[0]
    return StraightStop(rest, core._verifier._stop_limits)


def _stop_unjudged(world: Clockwork) -> None:
    """Judge steps as if the robot stood at once where they end."""
    core: Any = world.supervisor

    def check(original: Callable[..., Any], before: Any, state: Any, stop: Any, rules: Any, met: Any = None) -> Any:
        return original(before, state, _standing_stop(core, state), rules)

    def passes(original: Callable[..., bool], state: Any, stop: Any) -> bool:
        return original(state, _standing_stop(core, state))

    for verifier in (core._verifier, *core._verifier._doubles):
        wrap(verifier, "_check", check)
        wrap(verifier, "_passes", passes)
    for ends in core._motion._ends.values():
        override(ends, check=lambda self, state: None)


def _coasts(world: Clockwork) -> None:
    """Go on at the last velocity when a stream falls silent."""
    core: Any = world.supervisor
    dt = core._motion._dt

    def step(original: Callable[..., Any], tick: int, *, last: dict[str, Any]) -> Any:
        state, came = original(tick)
        if came is Progress.LATE and "state" in last:
            state = last["state"].copy()
            state[0] += dt * state[1]
            state[2] = 0.0
            came = Progress.MOVING
        last["state"] = state
        return state, came

    for lane in core._motion.lanes.values():
        last: dict[str, Any] = {}
        wrap(lane, "step", lambda original, tick, last=last: step(original, tick, last=last))


def _slow_everywhere(world: Clockwork) -> None:
    """Let every point of a link be as fast as it likes, but in speed zones."""
    core: Any = world.supervisor
    for outfit in core._verifier.outfits.values():
        override(outfit.speed, exceeds=lambda self, *args: None, slow=lambda self, *args: True)
    for verifier in (core._verifier, *core._verifier._doubles):
        override(verifier, suspect_speeds=lambda self, poses: np.empty(0, dtype=np.intp))


def _no_speed_zones(world: Clockwork) -> None:
    core: Any = world.supervisor
    for outfit in core._verifier.outfits.values():
        for zone in outfit.speed_zones:
            override(zone, check=lambda self, *args: None, suspects=lambda self, poses: np.empty(0, dtype=np.intp))


def _ends_alone(world: Clockwork) -> None:
    """Ask of a path only where it begins and ends."""

    def change(job: Any) -> None:
        def advance(original: Callable[..., Any], poses: Any, strides: int) -> Any:
            ends = np.stack([poses[0], poses[0]]) if len(poses) < 2 else np.stack([poses[-1], poses[-1]])
            _, violation = original(ends, strides)
            return len(poses) - 1, violation

        wrap(job._path, "advance", advance)

    each_job(change)(world)


def _separation(**members: object) -> Switch:
    def off(world: Clockwork) -> None:
        core: Any = world.supervisor
        for outfit in core._verifier.outfits.values():
            if outfit.separation is not None:
                override(outfit.separation, **members)

    return off


def _nobody_vanishes(world: Clockwork) -> None:
    """Forget a person at once whom perception tells no more."""
    core: Any = world.supervisor
    if core._inputs.people is not None:
        override(core._inputs.people, _vanished=lambda self, told, observed: np.zeros(len(self.points), dtype=np.bool_))


def _knows_people(world: Clockwork) -> None:
    core: Any = world.supervisor
    if core._inputs.people is not None:
        override(core._inputs.people, unknown=lambda self, now: "")


def _rule(*rules: str) -> Callable[[Any], bool]:
    return lambda pair: pair.rule in rules


def _verifier(core: Any) -> object:
    return core._verifier


MOTION: Final = (
    Mutant(
        "position",
        "joint position limits, of steps, stops and paths",
        positions(),
        (Code.POSITION_LIMIT,),
        runs=("limit_position",),
    ),
    Mutant(
        "velocity",
        "joint velocity limits of set-points",
        derivative(1),
        (Code.VELOCITY_LIMIT,),
        runs=("limit_velocity",),
    ),
    Mutant(
        "acceleration",
        "joint acceleration limits of set-points",
        derivative(2),
        (Code.ACCELERATION_LIMIT,),
        runs=("limit_acceleration",),
    ),
    # |jerk| <= 2 A / dt where accelerations keep A: 9750 of the Panda's wrist, and 10000 is what its data sheet allows.
    Mutant(
        "jerk",
        "joint jerk limits of set-points",
        derivative(3),
        (Code.JERK_LIMIT,),
        runs=("limit_acceleration",),
        covered_by="acceleration",
    ),
    Mutant(
        "stop_after_step",
        "that the stop after a step is judged with it",
        _stop_unjudged,
        (Code.POSITION_LIMIT, Code.WORKSPACE),
        runs=("rt27_tiny_steps",),
    ),
    Mutant("silence", "the kept stop when a stream falls silent: it coasts", _coasts, (Code.LATE,), runs=("silence",)),
    Mutant(
        "keep_in",
        "the zone in which all links have to stay",
        pairs(_rule("zones.cell")),
        (Code.WORKSPACE,),
        runs=("zone_keep_in",),
    ),
    Mutant(
        "keep_out",
        "the zones that no link may enter",
        pairs(
            lambda pair: pair.rule.startswith("zones.") and pair.code is Code.WORKSPACE and pair.rule != "zones.cell"
        ),
        (Code.WORKSPACE,),
        runs=("rt27_tiny_steps",),
    ),
    Mutant(
        "path_between",
        "a path between its ends, against bodies and zones",
        _ends_alone,
        (Code.WORKSPACE,),
        runs=("zone_thin_between",),
    ),
    Mutant(
        "restricted", "zones that are restricted", pairs(lambda pair: pair.code is Code.RESTRICTED), (Code.RESTRICTED,)
    ),
    Mutant(
        "self_collision",
        "that links keep apart from each other",
        pairs(lambda pair: pair.code is Code.SELF_COLLISION),
        (Code.SELF_COLLISION,),
    ),
    Mutant(
        "frame_speed",
        "the speed of every point of a link",
        _slow_everywhere,
        (Code.FRAME_SPEED,),
        runs=("limit_frame_speed",),
    ),
    Mutant(
        "speed_zone", "the speed of links in speed zones", _no_speed_zones, (Code.FRAME_SPEED,), runs=("zone_speed",)
    ),
    Mutant(
        "reduced",
        "the reduced envelope while people are near",
        refusal(_verifier, "_check_reduced", Code.REDUCED),
        (Code.REDUCED,),
    ),
    Mutant(
        "separation",
        "the distance from people, of what is commanded and of the robot as it is",
        all_of(_separation(check=lambda self, *args: None), cause(Code.SEPARATION)),
        (Code.SEPARATION,),
    ),
    Mutant(
        "separation_watched",
        "the distance from people of the robot as it is",
        cause(Code.SEPARATION),
        (Code.SEPARATION,),
    ),
    Mutant(
        "people_remembered",
        "who perception tells no more",
        _nobody_vanishes,
        (Code.SEPARATION, Code.REDUCED),
        runs=("people_forgotten_late",),
    ),
    Mutant("people_unknown", "whether it is known where people are", _knows_people, (Code.PEOPLE_UNKNOWN,)),
)
"""Every one of them of any robot."""
