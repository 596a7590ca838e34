"""Plays one case by the core engine, and writes down what came of it: a row of the campaign's table.

Whatever goes wrong is a row too, `ended` says how: never a pass.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np

from safety_supervisor.config.problems import ConfigurationError
from safety_supervisor_sim.agent.marks import AFTER
from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.row import SCHEMA
from safety_supervisor_sim.cell.cell_file import ControllerName
from safety_supervisor_sim.cell.files import load_any
from safety_supervisor_sim.demo import places
from safety_supervisor_sim.demo.judge import AT_POSE
from safety_supervisor_sim.engine.clockwork import Clockwork
from safety_supervisor_sim.engine.run import Played, UnplayableError, run
from safety_supervisor_sim.scenario import Act, Scenario, Stream, TrajectoryAct, read_scenario
from safety_supervisor_sim.scenario.expect import ENDINGS

SUPERVISOR: Final = "supervisor"
REPLAYED: Final = 0.05
"""Share of the runs whose events are handled once more by another supervisor, and every effect compared."""
NEAR: Final = 0.1
"""Scale of a distance from a box, [m]."""
SOLE: Final = 0.05
"""Scale of the capture point's distance from the edge of the soles, [m]."""
PACKAGES: Final = ("safety_supervisor", "numpy", "pybullet", "pin")
BAD: Final = ("REJECT", "STOP")


def play(
    case: Case, replayed: float = REPLAYED, watch: Callable[[Clockwork], None] = lambda world: None
) -> dict[str, Any]:
    """Play a case; return its row, every column of `row.SCHEMA`.

    Args:
        case: what is played.
        replayed: share of the cases that are replayed; which ones they are follows from their ids.
        watch: is given the world before it begins.
    """
    began = time.process_time()
    row = blank(case)
    try:
        scenario = read_scenario(Path(f"case {case.id}"), case.text.encode())
        row |= {"robot": scenario.robot, "rows": scenario.rows, "requirements": scenario.requirements}
        share = int(case.id[:8], 16) / 16**8
        broken = _broken(case)

        def begin(world: Clockwork) -> None:
            broken(world)
            watch(world)

        replays = share < replayed and case.subject == SUPERVISOR
        played = run(scenario, controller_of(case), case.seed, replay=replays, broken=begin)
        row |= _found(scenario, played)
    except (UnplayableError, ConfigurationError) as error:
        row |= {"ended": "unplayable", "problem": str(error)}
    except Exception as error:
        row |= {"ended": "failed", "problem": f"{type(error).__name__}: {error}"}
    return row | {"processor": time.process_time() - began}


def blank(case: Case, ended: str = "failed", problem: str = "") -> dict[str, Any]:
    """Return the row of a case of which nothing is known: `ended` and `problem` say why."""
    empty: dict[str, Any] = {}
    for field in SCHEMA:
        kind = str(field.type)
        empty[field.name] = [] if kind.startswith(("list", "map")) else "" if kind == "string" else 0
    return {
        **empty,
        **case.as_dict(),
        "id": case.id,
        "ended": ended,
        "problem": problem,
        "ok": False,
        "robustness": float("nan"),
        "distance_people": None,
        "distance_obstacles": None,
        "task_time": None,
        "cycle_cpu": None,
        "versions": _versions(""),
        "worker": f"{socket.gethostname()}:{os.getpid()}",
    }


def _broken(case: Case) -> Callable[[Clockwork], None]:
    """Return what is changed in the world before it begins: a check that is off.

    Raises:
        UnplayableError: who is to stand before the motors is not known, or the check is not.
    """
    if case.subject != SUPERVISOR:
        return _subject(case)
    if not case.disabled:
        return lambda world: None
    try:
        mutants = import_module("safety_supervisor_sim.campaign.mutants")
    except ImportError:
        raise UnplayableError(f"no check can be turned off here: {case.disabled}") from None
    try:
        off: Callable[[Clockwork], None] = mutants.disable(case.disabled)
    except (KeyError, ValueError) as error:
        raise UnplayableError(f"check {case.disabled} is not known: {error}") from error
    return off


def controller_of(case: Case) -> ControllerName:
    """Return the controller before the drives: a comparator's is another one than the supervisor's."""
    return "joint_trajectory_controller" if case.subject == SUPERVISOR else "forward_position"


def _subject(case: Case) -> Callable[[Clockwork], None]:
    from safety_supervisor_sim.compare.barriers import NotInstalledError
    from safety_supervisor_sim.compare.stand import FILTERS, put_in_place

    if case.subject not in FILTERS or case.disabled:
        known = ", ".join([SUPERVISOR, *FILTERS])
        raise UnplayableError(f"subject {case.subject} {case.disabled} can not be played; known: {known}")

    def stand(world: Clockwork) -> None:
        try:
            put_in_place(world, case.subject)
        except NotInstalledError as error:
            raise UnplayableError(str(error)) from error

    return stand


