"""Workspace boxes along a step and its stop, against brute force: kinematics every millimetre of travel."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from rig import HOME, Rig, panda

from safety_supervisor.core.checks import workspace as workspace_module
from safety_supervisor.core.checks.workspace import QUERY_LIMIT, RESERVE, WorkspaceCheck
from safety_supervisor.core.errors import Code
from safety_supervisor.core.robot import RobotModel
from safety_supervisor.core.settings import BoxKind, JointLimits, WorkspaceBox
from safety_supervisor.core.stopping import StopLimits, StraightStop
from safety_supervisor.core.zones import Workspace

SHIPPED = panda()
MODEL = RobotModel(SHIPPED.robot)
LIMITS = SHIPPED.envelope.joints


def signed_distance(box: WorkspaceBox, points: np.ndarray) -> float:
    """Least distance of points, shape (m, 3), to the faces, positive on the allowed side, less the margin."""
    low, high = np.array(box.minimum), np.array(box.maximum)
    outside = np.linalg.norm(points - np.clip(points, low, high), axis=1)
    inside = np.minimum(points - low, high - points).min(axis=1)
    distance = np.where(outside > 0, outside, -inside)
    return float((distance if box.kind is BoxKind.KEEP_OUT else -distance).min()) - box.margin


def brute_force(boxes: tuple[WorkspaceBox, ...], poses: np.ndarray) -> float:
    """Least clearance over poses."""
    least = np.inf
    for q in poses:
        points = MODEL.frame_positions(q)
        for box in boxes:
            rows = [not box.frames or name in box.frames for name in MODEL.frame_names]
            least = min(least, signed_distance(box, points[rows]))
    return least


def dense(stop: StraightStop, frame: int) -> np.ndarray:
    """Origins of a frame during a stop, no more than 1 mm apart."""
    count = 17
    while True:
        poses = stop.positions(tuple(np.linspace(0.0, max(stop.duration, 1e-9), count)))
        points = np.array([MODEL.frame_positions(q)[frame] for q in poses])
        longest = float(np.linalg.norm(np.diff(points, axis=0), axis=1).max())
        if longest <= 1e-3:
            return points
        count = int(count * min(8.0, 1.2 * longest / 1e-3)) + 1


def random_box(random: np.random.Generator, near: np.ndarray) -> WorkspaceBox:
    """A face, an edge or a thin wall near a point."""
    kind = BoxKind.KEEP_IN if random.random() < 0.4 else BoxKind.KEEP_OUT
    away = random.normal(size=3)
    away *= random.uniform(0.0, 0.12) / np.linalg.norm(away)
    if kind is BoxKind.KEEP_IN:
        low, high = np.full(3, -1.5), np.full(3, 1.5)
        axis = int(random.integers(3))
        low[axis], high[axis] = (
            (near[axis] - abs(away[axis]), 1.5) if random.random() < 0.5 else (-1.5, near[axis] + abs(away[axis]))
        )
        return WorkspaceBox("in", kind, tuple(low), tuple(high), ("panda_hand_tcp",), 0.0)
    size = random.uniform(0.005, 0.5, 3)
    low = near + away - size * random.uniform(0, 1, 3)
    return WorkspaceBox(
        "out", kind, tuple(low), tuple(low + size), ("panda_hand_tcp",), float(random.choice([0.0, 0.02]))
    )


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-027")
@pytest.mark.redteam(29)
def test_no_pass_is_ever_wrong() -> None:
    """2,000 random states, each beside a face, an edge or a thin wall of its own."""
    random = np.random.default_rng(8)
    soft = JointLimits(LIMITS.lower, LIMITS.upper, LIMITS.velocity, LIMITS.acceleration / 2, LIMITS.jerk / 100)
    counts = {"passed": 0, "refused rightly": 0, "refused though 1 mm of room was left": 0, "touching": 0}
    tcp = MODEL.frame_names.index("panda_hand_tcp")
    for trial in range(2000):
        q = HOME + random.uniform(-0.6, 0.6, 7)
        state = np.stack(
            [q, random.uniform(-1, 1, 7) * LIMITS.velocity * random.uniform(0, 0.6), random.uniform(-1, 1, 7) * 5]
        )
        if trial % 5 == 0:
            state[1] *= 1e-2  # turning round inside the fade
        stop = StraightStop(state, StopLimits(soft if trial % 2 else LIMITS))
        target = stop.positions((random.uniform(0.0, 1.2) * stop.duration,))[0]
        box = random_box(random, MODEL.frame_positions(target)[tcp])
        check = WorkspaceCheck(Workspace((box,), MODEL))
        violation = check.check(q, q, stop)
        least = signed_distance(box, dense(stop, tcp))
        if violation is None:
            counts["passed"] += 1
            # From within the reserve a robot may leave, judged at poses up to 0.6 mm apart; everything else is proven.
            within = brute_force((box,), q[None]) < RESERVE
            assert least >= (-1e-4 if within else 0.0), f"trial {trial}: passed with {least:.2e} m"
        elif least < 0:
            counts["refused rightly"] += 1
            assert violation.code is Code.WORKSPACE
        else:
            assert violation.code in (Code.WORKSPACE, Code.QUERY_LIMIT)
            counts["touching" if least < 1e-3 else "refused though 1 mm of room was left"] += 1
    print(counts)
    assert counts["passed"] > 500
    assert counts["refused rightly"] > 200
    safe = counts["passed"] + counts["touching"] + counts["refused though 1 mm of room was left"]
    assert counts["refused though 1 mm of room was left"] <= 0.1 * safe, "the price of the bound"


@pytest.mark.requirement("SR-027")
def test_a_stretched_arm_that_swings_straight_at_a_wall() -> None:
    """Where the bound on the travel is nearly the travel itself: refused when the stop ends 1 mm too late."""
    q = np.array([0.0, 1.2, 0.0, -0.6, 0.0, 1.8, 0.785])
    tcp = MODEL.frame_positions(q)[MODEL.frame_names.index("panda_hand_tcp")]
    radius, bearing = float(np.hypot(tcp[0], tcp[1])), float(np.arctan2(tcp[1], tcp[0]))
    assert radius > 0.7 * MODEL.reach[0]
    state = np.stack([q, np.eye(7)[0], np.zeros(7)])
    stop = StraightStop(state, StopLimits(LIMITS))
    y = radius * np.sin(bearing + stop.end[0])
    for wall, passes in ((y + 0.002, True), (y - 0.001, False)):
        box = WorkspaceBox("in", BoxKind.KEEP_IN, (-2, -2, -2), (2, wall, 2), ("panda_hand_tcp",), 0.0)
        assert (WorkspaceCheck(Workspace((box,), MODEL)).check(q, q, stop) is None) is passes


@pytest.mark.requirement("SR-027")
def test_a_remembered_pose_proves_only_what_it_proves() -> None:
    """One check object along a walk toward and along a face: with the memory as without it, never a wrong pass."""
    random = np.random.default_rng(9)
    point = MODEL.frame_positions(HOME)[MODEL.frame_names.index("panda_hand_tcp")]
    box = WorkspaceBox("wall", BoxKind.KEEP_OUT, (point[0] + 0.05, -1, -1), (point[0] + 0.06, 1, 2), (), 0.01)
    workspace = Workspace((box,), MODEL)
    check = WorkspaceCheck(workspace)
    q, passes, fails = HOME.copy(), 0, 0
    velocity = np.zeros(7)
    for step in range(1500):
        if step % 50 == 0:
            velocity = random.uniform(-1, 1, 7) * 0.8
            velocity[1] = 0.8 if step % 100 == 0 else -0.6  # forward, to the wall, and back
        state = np.stack([q + velocity * 0.004, velocity, np.zeros(7)])
        stop = StraightStop(state, StopLimits(LIMITS))
        if check.check(q, state[0], stop) is None:
            q = state[0]
            passes += 1
            if step % 7 == 0:
                poses = stop.positions(tuple(np.linspace(0, stop.duration, 20)))
                assert brute_force((box,), poses) >= 0.0
        else:
            fails += 1
            velocity = -velocity
    assert passes > 700
    assert fails >= 3


def test_forgetting_means_asking_again() -> None:
    point = MODEL.frame_positions(HOME)
    box = WorkspaceBox("cell", BoxKind.KEEP_IN, tuple(point.min(axis=0) - 0.5), tuple(point.max(axis=0) + 0.5), (), 0.0)
    workspace = Workspace((box,), MODEL)
    asked = []
    original = workspace.clearance
    workspace.clearance = lambda q: asked.append(1) or original(q)  # type: ignore[method-assign, func-returns-value]
    check = WorkspaceCheck(workspace)
    stop = StraightStop(np.stack([HOME, np.zeros(7), np.zeros(7)]), StopLimits(LIMITS))
    for _ in range(5):
        assert check.check(HOME, HOME, stop) is None
    assert len(asked) == 1, "a robot that rests needs no kinematics"
    check.forget()
    assert check.check(HOME, HOME, stop) is None
    assert len(asked) == 2


def test_no_boxes_no_limit() -> None:
    check = WorkspaceCheck(Workspace((), MODEL))
    stop = StraightStop(np.stack([HOME, np.full(7, 9.0), np.zeros(7)]), StopLimits(LIMITS))
    assert check.check(HOME, HOME, stop) is None
    assert check.check_path(np.tile(HOME, (4, 1)), -1.0, 1) == (3, np.inf, None)


@pytest.mark.requirement("SR-036")
def test_a_pose_that_is_not_finite_is_outside() -> None:
    check = WorkspaceCheck(Workspace(SHIPPED.zones, MODEL))
    bad = HOME.copy()
    bad[3] = np.nan
    stop = StraightStop(np.stack([bad, np.zeros(7), np.zeros(7)]), StopLimits(LIMITS))
    assert check.check(HOME, bad, stop) is not None
    assert check.check(HOME, bad, stop, recovery=True) is not None


def test_kinematics_a_decision_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Along a face at the margin, with a long stop: refused by the cap, not computed for ever."""
    tcp = MODEL.frame_positions(HOME)[MODEL.frame_names.index("panda_hand_tcp")]
    box = WorkspaceBox("floor", BoxKind.KEEP_IN, (-2, -2, tcp[2] - 0.004), (2, 2, 2), ("panda_hand_tcp",), 0.0)
    workspace = Workspace((box,), MODEL)
    asked = count_rooms(workspace)
    velocity = np.array([1.5, 0, 0, 0, 0, 0, 0])  # turns about the vertical: the height stays
    slow = JointLimits(LIMITS.lower, LIMITS.upper, LIMITS.velocity, np.full(7, 1.0), np.full(7, 100.0))
    stop = StraightStop(np.stack([HOME, velocity, np.zeros(7)]), StopLimits(slow))
    monkeypatch.setattr(workspace_module, "_POSES", 3000)  # else the 48 poses lie farther apart than 4 mm
    violation = WorkspaceCheck(workspace).check(HOME, HOME, stop)
    assert violation is not None
    assert violation.code is Code.QUERY_LIMIT
    assert len(asked) == QUERY_LIMIT


