"""A boot of the real supervisor that is worth replaying: motion, a refusal, the emergency stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

from safety_supervisor import Supervisor
from safety_supervisor.boot_script import BootScript
from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.effects import Actuate, Effect, Status
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import Event, StreamCommand, Tick
from safety_supervisor.core.settings import Configuration
from safety_supervisor.evidence.feed import EventFeed, describe_boot

CONFIGURATION = Path(__file__).resolve().parents[2] / "config" / "panda.yaml"


Sign = Callable[[OperatorAct, int], OperatorAct]
"""Makes a person's act of an unsigned one and the epoch that is told."""


def play(
    supervisor: Supervisor, configuration: Configuration, sign: Sign | None = None, smooth: bool = False
) -> Iterator[tuple[Event, tuple[Effect, ...]]]:
    """Arm, move by streamed set-points, send a NaN, press the e-stop; the robot follows what it is sent.

    Joints that are observed, the last ones, drift by themselves until they have gone too far. A smooth stream comes as
    fast as its source says, and gets through; else each set-point is late.
    """
    epoch = count = 0
    home, others = configuration.robot.start, configuration.robot.observed
    assert home is not None
    script, robot = BootScript(configuration, "b"), home
    period, ours = configuration.timing.period, len(home) - len(others)
    # One of the groups that the source may command.
    members = configuration.robot.groups[configuration.source("planner").groups[0]]
    names = tuple(configuration.robot.joints[member] for member in members)
    held = [home[member] for member in members]
    for cycle in range(450):
        now = 1_000_000_000 + cycle * period
        events = list(script.begin(now)) if cycle == 0 else []
        drift = tuple(home[index] + 4e-5 * cycle for index in others)
        events.append(script.measure(now, (*robot[:ours], *drift)))
        if cycle == 120:
            events.append(script.reset(now))
        if cycle == 130:
            events.append(script.start(now))
        since = (cycle - 140) * period
        if 140 <= cycle < 400 and (since >= count * 10_000_000 if smooth else cycle % 5 == 0):
            shift = 0.05 * (1 - math.cos(count * 0.02 if smooth else since / 1e9 * 2))
            count += 1
            target = (held[0] + (math.nan if cycle == 300 else shift), *held[1:])
            events.append(StreamCommand(now, "planner", names, target, (), 0, 0, now, "", ""))
        events.append(Tick(now, now, EstopInput("stop" if cycle > 420 else "run", received_at=now)))
        for event in events:
            if sign is not None and isinstance(event, OperatorAct):
                event = sign(event, epoch)
            effects = supervisor.handle(event)
            for effect in effects:
                if isinstance(effect, Actuate):
                    robot = effect.positions
                elif isinstance(effect, Status):
                    epoch = effect.epoch
            yield event, effects


def record(configuration: Configuration, place: Path, sign: Sign | None = None, smooth: bool = False) -> Path:
    supervisor = Supervisor(configuration)
    feed = EventFeed(place, describe_boot(configuration, "b", "b"))
    for event, effects in play(supervisor, configuration, sign, smooth):
        feed.record(event, effects)
        feed.flush()
    assert feed.close(30.0)
    (path,) = place.glob("*.events.mcap")
    return path