def _found(scenario: Scenario, played: Played) -> dict[str, Any]:
    summary, oracle = played.summary, played.oracle
    acts = scenario.expanded()
    violations = [
        f"{found['kind']} {found['item']} {found['margin']:.4g} in {found['act']}" for found in oracle["violations"]
    ]
    fell = _fallen(acts, summary["acts"])
    violations += [f"balance base in {name}" for name in fell]
    margins = {kind: found["margin"] for kind, found in oracle["worst"].items()}
    capture = _capture(acts, summary["acts"])
    if capture is not None:
        margins["capture_point"] = capture
    distances = oracle.get("distances", {}).values()
    good = [act for act in acts if is_good(act) and act.name not in summary["left_out"]]
    results = {result["name"]: result for result in played.results}
    return {
        "ended": "done",
        "ok": bool(summary["ok"]),
        "reasons": _reasons(summary),
        "not_as_expected": summary["not_as_expected"],
        "left_out": summary["left_out"],
        "violations": len(violations) + oracle.get("violations_dropped", 0),
        "violated": violations,
        "margins": sorted(margins.items()),
        "robustness": robustness(scenario.robot, oracle, capture, bool(fell)),
        "distance_people": min((one["people"] for one in distances if "people" in one), default=None),
        "distance_obstacles": min((one["obstacles"] for one in distances if "obstacles" in one), default=None),
        "rest_after": [
            act["oracle"]["rest_after_fault"]
            for act in summary["acts"]
            if act["oracle"].get("rest_after_fault") is not None
        ],
        "good_motions": len(good),
        "false_stops": sum(_was_stopped(results.get(act.name), _records(act.name, oracle)) for act in good),
        "task_time": sum(_time(results.get(act.name), _records(act.name, oracle)) for act in good) if good else None,
        "verdicts": sorted(_verdicts(played.results).items()),
        "effects_sha256": summary["effects_sha256"],
        "simulated": played.simulated,
        "versions": _versions(played.configuration.sha256),
    }


def _reasons(summary: Mapping[str, Any]) -> list[str]:
    told = [f"{act['name']}: {reason}" for act in summary["acts"] for reason in act["reasons"]]
    return [*summary["reasons"], *told]


def _verdicts(results: Sequence[Mapping[str, Any]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for result in results:
        for decision in result["decisions"]:
            key = " ".join(filter(None, (decision.get("verdict", ""), decision.get("code", ""))))
            counts[key] += int(decision.get("count", "1") or 1)
    return counts


# -- what it costs ------------------------------------------------------------------------------


def is_good(act: Act) -> bool:
    """Whether an act is good motion: its goal is expected to be reached, and nothing of it refused or stopped."""
    expect = act.expect
    if not isinstance(act, Stream | TrajectoryAct) or set(BAD) & set(expect.verdicts):
        return False
    return expect.unchanged or expect.ends == "goal"


def _records(name: str, oracle: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [record for record in oracle["acts"] if record["name"] in (name, name + AFTER)]


def _was_stopped(result: Mapping[str, Any] | None, records: Sequence[Mapping[str, Any]]) -> bool:
    """Whether good motion was stopped or refused, by what was heard or by where the robot truly ended."""
    if result is None or not records:
        return True
    refused = any(
        decision.get("verdict") in BAD and decision.get("code") not in ENDINGS for decision in result["decisions"]
    )
    end, goal = records[-1]["end_pose"], result["facts"].get("goal")
    if refused or end is None or goal is None:
        return True
    return not float(np.abs(np.array(end) - np.array(goal)).max()) <= AT_POSE


def _time(result: Mapping[str, Any] | None, records: Sequence[Mapping[str, Any]]) -> float:
    """Return how long an act took until the robot truly rested, or until it was given up, [s]."""
    rest = records[-1]["rest_after"] if records else None
    if rest is not None:
        return float(rest)
    return 0.0 if result is None else float((result["ended_ns"] - result["began_ns"]) * 1e-9)


# -- how near it was ----------------------------------------------------------------------------


def robustness(robot: str, oracle: Mapping[str, Any], capture: float | None = None, fell: bool = False) -> float:
    """Return how far the true motion was from a violation, as a share: below 0 is one, NaN when nothing was judged.

    The least over kinds of (margin + the oracle's tolerance) / scale, where the scale is the limit itself for
    velocities, accelerations, jerks and speeds, half the joint's range for positions, and 0.1 m for boxes. Of a robot
    that is to stand besides the capture point's distance from the edge of its soles over 0.05 m; -1 at most when it
    fell. Limits and tolerances are those of `sim/cells/ROBOT.yaml`, never the supervisor's.

    Args:
        robot: whose cell it is.
        oracle: its report.
        capture: [m]; None: nobody stands, or is not to.
        fell: who was to stand, and did not.
    """
    tolerance, half = oracle["tolerance"], _half_ranges(robot)
    shares = []
    for kind, worst in oracle["worst"].items():
        zone = kind in ("keep_in", "keep_out")
        scale = NEAR if zone else half.get(worst["item"], 1.0) if "position" in kind else abs(worst["limit"]) or 1.0
        shares.append((worst["margin"] + tolerance.get("zone" if zone else kind, 0.0)) / scale)
    if capture is not None:
        shares.append(max(capture, 0.0) / SOLE)
    if fell:
        shares.append(-1.0)
    return float(min(shares, default=float("nan")))


def _fallen(acts: Sequence[Act], judged: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the acts after which the robot is to stand, and in which it truly fell."""
    wanted = {act.name for act in acts if act.expect.stands == "yes"}
    return [one["name"] for one in judged if one["name"] in wanted and one["oracle"].get("fell")]


def _capture(acts: Sequence[Act], judged: Sequence[Mapping[str, Any]]) -> float | None:
    wanted = {act.name for act in acts if act.expect.stands == "yes"}
    inside = [one["oracle"].get("capture_point") for one in judged if one["name"] in wanted]
    return min((value for value in inside if value is not None), default=None)


@lru_cache(maxsize=8)
def _half_ranges(robot: str) -> dict[str, float]:
    file = load_any(places.cell_file(robot))
    limits = file.oracle.limits
    ranges = zip(file.robot.joints, limits.position_lower, limits.position_upper, strict=True)
    return {joint: 0.5 * (upper - lower) for joint, lower, upper in ranges}


@lru_cache(maxsize=32)
def _versions(configuration_sha256: str) -> str:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return json.dumps(found | {"configuration_sha256": configuration_sha256}, sort_keys=True)
