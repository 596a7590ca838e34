"""People around a rig: who walks where, what perception makes of it, and a judge with kinematics of its own."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rig import HOME, Rig, panda

from safety_supervisor.core.effects import Actuate, Effect
from safety_supervisor.core.events import Humans, HumansEndpoints
from safety_supervisor.core.geometry.shapes import Box, Capsule, Cylinder, Polytope, Sphere
from safety_supervisor.core.settings import Configuration, ReducedSettings, SeparationSettings

SEPARATION = SeparationSettings(
    max_points=16,
    max_bytes=4096,
    latency=80_000_000,
    timeout=300_000_000,
    walking_speed=1.6,
    intrusion=0.05,
    sensor_uncertainty=0.04,
    body_radius=0.25,
)
Walk = Callable[[float], NDArray[np.float64]]
"""Where the body points are, shape (K, 3), at a time, [s]."""


REDUCED = ReducedSettings(0.25, 0.2)


def watched(reduced: ReducedSettings = REDUCED, **changes: Any) -> Configuration:
    """The Panda without zones, people watched."""
    configuration = panda(zones=())
    envelope = replace(configuration.envelope, reduced=reduced)
    return replace(configuration, envelope=envelope, separation=replace(SEPARATION, **changes))


def nobody(_: float) -> NDArray[np.float64]:
    return np.zeros((0, 3))


def standing(*points: tuple[float, float, float]) -> Walk:
    return lambda _: np.array(points)


class Perception:
    """Tells a rig each 40 ms where people were `delay` ago, off by up to `noise`."""

    def __init__(self, rig: Rig, walk: Walk = nobody, noise: float = 0.0, delay: float = 0.08) -> None:
        self.rig = rig
        self.walk = walk
        self.noise = noise
        self.delay = delay
        self.begin = rig.now
        self.silent = False
        self._random = np.random.default_rng(5)
        self._due = 0
        rig.send(HumansEndpoints(rig.now, ("/perception",)))

    @property
    def time(self) -> float:
        return (self.rig.now - self.begin) / 1e9

    def __call__(self, _: int = 0) -> None:
        if self.silent or self.rig.now < self._due:
            return
        self._due = self.rig.now + 40_000_000
        points = self.walk(self.time - self.delay)
        shifts = self._random.normal(size=points.shape)
        shifts *= self.noise / np.maximum(np.linalg.norm(shifts, axis=1, keepdims=True), 1e-12)
        self.tell(points + shifts)

    def tell(self, points: Any, **changes: Any) -> tuple[Effect, ...]:
        block = np.ascontiguousarray(points, dtype=float).tobytes()
        values = {
            "frame_id": "panda_link0",
            "points": block,
            "stamp": self.rig.now - 1,
            "clock": self.rig.now,
            **changes,
        }
        return self.rig.send(Humans(at=self.rig.now, **values))

    def auto(self) -> Perception:
        """Through the two acts into AUTO, people told meanwhile."""
        original = self.rig.cycle

        def cycle(count: int = 1, each: Any = None) -> None:
            def both(i: int) -> None:
                self(i)
                if each is not None:
                    each(i)

            original(count, both)

        self.rig.cycle = cycle  # type: ignore[method-assign]
        self.rig.auto()
        return self


def swing(rig: Rig, by: float = 1.4, duration: float = 1.6) -> None:
    """Play a smooth trajectory of joint 1."""
    goal = rig.output.copy()
    goal[0] += by
    rest = np.zeros((1, len(goal)))
    rig.trajectory([duration], goal[None, :], rest, rest)


# --- the judge: nothing of the supervisor's kinematics, distances or stops


class Judge:
    """Every link as balls at places of its own, moved by matrices read from the URDF."""

    def __init__(self, configuration: Configuration) -> None:
        root = ElementTree.fromstring(configuration.robot.urdf)
        self._joints = {}
        for joint in root.iter("joint"):
            origin, axis = joint.find("origin"), joint.find("axis")
            xyz = [0.0, 0.0, 0.0] if origin is None else [float(x) for x in origin.get("xyz", "0 0 0").split()]
            rpy = [0.0, 0.0, 0.0] if origin is None else [float(x) for x in origin.get("rpy", "0 0 0").split()]
            way = np.array([1.0, 0.0, 0.0] if axis is None else [float(x) for x in axis.get("xyz", "").split()])
            child, parent = joint.find("child"), joint.find("parent")
            assert child is not None
            assert parent is not None
            name, kind = str(joint.get("name")), str(joint.get("type"))
            placed = np.array(xyz), _turn_rpy(rpy), way
            self._joints[str(child.get("link"))] = (name, kind, str(parent.get("link")), placed)
        self._names = configuration.robot.joints
        self._locked = configuration.robot.locked_joints
        self._balls = {
            link: np.concatenate([_balls(shape) for shape in shapes])
            for link, shapes in configuration.geometry.volumes.items()
            if link != configuration.robot.base_frame
        }

    def distance(self, q: NDArray[np.float64], points: NDArray[np.float64]) -> float:
        """How far the nearest of some points is from the nearest moving link, [m]."""
        places: dict[str, tuple[Any, Any]] = {}
        values = {**self._locked, **dict(zip(self._names, q.tolist(), strict=True))}
        least = np.inf
        for link, balls in self._balls.items():
            rotation, origin = self._place(link, values, places)
            centres = balls[:, :3] @ rotation.T + origin
            apart = np.linalg.norm(centres[:, None] - points, axis=2)
            least = min(least, float((apart - balls[:, 3:]).min()))
        return least

    def _place(self, link: str, values: dict[str, float], places: dict[str, tuple[Any, Any]]) -> tuple[Any, Any]:
        if link in places:
            return places[link]
        if link not in self._joints:
            return np.eye(3), np.zeros(3)
        name, kind, parent, (xyz, turned, axis) = self._joints[link]
        rotation, origin = self._place(parent, values, places)
        origin = origin + rotation @ xyz
        rotation = rotation @ turned
        if kind in ("revolute", "continuous"):
            rotation = rotation @ _turn(axis, values[name])
        elif kind == "prismatic":
            origin = origin + rotation @ axis * values.get(name, 0.02)  # the second finger mimics the first
        places[link] = rotation, origin
        return rotation, origin


def _turn(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


def _turn_rpy(rpy: list[float]) -> NDArray[np.float64]:
    x, y, z = np.eye(3)
    return _turn(z, rpy[2]) @ _turn(y, rpy[1]) @ _turn(x, rpy[0])


def _balls(shape: Any) -> NDArray[np.float64]:
    """Centres and radii of balls inside a shape that come near to filling it, shape (m, 4)."""
    shares = np.linspace(0.0, 1.0, 13)[:, None]
    match shape:
        case Sphere():
            return np.array([[*shape.centre, shape.radius]])
        case Capsule():
            line = np.array(shape.start) * (1 - shares) + np.array(shape.end) * shares
            return np.column_stack((line, np.full(len(line), shape.radius)))
        case Cylinder():
            line = np.array(shape.start) * (1 - shares) + np.array(shape.end) * shares
            normal = np.array(shape.end) - np.array(shape.start)
            side = np.cross(normal, [1.0, 0.3, 0.2])
            side *= shape.radius / np.linalg.norm(side)
            rims = [line + _turn(normal, angle) @ side for angle in np.linspace(0, 6.2, 13)]
            return np.pad(np.concatenate(rims), ((0, 0), (0, 1)))
        case Box():
            grid = np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, 5)] * 3), axis=-1).reshape(-1, 3)
            points = (grid * np.array(shape.size)) @ _turn_rpy(list(shape.rpy)).T + np.array(shape.centre)
            return np.pad(points, ((0, 0), (0, 1)))
        case Polytope():
            vertices = np.array(shape.vertices)
            weights = np.random.default_rng(1).dirichlet(np.full(len(vertices), 0.2), 100)
            return np.pad(np.concatenate((vertices, weights @ vertices)), ((0, 0), (0, 1)))
    raise AssertionError(shape)


def stop_of(effect: Actuate, samples: int = 6) -> tuple[float, list[NDArray[np.float64]]]:
    """How long the stop of a set-point lasts, [s], and poses along it: cubics between the points of the horizon."""
    poses = [np.array(effect.positions)]
    t0, p0, v0 = 0.0, np.array(effect.positions), np.array(effect.velocities)
    for point in effect.horizon:
        t1, p1, v1 = point.time / 1e9, np.array(point.positions), np.array(point.velocities)
        h = t1 - t0
        for s in np.linspace(0.0, 1.0, samples + 1)[1:]:
            a, b = 2 * s**3 - 3 * s**2 + 1, s**3 - 2 * s**2 + s
            c, d = -2 * s**3 + 3 * s**2, s**3 - s**2
            poses.append(a * p0 + b * h * v0 + c * p1 + d * h * v1)
        t0, p0, v0 = t1, p1, v1
    return t0, poses


__all__ = ["HOME", "SEPARATION", "Judge", "Perception", "nobody", "standing", "stop_of", "swing", "watched"]
