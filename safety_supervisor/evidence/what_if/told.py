"""A comparison in words, as a table and as a plot."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from rich.table import Table

from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.evidence import plots
from safety_supervisor.evidence.lines import plain
from safety_supervisor.evidence.what_if.compare import CANNOT_TELL, IDEAL, MEASURED, Comparison, Difference, Said, Side

COLUMNS: Final = ("t [s]", "source", "command", "joint", "before", "value / limit", "after", "value / limit", "certain")


def as_data(found: Comparison, most: int) -> dict[str, Any]:
    """Return a comparison for programs.

    Args:
        found: what was compared.
        most: of the differences, how many.
    """
    keys = sorted({*found.before.counts, *found.after.counts})
    return {
        "boot": found.report.boot_id,
        "robot": found.report.robot_id,
        "recorded_came_out_again": found.report.same,
        "events": found.report.events,
        "before": _side(found.before),
        "after": _side(found.after),
        "codes": [
            {"verdict": key[0], "code": key[1], "before": found.before.counts[key], "after": found.after.counts[key]}
            for key in keys
        ],
        "set_points_differ_from": None if found.parted is None else found.parted / NS_PER_S,
        "differences": [_difference(one) for one in found.differences[:most]],
        "differences_in_all": len(found.differences) + found.more,
        "certain": sum(one.certain for one in found.differences),
        "cannot_tell": [_robot(found), *CANNOT_TELL],
    }


def _side(side: Side) -> dict[str, Any]:
    seconds = {state: spent / NS_PER_S for state, spent in sorted(side.states.items())}
    return {"configuration": side.sha256, "set_points": side.set_points, "seconds_in_state": seconds}


def _difference(one: Difference) -> dict[str, Any]:
    return asdict(one) | {"since": one.since / NS_PER_S}


def count_table(found: Comparison) -> Table:
    """Return how often each verdict and code was told, before and after."""
    table = Table(box=None, header_style="bold")
    table.add_column("decision", overflow="fold")
    for name in ("recorded", "other", "change"):
        table.add_column(name, justify="right")
    for key in sorted({*found.before.counts, *found.after.counts}):
        before, after = found.before.counts[key], found.after.counts[key]
        change = f"{after - before:+d}" if after != before else ""
        table.add_row(plain(" ".join(filter(None, key))), str(before), str(after), change)
    for state in sorted({*found.before.states, *found.after.states}):
        spent = (found.before.states[state] / NS_PER_S, found.after.states[state] / NS_PER_S)
        change = f"{spent[1] - spent[0]:+.3f} s" if abs(spent[1] - spent[0]) >= 5e-4 else ""
        table.add_row(f"state {state}", f"{spent[0]:.3f} s", f"{spent[1]:.3f} s", change)
    table.add_row("set-points sent", str(found.before.set_points), str(found.after.set_points), "")
    return table


def difference_table(found: Comparison, most: int) -> Table:
    """Return the first differences, one a row."""
    table = Table(box=None, header_style="bold")
    for name in COLUMNS:
        table.add_column(name, overflow="fold")
    for one in found.differences[:most]:
        joint = next((side.joint for side in (one.before, one.after) if side is not None and side.joint), "")
        cells = (f"{one.since / NS_PER_S:.3f}", one.source, one.command, joint)
        words = (*_words(one.before), *_words(one.after), "yes" if one.certain else "no")
        table.add_row(*(plain(cell) for cell in (*cells, *words)))
    return table


def _words(said: Said | None) -> tuple[str, str]:
    if said is None:
        return "-", ""
    name = f"{said.verdict} {said.code}".strip() + (f" x{said.count}" if said.count > 1 else "")
    return name, f"{said.value:.6g} / {said.limit:.6g}" if said.limit or said.value else ""


def remarks(found: Comparison, most: int) -> list[str]:
    """Return what has to be known to read the tables, one sentence a line."""
    told = []
    if not found.report.same:
        told.append(
            "The recorded configuration did NOT give the recorded effects again here (see `log replay` without "
            "--config): `recorded` is what this software says of it, not what was."
        )
    count = len(found.differences) + found.more
    if not count and found.parted is None:
        return [*told, "Nothing differs: these limits would have decided and moved the same."]
    certain = sum(one.certain for one in found.differences)
    shown = f"; the first {most} are shown" if count > most else ""
    told.append(f"{count} decisions differ, {certain} of them for certain{shown}.")
    if found.parted is None:
        told.append("No set-point differs: the robot would have moved the same.")
    else:
        told.append(f"The first set-point differs {found.parted / NS_PER_S:.3f} s after the first event.")
    return [*told, _robot(found), *CANNOT_TELL]


def _robot(found: Comparison) -> str:
    return IDEAL if found.ideal else MEASURED


def draw(found: Comparison) -> bytes:
    """Return the plot, a PNG.

    Raises:
        NoPlotError: matplotlib is not installed.
    """
    theme = plots.LIGHT
    figure, axes = plots.begin((1.0, 1.5, 1.7, 1.5), 10.0, theme)
    end = found.ended / NS_PER_S
    names = ("recorded", "other")
    for row, side in enumerate((found.before, found.after)):
        band = [(since / NS_PER_S, state) for since, state in side.band]
        plots.state_band(axes[0], 1 - row, band, 0.0, end)
    axes[0].set_yticks([1, 0], names)
    axes[0].set_ylim(-0.6, 1.6)
    plots.label(axes[0], "state", theme)

    marks = {"only recorded": (0, None), "only other": (1, None), "other value or code": (2, None)}
    for row, name in enumerate(marks):
        times = [one.since / NS_PER_S for one in found.differences if _kind(one) == row]
        axes[1].plot(times, [row] * len(times), "|", color=theme.lines[row], markersize=12)
        axes[1].plot([], [], color=theme.lines[row], label=name)
    axes[1].set_yticks([0, 1, 2], list(marks))
    axes[1].set_ylim(-0.6, 2.6)
    plots.label(axes[1], "decisions that differ", theme)

    for name, speeds, colour in zip(names, found.speeds, theme.lines, strict=False):
        style = "-" if name == "recorded" else "--"
        axes[2].plot(found.times, speeds, style, color=colour, linewidth=1.1, label=name)
    axes[2].axhline(1.0, color=theme.alarm, linewidth=0.8, linestyle=":")
    plots.label(axes[2], "fastest commanded joint, as a share of its recorded limit", theme)
    plots.legend(axes[2], theme)

    axes[3].plot(found.times, found.deviations, color=theme.lines[3], linewidth=1.1)
    plots.label(
        axes[3], "largest difference of commanded positions [rad or m]", theme, "time since the first event [s]"
    )
    if found.parted is not None:
        for one in axes:
            one.axvspan(
                found.parted / NS_PER_S,
                max(end, found.parted / NS_PER_S),
                color=theme.faint,
                alpha=0.28,
                lw=0,
                zorder=0,
            )
        axes[3].annotate(
            "grey: the robot would have moved otherwise", (found.parted / NS_PER_S, 1.0), (4, -4),
            xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=7, color=theme.ink, va="top",
        )  # fmt: skip
    axes[0].set_xlim(0.0, max(end, 1e-3))
    return plots.png(figure)


def _kind(one: Difference) -> int:
    return 0 if one.after is None else 1 if one.before is None else 2
