"""Stops along a path of a robot that stands: pieces and their bounds against dense sampling by other code."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import humanoids
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_balance import BOTH, CHECK, JOINTS, ONE, POSE, REST, G, stand
from test_planted import hermite
from upright import Upright, g1

from safety_supervisor.core.balance.model import Unjudged, Unknown
from safety_supervisor.core.balance.standing import Stance
from safety_supervisor.core.balance.support_polygon import SupportPolygon
from safety_supervisor.core.checks.balance_path import Piece, path_liveliness, path_pieces
from safety_supervisor.core.checks.balance_step import RESERVE, BalanceStep
from safety_supervisor.core.events import StopRequested
from safety_supervisor.core.motion.path_stop import PathStop
from safety_supervisor.core.motion.stopping import BrakeProfile
from safety_supervisor.core.motion.trajectory import PlannedTrajectory

pytestmark = [pytest.mark.requirement("SR-034"), pytest.mark.requirement("SR-026")]

Array = NDArray[np.float64]
DT = 0.004
LEGS = 12
KINDS = ("quintic", "cubic", "linear")


def path(random: np.random.Generator, kind: str, size: float = 0.3) -> PlannedTrajectory:
    """Three or four points from rest to rest, arms and waist by `size`, legs by hardly anything."""
    count = int(random.integers(2, 5))
    times = np.cumsum(random.uniform(0.3, 0.6, count))
    ways = size * random.uniform(-1.0, 1.0, (count, JOINTS))
    ways[:, :LEGS] *= 0.001
    velocities = random.uniform(-1.0, 1.0, (count, JOINTS)) * size
    accelerations = random.uniform(-2.0, 2.0, (count, JOINTS)) * size
    velocities[:, :LEGS] = accelerations[:, :LEGS] = 0.0
    velocities[-1] = accelerations[-1] = 0.0
    begin = np.stack([POSE, REST, REST])
    made = PlannedTrajectory(
        begin,
        times,
        POSE + ways,
        None if kind == "linear" else velocities,
        accelerations if kind == "quintic" else None,
    )
    for order in (1, 2, 3):
        made.bound_derivative(order)
    return made


def slowed(made: PlannedTrajectory, duration: float, share: float, tau: float) -> PathStop:
    """A stop along it by a profile of our own, so that it is no question of limits whether there is one."""
    ramp = 0.5 * duration * share
    return PathStop(made, tau, BrakeProfile(ramp, 1.0 / (duration - ramp), duration))


def begin_of(made: PlannedTrajectory, tau: float) -> tuple[Array, Array]:
    return made.state(tau - DT), made.state(tau)


def pieces_of(made: PlannedTrajectory, stop: PathStop, tau: float, longest: float) -> list[Piece]:
    return list(path_pieces(*begin_of(made, tau), DT, stop, longest))


def margin_at(stance: Stance, state: Array) -> float:
    """Least margin in one state, by the formulas alone."""
    least = math.inf
    for ground in stance.grounds:
        corners = [ground.planted.corners, *np.split(ground.corners, len(ground.planted.others))]
        bearing = np.concatenate([c for c, b in zip(corners, [True, *ground.bearing], strict=True) if b])
        polygon = SupportPolygon(bearing @ ground.flat)
        seen = ground.planted.see(state[None])
        x, v, a = seen.centre[0] @ ground.flat
        z = float(seen.centre[0, 0] @ ground.up) - float((bearing @ ground.up).min())
        for point in (x - a * z / G, x + v * math.sqrt(z / G)):
            least = min(least, float(polygon.signed_distances(point[None])[0]))
    return least


def along(stop: PathStop, first: float, last: float, count: int) -> list[Array]:
    """States between two times of the stop by differences of its positions: nothing of its own derivatives."""
    h, states = 2e-5, []
    for t in np.linspace(first + 2 * h, last - 2 * h, count) if last - first > 4 * h else ():
        rows = stop.positions((t - h, t, t + h))
        states.append(np.stack([rows[1], (rows[2] - rows[0]) / (2 * h), (rows[2] - 2 * rows[1] + rows[0]) / h**2]))
    return states


def splined(made: PlannedTrajectory, stop: PathStop, tau: float) -> list[Array]:
    """States of the spline that a controller makes of the points, by coefficients that are solved for."""
    states, last, before = [], 0.0, made.state(tau)
    for point in stop.horizon():
        span = point.time * 1e-9 - last
        after = np.array([point.positions, point.velocities, point.accelerations])
        c = hermite(span, before, after)
        for t in np.linspace(0.0, span, 12):
            rows = [[math.perm(p, order) * t ** max(p - order, 0) for p in range(6)] for order in range(3)]
            states.append(np.array(rows) @ c)
        before, last = after, point.time * 1e-9
    return states


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(KINDS[:2]), share=st.floats(0.1, 1.0),
    duration=st.floats(0.05, 0.8), longest=st.sampled_from([0.02, 0.3]), place=st.floats(0.02, 0.98),
)  # fmt: skip
def test_nothing_of_a_stop_along_a_path_is_below_the_bound(
    seed: int, kind: str, share: float, duration: float, longest: float, place: float
) -> None:
    """On one foot and on two; whole paths, over their knots and beyond their end."""
    random = np.random.default_rng(seed)
    made = path(random, kind)
    assert made.smooth
    tau = place * made.duration
    stop = slowed(made, duration, share, tau)
    stance = stand(ONE if random.random() < 0.5 else BOTH)
    pieces = pieces_of(made, stop, tau, longest)
    for number, piece in enumerate(pieces):
        found = CHECK.least_margin(stance, *piece)
        if isinstance(found, Unjudged):
            assert found.reason in (Unknown.FEET_MOVE, Unknown.SAMPLES)
            continue
        if number == 0:
            seen = list(begin_of(made, tau))
        elif number == len(pieces) - 1:
            seen = splined(made, stop, tau)
        else:
            seen = along(stop, float(piece.times[0]) - DT, float(piece.times[-1]) - DT, 60)
        assert found.value <= min((margin_at(stance, state) for state in seen), default=math.inf) + 2e-6


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.1, 1.0), duration=st.floats(0.05, 0.8))
def test_derivatives_between_samples_are_inside_their_bounds(seed: int, share: float, duration: float) -> None:
    """Of every joint, the first four, by a polynomial through 17 places inside each interval."""
    random = np.random.default_rng(seed)
    made = path(random, KINDS[seed % 2])
    tau = float(random.uniform(0.0, 0.95)) * made.duration + DT
    stop = slowed(made, duration, share, tau)
    for piece in pieces_of(made, stop, tau, 0.04)[1:-1]:
        for index in random.integers(len(piece.times) - 1, size=2).tolist():
            first, last = (float(t) - DT for t in piece.times[index : index + 2])
            if last - first < 2e-3:
                continue
            u = np.cos(np.linspace(np.pi, 0.0, 17))
            middle, half = 0.5 * (first + last), 0.5 * (last - first)
            rows = stop.positions(tuple(middle + half * u * (1.0 - 1e-9)))
            for joint in random.integers(LEGS, JOINTS, size=3).tolist():
                poly = np.polynomial.chebyshev.Chebyshev.fit(u, rows[:, joint], 15)
                for order in range(1, 5):
                    values = np.abs(poly.deriv(order)(np.linspace(-1.0, 1.0, 41))) / half**order
                    bound = piece.derivatives[order - 1, index, joint]
                    # Markov's inequality: what rounding of the places makes of a derivative of degree 15.
                    noise = 1e-15 * 15.0 ** (2 * order) / math.prod(range(1, 2 * order, 2))
                    assert values.max() <= bound * (1 + 1e-6) + noise / half**order


def test_knots_that_differ_by_rounding_alone_make_no_piece() -> None:
    made = path(np.random.default_rng(3), "quintic")
    tau = 0.3 * made.duration
    stop = slowed(made, 0.27182154764125865, 0.9999999999999999, tau)
    ramp, rest = stop.profile.ramp, stop.profile.duration - stop.profile.ramp
    assert 0.0 < rest - ramp < 1e-15, "or there is nothing to leave out"
    pieces = pieces_of(made, stop, tau, 0.3)
    assert all((np.diff(piece.times) > 1e-7).all() and np.isfinite(piece.derivatives).all() for piece in pieces)
    assert pieces[-2].times[-1] == pytest.approx(DT + stop.duration), "and the stop is covered to its end"


def test_a_piece_ends_on_its_own_side_of_a_jump() -> None:
    """Accelerations at both ends of every piece, by differences inside it."""
    made = path(np.random.default_rng(11), "cubic")
    tau = 0.1 * made.duration
    stop = slowed(made, 0.8, 0.5, tau)
    pieces = pieces_of(made, stop, tau, 0.04)[1:-1]
    h = 2e-5
    for piece in pieces:
        for t, inside, state in ((piece.times[0], h, piece.states[0]), (piece.times[-1], -h, piece.states[-1])):
            rows = stop.positions(tuple(float(t) - DT + inside * step for step in (0.0, 1.0, 2.0)))
            seen = (rows[0] - 2 * rows[1] + rows[2]) / h**2
            assert np.abs(seen - state[2]).max() < 0.02
    jumps = [np.abs(b.states[0, 2] - a.states[-1, 2]).max() for a, b in pairwise(pieces)]
    assert max(jumps) > 0.5, "or there was none"


def test_the_bound_is_near_to_the_least_margin() -> None:
    random = np.random.default_rng(3)
    lost = []
    for _ in range(10):
        made = path(random, "quintic")
        tau = 0.4 * made.duration
        stop, stance = slowed(made, 0.4, 0.5, tau), stand(BOTH)
        found = [CHECK.least_margin(stance, *piece) for piece in pieces_of(made, stop, tau, 0.01)]
        bound = min(one.value for one in found if not isinstance(one, Unjudged))
        lost.append(min(margin_at(stance, state) for state in along(stop, 0.0, stop.duration, 100)) - bound)
    assert np.median(lost) < 0.003, "or every stop along a path would be refused"


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), duration=st.floats(0.05, 0.8))
def test_liveliness_bounds_the_step_the_stop_and_the_spline(seed: int, duration: float) -> None:
    random = np.random.default_rng(seed)
    made = path(random, KINDS[seed % 2])
    tau = float(random.uniform(0.0, 0.95)) * made.duration + DT
    stop = slowed(made, duration, 0.5, tau)
    before, after = begin_of(made, tau)
    alive = path_liveliness(before, after, DT, stop)
    for state in [before, after, *along(stop, 0.0, stop.duration, 80), *splined(made, stop, tau)]:
        assert (np.abs(state[0] - after[0]) <= alive.way + 1e-9).all()
        assert (np.abs(state[1]) <= alive.fastest + 1e-6).all()
        assert (np.abs(state[2]) <= alive.hardest + 1e-4).all()


@pytest.mark.parametrize(
    ("kind", "size", "kept"), [("quintic", 0.1, True), ("quintic", 3.0, False), ("linear", 0.1, None)]
)
def test_a_step_is_verified_with_the_stop_along_its_path_or_says_why_not(
    kind: str, size: float, kept: bool | None
) -> None:
    made = path(np.random.default_rng(5), kind, size)
    tau = 0.4 * made.duration
    stop = slowed(made, 0.2, 0.5, tau)
    step = BalanceStep(humanoids.robot(humanoids.G1), humanoids.balance(), None, DT)
    step.stand(stand(BOTH), rests=True)
    violation = step.check(*begin_of(made, tau), stop)
    if kept is None:
        assert not made.smooth
        assert violation is not None
        assert violation.rule == "balance.path_stop"
    elif kept:
        assert violation is None
    else:
        assert violation is not None
        assert violation.rule.startswith("balance.")
        assert violation.rule != "balance.path_stop"
        assert violation.value < violation.limit == pytest.approx(humanoids.balance().margin + RESERVE)


def test_a_robot_of_one_group_stands_through_a_trajectory_and_keeps_to_its_path() -> None:
    """Through the whole core: the stop that is kept is the one along the path, in mid-motion and when it is used."""
    shipped = g1()
    robot = replace(shipped.robot, groups={"all": tuple(range(JOINTS))})
    sources = tuple(
        replace(source, groups=("all",)) for source in shipped.sources if source.name in ("planner", "joystick")
    )
    upright = Upright(replace(shipped, robot=robot, sources=sources)).auto()
    rig, goal = upright.rig, upright.home.copy()
    for joint in ("left_shoulder_pitch_joint", "right_shoulder_pitch_joint", "left_elbow_joint"):
        goal[upright.joint(joint)] -= 0.5
    still = np.zeros((1, JOINTS))
    rig.trajectory([1.6], goal[None], still, still)
    upright.cycle(250)
    assert rig.state == "AUTO/MOVING", rig.decisions()[-2:]
    motion = rig.supervisor._motion
    assert isinstance(motion.kept, PathStop), "or nothing of this was asked"
    way, before = goal - upright.home, rig.output
    moving = np.abs(way) > 0.1
    rig.send(StopRequested(rig.now, "visitor", "smoke"))
    upright.cycle(200)
    assert rig.state in ("PROTECTIVE_STOP", "LOCKED")
    along = (rig.output - upright.home)[moving] / way[moving]
    assert np.ptp(along) < 1e-6, "it stopped on its path"
    assert along[0] > ((before - upright.home)[moving] / way[moving])[0] + 0.01
    assert not [one for one in rig.decisions() if one.code.startswith("E_BALANCE")]
