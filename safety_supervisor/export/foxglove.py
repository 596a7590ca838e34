"""A file that Foxglove opens: joints as measured and as commanded, the robot, zones, people, decisions and states.

Joint states and the robot's description are ROS 2 messages (CDR); transforms and the scene are Foxglove's own (JSON);
decisions, states and acts are JSON with a schema of ours. Time is the time of day of the log's clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pinocchio as pin

from safety_supervisor.core.effects import Actuate, Decision, Effect, Status
from safety_supervisor.core.events import Event, Humans, JointStates
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Matrix, Nanoseconds
from safety_supervisor.evidence import mcap
from safety_supervisor.evidence.clock import LogClock
from safety_supervisor.export import cdr
from safety_supervisor.export.channels import (
    ACTS,
    DECISIONS,
    DESCRIPTION,
    LOG,
    MEASURED,
    SCENE,
    SENT,
    STATES,
    TRANSFORMS,
    Channel,
    definitions,
)
from safety_supervisor.geometry.pose_view import PlacedVolume, Viewer
from safety_supervisor.geometry.solids import Solid, solids
from safety_supervisor.geometry.zone_colours import ZONES, Colour

_MEASURED: Final[Colour] = (0.62, 0.67, 0.73, 0.9)
_COMMANDED: Final[Colour] = (0.3, 0.45, 0.95, 0.25)
_PERSON: Final[Colour] = (0.95, 0.55, 0.1, 0.9)
_PERSON_SIZE: Final = 0.12  # [m]
_EVERY: Final[Nanoseconds] = 33_000_000
"""Transforms are told no more often: joint states have every value."""
COMMANDED: Final = "commanded/"
"""Prefix of the frames of links where they were commanded to be."""

_TOLD_AS_ACTS: Final = frozenset(
    {"OperatorAct", "StopRequested", "ToolChange", "AgentSession", "TokenRefused", "ConfigurationChanged", "Boot"}
)
_LEVELS: Final = {"PASS": 2, "LIMIT": 2, "WAIT": 2, "REJECT": 3, "STOP": 4}
"""Of `foxglove.Log`: 2 info, 3 warning, 4 error."""


class Writer:
    """Makes the bytes of such a file.

    Args:
        configuration: of the robot; None: neither robot nor zones can be drawn.
        clock: of the log.
        facts: of the boot, into a record of the file.
    """

    def __init__(self, configuration: Configuration | None, clock: LogClock, facts: dict[str, str]) -> None:
        """Begin a file."""
        self._clock = clock
        self._configuration = configuration
        self._viewer = None if configuration is None else Viewer(configuration)
        self._facts = facts
        self._drawn = {"": -_EVERY, COMMANDED: -_EVERY}
        self._state = ""
        self._people = 0
        self._encoder = msgspec.json.Encoder(enc_hook=repr)

    def begin(self, at: Nanoseconds) -> bytes:
        """Return the head of the file, and what is told once: the robot, its volumes, the zones."""
        parts = [mcap.MAGIC, mcap.header("", "safety_supervisor"), mcap.metadata("safety_supervisor", self._facts)]
        parts.append(definitions())
        if self._configuration is not None and self._viewer is not None:
            parts.append(self._message(DESCRIPTION, at, cdr.string(self._configuration.robot.urdf)))
            entities = [*_zones(self._configuration), *self._robot("", _MEASURED), *self._robot(COMMANDED, _COMMANDED)]
            parts.append(self._scene(at, entities))
        return b"".join(parts)

    def write(self, event: Event, effects: Iterable[Effect]) -> bytes:
        """Return the messages of one handled event; `effects` with its set-point, where it is known."""
        parts: list[bytes] = []
        if isinstance(event, JointStates):
            parts += self._measured(event)
        elif isinstance(event, Humans):
            parts.append(self._humans(event))
        elif type(event).__name__ in _TOLD_AS_ACTS:
            parts.append(self._json(ACTS, event.at, event))
        for effect in effects:
            if isinstance(effect, Actuate):
                parts += self._commanded(effect)
            elif isinstance(effect, Decision):
                parts.append(self._json(DECISIONS, effect.at, effect))
                words = f"{effect.verdict} {effect.code} {effect.rule} {effect.joint} {effect.detail}"
                parts.append(self._log(effect.at, _LEVELS[effect.verdict], words, effect.source))
            elif isinstance(effect, Status):
                parts.append(self._json(STATES, effect.at, effect))
                if effect.state != self._state:
                    self._state = effect.state
                    words = f"{effect.state} {effect.cause}: {effect.next_step}"
                    parts.append(self._log(effect.at, 3 if effect.cause else 2, words, "supervisor"))
        return b"".join(parts)

    def end(self) -> bytes:
        """Return the end of the file."""
        return mcap.END

    def _message(self, channel: Channel, at: Nanoseconds, data: bytes) -> bytes:
        return mcap.message(channel.number, self._clock.utc(at), data)

    def _json(self, channel: Channel, at: Nanoseconds, value: object) -> bytes:
        return self._message(channel, at, self._encoder.encode(value))

    def _log(self, at: Nanoseconds, level: int, words: str, name: str) -> bytes:
        told = {"timestamp": self._stamp(at), "level": level, "message": " ".join(words.split()), "name": name}
        return self._json(LOG, at, told | {"file": "", "line": 0})

    def _stamp(self, at: Nanoseconds) -> dict[str, int]:
        sec, nsec = divmod(self._clock.utc(at), 1_000_000_000)
        return {"sec": sec, "nsec": nsec}

    def _measured(self, event: JointStates) -> Iterator[bytes]:
        if len(event.names) != len(event.positions):
            return  # malformed: it told nothing
        velocities = event.velocities if len(event.velocities) == len(event.names) else ()
        data = cdr.joint_state(self._clock.utc(event.at), event.names, event.positions, velocities)
        yield self._message(MEASURED, event.at, data)
        if self._configuration is None:
            return
        told = dict(zip(event.names, event.positions, strict=True))
        joints = self._configuration.robot.joints
        if all(math.isfinite(told.get(name, math.nan)) for name in joints):
            yield from self._transforms("", event.at, [told[name] for name in joints])

    def _commanded(self, effect: Actuate) -> Iterator[bytes]:
        if self._configuration is None:
            return
        names = self._configuration.robot.joints
        data = cdr.joint_state(self._clock.utc(effect.at), names, effect.positions, effect.velocities)
        yield self._message(SENT, effect.at, data)
        yield from self._transforms(COMMANDED, effect.at, effect.positions)

    def _transforms(self, prefix: str, at: Nanoseconds, positions: Sequence[float]) -> Iterator[bytes]:
        if self._viewer is None or self._configuration is None or at - self._drawn[prefix] < _EVERY:
            return
        self._drawn[prefix] = at
        placed = {one.link: one for one in self._viewer.place(np.array(positions))}
        parent, stamp = self._configuration.robot.base_frame, self._stamp(at)
        transforms = [
            {
                "timestamp": stamp,
                "parent_frame_id": parent,
                "child_frame_id": prefix + link,
                "translation": _xyz(one.shift),
                "rotation": _quaternion(one.turn),
            }
            for link, one in placed.items()
            if prefix + link != parent
        ]
        yield self._json(TRANSFORMS, at, {"transforms": transforms})

    def _robot(self, prefix: str, colour: Colour) -> Iterator[dict[str, Any]]:
        assert self._viewer is not None
        assert self._configuration is not None
        by_link: dict[str, list[PlacedVolume]] = {}
        for one in self._viewer.place(self._viewer.model.middle()):
            by_link.setdefault(one.link, []).append(one)
        base = self._configuration.robot.base_frame
        for link, volumes in by_link.items():
            frame = base if link == base else prefix + link
            yield _entity(f"{prefix}{link}", frame, [part for one in volumes for part in solids(one.shape)], colour)

    def _humans(self, event: Humans) -> bytes:
        placed = points_of(event)
        deletions = [
            {"timestamp": self._stamp(event.at), "type": 0, "id": f"people/{number}"}
            for number in range(len(placed), self._people)
        ]
        self._people = len(placed)
        size = np.full(3, _PERSON_SIZE)
        entities = [
            _entity(f"people/{number}", event.frame_id, [Solid("sphere", np.eye(3), point, size)], _PERSON)
            for number, point in enumerate(placed)
        ]
        return self._scene(event.at, entities, deletions)

    def _scene(
        self, at: Nanoseconds, entities: list[dict[str, Any]], deletions: Sequence[dict[str, Any]] = ()
    ) -> bytes:
        stamped = [entity | {"timestamp": self._stamp(at)} for entity in entities]
        return self._json(SCENE, at, {"deletions": list(deletions), "entities": stamped})


def points_of(event: Humans) -> Matrix:
    """Return the finite body points of a message, shape (k, 3), [m]; none of a malformed one."""
    whole = len(event.points) % (3 * 8) == 0
    points = np.frombuffer(event.points, dtype=np.float64).reshape(-1, 3) if whole else np.zeros((0, 3))
    return np.asarray(points[np.isfinite(points).all(axis=1)])


def _zones(configuration: Configuration) -> Iterator[dict[str, Any]]:
    world = "" if configuration.base is None else configuration.base.odometry.frame
    for zone in configuration.zones:
        frame = world if zone.world and world else configuration.robot.base_frame
        yield _entity(f"zones/{zone.name}", frame, solids(zone.shape), ZONES[zone.kind])


def _entity(name: str, frame: str, parts: Iterable[Solid], colour: Colour) -> dict[str, Any]:
    shapes: dict[str, list[dict[str, Any]]] = {
        kind: []
        for kind in ("arrows", "cubes", "spheres", "cylinders", "lines", "triangles", "texts", "models", "metadata")
    }
    paint = dict(zip("rgba", colour, strict=True))
    for part in parts:
        pose = {"position": _xyz(part.centre), "orientation": _quaternion(part.turn)}
        solid = {"pose": pose, "size": _xyz(part.size), "color": paint}
        match part.kind:
            case "box":
                shapes["cubes"].append(solid)
            case "sphere":
                shapes["spheres"].append(solid)
            case "cylinder":
                shapes["cylinders"].append(solid | {"bottom_scale": 1.0, "top_scale": 1.0})
            case "triangles":
                points = [_xyz(point) for point in part.triangles.reshape(-1, 3)]
                shapes["triangles"].append(
                    {"pose": pose, "points": points, "color": paint, "colors": [], "indices": []}
                )
    return {
        "frame_id": frame, "id": name, "lifetime": {"sec": 0, "nsec": 0}, "frame_locked": True, **shapes,
    }  # fmt: skip


def _xyz(values: Any) -> dict[str, float]:
    x, y, z = (round(float(value), 6) for value in values)
    return {"x": x, "y": y, "z": z}


def _quaternion(turn: Matrix) -> dict[str, float]:
    x, y, z, w = (round(float(value), 9) for value in pin.Quaternion(np.ascontiguousarray(turn)).coeffs())
    return {"x": x, "y": y, "z": z, "w": w}
