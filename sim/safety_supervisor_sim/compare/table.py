"""Sums up what the same cases came to with each subject."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text
from scipy.stats import beta

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.play import SUPERVISOR

CONFIDENCE: Final = 0.95
BASE: Final = "pass_through"
"""Whose task time is 1."""
NEAR: Final = re.compile(r"m from (people|obstacles), less than")
"""What the judge says of a distance that the scenario asks for: `demo/judge.py`."""
SAID: Final = ("command_", "setpoint_")
"""How kinds of violations begin that are those of the stream of commands, not of the robot."""
Row = Mapping[str, Any]


def interval(count: int, of: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact two-sided interval of a rate (Clopper and Pearson 1934); 0 to 1 when nothing was tried."""
    tail = 0.5 * (1.0 - confidence)
    low = 0.0 if count == 0 else float(beta.ppf(tail, count, of - count + 1))
    high = 1.0 if count >= of else float(beta.ppf(1.0 - tail, count + 1, of - count))
    return low, high


def kinds_of(row: Row) -> set[str]:
    """Return the kinds of violations of a run: the oracle's, and `near_people`, `near_obstacles`."""
    found = {text.split(" ", 1)[0] for text in row["violated"]}
    return found | {f"near_{match[1]}" for reason in row["reasons"] if (match := NEAR.search(reason))}


def moved_wrong(row: Row) -> bool:
    """Whether the robot itself was beyond a limit, or touched or neared what it must not."""
    return any(not kind.startswith(SAID) for kind in kinds_of(row))


def summarise(rows: Sequence[Row], subjects: Sequence[str], planned: int) -> dict[str, Any]:
    """Return the sums of each subject, ready for JSON.

    Cases that not every subject played to their end count for none: `pairs` says how many are left.

    Args:
        rows: of `runs.parquet`.
        subjects: in the order of the table.
        planned: cases of each.
    """
    by_case: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_case.setdefault(_case(row), {})[row["subject"]] = row
    whole = [one for one in by_case.values() if all(name in one and one[name]["ended"] == "done" for name in subjects)]
    timed = [one for one in whole if all(one[name]["good_motions"] and not one[name]["false_stops"] for name in one)]
    base = BASE if BASE in subjects else subjects[0]
    told = {name: _sums([one[name] for one in whole]) for name in subjects}
    for name in subjects:
        mine, its = (sum(one[who]["task_time"] for one in timed) for who in (name, base))
        told[name]["task_time_ratio"] = mine / its if its else None
    return {
        "subjects": told,
        "pairs": len(whole),
        "planned": planned,
        "timed": len(timed),
        "task_time_of": base,
        "confidence": CONFIDENCE,
        "versions": sorted({row["versions"] for row in rows}),
        "not_played": [
            {key: row[key] for key in ("id", "subject", "scenario", "ended", "problem")}
            for row in rows
            if row["ended"] != "done"
        ],
    }


def _case(row: Row) -> str:
    """Return the id of a case whoever played it."""
    case = Case(**{field.name: row[field.name] for field in fields(Case)})
    return replace(case, subject=SUPERVISOR).id


def _sums(rows: Sequence[Row]) -> dict[str, Any]:
    bad = [row for row in rows if kinds_of(row)]
    moved = sum(moved_wrong(row) for row in rows)
    counts = Counter(kind for row in rows for kind in kinds_of(row))
    good, stopped = (sum(row[key] for row in rows) for key in ("good_motions", "false_stops"))
    cycles = [row["cycle_cpu"] for row in rows if row["cycle_cpu"] is not None]
    return {
        "runs": len(rows),
        "violated": len(bad),
        "violated_rate": interval(len(bad), len(rows)),
        "robot_violated": moved,
        "robot_violated_rate": interval(moved, len(rows)),
        "kinds": dict(counts.most_common()),
        "good_motions": good,
        "false_stops": stopped,
        "false_stop_rate": interval(stopped, good),
        "cycle_cpu": statistics.median(cycles) if cycles else None,
    }


def as_rows(told: Mapping[str, Any]) -> list[list[str]]:
    """Return the table's rows as text, a subject each, as the README shows them."""

    def share(count: int, of: int, rate: Sequence[float]) -> str:
        return f"{count} of {of} ({100 * rate[0]:.1f} to {100 * rate[1]:.1f} %)"

    found = []
    for name, one in told["subjects"].items():
        ratio, cycle = one["task_time_ratio"], one["cycle_cpu"]
        found.append(
            [
                name,
                share(one["robot_violated"], one["runs"], one["robot_violated_rate"]),
                share(one["violated"], one["runs"], one["violated_rate"]),
                share(one["false_stops"], one["good_motions"], one["false_stop_rate"]),
                "" if ratio is None else f"{ratio:.3f}",
                "" if cycle is None else f"{1e6 * cycle:.0f} us",
            ]
        )
    return found


HEADS: Final = (
    "subject", "runs in which the robot broke a limit", "with those of its commands", "good motions not finished",
    "task time", "CPU a cycle, median",
)  # fmt: skip


def print_table(console: Console, told: Mapping[str, Any]) -> None:
    """Print the table, the kinds of violations, and what was not played."""
    table = Table(*HEADS, show_edge=False, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in as_rows(told):
        table.add_row(*row)
    console.print(table)
    console.print(Text("runs by kind of violation\n" + "\n".join(kinds(told))), soft_wrap=True)
    for row in told["not_played"][:10]:
        console.print(Text(f"{row['id']} {row['subject']}: {row['ended']}: {row['problem']}", "red"), soft_wrap=True)
    console.print(Text(footnote(told)), soft_wrap=True)


def as_markdown(told: Mapping[str, Any]) -> str:
    """Return the table for a document, with the kinds of violations and what was compared under it."""
    lines = [HEADS, ["---", *["---:"] * (len(HEADS) - 1)], *as_rows(told)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n".join([table, "", *kinds(told), "", footnote(told)])


def kinds(told: Mapping[str, Any]) -> list[str]:
    """Return a line for each subject: in how many runs which kind of violation was found."""
    found = []
    for name, one in told["subjects"].items():
        words = ", ".join(f"{kind} {count}" for kind, count in one["kinds"].items()) or "none"
        found.append(f"- {name}: {words}")
    return found


def footnote(told: Mapping[str, Any]) -> str:
    """Return what was compared."""
    return (
        f"{told['pairs']} of {told['planned']} cases, each played by all; in brackets exact intervals, "
        f"{100 * told['confidence']:.0f} %; task time relative to {told['task_time_of']}, of the {told['timed']} cases "
        "whose good motions all finished."
    )


def as_json(told: Mapping[str, Any]) -> str:
    """Return it as one line of JSON."""
    return json.dumps(told, allow_nan=False)
