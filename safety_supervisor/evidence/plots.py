"""Pictures of a log: figures in two themes, and bytes that are the same for the same figure.

matplotlib is the extra `picture`; without it everything else works.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

STATES: Final[dict[str, str]] = {
    "INIT": "#9aa4af",
    "LOCKED": "#7b8794",
    "READY": "#4a90d9",
    "MANUAL": "#8a63d2",
    "RECOVERY": "#8a63d2",
    "AUTO/MOVING": "#2e9e5b",
    "AUTO/HOLDING": "#9ccfae",
    "AUTO/REDUCED": "#d9b92e",
    "STOPPING": "#e08a1e",
    "PROTECTIVE_STOP": "#e0601e",
    "EMERGENCY_STOP": "#d0342c",
    "FAULT": "#8f1d18",
}
"""Colour of each state; one that is not named is grey."""
_UNKNOWN: Final = "#9aa4af"


class NoPlotError(RuntimeError):
    """Plots need matplotlib."""


@dataclass(frozen=True)
class Theme:
    """Colours of a figure."""

    name: str
    paper: str
    ink: str
    faint: str
    lines: tuple[str, ...]
    alarm: str


LIGHT: Final = Theme(
    "light",
    "#ffffff",
    "#1d2733",
    "#c9d1da",
    ("#1f6fb4", "#d1651a", "#2b8a4b", "#7a4fb5", "#b0303f", "#0f8f97", "#8a6d1d", "#5b6673"),
    "#c22f26",
)
DARK: Final = Theme(
    "dark",
    "#161c23",
    "#dbe3ec",
    "#3a4653",
    ("#6fb1ea", "#f2a263", "#7fd09a", "#b79be8", "#f08a94", "#6fd3d9", "#d8bd6d", "#a9b6c4"),
    "#ff7b72",
)


def begin(rows: Sequence[float], width: float, theme: Theme) -> tuple[Any, list[Any]]:
    """Return a figure and its axes, one below the other, over one time axis.

    Args:
        rows: height of each, [inch].
        width: [inch].
        theme: colours.

    Raises:
        NoPlotError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NoPlotError('plots need matplotlib: pip install "safety_supervisor[picture]"') from error
    figure = Figure(figsize=(width, sum(rows) + 0.25 * len(rows) + 0.25), dpi=110, facecolor=theme.paper)
    figure.set_layout_engine("constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": list(rows)})[:, 0]
    for one in axes:
        one.set_facecolor(theme.paper)
        one.tick_params(colors=theme.ink, labelsize=8, length=3)
        one.grid(True, color=theme.faint, linewidth=0.5, alpha=0.6)
        one.set_axisbelow(True)
        for side, spine in one.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(theme.faint)
    return figure, list(axes)


def label(axes: Any, text: str, theme: Theme, below: str = "") -> None:
    """Say what a row shows, above its left end; and what its time axis is."""
    axes.set_title(text, loc="left", fontsize=9, color=theme.ink, pad=5)
    if below:
        axes.set_xlabel(below, fontsize=8, color=theme.ink)


def legend(axes: Any, theme: Theme, columns: int = 5) -> None:
    """Name the lines of a row, above its right end: no curve is under it."""
    told = axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=columns, fontsize=7, frameon=False, handlelength=1.4,
        columnspacing=1.2, borderaxespad=0.2, borderpad=0.1,
    )  # fmt: skip
    for text in told.get_texts():
        text.set_color(theme.ink)


def state_band(axes: Any, row: float, band: Sequence[tuple[float, str]], begin: float, end: float) -> None:
    """Draw states as a band of one row.

    Args:
        axes: of the row.
        row: its middle; it is 0.8 high.
        band: when each state began, [s], and which it is.
        begin, end: [s].
    """
    for number, (since, state) in enumerate(band):
        until = band[number + 1][0] if number + 1 < len(band) else end
        left, right = max(since, begin), min(until, end)
        if right <= left:
            continue
        axes.barh(row, right - left, left=left, height=0.8, color=STATES.get(state, _UNKNOWN), linewidth=0)
        share = (right - left) / max(end - begin, 1e-9)
        if share > 0.011 * len(state):
            axes.text((left + right) / 2, row, state, ha="center", va="center", fontsize=7, color="#ffffff")


def png(figure: Any) -> bytes:
    """Return the figure's PNG: no time, no version of a program in it."""
    out = io.BytesIO()
    figure.savefig(out, format="png", facecolor=figure.get_facecolor(), metadata={"Software": None})
    return out.getvalue()
