"""What the tests of `explain` record: armed, a NaN refused, then set-points toward the table until they are stopped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from safety_supervisor import Supervisor, load_config
from safety_supervisor.boot_script import BootScript
from safety_supervisor.core.effects import Actuate, Decision
from safety_supervisor.core.events import StreamCommand
from safety_supervisor.evidence.feed import EventFeed, describe_boot

CONFIGURATION = Path(__file__).parents[2] / "config" / "panda.yaml"
HOME = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
LOW = np.array([0.0, 0.65, 0.0, -2.2, 0.0, 2.85, 0.785])
"""The hand reaches into the table."""


def write_humanoid(directory: Path) -> Path:
    """A G1 on a stand, with a table below its left hand, which its elbow lowers into it."""
    keys = yaml.safe_load(CONFIGURATION.with_name("g1.yaml").read_text(encoding="utf-8")) | {"balance": None}
    plane = {"half_space": {"normal": [0.0, 0.0, 1.0], "offset": HEIGHTS["g1"]}}
    keys["zones"]["table"] = {"kind": "keep_out", "shape": plane, "margin": 0.01, "links": ["left_rubber_hand"]}
    file = directory / "g1.yaml"
    file.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    return file


HEIGHTS = {"panda": 0.0, "g1": -0.23}
"""Of the table, [m]."""


@dataclass(frozen=True)
class RecordedBoot:
    """A log and what really happened.

    Attributes:
        configuration: its file.
        path: the log.
        low: the pose that the stream went for.
        stop: the decision that stopped the stream.
        commanded: set-point that was sent last before it.
        decisions: all of them.
    """

    configuration: Path
    path: Path
    low: dict[str, float]
    stop: Decision
    commanded: tuple[float, ...]
    decisions: tuple[Decision, ...]


def record(directory: Path, file: Path = CONFIGURATION) -> RecordedBoot:
    configuration = load_config(file)
    # The joints of one group of the source: an arm.
    members = list(configuration.robot.groups[configuration.source("planner").groups[0]])
    start = np.array(configuration.robot.start)
    home = start[members]
    low = LOW if file is CONFIGURATION else home + np.array([0.0, 0.0, 0.0, 0.4, 0.0, 0.0, 0.0])
    supervisor = Supervisor(configuration)
    script = BootScript(configuration, "ada")
    feed = EventFeed(directory, describe_boot(configuration, "ada", "ada"))
    names, period = tuple(configuration.robot.joints[member] for member in members), configuration.timing.period
    sent, robot = tuple(start.tolist()), tuple(start.tolist())
    decisions: list[Decision] = []
    stop: tuple[Decision, tuple[float, ...]] | None = None
    count = 0
    for cycle in range(1500):
        now = 1_000_000_000 + cycle * period
        events = list(script.begin(now)) if cycle == 0 else []
        events.append(script.measure(now, robot))
        if cycle == 120:
            events.append(script.reset(now))
        if cycle == 130:
            events.append(script.start(now))
        if cycle == 135:
            target = (math.nan, *home[1:].tolist())
            events.append(StreamCommand(now, "planner", names, target, (), 0, 0, now, "", ""))
        if cycle >= 140 and (cycle - 140) * period >= count * 10_000_000 and stop is None:
            share = min(1.0, count / 400)
            count += 1
            smooth = share**3 * (10 - 15 * share + 6 * share**2)
            target = tuple((home + smooth * (low - home)).tolist())
            events.append(StreamCommand(now, "planner", names, target, (), 0, 0, now, "", ""))
        events.append(script.tick(now))
        for event in events:
            effects = supervisor.handle(event)
            feed.record(event, effects)
            before = sent
            for effect in effects:
                if isinstance(effect, Actuate):
                    sent = effect.positions
                elif isinstance(effect, Decision):
                    decisions.append(effect)
                    if effect.pose and stop is None:
                        stop = effect, before
        robot = sent
        feed.flush()
    assert feed.close(30.0)
    assert stop is not None, decisions
    (path,) = directory.glob("*.events.mcap")
    return RecordedBoot(file, path, dict(zip(names, low.tolist(), strict=True)), *stop, tuple(decisions))
