"""The plots of an incident, each in two themes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from safety_supervisor.core.effects import Decision, Status
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.evidence import plots
from safety_supervisor.evidence.plots import DARK, LIGHT, Theme
from safety_supervisor.export.series import Joints, Series, most_moved
from safety_supervisor.export.window import Window

_TIME = "time since the first event of the log [s]"
_WIDTH = 9.6


@dataclass(frozen=True)
class Plot:
    """A picture of a page.

    Attributes:
        name: of its file, without suffix.
        title: heading.
        words: what it shows, for those who do not see it.
        light, dark: PNG; `dark` is empty where one does for both.
    """

    name: str
    title: str
    words: str
    light: bytes
    dark: bytes = b""


def draw_all(window: Window, series: Series) -> list[Plot]:
    """Return the plots of a window.

    Raises:
        NoPlotError: matplotlib is not installed.
    """
    asked = window.key.effect.joint if window.key is not None and isinstance(window.key.effect, Decision) else ""
    chosen = most_moved(series, asked)
    people = ", and how near people were" if len(series.people) else ""
    words = f"{_COURSE}{people}."
    found = [_both("course", "States and decisions", words, lambda theme: _course(window, series, theme))]
    if chosen:
        names = ", ".join(series.joints[joint] for joint in chosen)
        words = f"Positions, velocities and the difference between commanded and measured of {names}."
        found.append(_both("joints", "Joints", words, lambda theme: _joints(window, series, chosen, theme)))
    return found


_COURSE = "The state, each decision, the share of the commanded speed, the tracking error, the nearest joint limit"


def _both(name: str, title: str, words: str, draw: Any) -> Plot:
    return Plot(name, title, words, draw(LIGHT), draw(DARK))


def _span(window: Window) -> tuple[float, float]:
    return window.clock.since(window.begin), max(
        window.clock.since(window.end), window.clock.since(window.begin) + 1e-3
    )


def _mark(axes: Sequence[Any], window: Window, theme: Theme) -> None:
    """Draw the instant in question through all rows."""
    begin, end = _span(window)
    for one in axes:
        one.axvline(window.clock.since(window.centre), color=theme.alarm, linewidth=0.9, linestyle="--")
    axes[0].set_xlim(begin, end)


def _course(window: Window, series: Series, theme: Theme) -> bytes:
    people = len(series.people) > 0
    figure, axes = plots.begin([0.5, 1.3, 1.5, *([1.2] if people else [])], _WIDTH, theme)
    begin, end = _span(window)
    band = [] if window.before is None else [(begin, window.before.state)]
    for line in window.lines:
        if isinstance(line.effect, Status):
            band.append((line.since / NS_PER_S, line.effect.state))
    plots.state_band(axes[0], 0.0, band, begin, end)
    axes[0].set_yticks([])
    axes[0].set_ylim(-0.5, 0.5)
    plots.label(axes[0], "state", theme)

    verdicts = ("STOP", "REJECT", "LIMIT", "WAIT", "PASS")
    colours = (theme.alarm, theme.lines[1], theme.lines[6], theme.lines[3], theme.lines[2])
    for row, (verdict, colour) in enumerate(zip(verdicts, colours, strict=True)):
        times = [
            line.since / NS_PER_S
            for line in window.lines
            if isinstance(line.effect, Decision) and line.effect.verdict == verdict
        ]
        axes[1].plot(times, [-row] * len(times), "|", color=colour, markersize=10, markeredgewidth=1.4)
    axes[1].set_yticks([-row for row in range(len(verdicts))], verdicts)
    axes[1].set_ylim(-len(verdicts) + 0.4, 0.6)
    plots.label(axes[1], "decisions", theme)

    told = ("speed scale", "tracking error / bound", "to a joint limit [rad]")
    for column, (name, number) in enumerate(zip(told, (0, 1, 3), strict=True), 1):
        style = {"color": theme.lines[number], "linewidth": 1.1, "markersize": 3}
        axes[2].plot(series.status[:, 0], series.status[:, column], ".-", label=name, **style)
    axes[2].set_ylim(bottom=0.0)
    plots.label(axes[2], "told ten times a second", theme, "" if people else _TIME)
    plots.legend(axes[2], theme)
    if people:
        axes[3].plot(series.people[:, 0], series.people[:, 1], ".", ms=3, color=theme.lines[1])
        axes[3].set_ylim(bottom=0.0)
        plots.label(axes[3], "nearest person to the nearest link frame [m]", theme, _TIME)
    _mark(axes, window, theme)
    return plots.png(figure)


def _joints(window: Window, series: Series, chosen: Sequence[int], theme: Theme) -> bytes:
    figure, axes = plots.begin([2.1, 1.9, 1.2], _WIDTH, theme)
    parts = (
        ("position [rad or m]: line commanded, dots measured", series.commanded.positions, series.measured.positions),
        ("velocity [rad/s or m/s]", series.commanded.velocities, _velocities(series.measured)),
    )
    for row, (title, commanded, measured) in enumerate(parts):
        for number, joint in enumerate(chosen):
            colour = theme.lines[number % len(theme.lines)]
            axes[row].plot(
                series.commanded.times, commanded[:, joint], color=colour, linewidth=1.2, label=series.joints[joint]
            )
            axes[row].plot(series.measured.times, measured[:, joint], ".", color=colour, markersize=1.6, alpha=0.7)
        plots.label(axes[row], title, theme)
    plots.legend(axes[0], theme)
    apart = _apart(series)
    for number, joint in enumerate(chosen):
        axes[2].plot(
            series.commanded.times, apart[:, joint], color=theme.lines[number % len(theme.lines)], linewidth=1.0
        )
    plots.label(axes[2], "commanded minus measured [rad or m]", theme, _TIME)
    _mark(axes, window, theme)
    return plots.png(figure)


def _velocities(measured: Joints) -> Any:
    """Return what was measured, or, where no velocity was, the slope of the positions."""
    if np.isfinite(measured.velocities).any() or len(measured.times) < 2:
        return measured.velocities
    steps = np.maximum(np.diff(measured.times), 1e-6)[:, None]
    return np.vstack([np.full((1, measured.positions.shape[1]), np.nan), np.diff(measured.positions, axis=0) / steps])


def _apart(series: Series) -> Any:
    """Return how far each joint was from where it had been commanded at that time, shape of the commanded."""
    commanded, measured = series.commanded, series.measured
    apart = np.full(commanded.positions.shape, np.nan)
    for joint in range(len(series.joints)):
        known = np.isfinite(measured.positions[:, joint])
        if known.any():
            seen = np.interp(commanded.times, measured.times[known], measured.positions[known, joint])
            apart[:, joint] = commanded.positions[:, joint] - seen
    return apart
