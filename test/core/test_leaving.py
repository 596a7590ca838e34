"""A robot that is too near to something: it may leave, and only leave."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rig import BARE, HOME, Rig, panda, upright

from safety_supervisor.core.checks.clearance import STEP, line
from safety_supervisor.core.checks.collision import CollisionCheck, PathCheck
from safety_supervisor.core.errors import Code
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import RESERVE, Scene
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.settings import Zone, ZoneKind

SHIPPED = panda()
LIMITS = StopLimits(SHIPPED.envelope.joints)
MODEL = RobotModel(SHIPPED.robot, SHIPPED.geometry.volumes)
LOW = np.array([0.0, 0.581, 0.0, -2.1, 0.0, 2.668, 0.785])
"""The fingers a few millimetres above the margin of the table."""
POINTS = RobotModel(SHIPPED.robot)
HAND = ("panda_hand_tcp",)
TCP = POINTS.frame_positions(HOME)[POINTS.frame_names.index("panda_hand_tcp")]


def points(*zones: Zone) -> Scene:
    return Scene(POINTS, BARE, zones)


def floor_below(room: float) -> Scene:
    """A floor so far below the hand at HOME, 1 mm of margin not counted; joint 2 lowers the hand when it grows."""
    return points(upright("floor", ZoneKind.KEEP_IN, (-2, -2, TCP[2] - room - 0.001), (2, 2, 2), HAND, margin=0.001))


def lean(q: np.ndarray, speed: float) -> tuple[np.ndarray, StraightStop]:
    velocity = np.array([0, speed, 0, 0, 0, 0, 0])
    state = np.stack([q + velocity * 0.004, velocity, np.zeros(7)])
    return state[0], StraightStop(state, LIMITS)


@pytest.mark.requirement("SR-045")
@pytest.mark.parametrize("room", [RESERVE / 3, STEP / 2])
def test_a_robot_placed_within_the_reserve_may_leave_without_a_person(room: float) -> None:
    scene = floor_below(room)
    for speed, may in ((-0.1, True), (0.1, False), (-2.0, False)):
        q, stop = lean(HOME, speed)
        violation = CollisionCheck(scene).check(HOME, q, stop)
        assert (violation is None) is may
        if speed < -1.0:
            assert violation is not None
            assert violation.code is Code.QUERY_LIMIT, "so near it has to be slow"


def remembered(scene: Scene, pose: np.ndarray) -> CollisionCheck:
    """Make a check that knows the rooms of a pose, as of one where a stop ended."""
    check = CollisionCheck(scene)
    rooms = check._clearance.rooms(pose)
    assert isinstance(rooms, np.ndarray)
    assert 0.0 < rooms.min() < STEP
    check._clearance.keep(pose, rooms)
    return check


@pytest.mark.requirement("SR-045")
@pytest.mark.parametrize("room", [0.6 * RESERVE, 0.95 * RESERVE])
def test_a_robot_that_stopped_within_the_reserve_may_turn_away_slowly_as_motion_begins(room: float) -> None:
    """A way may end there that was proven by its ends. Most of a motion's beginning goes aside, and gains little."""
    scene = floor_below(room)
    for down, may in ((-1e-3, True), (0.1, False), (2e-2, False)):
        velocity = np.array([0.1, down, 0, 0, 0, 0, 0])
        state = np.stack([HOME + velocity * 0.004, velocity, np.zeros(7)])
        violation = remembered(scene, HOME).check(HOME, state[0], StraightStop(state, LIMITS))
        assert (violation is None) is may, down


@pytest.mark.requirement("SR-045")
def test_a_bound_of_a_room_gives_no_leave_to_come_as_near_as_that() -> None:
    """The hand leaves a floor towards a ceiling of which is known only that it is not touched: it was far from that."""
    low = upright("floor", ZoneKind.KEEP_IN, (-2, -2, TCP[2] - STEP / 2 - 0.001), (2, 2, 2), HAND, margin=0.001)
    for leaves, may in ((2.0 * STEP, True), (0.8 * STEP, False)):
        q, stop = lean(HOME, -0.15)
        rise = float((points(low).distances(stop.end) - points(low).distances(HOME)).max())
        assert rise > STEP
        gap = rise + leaves + STEP + 0.001
        high = upright("ceiling", ZoneKind.KEEP_OUT, (-2, -2, TCP[2] + gap), (2, 2, 3), HAND, margin=0.001)
        check = CollisionCheck(points(low, high))
        rooms = check._clearance.rooms(HOME)
        assert isinstance(rooms, np.ndarray)
        assert rooms.min() < STEP < rooms.max()
        check._clearance.keep(HOME, np.minimum(rooms, 0.6 * STEP))
        assert (check.check(HOME, q, stop) is None) is may


