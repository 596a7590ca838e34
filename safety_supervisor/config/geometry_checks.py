"""What link volumes and zones demand of themselves, of each other and of the URDF."""

from __future__ import annotations

import math

import numpy as np

from safety_supervisor.config import schema
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.sections import Sections
from safety_supervisor.config.shapes import BoxKeys, CapsuleKeys, CylinderKeys, HalfSpaceKeys, PolytopeKeys, ShapeKeys
from safety_supervisor.config.urdf import Urdf
from safety_supervisor.config.zone_keys import ZoneKeys
from safety_supervisor.core.geometry.bodies import THINNEST, thickness

_SHORTEST = 1e-6
"""Least length of a capsule, a cylinder or a normal, [m]."""

_SHORTEST_REASON = 3

_Corners = tuple[list[float], list[float]]


def check_geometry(sections: Sections, problems: Problems) -> None:
    """Check volumes and pairs that are left out."""
    geometry, urdf = sections.geometry, sections.urdf
    if geometry is None:
        return
    for link, shapes in geometry.volumes.items():
        path = f"geometry.volumes.{link}"
        if urdf is not None and link not in urdf.links:
            problems.add(path, Code.FRAME, f"the URDF has no link {link}")
        if not 1 <= len(shapes) <= 16:
            problems.add(path, Code.VOLUME, f"has {len(shapes)} shapes; allowed: 1 to 16")
        check_volumes(path, shapes, problems)
    if urdf is not None and not problems.at("geometry.volumes"):
        for link in sorted(urdf.bodies - set(geometry.volumes)):
            message = f"{link} has a shape in the URDF and no volume; 1 to 16 are needed"
            problems.add("geometry.volumes", Code.VOLUME, message)
        _check_tools(geometry, sections, problems)
    _check_points(geometry, urdf, problems)
    check_left_out("geometry", geometry.left_out, sections, problems)


def _check_tools(geometry: schema.GeometryKeys, sections: Sections, problems: Problems) -> None:
    """Check that what the last joints of the chains move has a volume, or that its points are meant.

    The last commanded joint moves a tool, whatever moves by itself in it; and any joint that moves is there to take or
    move something, commanded or not.
    """
    robot, urdf = sections.robot, sections.urdf
    if robot is None or urdf is None:
        return
    held = {*geometry.volumes, *geometry.points, *urdf.bodies} & urdf.links
    bare: dict[str, list[str]] = {}
    for moving in (set(robot.joints), {name for name, joint in urdf.joints.items() if joint.kind != "fixed"}):
        part = {link: next((j.name for j in urdf.path(link) if j.name in moving), "") for link in sorted(urdf.links)}
        kept = {part[link] for link in held}
        kept |= {
            name for link, name in part.items() for j in urdf.path(link) if {j.parent, j.child} & {*geometry.points}
        }
        carrying = {part[joint.parent] for joint in urdf.joints.values() if joint.name in moving}
        for name in moving & set(urdf.joints) - kept - carrying:
            bare.setdefault(name, [link for link, moved_by in part.items() if moved_by == name])
    for name, links in sorted(bare.items()):
        problems.add(
            "geometry.volumes", Code.VOLUME,
            f"{', '.join(links[:4])}: a tool without geometry, 0 volumes and 0 shapes in the URDF on what {name} moves",
            f"Add geometry.volumes.{links[0]}, or say why a point is enough: geometry.points.{links[0]}: WHY",
        )  # fmt: skip


def _check_points(geometry: schema.GeometryKeys, urdf: Urdf | None, problems: Problems) -> None:
    for link, reason in geometry.points.items():
        path = f"geometry.points.{link}"
        if urdf is not None and link not in urdf.links:
            problems.add(path, Code.FRAME, f"the URDF has no link {link}")
        elif urdf is not None and link in urdf.bodies:
            problems.add(path, Code.VOLUME, "is no point: it has a shape in the URDF", f"Add geometry.volumes.{link}.")
        if link in geometry.volumes:
            count = len(geometry.volumes[link])
            problems.add(path, Code.VOLUME, f"has {count} volumes, so it is no point", "Remove one of the two.")
        check_reason(path, reason, problems)


def check_reason(path: str, reason: str, problems: Problems, code: Code = Code.VOLUME) -> None:
    """Check that a reason has more than spaces in it."""
    length = sum(one.isprintable() and not one.isspace() for one in reason)
    if length < _SHORTEST_REASON:
        problems.add(path, code, f"has {length} characters besides spaces; {_SHORTEST_REASON} are needed")


