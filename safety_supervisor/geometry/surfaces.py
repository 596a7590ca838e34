"""The surface of every link, read from the URDF's meshes and primitives.

Collision geometry where a link has some, else what is shown; both where it is asked for: the collision geometry of a
humanoid's foot may be four small balls, which are where it stands and not what it is. Coal reads the mesh files,
through assimp: STL, OBJ, DAE, PLY and others.
"""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import coal
import numpy as np

from safety_supervisor.config.problems import shown
from safety_supervisor.core.geometry.shapes import BoundedShape, Box, Capsule, Cylinder, Point, Sphere
from safety_supervisor.core.units import Matrix, Vector
from safety_supervisor.geometry.distances import rotation
from safety_supervisor.geometry.tessellation import tessellate

MAXIMUM_MESH_BYTES: Final = 256 * 1024 * 1024
MAXIMUM_TRIANGLES: Final = 1_000_000
_FARTHEST: Final = 100.0


class SurfaceError(ValueError):
    """Links whose geometry can not be read.

    Attributes:
        problems: all of them, one sentence each with its cure.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Keep every problem."""
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class LinkSurface:
    """What a link looks like, in its own frame."""

    link: str
    kind: str
    """`collision`, `visual` or `both`: which elements of the URDF it comes from."""
    primitives: tuple[BoundedShape, ...]
    """Boxes, cylinders and spheres of the URDF."""
    mesh: Matrix
    """Triangles of its mesh files, shape (t, 3, 3), [m]."""
    files: tuple[str, ...]

    @property
    def triangles(self) -> Matrix:
        """Everything as triangles, primitives tessellated from outside, shape (t, 3, 3), [m]."""
        return np.concatenate([self.mesh, *(tessellate(shape) for shape in self.primitives)])


@dataclass(frozen=True)
class ReadLink:
    """What was read of one link.

    Attributes:
        link: its name.
        surface: None when it has no geometry, or some that can not be read.
        problems: what can not be read, one sentence each with its cure.
    """

    link: str
    surface: LinkSurface | None
    problems: tuple[str, ...]


def read_surfaces(
    urdf: str,
    directory: Path,
    kinds: Sequence[str] = ("collision", "visual"),
    only: Collection[str] | None = None,
    every: bool = False,
) -> dict[str, LinkSurface]:
    """Read the geometry of every link that has some.

    Args:
        urdf: the URDF's text.
        directory: where the URDF lies; relative mesh paths start there.
        kinds: elements that count, the first that a link has.
        only: links to read; all when None.
        every: take all kinds that a link has together.

    Returns:
        Surfaces by link name, in the URDF's order.

    Raises:
        SurfaceError: names every mesh that is missing or unreadable and every element that is malformed.
    """
    read = list(read_links(urdf, directory, kinds, only, every))
    problems = [problem for one in read for problem in one.problems]
    found = {one.link: one.surface for one in read if one.surface is not None}
    if not found and not problems and only is None:
        problems.append("no link of the URDF has collision or visual geometry: there is nothing to wrap")
    if problems:
        raise SurfaceError(tuple(problems))
    return found


def read_links(
    urdf: str,
    directory: Path,
    kinds: Sequence[str] = ("collision", "visual"),
    only: Collection[str] | None = None,
    every: bool = False,
) -> Iterator[ReadLink]:
    """Read links one after the other, as `read_surfaces` does; what can not be read is told with its link."""
    for link in ElementTree.fromstring(urdf).findall("link"):
        name = link.get("name", "")
        if only is not None and name not in only:
            continue
        problems: list[str] = []
        surface = None
        there = [kind for kind in kinds if link.find(kind) is not None]
        there = there if every else there[:1]
        if there:
            elements = [element for kind in there for element in link.findall(kind)]
            surface = _read_link(name, there[0] if len(there) == 1 else "both", elements, directory, problems)
        yield ReadLink(name, surface, tuple(problems))


def find_mesh(name: str, directory: Path) -> Path:
    """Return the file of a mesh's name: a path, `file://PATH`, or `package://PACKAGE/PATH`.

    A package is looked for below AMENT_PREFIX_PATH, ROS_PACKAGE_PATH, the data of installed wheels, and in the folders
    above the URDF.

    Raises:
        FileNotFoundError: says where it was looked for.
    """
    scheme, separator, rest = name.partition("://")
    if not separator or scheme == "file":
        place = Path(rest) if separator else directory / name
        places = [place]
    elif scheme in ("package", "model"):
        ament = [Path(entry) / "share" for entry in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if entry]
        ros = [Path(entry) for entry in os.environ.get("ROS_PACKAGE_PATH", "").split(":") if entry]
        wheels = [Path(entry) / "cmeel.prefix" / "share" for entry in sys.path if entry]
        # `package:///PATH` has no package, as URDFs have that name a path below a share; it is looked for there, too.
        rest = rest.lstrip("/")
        places = [root / rest for root in (*ament, *ros, *directory.parents, *wheels)]
    else:
        raise FileNotFoundError(f"{shown(name, 200)} is neither a path nor package://PACKAGE/PATH")
    for place in places:
        if place.is_file():
            return place
    searched = ", ".join(str(place) for place in places[:4]) + (" and others" if len(places) > 4 else "")
    cure = "; source the ROS that has its package, or add it to ROS_PACKAGE_PATH" if len(places) > 1 else ""
    raise FileNotFoundError(f"there is no file {shown(name, 200)}; looked for {searched}{cure}")


