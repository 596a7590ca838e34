"""Compares what was heard of the same acts in two runs: of real nodes, and of the core in simulated time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

Record = Mapping[str, Any]


def heard(result: Record) -> dict[str, Any]:
    """Return what an act's result says about verdicts and states, equal neighbours folded, without times and counts."""
    spoken = [" ".join(filter(None, (one.get("verdict", ""), one.get("code", "")))) for one in result["decisions"]]
    return {
        "name": result["name"],
        "verdicts": [word for word, _ in groupby(spoken)],
        "causes": list(result["causes"]),
        "states": list(result["states"]),
        "state": result["state"],
        "replies": [f"{one['service']} {'accepted' if one['ok'] else 'refused'}" for one in result["replies"]],
        "late": bool(result.get("played_again") or result["facts"].get("late_stops")),
    }


def differences(core: Sequence[Record], ros: Sequence[Record]) -> list[str]:
    """Return how two runs differ in the acts that both played, each named; empty when they do not.

    Compared are verdicts and codes in their order, equal neighbours folded; the states, of which a node that tells its
    status ten times a second may skip short ones; the state at the end; and what services answered. An act that
    lateness disturbed is not compared: `not_compared`.

    Args:
        core, ros: `heard` of each act.
    """
    others = {one["name"]: one for one in ros}
    found = []
    for act in core:
        other = others.get(act["name"])
        if other is None:
            continue
        name = act["name"]
        if other["late"]:
            continue
        for key in ("verdicts", "replies"):
            if act[key] != other[key]:
                found.append(f"{name}: {key}: core {_shown(act[key])}; ros {_shown(other[key])}")
        if act["state"] != other["state"]:
            found.append(f"{name}: state: core {act['state']}; ros {other['state']}")
        elif not _within(other["states"], act["states"]):
            found.append(f"{name}: states: core {_shown(act['states'])}; ros {_shown(other['states'])}")
    return found


def not_compared(core: Sequence[Record], ros: Sequence[Record]) -> list[str]:
    """Return the acts that are not compared, each with its reason: one engine alone played it, or it was late."""
    others, names = {one["name"]: one for one in ros}, {one["name"] for one in core}
    alone = [f"{act['name']}: the core engine alone" for act in core if act["name"] not in others]
    alone += [f"{act['name']}: real nodes alone" for act in ros if act["name"] not in names]
    return alone + [f"{name}: real time was late" for name in others if others[name]["late"] and name in names]


def _within(short: Sequence[str], long: Sequence[str]) -> bool:
    """Whether one sequence is another with some left out."""
    rest = iter(long)
    return all(any(word == one for one in rest) for word in short)


def _shown(words: Sequence[str]) -> str:
    return ", ".join(words) or "nothing"
