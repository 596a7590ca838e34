"""Distances of all pairs of bodies against other computations, and how fast a pair can approach."""
# ruff: noqa: E501  a table: one row, one line

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import coal
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from other_geometry import OtherGeometry, rpy_matrix
from rig import BARE, HOME, panda, upright

from safety_supervisor.config import load_config
from safety_supervisor.core.errors import Code
from safety_supervisor.core.geometry import query as query_module
from safety_supervisor.core.geometry.bodies import THINNEST, coal_body, faces, hull_balls
from safety_supervisor.core.geometry.mimic import RobotModelError
from safety_supervisor.core.geometry.never_touch import never_touches
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.geometry.shapes import Box, Capsule, Cylinder, HalfSpace, Polytope, Sphere
from safety_supervisor.core.geometry.spans import least_between
from safety_supervisor.core.geometry.strided import StrideError, strided_view
from safety_supervisor.core.settings import GeometrySettings, RobotSettings, Zone, ZoneKind

SHIPPED = panda()
MODEL = RobotModel(SHIPPED.robot, SHIPPED.geometry.volumes)
PYRAMID = Polytope(((0.0, 0.0, 0.0), (0.2, 0.0, 0.0), (0.0, 0.2, 0.0), (0.2, 0.2, 0.05), (0.1, 0.1, 0.3)))
CELL = (
    *SHIPPED.zones,
    Zone("ball", ZoneKind.KEEP_OUT, Sphere((0.5, -0.4, 0.5), 0.1), (), 0.0),
    Zone("pole", ZoneKind.RESTRICTED, Cylinder((-0.5, 0.3, 0.0), (-0.5, 0.3, 1.2), 0.05), (), 0.01),
    Zone("pipe", ZoneKind.KEEP_OUT, Capsule((-0.4, -0.5, 0.2), (0.4, -0.6, 0.3), 0.03), ("panda_hand",), 0.0),
    Zone("plate", ZoneKind.KEEP_OUT, Box((0.5, 0.0, 0.3), (0.3, 0.3, 0.005), (0.1, -0.2, 0.7)), (), 0.0),
    Zone("rock", ZoneKind.KEEP_OUT, PYRAMID, (), 0.0),
)
SCENE = Scene(MODEL, SHIPPED.geometry, CELL, SHIPPED.tracking.path_error, every_pair=True)

LINKS = "".join(f'<link name="{name}"/>' for name in ("base", "a", "b", "c", "tip", "side"))


def joint(name: str, kind: str, parent: str, child: str, axis: str, more: str = "") -> str:
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="0.1 0.25 0.3" rpy="0.4 -0.5 0.6"/><axis xyz="{axis}"/>'
        f'<limit lower="-1" upper="2" velocity="3" effort="4"/>{more}</joint>'
    )


BRANCHED = f"""<robot name="r">{LINKS}
{joint("turn", "continuous", "base", "a", "0 0.6 0.8")}
{joint("slide", "prismatic", "a", "b", "0.6 -0.8 0")}
{joint("follow", "revolute", "b", "c", "1 0 0", '<mimic joint="turn" multiplier="-2" offset="0.3"/>')}
{joint("swing", "revolute", "c", "tip", "0 1 0")}
{joint("nod", "revolute", "a", "side", "0 0 1")}
</robot>"""
"""Two branches above a common joint, a joint of each kind, one that follows a joint below the common one."""
BRANCHED_JOINTS = ("slide", "turn", "swing", "nod")
BRANCHED_GEOMETRY = GeometrySettings(
    {
        "base": (Sphere((0.0, 0.0, 0.1), 0.1),),
        "a": (Capsule((0.0, 0.0, 0.0), (0.1, 0.2, 0.2), 0.05),),
        "b": (Box((0.05, 0.0, 0.1), (0.1, 0.2, 0.3), (0.3, 0.2, 0.1)),),
        "c": (Cylinder((0.0, 0.0, -0.1), (0.0, 0.1, 0.2), 0.05),),
        "tip": (PYRAMID, Sphere((0.0, 0.3, 0.0), 0.02)),
        "side": (Capsule((0.0, 0.0, 0.0), (0.0, 0.4, 0.0), 0.03),),
    },
    frozenset(),
    0.0,
)
BRANCHED_ROBOT = RobotSettings(
    "r", BRANCHED, "", "base", BRANCHED_JOINTS, {"all": (0, 1, 2, 3)}, {}, ()
)  # fmt: skip
WALL = Zone("wall", ZoneKind.KEEP_OUT, Box((1.0, 0.0, 0.0), (0.1, 4.0, 4.0)), (), 0.0)
BRANCHED_SCENE = Scene(
    RobotModel(BRANCHED_ROBOT, BRANCHED_GEOMETRY.volumes), BRANCHED_GEOMETRY, (WALL,), every_pair=True
)


