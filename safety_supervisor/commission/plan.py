"""Which stops are measured: poses, joints alone and together, each at shares of the speed that is permitted there.

What is permitted, the verifier says: each stop is rehearsed with the whole core, slower and slower until it passes. The
real robot is then asked for nothing that did not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from safety_supervisor.commission.model import Expected, expect
from safety_supervisor.commission.motion import cruise
from safety_supervisor.commission.rehearsal import RehearsedRobot, source_joints
from safety_supervisor.commission.stopping_run import RefusedError, Runner
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Vector

TOP: Final = 0.98
"""Share of a joint's velocity limit that is tried first: measured speeds ripple."""
_SCALES: Final = (1.0, 0.85, 0.7, 0.55, 0.4, 0.3, 0.2, 0.1)
_SPREAD: Final = 0.5
"""Share of a joint's range over which poses are looked for."""
_TRIES: Final = 40
TOGETHER: Final = "all joints together"


class PlanError(ValueError):
    """Nothing can be measured, with the reason and what to do."""


@dataclass(frozen=True)
class PlannedStop:
    """One stop.

    Attributes:
        pose: number of the pose, from 1; 1 is where the robot starts.
        what: the joint, or `TOGETHER`.
        fraction: of the permitted speed.
        cruise: velocity, shape (n,), [rad/s].
        expected: by the model.
        ways: how far each joint moves at most, from the pose to rest, shape (n,), [rad].
    """

    pose: int
    what: str
    fraction: float
    cruise: Vector
    expected: Expected
    ways: Vector


@dataclass(frozen=True)
class Plan:
    """All stops in their order, the slow ones first.

    Attributes:
        poses: shape (n,) each, [rad].
        stops: in their order.
        skipped: what could not be planned, and why.
    """

    poses: tuple[Vector, ...]
    stops: tuple[PlannedStop, ...]
    skipped: tuple[str, ...]


def make_plan(
    configuration: Configuration,
    source: str,
    here: Vector,
    fractions: Sequence[float],
    joints: Sequence[str],
    poses: int,
    begin: Callable[[str, int], Callable[[], None]],
) -> Plan:
    """Plan the stops of a source's joints.

    Args:
        configuration: of the robot.
        source: by which it is moved.
        here: where the robot rests, shape (n,), [rad].
        fractions: of the permitted speed, each above 0 to 1.
        joints: that are moved alone; empty: all of the source, and all of them together besides.
        poses: in how many.
        begin: shows progress.

    Raises:
        PlanError: the start pose can not be reached from here, or nothing is permitted.
    """
    names = configuration.robot.joints
    mine = source_joints(configuration, source)
    alone = [names.index(joint) for joint in joints] or mine
    sets = [(names[index], [index]) for index in alone]
    if not joints and len(mine) > 1:
        sets.append((TOGETHER, mine))
    start = here if configuration.robot.start is None else np.array(configuration.robot.start)
    start = np.where(np.isin(np.arange(len(names)), mine), start, here)
    try:
        Runner(configuration, RehearsedRobot(configuration, source, here)).go(start)
    except RefusedError as error:
        raise PlanError(
            f"the straight way from where the robot is to the start pose is refused: {error}. "
            "Bring it near `robot.start` first, by hand or by its own controller"
        ) from None
    found = [start, *_more_poses(configuration, source, start, mine, poses - 1, begin)]
    skipped: list[str] = [] if len(found) == poses else [f"{poses} poses were asked for, {len(found)} are reachable"]
    tops: list[tuple[int, str, Vector]] = []
    advance = begin("rehearsing stops", len(found) * len(sets))
    for number, pose in enumerate(found, 1):
        for what, moved in sets:
            top = _permitted(configuration, source, pose, moved)
            if top is None:
                skipped.append(f"pose {number}, {what}: no speed is permitted there")
            else:
                tops.append((number, what, top))
            advance()
    if not tops:
        raise PlanError("no motion is permitted in any pose: " + "; ".join(skipped))
    stops = [
        _planned(configuration, found[number - 1], number, what, fraction, fraction * top)
        for fraction in sorted(fractions)
        for number, what, top in tops
    ]
    return Plan(tuple(found), tuple(stops), tuple(skipped))


def _planned(
    configuration: Configuration, pose: Vector, number: int, what: str, fraction: float, velocity: Vector
) -> PlannedStop:
    motion = cruise(pose, velocity, configuration.envelope.joints)
    expected = expect(configuration, motion)
    return PlannedStop(number, what, fraction, velocity, expected, motion.way + expected.ways)


def _more_poses(
    configuration: Configuration,
    source: str,
    start: Vector,
    mine: list[int],
    count: int,
    begin: Callable[[str, int], Callable[[], None]],
) -> list[Vector]:
    """Look for poses that are reached straight from the start pose, and back; the same for the same robot.

    Candidates follow an additive recurrence with the roots of primes, which covers the ranges evenly.
    """
    limits = configuration.envelope.joints
    roots = np.sqrt([prime for prime in range(2, 800) if all(prime % d for d in range(2, prime))][: len(start)])
    found: list[Vector] = []
    advance = begin("looking for poses", count) if count else lambda: None
    for attempt in range(1, _TRIES + 1):
        if len(found) == count:
            break
        offset = _SPREAD * ((attempt * roots) % 1.0 - 0.5) * (limits.upper - limits.lower)
        room = 0.1 * (limits.upper - limits.lower)
        pose = start.copy()
        pose[mine] = np.clip(start + offset, limits.lower + room, limits.upper - room)[mine]
        try:
            runner = Runner(configuration, RehearsedRobot(configuration, source, start))
            runner.go(pose)
            runner.go(start)
        except RefusedError:
            continue
        found.append(pose)
        advance()
    return found


def _permitted(configuration: Configuration, source: str, pose: Vector, moved: list[int]) -> Vector | None:
    """Return the highest velocity of these joints, of those that are tried, that passes with its stop; None: none."""
    limits = configuration.envelope.joints
    middle = 0.5 * (limits.lower + limits.upper)
    full = np.zeros_like(pose)
    towards = np.where(pose <= middle, 1.0, -1.0)
    full[moved] = (TOP * limits.velocity * towards)[moved]
    for scale in _SCALES:
        for way in (1.0, -1.0):
            velocity = way * scale * full
            try:
                Runner(configuration, RehearsedRobot(configuration, source, pose)).stop(velocity)
            except RefusedError:
                continue
            return velocity
    return None


def lacking(configuration: Configuration, measured: Sequence[PlannedStop], poses: int) -> list[str]:
    """Say what a whole commissioning has that these measured stops have not; empty where nothing.

    Whole is: every commanded joint, alone, at the full permitted speed; all together where there are several; in two
    poses at least.
    """
    observed = set(configuration.robot.observed)
    names = [name for index, name in enumerate(configuration.robot.joints) if index not in observed]
    full = {stop.what for stop in measured if math.isclose(stop.fraction, 1.0)}
    found = [f"{name} at full speed" for name in names if name not in full]
    if len(names) > 1 and TOGETHER not in full:
        found.append(f"{TOGETHER} at full speed")
    if poses < 2:
        found.append("a second pose")
    return found
