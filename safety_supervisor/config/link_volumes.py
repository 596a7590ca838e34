"""Read what `geometry propose` and `geometry check` need of a configuration: the robot, its URDF, its volumes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safety_supervisor.config import bounds, schema
from safety_supervisor.config import urdf as urdf_file
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.geometry_checks import check_geometry
from safety_supervisor.config.load import read_file, read_urdf, validate
from safety_supervisor.config.problems import ConfigurationError, Problems
from safety_supervisor.config.sections import Sections
from safety_supervisor.config.shapes import ShapeKeys, freeze_shape
from safety_supervisor.core.geometry.shapes import BoundedShape, HalfSpace

USUAL_MARGIN: Final = 0.01
"""Distance between bodies of the robot where no configuration tells one, [m]."""


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
        left_out: pairs that may touch, with the reason.
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


@dataclass(frozen=True)
class SoundVolumes:
    """The part of a file that meshes can be measured against, whatever else is wrong with it.

    Attributes:
        urdf: the URDF's text.
        directory: where it lies.
        volumes: shapes of each link of which all are well-formed.
        lines: lines of the file by path.
    """

    urdf: str
    directory: Path
    volumes: dict[str, tuple[BoundedShape, ...]]
    lines: dict[str, int]


def sound_volumes(path: Path) -> SoundVolumes | None:
    """Read the URDF and those links' volumes that are well-formed; None where there is no such part.

    What is wrong with the file is not told: `load_config` does that.
    """
    path = path.expanduser().absolute()
    try:
        raw, problems = bounds.parse(path, read_file(path, bounds.MAXIMUM_BYTES))
    except ConfigurationError:
        return None
    model = read_urdf(raw, path, problems, None)
    geometry = raw.get("geometry")
    listed = geometry.get("volumes") if isinstance(geometry, dict) else None
    if model is None or not isinstance(listed, dict):
        return None
    volumes: dict[str, tuple[BoundedShape, ...]] = {}
    for link, shapes in listed.items():
        found = Problems()
        alone = validate(schema.GeometryKeys, {"volumes": {link: shapes}, "margin": 0.0}, ("geometry",), found)
        if isinstance(alone, schema.GeometryKeys) and link in model[2].links:
            check_geometry(Sections(geometry=alone), found)
            if not found.found:
                volumes[link] = _frozen(alone.volumes[link])
    try:
        place = urdf_file.find_urdf(raw["robot"]["urdf"], path.parent)
    except urdf_file.UrdfError:  # it was there a moment ago
        return None
    return SoundVolumes(model[0], place.parent, volumes, problems.lines)


def _frozen(shapes: list[ShapeKeys]) -> tuple[BoundedShape, ...]:
    frozen = [freeze_shape(shape) for shape in shapes]
    return tuple(shape for shape in frozen if not isinstance(shape, HalfSpace))  # refused by `check_geometry`


def load_link_volumes(path: Path, volumes_needed: bool = True) -> LinkVolumes:
    """Read robot, URDF and section `geometry` of a configuration file.

    Args:
        path: the file.
        volumes_needed: whether a file without the section is wrong.

    Raises:
        ConfigurationError: with every problem found.
    """
    path = path.expanduser().absolute()
    raw, problems = bounds.parse(path, read_file(path, bounds.MAXIMUM_BYTES))
    robot = validate(schema.RobotKeys, raw.get("robot"), ("robot",), problems)
    model = read_urdf(raw, path, problems, None)
    sections = Sections(urdf=None if model is None else model[2])
    sections.robot = robot if isinstance(robot, schema.RobotKeys) else None
    if volumes_needed and "geometry" not in raw:
        problems.add("geometry", Code.MISSING, "is missing", f"Make it: safety-supervisor geometry propose {path.name}")
    elif volumes_needed:
        geometry = validate(schema.GeometryKeys, raw["geometry"], ("geometry",), problems)
        sections.geometry = geometry if isinstance(geometry, schema.GeometryKeys) else None
        check_geometry(sections, problems)
    if problems.found or model is None or not isinstance(robot, schema.RobotKeys):
        raise ConfigurationError(path, tuple(problems.found))
    place = urdf_file.find_urdf(robot.urdf, path.parent)
    locked = dict(robot.locked_joints)
    if sections.geometry is None:
        return LinkVolumes(path, place, model[0], model[2], locked, {}, {}, USUAL_MARGIN)
    volumes = {link: _frozen(shapes) for link, shapes in sections.geometry.volumes.items()}
    left_out = {frozenset(pair.links): pair.reason for pair in sections.geometry.left_out}
    return LinkVolumes(path, place, model[0], model[2], locked, volumes, left_out, sections.geometry.margin)
