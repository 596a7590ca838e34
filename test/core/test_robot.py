"""Kinematics against PyBullet, and the proven reach against random motion."""

from __future__ import annotations

import importlib.util
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pybullet
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from safety_supervisor.core.geometry.robot import RobotModel, RobotModelError
from safety_supervisor.core.settings import RobotSettings

PANDA_JOINTS = tuple(f"panda_joint{index}" for index in range(1, 8))
CORNER = math.pi * 4


def panda_urdf() -> str:
    spec = importlib.util.find_spec("cmeel")
    site = Path(next(iter(spec.submodule_search_locations))).parent if spec else Path()
    return (site / "cmeel.prefix/share/example-robot-data/robots/panda_description/urdf/panda.urdf").read_text()


def settings(
    urdf: str, joints: tuple[str, ...], locked: dict[str, float] | None = None, base: str = "base"
) -> RobotSettings:
    return RobotSettings(
        id="robot",
        urdf=urdf,
        urdf_sha256="",
        base_frame=base,
        joints=joints,
        groups={"all": tuple(range(len(joints)))},
        locked_joints=locked or {},
        state_publishers=(),
    )


def panda(finger: float = 0.03, joints: tuple[str, ...] = PANDA_JOINTS) -> RobotModel:
    return RobotModel(settings(panda_urdf(), joints, {"panda_finger_joint1": finger}, "panda_link0"))


def robot_xml(*parts: str) -> str:
    names = dict.fromkeys(re.findall(r'link="([^"]+)"', "".join(parts)))
    links = "".join(f'<link name="{name}"/>' for name in names)
    return f'<robot name="r">{links}{"".join(parts)}</robot>'


def joint_xml(name: str, kind: str, parent: str, child: str, more: str = "", axis: str = "0 0 1") -> str:
    limit = "" if kind == "fixed" else '<limit lower="-1" upper="2" velocity="3" effort="4"/>'
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="0.1 0.2 0.3" rpy="0.4 -0.5 0.6"/><axis xyz="{axis}"/>{limit}{more}</joint>'
    )


MIXED = robot_xml(
    joint_xml("turn", "continuous", "base", "a", axis="0 3 4"),
    joint_xml("slide", "prismatic", "a", "b", axis="0.6 -0.8 0"),
    joint_xml("follow", "revolute", "b", "c", '<mimic joint="turn" multiplier="-2" offset="0.3"/>', axis="1 0 1"),
    joint_xml(
        "far", "prismatic", "c", "tip", '<mimic joint="slide" multiplier="0.5" offset="-0.1"/>', axis="0 0.6 0.8"
    ),
)
"""Every kind of joint, a revolute axis of no unit length, a joint that follows one of each kind."""
MIXED_JOINTS = ("slide", "turn")


class Bullet:
    """Forward kinematics of PyBullet for a URDF without its shapes."""

    def __init__(self, urdf: str, path: Path) -> None:
        root = ElementTree.fromstring(urdf)
        for link in root.findall("link"):
            for shape in link.findall("visual") + link.findall("collision"):
                link.remove(shape)
        path.write_text(ElementTree.tostring(root, encoding="unicode"))
        self.client = pybullet.connect(pybullet.DIRECT)
        self.body = pybullet.loadURDF(str(path), useFixedBase=True, physicsClientId=self.client)
        count = pybullet.getNumJoints(self.body, physicsClientId=self.client)
        rows = [pybullet.getJointInfo(self.body, index, physicsClientId=self.client) for index in range(count)]
        self.joints = {row[1].decode(): row[0] for row in rows}
        self.links = {row[12].decode(): row[0] for row in rows}

    def positions(self, joints: dict[str, float], frames: tuple[str, ...]) -> np.ndarray:
        for name, value in joints.items():
            pybullet.resetJointState(self.body, self.joints[name], value, physicsClientId=self.client)
        return np.array(
            [
                pybullet.getLinkState(
                    self.body, self.links[name], computeForwardKinematics=True, physicsClientId=self.client
                )[4]
                for name in frames
            ]
        )


