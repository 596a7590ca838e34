"""What the check passes is clear all the way: by sampling, with distances that another code computes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from other_geometry import OtherGeometry
from rig import BARE, HOME, Rig, panda, upright

from safety_supervisor.core.checks import clearance as clearance_module
from safety_supervisor.core.checks.clearance import QUERY_LIMIT, STEP, Clearance, line
from safety_supervisor.core.checks.collision import CollisionCheck, PathCheck
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.geometry.query import Query
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import RESERVE, Scene
from safety_supervisor.core.geometry.shapes import Box, Capsule, HalfSpace, Polytope, Sphere
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.settings import JointLimits, Zone, ZoneKind

SHIPPED = panda()
LIMITS = SHIPPED.envelope.joints
VOLUMES = SHIPPED.geometry
MODEL = RobotModel(SHIPPED.robot, VOLUMES.volumes)
POINTS = RobotModel(SHIPPED.robot)
HAND = ("panda_hand_tcp",)
NOISE = 5e-6  # [m], of distances by another code


def whole_way(before: np.ndarray, stop: StraightStop, count: int) -> np.ndarray:
    """Poses along a step and its stop."""
    step = before + (stop.positions((0.0,)) - before) * np.linspace(0.0, 1.0, 4)[:, None]
    return np.concatenate([step, stop.positions(tuple(np.linspace(0.0, max(stop.duration, 1e-9), count)))])


def count_queries(scene: Scene) -> list[int]:
    """Count the pairs that are asked from now on, one entry a pose."""
    asked: list[int] = []
    every, some = scene.distances, scene.distances_of

    def distances(q: np.ndarray) -> np.ndarray:
        asked.append(len(scene.pairs))
        return every(q)

    def distances_of(q: np.ndarray, which: np.ndarray) -> np.ndarray:
        asked.append(len(which))
        return some(q, which) if len(which) <= 32 else every(q)[which]

    scene.distances, scene.distances_of = distances, distances_of  # type: ignore[method-assign]
    return asked


def random_zone(random: np.random.Generator, near: np.ndarray) -> Zone:
    """A body of some kind beside a point."""
    away = random.normal(size=3)
    away *= random.uniform(0.0, 0.15) / np.linalg.norm(away)
    at = near + away
    kind = ZoneKind.RESTRICTED if random.random() < 0.3 else ZoneKind.KEEP_OUT
    margin = float(random.choice([0.0, 0.02]))
    x, y, z = at.tolist()
    match int(random.integers(6)):
        case 0:
            return Zone("z", kind, Sphere((x, y, z), float(random.uniform(0.0, 0.1))), (), margin)
        case 1:
            other = at + random.uniform(-0.3, 0.3, 3)
            return Zone("z", kind, Capsule((x, y, z), tuple(other.tolist()), 0.02), (), margin)
        case 2:
            return Zone(
                "z", kind, Box((x, y, z), (0.3, 0.3, 0.005), tuple(random.uniform(-3, 3, 3).tolist())), (), margin
            )
        case 3:
            corners = at + random.uniform(-0.1, 0.1, (8, 3))
            return Zone("z", kind, Polytope(tuple(tuple(c) for c in corners.tolist())), (), margin)
        case 4:
            n = away / np.linalg.norm(away)
            return Zone("z", kind, HalfSpace(tuple((-n).tolist()), float(-n @ at)), (), margin)
        case _:
            return upright("z", ZoneKind.KEEP_IN, -abs(at) - 0.3, abs(at) + [0.05, 0.3, 0.3], (), margin)


@pytest.mark.sampled(2)
@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-027")
@pytest.mark.redteam(29)
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 6))])
def test_no_pass_is_ever_wrong(seed: int) -> None:
    """Random steps and stops beside bodies of every kind, and beside the robot itself."""
    random = np.random.default_rng(seed)
    path_error = SHIPPED.tracking.path_error * (seed % 2)
    soft = JointLimits(LIMITS.lower, LIMITS.upper, LIMITS.velocity, LIMITS.acceleration / 2, LIMITS.jerk / 100)
    counts = {"passed": 0, "refused rightly": 0, "refused though it was clear": 0, "too near at its beginning": 0}
    nearest = np.inf
    hand = MODEL.frame_names.index("panda_hand")
    for trial in range(24):
        q = HOME + random.uniform(-0.8, 0.8, 7)
        if trial % 10 == 0:
            q = random.uniform(LIMITS.lower, LIMITS.upper)
        state = np.stack(
            [q, random.uniform(-1, 1, 7) * LIMITS.velocity * random.uniform(0, 0.9), random.uniform(-1, 1, 7) * 5]
        )
        if trial % 7 == 0:
            state[1] *= 1e-2  # turning round inside the fade
        before = q - state[1] * 0.004
        stop = StraightStop(state, StopLimits(soft if trial % 2 else LIMITS))
        path = stop.positions((random.uniform(0.5, 1.3) * stop.duration,))[0]
        for _ in range(25):
            zone = random_zone(random, MODEL.frame_positions(path)[hand])
            alone = Scene(MODEL, VOLUMES, (zone,), path_error, between_links=False, every_pair=True)
            if (alone.distances(before) > alone.margins + RESERVE).all():
                break
        scene = Scene(MODEL, VOLUMES, (zone,), path_error)
        violation = CollisionCheck(scene).check(before, q, stop)
        other = OtherGeometry(SHIPPED.robot, VOLUMES, (zone,))
        room = []
        for pose in whole_way(before, stop, 14):
            room.append(min(distance - margin for *_, margin, distance in other.distances(pose)))
        least = min(room)
        if violation is None:
            counts["passed"] += 1
            nearest = min(nearest, least)
            assert least >= -NOISE or (room[0] < RESERVE and least >= room[0] - STEP - NOISE), f"trial {trial}: {least}"
        elif room[0] < 0.01:
            counts["too near at its beginning"] += 1
        elif least < 0.0:
            counts["refused rightly"] += 1
            assert violation.code in (Code.WORKSPACE, Code.RESTRICTED, Code.SELF_COLLISION, Code.QUERY_LIMIT)
        else:
            counts["refused though it was clear"] += 1
    print(counts, f"nearest pass: {1e3 * nearest:.2f} mm beyond its margin")
    assert counts["passed"] > 5
    assert counts["refused though it was clear"] < counts["passed"]


@pytest.mark.requirement("SR-027")
def test_remembered_poses_prove_only_what_they_prove() -> None:
    """One check along a long walk toward and along a wall, into itself, and back: never a wrong pass."""
    random = np.random.default_rng(9)
    zones = (*SHIPPED.zones, Zone("wall", ZoneKind.KEEP_OUT, Box((0.75, 0.0, 0.5), (0.01, 2.0, 2.0)), (), 0.01))
    scene = Scene(MODEL, VOLUMES, zones, SHIPPED.tracking.path_error)
    other = OtherGeometry(SHIPPED.robot, VOLUMES, zones)
    asked = count_queries(scene)
    check = CollisionCheck(scene)
    q, passes, fails, codes = HOME.copy(), 0, 0, set()
    velocity = np.zeros(7)
    for step in range(1500):
        if step % 60 == 0:
            velocity = random.uniform(-1, 1, 7) * LIMITS.velocity * random.uniform(0.1, 0.7)
        state = np.stack([q + velocity * 0.004, velocity, np.zeros(7)])
        stop = StraightStop(state, StopLimits(LIMITS))
        inside = (stop.end >= LIMITS.lower).all() and (stop.end <= LIMITS.upper).all()
        violation = check.check(q, state[0], stop) if inside else None
        if inside and violation is None:
            if step % 50 == 0:
                for pose in whole_way(q, stop, 12):
                    assert min(d - m for *_, m, d in other.distances(pose)) >= -NOISE
            q = state[0]
            passes += 1
        else:
            velocity = -velocity
            fails += 1
            codes.add(violation.code if violation is not None else None)
    print(f"{passes} passed, {fails} turned back, {len(asked)} poses asked, {codes}")
    assert passes > 1000
    assert Code.WORKSPACE in codes
    assert len(asked) < 1.5 * passes


@pytest.mark.requirement("SR-032")
@pytest.mark.parametrize("joint", [1, 5])
def test_the_robot_never_folds_into_itself(joint: int) -> None:
    """Cycle by cycle toward itself, faster and faster: it ends before it touches, and both links are named."""
    scene = Scene(MODEL, VOLUMES, (), SHIPPED.tracking.path_error)
    other = OtherGeometry(SHIPPED.robot, VOLUMES, ())
    check = CollisionCheck(scene)
    q = np.array([0.0, -1.2, 0.0, -2.9, 0.0, 1.6, 0.785]) if joint == 1 else HOME + np.array([0, 0, 0, 0, 0, 0, 2.0])
    speed, least = 0.0, np.inf
    for _ in range(3000):
        speed = min(speed + 0.004, 1.2)
        state = np.stack([q - speed * 0.004 * np.eye(7)[joint], -speed * np.eye(7)[joint], np.zeros(7)])
        violation = check.check(q, state[0], StraightStop(state, StopLimits(LIMITS)))
        if violation is not None:
            break
        q = state[0]
        least = min(least, *(distance - margin for *_, margin, distance in other.distances(q)))
    assert violation is not None
    assert violation.code is Code.SELF_COLLISION
    assert violation.rule == "geometry.self"
    assert " and " in violation.joint
    assert violation.value < violation.limit
    assert least >= -NOISE
    assert least < 0.15, "it came near"


@pytest.mark.requirement("SR-044")
def test_the_same_steps_get_the_same_answers_to_the_bit() -> None:
    """Three checks: alone, beside other queries of the same scene, and after it was told to forget."""
    random = np.random.default_rng(10)
    scene = Scene(MODEL, VOLUMES, SHIPPED.zones, SHIPPED.tracking.path_error)
    checks = [CollisionCheck(scene) for _ in range(3)]
    stop = StraightStop(np.stack([HOME, np.zeros(7), np.zeros(7)]), StopLimits(LIMITS))
    checks[2].check(HOME, HOME, stop)
    checks[2].forget()
    q = HOME.copy()
    seen = set()
    for step in range(800):
        if step % 40 == 0:
            velocity = random.uniform(-1, 1, 7) * LIMITS.velocity * 0.8
        state = np.stack([q + velocity * 0.004, velocity, np.zeros(7)])
        stop = StraightStop(state, StopLimits(LIMITS))
        answers = [checks[0].check(q, state[0], stop)]
        scene.distances(random.uniform(-1, 1, 7))
        answers.append(checks[1].check(q, state[0], stop))
        answers.append(checks[2].check(q, state[0], stop))
        assert answers[0] == answers[1] == answers[2]
        seen.add(answers[0].code if answers[0] is not None else None)
        if answers[0] is None:
            q = state[0]
        else:
            velocity = -velocity
    assert len(seen) >= 2


def tcp(q: np.ndarray) -> np.ndarray:
    return POINTS.frame_positions(q)[POINTS.frame_names.index("panda_hand_tcp")]


def points(*zones: Zone) -> Scene:
    """Links as points, so that a distance can be told by hand."""
    return Scene(POINTS, BARE, zones)


@pytest.mark.requirement("SR-027")
def test_a_stretched_arm_that_swings_straight_at_a_wall() -> None:
    """Where the bound on the travel is nearly the travel itself: refused when the stop ends 1 mm too late."""
    q = np.array([0.0, 1.2, 0.0, -0.6, 0.0, 1.8, 0.785])
    at = tcp(q)
    radius, bearing = float(np.hypot(at[0], at[1])), float(np.arctan2(at[1], at[0]))
    state = np.stack([q, np.eye(7)[0], np.zeros(7)])
    stop = StraightStop(state, StopLimits(LIMITS))
    y = radius * np.sin(bearing + stop.end[0])
    for wall, passes in ((y + 0.002, True), (y - 0.001, False)):
        scene = points(upright("in", ZoneKind.KEEP_IN, (-2, -2, -2), (2, wall, 2), HAND))
        violation = CollisionCheck(scene).check(q, q, stop)
        assert (violation is None) is passes
        if violation is not None:
            assert (violation.code, violation.rule, violation.joint) == (Code.WORKSPACE, "zones.in", "panda_hand_tcp")
            assert violation.value == pytest.approx(-0.001, abs=1e-6)
            assert violation.limit == RESERVE


def swing(speed: float, acceleration: float, jerk: float) -> StraightStop:
    """The stop of joint 1 alone from HOME."""
    slow = JointLimits(LIMITS.lower, LIMITS.upper, LIMITS.velocity, np.full(7, acceleration), np.full(7, jerk))
    return StraightStop(np.stack([HOME, np.array([speed, 0, 0, 0, 0, 0, 0]), np.zeros(7)]), StopLimits(slow))


@pytest.mark.requirement("SR-026")
@pytest.mark.redteam(29)
@pytest.mark.parametrize("speed", [0.1, 0.3, 0.6, 1.0, 1.5, 2.15])
def test_a_stop_that_crosses_a_plate_is_refused_at_every_speed(speed: float) -> None:
    """Clear where it begins and where it ends, with a plate of 5 mm in between."""
    stop = swing(speed, 2.0, 1000.0)
    half = 0.5 * stop.travel[0] * tcp(HOME)[0]
    scene = points(upright("plate", ZoneKind.KEEP_OUT, (-2, half - 0.0025, -2), (2, half + 0.0025, 2), HAND))
    if speed > 0.3:
        assert min(scene.distances(HOME).min(), scene.distances(stop.end).min()) > 0.005
    violation = CollisionCheck(scene).check(HOME, HOME, stop)
    assert violation is not None
    assert violation.code in (Code.WORKSPACE, Code.QUERY_LIMIT)
    beside = points(upright("plate", ZoneKind.KEEP_OUT, (-2, -0.1, -2), (2, -0.095, 2), HAND))
    assert CollisionCheck(beside).check(HOME, HOME, stop) is None


@pytest.mark.requirement("SR-026")
@pytest.mark.redteam(29)
def test_a_step_that_jumps_a_plate_is_refused() -> None:
    """Between two set-points alone: both are clear, and the stop behind is."""
    after = HOME + np.array([0.1, 0, 0, 0, 0, 0, 0])
    y = tcp((HOME + after) / 2)[1]
    scene = points(upright("plate", ZoneKind.KEEP_OUT, (-2, y - 0.0025, -2), (2, y + 0.0025, 2), HAND))
    stop = StraightStop(np.stack([after, np.zeros(7), np.zeros(7)]), StopLimits(LIMITS))
    assert min(scene.distances(HOME).min(), scene.distances(after).min()) > 0.01
    assert CollisionCheck(scene).check(HOME, after, stop) is not None
    assert CollisionCheck(scene).check(after, after, stop) is None


def test_a_stop_that_turns_inside_its_fade_is_proven_over_its_whole_way() -> None:
    """A joint that still swings out and comes back: both ends are clear, the turn is not."""
    state = np.zeros((3, 7))
    state[0] = HOME
    state[1, 0], state[2, 0] = 1.0, -5.0
    gentle = JointLimits(LIMITS.lower, LIMITS.upper, LIMITS.velocity, np.full(7, 10.0), np.full(7, 10.0))
    stop = StraightStop(state, StopLimits(gentle))
    assert stop.turning
    way = stop.positions(tuple(np.linspace(0.0, stop.duration, 400)))
    farthest = max(tcp(q)[1] for q in way)
    for room, passes in ((-0.005, False), (0.02, True)):
        scene = points(upright("in", ZoneKind.KEEP_IN, (-2, -2, -2), (2, farthest + room, 2), HAND))
        assert min(scene.distances(HOME).min(), scene.distances(stop.end).min()) > 0.01
        assert (CollisionCheck(scene).check(HOME, HOME, stop) is None) is passes


def test_control_points_hold_the_stop_and_are_no_shorter_than_it() -> None:
    random = np.random.default_rng(12)
    for trial in range(200):
        state = np.stack([HOME, random.uniform(-2, 2, 7), random.uniform(-7, 7, 7)])
        if trial % 3 == 0:
            state[1] *= 1e-3
        stop = StraightStop(state, StopLimits(LIMITS))
        rows = stop.positions(tuple(np.linspace(0, stop.duration, 3000)))
        hull = np.concatenate(stop.control_points())
        assert (rows >= hull.min(axis=0) - 1e-12).all()
        assert (rows <= hull.max(axis=0) + 1e-12).all()
        polygon = clearance_module.way_along(stop.control_points())
        walked = np.abs(np.diff(rows, axis=0)).sum(axis=0)
        assert (polygon >= walked - 1e-12).all()
        assert np.allclose(polygon, stop.travel, atol=1e-12)
        cubic = stop.control_points()[0]
        u = np.linspace(0, 1, 9)
        bernstein = np.stack([(1 - u) ** 3, 3 * u * (1 - u) ** 2, 3 * u * u * (1 - u), u**3], axis=1)
        assert np.allclose(bernstein @ cubic, stop.positions(tuple(u * stop.fade)), atol=1e-12)


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-044")
def test_what_is_prepared_is_asked_before_it_is_needed_and_changes_no_answer() -> None:
    """A walk to and fro: a check that prepares, one that does not, and distances along all that passed."""
    random = np.random.default_rng(12)
    scene = Scene(MODEL, VOLUMES, SHIPPED.zones, SHIPPED.tracking.path_error)
    asked = count_queries(scene)
    prepares, plain = CollisionCheck(scene), CollisionCheck(scene)
    q, velocity, target = HOME.copy(), np.zeros(7), np.zeros(7)
    counts, passed, refused = [0, 0], 0, 0
    for step in range(1500):
        if step % 60 == 0:
            target = random.uniform(-1, 1, 7) * LIMITS.velocity * 0.7
        acceleration = np.clip((target - velocity) / 0.1, -8.0, 8.0)
        velocity = velocity + 0.004 * acceleration
        state = np.stack([q + velocity * 0.004, velocity, acceleration])
        stop = StraightStop(state, StopLimits(LIMITS))
        answers = []
        for number, check in enumerate((prepares, plain)):
            before = len(asked)
            answers.append(check.check(q, state[0], stop))
            counts[number] += len(asked) - before if answers[-1] is None else 0
        prepares.prepare()
        assert answers[0] == answers[1]
        if answers[0] is None:
            passed += 1
            for pose in whole_way(q, stop, 4) if step % 10 == 0 else ():
                assert (scene.distances(pose) > scene.margins).all()
            q = state[0]
        else:
            refused += 1
            velocity, target = np.zeros(7), -target
    assert passed > 1000
    assert refused > 3
    assert counts[0] < 0.75 * counts[1], f"in the checks {counts[0]} poses were asked, without preparing {counts[1]}"


def test_a_robot_that_rests_or_goes_on_asks_nothing_new() -> None:
    scene = Scene(MODEL, VOLUMES, SHIPPED.zones, SHIPPED.tracking.path_error)
    asked = count_queries(scene)
    check = CollisionCheck(scene)
    stop = StraightStop(np.stack([HOME, np.zeros(7), np.zeros(7)]), StopLimits(LIMITS))
    for _ in range(5):
        assert check.check(HOME, HOME, stop) is None
    first = len(asked)
    assert first <= 2
    check.forget()
    assert check.check(HOME, HOME, stop) is None
    assert first < len(asked) <= 4


def test_poses_that_one_decision_asks_are_bounded() -> None:
    """Along a face at the margin, with a long stop: refused by the cap, not computed for ever."""
    scene = points(upright("floor", ZoneKind.KEEP_IN, (-2, -2, tcp(HOME)[2] - 0.002), (2, 2, 2), HAND))
    asked = count_queries(scene)
    violation = CollisionCheck(scene).check(HOME, HOME, swing(1.5, 1.0, 100.0))
    assert violation is not None
    assert (violation.code, violation.rule, violation.joint) == (Code.QUERY_LIMIT, "zones.floor", "panda_hand_tcp")
    assert len(asked) <= QUERY_LIMIT + 2


@pytest.mark.parametrize("lengths", [1.9, 2.9, 4.9, 8.9])
def test_a_way_beside_a_face_asks_no_more_poses_than_its_length_needs(lengths: float) -> None:
    """Each pose proves its room on both of its sides; halves alone would ask up to twice as many."""
    scene = points(upright("floor", ZoneKind.KEEP_IN, (-2, -2, tcp(HOME)[2] - 0.02), (2, 2, 2), HAND))
    clearance = Clearance(scene)
    rooms = clearance.rooms(HOME)
    assert not isinstance(rooms, Violation)
    nearest = int(rooms.argmin())
    goal = HOME + np.eye(7)[0] * lengths * 2.0 * rooms[nearest] / scene.reach[nearest, 0]
    asked = count_queries(scene)
    assert clearance.prove((line(HOME, goal),), np.array([nearest]), rooms, rooms, "") is None
    assert len(asked) == math.ceil(lengths) - 1


def test_a_link_beside_a_wall_does_not_hold_up_a_wrist_that_turns() -> None:
    """Each pair counts with its own travel: the elbow stays where it is, 2 mm from the ceiling."""
    elbow = POINTS.frame_positions(HOME)[POINTS.frame_names.index("panda_link4")]
    scene = points(upright("in", ZoneKind.KEEP_IN, (-2, -2, -2), (2, 2, elbow[2] + 0.002), ("panda_link4",)))
    for number, passes in ((1, False), (4, True), (5, True)):
        velocity = np.zeros(7)
        velocity[number] = 0.8  # joint 2 lifts the elbow; those behind it do not move it
        stop = StraightStop(np.stack([HOME, velocity, np.zeros(7)]), StopLimits(LIMITS))
        asked = count_queries(scene)
        assert (CollisionCheck(scene).check(HOME, HOME, stop) is None) is passes
        assert not passes or len(asked) <= 2


def test_nothing_to_touch_no_limit() -> None:
    stop = StraightStop(np.stack([HOME, np.full(7, 9.0), np.zeros(7)]), StopLimits(LIMITS))
    assert CollisionCheck(points()).check(HOME, HOME, stop) is None
    assert PathCheck(points()).advance(np.tile(HOME, (4, 1)), 1) == (3, None)


@pytest.mark.requirement("SR-036")
def test_a_pose_that_is_not_finite_is_our_own_fault() -> None:
    check = CollisionCheck(Scene(MODEL, VOLUMES, SHIPPED.zones))
    good = StraightStop(np.stack([HOME, np.zeros(7), np.zeros(7)]), StopLimits(LIMITS))
    for warm in (False, True):
        if warm:
            assert check.check(HOME, HOME, good) is None
        bad = HOME.copy()
        bad[3] = np.nan
        stop = StraightStop(np.stack([bad, np.zeros(7), np.zeros(7)]), StopLimits(LIMITS))
        for recovery in (False, True):
            violation = check.check(HOME, bad, stop, recovery)
            assert violation is not None
            assert violation.code is Code.NOT_FINITE_RESULT


@pytest.mark.requirement("SR-036")
def test_a_distance_of_a_path_or_of_what_is_measured_that_is_not_finite_is_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zero = np.zeros((1, 7))
    for moving in (True, False):
        rig = Rig().auto()
        rig.seconds(0.1)
        with monkeypatch.context() as patch:
            patch.setattr(Scene, "distances", lambda self, q: np.full(len(self.pairs), np.nan))
            if moving:
                rig.trajectory([1.0], rig.output[None, :] + 0.1, zero, zero)
            else:
                rig.supervisor._inputs.measured.workspace._main._room = None
            rig.seconds(0.3)
        rig.until("FAULT")
        assert rig.status.cause == "E_NOT_FINITE_RESULT"


@pytest.mark.requirement("SR-036")
@pytest.mark.usefixtures("own_stages")
def test_a_distance_that_is_not_finite_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library gives is looked at, whatever it is, also in the middle of a motion."""
    for value in (np.nan, 1.7976931348623157e308, -np.inf):
        rig = Rig().auto()
        ask = Query.ask

        def broken(self: Query, q: np.ndarray, ask: Any = ask, value: float = value) -> None:
            ask(self, q)
            self.distances = self.distances.copy()
            self.distances[17] = value

        with monkeypatch.context() as patch:
            patch.setattr(Query, "ask", broken)
            rig.supervisor._verifier.forget()
            rig.jog(0.3, [0.02, 0, 0, 0, 0, 0, 0])
        rig.until("FAULT")
        assert rig.status.cause == "E_NOT_FINITE_RESULT"