@pytest.mark.requirement("SR-045")
@pytest.mark.redteam(27)
def test_no_number_of_small_steps_uses_up_the_reserve() -> None:
    scene, random = floor_below(0.9 * RESERVE), np.random.default_rng(1)
    check, q, passed, lowest = remembered(scene, HOME), HOME.copy(), 0, np.inf
    for _ in range(1200):
        velocity = np.array([0, random.uniform(-6e-4, 1e-3), 0, 0, 0, 0, 0])  # downward is positive
        state = np.stack([q + velocity * 0.004, velocity, np.zeros(7)])
        if check.check(q, state[0], StraightStop(state, LIMITS)) is None:
            q, passed = state[0], passed + 1
            lowest = min(lowest, float(scene.distances(q).min()))
    assert passed > 0
    assert lowest >= 0.001 + 0.9 * RESERVE - STEP - 1e-5


@pytest.mark.requirement("SR-045")
def test_what_touches_is_for_recovery_alone() -> None:
    scene = points(upright("floor", ZoneKind.KEEP_IN, (-2, -2, TCP[2] - STEP / 2), (2, 2, 2), HAND))
    q, stop = lean(HOME, -0.05)
    violation = CollisionCheck(scene).check(HOME, q, stop)
    assert violation is not None
    assert "RECOVERY" in violation.detail
    assert CollisionCheck(scene).check(HOME, q, stop, recovery=True) is None


@pytest.mark.requirement("SR-045")
def test_a_robot_placed_inside_the_margin_leaves_and_is_then_free() -> None:
    """2 cm of margin, 5 mm of distance: out it may go, from there on it is judged as any other."""
    scene = points(upright("floor", ZoneKind.KEEP_IN, (-2, -2, TCP[2] - 0.005), (2, 2, 2), HAND, margin=0.02))
    check, q, steps = CollisionCheck(scene), HOME.copy(), 0
    after, stop = lean(q, 0.05)
    violation = check.check(q, after, stop)
    assert violation is not None
    assert (violation.code, violation.rule) == (Code.WORKSPACE, "zones.floor")
    while scene.distances(q).min() < 0.02 + RESERVE:
        after, stop = lean(q, -0.1)
        assert check.check(q, after, stop) is None
        q, steps = after, steps + 1
        assert steps < 300
    after, stop = lean(q, -0.8)
    assert check.check(q, after, stop) is None, "fast again"
    after, stop = lean(q, 0.8)
    assert check.check(q, after, stop) is not None


@pytest.mark.requirement("SR-045")
@pytest.mark.redteam(27)
@pytest.mark.parametrize("wobble", [0.0, 1.0])
def test_no_number_of_small_steps_goes_nearer_than_a_quarter_of_a_millimetre(wobble: float) -> None:
    """An agent that tries again and again, steadily or up and down: noise and tolerance do not add up."""
    scene = points(upright("floor", ZoneKind.KEEP_IN, (-2, -2, TCP[2] - 0.005), (2, 2, 2), HAND, margin=0.02))
    random = np.random.default_rng(1)
    check, q, start = CollisionCheck(scene), HOME.copy(), float(scene.distances(HOME).min())
    best, lowest, passed = start, start, 0
    for _ in range(1200):
        velocity = np.array([0, 4e-4 + wobble * random.uniform(-1e-3, 5e-4), 0, 0, 0, 0, 0])  # downward is positive
        state = np.stack([q + velocity * 0.004, velocity, np.zeros(7)])
        if check.check(q, state[0], StraightStop(state, LIMITS)) is None:
            q, passed = state[0], passed + 1
            here = float(scene.distances(q).min())
            best, lowest = max(best, here), min(lowest, here)
            assert here >= best - STEP - 1e-5
    assert passed > 0
    assert lowest >= start - STEP - 1e-5


