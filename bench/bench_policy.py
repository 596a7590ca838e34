"""What a policy costs: the shipped one of ten rules, asked once, and a program as long as the bounds let in.

`policy.eval` looks at all facts and evaluates; random facts, so that every rule decides in turn. `policy.stream` is
what a set-point pays whose facts are those of the one before: speeds and zones, no evaluation.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.measure import NoGarbageCollection, Row, Stopwatch, row
from safety_supervisor.config import load_config
from safety_supervisor.config.policy.grammar import DEEPEST
from safety_supervisor.config.policy.program import CelPolicy, compile_policy
from safety_supervisor.core.errors import Code
from safety_supervisor.core.intake.results import SetPoint
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.policy.gate import PolicyGate
from safety_supervisor.core.settings import CommandKind
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.verifier import Verifier
from safety_supervisor.policy.examples import read_policy

ROOT = Path(__file__).parents[1]
COUNT = 20_000


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows, as `bench` prints them."""
    count = 500 if quick else COUNT
    shipped = read_policy(ROOT / "config" / "policies" / "cell.yaml")
    chance = random.Random(1)
    cases = [_facts(chance) for _ in range(1000)]
    found = [
        row("policy.eval", *_measure(shipped.judge, cases, count), rules=shipped.source.count("?")),
    ]
    # As many rules as may be, each as long as may be, and none of them holds.
    listed = ", ".join(f'"z{number}"' for number in range(4))
    rule = f'"zz" in zones || "zz" in groups && source in [{listed}] ? allow : '
    worst = compile_policy(rule * (DEEPEST - 2) + "allow", {})
    if not isinstance(worst, CelPolicy):
        raise RuntimeError(f"{Code.POLICY_ERROR.value}: {worst}")
    long = {"zones": ["z" * 63] * 50, "groups": ["g" * 63] * 50}
    found.append(
        row("policy.worst", *_measure(worst.judge, [{**case, **long} for case in cases], count), rules=DEEPEST - 2)
    )
    found.append(_stream(shipped, count))
    return found


def _measure(
    judge: Callable[[dict[str, Any]], object], cases: list[dict[str, Any]], count: int
) -> tuple[list[int], list[int]]:
    clock = Stopwatch()
    with NoGarbageCollection():
        for number in range(count):
            clock.call(judge, cases[number % len(cases)])
    return clock.cpu, clock.wall


def _stream(policy: CelPolicy, count: int) -> Row:
    configuration = replace(load_config(ROOT / "config" / "panda.yaml"), policy=policy)
    verifier, state = Verifier(configuration), SafetyState()
    motion = Motion(configuration, verifier)
    gate = PolicyGate(policy, configuration, state, motion, verifier, {})
    gate.started(1)
    start = configuration.robot.start
    source = configuration.sources[0]
    joints = len(configuration.robot.joints)
    values = motion.state[0].copy() if start is None else motion.state[0] * 0.0 + start
    motion.place(values)
    set_point = SetPoint(
        source.name, "bench", CommandKind.POSITION, tuple(configuration.robot.groups), _indices(joints), values
    )
    clock = Stopwatch()
    with NoGarbageCollection():
        for number in range(count):
            clock.call(gate.stream, set_point, source, 1 + number)
    return row("policy.stream", clock.cpu, clock.wall, robot="panda", joints=joints)


def _indices(count: int) -> Any:
    import numpy as np

    return np.arange(count, dtype=np.intp)


def _facts(chance: random.Random) -> dict[str, Any]:
    speeds = (0.25, 0.5, 0.5625, 1.0, 1.0625, 1.5625, 2.0625)
    mode = chance.choice(("auto", "auto", "auto", "manual"))
    return {
        "source": "planner",
        "kind": chance.choice(("agent", "agent", "agent", "person")),
        "verb": chance.choice(("position", "velocity", "trajectory", "cmd_vel")),
        "groups": chance.choice((("arm",), ("left", "right"))),
        "zones": chance.choice(((), (), ("bench",))),
        "joint_speed": chance.choice(speeds),
        "frame_speed": chance.choice(speeds),
        "mode": mode,
        "state": "MANUAL" if mode == "manual" else "AUTO/MOVING",
        "people": chance.choice(("clear", "clear", "near", "unwatched")),
        "since_start": chance.choice((3, 60)),
        "anomaly": chance.choice((0.0, 0.0, 0.0, 1.5)),
        "approvals": chance.choice(((), ("zone",))),
        "model": "",
        "model_version": "",
        "stage": "",
    }