def test_a_link_beside_a_wall_does_not_hold_up_a_wrist_that_turns() -> None:
    """Each frame counts with its own travel: the elbow stays where it is, 2 mm from the ceiling."""
    elbow = MODEL.frame_positions(HOME)[MODEL.frame_names.index("panda_link4")]
    box = WorkspaceBox("ceiling", BoxKind.KEEP_IN, (-2, -2, -2), (2, 2, elbow[2] + 0.002), ("panda_link4",), 0.0)
    workspace = Workspace((box,), MODEL)
    room = workspace.clearance(HOME).distance
    for joint, passes in ((1, False), (4, True), (5, True)):
        velocity = np.zeros(7)
        velocity[joint] = 0.8  # joint 2 lifts the elbow; those behind the elbow do not move it
        stop = StraightStop(np.stack([HOME, velocity, np.zeros(7)]), StopLimits(LIMITS))
        assert MODEL.reach @ stop.travel > room, "too far for the travel of the robot as a whole"
        asked = count_rooms(workspace)
        assert (WorkspaceCheck(workspace).check(HOME, HOME, stop) is None) is passes
        assert not passes or len(asked) <= 2


def hand_box(kind: BoxKind, minimum: tuple[float, ...], maximum: tuple[float, ...]) -> Workspace:
    return Workspace((WorkspaceBox("box", kind, minimum, maximum, ("panda_hand_tcp",), 0.0),), MODEL)


