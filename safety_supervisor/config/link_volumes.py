"""Read what `geometry propose` and `geometry check` need of a configuration: the robot, its URDF, its volumes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from safety_supervisor.config import bounds, schema
from safety_supervisor.config import urdf as urdf_file
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.geometry import GeometryKeys
from safety_supervisor.config.load import _read, _read_urdf, _validate
from safety_supervisor.config.problems import ConfigurationError, Problems
from safety_supervisor.config.shapes import freeze_shape
from safety_supervisor.core.shapes import BoundedShape, HalfSpace, Polytope


@dataclass(frozen=True)
class LinkVolumes:
    """A robot's model and the volumes of its links.

    Attributes:
        path: the file that was read.
        urdf_path: the URDF.
        urdf: its text.
        tree: its links and joints.
        locked: joints that nobody commands, with their positions, [rad] or [m].
        volumes: shapes of each link, in its frame.
        left_out: pairs that are never asked, with the reason.
        margin: distance to keep between bodies of the robot, [m].
    """

    path: Path
    urdf_path: Path
    urdf: str
    tree: urdf_file.Urdf
    locked: dict[str, float]
    volumes: dict[str, tuple[BoundedShape, ...]]
    left_out: dict[frozenset[str], str]
    margin: float


def load_link_volumes(path: Path, volumes_needed: bool = True) -> LinkVolumes:
    """Read robot, URDF and section `geometry` of a configuration file.

    Args:
        path: the file.
        volumes_needed: whether a file without the section is wrong.

    Raises:
        ConfigurationError: with every problem found.
    """
    path = path.expanduser().absolute()
    raw, problems = bounds.parse(path, _read(path, bounds.MAXIMUM_BYTES))
    robot = _validate(schema.RobotKeys, raw.get("robot"), ("robot",), problems)
    model = _read_urdf(raw, path, problems, None)
    geometry = None
    if "geometry" in raw:
        geometry = _validate(GeometryKeys, raw["geometry"], ("geometry",), problems)
    elif volumes_needed:
        problems.add("geometry", Code.MISSING, "is missing", f"Make it: safety-supervisor geometry propose {path.name}")
    volumes: dict[str, tuple[BoundedShape, ...]] = {}
    left_out: dict[frozenset[str], str] = {}
    if isinstance(geometry, GeometryKeys) and model is not None:
        volumes = _freeze_volumes(geometry, model[2], problems)
        left_out = _freeze_pairs(geometry, model[2], problems)
    if problems.found or model is None or not isinstance(robot, schema.RobotKeys):
        raise ConfigurationError(path, tuple(problems.found))
    margin = geometry.margin if isinstance(geometry, GeometryKeys) else 0.01
    place = urdf_file.find_urdf(robot.urdf, path.parent)
    return LinkVolumes(path, place, model[0], model[2], dict(robot.locked_joints), volumes, left_out, margin)


def _freeze_volumes(
    keys: GeometryKeys, tree: urdf_file.Urdf, problems: Problems
) -> dict[str, tuple[BoundedShape, ...]]:
    found: dict[str, tuple[BoundedShape, ...]] = {}
    for link, shapes in keys.volumes.items():
        if link not in tree.links:
            problems.add(f"geometry.volumes.{link}", Code.FRAME, f"the URDF has no link {link}")
        frozen: list[BoundedShape] = []
        for index, shape in enumerate(shapes):
            where, given = f"geometry.volumes.{link}[{index}]", shape.given()
            if len(given) != 1:
                problems.add(where, Code.VALUE, f"has {' and '.join(given) or 'no shape'}; one shape is allowed")
                continue
            one = freeze_shape(shape) if given != ["half_space"] else HalfSpace((0.0, 0.0, 1.0), 0.0)
            if isinstance(one, HalfSpace):
                problems.add(where, Code.VALUE, "is a half-space, which wraps no link", "Use a capsule or a box.")
            elif isinstance(one, Polytope) and _is_flat(one):
                problems.add(where, Code.EMPTY, "has vertices that lie in a plane", "Give it some thickness.")
            else:
                frozen.append(one)
        found[link] = tuple(frozen)
    return found


def _is_flat(shape: Polytope) -> bool:
    """Whether a polytope is thinner than 0.01 mm."""
    corners = np.array(shape.vertices)
    return bool(np.linalg.svd(corners - corners.mean(axis=0), compute_uv=False)[-1] < 1e-5)


def _freeze_pairs(keys: GeometryKeys, tree: urdf_file.Urdf, problems: Problems) -> dict[frozenset[str], str]:
    found: dict[frozenset[str], str] = {}
    for index, pair in enumerate(keys.left_out):
        where = f"geometry.left_out[{index}]"
        unknown = [link for link in pair.links if link not in tree.links]
        if unknown:
            problems.add(f"{where}.links", Code.FRAME, f"the URDF has no link {' and no link '.join(unknown)}")
        both = frozenset(pair.links)
        if len(both) != 2:
            problems.add(f"{where}.links", Code.VALUE, "names one link twice", "Name two links.")
        if both in found:
            problems.add(where, Code.VALUE, "is left out twice", "Keep one of the two.")
        found[both] = pair.reason
    return found
