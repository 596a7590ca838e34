"""What the watch of behaviour costs: `anomaly.update` is a control cycle of two watched sources, behind the set-point.

Most cycles keep a copy of the commanded state; four times a second a slot is summed up and each source is scored, which
is the row's maximum. `anomaly.judge` are those cycles alone.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.measure import NoGarbageCollection, Row, Stopwatch, row
from safety_supervisor.config import load_config
from safety_supervisor.core.anomaly.baseline import SLOT, AnomalySettings, blank
from safety_supervisor.core.anomaly.watch import AnomalyWatch

ROOT = Path(__file__).parents[1]
COUNT = 50_000


class _Lane:
    source = "planner"
    stream: Any = True


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows, as `bench` prints them."""
    count = 1000 if quick else COUNT
    configuration = load_config(ROOT / "config" / "panda.yaml")
    names = configuration.robot.joints
    settings = AnomalySettings(blank(names), 3.0)
    sources = tuple(replace(one, anomaly=settings) for one in configuration.sources)
    watch = AnomalyWatch(replace(configuration, sources=sources))
    period, chance = configuration.timing.period, np.random.default_rng(1)
    states = chance.normal(0.0, 0.2, (997, 3, len(names)))
    lanes: list[Any] = [_Lane() for _ in configuration.robot.groups]
    clock, now = Stopwatch(), 1_000_000_000
    with NoGarbageCollection():
        for number in range(count):
            now += period
            if number % 3 == 0:
                watch.command("planner")
            clock.call(watch.cycle, now, states[number % len(states)], lanes, True)
    mean = sum(clock.cpu) / len(clock.cpu) / 1e3
    about: dict[str, Any] = {"robot": "panda", "joints": len(names), "sources": len(sources)}
    # A judged cycle costs ten times an ordinary one: they are the most expensive ones.
    judged = max(1, int(count * period / SLOT))
    slowest = sorted(zip(clock.cpu, clock.wall, strict=True), reverse=True)[:judged]
    return [
        row("anomaly.update", clock.cpu, clock.wall, **about, mean_cpu_us=round(mean, 2)),
        row("anomaly.judge", [one[0] for one in slowest], [one[1] for one in slowest], **about),
    ]
