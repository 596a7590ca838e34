"""Pairs proven along the motion that is foreseen: never less clear than sampling says, and only of that motion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rig import HOME, panda
from test_collision_check import LIMITS, MODEL, SHIPPED, VOLUMES, whole_way

from safety_supervisor.core.checks.clearance import Clearance, line
from safety_supervisor.core.checks.collision import CollisionCheck
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.motion.foreseen import Foreseen, Met
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.settings import JointLimits

pytestmark = [pytest.mark.requirement("SR-026"), pytest.mark.requirement("SR-027")]

H = 0.004
SOFT = JointLimits(LIMITS.lower, LIMITS.upper, LIMITS.velocity, LIMITS.acceleration, LIMITS.jerk / 30)
LOW = np.array([0.0, 0.581, 0.0, -2.1, 0.0, 2.668, 0.785])
"""The fingers a few millimetres above the margin of the table."""


def scene() -> Scene:
    return Scene(MODEL, VOLUMES, panda().zones, SHIPPED.tracking.path_error)


def pieces_of(before: Any, state: Any, stop: StraightStop) -> tuple[Any, ...]:
    return (line(before, state[0]), *stop.control_points())


def rooms_along(around: Scene, clearance: Clearance, before: Any, stop: StraightStop, count: int = 30) -> Any:
    return np.array([around.distances(pose) - clearance.taken for pose in whole_way(before, stop, count)])


@pytest.mark.parametrize("seed", range(4))
def test_rooms_along_a_way_are_no_less_than_their_bound(seed: int) -> None:
    """Long fades and long brakes, near the table and anywhere: all pairs at thirty poses."""
    random, around = np.random.default_rng(seed), scene()
    clearance, every, known = Clearance(around), np.arange(len(around.pairs)), 0
    for _ in range(12):
        q = LOW + random.uniform(-0.1, 0.1, 7) if random.random() < 0.7 else HOME + random.uniform(-0.8, 0.8, 7)
        state = np.stack([q, random.uniform(-0.5, 0.5, 7), random.uniform(-4, 4, 7)])
        before, stop = q - H * state[1], StraightStop(state, StopLimits(SOFT))
        slack = clearance.slack(pieces_of(before, state, stop), every)
        least = rooms_along(around, clearance, before, stop).min(axis=0)
        bounded = np.isfinite(slack)
        assert (slack[bounded] <= least[bounded] + 1e-6).all()
        known += np.count_nonzero(slack[bounded] > 0.5 * least[bounded])
    assert known > 100


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_is_foretold_comes_too_near(seed: int) -> None:
    """Steps beside the foreseen ones, by little and by more than the hand is above the table."""
    random, around = np.random.default_rng(10 + seed), scene()
    clearance = Clearance(around)
    counts = {"proven": 0, "left open": 0, "too near": 0}
    limits = StopLimits(LIMITS)
    for _ in range(60):
        q = LOW + random.uniform(-0.02, 0.005, 7)
        state = np.stack([q, random.uniform(-0.2, 0.2, 7), random.uniform(-1, 1, 7)])
        before = np.stack([q - H * state[1], state[1], state[2]])
        foreseen = Foreseen(before, state, StraightStop(state, limits), H)
        rooms = clearance.rooms(before[0])
        assert isinstance(rooms, np.ndarray)
        which = np.argsort(rooms)[:8]
        check = CollisionCheck(around)
        check._near(foreseen, which)
        far = float(random.choice([0.0, 1e-4, 3e-3, 2e-2]))
        after = state + far * random.normal(size=(3, 7)) * np.array([[1.0], [1.0], [10.0]])
        stop = StraightStop(after, limits)
        proven = check._foretold(Met(foreseen, before, after, stop), before[0], which)
        least = float(rooms_along(around, clearance, before[0], stop)[:, which].min())
        counts["proven" if proven else "left open"] += 1
        counts["too near"] += least < 0.0
        assert not proven or least > -1e-6
    assert min(counts.values()) > 2, counts


def test_only_what_was_asked_and_begins_there_is_foretold() -> None:
    around = scene()
    check, rest = CollisionCheck(around), np.stack([HOME, np.zeros(7), np.zeros(7)])
    limits = StopLimits(LIMITS)
    stop = StraightStop(rest, limits)
    foreseen, other = Foreseen(rest, rest, stop, H), Foreseen(rest, rest, stop, H)
    some = np.array([0, 3])
    check._near(foreseen, some)
    met = Met(foreseen, rest, rest, stop)
    assert check._foretold(met, HOME, some)
    assert not check._foretold(met, HOME, np.array([0, 3, 4]))
    assert not check._foretold(met, HOME + 1e-9, some)
    assert not check._foretold(Met(other, rest, rest, stop), HOME, some)
    beside = rest.copy()
    beside[1, 2] = 1e-9
    assert not check._foretold(Met(foreseen, beside, rest, stop), HOME, some)
    bad = rest.copy()
    bad[0, 1] = np.nan
    assert not check._foretold(Met(foreseen, rest, bad, StraightStop(bad, limits)), HOME, some)
    check.prepare(other)
    assert not check._foretold(met, HOME, some)
    check._near(foreseen, some)
    check.forget()
    assert not check._foretold(met, HOME, some)


def test_a_hand_that_goes_along_a_table_is_proven_without_asking() -> None:
    """Each step is prepared; in the checks no distance is asked, but for the first few."""
    around = scene()
    check, limits = CollisionCheck(around), StopLimits(LIMITS)
    asked = [0]
    some = around.distances_of

    def distances_of(q: Any, which: Any) -> Any:
        asked[0] += 1
        return some(q, which)

    around.distances_of = distances_of  # type: ignore[method-assign]

    def at(tick: int) -> Any:
        t, sweep = H * tick, np.zeros(7)
        sweep[0] = 0.15
        return np.stack([LOW + sweep * (1 - np.cos(2 * t)), 2 * sweep * np.sin(2 * t), 4 * sweep * np.cos(2 * t)])

    foreseen, inside = None, []
    for tick in range(300):
        before, after = at(tick), at(tick + 1)
        stop = StraightStop(after, limits)
        met = None if foreseen is None else Met(foreseen, before, after, stop)
        here = asked[0]
        assert check.check(before[0], after[0], stop, met=met) is None
        inside.append(asked[0] - here)
        foreseen = Foreseen.of(before, after, limits, H)
        check.prepare(foreseen)
    assert sum(inside[10:]) <= 3
