"""Find a URDF and read what the configuration must agree with: links, joints, limits.

Red team, row 50: bounded in bytes before reading, in elements and depth before a tree is built; document types and
entities are refused. Kinematics is not computed here.
"""

from __future__ import annotations

import math
import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.parsers import expat

from safety_supervisor.config.problems import shown

MAXIMUM_BYTES: Final = 4 * 1024 * 1024
MAXIMUM_ELEMENTS: Final = 50_000
MAXIMUM_XML_DEPTH: Final = 32
MAXIMUM_LINKS: Final = 500
MAXIMUM_CHAIN: Final = 100


class UrdfError(ValueError):
    """The URDF can not be used; the text says why."""


@dataclass(frozen=True)
class UrdfJoint:
    """A joint as the URDF describes it. Limits: [rad] or [m], infinite where the URDF gives none."""

    name: str
    kind: str
    parent: str
    child: str
    lower: float
    upper: float
    velocity: float
    mimics: str
    """Joint that it follows; empty for none."""
    multiplier: float
    offset: float


@dataclass(frozen=True)
class Urdf:
    """The tree of links and joints."""

    root: str
    links: frozenset[str]
    joints: dict[str, UrdfJoint]
    bodies: frozenset[str]
    """Links with a collision or visual shape."""

    def path(self, link: str) -> Iterator[UrdfJoint]:
        """Yield the joints from a link back to the root."""
        parents = {joint.child: joint for joint in self.joints.values()}
        while link in parents:
            yield parents[link]
            link = parents[link].parent

    def moves(self, link: str, joints: frozenset[str]) -> bool:
        """Whether one of these joints moves the link."""
        return any(joint.name in joints for joint in self.path(link))


def find_urdf(text: str, directory: Path) -> Path:
    """Return the file that `robot.urdf` names.

    Args:
        text: a path relative to `directory`, `package://PACKAGE/PATH` below a prefix of AMENT_PREFIX_PATH, or
            `example-robot-data://PATH` below the robots of the installed example-robot-data.
        directory: where the configuration file lies.

    Raises:
        UrdfError: there is no such file; says where it was looked for.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        place = directory / Path(text).expanduser()
        if not place.exists():
            raise UrdfError(f"there is no file {shown(str(place), 200)}")
        return place.resolve()
    if scheme not in ("package", "example-robot-data") or not rest or ".." in rest.split("/"):
        raise UrdfError(f"{shown(text)} is neither a path nor package://PACKAGE/PATH nor example-robot-data://PATH")
    shares = [Path(prefix) / "share" for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if prefix]
    if scheme == "package":
        package, rest = rest.split("/", 1) if "/" in rest else (rest, "")
        found = [share / package for share in shares if (share / package).is_dir()]
        cure = f"is the ROS that has {shown(package)} sourced?"
    else:
        wheels = [Path(entry) / "cmeel.prefix" / "share" for entry in sys.path if entry]
        robots = [share / "example-robot-data" / "robots" for share in [*wheels, *shares]]
        found = [place for place in robots if place.is_dir()]
        cure = "pip install example-robot-data==6.0.0"
    if not found:
        raise UrdfError(f"{shown(text)} was not found: {cure}")
    for place in found:
        if (place / rest).exists():
            return (place / rest).resolve()
    raise UrdfError(f"there is no file {shown(str(found[0] / rest), 200)}")


def _bound(data: bytes) -> str:
    """Return the text after one pass that builds nothing and refuses bombs."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UrdfError(f"not UTF-8 at byte {error.start}") from None
    depth = elements = 0

    def start(_name: str, _attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth += 1
        elements += 1
        if depth > MAXIMUM_XML_DEPTH:
            raise UrdfError(f"nested deeper than {MAXIMUM_XML_DEPTH}")
        if elements > MAXIMUM_ELEMENTS:
            raise UrdfError(f"more than {MAXIMUM_ELEMENTS} elements")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: object) -> None:
        raise UrdfError("a document type or entity, which a URDF does not need")

    # The text's own encoding counts, not one that its first line declares.
    parser = expat.ParserCreate(encoding="utf-8")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = doctype
    try:
        parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        raise UrdfError(f"not XML: {error}") from None
    return text


