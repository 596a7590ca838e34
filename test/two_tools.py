"""A robot that may carry two tools: a short gripper, and the same with a long rod in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

PANDA = Path(__file__).resolve().parents[1] / "config" / "panda.yaml"


PRIVATE_KEY = bytes(range(32))
"""Ed25519, of the source `planner`; for tests only."""
PUBLIC_KEY = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
"""The public key that belongs to it."""


def _rod(start: float, end: float, radius: float) -> dict[str, Any]:
    """A capsule along the hand's axis, [m]."""
    return {"capsule": {"start": [0.0, 0.0, start], "end": [0.0, 0.0, end], "radius": radius}}


TOOLS: dict[str, Any] = {
    "gripper": {"link": "panda_hand", "volumes": [_rod(0.12, 0.2, 0.04)], "mass": 0.4, "centre": [0.0, 0.0, 0.15]},
    "gripper_with_rod": {
        "link": "panda_hand",
        "volumes": [_rod(0.12, 0.2, 0.04), _rod(0.2, 0.4, 0.02)],
        "mass": 0.6,
        "centre": [0.0, 0.0, 0.25],
    },
}


def _pole(start: float, end: float, radius: float) -> dict[str, Any]:
    """A capsule that lengthens the G1's left hand, [m]."""
    return {"capsule": {"start": [start, -0.03, 0.0], "end": [end, -0.03, 0.0], "radius": radius}}


HUMANOID_TOOLS: dict[str, Any] = {
    name: {**tool, "link": "left_rubber_hand", "volumes": volumes, "centre": tool["centre"][::-1]}
    for (name, tool), volumes in zip(
        TOOLS.items(), ([_pole(0.15, 0.2, 0.03)], [_pole(0.15, 0.2, 0.03), _pole(0.2, 0.4, 0.02)]), strict=True
    )
}


def write_humanoid_with_tools(directory: Path, own: tuple[str, ...] = ()) -> Path:
    """Write config/g1.yaml, on a stand, both tools for its left hand, the Panda's sources for all its groups."""
    keys = yaml.safe_load(PANDA.with_name("g1.yaml").read_text(encoding="utf-8")) | {"tools": HUMANOID_TOOLS}
    keys["sources"] = yaml.safe_load(PANDA.read_text(encoding="utf-8"))["sources"]
    for source in keys["sources"].values():
        source["groups"] = list(keys["robot"]["groups"])
    keys["balance"] = None
    keys["robot"] |= {"payload": 1.0, "tool": None}
    keys["sources"]["planner"] |= {"tools": list(own), "public_key": PUBLIC_KEY}
    path = directory / "humanoid_with_tools.yaml"
    path.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    return path


def write_two_tools(directory: Path, mounted: str | None = None, own: tuple[str, ...] = (), **sections: Any) -> Path:
    """Write config/panda.yaml with both tools.

    Args:
        directory: where to.
        mounted: `robot.tool`.
        own: `sources.planner.tools`.
        sections: to lay over it, whole.
    """
    keys = yaml.safe_load(PANDA.read_text(encoding="utf-8")) | {"tools": TOOLS} | sections
    keys["robot"] |= {"payload": 1.0, "tool": mounted}
    if own:
        keys["sources"]["planner"] |= {"tools": list(own), "public_key": PUBLIC_KEY}
    path = directory / "two_tools.yaml"
    path.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    return path
