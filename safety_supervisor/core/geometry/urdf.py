"""What a URDF says of its movable joints: type, limits, and which joint they follow.

Source: https://wiki.ros.org/urdf/XML/joint
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass


class UrdfError(ValueError):
    """The text is not a URDF that may be used."""


@dataclass(frozen=True)
class UrdfJoint:
    """A joint that is not fixed. Limits are infinite where the URDF sets none."""

    name: str
    kind: str
    """`revolute`, `continuous`, `prismatic`, or a type that the supervisor does not support."""
    lower: float
    """[rad] or [m]"""
    upper: float
    velocity: float
    """[rad/s] or [m/s]"""
    effort: float
    """[N m] or [N]"""
    axis_length: float
    """Length of the axis as it is written; 1 where it is left out."""
    mimic: str | None
    """Joint that it follows: position = multiplier * position of that joint + offset."""
    mimic_multiplier: float
    mimic_offset: float


def read_joints(urdf: str) -> dict[str, UrdfJoint]:
    """Read the movable joints of a URDF, in its order.

    Args:
        urdf: the text.

    Raises:
        UrdfError: when it is not well-formed, declares a document type or entities (they can grow without bound),
            names a joint twice, or holds a number that is none.
    """
    if "<!DOCTYPE" in urdf.upper() or "<!ENTITY" in urdf.upper():
        raise UrdfError("document types and entities are refused")
    try:
        root = ElementTree.fromstring(urdf)
    except (ElementTree.ParseError, ValueError) as error:
        raise UrdfError(f"not well-formed XML: {error}") from error
    joints: dict[str, UrdfJoint] = {}
    for element in root.findall("joint"):
        kind = element.get("type", "")
        name = element.get("name", "")
        if kind == "fixed":
            continue
        if name in joints:
            raise UrdfError(f"joint {name!r} is described twice")
        joints[name] = _read_joint(name, kind, element)
    return joints


def read_neighbours(urdf: str) -> frozenset[frozenset[str]]:
    """Return the pairs of links that a joint of any kind joins, of a URDF that `read_joints` has read."""
    ends = ((joint.find("parent"), joint.find("child")) for joint in ElementTree.fromstring(urdf).findall("joint"))
    return frozenset(
        frozenset((parent.get("link", ""), child.get("link", "")))
        for parent, child in ends
        if parent is not None and child is not None
    )


def _read_joint(name: str, kind: str, element: ElementTree.Element) -> UrdfJoint:
    """Read one joint; `lower` and `upper` default to 0 where a limit is given, as the format says."""
    limit, mimic = element.find("limit"), element.find("mimic")
    unlimited = kind == "continuous" or limit is None
    return UrdfJoint(
        name=name,
        kind=kind,
        lower=-math.inf if unlimited else _number(name, limit, "lower", 0.0),
        upper=math.inf if unlimited else _number(name, limit, "upper", 0.0),
        velocity=_number(name, limit, "velocity", math.inf),
        effort=_number(name, limit, "effort", math.inf),
        axis_length=_axis_length(name, element.find("axis")),
        mimic=None if mimic is None else mimic.get("joint", ""),
        mimic_multiplier=_number(name, mimic, "multiplier", 1.0),
        mimic_offset=_number(name, mimic, "offset", 0.0),
    )


def _number(joint: str, element: ElementTree.Element | None, key: str, default: float) -> float:
    """Read an attribute as a finite number."""
    text = None if element is None else element.get(key)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UrdfError(f"joint {joint!r}: {key} is {text!r}, not a number")
    return value


def _axis_length(joint: str, element: ElementTree.Element | None) -> float:
    """Measure an axis."""
    text = None if element is None else element.get("xyz")
    if text is None:
        return 1.0
    try:
        return math.hypot(*(float(part) for part in text.split()))
    except ValueError as error:
        raise UrdfError(f"joint {joint!r}: axis is {text!r}, not three numbers") from error
