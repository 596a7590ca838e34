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
from safety_supervisor.config.problems import ConfigurationError
from safety_supervisor.config.sections import Sections
from safety_supervisor.config.shapes import freeze_shape
from safety_supervisor.core.shapes import BoundedShape, HalfSpace

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
    volumes: dict[str, tuple[BoundedShape, ...]] = {}
    for link, shapes in sections.geometry.volumes.items():
        frozen = [freeze_shape(shape) for shape in shapes]
        volumes[link] = tuple(shape for shape in frozen if not isinstance(shape, HalfSpace))  # refused above
    left_out = {frozenset(pair.links): pair.reason for pair in sections.geometry.left_out}
    return LinkVolumes(path, place, model[0], model[2], locked, volumes, left_out, sections.geometry.margin)