def _number(element: ElementTree.Element | None, name: str, default: float) -> float:
    raw = None if element is None else element.get(name)
    if raw is None:
        return default
    try:
        value = float(raw)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UrdfError(f"{name} is {shown(raw)}, not a finite number")
    return value


def _joint(element: ElementTree.Element) -> UrdfJoint:
    name, kind = element.get("name", ""), element.get("type", "")
    parent, child, limit, mimic = (element.find(tag) for tag in ("parent", "child", "limit", "mimic"))
    try:
        # A URDF's revolute joint without lower and upper has both at 0; a continuous one has none.
        rest = math.inf if kind == "continuous" else 0.0
        return UrdfJoint(
            name=name,
            kind=kind,
            parent="" if parent is None else parent.get("link", ""),
            child="" if child is None else child.get("link", ""),
            lower=-rest if kind == "continuous" else _number(limit, "lower", rest),
            upper=rest if kind == "continuous" else _number(limit, "upper", rest),
            velocity=_number(limit, "velocity", math.inf if limit is None and kind == "continuous" else 0.0),
            mimics="" if mimic is None else mimic.get("joint", ""),
            multiplier=_number(mimic, "multiplier", 1.0),
            offset=_number(mimic, "offset", 0.0),
        )
    except UrdfError as error:
        raise UrdfError(f"joint {shown(name)}: {error}") from None


def parse_urdf(data: bytes) -> tuple[str, Urdf]:
    """Return the URDF's text and its tree.

    Raises:
        UrdfError: beyond the bounds, not XML, not a URDF, not one tree.
    """
    text = _bound(data)
    robot = ElementTree.fromstring(text)
    if robot.tag != "robot":
        raise UrdfError(f"the outermost element is <{shown(robot.tag)}>, not <robot>")
    links = [element.get("name", "") for element in robot.findall("link")]
    if not 1 <= len(links) <= MAXIMUM_LINKS:
        raise UrdfError(f"{len(links)} links; 1 to {MAXIMUM_LINKS} are allowed")
    joints = [_joint(element) for element in robot.findall("joint")]
    for what, names in (("link", links), ("joint", [joint.name for joint in joints])):
        twice = sorted({name for name in names if names.count(name) > 1 or not name})
        if twice:
            raise UrdfError(f"{what} names that are empty or stand twice: {', '.join(map(shown, twice[:5]))}")
    known = frozenset(links)
    for joint in joints:
        if joint.parent not in known or joint.child not in known:
            raise UrdfError(f"joint {shown(joint.name)} joins links that do not exist")
    children = [joint.child for joint in joints]
    roots = known - set(children)
    if len(roots) != 1 or len(children) != len(set(children)):
        raise UrdfError(f"links form no tree: {len(roots)} roots, {len(children)} joints, {len(links)} links")
    # One root, one parent a link: n - 1 joints, so a link that does not reach the root lies on a cycle.
    bodies = frozenset(
        element.get("name", "")
        for element in robot.findall("link")
        if element.find("collision/geometry/*") is not None or element.find("visual/geometry/*") is not None
    )
    urdf = Urdf(next(iter(roots)), known, {joint.name: joint for joint in joints}, bodies)
    parents = {joint.child: joint.parent for joint in joints}
    for link in links:
        steps, at = 0, link
        while at in parents:
            at, steps = parents[at], steps + 1
            if steps > MAXIMUM_CHAIN:
                raise UrdfError(f"link {shown(link)} lies on a cycle or more than {MAXIMUM_CHAIN} joints from the root")
    return text, urdf