@pytest.mark.requirement("SR-045")
@pytest.mark.redteam(43)
def test_recovery_never_worsens_the_clearance() -> None:
    random = np.random.default_rng(10)
    scene = points(upright("out", ZoneKind.KEEP_OUT, TCP - 0.08, TCP + [0.05, 0.3, 0.3], HAND))
    for trial in range(3):
        check, q = CollisionCheck(scene), HOME.copy()
        inside = float(scene.distances(q)[0])
        assert inside < -0.02
        depth, allowed, refused = inside, 0, 0
        for step in range(3000):
            if step % 10 == 0:
                velocity = random.uniform(-1, 1, 7) * 0.1
            state = np.stack([q + velocity * 0.004, velocity, np.zeros(7)])
            stop = StraightStop(state, LIMITS)
            if step % 50 == 0:
                assert depth >= 0.0 or check.check(q, state[0], stop) is not None, "without a person it may not move"
            if check.check(q, state[0], stop, recovery=True) is None:
                now = float(scene.distances(state[0])[0])
                assert now >= min(depth, RESERVE) - STEP - 1e-5, "it went farther in"
                assert float(scene.distances(stop.end)[0]) >= min(depth, RESERVE) - STEP - 1e-5
                q, depth, allowed = state[0], max(depth, now), allowed + 1
                if depth >= RESERVE:
                    break
            else:
                refused += 1
        assert depth > inside + 0.01, f"trial {trial}: it could not leave"
        assert refused > 5


@pytest.mark.requirement("SR-045")
def test_leaving_one_thing_does_not_lead_into_another() -> None:
    """Inside the margin of a floor, close below a ceiling: up is out of the one and into the other."""
    low = upright("floor", ZoneKind.KEEP_IN, (-2, -2, TCP[2] - 0.005), (2, 2, 2), HAND, margin=0.02)
    for gap, passes in ((0.05, True), (RESERVE + 1e-5, False)):
        high = upright("ceiling", ZoneKind.KEEP_OUT, (-2, -2, TCP[2] + gap), (2, 2, 3), HAND)
        after, stop = lean(HOME, -0.15)
        assert (CollisionCheck(points(low, high)).check(HOME, after, stop) is None) is passes


@pytest.mark.requirement("SR-045")
def test_a_path_may_lead_out_of_a_margin_slowly() -> None:
    scene = points(upright("floor", ZoneKind.KEEP_IN, (-2, -2, TCP[2] - 0.005), (2, 2, 2), HAND, margin=0.02))
    for sign, seconds, passes in ((-1.0, 2.0, True), (1.0, 2.0, False), (-1.0, 0.05, False)):
        u = np.linspace(0, 1, round(seconds / 0.004) + 1)[:, None]
        way = 10 * u**3 - 15 * u**4 + 6 * u**5
        poses = HOME + way * np.array([0, sign * 0.15, 0, 0, 0, 0, 0])
        path, index, violation = PathCheck(scene), 0, None
        for _ in range(len(poses) + 50):
            reached, violation = path.advance(poses[index:], 3)
            index += reached
            if violation is not None or index == len(poses) - 1:
                break
        assert (violation is None) is passes, (sign, seconds)


@pytest.mark.requirement("SR-045")
def test_a_robot_that_stopped_at_a_margin_starts_away_from_it_in_auto(panda_rigs: Callable[..., Rig]) -> None:
    """An agent drives at the table until it is refused, then away: no person is needed."""
    rig = panda_rigs().auto()
    base = rig.output

    def drive(sign: float, seconds: float) -> None:
        start, sent = rig.output, 0
        for cycle in range(round(seconds / 0.004)):
            if 4 * cycle >= 10 * sent:
                t = sent * 0.01
                share = 0.3 * (t * t / 0.8 if t < 0.4 else t - 0.2)
                rig.stream(start + sign * share * np.array([0, 1.0, 0, 0, 0, 0, 0]))
                sent += 1
            rig.cycle()
            if rig.decisions("STOP") or rig.decisions("REJECT"):
                break
        rig.seconds(0.5)

    drive(1.0, 6.0)
    assert "E_WORKSPACE" in rig.codes()
    assert rig.state == "AUTO/HOLDING"
    lowest = rig.output
    assert lowest[1] > base[1] + 0.2
    rig.clear()
    drive(-1.0, 1.5)
    assert rig.output[1] < lowest[1] - 0.1