def check_volumes(path: str, shapes: list[ShapeKeys], problems: Problems) -> None:
    """Check the shapes that hold a link or a tool."""
    for index, shape in enumerate(shapes):
        _check_shape(f"{path}[{index}]", shape, problems)
        if shape.half_space is not None:
            problems.add(f"{path}[{index}]", Code.VOLUME, "is a half-space, which no link fills", "Use another kind.")
        if shape.sphere is not None and shape.sphere.radius == 0.0:
            problems.add(f"{path}[{index}].sphere.radius", Code.EMPTY, "is 0 and holds nothing", "Give its size.")


def check_left_out(section: str, pairs: list[schema.LeftOutKeys], sections: Sections, problems: Problems) -> None:
    """Check pairs of links that nothing keeps apart."""
    seen: set[frozenset[str]] = set()
    for index, pair in enumerate(pairs):
        path = f"{section}.left_out[{index}]"
        links = frozenset(pair.links)
        if len(links) == 1:
            problems.add(f"{path}.links", Code.VOLUME, "names one link twice")
        if links in seen:
            problems.add(f"{path}.links", Code.VOLUME, f"{' and '.join(pair.links)} are left out twice")
        seen.add(links)
        check_reason(f"{path}.reason", pair.reason, problems)
        for link in sorted(links):
            if sections.urdf is not None and link not in sections.urdf.links:
                problems.add(f"{path}.links", Code.FRAME, f"the URDF has no link {link}")


def _check_shape(path: str, keys: ShapeKeys, problems: Problems) -> bool:
    """Check that a shape is one and has a size; return whether it is."""
    given = keys.given()
    if len(given) != 1:
        kinds = ", ".join(given) or "no kind of shape"
        problems.add(path, Code.VALUE, f"has {kinds}; exactly one of {', '.join(ShapeKeys.model_fields)} is right")
        return False
    match getattr(keys, given[0]):
        case CapsuleKeys() as capsule if math.dist(capsule.start, capsule.end) < _SHORTEST:
            problems.add(f"{path}.capsule.end", Code.EMPTY, "is its start", "Use a sphere.")
        case CylinderKeys() as cylinder if math.dist(cylinder.start, cylinder.end) < _SHORTEST:
            problems.add(f"{path}.cylinder.end", Code.EMPTY, "is its start", "Give it a height.")
        case PolytopeKeys() as hull if not thickness(np.array(hull.vertices)) >= THINNEST:
            message = f"lie in one plane, within {THINNEST:g} m"
            problems.add(f"{path}.polytope.vertices", Code.EMPTY, message, "Give it a thickness.")
        case HalfSpaceKeys() as half if math.hypot(*half.normal) < _SHORTEST:
            problems.add(f"{path}.half_space.normal", Code.EMPTY, "has no length", "Give the outward direction.")
        case _:
            return True
    return False


def check_zones(sections: Sections, problems: Problems) -> None:
    """Check the zones' shapes, links and what each kind needs."""
    upright: dict[str, _Corners] = {}
    for name, zone in sections.zones.items():
        path = f"zones.{name}"
        corners = _check_region(path, zone, problems)
        if corners is not None:
            upright[name] = corners
        if (zone.kind == "speed") != (zone.frame_speed is not None):
            what = "is missing for a speed zone" if zone.kind == "speed" else f"is for speed zones, not for {zone.kind}"
            code = Code.MISSING if zone.kind == "speed" else Code.VALUE
            problems.add(f"{path}.frame_speed", code, what)
        if zone.frame == "world" and sections.base is None and not problems.at("base"):
            message = "is world, but there is no section `base`, whose odometry tells where the robot is in it"
            problems.add(f"{path}.frame", Code.MISSING, message, "Add `base`, or leave `frame` out.")
        if zone.frame == "world" and zone.kind == "speed":
            message = "is world; this version takes speed zones in the base frame alone"
            problems.add(f"{path}.frame", Code.NOT_ENFORCED, message, "Use another kind, or `frame: base`.")
        if zone.approval is not None and (zone.kind != "restricted" or zone.frame == "world"):
            message = f"is for restricted zones in the base frame; this is kind {zone.kind}, frame {zone.frame}"
            problems.add(f"{path}.approval", Code.NOT_ENFORCED, message, "Leave it out, or change kind and frame.")
        _check_links(path, zone, sections, problems)
    _check_together(sections.zones, upright, problems)


