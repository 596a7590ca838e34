"""Clearance of workspace boxes against a computation by sampling, and its promise to change no faster than frames."""

from __future__ import annotations

import importlib.util
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from safety_supervisor.core.robot import RobotModel
from safety_supervisor.core.settings import BoxKind, RobotSettings, WorkspaceBox
from safety_supervisor.core.zones import Clearance, Workspace, WorkspaceError

JOINTS = tuple(f"panda_joint{index}" for index in range(1, 8))


def panda() -> RobotModel:
    spec = importlib.util.find_spec("cmeel")
    site = Path(next(iter(spec.submodule_search_locations))).parent if spec else Path()
    urdf = (site / "cmeel.prefix/share/example-robot-data/robots/panda_description/urdf/panda.urdf").read_text()
    groups = {"arm": tuple(range(7))}
    return RobotModel(RobotSettings("panda", urdf, "", "panda_link0", JOINTS, groups, {"panda_finger_joint1": 0.0}, ()))


def box(
    kind: BoxKind,
    minimum: tuple[float, float, float],
    maximum: tuple[float, float, float],
    margin: float = 0.0,
    frames: tuple[str, ...] = (),
    name: str = "box",
) -> WorkspaceBox:
    return WorkspaceBox(name, kind, minimum, maximum, frames, margin)


MODEL = panda()
HOME = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
angles = st.lists(st.floats(-4.0, 4.0), min_size=7, max_size=7).map(np.array)
corners = st.lists(st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5)), min_size=3, max_size=3)


@st.composite
def boxes(draw: st.DrawFn) -> WorkspaceBox:
    pairs = [sorted(pair) for pair in draw(corners)]
    minimum, maximum = tuple(pair[0] for pair in pairs), tuple(pair[1] + 0.01 for pair in pairs)
    frames = tuple(sorted(draw(st.sets(st.sampled_from(MODEL.frame_names), max_size=3))))
    kind = draw(st.sampled_from(BoxKind))
    return box(kind, minimum, maximum, draw(st.floats(0.0, 0.2)), frames, draw(st.text("abc", min_size=1)))


def plain_clearance(point: np.ndarray, one: WorkspaceBox) -> float:
    """The same by cases, for one point and one box."""
    inside = all(low <= value <= high for low, value, high in zip(one.minimum, point, one.maximum, strict=True))
    if inside:
        faces = [*(point - np.array(one.minimum)), *(np.array(one.maximum) - point)]
        depth = min(faces)
    else:
        depth = -math.dist(point, np.clip(point, one.minimum, one.maximum))
    return (depth if one.kind is BoxKind.KEEP_IN else -depth) - one.margin


@settings(deadline=None)
@given(q=angles, many=st.lists(boxes(), min_size=1, max_size=4))
def test_clearance_is_the_smallest_of_all_pairs(q: np.ndarray, many: list[WorkspaceBox]) -> None:
    points = dict(zip(MODEL.frame_names, MODEL.frame_positions(q), strict=True))
    rooms = {
        (one.name, frame): plain_clearance(points[frame], one)
        for one in many
        for frame in one.frames or MODEL.frame_names
    }
    assume(len({one.name for one in many}) == len(many))
    found = Workspace(tuple(many), MODEL).clearance(q)
    assert found.distance == pytest.approx(min(rooms.values()), abs=1e-12)
    assert rooms[found.box, found.frame] == pytest.approx(found.distance, abs=1e-12)


@pytest.mark.redteam(29)
@settings(deadline=None)
@given(q0=angles, q1=angles, many=st.lists(boxes(), min_size=1, max_size=3))
def test_clearance_changes_no_faster_than_frames_travel(
    q0: np.ndarray, q1: np.ndarray, many: list[WorkspaceBox]
) -> None:
    workspace = Workspace(tuple(many), MODEL)
    change = abs(workspace.clearance(q0).distance - workspace.clearance(q1).distance)
    assert change <= float(workspace.model.reach @ np.abs(q1 - q0)) + 1e-12


@pytest.mark.redteam(29)
def test_a_thin_wall_between_two_clear_poses_is_not_proven_clear() -> None:
    wall = box(BoxKind.KEEP_OUT, (0.3, -0.0005, 0.0), (0.6, 0.0005, 1.5))
    workspace = Workspace((wall,), MODEL)
    left, right = HOME + [0.3, 0, 0, 0, 0, 0, 0], HOME - [0.3, 0, 0, 0, 0, 0, 0]
    room = min(workspace.clearance(left).distance, workspace.clearance(right).distance)
    assert room > 0.04
    assert room < float(workspace.model.reach @ np.abs(left - right))
    assert workspace.clearance(HOME).distance < 0


@settings(deadline=None)
@given(point=st.tuples(*[st.floats(-2, 2)] * 3), other=st.tuples(*[st.floats(-2, 2)] * 3), one=boxes())
def test_clearance_of_points_changes_no_faster_than_they_move(
    point: tuple[float, float, float], other: tuple[float, float, float], one: WorkspaceBox
) -> None:
    workspace = Workspace((one,), MODEL)
    first, second = (np.tile(place, (len(MODEL.frame_names), 1)) for place in (point, other))
    change = abs(workspace.clearance_at(first).distance - workspace.clearance_at(second).distance)
    assert change <= math.dist(point, other) + 1e-12


