"""Distances by another way: kinematics from the URDF in numpy, a fresh Coal query for each pair, pairs found anew."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from typing import Any

import coal
import numpy as np

from safety_supervisor.core.geometry.shapes import Box, Capsule, Cylinder, HalfSpace, Polytope, Sphere
from safety_supervisor.core.settings import GeometrySettings, RobotSettings, Zone, ZoneKind


def turn(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rodrigues."""
    x, y, z = axis / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * (k @ k)


def rpy_matrix(r: float, p: float, y: float) -> np.ndarray:
    x_axis, y_axis, z_axis = np.eye(3)
    return turn(z_axis, y) @ turn(y_axis, p) @ turn(x_axis, r)


def along(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Rotation of z to the line, middle, length."""
    z = (end - start) / np.linalg.norm(end - start)
    x = np.cross(z, [1.0, 0.0, 0.0] if abs(z[0]) < 0.8 else [0.0, 1.0, 0.0])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1), (start + end) / 2, float(np.linalg.norm(end - start))


def fresh(shape: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Coal's shape, its rotation and place."""
    if isinstance(shape, Sphere):
        return coal.Sphere(shape.radius), np.eye(3), np.array(shape.centre)
    if isinstance(shape, Capsule | Cylinder):
        rotation, middle, length = along(np.array(shape.start), np.array(shape.end))
        kind = coal.Capsule if isinstance(shape, Capsule) else coal.Cylinder
        return kind(shape.radius, length), rotation, middle
    if isinstance(shape, Box):
        return coal.Box(*shape.size), rpy_matrix(*shape.rpy), np.array(shape.centre)
    if isinstance(shape, HalfSpace):
        return coal.Halfspace(np.array(shape.normal), shape.offset), np.eye(3), np.zeros(3)
    assert isinstance(shape, Polytope)
    vertices = coal.StdVec_Vec3s()
    for vertex in shape.vertices:
        vertices.append(np.array(vertex))
    return coal.Convex.convexHull(vertices, True, "Qt"), np.eye(3), np.zeros(3)


class OtherGeometry:
    """All pairs of a robot and its zones; keep-in zones are upright boxes here."""

    def __init__(self, robot: RobotSettings, geometry: GeometrySettings, zones: tuple[Zone, ...]) -> None:
        root = ElementTree.fromstring(robot.urdf)
        self.robot = robot
        self.joints: dict[str, tuple[str, str, str, np.ndarray, np.ndarray, np.ndarray, tuple[str, float, float]]] = {}
        for joint in root.findall("joint"):
            origin, axis, mimic = joint.find("origin"), joint.find("axis"), joint.find("mimic")
            place, angles = np.zeros(3), np.zeros(3)
            if origin is not None:
                place = np.array([float(v) for v in origin.get("xyz", "0 0 0").split()])
                angles = np.array([float(v) for v in origin.get("rpy", "0 0 0").split()])
            direction = np.array(
                [float(v) for v in (axis.get("xyz", "1 0 0") if axis is not None else "1 0 0").split()]
            )
            name = joint.get("name", "")
            source = (name, 1.0, 0.0)
            if mimic is not None:
                source = (
                    mimic.get("joint", ""), float(mimic.get("multiplier", "1")), float(mimic.get("offset", "0"))
                )  # fmt: skip
            parent, child = joint.find("parent"), joint.find("child")
            assert parent is not None
            assert child is not None
            self.joints[child.get("link", "")] = (
                joint.get("type", ""), parent.get("link", ""), name, place, rpy_matrix(*angles), direction, source,
            )  # fmt: skip
        self.links = [link.get("name", "") for link in root.findall("link")]
        self.volumes = {link: [fresh(shape) for shape in shapes] for link, shapes in geometry.volumes.items()}
        point = [(coal.Sphere(0.0), np.eye(3), np.zeros(3))]
        self.pairs: list[tuple[str, str, str, float, list[Any], list[Any]]] = []
        for i, a in enumerate(self.links):
            for b in self.links[i + 1 :]:
                adjacent = any({self.joints[c][1], c} == {a, b} for c in (a, b) if c in self.joints)
                rigid = self.movers(a) == self.movers(b)
                left_out = frozenset((a, b)) in geometry.left_out
                if a in self.volumes and b in self.volumes and not (adjacent or rigid or left_out):
                    self.pairs.append(("geometry.self", a, b, geometry.margin, self.volumes[a], self.volumes[b]))
        for zone in zones:
            bodies = [zone.shape]
            if zone.kind is ZoneKind.KEEP_IN:
                assert isinstance(zone.shape, Box)
                low, high = (
                    np.subtract(zone.shape.centre, np.array(zone.shape.size) / 2),
                    np.add(zone.shape.centre, np.array(zone.shape.size) / 2),
                )
                bodies = [HalfSpace(tuple(-np.eye(3)[k]), -high[k]) for k in range(3)]
                bodies += [HalfSpace(tuple(np.eye(3)[k]), low[k]) for k in range(3)]
            for link in zone.links or [link for link in self.links if self.movers(link)]:
                for body in bodies:
                    mine = self.volumes.get(link, point)
                    self.pairs.append((f"zones.{zone.name}", link, "", zone.margin, mine, [fresh(body)]))

    def movers(self, link: str) -> tuple[str, ...]:
        """Names of the commanded joints between a link and the root."""
        found = []
        while link in self.joints:
            kind, parent, _, *_, source = self.joints[link]
            if kind != "fixed" and source[0] in self.robot.joints:
                found.append(link)
            link = parent
        return tuple(found)

    def frames(self, q: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Rotation and origin of every link, in the root's frame."""
        values = {**self.robot.locked_joints, **dict(zip(self.robot.joints, q.tolist(), strict=True))}
        placed: dict[str, tuple[np.ndarray, np.ndarray]] = {}

        def place(link: str) -> tuple[np.ndarray, np.ndarray]:
            if link not in self.joints:
                return np.eye(3), np.zeros(3)
            if link not in placed:
                kind, parent, _, offset, rotation, axis, (source, multiplier, shift) = self.joints[link]
                base, origin = place(parent)
                origin = origin + base @ offset
                base = base @ rotation
                if kind in ("revolute", "continuous"):
                    base = base @ turn(axis, multiplier * values[source] + shift)
                elif kind == "prismatic":
                    origin = origin + base @ (axis / np.linalg.norm(axis)) * (multiplier * values[source] + shift)
                placed[link] = base, origin
            return placed[link]

        return {link: place(link) for link in self.links}

    def distances(self, q: np.ndarray) -> list[tuple[str, tuple[str, ...], float, float]]:
        """Rule, links, margin and least signed distance of every pair of links and bodies, [m]."""
        frames = self.frames(q)
        found = []
        for rule, a, b, margin, first, second in self.pairs:
            least = min(
                self._distance(one, frames[a], other, frames[b] if b else (np.eye(3), np.zeros(3)))
                for one in first
                for other in second
            )
            found.append((rule, (a, b) if b else (a,), margin, least))
        return found

    @staticmethod
    def _distance(one: Any, place: Any, other: Any, other_place: Any) -> float:
        transforms = [
            coal.Transform3s(at[0] @ body[1], at[0] @ body[2] + at[1])
            for body, at in ((one, place), (other, other_place))
        ]
        result = coal.DistanceResult()
        return float(coal.distance(one[0], transforms[0], other[0], transforms[1], coal.DistanceRequest(), result))
