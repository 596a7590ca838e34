"""The campaign's results for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

MOST = 12
"""Rows of a list of causes."""


def print_results(console: Console, told: Mapping[str, Any]) -> None:
    """Print one table a part, and the causes below."""
    for name, rows in summaries(told).items():
        table = Table(title=name, title_justify="left", show_header=False)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print("no violation" if told["ok"] else "VIOLATIONS, or a control that saw none", style="bold")


def summaries(told: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Return what each part came to, as rows of a name and a value."""
    tables: dict[str, list[tuple[str, str]]] = {}
    if states := told.get("states"):
        rows = [(key, str(states[key])) for key in ("states", "passed", "edges", "touching", "violations")]
        rows += _nearest(states)
        rows.append(("safe but refused", _share(states["safe_refused"], states["safe"])))
        rows += [
            (f"  {cause}", f"{one['refused']}{_apart(one['mean_distance'])}")
            for cause, one in list(states["price"].items())[:MOST]
        ]
        rows.append(("left out and touching", _counts(states["left_out_touching"])))
        tables["Random states"] = rows
    if standing := told.get("standing"):
        keys = ("states", "edges", "touching", "tipping", "clear", "balanced", "violations")
        rows = [(key, str(standing[key])) for key in keys]
        rows.append(("passed", _counts(standing["passed"])))
        rows += _nearest(standing) + _inside(standing)
        rows.append(("refusals by code", _counts(standing["refusals_by_code"])))
        rows.append(("neither touches nor tips, refused", _share(standing["safe_refused"], standing["safe"])))
        rows.append(("  by code", _counts(standing["price"])))
        tables["Random states on its feet"] = rows
    if motions := told.get("motions"):
        keys = ("motions", "moved", "refused", "set_points", "asked", "kept_stops", "violations")
        rows = [(key.replace("_", " "), str(motions[key])) for key in keys]
        rows += _nearest(motions)
        if "price" in motions:
            rows.append(("stances", _counts(motions["stances"])))
            rows += _inside(motions)
            rows.append(("neither touches nor tips, refused", _share(motions["safe_refused"], motions["safe"])))
            rows.append(("  by code", _counts(motions["price"])))
        rows.append(("refusals by code", _counts(motions["refusals_by_code"])))
        tables["Random motions"] = rows
    if tunnel := told.get("tunnel"):
        rows = [(key, str(tunnel[key])) for key in ("motions", "moved", "violations")]
        rows += _nearest(tunnel)
        rows.append(("first refusals", _counts(tunnel["first_refusals"])))
        rows.append(("control: no plate known", _share(tunnel["control_crossed"], tunnel["control"]) + " crossed"))
        tables["A plate of 5 mm"] = rows
    if tasks := told.get("pick_place"):
        rows = [("unchanged, no stop", _share(tasks["unchanged"], tasks["motions"]))]
        rows += [(f"  {cause}", str(count)) for cause, count in list(tasks["refused_by_cause"].items())[:MOST]]
        tables["Pick and place, 3 cm clear"] = rows
    if loop := told.get("closed_loop"):
        rows = [("simulated", f"{loop['seconds']:.0f} s"), ("travelled", f"{loop['travelled']:.0f} rad")]
        rows.append(("violations", str(loop["violations"])))
        rows += _nearest(loop)
        rows.append(("refusals by code", _counts(loop["refusals"])))
        rows.append(("lost messages", _counts(loop["lost"])))
        rows.append(("resets", str(loop["resets"])))
        tables["Closed loop"] = rows
    return tables


def _nearest(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (f"nearest miss, {name}", f"{1e3 * one['distance']:.1f} mm, {one['pair']}" if one["pair"] else "none in sight")
        for name, one in told["nearest_miss"].items()
    ]


def _inside(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    least = told["least_inside"]
    return [("nearest to the soles' edge", "none" if least is None else f"{1e3 * least:.1f} mm inside")]


def _apart(mean: float | None) -> str:
    return "" if mean is None else f", really {1e3 * mean:.0f} mm apart in the mean"


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100.0 * part / max(whole, 1):.1f} %)"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in list(counts.items())[:MOST]) or "none"