@pytest.mark.requirement("SR-026")
@pytest.mark.redteam(29)
def test_a_stop_that_crosses_a_thin_wall_is_refused() -> None:
    """Clear where it begins and where it ends, with a wall of 1 mm in between."""
    tcp = MODEL.frame_positions(HOME)[MODEL.frame_names.index("panda_hand_tcp")]
    slow = JointLimits(LIMITS.lower, LIMITS.upper, LIMITS.velocity, np.full(7, 2.0), np.full(7, 1000.0))
    stop = StraightStop(np.stack([HOME, np.array([1.4, 0, 0, 0, 0, 0, 0]), np.zeros(7)]), StopLimits(slow))
    half = 0.5 * stop.travel[0] * tcp[0]
    box = (-2.0, float(half), -2.0), (2.0, float(half) + 0.001, 2.0)
    workspace = hand_box(BoxKind.KEEP_OUT, *box)
    assert min(workspace.clearance(HOME).distance, workspace.clearance(stop.end).distance) > 0.05
    violation = WorkspaceCheck(workspace).check(HOME, HOME, stop)
    assert violation is not None
    assert violation.code is Code.WORKSPACE


def test_a_stop_that_turns_between_two_poses_is_proven_over_its_whole_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A joint that still swings out and comes back: where poses are far apart, both ends are clear, the turn is not."""
    state = np.zeros((3, 7))
    state[0] = HOME
    state[1, 0], state[2, 0] = 1.0, -5.0
    gentle = JointLimits(LIMITS.lower, LIMITS.upper, LIMITS.velocity, np.full(7, 10.0), np.full(7, 10.0))
    stop = StraightStop(state, StopLimits(gentle))
    assert stop.turning
    way = stop.positions(tuple(np.linspace(0.0, stop.duration, 400)))
    farthest = max(MODEL.frame_positions(q)[MODEL.frame_names.index("panda_hand_tcp"), 1] for q in way)
    workspace = hand_box(BoxKind.KEEP_IN, (-2.0, -2.0, -2.0), (2.0, float(farthest) - 0.005, 2.0))
    monkeypatch.setattr(workspace_module, "_POSES", 1)
    assert min(workspace.clearance(HOME).distance, workspace.clearance(stop.end).distance) > 0.01
    assert WorkspaceCheck(workspace).check(HOME, HOME, stop) is not None


def count_rooms(workspace: Workspace) -> list[int]:
    """Count the clearances that are computed from now on."""
    asked: list[int] = []
    rooms = partial(Workspace.rooms, workspace)
    workspace.rooms = lambda q: asked.append(1) or rooms(q)  # type: ignore[method-assign, func-returns-value]
    return asked


@pytest.mark.requirement("SR-045")
@pytest.mark.redteam(43)
def test_recovery_never_worsens_the_clearance() -> None:
    random = np.random.default_rng(10)
    tcp = MODEL.frame_positions(HOME)[MODEL.frame_names.index("panda_hand_tcp")]
    box = WorkspaceBox(
        "out", BoxKind.KEEP_OUT, tuple(tcp - 0.08), tuple(tcp + [0.05, 0.3, 0.3]), ("panda_hand_tcp",), 0.0
    )
    workspace = Workspace((box,), MODEL)
    for trial in range(3):
        check = WorkspaceCheck(workspace)
        q = HOME.copy()
        inside = workspace.clearance(q).distance
        assert inside < -0.02
        depth, allowed, refused = inside, 0, 0
        for step in range(3000):
            if step % 10 == 0:
                velocity = random.uniform(-1, 1, 7) * 0.1
            state = np.stack([q + velocity * 0.004, velocity, np.zeros(7)])
            stop = StraightStop(state, StopLimits(LIMITS))
            if step % 50 == 0:
                assert depth >= 0.0 or check.check(q, state[0], stop) is not None, "without a person it may not move"
            if check.check(q, state[0], stop, recovery=True) is None:
                now = workspace.clearance(state[0]).distance
                assert now >= min(depth, RESERVE) - 1e-12, "it went farther in"
                assert workspace.clearance(stop.end).distance >= min(depth, RESERVE) - 1e-12
                q, depth, allowed = state[0], now, allowed + 1
                if depth >= RESERVE:
                    break
            else:
                refused += 1
        assert depth > inside + 0.01, f"trial {trial}: it could not leave"
        assert refused > 5


def test_a_robot_placed_within_the_reserve_may_leave_without_a_person() -> None:
    tcp = MODEL.frame_positions(HOME)[MODEL.frame_names.index("panda_hand_tcp")]
    box = WorkspaceBox("wall", BoxKind.KEEP_IN, (-2, -2, tcp[2] - RESERVE / 2), (2, 2, 2), ("panda_hand_tcp",), 0.0)
    workspace = Workspace((box,), MODEL)
    assert 0.0 < workspace.clearance(HOME).distance < RESERVE
    for sign, may in ((-1.0, True), (1.0, False)):
        velocity = np.array([0, sign * 0.1, 0, 0, 0, 0, 0])  # joint 2 lowers the hand when it grows
        state = np.stack([HOME + velocity * 0.004, velocity, np.zeros(7)])
        check = WorkspaceCheck(workspace)
        assert (check.check(HOME, state[0], StraightStop(state, StopLimits(LIMITS))) is None) is may


@pytest.mark.requirement("SR-027")
@pytest.mark.redteam(29)
def test_a_path_through_a_thin_wall_is_refused_whole() -> None:
    """Both way-points are clear, the wall between them is 2 mm thick."""
    tcp = MODEL.frame_names.index("panda_hand_tcp")
    goal = HOME + np.array([0.6, 0, 0, 0, 0, 0, 0])
    middle = MODEL.frame_positions((HOME + goal) / 2)[tcp]
    wall = WorkspaceBox(
        "wall", BoxKind.KEEP_OUT, tuple(middle - [0.1, 0.001, 0.1]), tuple(middle + [0.1, 0.001, 0.1]), (), 0.0
    )
    workspace = Workspace((wall,), MODEL)
    assert workspace.clearance(HOME).distance > 0.05
    assert workspace.clearance(goal).distance > 0.05
    u = np.linspace(0, 1, 400)[:, None]
    poses = HOME + (goal - HOME) * u
    check, index, room = WorkspaceCheck(workspace), 0, -1.0
    for _ in range(200):
        reached, room, violation = check.check_path(poses[index:], room, 4)
        index += reached
        if violation is not None:
            break
    assert violation is not None
    assert violation.code is Code.WORKSPACE
    assert brute_force((wall,), poses[: index + 1]) >= 0.0
    rig = Rig(replace(SHIPPED, zones=(wall,))).auto()
    zero = np.zeros((1, 7))
    first = len(rig.outputs)
    rig.trajectory([2.0], goal[None, :], zero, zero)
    rig.seconds(0.5)
    assert rig.codes()[-1] == "E_WORKSPACE"
    assert len(set(rig.outputs[first:])) == 1


@pytest.mark.requirement("SR-027")
@pytest.mark.redteam(27)
@pytest.mark.parametrize("speed", [0.15, 0.5])
def test_many_small_steps_toward_a_zone_end_before_it(speed: float) -> None:
    """A stream that drifts toward the cabinet: the absolute state is judged, stop included."""
    rig = Rig().auto()
    way = np.array([0.8, 1.0, 0, 1.0, 0, 0, 0])
    share, base = 0.0, rig.output
    for k in range(round(100 / speed) + 60):
        share += speed * 0.01 * (1 - np.cos(np.pi * min(k / 60, 1.0))) / 2
        rig.stream(base + way * share)
        rig.cycle(2 if k % 2 else 3)
        if rig.decisions("REJECT"):
            break
    rig.seconds(0.5)
    outputs = np.array(rig.outputs)
    least = brute_force(SHIPPED.zones, outputs[::5])
    print(f"{speed} of the way a second: nearest {1000 * least:.2f} mm before the margin, code {set(rig.codes())}")
    assert next(d.code for d in rig.decisions() if d.verdict != "PASS") == "E_WORKSPACE"
    assert rig.state == "AUTO/HOLDING"
    assert 0.0 <= least < 0.06
