"""The watch of behaviour through the real supervisor, in little: the long run is `sim anomaly`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from safety_supervisor.core.anomaly.baseline import AnomalySettings, blank
from safety_supervisor_sim.demo.places import shared
from safety_supervisor_sim.lab.arm import SOURCE
from safety_supervisor_sim.lab.bench import Bench
from safety_supervisor_sim.lab.pick_place import ClearWay
from safety_supervisor_sim.strange.job import BASELINE, PACES, Job, WatchedArm, load_job
from safety_supervisor_sim.strange.mischief import MISCHIEFS
from safety_supervisor_sim.strange.trial import IN_TIME, Good, misbehave, work

SEED = 4711


@pytest.fixture(scope="module")
def bench() -> Bench:
    return load_job(shared("cells", BASELINE))


@pytest.fixture(scope="module")
def clear(bench: Bench) -> Iterator[ClearWay]:
    made = ClearWay(bench, np.random.default_rng(0))
    yield made
    made.judge.close()


@pytest.fixture(scope="module")
def good(bench: Bench, clear: ClearWay) -> Good:
    return work(bench, clear, bench.configuration, SEED, 40.0, lambda _: None)


def blind(bench: Bench) -> Bench:
    """The same with a watch to which everything is usual."""
    settings = AnomalySettings(blank(bench.configuration.robot.joints), 3.0)
    sources = tuple(replace(one, anomaly=settings) for one in bench.configuration.sources)
    return replace(bench, configuration=replace(bench.configuration, sources=sources))


@pytest.mark.long
def test_good_work_raises_nothing(good: Good) -> None:
    assert good.alarms == []
    assert good.cut_off == 0
    assert good.verdicts["PASS"] > 4


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ["oscillation", "frozen", "probing"])
def test_a_misbehaviour_is_raised_in_time(bench: Bench, clear: ClearWay, good: Good, name: str) -> None:
    mischief = next(one for one in MISCHIEFS if one.name == name)
    trial = misbehave(bench, clear, mischief, (SEED, 1), good)
    assert trial.good, trial
    assert trial.after is not None
    assert trial.after <= IN_TIME


def test_what_raises_it_is_the_baseline(bench: Bench, clear: ClearWay, good: Good) -> None:
    """The control: no limit stops the same motion, and a watch that knows no baseline says nothing."""
    mischief = next(one for one in MISCHIEFS if one.name == "oscillation")
    trial = misbehave(blind(bench), clear, mischief, (SEED, 1), good)
    assert (trial.after, trial.stopped_by) == (None, ())
    assert not trial.good


@pytest.mark.long
def test_the_same_seed_gives_the_same_work(bench: Bench, clear: ClearWay) -> None:
    def once() -> bytes:
        job = Job(bench, clear, np.random.default_rng(SEED))
        arm = WatchedArm(bench.configuration, job.start)
        job.task(arm, PACES)
        return np.array(arm.rows).tobytes()

    assert once() == once()


def test_ten_ways_to_misbehave_are_tried() -> None:
    assert len({one.name for one in MISCHIEFS}) == 10


def test_the_shipped_baseline_says_what_it_is_of() -> None:
    file = json.loads(shared("cells", BASELINE).read_text(encoding="utf-8"))
    assert "seed" in file["about"]
    assert file["windows"] > 2000
    assert SOURCE == "planner"