@pytest.fixture(scope="module")
def bullet_panda(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bullet]:
    bullet = Bullet(panda_urdf(), tmp_path_factory.mktemp("urdf") / "panda.urdf")
    yield bullet
    pybullet.disconnect(bullet.client)


@pytest.fixture(scope="module")
def bullet_mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bullet]:
    bullet = Bullet(MIXED, tmp_path_factory.mktemp("urdf") / "mixed.urdf")
    yield bullet
    pybullet.disconnect(bullet.client)


PANDA = panda()
MIXED_MODEL = RobotModel(settings(MIXED, MIXED_JOINTS))
angles7 = st.lists(st.floats(-CORNER, CORNER), min_size=7, max_size=7).map(np.array)
mixed_q = st.tuples(st.floats(-1, 2), st.floats(-CORNER, CORNER)).map(np.array)


def test_panda_names_every_link_that_the_arm_moves() -> None:
    assert set(PANDA.frame_names) == {
        *(f"panda_link{index}" for index in range(1, 9)),
        "panda_hand",
        "panda_hand_tcp",
        "panda_leftfinger",
        "panda_rightfinger",
    }


@hypothesis_settings(deadline=None)
@given(q=angles7)
def test_panda_frames_are_where_pybullet_puts_them(bullet_panda: Bullet, q: np.ndarray) -> None:
    joints = dict(zip(PANDA_JOINTS, q, strict=True)) | {"panda_finger_joint1": 0.03, "panda_finger_joint2": 0.03}
    expected = bullet_panda.positions(joints, PANDA.frame_names)
    assert np.allclose(PANDA.frame_positions(q), expected, rtol=0, atol=1e-6)


@hypothesis_settings(deadline=None)
@given(q=angles7)
def test_joints_may_come_in_any_order(q: np.ndarray) -> None:
    order = [3, 6, 0, 2, 5, 1, 4]
    shuffled = panda(joints=tuple(PANDA_JOINTS[index] for index in order))
    assert np.array_equal(shuffled.frame_positions(q[order]), PANDA.frame_positions(q))
    assert np.array_equal(shuffled.frame_reach, PANDA.frame_reach[:, order])


@hypothesis_settings(deadline=None)
@given(q=mixed_q)
def test_continuous_prismatic_and_mimic_joints_are_where_pybullet_puts_them(
    bullet_mixed: Bullet, q: np.ndarray
) -> None:
    slide, turn = q
    joints = {"turn": turn, "slide": slide, "follow": -2 * turn + 0.3, "far": 0.5 * slide - 0.1}
    expected = bullet_mixed.positions(joints, MIXED_MODEL.frame_names)
    assert MIXED_MODEL.frame_names == ("a", "b", "c", "tip")
    assert np.allclose(MIXED_MODEL.frame_positions(q), expected, rtol=0, atol=1e-6)


@hypothesis_settings(deadline=None)
@given(slide=st.floats(-1, 2), turn=st.floats(-CORNER, CORNER))
def test_a_mimic_joint_of_a_locked_joint_is_locked_at_the_mimicked_value(
    bullet_mixed: Bullet, slide: float, turn: float
) -> None:
    model = RobotModel(settings(MIXED, ("slide",), {"turn": turn}))
    joints = {"turn": turn, "slide": slide, "follow": -2 * turn + 0.3, "far": 0.5 * slide - 0.1}
    assert model.frame_names == ("b", "c", "tip")
    expected = bullet_mixed.positions(joints, model.frame_names)
    assert np.allclose(model.frame_positions(np.array([slide])), expected, rtol=0, atol=1e-6)


def test_positions_are_told_in_the_base_frame() -> None:
    above = (
        joint_xml("turn", "revolute", "a", "b"),
        joint_xml("flange", "fixed", "b", "c"),
        joint_xml("tool", "fixed", "c", "tip"),
    )
    urdf, below = robot_xml(joint_xml("mount", "fixed", "base", "a"), *above), robot_xml(*above)
    q = np.array([0.7])
    mounted = RobotModel(settings(urdf, ("turn",), base="a"))
    alone = RobotModel(settings(below, ("turn",), base="a"))
    assert mounted.frame_names == alone.frame_names == ("b", "c", "tip")
    assert np.allclose(mounted.frame_positions(q), alone.frame_positions(q), rtol=0, atol=1e-12)