@pytest.mark.parametrize(
    ("place", "keep_in", "keep_out"),
    [
        ((0.0, 0.0, 0.0), 0.9, -1.1),
        ((0.7, 0.0, 0.0), 0.2, -0.4),
        ((1.0, 0.0, 0.0), -0.1, -0.1),
        ((2.0, 0.0, 0.0), -1.1, 0.9),
        ((4.0, 5.0, 0.0), -5.1, 4.9),
    ],
)
def test_signs_and_margin(place: tuple[float, float, float], keep_in: float, keep_out: float) -> None:
    positions = np.tile(place, (len(MODEL.frame_names), 1))
    for kind, expected in ((BoxKind.KEEP_IN, keep_in), (BoxKind.KEEP_OUT, keep_out)):
        workspace = Workspace((box(kind, (-1, -1, -1), (1, 1, 1), 0.1),), MODEL)
        assert workspace.clearance_at(positions).distance == pytest.approx(expected)


def test_a_box_is_for_the_frames_that_it_names() -> None:
    tool = MODEL.frame_names.index("panda_hand_tcp")
    positions = np.zeros((len(MODEL.frame_names), 3))
    positions[tool] = (5.0, 0.0, 0.0)
    only_hand = Workspace((box(BoxKind.KEEP_IN, (-1, -1, -1), (1, 1, 1), frames=("panda_hand",)),), MODEL)
    everything = Workspace((box(BoxKind.KEEP_IN, (-1, -1, -1), (1, 1, 1)),), MODEL)
    assert only_hand.clearance_at(positions).distance == 1.0
    assert everything.clearance_at(positions) == Clearance(-4.0, "box", "panda_hand_tcp")


def test_without_boxes_there_is_room_without_end() -> None:
    workspace = Workspace((), MODEL)
    assert workspace.empty
    assert not Workspace((box(BoxKind.KEEP_IN, (-1, -1, -1), (1, 1, 1)),), MODEL).empty
    assert workspace.clearance(HOME) == Clearance(math.inf, "", "")


def test_boxes_for_frames_that_do_not_move_are_all_named() -> None:
    wrong = (
        box(BoxKind.KEEP_IN, (-1, -1, -1), (1, 1, 1), frames=("panda_link0",), name="one"),
        box(BoxKind.KEEP_OUT, (-1, -1, -1), (1, 1, 1), frames=("panda_hand", "claw"), name="two"),
    )
    with pytest.raises(WorkspaceError) as caught:
        Workspace(wrong, MODEL)
    assert len(caught.value.problems) == 2
    assert "'one': 'panda_link0'" in caught.value.problems[0]
    assert "'two': 'claw'" in caught.value.problems[1]


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("joint", range(7))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", list(BoxKind))
def test_an_unknown_pose_is_a_violation(joint: int, value: float, kind: BoxKind) -> None:
    workspace = Workspace((box(kind, (-2, -2, -2), (2, 2, 2)), box(kind, (8, 8, 8), (9, 9, 9))), MODEL)
    q = HOME.copy()
    q[joint] = value
    assert workspace.clearance(q).distance == -math.inf
    assert workspace.fastest_frame(HOME, q, 2_000_000)[0] == math.inf


@settings(deadline=None)
@given(q0=angles, q1=angles, dt=st.integers(1, 10**10))
def test_fastest_frame_is_the_one_that_went_farthest(q0: np.ndarray, q1: np.ndarray, dt: int) -> None:
    before, after = MODEL.frame_positions(q0), MODEL.frame_positions(q1)
    expected = max(math.dist(a, b) for a, b in zip(before, after, strict=True)) / (dt * 1e-9)
    speed, frame = Workspace((), MODEL).fastest_frame(q0, q1, dt)
    index = MODEL.frame_names.index(frame)
    assert speed == pytest.approx(expected, rel=1e-12)
    assert math.dist(before[index], after[index]) / (dt * 1e-9) == pytest.approx(expected, rel=1e-12)


@pytest.mark.redteam(29)
def test_a_swept_motion_is_never_farther_in_than_the_bound_says() -> None:
    workspace = Workspace((box(BoxKind.KEEP_OUT, (0.3, 0.2, 0.2), (0.5, 0.4, 0.7), 0.01),), MODEL)
    start, end = HOME, HOME + [1.2, 0.3, 0.0, 0.4, 0.0, 0.1, 0.0]
    samples = [start + (end - start) * part for part in np.linspace(0, 1, 200)]
    rooms = [workspace.clearance(q).distance for q in samples]
    travel = float(workspace.model.reach @ np.abs(end - start)) / 199
    assert min(rooms) < 0 < rooms[0]
    assert all(abs(b - a) <= travel + 1e-12 for a, b in itertools.pairwise(rooms))
