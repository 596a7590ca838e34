"""Runs the trials: good work for hours, then every misbehaviour several times.

When a misbehaviour begins is known by its script; that it was raised is read from the status, as anybody would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from safety_supervisor.config.baseline_checks import write_baseline
from safety_supervisor.core.anomaly.baseline import learn
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Vector
from safety_supervisor_sim.lab.arm import SOURCE
from safety_supervisor_sim.lab.bench import Bench
from safety_supervisor_sim.lab.pick_place import ClearWay
from safety_supervisor_sim.oracle.world import Array
from safety_supervisor_sim.strange.job import PACES, Job, WatchedArm, listening
from safety_supervisor_sim.strange.mischief import MISCHIEFS, Mischief, Stage

JOB: Final = 600.0
"""Good work goes on for so long, [s]; then the supervisor is started anew."""
IN_TIME: Final = 2.0
"""Within which a misbehaviour has to be raised, [s]."""
Told = Callable[[float], None]


@dataclass
class Good:
    """What came of good work.

    Attributes:
        seconds: of it.
        alarms: what was raised all the same: time, source, score, why.
        cut_off: times that the breaker stopped it.
        verdicts: decisions by verdict and code; cancelled and refused ones are part of good work.
        low, high: positions that were used, shape (n,), [rad].
    """

    seconds: float
    alarms: list[tuple[float, str, float, str]]
    cut_off: int
    verdicts: Counter[str]
    low: Array
    high: Array


def work(bench: Bench, clear: ClearWay, configuration: Configuration, seed: int, seconds: float, told: Told) -> Good:
    """Let agents do good work through the supervisor, ten minutes a boot."""
    n = len(bench.configuration.robot.joints)
    good = Good(0.0, [], 0, Counter(), np.full(n, np.inf), np.full(n, -np.inf))
    number = 0
    while good.seconds < seconds:
        job = Job(bench, clear, np.random.default_rng((seed, number)))
        arm = WatchedArm(configuration, job.start)
        begin, number = arm.seconds, number + 1
        end = begin + min(JOB, seconds - good.seconds)
        while arm.seconds < end and arm.supervisor.state.startswith("AUTO"):
            before = arm.seconds
            job.task(arm, PACES)
            good.verdicts.update(f"{one.verdict} {one.code}".strip() for one in arm.decisions)
            rows = np.array(arm.rows)
            good.low, good.high = np.minimum(good.low, rows.min(axis=0)), np.maximum(good.high, rows.max(axis=0))
            told(arm.seconds - before)
        good.cut_off += not arm.supervisor.state.startswith("AUTO")
        good.alarms += [(good.seconds + one[0] * 1e-9 - begin, *one[1:]) for one in arm.alarms]
        good.seconds += arm.seconds - begin
    return good


def record_baseline(bench: Bench, seed: int, seconds: float, told: Callable[[str, float], None]) -> str:
    """Return the text of a baseline's file, of the planner's good work."""
    windows: list[Vector] = []
    clear = ClearWay(bench, np.random.default_rng(0))
    try:
        configuration = listening(bench.configuration, windows.append)
        work(bench, clear, configuration, seed, seconds, lambda done: told("work", done))
    finally:
        clear.judge.close()
    about = f"pick and place in the laboratory's cell, {seconds / 3600.0:g} h, seed {seed}: sim anomaly --record"
    usual = learn(np.array(windows), bench.configuration.robot.joints)
    return write_baseline(bench.configuration, SOURCE, usual, len(windows), about)


@dataclass(frozen=True)
class Trial:
    """What came of one misbehaviour.

    Attributes:
        after: from its beginning to the alarm, [s]; None when nobody raised it. Below 0: it was raised before.
        why: what was told.
        score: that was told first.
        stopped_by: codes of limits that stopped it first; then it proves nothing.
    """

    after: float | None
    why: str
    score: float
    stopped_by: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether it was raised in time, and by the watch alone."""
        return self.after is not None and 0.0 <= self.after <= IN_TIME and not self.stopped_by


def misbehave(bench: Bench, clear: ClearWay, mischief: Mischief, seed: tuple[int, ...], good: Good) -> Trial:
    """Play one misbehaviour after a task of good work."""
    random = np.random.default_rng(seed)
    job = Job(bench, clear, random)
    arm = WatchedArm(bench.configuration, job.start)
    job.task(arm, PACES)
    arm.run(round(1.5e9 / arm.period))
    early = bool(arm.alarms)
    arm.begin()
    stage = Stage(arm, job, random, good.low, good.high)
    mischief.play(stage)
    raised = arm.alarms[0] if arm.alarms else None
    codes = {one.code for one in arm.decisions if one.verdict != "PASS"}
    stops = tuple(sorted(codes - mischief.codes - {"E_ANOMALY", "E_QUARANTINED"}))
    if raised is None:
        return Trial(None, "", 0.0, stops)
    after = -1.0 if early else (raised[0] - stage.begin) * 1e-9
    return Trial(after, raised[3], raised[2], stops)


def run_trials(
    bench: Bench,
    seed: int,
    hours: float,
    runs: int,
    told: Callable[[str, float], None] = lambda what, done: None,
) -> dict[str, Any]:
    """Run everything and return what came of it, ready for JSON.

    Args:
        bench: of the laboratory, agents watched.
        seed: of everything that is drawn.
        hours: of good work.
        runs: of each misbehaviour.
        told: called with "work" or a misbehaviour's name, and the seconds or runs that were done.
    """
    clear = ClearWay(bench, np.random.default_rng(0))
    try:
        good = work(bench, clear, bench.configuration, seed, 3600.0 * hours, lambda done: told("work", done))
        rows = []
        for number, mischief in enumerate(MISCHIEFS):
            trials = []
            for run in range(runs):
                trials.append(misbehave(bench, clear, mischief, (seed, 1000 + number, run), good))
                told(mischief.name, 1.0)
            rows.append(_row(mischief, trials))
    finally:
        clear.judge.close()
    allowed = max(1, round(good.seconds / 3600.0))
    return {
        "seed": seed,
        "hours": round(good.seconds / 3600.0, 4),
        "false_alarms": [
            {"at": round(at, 2), "source": source, "score": score, "why": why} for at, source, score, why in good.alarms
        ],
        "cut_off": good.cut_off,
        "verdicts": dict(good.verdicts.most_common()),
        "misbehaviours": rows,
        "ok": len(good.alarms) <= allowed and good.cut_off == 0 and all(row["ok"] for row in rows),
    }


def _row(mischief: Mischief, trials: list[Trial]) -> dict[str, Any]:
    times = sorted(one.after for one in trials if one.after is not None)
    stopped = sorted({code for one in trials for code in one.stopped_by})
    return {
        "name": mischief.name,
        "about": mischief.about,
        "runs": len(trials),
        "raised": sum(one.good for one in trials),
        "median": None if not times else round(times[len(times) // 2], 3),
        "latest": None if len(times) < len(trials) or not times else round(times[-1], 3),
        "why": next((one.why for one in trials if one.why), ""),
        "stopped_by": stopped,
        "ok": all(one.good for one in trials),
    }