def least(scene: Scene, q: np.ndarray) -> dict[tuple[str, tuple[str, ...]], float]:
    """Least distance of each rule and links."""
    found: dict[tuple[str, tuple[str, ...]], float] = {}
    for pair, distance in zip(scene.pairs, scene.distances(q).tolist(), strict=True):
        key = pair.rule, tuple(sorted(pair.links))
        found[key] = min(found.get(key, math.inf), distance)
    return found


def other_least(other: OtherGeometry, q: np.ndarray) -> dict[tuple[str, tuple[str, ...]], float]:
    found: dict[tuple[str, tuple[str, ...]], float] = {}
    for rule, links, _, distance in other.distances(q):
        key = rule, tuple(sorted(links))
        found[key] = min(found.get(key, math.inf), distance)
    return found


@pytest.mark.requirement("SR-027")
@pytest.mark.parametrize(
    ("scene", "other", "low", "high"),
    [
        (SCENE, OtherGeometry(SHIPPED.robot, SHIPPED.geometry, CELL), SHIPPED.envelope.joints.lower, SHIPPED.envelope.joints.upper),
        (BRANCHED_SCENE, OtherGeometry(BRANCHED_ROBOT, BRANCHED_GEOMETRY, (WALL,)), np.array([-1, -4, -1, -1]), np.array([2, 4, 2, 2])),
    ],
    ids=["panda", "branched"],
)  # fmt: skip
def test_the_same_pairs_and_distances_by_other_kinematics_and_fresh_queries(
    scene: Scene, other: OtherGeometry, low: np.ndarray, high: np.ndarray
) -> None:
    random = np.random.default_rng(1)
    worst = deepest = 0.0
    for _ in range(60):
        q = random.uniform(low, high)
        mine, theirs = least(scene, q), other_least(other, q)
        assert mine.keys() == theirs.keys()
        worst = max(worst, *(abs(mine[key] - theirs[key]) for key in mine if theirs[key] > 0.0))
        deepest = max(deepest, *(abs(mine[key] - theirs[key]) for key in mine))
    print(f"{len(scene.pairs)} pairs: distances differ by {worst:.1e} m, depths by {deepest:.1e} m at most")
    assert worst < 5e-6
    assert deepest < 2e-5


