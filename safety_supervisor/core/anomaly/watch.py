"""Watches the sources that the configuration names a baseline for: a score for each, and why.

It sees what the supervisor commanded and ruled, never what a source says of itself. It only ever adds a reason to
refuse or to stop: nothing passes because of a low score, and the score of a source that is not watched is 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from safety_supervisor.core.anomaly.baseline import SLOT, AnomalySettings, Scale
from safety_supervisor.core.anomaly.windows import COUNTERS, Windows, rows_of
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.motion.lane import Lane
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import NS_PER_S, Matrix, Nanoseconds

HOLD: Final[Nanoseconds] = 5 * NS_PER_S
"""A score is told for so long after the window that had it: whoever may act again at once begins again at once."""
_STEP: Final = 0.25
"""Scores are told rounded to this, so that a policy is not asked anew for every change."""
_HIGHEST: Final = 100.0
_RATE, _STARTS, _TAKEOVERS, _CANCELS, _REFUSALS = range(len(COUNTERS))


@dataclass
class _Watched:
    settings: AnomalySettings
    windows: Windows
    scale: Scale
    number: int
    told: float = 0.0
    why: str = ""
    until: Nanoseconds = 0
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A source whose behaviour has passed `stop_at`."""

    source: str
    violation: Violation


class AnomalyWatch:
    """Scores of all sources that are watched.

    Attributes:
        told: by source, the score as policies and people are told it; only sources that are watched.
    """

    def __init__(self, configuration: Configuration) -> None:
        """Begin with nothing seen."""
        self.told: dict[str, float] = {}
        period, robot = configuration.timing.period, configuration.robot
        self._groups = robot.groups or {"all": tuple(range(len(robot.joints)))}
        self._lane_of = np.empty(len(robot.joints), dtype=np.intp)
        for number, group in enumerate(self._groups.values()):
            self._lane_of[list(group)] = number
        self._watched: dict[str, _Watched] = {}
        for source in configuration.sources:
            if source.anomaly is not None:
                joints = np.array(sorted(j for name in source.groups for j in self._groups[name]), dtype=np.intp)
                windows = Windows(joints, configuration.envelope.joints, period, source.period)
                scale = Scale(source.anomaly.baseline)
                self._watched[source.name] = _Watched(source.anomaly, windows, scale, len(self._watched))
                self.told[source.name] = 0.0
        room = rows_of(period) if self._watched else 0
        self._states = np.zeros((room, 3, len(robot.joints)))
        self._owners = np.full((room, len(self._groups)), -1, dtype=np.int8)
        self._streams = np.zeros((room, len(self._groups)), dtype=np.bool_)
        self._rows = 0
        self._slot_ends: Nanoseconds = 0
        self._last_owner = [""] * len(self._groups)
        self._findings: list[Finding] = []

    # --- what happens

    def command(self, source: str) -> None:
        """A source streamed a set-point that it may send."""
        self._count(source, _RATE)

    def began(self, source: str) -> None:
        """A motion of a source begins."""
        self._count(source, _STARTS)

    def cancelled(self, source: str) -> None:
        """A source cancelled its trajectory."""
        self._count(source, _CANCELS)

    def refused(self, source: str, violation: Violation, count: int) -> None:
        """Commands of a source were refused by its own mistake; what a policy denies is not one.

        Else a score would deny, and the denials keep the score up.
        """
        if violation.code not in (Code.POLICY, Code.POLICY_ERROR):
            self._count(source, _REFUSALS, count)

    def _count(self, source: str, which: int, count: int = 1) -> None:
        watched = self._watched.get(source)
        if watched is not None:
            watched.windows.counting[which] += count

    def cycle(self, now: Nanoseconds, state: Matrix, lanes: Iterable[Lane], permitted: bool) -> None:
        """Take what was commanded in a cycle, when its set-point is on its way.

        Args:
            now: of the cycle, [ns].
            state: commanded positions, velocities and accelerations, shape (3, n).
            lanes: of all groups, in the configuration's order.
            permitted: whether the robot is in AUTO. Elsewhere nobody is judged: stopped, nothing moves by itself; in
                MANUAL and RECOVERY a person holds the robot, and slow jogging out of a corner must not be cut off.
        """
        if not self._watched:
            return
        if now >= self._slot_ends or self._rows == len(self._states):
            self._slot_ends += SLOT
            if now >= self._slot_ends:  # nothing came for long
                self._slot_ends = now + SLOT
            self._judge(now)
        if not permitted:
            self._settle()
            return
        row = self._rows
        owners, streams = self._owners[row], self._streams[row]
        for number, lane in enumerate(lanes):
            owner = lane.source
            watched = self._watched.get(owner)
            owners[number] = -1 if watched is None else watched.number
            streams[number] = lane.stream is not None
            if owner and owner != self._last_owner[number]:
                if watched is not None and self._last_owner[number]:
                    watched.windows.counting[_TAKEOVERS] += 1
                self._last_owner[number] = owner
        self._states[row] = state
        self._rows = row + 1

    def _settle(self) -> None:
        """Judge nothing that is not settled yet: the robot has left AUTO."""
        for watched in self._watched.values():
            watched.windows.forget()
        self._findings.clear()
        self._rows = 0

    def forget(self) -> None:
        """A person has reset: what was before is settled. The baseline stays what it is."""
        self._settle()
        for name, watched in self._watched.items():
            watched.told, watched.why, watched.until, watched.cut_off = 0.0, "", 0, False
            self.told[name] = 0.0

    # --- what comes of it

    def take(self) -> list[Finding]:
        """Return sources that have passed their `stop_at` since, each once until a person resets."""
        found, self._findings = self._findings, []
        return found

    @property
    def reasons(self) -> tuple[tuple[str, float, str], ...]:
        """Source, score as it is told, and the reason, empty where there is none."""
        return tuple((name, watched.told, watched.why) for name, watched in self._watched.items())

    def _judge(self, now: Nanoseconds) -> None:
        """End the slot, and score each source's window."""
        rows, self._rows = self._rows, 0
        states, owners, streams = self._states[:rows], self._owners[:rows], self._streams[:rows]
        for name, watched in self._watched.items():
            held = owners == watched.number
            watched.windows.close(states, held[:, self._lane_of], (streams & held).any(axis=1))
            score, why = 0.0, ""
            if not watched.windows.idle:
                window = watched.windows.window()
                if watched.settings.listener is not None:
                    watched.settings.listener(window)
                scores = watched.scale.scores(window)
                index = int(scores.argmax())  # of NaN, where there is one
                score, why = float(scores[index]), ""
                if not score <= _HIGHEST:
                    score = _HIGHEST
                if score > 0.0:
                    why = watched.scale.text(index, float(window[index]))
            self._tell(name, watched, max(0.0, score), why, now)

    def _tell(self, name: str, watched: _Watched, score: float, why: str, now: Nanoseconds) -> None:
        # From an alarm on up, so that no comparison of a policy misses it; below down: nothing there is an alarm.
        rounded = (math.ceil if score >= 1.0 else math.floor)(score / _STEP) * _STEP
        if watched.cut_off:
            return  # until a person resets
        if rounded >= watched.told or now >= watched.until:
            watched.told, watched.why, watched.until = rounded, why, now + HOLD
            self.told[name] = rounded
        stop_at = watched.settings.stop_at
        if stop_at is not None and score >= stop_at:
            watched.cut_off = True
            violation = Violation(Code.ANOMALY, "source.anomaly", score, stop_at, detail=why)
            self._findings.append(Finding(name, violation))
