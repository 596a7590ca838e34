"""People, watched once a cycle: whether they are known, whether the separation is kept, and how fast the robot may be.

What is commanded is judged step by step by `checks.separation`. Here the robot is judged as it is, set-points and
measurement: a person who came nearer than anybody walks, or out of nowhere, is a stop though no command broke a rule.

AUTO/REDUCED begins where a robot at full speed could only just stop, and ends by itself after two seconds beyond that
and a margin. Nothing else here ends without a person.

Requirements: SR-028, SR-033, SR-036; REDTEAM 54.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from safety_supervisor.core.checks.separation import SeparationCheck
from safety_supervisor.core.conditions import Conditions
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.measured import MeasuredState
from safety_supervisor.core.motion import Motion
from safety_supervisor.core.safety_state import SafetyState
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.state_table import AUTO, State
from safety_supervisor.core.types import Humans, HumansEndpoints
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, seconds
from safety_supervisor.core.verifier import Rules

CLEAR_FOR: Final[Nanoseconds] = 2 * NS_PER_S
"""So long a robot at full speed must have been possible before REDUCED ends, [ns]."""

_MOVES: Final = frozenset({*AUTO, State.STOPPING})


class SeparationWatch:
    """Watches people, where `separation` is configured."""

    def __init__(self, configuration: Configuration, check: SeparationCheck | None, conditions: Conditions) -> None:
        """Start with nothing heard; without a check nobody is watched."""
        self._check = check
        self._conditions = conditions
        self._envelope = configuration.envelope
        self._dt = seconds(configuration.timing.period)
        self._refused: Code | None = None
        self._near: Nanoseconds = 0
        self._permits_full = True
        self._told = "not watched" if check is None else "unknown"

    def rules(self, state: State) -> Rules:
        """Return what holds for the next step."""
        envelope = self._envelope
        match state:
            case State.MANUAL:
                return Rules(envelope.manual_frame_speed)
            case State.RECOVERY:
                return Rules(envelope.recovery_frame_speed, recovery=True)
            case State.AUTO_REDUCED:
                return Rules(envelope.frame_speed, separated=True, reduced=envelope.reduced)
            case _:
                return Rules(envelope.frame_speed, separated=True)

    def take(self, event: Humans) -> Violation | None:
        """Take where people are; return what is wrong with the message, once while it stays the same."""
        if self._check is None:
            return None
        refusal = self._check.people.take(event)
        before, self._refused = self._refused, None if refusal is None else refusal.code
        self._note_unknown(event.at)
        return None if self._refused is before else refusal

    def take_publishers(self, event: HumansEndpoints) -> set[Code]:
        """Take who tells; return the cause of a stop at once."""
        if self._check is None:
            return set()
        replaced = self._check.people.publishers(event)
        self._note_unknown(event.at)
        return {Code.PEOPLE_UNKNOWN} if replaced else set()

    def _note_unknown(self, now: Nanoseconds) -> None:
        assert self._check is not None
        self._conditions.note(Code.PEOPLE_UNKNOWN, bool(self._check.people.unknown(now)))

    def look(self, now: Nanoseconds, state: State, motion: Motion | None, measured: MeasuredState) -> set[Code]:
        """Judge the robot as it is, once a cycle; what lasts is noted as conditions.

        Args:
            now: [ns].
            state: of the supervisor.
            motion: where the robot was told to be, and its kept stop; None while that is not known yet.
            measured: where it is.

        Returns:
            Causes of a stop at once: a distance that is not finite.
        """
        check = self._check
        if check is None:
            return set()
        self._note_unknown(now)
        if motion is None:
            return set()
        check.begin(now, motion.state[0])
        # First, since it asks the pose from which most of the rest is known.
        self._permits_full = check.permits_full(
            motion.state[0], check.hysteresis if state is State.AUTO_REDUCED else 0.0
        )
        stop, elapsed = motion.kept, max(0.0, (motion.tick - motion.kept_tick) * self._dt)
        q = measured.positions
        if not check.people.old(now) and check.surely_keeps(q, stop, elapsed):
            lost = False
        else:
            least = np.minimum(check.rooms(stop, elapsed), check.rooms_at(q, max(0.0, stop.duration - elapsed)))
            if not np.isfinite(least).all():
                return {Code.NOT_FINITE_RESULT}
            inside = np.array((least < 0.0).any(axis=0))
            lost = bool(inside.any())
            # Where nothing moves, the person who resets has a view of the cell: then time alone forgets.
            check.people.forget(now, inside & (state in _MOVES))
        self._conditions.note(Code.SEPARATION, lost)
        self._tell(now)
        return set()

    def _tell(self, now: Nanoseconds) -> None:
        assert self._check is not None
        unknown = self._check.people.unknown(now)
        self._told = f"unknown: {unknown}" if unknown else f"{len(self._check.people.points)} points"

    @property
    def told(self) -> str:
        """What is known of people, for people."""
        return self._told

    def steer(self, state: SafetyState, now: Nanoseconds) -> None:
        """Enter or leave AUTO/REDUCED."""
        if not self._permits_full:
            self._near = now
            state.reduce(now)
        elif state.state is State.AUTO_REDUCED and now - self._near >= CLEAR_FOR:
            state.restore(now)