def segment_gap(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    """Distance of two segments: the convex function minimised by nested golden sections."""

    def golden(f, count: int) -> float:  # type: ignore[no-untyped-def]
        low, high, g = 0.0, 1.0, (math.sqrt(5) - 1) / 2
        for _ in range(count):
            x, y = high - g * (high - low), low + g * (high - low)
            if f(x) < f(y):
                high = y
            else:
                low = x
        return float(min(f(0.0), f(1.0), f((low + high) / 2)))

    def to_second(p: np.ndarray) -> float:
        t = np.clip((p - c) @ (d - c) / ((d - c) @ (d - c)), 0.0, 1.0)
        return float(np.linalg.norm(p - c - t * (d - c)))

    return golden(lambda s: to_second(a + s * (b - a)), 70)


def box_gap(a: np.ndarray, b: np.ndarray, box: Box) -> float:
    """Distance of a segment and a box."""
    rotation = rpy_matrix(*box.rpy)
    a, b = (rotation.T @ (p - np.array(box.centre)) for p in (a, b))
    half = np.array(box.size) / 2
    low, high = 0.0, 1.0
    for _ in range(200):
        x, y = low + (high - low) / 3, high - (high - low) / 3
        f, g = (np.linalg.norm(np.maximum(np.abs(a + t * (b - a)) - half, 0.0)) for t in (x, y))
        low, high = (low, y) if f < g else (x, high)
    t = (low + high) / 2
    ends = [np.linalg.norm(np.maximum(np.abs(p) - half, 0.0)) for p in (a, b, a + t * (b - a))]
    return float(min(ends))


@pytest.mark.requirement("SR-027")
def test_distances_by_formulas_of_our_own() -> None:
    """Capsule to capsule, capsule to box, capsule to half-space, without Coal and without Pinocchio."""
    other = OtherGeometry(SHIPPED.robot, SHIPPED.geometry, ())
    random = np.random.default_rng(2)
    zones = {zone.name: zone for zone in CELL}
    counts = {"capsules": 0, "box": 0, "plane": 0}
    capsules = {k: v[0] for k, v in SHIPPED.geometry.volumes.items() if len(v) == 1 and isinstance(v[0], Capsule)}
    for _ in range(60):
        q = random.uniform(SHIPPED.envelope.joints.lower, SHIPPED.envelope.joints.upper)
        frames, found = other.frames(q), least(SCENE, q)
        lines = {}
        for link, capsule in capsules.items():
            rotation, origin = frames[link]
            lines[link] = [origin + rotation @ np.array(p) for p in (capsule.start, capsule.end)]
        for (rule, links), distance in found.items():
            if not set(links) <= set(capsules):
                continue
            radius = capsules[links[0]].radius
            first = lines[links[0]]
            if rule == "geometry.self":
                expected = segment_gap(*first, *lines[links[1]]) - radius - capsules[links[1]].radius
                counts["capsules"] += 1
            elif rule in ("zones.cabinet", "zones.plate"):
                expected = box_gap(*first, zones[rule[6:]].shape) - radius  # type: ignore[arg-type]
                if expected < 0.0:
                    continue
                counts["box"] += 1
            elif rule == "zones.table":
                expected = min(p[2] for p in first) - radius
                counts["plane"] += 1
            elif rule == "zones.cell":
                room = [min(p[k] + 0.9, 0.9 - p[k]) for p in first for k in (0, 1)] + [p[2] + 0.1 for p in first]
                expected = min(*room, *(1.25 - p[2] for p in first)) - radius
                counts["plane"] += 1
            else:
                continue
            assert distance == pytest.approx(expected, abs=2e-6), (rule, links)
    assert min(counts.values()) > 150, counts


angles = st.lists(st.floats(-3.0, 3.0), min_size=7, max_size=7).map(np.array)


@pytest.mark.redteam(29)
@hypothesis_settings(deadline=None, max_examples=150)
@given(q0=angles, q1=angles, share=st.floats(0.0, 1.0))
def test_no_pair_of_the_panda_approaches_faster_than_its_reach(q0: np.ndarray, q1: np.ndarray, share: float) -> None:
    q1 = q0 + share * (q1 - q0)
    change = np.abs(SCENE.distances(q1) - SCENE.distances(q0))
    assert (change <= SCENE.reach @ np.abs(q1 - q0) + 5e-6).all()


@pytest.mark.redteam(29)
@hypothesis_settings(deadline=None, max_examples=150)
@given(
    slides=st.tuples(st.floats(-1.0, 2.0), st.floats(-1.0, 2.0)),
    turns=st.lists(st.floats(-3.0, 3.0), min_size=6, max_size=6),
    share=st.floats(0.0, 1.0),
)
def test_no_pair_approaches_faster_where_joints_slide_follow_and_branch(
    slides: tuple[float, float], turns: list[float], share: float
) -> None:
    q0, q1 = np.array([slides[0], *turns[:3]]), np.array([slides[1], *turns[3:]])
    q1 = q0 + share * (q1 - q0)
    change = np.abs(BRANCHED_SCENE.distances(q1) - BRANCHED_SCENE.distances(q0))
    assert (change <= BRANCHED_SCENE.reach @ np.abs(q1 - q0) + 5e-6).all()


def least_on_the_way(scene: Scene, q0: np.ndarray, q1: np.ndarray) -> np.ndarray:
    """Least distance of every pair at many poses of a straight way."""
    return np.min([scene.distances(q0 + s * (q1 - q0)) for s in np.linspace(0.0, 1.0, 41)], axis=0)


@pytest.mark.requirement("SR-026")
@hypothesis_settings(deadline=None, max_examples=60)
@given(q0=angles, toward=angles, size=st.floats(0.0, 0.5), asked_first=st.booleans())
def test_no_pair_of_the_panda_comes_nearer_than_its_least_gap(
    q0: np.ndarray, toward: np.ndarray, size: float, asked_first: bool
) -> None:
    q1 = q0 + size * (toward - q0) / 3.0
    real, which = least_on_the_way(SCENE, q0, q1), np.arange(len(SCENE.pairs))
    here = SCENE.distances(q0)
    SCENE.distances(q0 if asked_first else q1)
    begin, least = SCENE.least_gaps(q0, q1, which)
    assert not (begin > here + 2e-6).any()
    assert not (least > real + 2e-6).any()
    # From directions of another pose, too; and for some pairs as for all.
    SCENE.distances(q0 + 1.0)
    _, other = SCENE.least_gaps(q0, q1, which)
    assert not (other > real + 2e-6).any()
    some = np.array([3, 17, 4])
    np.testing.assert_allclose(SCENE.least_gaps(q0, q1, some)[1], other[some], rtol=0, atol=1e-12)


@pytest.mark.requirement("SR-026")
@hypothesis_settings(deadline=None, max_examples=60)
@given(
    slides=st.tuples(st.floats(-1.0, 2.0), st.floats(-1.0, 2.0)),
    turns=st.lists(st.floats(-3.0, 3.0), min_size=6, max_size=6),
    share=st.floats(0.0, 1.0),
)
def test_no_pair_comes_nearer_than_its_least_gap_where_joints_slide_follow_and_branch(
    slides: tuple[float, float], turns: list[float], share: float
) -> None:
    q0, q1 = np.array([slides[0], *turns[:3]]), np.array([slides[1], *turns[3:]])
    q1 = q0 + share * (q1 - q0)
    real = least_on_the_way(BRANCHED_SCENE, q0, q1)
    BRANCHED_SCENE.distances(q1)
    _, least = BRANCHED_SCENE.least_gaps(q0, q1, np.arange(len(BRANCHED_SCENE.pairs)))
    assert not (least > real + 2e-6).any()


def test_least_gaps_prove_what_reach_can_not() -> None:
    """Before a plane, in a short way, the bound is near the least distance; that of `reach` is far from it."""
    random, tight, loose = np.random.default_rng(5), [], []
    plane = np.array([p.rule == "zones.table" for p in SCENE.pairs]).nonzero()[0]
    for _ in range(50):
        q0 = random.uniform(-0.8, 0.8, 7) + [0, 0.3, 0, -1.8, 0, 2.0, 0]
        q1 = q0 + random.uniform(-0.08, 0.08, 7)
        real, first = least_on_the_way(SCENE, q0, q1)[plane], SCENE.distances(q0)[plane]
        last = SCENE.distances(q1)[plane]
        tight.append(real - SCENE.least_gaps(q0, q1, plane)[1])
        loose.append(real - (first + last - SCENE.reach[plane] @ np.abs(q1 - q0)) / 2.0)
    assert np.median(tight) < 0.1 * np.median(loose)
    assert np.min(tight) >= -2e-6


@pytest.mark.parametrize(
    ("first", "last", "bend"), [(1.0, 2.0, 0.0), (1.0, 1.0, 8.0), (0.2, 3.0, 10.0), (3.0, 0.2, 4.0), (0.0, 0.0, 0.0)]
)
def test_the_least_between_two_ends_is_that_of_the_parabola(first: float, last: float, bend: float) -> None:
    s = np.linspace(0.0, 1.0, 100_001)
    expected = ((1 - s) * first + s * last - bend * s * (1 - s) / 2).min()
    found = least_between(np.array([first]), np.array([last]), np.array([bend]))
    assert found[0] == pytest.approx(expected, abs=1e-8)
    assert np.isnan(least_between(np.array([np.nan]), np.array([last]), np.array([bend]))[0])


def test_the_reach_is_not_far_from_what_happens() -> None:
    """A bound that was several times too wide would prove nothing in practice: one joint at a time, at its worst."""
    random = np.random.default_rng(3)
    limits = SHIPPED.envelope.joints
    best = np.zeros_like(SCENE.reach)
    for _ in range(300):
        q = random.uniform(limits.lower, limits.upper)
        here = SCENE.distances(q)
        for j in range(7):
            step = np.eye(7)[j] * 1e-3
            best[:, j] = np.maximum(best[:, j], np.abs(SCENE.distances(q + step) - here) / 1e-3)
    zone = np.array([pair.rule != "geometry.self" for pair in SCENE.pairs])
    used = best.max(axis=0) / SCENE.reach.max(axis=0)
    print("greatest rate of any pair over the greatest reach, per joint:", used.round(2))
    assert (used > 0.5).all()
    assert (best[zone] <= SCENE.reach[zone] + 1e-3).all()


@pytest.mark.requirement("SR-044")
def test_a_distance_depends_on_the_pose_alone_to_the_bit() -> None:
    random = np.random.default_rng(4)
    poses = random.uniform(SHIPPED.envelope.joints.lower, SHIPPED.envelope.joints.upper, (40, 7))
    straight = [SCENE.distances(q).tobytes() for q in poses]
    backward = [SCENE.distances(q).tobytes() for q in poses[::-1]][::-1]
    again = Scene(RobotModel(SHIPPED.robot), SHIPPED.geometry, CELL, SHIPPED.tracking.path_error, every_pair=True)
    crossed = []
    for q in poses:
        for _ in range(3):
            again.distances(random.uniform(-2, 2, 7))
        crossed.append(again.distances(q).tobytes())
    assert straight == backward == crossed
    for count in (1, 5, 32, 33, len(SCENE.pairs)):
        which = np.sort(random.choice(len(SCENE.pairs), count, replace=False))
        some = SCENE.distances_of(poses[count % 7], which)
        assert some.tobytes() == SCENE.distances(poses[count % 7])[which].tobytes(), "a few pairs as all of them"
    for request in SCENE._exact.results.distanceRequests:
        assert request.gjk_initial_guess == coal.GJKInitialGuess.DefaultGuess
        with pytest.warns(DeprecationWarning, match="gjk_initial_guess"):
            cached = request.enable_cached_gjk_guess  # the old name of the same thing, on by default in Pinocchio
        assert not cached


@pytest.mark.requirement("SR-044")
@pytest.mark.parametrize("name", ["panda", "g1"])
def test_what_is_asked_again_at_a_pose_is_what_was_computed_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three poses, one of them -0.0 where another one is 0.0, all that can be asked of them, in any order."""
    shipped = load_config(Path(__file__).parents[2] / "config" / f"{name}.yaml")
    random, limits = np.random.default_rng(6), shipped.envelope.joints
    scene = Scene(RobotModel(shipped.robot, shipped.geometry.volumes), shipped.geometry, shipped.zones)
    assert scene.bounded is (name == "g1")
    count = len(scene.pairs)
    zeros = random.uniform(limits.lower, limits.upper)
    zeros[::2] = 0.0
    poses = np.array([np.where(zeros == 0.0, -0.0, zeros), zeros, random.uniform(limits.lower, limits.upper)])
    questions = [
        lambda q, which: scene.distances(q),
        scene.distances_of,
        lambda q, which: scene.at_least(q, which, np.full(len(which), 0.1)),
        lambda q, which: np.concatenate((scene.distances_of(q, which), *scene.least_gaps(q, poses[0], which))),
    ]

    def anew(question: int, pose: int, which: np.ndarray) -> bytes:
        for query in (scene._exact, scene._around):
            if query is not None:
                query.forget()
        answer: bytes = questions[question](poses[pose], which).tobytes()
        return answer

    asked = [
        (int(question), int(pose), np.sort(random.choice(count, random.integers(1, 40), replace=False)))
        for question, pose in zip(random.integers(4, size=300), random.choice(3, 300, p=(0.2, 0.4, 0.4)), strict=True)
    ]
    fresh = [anew(*one) for one in asked]
    assert [questions[question](poses[pose], which).tobytes() for question, pose, which in asked] == fresh
    scene.distances_of(poses[2], np.arange(5))
    computed: list[int] = []
    monkeypatch.setattr(query_module.pin, "computeDistance", lambda *of: computed.append(of[2]))
    scene.distances_of(poses[2], np.arange(3, 8))
    assert computed == [5, 6, 7], "what is known is not computed again"


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_pose_that_is_not_finite_has_no_distances(value: float) -> None:
    for index in range(7):
        q = HOME.copy()
        q[index] = value
        assert np.isnan(SCENE.distances(q)).all()
        assert np.isnan(SCENE.distances_of(q, np.arange(3))).all()
    assert np.isfinite(SCENE.distances(HOME)).all()


def test_which_pairs_are_asked() -> None:
    links = {frozenset(pair.links) for pair in SCENE.pairs if pair.rule == "geometry.self"}
    assert frozenset(("panda_link1", "panda_link2")) not in links, "one joint joins them"
    assert frozenset(("panda_hand", "panda_leftfinger")) not in links, "they do not move against each other"
    assert frozenset(("panda_link7", "panda_hand")) not in links
    assert frozenset(("panda_link6", "panda_hand")) in links
    left_out = GeometrySettings(SHIPPED.geometry.volumes, frozenset([frozenset(("panda_link6", "panda_hand"))]), 0.0)
    fewer = Scene(MODEL, left_out, (), every_pair=True)
    assert {frozenset(pair.links) for pair in fewer.pairs} == links - {frozenset(("panda_link6", "panda_hand"))}
    assert {pair.links for pair in SCENE.pairs if pair.rule == "zones.pipe"} == {("panda_hand",)}
    table = {pair.links for pair in SCENE.pairs if pair.rule == "zones.table"}
    assert ("panda_link0",) not in table, "it does not move"
    assert ("panda_hand_tcp",) in table, "a link without volume counts as a point"
    codes = {pair.rule: pair.code for pair in SCENE.pairs}
    assert codes["geometry.self"] is Code.SELF_COLLISION
    assert codes["zones.cell"] is codes["zones.ball"] is Code.WORKSPACE
    assert codes["zones.pole"] is Code.RESTRICTED


def test_pairs_that_are_left_out_as_never_touching_never_touch() -> None:
    """Proven at building; here sampled, over the URDF's whole range and far denser than the proof's boxes."""
    scene = Scene(MODEL, SHIPPED.geometry, CELL, SHIPPED.tracking.path_error)

    def keys(of: Scene) -> list[tuple[object, ...]]:
        """What tells pairs apart, faces of one zone included: the distance at a pose, to the bit."""
        return [(pair.rule, pair.links, d) for pair, d in zip(of.pairs, of.distances(HOME).tolist(), strict=True)]

    kept, gone = keys(scene), []
    for index, key in enumerate(keys(SCENE)):
        if key in kept:
            kept.remove(key)
        else:
            gone.append(index)
    assert kept == []
    names = {SCENE.pairs[index].links for index in gone}
    print(f"{len(gone)} of {len(SCENE.pairs)} can never touch: {sorted(names)}")
    assert ("panda_link6", "panda_hand") in names
    assert ("panda_link5", "panda_link7") in {pair.links for pair in scene.pairs}, "they touch where joint 6 is low"
    lower, upper, _, _ = MODEL.urdf_limits()
    random = np.random.default_rng(7)
    least = min(
        float((SCENE.distances(q) - SCENE.margins)[gone].min()) for q in random.uniform(lower, upper, (4000, 7))
    )
    assert least > 5e-4


def test_what_can_touch_in_one_corner_of_its_range_is_asked() -> None:
    def distance(q: np.ndarray) -> float:
        return float(abs(q[1] - 0.93) + abs(q[2] + 0.71))

    lower, upper = np.full(4, -1.0), np.full(4, 1.0)
    reach = np.array([0.0, 1.0, 1.0, 0.0])
    assert not never_touches(distance, reach, 0.05, lower, upper)
    assert never_touches(lambda q: distance(q) + 0.2, reach, 0.05, lower, upper)
    assert not never_touches(lambda q: 0.0501, reach, 0.05, lower, upper), "not within the budget"
    assert not never_touches(lambda q: 9.0, np.array([1.0, 1.0, 1.0, 0.0]), 0.05, lower, upper), "three joints"
    assert not never_touches(lambda q: np.nan, reach, 0.05, lower, upper)
    assert not never_touches(lambda q: 9.0, reach, 0.05, lower, np.full(4, np.inf))


def test_a_continuous_joint_that_another_follows_by_a_fraction_has_no_whole_range() -> None:
    model = BRANCHED_SCENE.model
    lower, upper = model.whole_range()
    assert (lower[1], upper[1]) == (-math.pi, math.pi), "a follower twice as fast goes round too"
    robot = replace(BRANCHED_ROBOT, urdf=BRANCHED.replace('multiplier="-2"', 'multiplier="0.5"'))
    lower, upper = RobotModel(robot).whole_range()
    assert (lower[1], upper[1]) == (-math.inf, math.inf), "half a turn is not all of it"
    assert (lower[0], upper[0]) == (-1.0, 2.0)


def test_margins_grow_by_what_the_path_error_can_take() -> None:
    plain = Scene(MODEL, SHIPPED.geometry, CELL, every_pair=True)
    assert plain.margins.tolist() == [pair.margin for pair in plain.pairs]
    taken = SCENE.margins - plain.margins
    assert np.allclose(taken, SCENE.reach.sum(axis=1) * 0.002)
    assert 0.00005 < taken.min() < taken.max() < 0.02


def test_what_both_bodies_share_does_not_count() -> None:
    """Joint 1 to 5 carry link 5 and the hand alike."""
    rows = [
        reach
        for pair, reach in zip(SCENE.pairs, SCENE.reach, strict=True)
        if pair.links == ("panda_link5", "panda_hand")
    ]
    assert rows
    for row in rows:
        assert (row[:5] == 0.0).all()
        assert (row[5:] > 0.0).all()


CUBE = Polytope(tuple((x, y, z) for x in (0.0, 0.4) for y in (0.0, 0.4) for z in (0.0, 0.4)))


@pytest.mark.parametrize(
    ("shape", "count"),
    # Five corners in general position have 2 * 5 - 4 triangles; the twelve of a cube are six faces.
    [(Box((0.1, 0.2, 0.3), (0.4, 0.6, 0.8), (0.3, -0.4, 0.5)), 6), (PYRAMID, 6), (CUBE, 6)],
)
def test_outside_the_faces_is_all_that_is_not_inside(shape: Box | Polytope, count: int) -> None:
    random = np.random.default_rng(5)
    body = coal_body(shape)
    sides = faces(shape)
    assert len(sides) == count
    for point in random.uniform(-0.5, 0.9, (500, 3)):
        outside = max(-(np.dot(side.normal, point) - side.offset) for side in sides)
        place = coal.Transform3s()
        place.setTranslation(point)
        frame = coal.Transform3s(body.placement.rotation, body.placement.translation)
        gap = coal.distance(
            coal.Sphere(0.0), place, body.geometry, frame, coal.DistanceRequest(), coal.DistanceResult()
        )
        assert (outside > 0.0) == (gap > 0.0) or abs(gap) < 1e-5
        if gap < -1e-4:
            assert outside == pytest.approx(gap, abs=1e-5), "inside, both are the distance to the nearest face"


@pytest.mark.parametrize(
    "shape",
    [
        Sphere((0.1, 0.2, 0.3), 0.1),
        Capsule((0.0, 0.0, 0.0), (0.1, 0.2, 0.3), 0.1),
        Cylinder((0.0, 0.0, 0.0), (0.1, 0.2, 0.3), 0.1),
        Box((0.1, 0.2, 0.3), (0.2, 0.3, 0.4), (0.5, 0.6, 0.7)),
        PYRAMID,
    ],
)
def test_the_balls_of_a_shape_span_it(shape: Sphere | Capsule | Cylinder | Box | Polytope) -> None:
    """By support: in no direction does the shape reach farther than its balls."""
    random = np.random.default_rng(6)
    body = coal_body(shape)
    for _ in range(300):
        n = random.normal(size=3)
        n /= np.linalg.norm(n)
        far = HalfSpace(tuple((-n).tolist()), -5.0)
        plane = coal_body(far)
        frame = coal.Transform3s(body.placement.rotation, body.placement.translation)
        gap = coal.distance(
            body.geometry, frame, plane.geometry, coal.Transform3s(), coal.DistanceRequest(), coal.DistanceResult()
        )
        spanned = max(float(n @ np.array(ball.centre)) + ball.radius for ball in hull_balls(shape))
        assert 5.0 - gap <= spanned + 1e-9


def test_flat_polytopes_never_reach_coal() -> None:
    flat = Polytope(((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0, THINNEST / 2)))
    with pytest.raises(ValueError, match="one plane"):
        coal_body(flat)


def test_unknown_links_are_all_named() -> None:
    geometry = GeometrySettings({"claw": (Sphere((0.0, 0.0, 0.0), 0.1),)}, frozenset(), 0.0)
    zone = upright("box", ZoneKind.KEEP_OUT, (1, 1, 1), (2, 2, 2), ("arm", "panda_hand"))
    with pytest.raises(RobotModelError) as caught:
        Scene(MODEL, geometry, (zone,))
    assert len(caught.value.problems) == 2
    assert Scene(MODEL, BARE, ()).empty


def test_fields_that_lie_unevenly_are_refused() -> None:
    block = np.arange(40.0)
    fields = [block[0:3], block[10:13], block[20:23]]
    assert strided_view(fields).tolist() == [field.tolist() for field in fields]
    assert strided_view(fields[1:], offset=-8, scalar=True).tolist() == [9.0, 19.0]
    with pytest.raises(StrideError):
        strided_view([block[0:3], block[10:13], block[21:24]])
