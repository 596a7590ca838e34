"""Limiting: a stream that would be refused goes slower along its own path instead, where it is configured.

A step is limited when it, or a stop that begins a moment later (the lead), does not verify. The lead is what makes
room to brake in: at the very edge only the kept stop is left. Then the greatest pace is searched by bisection, with a
bounded number of trials, which ask again only what was broken, and the step that is sent is verified as every step is:
with the stop that is kept. Where nothing of the path verifies, or next to nothing, the kept stop runs.

Slower does not help a set-point that is itself too lively: what breaks the joint envelope at its own pace is refused as
ever. Nor are trajectories limited: they are verified whole, before they are played. Requirements: SR-026, SR-031.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from safety_supervisor.core.checks.envelope import ENVELOPE
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.motion.lane import Lane
from safety_supervisor.core.motion.pace import Pace
from safety_supervisor.core.motion.trajectory import limits_of
from safety_supervisor.core.notes import Note
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Matrix, seconds
from safety_supervisor.core.verifier import Rules, Verified, Verifier

TRIALS: Final = 3
"""Trials of one bisection."""

_HARDEST: Final = (0.0, 0.25)
"""Shares of what is left when no pace leaves the lead: to brake, or nearly so where that itself would be too lively."""

LEAST: Final = 1.0 / 64.0
"""A lower pace is standstill: the kept stop runs."""

_NEVER: Final = frozenset({Code.NOT_FINITE_RESULT, Code.PEOPLE_UNKNOWN, Code.BALANCE_UNKNOWN})
"""What no pace changes."""


class Limiter:
    """Finds the pace of streams that may be limited."""

    def __init__(self, configuration: Configuration, verifier: Verifier) -> None:
        """Prepare for the sources that the configuration names; for none it is never asked."""
        settings, limits = configuration.limiting, configuration.envelope.joints
        self._limits = limits
        self._sources = frozenset(() if settings is None else settings.sources)
        self._behind = 0.0 if settings is None else seconds(settings.behind)
        self._verifier = verifier
        self._double = verifier.double()
        self._dt = seconds(configuration.timing.period)
        # Until the braking is felt: three cycles, and the jerk with which it is built up and given back.
        self._lead = 3.0 * self._dt + 2.0 * float((limits.acceleration / limits.jerk).max())
        self._why: dict[str, Violation] = {}
        self._notes: list[Note] = []

    def forget(self) -> None:
        """Begin anew, at another pose."""
        self._double.forget()
        self._why.clear()

    def waits_with(self, violation: Violation, source: str) -> bool:
        """Whether what the end of a segment breaks is judged only when it comes near: its stream may go slower."""
        return violation.code is Code.POSITION_LIMIT and source in self._sources

    def pace(self, source: str, lane: Lane) -> Pace | None:
        """Return the pace at which a lane plays a source's stream, or None where that may not be slowed down."""
        if source not in self._sources:
            return None
        return lane.pace or Pace(limits_of(self._limits, lane.indices), self._dt)

    def take(self, lanes: Iterable[Lane]) -> tuple[Note, ...]:
        """Keep the paces of the steps that are sent in this cycle, and return what was limited."""
        for lane in lanes:
            if lane.pace is not None and lane.stream is not None:
                lane.pace.take(lane.stream)
        notes, self._notes = self._notes, []
        return tuple(notes)

    def judge(
        self, tick: int, history: Matrix, state: Matrix, rules: Rules, lanes: list[Lane]
    ) -> tuple[Matrix, Verified | Violation]:
        """Verify a step, or a slower one.

        Args:
            tick: the cycle.
            history: the last HISTORY set-points, shape (3, n), [rad].
            state: all joints, these lanes' at the greatest pace, shape (3, n).
            rules: of the present state of the supervisor.
            lanes: all that move, all of them with a pace.

        Returns:
            The state that was verified, with its stop; or the state as it came, and what is broken.
        """
        verify = self._verifier.verify
        if self._verifier.leaving or not self._may(lanes, tick):
            return state, verify(history, state, rules)
        broken = self._led(state, rules)
        own = all(pace.full for pace in _paces(lanes))
        outcome: Verified | Violation | None = None
        if broken is None or broken.code in _NEVER or (own and broken.code in ENVELOPE):
            outcome = verify(history, state, rules)
            if isinstance(outcome, Verified):
                self._note(lanes, None)
                return state, outcome
            if outcome.code in _NEVER or (own and outcome.code in ENVELOPE):
                return state, outcome
            broken = outcome
        for share in (*self._search(tick, state, rules, lanes), *_HARDEST):
            slower = self._place(tick, state, lanes, share)
            if slower is not None and max(pace.tried for pace in _paces(lanes)) >= LEAST:
                judged = verify(history, slower, rules)
                if isinstance(judged, Verified):
                    self._note(lanes, broken)
                    return slower, judged
                if judged.code in _NEVER:
                    return state, judged
                if share == 0.0 and judged.code not in ENVELOPE:
                    break
        self._place(tick, state, lanes, 1.0)
        if outcome is None:  # what verifies at its own pace is never refused here
            outcome = verify(history, state, rules) if own else broken
        return state, outcome

    def _may(self, lanes: list[Lane], tick: int) -> bool:
        """Whether all paths are known as far as the step, and none is too far behind what was sent."""
        t = tick * self._dt
        for lane in lanes:
            assert lane.pace is not None
            if not lane.pace.open or lane.stream is None:
                return False
            if (
                lane.pace.behind > 0.0
                and lane.stream.end_time - lane.stream.delay > t - lane.pace.behind + self._behind
            ):
                return False
        return True

    def _led(self, state: Matrix, rules: Rules) -> Violation | None:
        """Return what a stop breaks that begins only after the lead, on trial."""
        return self._double.breaks(self._after_lead(state), rules)

    def _after_lead(self, state: Matrix) -> Matrix:
        v = state[1]
        return np.stack([state[0] + self._lead * v, v, np.zeros_like(v)])

    def _search(self, tick: int, state: Matrix, rules: Rules, lanes: list[Lane]) -> tuple[float, ...]:
        """Return the greatest share that leaves the lead, by bisection, where one was found: for all lanes the same."""
        best, share = 0.0, 0.5
        for trial in range(TRIALS):
            slower = self._place(tick, state, lanes, share)
            passes = slower is not None and self._double.mends(self._after_lead(slower), rules)
            best = share if passes else best
            share += (1.0 if passes else -1.0) * 0.5 ** (trial + 2)
        return (best,) if best > 0.0 else ()

    def _place(self, tick: int, state: Matrix, lanes: list[Lane], share: float) -> Matrix | None:
        """Return the state of all joints with a slower step of these lanes, shape (3, n)."""
        slower: Matrix = state.copy()
        for lane in lanes:
            assert lane.pace is not None
            assert lane.stream is not None
            part = lane.pace.step(lane.stream, tick * self._dt, share)
            if part is None:
                return None
            slower[:, lane.indices] = part
        return slower

    def _note(self, lanes: list[Lane], broken: Violation | None) -> None:
        """Note what goes slower than its own pace, and why; it also does while it regains it."""
        for lane in lanes:
            assert lane.pace is not None
            if lane.pace.tried == 1.0:
                self._why.pop(lane.name, None)
                continue
            why = broken or self._why.get(lane.name)
            if why is not None:
                self._why[lane.name] = why
                self._notes.append(Note(lane.source, lane.motives()[0].command, why.code, why, share=lane.pace.tried))


def _paces(lanes: list[Lane]) -> list[Pace]:
    return [lane.pace for lane in lanes if lane.pace is not None]
