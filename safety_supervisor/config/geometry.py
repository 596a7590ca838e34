"""Section `geometry`: the volumes that stand for the links, and which pairs of links are never asked."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from safety_supervisor.config.schema import Section, UrdfName, key
from safety_supervisor.config.shapes import ShapeKeys

Volumes = Annotated[list[ShapeKeys], Field(min_length=1, max_length=20)]


class LeftOutKeys(Section):
    """A pair of links that is never asked whether it touches."""

    links: list[UrdfName] = key("the two links", min_length=2, max_length=2)
    reason: str = key("why they need not be asked, in words", min_length=10, max_length=500)


class GeometryKeys(Section):
    """Link volumes, each in its link's frame. `safety-supervisor geometry check` shows that the meshes lie inside."""

    volumes: dict[UrdfName, Volumes] = key("link to the shapes that wrap it", min_length=1, max_length=500)
    left_out: list[LeftOutKeys] = key(
        "pairs that are never asked; neighbours, and links that do not move against each other, need no entry",
        "",
        [],
        max_length=1000,
    )
    margin: float = key("distance to keep between any two bodies of the robot", "m", ge=0.0, le=1.0)
