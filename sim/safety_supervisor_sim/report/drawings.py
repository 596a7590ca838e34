"""Draws distributions and courses as SVG: no script, the page's classes for style, a title for who hears it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.report.html import Html, element

WIDTH: Final = 420
HEIGHT: Final = 170
LEFT: Final = 46
RIGHT: Final = 12
TOP: Final = 20
BOTTOM: Final = 34
BINS: Final = 24
POINTS: Final = 300
"""Of a line: more than there are pixels to see them."""
DASHES: Final = (None, "6 3", "2 3", "8 3 2 3")
COLOURS: Final = 8

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """From values to places in the picture, [px]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return where a value is."""
        span = self.high - self.low
        return self.start + (self.end - self.start) * ((value - self.low) / span if span else 0.5)

    def ticks(self, count: int = 5) -> list[float]:
        """Return about so many round values on the scale."""
        span = self.high - self.low
        if not span > 0.0:
            return [self.low]
        rough = span / count
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1.0, 2.0, 5.0, 10.0) if power * factor >= rough)
        first = math.ceil(self.low / step)
        return [step * number for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def histogram(title: str, values: Sequence[float], unit: str, limit: float | None = None) -> Html:
    """Return a histogram of finite values, a limit marked by a line.

    Args:
        title: what it is of, for the picture's title.
        values: at least one.
        unit: of the axis below.
        limit: where what is allowed ends; it is always inside the picture.
    """
    data = np.array(values, dtype=np.float64)
    ends = [*([] if limit is None else [limit]), float(data.min()), float(data.max())]
    low, high = min(ends), max(ends)
    if not high > low:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    counts, edges = np.histogram(data, BINS, (low, high))
    across = Scale(low, high, LEFT, WIDTH - RIGHT)
    up = Scale(0.0, float(counts.max()), HEIGHT - BOTTOM, TOP)
    bars = [
        element(
            "rect",
            element("title", f"{count} from {edges[at]:.4g} to {edges[at + 1]:.4g} {unit}"),
            x=f"{across(edges[at]) + 0.5:.1f}",
            y=f"{up(count):.1f}",
            width=f"{max(across(edges[at + 1]) - across(edges[at]) - 1.0, 1.0):.1f}",
            height=f"{HEIGHT - BOTTOM - up(count):.1f}",
            class_="bar beyond" if limit is not None and edges[at + 1] <= limit else "bar",
        )
        for at, count in enumerate(counts.tolist())
        if count
    ]
    told = f"{len(data)} values from {data.min():.4g} to {data.max():.4g} {unit}, median {np.median(data):.4g}"
    marks = [] if limit is None else [_upright(across(limit), "limit")]
    return _picture(title, told, [*_axes(across, up, unit, "runs"), *bars, *marks])


@dataclass(frozen=True)
class Curve:
    """One line of a course: times [s] and values, shape (k,)."""

    name: str
    time: Array
    value: Array


def courses(title: str, curves: Sequence[Curve], unit: str, limits: Sequence[float] = ()) -> Html:
    """Return values over time, limits as dashed lines across.

    Args:
        title: what it is of.
        curves: at least one, each of at least one point; values that are not finite are left out.
        unit: of the axis upwards.
        limits: drawn where they lie near the curves.
    """
    begin = min(float(curve.time[0]) for curve in curves)
    end = max(float(curve.time[-1]) for curve in curves)
    values = np.concatenate([curve.value[np.isfinite(curve.value)] for curve in curves])
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    low, high = min([low, *limits]), max([high, *limits])
    if not high > low:
        low, high = low - 0.5, high + 0.5
    across = Scale(begin, end, LEFT, WIDTH - RIGHT)
    up = Scale(low, high, HEIGHT - BOTTOM, TOP)
    lines = [
        element(
            "polyline",
            element("title", curve.name),
            points=_points(curve, across, up),
            class_=f"curve c{number % COLOURS}",
            stroke_dasharray=DASHES[number // COLOURS % len(DASHES)],
        )
        for number, curve in enumerate(curves)
    ]
    marks = [
        element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{up(limit):.1f}", y2=f"{up(limit):.1f}", class_="limit")
        for limit in limits
    ]
    told = f"{len(curves)} curves over {end - begin:.3g} s, from {low:.4g} to {high:.4g} {unit}"
    return _picture(title, told, [*_axes(across, up, "s", unit), *marks, *lines])


def states(title: str, changes: Sequence[tuple[float, str]], begin: float, end: float) -> Html:
    """Return the states over time: a row for each, filled while it holds; `changes` are [s] and names."""
    names = list(dict.fromkeys(name for _, name in changes))
    height = TOP + 16 * len(names) + BOTTOM
    left = 150
    across = Scale(begin, end, left, WIDTH - RIGHT)
    parts = []
    for at, (time, name) in enumerate(changes):
        until = changes[at + 1][0] if at + 1 < len(changes) else end
        y = TOP + 16 * names.index(name)
        parts.append(
            element(
                "rect",
                element("title", f"{name} from {time:.3f} s to {until:.3f} s"),
                x=f"{across(time):.1f}",
                y=y,
                width=f"{max(across(until) - across(time), 1.0):.1f}",
                height=12,
                class_="bar",
            )
        )
    labels = [
        element("text", name, x=left - 6, y=TOP + 16 * at + 10, text_anchor="end") for at, name in enumerate(names)
    ]
    ticks = _along(across, height - BOTTOM, "s")
    return _picture(title, " then ".join(name for _, name in changes[:20]), [*labels, *parts, *ticks], height)


def _points(curve: Curve, across: Scale, up: Scale) -> str:
    """Return the points of a line: of more than can be seen, the least and greatest of each piece."""
    keep = np.isfinite(curve.value)
    time, value = curve.time[keep], curve.value[keep]
    if len(time) > 2 * POINTS:
        pieces = np.array_split(np.arange(len(time)), POINTS)
        where = np.array(
            [at for piece in pieces for at in sorted((piece[value[piece].argmin()], piece[value[piece].argmax()]))]
        )
        time, value = time[where], value[where]
    return " ".join(f"{across(t):.1f},{up(v):.1f}" for t, v in zip(time.tolist(), value.tolist(), strict=True))


def _axes(across: Scale, up: Scale, below: str, aside: str) -> list[Html]:
    parts = _along(across, HEIGHT - BOTTOM, below)
    for value in up.ticks(4):
        y = f"{up(value):.1f}"
        parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(element("text", f"{value:.4g}", x=LEFT - 5, y=f"{up(value) + 3:.1f}", text_anchor="end"))
    parts.append(element("text", aside, x=2, y=TOP - 9))
    return parts


def _along(across: Scale, bottom: float, unit: str) -> list[Html]:
    parts = [element("line", x1=across.start, x2=across.end, y1=bottom, y2=bottom, class_="axis")]
    for value in across.ticks():
        parts.append(element("text", f"{value:.4g}", x=f"{across(value):.1f}", y=bottom + 13, text_anchor="middle"))
    parts.append(element("text", unit, x=across.end, y=bottom + 27, text_anchor="end"))
    return parts


def _upright(x: float, kind: str) -> Html:
    return element("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=TOP - 5, y2=HEIGHT - BOTTOM, class_=kind)


def _picture(title: str, told: str, parts: Sequence[Html], height: float = HEIGHT) -> Html:
    heading = element("title", f"{title}: {told}")
    return element("svg", heading, *parts, viewBox=f"0 0 {WIDTH} {height}", role="img", class_="plot")
