"""Plots of the last minutes, drawn by NiceGUI's own charts; the numbers beside them say the same in words.

Only numbers reach the chart, no text from data. Its ink is that of the page's style sheet, in light and dark.
"""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

from nicegui import ui

from safety_supervisor.panel.elements import make_title, tell
from safety_supervisor.panel.history import COUNTS, SECONDS, History, summary

APART: Final = 1.0
"""Between two updates, [s]: there is a new point each second."""
_INK: Final = "var(--ink)"
_LINE: Final = "var(--line)"
_DIGITS: Final = 6


class Curve(NamedTuple):
    """One measure of a plot: its name in the history, its words, colour and dashes.

    Colours are Okabe's and Ito's, told apart in light and dark; dashes tell them apart without colour.
    """

    name: str
    words: str
    colour: str
    dash: str = "solid"


class Plot(NamedTuple):
    """One plot: title, curves, and whether these are counts on top of each other."""

    title: str
    curves: tuple[Curve, ...]
    stacked: bool = False


_COLOURS: Final = ("#009e73", "#56b4e9", "#cc79a7", "#e69f00", "#d55e00", "#999999")
PLOTS: Final = (
    Plot("smallest distance to a position limit [rad or m]", (Curve("distance_to_limit", "distance", "#0072b2"),)),
    Plot("speed scale, 1 is the commanded speed", (Curve("speed_scale", "speed scale", "#0072b2"),)),
    Plot(
        "control cycle [us]",
        (
            Curve("cycle_p50_us", "cycle p50", "#009e73"),
            Curve("cycle_p99_us", "cycle p99", "#0072b2", "dashed"),
            Curve("lateness_p99_us", "lateness p99", "#d55e00", "dotted"),
        ),
    ),
    Plot(
        "decisions told per second",
        tuple(Curve(name, name, colour) for name, colour in zip(COUNTS, _COLOURS, strict=True)),
        stacked=True,
    ),
)
"""All that is drawn."""
OLD: Final = "not drawn while this page was hidden: what stands here is old"


def data_of(values: list[float | None]) -> list[Any]:
    """Return what the chart draws of one curve: gaps stay gaps, and a second alone between two of them is a point."""
    rounded = [value if value is None else float(f"{value:.{_DIGITS}g}") for value in values]
    around = [None, *rounded, None]
    return [
        {"value": value, "symbol": "circle", "symbolSize": 5}
        if value is not None and around[index] is None and around[index + 2] is None
        else value
        for index, value in enumerate(rounded)
    ]


def options_of(plot: Plot) -> dict[str, Any]:
    """Return the chart without its data."""
    text = {"color": _INK, "fontSize": 14}
    axis = {"axisLine": {"lineStyle": {"color": _LINE}}, "axisTick": {"show": False}}
    faint = {"color": _LINE, "opacity": 0.4}
    curves = [_stack(curve) if plot.stacked else _line(curve) for curve in plot.curves]
    return {
        "animation": False,
        "silent": True,
        "grid": {"left": 12, "right": 16, "top": 40, "bottom": 8, "containLabel": True},
        "legend": {"show": True, "top": 0, "left": 0, "textStyle": text, "selectedMode": False, "itemWidth": 36},
        "xAxis": {
            "type": "category", "data": [f"-{SECONDS - index} s" for index in range(SECONDS)],
            "axisLabel": text | {"interval": 59, "hideOverlap": True}, **axis,
        },
        "yAxis": {"type": "value", "min": 0, "axisLabel": text, "splitLine": {"lineStyle": faint}},
        "series": curves,
    }  # fmt: skip


def _line(curve: Curve) -> dict[str, Any]:
    return {
        "type": "line", "name": curve.words, "symbol": "none", "connectNulls": False, "data": [],
        "emphasis": {"disabled": True}, "itemStyle": {"color": curve.colour},
        "lineStyle": {"color": curve.colour, "width": 3, "type": curve.dash},
    }  # fmt: skip


def _stack(curve: Curve) -> dict[str, Any]:
    return {
        "type": "bar", "name": curve.words, "stack": "all", "barCategoryGap": 0, "data": [],
        "emphasis": {"disabled": True}, "itemStyle": {"color": curve.colour},
    }  # fmt: skip


class PlotsBox:
    """One page's plots: nothing is drawn or sent until somebody asks for it.

    Args:
        history: of the last minutes.
    """

    def __init__(self, history: History) -> None:
        """Make the button."""
        self._history, self._at = history, 0.0
        self._charts: list[tuple[Plot, Any, list[tuple[Curve, list[Any]]]]] = []
        with ui.element("section").props("id=plots"):
            make_title(f"The last {SECONDS // 60} minutes")
            self._button = ui.button("SHOW PLOTS", on_click=self._toggle, color=None)
            self._place = ui.element("div")

    def _toggle(self) -> None:
        shows = not self._charts
        self._button.set_text("HIDE PLOTS" if shows else "SHOW PLOTS")
        self._place.clear()
        self._charts, self._at = [], 0.0
        if shows:
            with self._place:
                self._problem = ui.label().classes("warning")
                self._charts = [self._make(plot) for plot in PLOTS]

    def _make(self, plot: Plot) -> tuple[Plot, Any, list[tuple[Curve, list[Any]]]]:
        rows = []
        with ui.element("figure").classes("plot"):
            with ui.element("figcaption"):
                ui.label(plot.title)
            chart = ui.echart(options_of(plot), renderer="svg").classes("chart").props("aria-hidden=true")
            numbers = ui.element("div").classes("numbers").props(f'tabindex=0 role=group aria-label="{plot.title}"')
            with numbers, ui.element("table"):
                with ui.element("thead"), ui.element("tr"):
                    for word in ("", "now", "least", "most"):
                        with ui.element("th" if word else "td").props("scope=col" if word else ""):
                            ui.label(word)
                with ui.element("tbody"):
                    for curve in plot.curves:
                        with ui.element("tr"):
                            with ui.element("th").props("scope=row"):
                                ui.label(curve.words)
                            rows.append((curve, [_cell() for _ in range(3)]))
        return plot, chart, rows

    def update(self, problem: str, shown: bool) -> None:
        """Draw the newest second; `problem` says why what was heard is not to be trusted.

        Where nobody sees the page nothing is drawn, and what stands there is said to be old until it is drawn again.
        """
        if self._charts and not shown:
            self._at = 0.0
            tell(self._problem, OLD)
        if not self._charts or not shown or time.monotonic() - self._at < APART:
            return
        self._at = time.monotonic()
        tell(self._problem, problem)
        series = self._history.series(time.monotonic_ns())
        for _, chart, rows in self._charts:
            for index, (curve, cells) in enumerate(rows):
                values = series[curve.name]
                chart.options["series"][index]["data"] = data_of(values)
                for cell, value in zip(cells, summary(values), strict=True):
                    cell.set_text("unknown" if value is None else f"{value:.4g}")
            chart.update()


def _cell() -> Any:
    with ui.element("td"):
        return ui.label()
