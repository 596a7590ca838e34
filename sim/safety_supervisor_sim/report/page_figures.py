"""Distributions of the report: margins by kind, times to stop, distances from people."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from safety_supervisor_sim.report.drawings import histogram
from safety_supervisor_sim.report.findings import Findings
from safety_supervisor_sim.report.html import Html, element, joined

FAR: Final = 1e6
"""What a value beyond it stands for is something that is not finite (the oracle's 1e12): it is told, and not drawn."""
UNITS: Final = (
    ("jerk", "rad/s³"),
    ("acceleration", "rad/s²"),
    ("velocity", "rad/s"),
    ("position", "rad"),
    ("link_speed", "m/s"),
    ("keep_", "m"),
    ("capture_point", "m"),
)
"""Of a kind of margin, by what is in its name."""


def unit_of(kind: str) -> str:
    """Return the unit of a kind of margin; "" of one that is not known."""
    return next((unit for part, unit in UNITS if part in kind), "")


def distributions(findings: Findings) -> Html:
    """Return the pictures, by robot."""
    parts: list[Html] = []
    for robot in dict.fromkeys(run.robot for run in findings.judged if run.done):
        runs = [run for run in findings.judged if run.done and run.robot == robot]
        margins: dict[str, list[float]] = defaultdict(list)
        for run in runs:
            for kind, margin in run.margins.items():
                margins[kind].append(margin)
        figures = [
            figure
            for kind, values in sorted(margins.items())
            for figure in _figure(f"margin of {kind.replace('_', ' ')}", values, unit_of(kind), 0.0)
        ]
        figures += _figure("time to stop after a fault", (rest for run in runs for rest in run.rest_after), "s")
        near = [run.distance_people for run in runs if run.distance_people is not None]
        figures += _figure("least distance from a person", near, "m", 0.0)
        boxes = [run.distance_obstacles for run in runs if run.distance_obstacles is not None]
        figures += _figure("least distance from an obstacle", boxes, "m", 0.0)
        if figures:
            parts += [element("h3", robot or "robot unknown"), element("div", *figures, class_="plots")]
    note = (
        "The least of each run, as the oracle saw it: the true motion against limits of its own, never the "
        "supervisor's word. The dashed line is the limit: what lies left of it is beyond; the oracle's tolerance may "
        "let a margin lie a hair's breadth beyond without a violation."
    )
    return joined([element("p", note, class_="soft"), *parts]) if parts else element("p", "Nothing was measured.")


def _figure(title: str, values: Iterable[float], unit: str, limit: float | None = None) -> Iterator[Html]:
    known = list(values)
    finite = [value for value in known if math.isfinite(value) and abs(value) < FAR]
    if not known:
        return
    left = len(known) - len(finite)
    words = f"{title}, {len(known):,} values" + (
        f"; {left} of them are beyond any scale, and not drawn" if left else ""
    )
    picture = (
        histogram(title, finite, unit, limit) if finite else element("p", "nothing that can be drawn", class_="not")
    )
    least = f"; least {min(finite):.4g} {unit}, greatest {max(finite):.4g} {unit}" if finite else ""
    yield element("figure", picture, element("figcaption", words + least))
