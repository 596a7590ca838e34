"""What the browser draws, as plain numbers and words: bodies, poses, zones. Pure.

A pose of a body is seven numbers: where its link's origin is, [m], and how it is turned (quaternion x, y, z, w).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pinocchio as pin

from safety_supervisor.core.geometry.scene import RESERVE
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Matrix, Vector
from safety_supervisor.geometry.pose_view import PlacedVolume, Viewer
from safety_supervisor.geometry.solids import Solid, edges, solids, surface
from safety_supervisor.panel.preview import Preview

_DIGITS: Final = 4  # 0.1 mm: finer than anything that is seen
_AROUND: Final = 0.1  # what bodies have around the joints, [m]
_SMALL: Final = 0.3  # a robot that seems smaller is looked at as if it were so big, [m]


def draw_robot(viewer: Viewer, moves: Sequence[bool] = ()) -> list[dict[str, Any]]:
    """Return the bodies of a robot, each in its link's frame.

    Args:
        viewer: of the robot with what it carries.
        moves: of each body, whether it does.
    """
    placed = viewer.place(viewer.model.middle())
    moving = moves or (True,) * len(placed)
    return [
        {"link": volume.link, "moves": bool(one), "solids": _solids(solids(volume.shape))}
        for volume, one in zip(placed, moving, strict=True)
    ]


def draw_zones(configuration: Configuration) -> list[dict[str, Any]]:
    """Return the zones that stand in the base frame."""
    return [
        {
            "name": zone.name,
            "kind": zone.kind.value,
            "solids": _solids(solids(zone.shape)),
            "edges": _numbers(edges(surface(zone.shape)).reshape(-1)),
        }
        for zone in configuration.zones
        if not zone.world
    ]


def draw_pose(viewer: Viewer, q: Vector) -> list[float]:
    """Return the poses of all bodies, one behind the other, at joint positions, shape (n,), [rad] or [m]."""
    return [number for volume in viewer.place(q) for number in _pose(volume)]


def draw_bones(viewer: Viewer, q: Vector) -> list[float]:
    """Return the ends of lines from joint to joint; of a robot with volumes there are none."""
    return [] if viewer.place(q) else _numbers(viewer.bones(q).reshape(-1))


def draw_preview(configuration: Configuration, viewer: Viewer, preview: Preview) -> dict[str, Any]:
    """Return the whole moving picture, with what is told of each of its frames."""
    return {
        "times": preview.times.tolist(),
        "near": ["" if near is None else str(near) for near in preview.near],
        "worst": preview.worst,
        "bodies": draw_robot(viewer, preview.moves),
        "zones": draw_zones(configuration),
        "frames": [draw_pose(viewer, q) for q in preview.poses],
        "bones": [draw_bones(viewer, q) for q in preview.poses],
        "pairs": [
            None
            if near is None
            else {
                "ends": _numbers(near.points.reshape(-1)),
                "words": f"{near.distance * 1e3:.0f} mm",
                "close": bool(near.distance - near.margin < RESERVE),
            }
            for near in preview.near
        ],
        "trace": _numbers(preview.trace.reshape(-1)),
    }


def look_at(viewer: Viewer, poses: Matrix) -> list[float]:
    """Return middle and radius of a ball around the robot at poses, shape (f, n): what the camera has to see, [m]."""
    points = np.concatenate([viewer.bones(q).reshape(-1, 3) for q in poses])
    low, high = points.min(axis=0), points.max(axis=0)
    return _numbers(np.array([*((low + high) / 2), max(_SMALL, float(np.linalg.norm(high - low)) / 2) + _AROUND]))


def _solids(parts: Sequence[Solid]) -> list[dict[str, Any]]:
    return [
        {
            "kind": part.kind,
            "at": [*_numbers(part.centre), *_turn(part.turn)],
            "size": _numbers(part.size),
            "corners": _numbers(part.triangles.reshape(-1)),
        }
        for part in parts
    ]


def _pose(volume: PlacedVolume) -> list[float]:
    return [*_numbers(volume.shift), *_turn(volume.turn)]


def _turn(turn: Matrix) -> list[float]:
    return _numbers(np.array(pin.Quaternion(turn).coeffs()))


def _numbers(values: Vector) -> list[float]:
    rounded: list[float] = np.round(values, _DIGITS).tolist()
    return rounded
