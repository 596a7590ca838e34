"""Pairs of links: placements against Pinocchio, bounds against random motion, proofs against what is so."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from small_robots import box

from safety_supervisor.config.urdf import find_urdf, parse_urdf
from safety_supervisor.core.geometry.shapes import BoundedShape, Capsule, Sphere
from safety_supervisor.geometry.bodies import Body
from safety_supervisor.geometry.kinematics import Kinematics
from safety_supervisor.geometry.pairs import Pair, Standing, clearance, examine_pairs

PANDA = find_urdf("example-robot-data://panda_description/urdf/panda.urdf", Path())
G1 = find_urdf("example-robot-data://g1_description/urdf/g1_29dof_rev_1_0.urdf", Path())
FINGERS = {"panda_finger_joint1": 0.02}


def panda(locked: dict[str, float]) -> Kinematics:
    return kinematics_of(PANDA, locked)


def kinematics_of(urdf: Path, locked: dict[str, float]) -> Kinematics:
    text, tree = parse_urdf(urdf.read_bytes())
    return Kinematics(text, tree, locked)


def drawn(kinematics: Kinematics, chance: np.random.Generator) -> dict[str, float]:
    return {name: float(chance.uniform(*ends)) for name, ends in kinematics.ranges.items()}


@pytest.mark.parametrize(
    ("urdf", "locked", "links"),
    [
        (PANDA, {}, ("panda_leftfinger", "panda_link3")),
        (PANDA, FINGERS, ("panda_leftfinger", "panda_link3")),
        (G1, {}, ("left_rubber_hand", "right_knee_link")),
    ],
    ids=["moving fingers", "locked fingers", "humanoid"],
)
def test_placements_are_pinocchio_s(urdf: Path, locked: dict[str, float], links: tuple[str, str]) -> None:
    kinematics = kinematics_of(urdf, locked)
    model = pin.buildModelFromUrdf(str(urdf))
    data = model.createData()
    chance = np.random.default_rng(0)
    for _ in range(20):
        positions = drawn(kinematics, chance)
        finger = positions.get("panda_finger_joint1", 0.02)
        q = np.array([positions.get(name, finger) for name in list(model.names)[1:]])
        pin.framesForwardKinematics(model, data, q)
        placed = kinematics.placements(positions)
        for link, (turn, shift) in placed.items():
            expected = data.oMf[model.getFrameId(link)]
            assert np.allclose(turn, expected.rotation, atol=1e-12)
            assert np.allclose(shift, expected.translation, atol=1e-12)
        first, second = links
        turn, shift = kinematics.relative(first, second, positions)
        expected = data.oMf[model.getFrameId(first)].actInv(data.oMf[model.getFrameId(second)])
        assert np.allclose(turn, expected.rotation, atol=1e-12)
        assert np.allclose(shift, expected.translation, atol=1e-12)


def test_joints_between_links() -> None:
    free, locked = panda({}), panda(FINGERS)
    assert free.between("panda_link5", "panda_hand") == ("panda_joint6", "panda_joint7")
    assert free.between("panda_leftfinger", "panda_rightfinger") == ("panda_finger_joint1",), "one mimics the other"
    assert locked.between("panda_leftfinger", "panda_rightfinger") == ()
    assert locked.between("panda_link7", "panda_hand") == ()
    assert locked.neighbours("panda_link3", "panda_link4")
    assert not locked.neighbours("panda_link3", "panda_link5")
    legs = kinematics_of(G1, {})
    assert legs.between("torso_link", "left_shoulder_roll_link") == (
        "left_shoulder_pitch_joint",
        "left_shoulder_roll_joint",
    )
    over_the_pelvis = ("waist_yaw_joint", "waist_roll_joint", "waist_pitch_joint", "left_hip_pitch_joint")
    assert set(legs.between("torso_link", "left_hip_pitch_link")) == set(over_the_pelvis)


@pytest.mark.parametrize(
    ("urdf", "links"),
    [(PANDA, ("panda_link2", "panda_hand")), (PANDA, ("panda_hand", "panda_link2")),
     (PANDA, ("panda_leftfinger", "panda_rightfinger")), (PANDA, ("panda_link5", "panda_leftfinger")),
     (PANDA, ("panda_leftfinger", "panda_link0")),
     (G1, ("left_elbow_link", "right_elbow_link")), (G1, ("left_knee_link", "torso_link"))],
)  # fmt: skip
def test_no_motion_changes_a_distance_by_more_than_the_reach(urdf: Path, links: tuple[str, str]) -> None:
    kinematics = kinematics_of(urdf, {})
    bodies = [
        Body.of_shapes([Capsule((0.0, 0.03, -0.1), (0.05, 0.0, 0.1), 0.02)]),
        Body.of_shapes([Sphere((0.0, 0.1, 0.04), 0.03), Sphere((0.0, 0.0, 0.0), 0.01)]),
    ]
    reach = kinematics.reach(*links, (bodies[0].ball, bodies[1].ball))
    chance = np.random.default_rng(1)
    used = 0.0
    for _ in range(400):
        start = drawn(kinematics, chance)
        end = {
            name: float(np.clip(value + chance.choice([0.0, 1.0]) * chance.normal() * 0.1, *kinematics.ranges[name]))
            for name, value in start.items()
        }
        bound = sum(rate * abs(end[name] - start[name]) for name, rate in reach.items())
        before, after = (
            bodies[0].distance(bodies[1], *kinematics.relative(*links, positions)) for positions in (start, end)
        )
        assert abs(after - before) <= bound + 1e-9
        used = max(used, abs(after - before) / bound) if bound > 0.0 else used
    assert used > 0.2, "a bound that nothing comes near proves little about the bound"


PENDULUM = """<robot name="p"><link name="wall"/><link name="rod"/><link name="bob"/><link name="far"/>
  <joint name="swing" type="revolute"><parent link="wall"/><child link="rod"/><axis xyz="0 0 1"/>
    <limit lower="-1.5" upper="1.5" velocity="1" effort="1"/></joint>
  <joint name="turn" type="continuous"><parent link="rod"/><child link="bob"/><origin xyz="1 0 0"/>
    <axis xyz="1 0 0"/></joint>
  <joint name="end" type="fixed"><parent link="bob"/><child link="far"/><origin xyz="0.2 0 0"/></joint></robot>"""


def pendulum(
    volumes: dict[str, list[BoundedShape]],
    surfaces: dict[str, Body] | None = None,
    visual: dict[str, Body] | None = None,
    poses: int = 300,
    left_out: dict[frozenset[str], str] | None = None,
) -> dict[frozenset[str], Pair]:
    text, tree = parse_urdf(PENDULUM.encode())
    ways = [("collision", (surfaces or {}).get), ("visual", (visual or {}).get)]
    chance = np.random.default_rng(0)
    found = examine_pairs(Kinematics(text, tree, {}), volumes, ways, 0.01, chance, poses, left_out)
    return {frozenset(pair.links): pair for pair in found}


WALL_BOB = frozenset({"wall", "bob"})


def test_neighbours_and_rigid_pairs_are_left_out_by_themselves() -> None:
    dot: list[BoundedShape] = [Sphere((0.0, 0.0, 0.0), 0.01)]
    found = pendulum({"wall": dot, "rod": dot, "bob": dot, "far": dot})
    standing = {tuple(sorted(links)): pair.standing for links, pair in found.items()}
    assert standing == {
        ("rod", "wall"): Standing.NEIGHBOURS, ("bob", "rod"): Standing.NEIGHBOURS, ("bob", "far"): Standing.NEIGHBOURS,
        ("bob", "wall"): Standing.CHECKED, ("far", "wall"): Standing.CHECKED, ("far", "rod"): Standing.CHECKED,
    }  # fmt: skip


def test_a_pair_that_always_overlaps_is_proven_and_has_a_reason() -> None:
    pair = pendulum({"wall": [Sphere((0.0, 0.0, 0.0), 0.8)], "bob": [Sphere((0.0, 0.0, 0.0), 0.3)]})[WALL_BOB]
    assert (pair.standing, pair.proven, pair.overlapping) == (Standing.ALWAYS, True, 1.0)
    assert "swing and turn between them" in pair.reason
    assert "no meshes to compare" in pair.reason


def test_of_volumes_that_always_overlap_it_is_told_whether_their_meshes_do() -> None:
    volumes: dict[str, list[BoundedShape]] = {
        "wall": [Sphere((0.0, 0.0, 0.0), 0.8)], "bob": [Sphere((0.0, 0.0, 0.0), 0.3)]
    }  # fmt: skip
    small, large = (Body.of_surface(box((-a, -a, -a), (a, a, a))) for a in (0.05, 0.97))
    apart = pendulum(volumes, {"wall": small, "bob": small})[WALL_BOB]
    touching = pendulum(volumes, {"wall": large, "bob": small})[WALL_BOB]
    assert apart.standing is touching.standing is Standing.ALWAYS, "either way the robot could not move"
    # Nearest at 45 degrees, an edge against a face: 1 - 0.05 sqrt(2) - 0.05 = 0.879 m.
    told = re.search(r"collision meshes stay (\d+\.?\d*) mm or more apart at every pose", apart.reason)
    assert told is not None
    assert 0.75 * 879 < float(told[1]) <= 879
    assert "collision meshes are not proven apart and touch at" in touching.reason


def test_an_overlap_that_samples_see_everywhere_and_one_pose_does_not_have_is_not_called_proven() -> None:
    # Seen from the wall the bob's centre runs on the unit circle from -1.5 to 1.5 rad; a ball about the point at -1.5
    # rad that reaches to the point at 1.493 rad holds all of it but the last 0.007 rad.
    centre = (float(np.cos(-1.5)), float(np.sin(-1.5)), 0.0)
    radius = float(2.0 * np.sin((1.493 + 1.5) / 2))
    volumes: dict[str, list[BoundedShape]] = {
        "wall": [Sphere(centre, radius - 1e-4)], "bob": [Sphere((0.0, 0.0, 0.0), 1e-4)]
    }  # fmt: skip
    pair = pendulum(volumes, poses=50)[WALL_BOB]
    assert pair.overlapping == 1.0, "no sample hits the sliver"
    assert pair.standing is Standing.ALWAYS
    assert not pair.proven
    assert "not proven" in pair.reason


def test_meshes_that_stay_apart_are_proven_to_and_only_by_less_than_they_do() -> None:
    text, tree = parse_urdf(PENDULUM.encode())
    wall, bob = (Body.of_surface(box((-a, -a, -a), (a, a, a))) for a in (0.05, 0.05))
    proven = clearance(Kinematics(text, tree, {}), ("wall", "bob"), wall, bob)
    # At a swing of 45 degrees an edge of the wall's box looks at a face of the bob's: as near as they come.
    nearest = 1.0 - 0.05 * np.sqrt(2.0) - 0.05
    assert 0.75 * nearest < proven <= nearest
    volumes: dict[str, list[BoundedShape]] = {
        "wall": [Sphere((0.0, 0.2, 0.0), 0.8)], "bob": [Capsule((-0.25, 0.0, 0.0), (0.1, 0.0, 0.0), 0.01)]
    }  # fmt: skip
    found = pendulum(volumes, {"wall": wall, "bob": bob})[WALL_BOB]
    assert found.standing is Standing.NEVER
    assert 0.0 < found.overlapping < 1.0
    assert "collision meshes stay" in found.reason


def test_what_only_the_visual_meshes_show_is_left_to_a_person() -> None:
    small, large = (Body.of_surface(box((-a, -a, -a), (a, a, a))) for a in (0.05, 0.97))
    volumes: dict[str, list[BoundedShape]] = {
        "wall": [Sphere((0.0, 0.2, 0.0), 0.85)], "bob": [Sphere((0.0, 0.0, 0.0), 0.05)]
    }  # fmt: skip
    found = pendulum(volumes, {"wall": large, "bob": small}, {"wall": small, "bob": small})[WALL_BOB]
    assert found.standing is Standing.APPARENT
    assert "visual meshes" in found.reason
    neither = pendulum(volumes, {"wall": large, "bob": small}, {"wall": large, "bob": small})[WALL_BOB]
    assert (neither.standing, neither.reason) == (Standing.CHECKED, "")


def test_a_pair_that_the_file_leaves_out_keeps_its_reason() -> None:
    volumes: dict[str, list[BoundedShape]] = {
        "wall": [Sphere((0.0, 0.0, 0.0), 0.8)], "bob": [Sphere((0.0, 0.0, 0.0), 0.3)]
    }  # fmt: skip
    pair = pendulum(volumes, left_out={WALL_BOB: "seen by me"})[WALL_BOB]
    assert (pair.standing, pair.reason, pair.proven) == (Standing.LEFT_OUT, "seen by me", True)
