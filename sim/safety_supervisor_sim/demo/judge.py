"""Judges a run: what was expected of each act, what was heard, and what the oracle saw.

The motion is judged by the oracle's report alone. Pure functions over plain data: no file, no process, no ROS.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from safety_supervisor_sim.agent.marks import AFTER
from safety_supervisor_sim.demo.stance import records_of, stance_reasons, stance_seen
from safety_supervisor_sim.demo.unchanged import Arrival
from safety_supervisor_sim.scenario import Act, Expect, has_fault

LATE: Final = frozenset({"E_LATE", "E_OVERRUN", "E_VELOCITY_LIMIT", "E_ACCELERATION_LIMIT", "E_JERK_LIMIT"})
"""What is heard of a good motion that this machine's lateness stopped, until the agent has noticed and begins again."""
AT_POSE: Final = 0.02
"""A joint this close to a pose is there: drives lag and sag a little, [rad]."""

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Judgement:
    """What is said about one act."""

    name: str
    expected: str
    seen: str
    reasons: tuple[str, ...]
    """Why it is not good; empty when it is."""
    oracle: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether everything was as the file expects."""
        return not self.reasons

    def as_dict(self) -> dict[str, Any]:
        """The act in the summary."""
        return {
            "name": self.name,
            "expected": self.expected,
            "seen": self.seen,
            "ok": self.ok,
            "reasons": list(self.reasons),
            "oracle": self.oracle,
        }


@dataclass(frozen=True)
class Replayed:
    """What came of running the recorded events again."""

    events: int
    identical: bool
    detail: str = ""


@dataclass(frozen=True)
class Run:
    """Everything that is known about a run.

    Attributes:
        acts: the scenario's acts, those of the technician included, in order.
        results: what the agent's process tells of each act that was played.
        oracle: the cell's report; empty when there is none.
        arrivals: by act name, for acts whose motion had to arrive unchanged.
        replayed: of the event log; None when there is none.
        failures: what went wrong beside the acts: a process that ended, a report that is missing.
    """

    acts: Sequence[Act]
    results: Sequence[Record]
    oracle: Record
    arrivals: Mapping[str, Arrival]
    replayed: Replayed | None
    failures: Sequence[str] = ()


@dataclass(frozen=True)
class Verdict:
    """The judgement of a run."""

    acts: tuple[Judgement, ...]
    reasons: tuple[str, ...] = field(default=())
    """Why the run is not good, beside its acts."""

    @property
    def ok(self) -> bool:
        """Exit status 0."""
        return bool(self.acts) and not self.reasons and all(act.ok for act in self.acts)


def judge(run: Run) -> Verdict:
    """Judge a run, every reason at once."""
    results = {result["name"]: result for result in run.results}
    reasons = list(run.failures)
    if not run.oracle.get("samples"):
        reasons.append("the oracle saw no motion at all: it has no samples")
    violations = run.oracle.get("violations", [])
    dropped = run.oracle.get("violations_dropped", 0)
    if violations or dropped:
        worst = ", ".join(sorted({f"{found['kind']} {found['item']}" for found in violations})[:5])
        reasons.append(f"the oracle saw {len(violations) + dropped} limits passed: {worst}")
    if run.replayed is None:
        reasons.append("there is no event log to replay")
    elif not run.replayed.identical:
        reasons.append(f"the replay of the event log differs: {run.replayed.detail}")
    judged = tuple(judge_act(act, results.get(act.name), run.oracle, run.arrivals.get(act.name)) for act in run.acts)
    return Verdict(judged, tuple(reasons))


def judge_act(act: Act, result: Record | None, oracle: Record, arrival: Arrival | None) -> Judgement:
    """Judge one act."""
    records = [record for record in oracle.get("acts", []) if record["name"] in (act.name, act.name + AFTER)]
    found = [entry for entry in oracle.get("violations", []) if entry["act"] in (act.name, act.name + AFTER)]
    motion = _motion(records, found) | stance_seen(records_of(act.name, oracle))
    if result is None:
        return Judgement(act.name, describe(act.expect), "not played", ("it was not played",), motion)
    reasons = [
        *_heard_reasons(act.expect, result),
        *_motion_reasons(act, result, records),
        *_distance_reasons(act, oracle),
        *stance_reasons(act.expect, act.name, oracle),
        *(f"the oracle saw {entry['kind']} of {entry['item']} passed: {entry['value']:.4g}" for entry in found),
    ]
    if act.expect.unchanged:
        reasons += _arrival_reasons(arrival)
    return Judgement(act.name, describe(act.expect), _seen(result, motion), tuple(reasons), motion)


def _heard_reasons(expect: Expect, result: Record) -> list[str]:
    decisions, states = result["decisions"], result["states"]
    verdicts = {decision.get("verdict") for decision in decisions}
    codes = {decision["code"] for decision in decisions if decision.get("code")}
    causes = set(result["causes"])
    reasons = [f"no verdict {verdict}" for verdict in expect.verdicts if verdict not in verdicts]
    if expect.codes and not set(expect.codes) & (codes | causes):
        reasons.append(f"none of {' '.join(expect.codes)}")
    late = LATE if late_stops(result) else frozenset()
    unexpected = codes - set(expect.codes) - set(expect.also) - late
    if unexpected:
        reasons.append(f"unexpected {' '.join(sorted(unexpected))}")
    counts = _counts(decisions)
    reasons += [
        f"{key} {counts[key]} times, not {least} to {most}"
        for key, (least, most) in expect.verdict_counts.items()
        if not least <= counts[key] <= most
    ]
    if expect.state and result["state"] not in expect.state:
        reasons.append(f"state {result['state'] or 'unknown'}, not {' or '.join(expect.state)}")
    reasons += [f"never in {state}" for state in expect.through if state not in states]
    if expect.replies != "any":
        wanted = expect.replies == "accepted"
        if not result["replies"]:
            reasons.append("no service was called")
        reasons += [
            f"{reply['service']} was {'accepted' if reply['ok'] else 'refused'}: {reply['message']}"
            for reply in result["replies"]
            if reply["ok"] is not wanted
        ]
    return reasons


def _counts(decisions: Sequence[Record]) -> Counter[str]:
    """Count the commands that heard each verdict, and each verdict with its code."""
    counts: Counter[str] = Counter()
    for decision in decisions:
        count = int(decision.get("count", "1") or 1)
        verdict, code = decision.get("verdict", ""), decision.get("code", "")
        counts[verdict] += count
        if code:
            counts[f"{verdict} {code}"] += count
    return counts


def _distance_reasons(act: Act, oracle: Record) -> list[str]:
    """What the true distances contradict."""
    wanted = act.expect.distance
    if wanted is None:
        return []
    measured = [found for name, found in oracle.get("distances", {}).items() if name in (act.name, act.name + AFTER)]
    reasons = []
    for kind, least in wanted.model_dump(exclude_none=True).items():
        seen = min((found[kind] for found in measured if kind in found), default=None)
        if seen is None:
            reasons.append(f"the distance from {kind} was not measured: the core engine alone does")
        elif seen < least:
            reasons.append(f"{seen:.3f} m from {kind}, less than {least:.3f} m")
    return reasons


def late_stops(result: Record) -> int:
    """Count the stops of a good motion by lateness: each is shown, none needs a person (SR-054)."""
    return int(result["facts"].get("late_stops", 0))


def _motion_reasons(act: Act, result: Record, records: Sequence[Record]) -> list[str]:
    """What the true motion contradicts."""
    expect = act.expect
    if not records:
        return ["the oracle has no record of it"]
    reasons = []
    moved = any(record["moved"] for record in records)
    if expect.moved != "any" and moved is not (expect.moved == "yes"):
        reasons.append("the robot moved" if moved else "the robot did not move")
    after = [record for record in records if record["name"].endswith(AFTER)]
    if has_fault(act) and not after:
        reasons.append("the oracle has no record of what came after the fault")
    if after:
        farthest = max(max(record["farthest"] or [0.0]) for record in after)
        if expect.moved_after is not None and farthest > expect.moved_after:
            reasons.append(f"it moved {farthest:.3g} rad after the fault, more than {expect.moved_after:.3g}")
        rest = after[-1]["rest_after"]
        if expect.rest_after is not None and (rest is None or rest > expect.rest_after):
            said = "still moves" if rest is None else f"rested {rest:.2f} s after the fault"
            reasons.append(f"it {said}, not within {expect.rest_after:.2f} s")
    if expect.ends != "any":
        target = result["facts"]["start" if expect.ends == "start" else "goal"]
        distance = _distance(records[-1]["end_pose"], target)
        if expect.ends == "short" and distance <= AT_POSE:
            reasons.append("it reached the goal all the same")
        if expect.ends != "short" and not distance <= AT_POSE:
            reasons.append(f"it ended {distance:.3g} rad from its {expect.ends}")
    return reasons


def _distance(first: Sequence[float] | None, second: Sequence[float]) -> float:
    if first is None or len(first) != len(second):
        return float("inf")
    return float(np.abs(np.array(first) - np.array(second)).max())


def _arrival_reasons(arrival: Arrival | None) -> list[str]:
    if arrival is None:
        return ["whether it arrived unchanged is not known"]
    if arrival.checked == 0:
        return ["no set-point could be checked"]
    reasons = [arrival.doubt] if arrival.doubt else []
    if arrival.missing:
        reasons.append(
            f"{arrival.missing} of {arrival.checked} set-points did not arrive: up to {arrival.max_error:.3g} rad off"
        )
    if arrival.off_beat:
        reasons.append(f"{arrival.off_beat} set-points arrived up to {arrival.max_time_error:.3g} s off their time")
    return reasons


def _motion(records: Sequence[Record], violations: Sequence[Record]) -> dict[str, Any]:
    """What the summary tells of the true motion of one act."""
    worst: dict[str, float] = {}
    for record in records:
        for kind, entry in record["worst"].items():
            worst[kind] = min(worst.get(kind, float("inf")), entry["margin"])
    after = [record for record in records if record["name"].endswith(AFTER)]
    return {
        "moved": any(record["moved"] for record in records),
        "farthest": max((max(record["farthest"] or [0.0]) for record in records), default=0.0),
        "rest_after_fault": after[-1]["rest_after"] if after else None,
        "worst": worst,
        "violations": len(violations),
    }


def describe(expect: Expect) -> str:
    """What is expected, in one line."""
    parts: list[str] = [*expect.verdicts]
    if expect.codes:
        parts.append("|".join(expect.codes))
    if expect.replies != "any":
        parts.append(expect.replies)
    if expect.state:
        parts.append(f"-> {'|'.join(expect.state)}")
    if expect.moved != "any":
        parts.append({"yes": "moves", "no": "no motion"}[expect.moved])
    if expect.ends != "any":
        parts.append({"start": "stays", "goal": "reaches the goal", "short": "stops short"}[expect.ends])
    if expect.unchanged:
        parts.append("unchanged")
    if expect.stands != "any":
        parts.append({"yes": "stands", "no": "falls"}[expect.stands])
    if expect.modes:
        parts.append(f"told {' '.join(expect.modes)}")
    if expect.lowered is not None:
        parts.append(f"{expect.lowered:.2f} m lower before it gives way")
    return ", ".join(parts)


def _seen(result: Record, motion: Mapping[str, Any]) -> str:
    verdicts: dict[str, int] = {}
    for decision in result["decisions"]:
        key = " ".join(filter(None, (decision.get("verdict", ""), decision.get("code", ""))))
        verdicts[key] = verdicts.get(key, 0) + int(decision.get("count", "1") or 1)
    parts = [f"{key} x{count}" if count > 1 else key for key, count in verdicts.items()]
    parts += [cause for cause in result["causes"] if not any(cause in key for key in verdicts)]
    parts += [f"{reply['service']} {'accepted' if reply['ok'] else 'refused'}" for reply in result["replies"]]
    if late_stops(result):
        parts.append(f"begun again x{late_stops(result)}")
    if result.get("played_again"):
        parts.append(f"played again after {' '.join(result['played_again'])}")
    parts.append(f"-> {result['state'] or 'unknown'}")
    parts.append(f"moved {motion['farthest']:.3f} rad" if motion["moved"] else "no motion")
    if motion.get("modes"):
        parts.append(f"told {' '.join(motion['modes'])}")
    if motion.get("fell"):
        parts.append("fell")
    elif motion.get("capture_point") is not None:
        parts.append(f"capture point {1e3 * motion['capture_point']:.0f} mm inside")
    return ", ".join(parts)