def _read_link(
    link: str, kind: str, elements: list[ElementTree.Element], directory: Path, problems: list[str]
) -> LinkSurface | None:
    primitives: list[BoundedShape] = []
    meshes: list[Matrix] = []
    files: list[str] = []
    before = len(problems)
    seen: set[bytes] = set()
    for element in elements:
        try:
            turn, shift = read_origin(element.find("origin"))
            geometry = element.find("geometry")
            shape = None if geometry is None or not len(geometry) else geometry[0]
            if shape is None:
                raise ValueError("has no geometry")
            if shape.tag == "mesh":
                name = shape.get("filename", "")
                scale = read_numbers(shape, "scale", 3, "1 1 1")
                same = b"|".join((name.encode(), scale.tobytes(), turn.tobytes(), shift.tobytes()))
                if same in seen:  # shown as it is, or twice
                    continue
                seen.add(same)
                files.append(name)
                meshes.append(_read_mesh(find_mesh(name, directory), scale) @ turn.T + shift)
            else:
                primitives.append(_primitive(shape, turn, shift))
        except (OSError, ValueError) as error:
            problems.append(f"link {shown(link)}, <{element.tag}>: {error}")
    if len(problems) > before:
        return None
    triangles = np.concatenate(meshes) if meshes else np.zeros((0, 3, 3))
    return LinkSurface(link, kind, tuple(primitives), triangles, tuple(files))


def _read_mesh(path: Path, scale: Vector) -> Matrix:
    """Return a mesh file's triangles, shape (t, 3, 3), [m]."""
    if path.stat().st_size > MAXIMUM_MESH_BYTES:
        raise ValueError(f"{path} is longer than {MAXIMUM_MESH_BYTES // 2**20} MiB; simplify the mesh")
    try:
        model: Any = coal.MeshLoader().load(str(path), np.asarray(scale))
    except Exception as error:
        first = str(error).strip().splitlines()[-1:] or ["unknown"]
        raise ValueError(
            f"{path} can not be read as a mesh ({first[0].strip()}); export it as STL, OBJ or DAE"
        ) from None
    if not 0 < model.num_tris <= MAXIMUM_TRIANGLES:
        raise ValueError(f"{path} has {model.num_tris} triangles; 1 to {MAXIMUM_TRIANGLES} are allowed")
    indices = [model.tri_indices(i) for i in range(model.num_tris)]
    corners = np.array([[one[0], one[1], one[2]] for one in indices])
    triangles: Matrix = np.array(model.vertices(), dtype=np.float64)[corners]
    if not np.all(np.abs(triangles) <= _FARTHEST):
        raise ValueError(
            f"{path} has corners that are not finite or farther than {_FARTHEST:g} m; is its unit the metre?"
        )
    return triangles


def _primitive(element: ElementTree.Element, turn: Matrix, shift: Vector) -> BoundedShape:
    x, y, z = shift.tolist()
    if element.tag == "sphere":
        return Sphere((x, y, z), float(read_numbers(element, "radius", 1)[0]))
    if element.tag == "box":
        a, b, c = read_numbers(element, "size", 3).tolist()
        return Box((x, y, z), (a, b, c), _rpy(turn))
    if element.tag in ("cylinder", "capsule"):
        radius, length = (float(read_numbers(element, name, 1)[0]) for name in ("radius", "length"))
        (sx, sy, sz), (ex, ey, ez) = ((shift + sign * length / 2 * turn[:, 2]).tolist() for sign in (-1.0, 1.0))
        make = Cylinder if element.tag == "cylinder" else Capsule
        return make((sx, sy, sz), (ex, ey, ez), radius)
    raise ValueError(f"<{shown(element.tag)}> is no geometry of a URDF")


def read_origin(element: ElementTree.Element | None) -> tuple[Matrix, Vector]:
    """Return rotation (3, 3) and translation (3,), [m], of an `origin` element; none is the identity."""
    if element is None:
        return np.eye(3), np.zeros(3)
    roll, pitch, yaw = read_numbers(element, "rpy", 3, "0 0 0").tolist()
    return rotation((roll, pitch, yaw)), read_numbers(element, "xyz", 3, "0 0 0")


def _rpy(turn: Matrix) -> Point:
    """Return roll, pitch, yaw of a rotation; at the poles of pitch, yaw is 0."""
    across = float(np.hypot(turn[0, 0], turn[1, 0]))
    pitch = float(np.arctan2(-turn[2, 0], across))
    if across < 1e-9:
        return float(np.arctan2(-turn[1, 2], turn[1, 1])), pitch, 0.0
    return float(np.arctan2(turn[2, 1], turn[2, 2])), pitch, float(np.arctan2(turn[1, 0], turn[0, 0]))


def read_numbers(element: ElementTree.Element, name: str, count: int, default: str = "") -> Vector:
    """Return an attribute's numbers, shape (count,).

    Raises:
        ValueError: another count, not finite, or a length that is not above 0.
    """
    text = element.get(name, default)
    try:
        values = np.array([float(part) for part in text.split()])
    except ValueError:
        values = np.zeros(0)
    if len(values) != count or not np.all(np.abs(values) <= 1e4):
        raise ValueError(
            f"<{element.tag}> has {name} {shown(text)}, not {count} finite number{'s' if count > 1 else ''}"
        )
    if name in ("radius", "length", "size") and not np.all(values > 0.0):
        raise ValueError(f"<{element.tag}> has {name} {shown(text)}; above 0 is allowed")
    return values