def _check_region(path: str, zone: ZoneKeys, problems: Problems) -> _Corners | None:
    """Check that a zone has one region with something inside; return the corners of an upright box, without margin."""
    low, high = zone.minimum, zone.maximum
    given = zone.shape is not None, low is not None, high is not None
    if given not in ((True, False, False), (False, True, True)):
        either = "give either `shape` or `minimum` and `maximum`"
        if any(given):
            problems.add(f"{path}.shape", Code.VALUE, f"is not the only one: {either}", "Remove one of the two.")
        else:
            problems.add(f"{path}.shape", Code.MISSING, f"is missing: {either}")
        return None
    if zone.shape is not None:
        if not _check_shape(f"{path}.shape", zone.shape, problems):
            return None
        if zone.shape.sphere is not None and zone.shape.sphere.radius == 0.0:
            message = "is 0 and leaves nothing inside"
            problems.add(f"{path}.shape.sphere.radius", Code.EMPTY, message, "Give its size here, not as a margin.")
        shape = zone.shape.box or zone.shape.polytope
        if zone.kind == "keep_in" and shape is None:
            problems.add(f"{path}.shape", Code.VALUE, "is neither a box nor a polytope, as a keep-in zone must be")
        elif zone.kind == "keep_in" and shape is not None:
            size = min(shape.size) if isinstance(shape, BoxKeys) else thickness(np.array(shape.vertices))
            if not size > 2.0 * zone.margin:
                problems.add(f"{path}.margin", Code.EMPTY, f"is {zone.margin:g} and leaves nothing inside")
        return None
    assert low is not None
    assert high is not None
    inverted = [f"{axis}: {a:g} against {b:g}" for axis, a, b in zip("xyz", low, high, strict=True) if a >= b]
    if inverted:
        problems.add(f"{path}.minimum", Code.EMPTY, f"is not below `maximum` in {', '.join(inverted)}")
        return None
    if zone.kind == "keep_in" and any(b - a <= 2.0 * zone.margin for a, b in zip(low, high, strict=True)):
        problems.add(f"{path}.margin", Code.EMPTY, f"is {zone.margin:g} and leaves nothing inside")
        return None
    return low, high


def _check_links(path: str, zone: ZoneKeys, sections: Sections, problems: Problems) -> None:
    robot, urdf = sections.robot, sections.urdf
    if robot is None or urdf is None:
        return
    for link in dict.fromkeys(zone.links):
        if link not in urdf.links:
            problems.add(f"{path}.links", Code.FRAME, f"the URDF has no link {link}")
        elif not urdf.moves(link, frozenset(robot.joints)):
            problems.add(f"{path}.links", Code.FRAME, f"{link} does not move, so its zone checks nothing")


def _check_together(zones: dict[str, ZoneKeys], upright: dict[str, _Corners], problems: Problems) -> None:
    """Check that upright keep-in boxes leave a place to be; for all other shapes a pose is looked for."""
    for name, (low, high) in upright.items():
        zone = zones[name]
        if zone.kind != "keep_in":
            continue
        for other_name, (other_low, other_high) in upright.items():
            other = zones[other_name]
            if (
                other_name == name
                or other.frame != zone.frame
                or (zone.links and other.links and not set(zone.links) & set(other.links))
            ):
                continue
            sides = list(zip(low, high, other_low, other_high, strict=True))
            both = zone.margin + other.margin
            if other.kind in ("keep_out", "restricted") and all(
                c - both <= a and b <= d + both for a, b, c, d in sides
            ):
                spare = min(min(a - c, d - b) for a, b, c, d in sides) + both
                message = f"lies wholly inside the {other.kind} zone {other_name}, by {spare:g} m with both margins"
                problems.add(f"zones.{name}", Code.EMPTY, message)
            elif other.kind == "keep_in" and name < other_name:
                apart = max(max(a, c) - min(b, d) for a, b, c, d in sides) + both
                if apart >= 0.0:
                    message = (
                        f"has nothing in common with the keep-in zone {other_name}: {apart:g} m apart with both margins"
                    )
                    problems.add(f"zones.{name}", Code.EMPTY, message)
