"""The summary of a run: one value for programs, one table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from safety_supervisor_sim.demo.compare import heard
from safety_supervisor_sim.demo.judge import Run, Verdict, late_stops
from safety_supervisor_sim.demo.unchanged import TOLERANCE


def summarise(
    run: Run, verdict: Verdict, status: Mapping[str, str], missed_cycles: int, left_out: Sequence[str]
) -> dict[str, Any]:
    """Return the summary, ready for JSON.

    Args:
        run, verdict: what was judged and how.
        status: the supervisor's last status.
        missed_cycles: control cycles that began more than a period late.
        left_out: names of acts for which there was no time.
    """
    arrivals = list(run.arrivals.values())
    return {
        "ok": verdict.ok,
        "reasons": list(verdict.reasons),
        "acts": [act.as_dict() for act in verdict.acts],
        "not_as_expected": [act.name for act in verdict.acts if not act.ok],
        "left_out": list(left_out),
        "heard": [heard(result) for result in run.results],
        "oracle": {
            "violations": run.oracle.get("violations", []),
            "worst": run.oracle.get("worst", {}),
            "samples": run.oracle.get("samples", 0),
            "commands": run.oracle.get("commands", 0),
            "lateness": run.oracle.get("lateness", {}),
        },
        "good_unchanged": {
            "set_points": sum(arrival.checked for arrival in arrivals),
            "missing": sum(arrival.missing for arrival in arrivals),
            "max_error": max((_finite(arrival.max_error) for arrival in arrivals), default=None),
            "max_time_error": max((arrival.max_time_error for arrival in arrivals), default=None),
            "tolerance": TOLERANCE,
        },
        "missed_cycles": missed_cycles,
        "late_stops": sum(late_stops(result) for result in run.results),
        "played_again": {one["name"]: one["played_again"] for one in run.results if one.get("played_again")},
        "cycle_us": {name: _number(status.get(f"cycle_{name}_us")) for name in ("p50", "p99")},
        "lateness_us": {name: _number(status.get(f"lateness_{name}_us")) for name in ("p50", "p99")},
        "replay": None
        if run.replayed is None
        else {
            "events": run.replayed.events,
            "identical": run.replayed.identical,
            "detail": run.replayed.detail,
        },
    }


def _finite(value: float) -> float:
    """JSON knows no infinity; a set-point that is nowhere is at least this far off."""
    return value if value < 1e9 else 1e9


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def print_summary(console: Console, summary: Mapping[str, Any]) -> None:
    """Print the summary as a table."""
    table = Table("", "act", "expected", "seen", show_edge=False, pad_edge=False, show_lines=False)
    table.columns[1].max_width = 30
    for act in summary["acts"]:
        mark = Text("ok", style="green") if act["ok"] else Text("NOT", style="bold red")
        seen = Text(act["seen"])
        for reason in act["reasons"]:
            seen.append(f"\n{reason}", style="red")
        table.add_row(mark, Text(act["name"]), Text(act["expected"]), seen)
    console.print(table)
    for line in _lines(summary):
        console.print(Text(line), soft_wrap=True)
    for reason in summary["reasons"]:
        console.print(Text(reason, style="bold red"), soft_wrap=True)
    good = sum(act["ok"] for act in summary["acts"])
    text = f"{good} of {len(summary['acts'])} acts as expected: {'GOOD' if summary['ok'] else 'NOT GOOD'}"
    if summary["not_as_expected"]:
        text += f" ({', '.join(summary['not_as_expected'])})"
    console.print(Text(text, style="bold green" if summary["ok"] else "bold red"))


def _lines(summary: Mapping[str, Any]) -> list[str]:
    worst = ", ".join(
        f"{kind} {found['margin']:+.4g} ({found['item']})" for kind, found in summary["oracle"]["worst"].items()
    )
    good, cycle, replay = summary["good_unchanged"], summary["cycle_us"], summary["replay"]
    lines = [
        f"oracle: {summary['oracle']['samples']} samples, {len(summary['oracle']['violations'])} limits passed; "
        f"worst margins: {worst or 'none'}",
        f"good motion: {good['set_points']} set-points checked, {good['missing']} missing"
        + ("" if good["max_error"] is None else f", farthest {good['max_error']:.2g} rad from the output"),
        f"simulated: {summary['simulated']:.1f} s, seed {summary['seed']}, effects {summary['effects_sha256'][:16]}"
        if "simulated" in summary
        else f"cycles: served in {cycle['p50']} us (p50), {cycle['p99']} us (p99); {summary['missed_cycles']} missed; "
        f"{summary['late_stops']} stops of good motion by lateness, "
        f"{len(summary['played_again'])} acts played again after a late cycle, log or e-stop",
    ]
    lateness = summary["oracle"].get("lateness") or {}
    if lateness.get("lost") and not summary["ok"]:
        lines.append(
            f"this machine was too busy: the simulated robot lost {lateness['lost']:.1f} s, its worst step was "
            f"{lateness['worst']:.2f} s late; what is not as expected may be of that: run it again beside nothing else"
        )
    if replay is not None:
        same = "every effect came out again, bit for bit" if replay["identical"] else f"DIFFERENT: {replay['detail']}"
        lines.append(f"replay: {replay['events']} events, {same}")
    chain = summary.get("chain")
    if chain and chain["verified"]:
        lines.append(
            f"decision log: {chain['records']} records, chain unbroken; signatures prove it up to number "
            f"{chain['signed']} of {chain['last']}; completeness unknown without heads kept elsewhere"
        )
    if summary.get("incident"):
        lines.append(f"incident page of the last stop: {summary['incident']}")
    if summary["left_out"]:
        why = "the core engine can not play" if summary.get("engine") == "core" else "no time for"
        lines.append(f"{why} {len(summary['left_out'])} acts: {', '.join(summary['left_out'])}")
    return lines
