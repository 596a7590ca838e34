"""The channels of a file for Foxglove, and their schemas."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from safety_supervisor.core.effects import Decision, Status
from safety_supervisor.evidence import mcap
from safety_supervisor.evidence.log_channels import json_schema
from safety_supervisor.export import cdr

_NUMBER, _TEXT, _BOOL = {"type": "number"}, {"type": "string"}, {"type": "boolean"}
_WHOLE = {"type": "integer"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TIME = _object(sec=_WHOLE, nsec=_WHOLE)
_VECTOR = _object(x=_NUMBER, y=_NUMBER, z=_NUMBER)
_QUATERNION = _object(x=_NUMBER, y=_NUMBER, z=_NUMBER, w=_NUMBER)
_POSE = _object(position=_VECTOR, orientation=_QUATERNION)
_COLOUR = _object(r=_NUMBER, g=_NUMBER, b=_NUMBER, a=_NUMBER)
_SOLID = _object(pose=_POSE, size=_VECTOR, color=_COLOUR)
_CYLINDER = _object(pose=_POSE, size=_VECTOR, bottom_scale=_NUMBER, top_scale=_NUMBER, color=_COLOUR)
_TRIANGLES = _object(pose=_POSE, points=_array(_VECTOR), color=_COLOUR, colors=_array(_COLOUR), indices=_array(_NUMBER))
_ENTITY = _object(
    timestamp=_TIME, frame_id=_TEXT, id=_TEXT, lifetime=_TIME, frame_locked=_BOOL,
    metadata=_array(_object(key=_TEXT, value=_TEXT)), arrows=_array(_object()), cubes=_array(_SOLID),
    spheres=_array(_SOLID), cylinders=_array(_CYLINDER), lines=_array(_object()), triangles=_array(_TRIANGLES),
    texts=_array(_object()), models=_array(_object()),
)  # fmt: skip
_DELETION = _object(timestamp=_TIME, type=_WHOLE, id=_TEXT)
_TRANSFORM = _object(
    timestamp=_TIME, parent_frame_id=_TEXT, child_frame_id=_TEXT, translation=_VECTOR, rotation=_QUATERNION
)


@dataclass(frozen=True)
class Channel:
    """A channel and its schema, which have the same number."""

    number: int
    topic: str
    encoding: str
    schema: str
    schema_encoding: str
    definition: bytes


def _of_json(number: int, topic: str, name: str, definition: dict[str, Any]) -> Channel:
    return Channel(number, topic, "json", name, "jsonschema", json.dumps(definition, sort_keys=True).encode())


def _of_ros(number: int, topic: str, name: str) -> Channel:
    return Channel(number, topic, "cdr", name, "ros2msg", cdr.DEFINITIONS[name].encode())


MEASURED = _of_ros(1, "/joint_states/measured", cdr.JOINT_STATE)
SENT = _of_ros(2, "/joint_states/commanded", cdr.JOINT_STATE)
DESCRIPTION = _of_ros(3, "/robot_description", cdr.STRING)
TRANSFORMS = _of_json(4, "/tf", "foxglove.FrameTransforms", _object(transforms=_array(_TRANSFORM)))
SCENE = _of_json(
    5, "/scene", "foxglove.SceneUpdate", _object(deletions=_array(_DELETION), entities=_array(_ENTITY))
)  # fmt: skip
DECISIONS = _of_json(6, "/decisions", "safety_supervisor.Decision", json_schema(Decision))
STATES = _of_json(7, "/status", "safety_supervisor.Status", json_schema(Status))
ACTS = _of_json(8, "/acts", "safety_supervisor.Act", _object(type=_TEXT, at=_NUMBER))
LOG = _of_json(
    9, "/log", "foxglove.Log",
    _object(timestamp=_TIME, level=_WHOLE, message=_TEXT, name=_TEXT, file=_TEXT, line=_WHOLE),
)  # fmt: skip
CHANNELS: Final = (MEASURED, SENT, DESCRIPTION, TRANSFORMS, SCENE, DECISIONS, STATES, ACTS, LOG)


def definitions() -> bytes:
    """Return the records of all schemas and channels."""
    return b"".join(
        mcap.schema(one.number, one.schema, one.schema_encoding, one.definition)
        + mcap.channel(one.number, one.number, one.topic, one.encoding)
        for one in CHANNELS
    )
