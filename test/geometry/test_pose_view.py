"""What is drawn is what the scene judges: parts of shapes, nearest points, rooms, edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from safety_supervisor import load_config
from safety_supervisor.core.geometry.shapes import Box, Capsule, Cylinder, HalfSpace, Polytope, Shape, Sphere
from safety_supervisor.core.settings import Configuration
from safety_supervisor.geometry.distances import signed_distances
from safety_supervisor.geometry.pose_view import Viewer
from safety_supervisor.geometry.solids import Solid, edges, solids, surface

CONFIG = Path(__file__).parents[2] / "config"
PLANES = {"panda": ("zones.table", "panda_hand", 0.0), "g1": ("zones.floor", "left_ankle_roll_link", -1.0)}
"""Of each robot a zone whose top is a level plane, a link above it, and the plane's height, [m]."""
CORNERS = ((0.0, 0.0, 0.0), (0.3, 0.0, 0.0), (0.0, 0.2, 0.0), (0.0, 0.0, 0.4))
SHAPES = [
    Sphere((0.1, -0.2, 0.3), 0.15),
    Capsule((0.1, 0.2, 0.3), (-0.2, 0.1, 0.5), 0.08),
    Capsule((0.1, 0.2, 0.3), (0.1, 0.2, 0.3), 0.08),
    Cylinder((0.0, 0.1, -0.2), (0.3, 0.1, 0.1), 0.12),
    Box((0.1, 0.2, -0.1), (0.2, 0.3, 0.5), (0.3, -0.4, 1.1)),
    Polytope(CORNERS),
]


@pytest.fixture(scope="module", params=PLANES)
def configuration(request: pytest.FixtureRequest) -> Configuration:
    return load_config(CONFIG / f"{request.param}.yaml")


@pytest.fixture(scope="module")
def viewer(configuration: Configuration) -> Viewer:
    return Viewer(configuration)


def skin(part: Solid) -> np.ndarray:
    """Points on the surface of a part, in the frame of its shape."""
    rng = np.random.default_rng(7)
    if part.kind == "triangles":
        weights = rng.dirichlet(np.ones(3), size=(len(part.triangles), 50))
        points = np.einsum("tnk,tkx->tnx", weights, part.triangles).reshape(-1, 3)
    elif part.kind == "sphere":
        points = rng.normal(size=(2000, 3))
        points /= 2 * np.linalg.norm(points, axis=1, keepdims=True)
    elif part.kind == "cylinder":
        angle, height = rng.uniform(0, 2 * np.pi, 2000), rng.uniform(-0.5, 0.5, 2000)
        points = np.column_stack([np.cos(angle) / 2, np.sin(angle) / 2, height])
    else:
        points = rng.uniform(-0.5, 0.5, (2000, 3))
        axis = rng.integers(0, 3, 2000)
        points[np.arange(2000), axis] = rng.choice([-0.5, 0.5], 2000)
    return np.asarray(points * part.size @ part.turn.T + part.centre)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_parts_are_inside_their_shape_and_reach_its_surface(shape: Shape) -> None:
    points = np.concatenate([skin(part) for part in solids(shape)])
    distances = signed_distances(shape, points)  # type: ignore[arg-type]
    assert distances.max() <= 1e-9
    on_surface = points[distances > -1e-9]
    ball = shape.ball()  # type: ignore[union-attr]
    assert len(on_surface) > 100
    # All around: from the middle every direction of the axes meets some surface.
    for direction in (*np.eye(3), *-np.eye(3)):
        assert ((on_surface - points.mean(axis=0)) @ direction).max() > 0.2 * min(ball.radius, 0.15)


def test_a_half_space_is_a_board_below_its_face() -> None:
    normal = np.array([1.0, 2.0, 2.0]) / 3.0
    (board,) = solids(HalfSpace(tuple(normal.tolist()), 0.4))
    heights = skin(board) @ normal
    assert heights.max() == pytest.approx(0.4, abs=1e-9)
    assert heights.min() > 0.39
    assert np.allclose(surface(HalfSpace(tuple(normal.tolist()), 0.4)) @ normal, 0.4)


def test_a_box_has_twelve_edges_and_a_tetrahedron_six() -> None:
    box = edges(surface(SHAPES[4]))
    lengths = np.sort(np.linalg.norm(box[:, 0] - box[:, 1], axis=1))
    assert lengths == pytest.approx([0.2] * 4 + [0.3] * 4 + [0.5] * 4, abs=1e-8)
    assert len(edges(surface(Polytope(CORNERS)))) == 6


def test_nearest_points_are_as_far_apart_as_the_scene_says(viewer: Viewer) -> None:
    rng = np.random.default_rng(3)
    lower, upper, _, _ = viewer.model.urdf_limits()
    apart = inside = 0
    for q in rng.uniform(lower, upper, size=(200, len(lower))):
        nearest = viewer.look(q).nearest
        assert nearest is not None
        assert np.linalg.norm(nearest.points[0] - nearest.points[1]) == pytest.approx(abs(nearest.distance), abs=1e-5)
        apart, inside = apart + (nearest.distance > 0.0), inside + (nearest.distance < 0.0)
    assert apart > 10
    assert inside > 10


def test_a_pair_can_be_asked_for_and_rooms_are_the_least_of_their_pairs(
    configuration: Configuration, viewer: Viewer
) -> None:
    rule, link, height = PLANES[configuration.robot.id]
    home = np.array(configuration.robot.start)
    view = viewer.look(home)
    assert view.nearest is not None
    asked = viewer.look(home, rule, (link,)).nearest
    assert asked is not None
    assert (asked.pair.rule, asked.pair.links, asked.label) == (rule, (link,), f"{link} - {rule}")
    # The point on the plane is right below the link's.
    assert asked.points[1] == pytest.approx([*asked.points[0][:2], height], abs=1e-6)
    beyond = viewer.scene.distances(home) - viewer.scene.margins
    assert min(view.rooms) == pytest.approx(beyond.min())
    which = [volume.link for volume in view.volumes].index(link)
    mine = [room for pair, room in zip(viewer.scene.pairs, beyond, strict=True) if link in pair.links]
    assert view.rooms[which] == pytest.approx(min(mine))
    assert viewer.look(home, "zones.nothing").nearest is None
