"""Judges how a robot stood in an act, by the oracle's word alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from safety_supervisor_sim.agent.marks import AFTER
from safety_supervisor_sim.oracle.stands import STOOD_UP
from safety_supervisor_sim.scenario import Expect

LIMP: Final = ("damp", "off")
Record = Mapping[str, Any]


def records_of(name: str, oracle: Record) -> list[Record]:
    """Return what the oracle tells of a robot's stance in an act, before and after its fault.

    Of an act that was played again the last time counts; of one in which it was set on its feet, what came then.
    """
    begins = (name, name + STOOD_UP)
    found: list[Record] = []
    for act in oracle.get("standing", {}).get("acts", []):
        if act["name"] in begins:
            found = [act]
        elif found and act["name"] == name + AFTER:
            found.append(act)
    return found


def stance_reasons(expect: Expect, name: str, oracle: Record) -> list[str]:
    """Return what the true stance contradicts; nothing where none is judged and nothing is expected of it."""
    records = records_of(name, oracle)
    if not records:
        wanted = expect.stands != "any" or expect.modes or expect.lowered is not None
        return ["the oracle has no record of how it stood"] if wanted else []
    modes = [told["mode"] for record in records for told in record["modes"]]
    reasons = []
    fell = next((record["fell_by"] for record in records if record["fell"]), "")
    stands = not fell and not records[-1]["down_before"] and records[-1]["lost_at"] is None
    if expect.stands == "yes" and not stands:
        reasons.append(f"it does not stand: {fell or 'it is down, or its capture point is not over its soles'}")
    if expect.stands == "no" and not any(record["fell_held"] for record in records):
        reasons.append("it did not fall: " + ("its balance was kept until it was let go" if fell else "it stands"))
    if not set(modes) & set(LIMP):
        # Who gives way may fold up; who is held must not press against himself.
        reasons += [f"{pair} pressed against each other" for record in records for pair in record["pressed"]]
    if expect.modes and expect.modes not in (modes, modes[:-1] if modes[-2:] == list(LIMP) else modes):
        reasons.append(f"it was told {' '.join(modes) or 'no mode'}, not {' '.join(expect.modes)}")
    if expect.lowered is not None:
        reasons += _lowered_reasons(expect.lowered, records, float(oracle["standing"]["height"]))
    return reasons


def _lowered_reasons(wanted: float, records: Sequence[Record], stood: float) -> list[str]:
    damped = next((told for record in records for told in record["modes"] if told["mode"] in LIMP), None)
    if damped is None:
        return ["it was never told to give way"]
    reasons = []
    lost = [at for record in records for at in (record["fell_at"], record["lost_at"]) if at is not None]
    if lost and min(lost) < damped["at"]:
        reasons.append(f"it lost its balance {damped['at'] - min(lost):.2f} s before it was told to give way")
    came = stood - damped["height"]
    if came < wanted:
        reasons.append(f"it had come down by {came:.2f} m, not {wanted:.2f}, when it was told to give way")
    return reasons


def stance_seen(records: Sequence[Record]) -> dict[str, Any]:
    """Return what the summary tells of the true stance in an act; empty of a robot without feet."""
    if not records:
        return {}
    inside = [record["least"]["capture point"] for record in records if "capture point" in record["least"]]
    return {
        "fell": any(record["fell"] for record in records),
        "modes": [told["mode"] for record in records for told in record["modes"]],
        "capture_point": min(inside, default=None),
    }
