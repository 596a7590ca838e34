"""Reads the event log of a run: replays it, and finds in it what the motors were sent during each good act."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from safety_supervisor import Supervisor
from safety_supervisor.core.effects import Actuate, Effect
from safety_supervisor.core.events import Event, Tick
from safety_supervisor.core.output_settings import OutputType
from safety_supervisor.core.settings import Configuration
from safety_supervisor.evidence.event_log import SUFFIX, EventLog, LogError
from safety_supervisor.evidence.replay import ReplayReport, recorded_configuration, replay
from safety_supervisor_sim.demo.judge import Replayed
from safety_supervisor_sim.demo.unchanged import Arrival, Output, find

NANO: Final = 1_000_000_000
DELAY: Final = NANO // 2
"""How long a message may be on its way on a busy machine, [ns]."""


@dataclass
class Recording:
    """One boot, run again.

    Attributes:
        replayed: whether every effect came out again.
        report: all that the replay found.
        actuates: every set-point of the boot, in order.
        cycles: control cycles.
        missed_cycles: cycles that began more than one period late.
    """

    replayed: Replayed
    configuration: Configuration
    report: ReplayReport | None = None
    actuates: list[Actuate] = field(default_factory=list)
    cycles: int = 0
    missed_cycles: int = 0

    def output(self, since: int, until: int) -> list[Actuate]:
        """Set-points of the cycles between two instants of the steady clock, [ns]."""
        first = bisect_left(self.actuates, since, key=lambda actuate: actuate.at)
        last = bisect_right(self.actuates, until, key=lambda actuate: actuate.at)
        return self.actuates[first:last]


def find_log(directory: Path) -> Path | None:
    """Return the newest boot's log in a directory; None when there is none."""
    logs = sorted(directory.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
    return logs[-1] if logs else None


def run_again(path: Path) -> Recording:
    """Replay a log.

    Raises:
        LogError, ConfigurationError, OSError: it can not be replayed.
    """
    log = EventLog(path)
    configuration = recorded_configuration(log.header)
    recording = Recording(Replayed(0, False), configuration)
    period = configuration.timing.period

    def seen(index: int, event: Event, effects: tuple[Effect, ...]) -> None:
        if isinstance(event, Tick):
            recording.cycles += 1
            recording.missed_cycles += event.at - event.scheduled > period
        recording.actuates += [effect for effect in effects if isinstance(effect, Actuate)]

    report = recording.report = replay(log, Supervisor(configuration), seen=seen)
    detail = ""
    if report.divergence is not None:
        detail = f"event {report.divergence.index}, {type(report.divergence.event).__name__}"
    elif report.gap is not None:
        detail = f"{report.gap.events} events are missing"
    elif not report.same:
        detail = f"the log is {report.tail} after {report.events} events"
    recording.replayed = Replayed(report.events, report.same, detail)
    return recording


def arrivals(recording: Recording, results: Sequence[Mapping[str, Any]]) -> dict[str, Arrival]:
    """Look for the set-points of each good act on the output of its time.

    What the motors' topic carried has to be what the replay says, bit for bit: then the replay's velocities and
    accelerations are those of the real output.
    """
    found = {}
    for result in results:
        facts = result["facts"]
        if "set_points" not in facts:
            continue
        # Of a motion that was begun again after a late stop, the last beginning counts.
        actuates = recording.output(facts["began_ns"], result["ended_ns"])
        arrival = find(np.array(facts["set_points"]), facts["period"], _as_output(recording, actuates))
        # A message that was sent just before may be heard just after the beginning.
        sent = recording.output(facts["began_ns"] - DELAY, result["ended_ns"])
        doubt = _doubt(recording.configuration.outputs[0].type, sent, facts["output"])
        found[result["name"]] = replace(arrival, doubt=doubt)
    return found


def _as_output(recording: Recording, actuates: Sequence[Actuate]) -> Output:
    size = len(recording.configuration.robot.joints)

    def stacked(name: str) -> Any:
        return np.array([getattr(actuate, name) for actuate in actuates]).reshape(len(actuates), size)

    period = recording.configuration.timing.period / NANO
    return Output(stacked("positions"), stacked("velocities"), stacked("accelerations"), period)


def _doubt(kind: OutputType, actuates: Sequence[Actuate], rows: Sequence[Sequence[float]]) -> str:
    """Compare messages on the motors' topic with the decided set-points; say how they differ."""
    if not rows:
        return "no message was heard on the motors' topic"
    name = "velocities" if kind is OutputType.JOINT_VELOCITY else "positions"
    known = {tuple(getattr(actuate, name)) for actuate in actuates}
    # A message with the horizon begins where the controller is: after a missed cycle, on the kept stop.
    known |= {actuate.before.positions for actuate in actuates if actuate.before is not None}
    foreign = [index for index, row in enumerate(rows) if tuple(row) not in known]
    if not foreign:
        return ""
    where = f"the first is number {foreign[0]}"
    return f"{len(foreign)} of {len(rows)} messages on the motors' topic are no decided set-points, {where}"


__all__ = ["LogError", "Recording", "arrivals", "find_log", "run_again"]