def test_bounds_from_remembered_poses_are_never_above_what_is_there() -> None:
    random = np.random.default_rng(13)
    scene = Scene(MODEL, VOLUMES, SHIPPED.zones)
    clearance = Clearance(scene)
    for _ in range(60):
        q = HOME + random.uniform(-0.3, 0.3, 7)
        rooms = clearance.rooms(q)
        assert isinstance(rooms, np.ndarray)
        clearance.keep(q, rooms)
        for pose in HOME + random.uniform(-0.3, 0.3, (2, 7)):
            bound = clearance.bound(pose)
            rooms = scene.distances(pose) - clearance.taken
            assert (bound <= np.maximum(rooms, 0.0) + NOISE).all()
            assert (bound > 0.0).any(), "it is of use"


@pytest.mark.requirement("SR-027")
def test_a_proof_of_a_curve_fails_where_the_curve_and_not_its_ends_comes_near() -> None:
    """The mutation of the proof: the same way without the part that comes near is proven."""
    at = tcp(HOME)
    scene = points(Zone("ball", ZoneKind.KEEP_OUT, Sphere((float(at[0]), 0.15, float(at[2])), 0.05), HAND, 0.0))
    clearance = Clearance(scene)
    away = np.array([0.55, 0, 0, 0, 0, 0, 0])
    nothing, every = np.zeros(len(scene.pairs)), np.arange(len(scene.pairs))
    assert clearance.prove((line(HOME - away, HOME),), every, nothing, nothing, "") is None
    assert clearance.prove((line(HOME, HOME + away),), every, nothing, nothing, "") is not None


def test_a_path_error_widens_every_margin() -> None:
    stop = swing(1.0, 5.0, 1000.0)
    y = float(tcp(stop.end)[1])
    zone = upright("in", ZoneKind.KEEP_IN, (-2, -2, -2), (2, y + 0.003, 2), HAND)
    assert CollisionCheck(points(zone)).check(HOME, HOME, stop) is None
    wide = Scene(POINTS, BARE, (zone,), replace(SHIPPED.tracking, path_error=np.full(7, 0.01)).path_error)
    assert CollisionCheck(wide).check(HOME, HOME, stop) is not None