@hypothesis_settings(deadline=None)
@given(q0=angles7, q1=angles7)
def test_reach_bounds_the_travel_of_every_frame_of_the_panda(q0: np.ndarray, q1: np.ndarray) -> None:
    travel = np.linalg.norm(PANDA.frame_positions(q1) - PANDA.frame_positions(q0), axis=1)
    step = np.abs(q1 - q0)
    assert np.all(travel <= PANDA.frame_reach @ step + 1e-12)


@hypothesis_settings(deadline=None)
@given(q=angles7, joint=st.integers(0, 6), size=st.floats(1e-6, 1e-3))
def test_reach_bounds_the_travel_of_small_steps_of_one_joint(q: np.ndarray, joint: int, size: float) -> None:
    step = np.zeros(7)
    step[joint] = size
    travel = np.linalg.norm(PANDA.frame_positions(q + step) - PANDA.frame_positions(q), axis=1)
    assert np.all(travel <= PANDA.frame_reach[:, joint] * size + 1e-12)


@hypothesis_settings(deadline=None)
@given(q0=mixed_q, q1=mixed_q)
def test_reach_bounds_travel_with_every_kind_of_joint(q0: np.ndarray, q1: np.ndarray) -> None:
    travel = np.linalg.norm(MIXED_MODEL.frame_positions(q1) - MIXED_MODEL.frame_positions(q0), axis=1)
    assert np.all(travel <= MIXED_MODEL.frame_reach @ np.abs(q1 - q0) + 1e-12)


def second_derivatives(model: RobotModel, q: np.ndarray, size: float = 1e-4) -> np.ndarray:
    """Of all points by all pairs of joints, shape (m, n, n), as differences."""
    n = len(q)
    steps = size * np.eye(n)
    at = model.frame_positions
    rows = [
        [
            at(q + steps[i] + steps[j]) - at(q + steps[i] - steps[j]) - at(q - steps[i] + steps[j])
            + at(q - steps[i] - steps[j])
            for j in range(n)
        ]
        for i in range(n)
    ]  # fmt: skip
    derivatives = np.linalg.norm(np.array(rows), axis=3) / (4 * size * size)
    return np.asarray(np.moveaxis(derivatives, 2, 0))


@hypothesis_settings(deadline=None, max_examples=50)
@given(q=angles7)
def test_bend_bounds_the_second_derivatives_of_the_panda(q: np.ndarray) -> None:
    assert np.all(second_derivatives(PANDA, q) <= PANDA.frame_bend + 1e-6)


@hypothesis_settings(deadline=None, max_examples=50)
@given(q=mixed_q)
def test_bend_bounds_second_derivatives_with_every_kind_of_joint(q: np.ndarray) -> None:
    assert np.all(second_derivatives(MIXED_MODEL, q) <= MIXED_MODEL.frame_bend + 1e-6)


def test_bend_is_attained_within_a_fifth_and_zero_only_where_nothing_bends() -> None:
    random = np.random.default_rng(3)
    worst = np.max([second_derivatives(PANDA, random.uniform(-3, 3, 7)) for _ in range(300)], axis=0)
    used = worst.max(axis=0) / PANDA.frame_bend.max(axis=0)
    assert used[0, 0] > 0.8
    assert used.max() <= 1.0 + 1e-6
    assert np.median(used) > 0.5
    assert not PANDA.frame_bend[PANDA.frame_names.index("panda_link1"), 1:].any()


def test_reach_is_attained_by_the_outstretched_arm_within_a_tenth() -> None:
    # Elbow, wrist and tool stretched flat; found by search.
    q = np.array([0.0, -1.63347693, 1.32972673, -0.46766947, 0.0, 2.95715416, 0.0])
    step = np.array([1e-6, 0, 0, 0, 0, 0, 0])
    speed = np.linalg.norm(PANDA.frame_positions(q + step) - PANDA.frame_positions(q), axis=1).max() / 1e-6
    reach = PANDA.frame_reach[:, 0].max()
    assert reach * 0.9 < speed <= reach