@pytest.mark.requirement("SR-045")
@pytest.mark.requirement("SR-044")
def test_what_is_asked_while_it_rests_changes_no_answer() -> None:
    """Small ways up and down at a margin, some of them allowed: one check asks at rest, one does not."""
    random, scene = np.random.default_rng(8), Scene(MODEL, SHIPPED.geometry, SHIPPED.zones, SHIPPED.tracking.path_error)
    rests, plain = CollisionCheck(scene), CollisionCheck(scene)
    q, left, refused, met = LOW, 0, 0, 0
    lower = [LOW + [0, down, 0, 0, 0, 0, 0] for down in np.linspace(0.0, 0.05, 400)]
    near = [pose for pose in lower if 0.0 < (scene.distances(pose) - scene.margins - STEP).min() < 1.2 * STEP]
    for step in range(600):
        if step % 12 == 0:
            q = near[random.integers(len(near))]
            rests.forget()
            plain.forget()
        if step % 3 == 0:
            rests.rest(q)
            rests.rest(q)
            scene.distances(random.uniform(-1.0, 1.0, 7) if step % 2 else q)  # somebody else asks
        velocity = random.normal(size=7) * random.choice([1e-4, 1e-3, 0.03, 0.3]) + [0, 0.02, 0, 0, 0, 0, 0]
        state = np.stack([q + velocity * 0.004, velocity, np.zeros(7)])
        stop = StraightStop(state, LIMITS)
        answers = [check.check(q, state[0], stop) for check in (rests, plain)]
        rests.prepare()
        plain.prepare()
        assert answers[0] == answers[1]
        assert rests.leaving == plain.leaving
        if rests.leaving:
            floors = [check._leaving._floor for check in (rests, plain)]
            assert floors[0] is not None
            assert floors[1] is not None
            assert floors[0].tobytes() == floors[1].tobytes()
        refused += answers[0] is not None
        left += answers[0] is None and rests.leaving
        if answers[0] is None:
            q = stop.end
        met += step % 3 == 0 and rests._clearance._rested is not None
    assert left > 30, left
    assert refused > 30, refused
    assert met > 30, met


def test_what_was_bounded_at_rest_is_void_with_a_pose_that_is_remembered_since() -> None:
    scene = points(upright("box", ZoneKind.KEEP_OUT, (2.0, -1.0, 0.0), (3.0, 1.0, 1.0), HAND))
    clearance = CollisionCheck(scene)._clearance
    clearance.rest(HOME)
    assert clearance.bound(HOME).tolist() == [0.0]
    clearance.bound(HOME)[:] = 5.0
    assert clearance.bound(HOME).tolist() == [0.0], "nobody changes what is kept"
    rooms = clearance.rooms(HOME)
    assert isinstance(rooms, np.ndarray)
    clearance.keep(HOME, rooms)
    assert clearance.bound(HOME).tolist() == rooms.tolist()
    clearance.rest(HOME)
    clearance.forget()
    assert clearance.bound(HOME).tolist() == [0.0]
    clearance.rest(HOME)
    clearance.keep(HOME, rooms)
    assert clearance.bound(HOME + 1e-3).max() < rooms.max(), "of another pose"


@pytest.mark.requirement("SR-045")
def test_the_floor_of_what_is_far_again_is_the_whole_step() -> None:
    scene = floor_below(STEP / 2)
    leaving = CollisionCheck(scene)._leaving
    clearance = leaving._clearance
    start = scene.distances(HOME) - clearance.taken
    assert leaving.follow(start, (line(HOME, HOME),), recovery=False) is None
    assert leaving._floor is not None
    assert leaving._floor.min() < STEP
    assert leaving.follow(np.full_like(start, 1.0), (line(HOME, HOME),), recovery=False) is None
    assert leaving._floor.tolist() == [STEP] * len(start)
