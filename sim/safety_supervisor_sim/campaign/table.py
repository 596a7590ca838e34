"""Sums a campaign up: how many runs, and how sure that makes one."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text
from scipy.stats import beta

CONFIDENCE: Final = 0.95
NOT_DONE: Final = ("hung", "died", "failed", "unplayable")


def upper_bound(count: int, of: int, confidence: float = CONFIDENCE) -> float:
    """Return the exact one-sided upper bound of a rate (Clopper and Pearson 1934); 1 when nothing was tried.

    Args:
        count: how often it happened.
        of: how often it could have.
        confidence: that the true rate is not above the bound.
    """
    return 1.0 if count >= of else float(beta.ppf(confidence, count + 1, of - count))


def summarise(table: pa.Table, planned: int) -> dict[str, Any]:
    """Return the sums of all runs, and of each campaign, ready for JSON; `ok` is true when all are done and good."""
    rows = table.drop_columns(["text", "margins"]).to_pylist()
    names = list(dict.fromkeys(row["campaign"] for row in rows))
    told = {name: _sums([row for row in rows if row["campaign"] == name]) for name in names}
    bad = [
        {key: row[key] for key in ("id", "campaign", "scenario", "ended", "problem", "violated", "reasons")}
        for row in rows
        if not row["ok"]
    ]
    return {
        "ok": len(rows) == planned and planned > 0 and not bad,
        "planned": planned,
        **_sums(rows),
        "campaigns": told,
        "bad": bad,
    }


def _sums(rows: list[dict[str, Any]]) -> dict[str, Any]:
    done = [row for row in rows if row["ended"] == "done"]
    violated = sum(row["violations"] > 0 for row in done)
    good, stopped = sum(row["good_motions"] for row in done), sum(row["false_stops"] for row in done)
    simulated, spent = sum(row["simulated"] for row in done), sum(row["processor"] for row in done)
    ended = Counter(row["ended"] for row in rows)
    return {
        "runs": len(rows),
        "done": len(done),
        "ended": {name: ended[name] for name in NOT_DONE},
        "runs_with_violations": violated,
        "violation_rate_at_most": upper_bound(violated, len(done)),
        "confidence": CONFIDENCE,
        "not_as_expected": sum(not row["ok"] for row in done),
        "good_motions": good,
        "false_stops": stopped,
        "false_stop_rate_at_most": upper_bound(stopped, good),
        "task_time": sum(row["task_time"] or 0.0 for row in done),
        "least_robustness": min((row["robustness"] for row in done), default=None),
        "simulated": simulated,
        "processor": spent,
        "speed_per_core": simulated / spent if spent else 0.0,
    }


def print_table(console: Console, told: dict[str, Any]) -> None:
    """Print the sums, and the runs that are not good."""
    table = Table(
        "campaign", "runs", "violations", "rate at most", "not as expected", "good motions", "false stops",
        "hung, died, failed", "simulated", "a core",
        show_edge=False, pad_edge=False,
    )  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"
    sums = dict(told["campaigns"])
    if len(sums) > 1:
        sums["all"] = told
    for name, one in sums.items():
        lost = sum(one["ended"].values())
        table.add_row(
            name,
            str(one["done"]),
            Text(str(one["runs_with_violations"]), style="bold red" if one["runs_with_violations"] else "green"),
            f"{100 * one['violation_rate_at_most']:.3f} %",
            Text(str(one["not_as_expected"]), style="red" if one["not_as_expected"] else "green"),
            str(one["good_motions"]),
            str(one["false_stops"]),
            Text(str(lost), style="red" if lost else "green"),
            f"{one['simulated']:.0f} s",
            f"{one['speed_per_core']:.1f} x real time",
        )
    console.print(table)
    for row in told["bad"][:20]:
        why = row["problem"] or "; ".join([*row["violated"], *row["reasons"]][:3])
        console.print(Text(f"{row['id']} {row['scenario']}: {row['ended']}: {why}", style="red"), soft_wrap=True)
    if len(told["bad"]) > 20:
        console.print(f"and {len(told['bad']) - 20} more", markup=False)
    words = f"{told['runs']} of {told['planned']} runs, each rate with {100 * CONFIDENCE:.0f} % confidence: "
    console.print(Text(words + ("GOOD" if told["ok"] else "NOT GOOD"), style="green" if told["ok"] else "bold red"))
