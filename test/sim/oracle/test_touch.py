"""The judge of touching is right: against shapes whose distance is known, and against another engine on the meshes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import coal
import numpy as np
import pinocchio as pin
import pytest

from safety_supervisor_sim.cell.robot import robots_share
from safety_supervisor_sim.oracle.obstacles import Block, Pole, around
from safety_supervisor_sim.oracle.touch import TOUCH, TouchJudge

JOINTS = [f"panda_joint{k}" for k in range(1, 8)]
HELD = {"panda_finger_joint1": 0.02, "panda_finger_joint2": 0.02}
LOWER = np.array([-2.8473, -1.7128, -2.8473, -3.0218, -2.8473, 0.0325, -2.8473])
UPPER = np.array([2.8473, 1.7128, 2.8473, -0.1198, 2.8473, 3.7025, 2.8473])
HOME = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
WALL = {"wall": Block((-0.9, 0.55, 0.0), (0.9, 0.6, 1.25)), "pole": Pole(0.45, -0.4, 0.04, 0.0, 1.2)}

# A cube of 0.2 m on an arm of 1 m that turns about z.
CRANE = """
<robot name="crane">
  <link name="base">
    <inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>
  </link>
  <link name="cube">
    <inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>
    <collision><origin xyz="1 0 0"/><geometry><box size="0.2 0.2 0.2"/></geometry></collision>
  </link>
  <joint name="turn" type="revolute">
    <parent link="base"/><child link="cube"/><axis xyz="0 0 1"/>
    <limit lower="-3" upper="3" velocity="1" effort="1"/>
  </joint>
</robot>
"""


def panda_file() -> Path:
    return robots_share() / "example-robot-data" / "robots" / "panda_description" / "urdf" / "panda.urdf"


@pytest.fixture(scope="module")
def panda() -> Iterator[TouchJudge]:
    judge = TouchJudge(panda_file(), robots_share(), JOINTS, HELD, WALL)
    yield judge
    judge.close()


def crane(obstacle: Block | Pole, tmp_path: Path) -> TouchJudge:
    file = tmp_path / "crane.urdf"
    file.write_text(CRANE, encoding="utf-8")
    return TouchJudge(file, tmp_path, ["turn"], {}, {"it": obstacle})


def cube_beside(x: float, y: float, z: float) -> Block:
    """A cube of 0.2 m whose nearest corner is so far from the corner (1.1, 0.1, 0.1) of the crane's."""
    return Block((1.1 + x, 0.1 + y, 0.1 + z), (1.3 + x, 0.3 + y, 0.3 + z))


@pytest.mark.parametrize(
    ("obstacle", "distance"),
    [
        (Block((1.13, -0.1, -0.1), (1.2, 0.1, 0.1)), 0.03),
        (cube_beside(0.03, 0.04, -0.2), 0.05),  # edge to edge
        (cube_beside(0.02, 0.03, 0.06), 0.07),  # corner to corner
        (cube_beside(1e-3, 1e-3, 1e-3), 1e-3 * math.sqrt(3.0)),
        (Block((1.12, -1.0, -1.0), (1.125, 1.0, 1.0)), 0.02),  # a plate of 5 mm
        (Pole(1.2, 0.0, 0.05, -1.0, 1.0), 0.05),
        (Pole(1.13, 0.14, 0.02, -1.0, 1.0), 0.03),  # an edge before a pole
        (Pole(1.2, 0.0, 0.07, 0.14, 0.5), 0.05),  # its rim above an edge
    ],
)
def test_known_distances(obstacle: Block | Pole, distance: float, tmp_path: Path) -> None:
    judge = crane(obstacle, tmp_path)
    near = judge.nearest(np.zeros(1), 1.0)
    assert near.distance == pytest.approx(distance, abs=5e-5)
    assert (near.first, near.second) == ("cube", "cell.it")
    assert not near.touches
    judge.close()


