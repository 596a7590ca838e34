"""Keys of the section `zones`: where links may be, how fast, and what people may open."""

from __future__ import annotations

from typing import Literal

from safety_supervisor.config.keys import Name, Point, Section, UrdfName, key
from safety_supervisor.config.policy_keys import ApprovalKeys
from safety_supervisor.config.shapes import ShapeKeys


class ZoneApprovalKeys(ApprovalKeys):
    """An approval that opens a restricted zone for one goal, from rest to rest; docs/policy.md."""

    kind: Name = key("of approval; zones of one kind are opened together")
    hold_to_run: bool = key(
        "whether the goal moves only while the button (`~/hold`) is held; released: the kept stop",
        "",
        False,
    )


class ZoneKeys(Section):
    """A region of the cell, for the bodies of links that joints move: a shape, or the corners of an upright box.

    To the margin is added what `tracking.path_error` of the joints can take from it, and 0.5 mm.
    """

    kind: Literal["keep_in", "keep_out", "restricted", "speed"] = key(
        "`keep_in`: a box or polytope that holds the links; `restricted`: forbidden but for what people approve; "
        "`speed`: inside it links are slower"
    )
    shape: ShapeKeys | None = key("the region; or `minimum` and `maximum`", "", None)
    minimum: Point | None = key("corner of an upright box with the smallest x, y, z", "m", None)
    maximum: Point | None = key("its corner with the greatest x, y, z", "m", None)
    margin: float = key("distance to keep from the faces, stop included", "m", ge=0.0, le=10.0)
    frame: Literal["base", "world"] = key(
        "what it is told in and moves with: `base`, the robot's base frame; `world`, `base.odometry.frame`, which does "
        "not move while the base does: what the base may move meanwhile is added to the margin",
        "",
        "base",
    )
    links: list[UrdfName] = key("links that it is for; empty: every link that moves", "", [], max_length=200)
    frame_speed: float | None = key(
        "of a speed zone: greatest speed of any point of the links while one of them is inside or can stop only inside",
        "m/s",
        None,
        gt=0.0,
        le=20.0,
    )
    approval: ZoneApprovalKeys | None = key(
        "of a restricted zone: what opens it for one goal; null: nothing does", "", None
    )