def test_reach_of_a_joint_upstream_of_a_slide_counts_its_whole_travel() -> None:
    urdf = (
        '<robot name="r"><link name="base"/><link name="a"/><link name="b"/>'
        '<joint name="turn" type="revolute"><parent link="base"/><child link="a"/><axis xyz="0 0 1"/>'
        '<limit lower="-1" upper="1" velocity="1" effort="1"/></joint>'
        '<joint name="slide" type="prismatic"><parent link="a"/><child link="b"/><axis xyz="1 0 0"/>'
        '<limit lower="0.5" upper="2" velocity="1" effort="1"/></joint></robot>'
    )
    model = RobotModel(settings(urdf, ("turn", "slide")))
    assert model.frame_reach.max(axis=0) == pytest.approx([2.0, 1.0], rel=1e-8)


def test_reach_of_a_joint_that_others_follow_counts_their_multipliers() -> None:
    # The tool's arm of 1 m turns with the joint and three times more with its follower: 4 m for each rad.
    urdf = (
        '<robot name="r"><link name="base"/><link name="a"/><link name="b"/><link name="tip"/>'
        '<joint name="turn" type="continuous"><parent link="base"/><child link="a"/><axis xyz="0 0 1"/></joint>'
        '<joint name="follow" type="continuous"><parent link="a"/><child link="b"/><axis xyz="0 0 1"/>'
        '<mimic joint="turn" multiplier="3"/></joint>'
        '<joint name="tool" type="fixed"><parent link="b"/><child link="tip"/><origin xyz="1 0 0"/></joint></robot>'
    )
    model = RobotModel(settings(urdf, ("turn",)))
    assert model.frame_reach.max(axis=0) == pytest.approx([4.0], rel=1e-8)
    tip = model.frame_names.index("tip")
    moved = model.frame_positions(np.array([1e-4]))[tip] - model.frame_positions(np.zeros(1))[tip]
    assert np.linalg.norm(moved) == pytest.approx(4e-4, rel=1e-6)


def test_limits_of_the_urdf_stand_in_configuration_order() -> None:
    lower, upper, velocity, effort = RobotModel(settings(MIXED, MIXED_JOINTS)).urdf_limits()
    assert lower.tolist() == [-1.0, -math.inf]
    assert upper.tolist() == [2.0, math.inf]
    assert velocity.tolist() == [3.0, 3.0]
    assert effort.tolist() == [4.0, 4.0]


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("model", [PANDA, MIXED_MODEL], ids=["panda", "mixed"])
def test_an_unknown_position_gives_unknown_frames_and_leaves_nothing_behind(model: RobotModel, value: float) -> None:
    good = np.zeros(len(model.joints))
    before = model.frame_positions(good)
    for joint in range(len(good)):
        bad = good.copy()
        bad[joint] = value
        assert not np.all(np.isfinite(model.frame_positions(bad)))
    assert np.array_equal(model.frame_positions(good), before)


def test_arrays_handed_out_do_not_change_later() -> None:
    first = PANDA.frame_positions(np.zeros(7))
    copy = first.copy()
    PANDA.frame_positions(np.ones(7))
    assert np.array_equal(first, copy)
    with pytest.raises(ValueError, match="read-only"):
        PANDA.frame_reach[0] = 0.0


def problems(urdf: str, joints: tuple[str, ...], locked: dict[str, float], base: str = "base") -> tuple[str, ...]:
    with pytest.raises(RobotModelError) as caught:
        RobotModel(settings(urdf, joints, locked, base))
    return caught.value.problems


def test_all_problems_are_named_at_once() -> None:
    found = problems(MIXED, ("turn", "turn", "follow", "elbow"), {"turn": 0.0, "ghost": 0.0, "far": 0.2}, "base")
    for part in (
        "'turn' is commanded twice",
        "'follow' follows 'turn'",
        "'elbow' is not a movable joint",
        "'turn' is both commanded and locked",
        "'ghost' is not a movable joint",
        "'slide' is neither commanded nor locked",
    ):
        assert any(part in problem for problem in found), part