@pytest.mark.parametrize(
    "obstacle",
    [
        cube_beside(-1e-4, -1e-4, -1e-4),
        cube_beside(-0.05, -0.02, -0.1),
        Block((0.0, -2.0, -2.0), (3.0, 2.0, 2.0)),  # all around it
        Block((0.9, 0.0, -1.0), (1.1, 0.005, 1.0)),  # a plate through its middle
        Pole(1.0, 0.0, 0.01, -1.0, 1.0),
    ],
)
def test_what_penetrates_touches(obstacle: Block | Pole, tmp_path: Path) -> None:
    judge = crane(obstacle, tmp_path)
    assert judge.nearest(np.zeros(1), 0.05).touches
    assert [near.pair for near in judge.touched(np.zeros(1))] == ["cube and cell.it"]
    assert not judge.nearest(np.full(1, 2.0), 0.05).touches or obstacle.__class__ is Block
    judge.close()


def test_around_leaves_only_the_inside_free(tmp_path: Path) -> None:
    for x, touches in ((1.05, True), (1.2, False)):
        file = tmp_path / "crane.urdf"
        file.write_text(CRANE, encoding="utf-8")
        judge = TouchJudge(file, tmp_path, ["turn"], {}, around((-x, -x, -0.2), (x, x, 0.2)))
        assert judge.nearest(np.zeros(1), 0.5).touches is touches
        assert not judge.nearest(np.full(1, 0.8), 0.5).touches
        judge.close()


class OtherEngine:
    """Coal's distances of the convex hulls of the same meshes, and of the same obstacles."""

    def __init__(self) -> None:
        file = str(panda_file())
        self.model = pin.buildModelFromUrdf(file)
        self.data = self.model.createData()
        shapes = pin.buildGeomFromUrdf(self.model, file, pin.GeometryType.COLLISION, package_dirs=[str(robots_share())])
        self.bodies: dict[str, list[Any]] = {}
        for shape in shapes.geometryObjects:
            geometry = shape.geometry
            if isinstance(geometry, coal.BVHModelBase):
                geometry.buildConvexRepresentation(True)
                geometry = geometry.convex
            link = self.model.frames[shape.parentFrame].name
            self.bodies.setdefault(link, []).append((shape.parentJoint, shape.placement, geometry))
        self.bodies["cell.wall"] = [(0, pin.SE3(np.eye(3), np.array([0.0, 0.575, 0.625])), coal.Box(1.8, 0.05, 1.25))]
        self.bodies["cell.pole"] = [(0, pin.SE3(np.eye(3), np.array([0.45, -0.4, 0.6])), coal.Cylinder(0.04, 1.2))]

    def distances(self, q: np.ndarray, pairs: tuple[tuple[str, str], ...]) -> np.ndarray:
        pin.forwardKinematics(self.model, self.data, np.concatenate((q, [0.02, 0.02])))
        placed = {
            name: [(self.data.oMi[joint] * placement, shape) for joint, placement, shape in parts]
            for name, parts in self.bodies.items()
        }
        return np.array(
            [min(self.distance(a, b) for a in placed[first] for b in placed[second]) for first, second in pairs]
        )

    @staticmethod
    def distance(first: Any, second: Any) -> float:
        transforms = [coal.Transform3s(place.rotation, place.translation) for place, _ in (first, second)]
        request, result = coal.DistanceRequest(), coal.DistanceResult()
        return float(coal.distance(first[1], transforms[0], second[1], transforms[1], request, result))


