"""A case in words and numbers, for the picture, the terminal and programs."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from safety_supervisor.core.geometry.scene import RESERVE
from safety_supervisor.core.settings import Configuration
from safety_supervisor.explain.case import Case
from safety_supervisor.geometry.pose_view import Nearness

_UNITS: Final = {
    "joint.position": "rad",
    "joint.velocity": "rad/s",
    "joint.acceleration": "rad/s^2",
    "joint.jerk": "rad/s^3",
    "frame.speed": "m/s",
    "trajectory.start": "rad",
    "trajectory.end": "rad/s",
}
_SAME: Final = 1e-6
"""Distances that differ by less are the same, [m]."""


def is_spatial(case: Case) -> bool:
    """Whether bodies that were too near are the reason."""
    return bool(case.subject.pose)


def unit_of(rule: str, configuration: Configuration) -> str:
    """Return the unit of a rule's value and limit, empty where there is none."""
    zones = {f"zones.{zone.name}": zone for zone in configuration.zones}
    return "m/s" if rule in zones and zones[rule].frame_speed is not None else _UNITS.get(rule, "")


def headline(case: Case) -> str:
    """Return the verdict or state, and the code."""
    return f"{case.subject.what} {case.subject.code}".strip()


def facts(case: Case, nearest: Nearness | None) -> list[tuple[str, str]]:
    """Return what is known, name and value.

    Args:
        case: the case.
        nearest: the pair at the pose that is drawn.
    """
    subject = case.subject
    found: list[tuple[str, str]] = []
    if subject.rule:
        found.append(("rule", subject.rule))
    if is_spatial(case):
        bodies = f"{subject.joint} - {subject.rule}" if len(subject.links) == 1 else " - ".join(subject.links)
        found += [("bodies", bodies), ("distance", _mm(subject.value)), ("needed", _needed(subject.limit, nearest))]
        found.append(("short by", _mm(subject.limit - subject.value)))
        tool = case.configuration.geometry.tool
        found.append(("tool", tool.name if tool is not None else ""))
    elif subject.value or subject.limit:
        unit = unit_of(subject.rule, case.configuration)
        found += [("joint" if subject.joint in case.configuration.robot.joints else "link", subject.joint)]
        found += [("value", f"{subject.value:.6g} {unit}"), ("limit", f"{subject.limit:.6g} {unit}")]
    elif nearest is not None:
        found += [("closest", nearest.label), ("distance", _mm(nearest.distance)), ("margin", _mm(nearest.margin))]
    found.append(("detail", subject.detail))
    found.append(("source", " ".join(filter(None, (subject.source, subject.command and f"({subject.command})")))))
    if case.line:
        found.append(("log", f"line {case.line}, {case.time:.3f} s after the first event"))
    return [(name, value.strip()) for name, value in found if value.strip()]


def remarks(case: Case, nearest: Nearness | None) -> list[str]:
    """Return what a reader must know beside the facts."""
    found = list(case.notes)
    if is_spatial(case) and (nearest is None or abs(nearest.distance - case.subject.value) > _SAME):
        seen = "is not among those that are kept apart" if nearest is None else f"is {_mm(nearest.distance)} apart"
        found.append(f"In this configuration the pair {seen} at that pose: it is another one than the decision's.")
    return found


def summary(case: Case, nearest: Nearness | None, picture: str) -> dict[str, Any]:
    """Return all of it as plain values, SI units."""
    subject, joints, code = case.subject, case.configuration.robot.joints, case.subject.known_code

    def by_joint(q: Any) -> dict[str, float] | None:
        return None if q is None or not len(q) else dict(zip(joints, np.asarray(q).tolist(), strict=True))

    return {
        "verdict": subject.what,
        "code": subject.code,
        "cause": code.cause if code else "",
        "cure": code.cure if code else "",
        "rule": subject.rule,
        "joint": subject.joint,
        "value": _finite(subject.value),
        "limit": _finite(subject.limit),
        "detail": subject.detail,
        "source": subject.source,
        "command": subject.command,
        "tool": case.configuration.geometry.tool.name if case.configuration.geometry.tool else "",
        "pose": by_joint(subject.pose),
        "commanded": by_joint(case.commanded),
        "nearest": None
        if nearest is None
        else {
            "rule": nearest.pair.rule,
            "links": list(nearest.pair.links),
            "distance": nearest.distance,
            "margin": nearest.margin,
            "points": nearest.points.tolist(),
        },
        "time": case.time,
        "line": case.line or None,
        "notes": remarks(case, nearest),
        "picture": picture,
    }


def _finite(value: float) -> float | None:
    """JSON has no other numbers."""
    return value if math.isfinite(value) else None


def _mm(length: float) -> str:
    return f"{length * 1e3:.2f} mm"


def _needed(limit: float, nearest: Nearness | None) -> str:
    """Say what the least distance is made of."""
    if nearest is None:
        return _mm(limit)
    path = nearest.margin - nearest.pair.margin
    parts = f"margin {_mm(nearest.pair.margin)}, path error {_mm(path)}, reserve {_mm(RESERVE)}"
    return f"{_mm(limit)}: {parts}"