def test_a_locked_mimic_joint_must_agree_with_the_joint_that_it_follows() -> None:
    agreeing = RobotModel(settings(MIXED, ("turn",), {"slide": 1.0, "far": 0.4}))
    assert agreeing.frame_names == ("a", "b", "c", "tip")
    assert "would be elsewhere" in problems(MIXED, ("turn",), {"slide": 1.0, "far": 0.5})[0]
    assert "would be elsewhere" in problems(MIXED, MIXED_JOINTS, {"follow": 0.3})[0]


@pytest.mark.parametrize(
    ("joints", "part"),
    [
        ((joint_xml("j", "planar", "base", "a"),), "unsupported type 'planar'"),
        ((joint_xml("j", "revolute", "base", "a", '<mimic joint="j"/>'),), "follows itself"),
        ((joint_xml("j", "revolute", "base", "a", '<mimic joint="k"/>'),), "follows 'k', which is not a movable"),
        (
            (
                joint_xml("turn", "continuous", "base", "a"),
                joint_xml("rack", "prismatic", "a", "b", '<mimic joint="turn"/>'),
            ),
            "'rack' is moved without limits by 'turn'",
        ),
        ((joint_xml("j", "prismatic", "base", "a", axis="0 1 1"),), "axis of length 1.41421, not 1"),
        ((joint_xml("j", "prismatic", "base", "a", axis="0 0 nan"),), "axis of length nan, not 1"),
    ],
)
def test_joints_that_can_not_be_handled_are_named(joints: tuple[str, ...], part: str) -> None:
    assert any(part in problem for problem in problems(robot_xml(*joints), ("turn",), {}))


@pytest.mark.parametrize("base", ["tip", "nowhere", "turn"])
def test_the_base_frame_must_be_a_link_at_rest(base: str) -> None:
    assert f"base frame '{base}' is" in problems(MIXED, MIXED_JOINTS, {}, base)[0]


@pytest.mark.redteam(50)
@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE robot [<!ENTITY a "aaaa">]><robot name="&a;"><link name="base"/></robot>',
        '<!doctype robot><robot name="r"><link name="base"/></robot>',
        "<robot",
        "",
        "not xml",
        MIXED.replace('velocity="3"', 'velocity="nan"'),
        MIXED.replace('xyz="0.1 0.2 0.3"', 'xyz="nan 0.2 0.3"'),
        MIXED.replace('xyz="0.1 0.2 0.3"', 'xyz="1e308 1e308 1e308"'),
        MIXED.replace('name="slide"', 'name="turn"'),
    ],
)
def test_a_urdf_that_is_none_is_refused(text: str) -> None:
    assert problems(text, MIXED_JOINTS, {})


def test_what_a_ball_is_carried_does_not_depend_on_what_was_asked_before() -> None:
    """Balls are carried once; a part of the way is that part, and another radius is another ball."""
    centre = np.array([0.1, -0.05, 0.2])
    asked, fresh = panda().carrier, panda().carrier
    whole = asked.of_ball(7, centre, 0.04)
    for until in range(7):
        part = asked.of_ball(7, centre, 0.04, until)
        assert not part[:until].any()
        assert part[until:].tolist() == whole[until:].tolist()
        assert part.tolist() == panda().carrier.of_ball(7, centre, 0.04, until).tolist()
    bend = asked.bend_of_ball(7, centre, 0.04)
    assert bend.tolist() == asked.bend_of_ball(7, centre.copy(), 0.04).tolist() == bend.T.tolist()
    with pytest.raises(ValueError, match="read-only"):
        bend[0, 0] = 0.0
    assert (asked.of_ball(7, centre, 0.05) > whole).all()
    assert asked.of_ball(7, centre, 0.05).tolist() == fresh.of_ball(7, centre, 0.05).tolist()
    assert (asked.bend_of_ball(7, centre, 0.05) > bend).all()
    assert asked.bend_of_ball(7, centre, 0.05).tolist() == fresh.bend_of_ball(7, centre, 0.05).tolist()