def test_the_meshes_are_as_far_apart_as_another_engine_says(panda: TouchJudge) -> None:
    other, random = OtherEngine(), np.random.default_rng(5)
    far, touching = 0, 0
    for _ in range(250):
        q = random.uniform(LOWER, UPPER)
        ours, theirs = panda.distances(q), other.distances(q, panda.pairs)
        clear = theirs > 0.0
        assert (ours[clear] - theirs[clear]).max() < TOUCH, "what is nearer than that counts as touching"
        assert (ours[clear] - theirs[clear]).min() > -5e-4, "no invention"
        assert (ours[~clear] <= 0.0).all(), "what penetrates is seen"
        near = panda.nearest(q, 0.05)
        least = float(min(ours.min(), 0.05))
        assert near.distance == pytest.approx(least, abs=1e-9) or (near.touches and least <= TOUCH)
        look = panda.look(q, 0.05)
        assert look.nearest.touches == near.touches
        far, touching = far + int(clear.sum()), touching + int((~clear).sum())
    assert far > 10_000
    assert touching > 100, "or the test sees nothing of what matters"


def test_adjacent_links_and_rigid_ones_are_not_judged_and_all_others_are(panda: TouchJudge) -> None:
    own = {frozenset(pair) for pair in panda.pairs if "." not in pair[1]}
    links = [f"panda_link{k}" for k in range(8)] + ["panda_hand", "panda_leftfinger", "panda_rightfinger"]
    assert panda.links == tuple(links)
    chain = {frozenset(pair) for pair in pairwise(links[:8])}
    rigid = {frozenset((a, b)) for i, a in enumerate(links[7:]) for b in links[8 + i :]}
    every = {frozenset((a, b)) for i, a in enumerate(links) for b in links[i + 1 :]}
    assert own == every - chain - rigid
    assert {pair for pair in panda.pairs if "." in pair[1]} == {
        (link, f"cell.{name}") for link in links[1:] for name in WALL
    }


def test_pairs_set_apart_are_judged_apart() -> None:
    apart = frozenset(("panda_link5", "panda_hand"))
    judge = TouchJudge(panda_file(), robots_share(), JOINTS, HELD, {}, [apart])
    whole = TouchJudge(panda_file(), robots_share(), JOINTS, HELD, {})
    random, found = np.random.default_rng(2), 0
    assert {frozenset(pair) for pair in whole.pairs} - {frozenset(pair) for pair in judge.pairs} == {apart}
    for _ in range(300):
        q = random.uniform(LOWER, UPPER)
        touched = {frozenset((near.first, near.second)) for near in whole.touched(q)}
        assert {frozenset((near.first, near.second)) for near in judge.touched_apart(q)} == touched & {apart}
        assert {frozenset((near.first, near.second)) for near in judge.touched(q)} == touched - {apart}
        found += apart in touched
    assert found > 3
    judge.close()
    whole.close()


def test_no_pair_approaches_faster_than_the_reach_allows(panda: TouchJudge) -> None:
    random, largest = np.random.default_rng(7), 0.0
    for _ in range(150):
        q = random.uniform(LOWER, UPPER)
        step = random.uniform(-0.05, 0.05, 7) * (random.random(7) < 0.4)
        before, after = panda.distances(q), panda.distances(q + step)
        clear = (before > 0.0) & (after > 0.0)
        moved = np.abs(before - after)[clear]
        bounds = (panda.approach @ np.abs(step))[clear]
        assert (moved <= bounds + TOUCH).all()
        assert (bounds <= panda.reach @ np.abs(step) + 1e-12).all()
        largest = max(largest, float((moved / np.maximum(bounds, 1e-3)).max(initial=0.0)))
    assert largest > 0.6, "a bound that is never approached is no test"


def test_what_carries_both_links_of_a_pair_brings_them_no_nearer(panda: TouchJudge) -> None:
    for (first, second), approach in zip(panda.pairs, panda.approach, strict=True):
        far = "cell" if second.startswith("cell.") else second
        between = [number for number in range(1, 8) if (_behind(first, number)) != (_behind(far, number))]
        assert (np.flatnonzero(approach) + 1).tolist() == between, (first, second)


def _behind(link: str, joint: int) -> bool:
    """Whether a joint of the Panda carries a link: links have the number of the joint before them, the hand is last."""
    number = 0 if link == "cell" else 7 if "hand" in link or "finger" in link else int(link[-1])
    return number >= joint
