"""The separation from people, watched once a cycle: whether it is kept, and how fast the robot may be.

What is commanded is judged step by step by `checks.separation`. Here the robot is judged as it is, set-points and
measurement: a person who came nearer than anybody walks, or out of nowhere, is a stop though no command broke a rule.

AUTO/REDUCED begins where a robot at full speed could only just stop, and ends by itself after two seconds beyond that
and a margin. Nothing else here ends without a person.

Requirements: SR-028, SR-033, SR-036; REDTEAM 54.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from safety_supervisor.core.bystanders import Bystanders
from safety_supervisor.core.errors import Code
from safety_supervisor.core.inputs import Inputs
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.states.state_table import AUTO, State
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, seconds
from safety_supervisor.core.verifier import Verifier

CLEAR_FOR: Final[Nanoseconds] = 2 * NS_PER_S
"""So long a robot at full speed must have been possible before REDUCED ends, [ns]."""

_MOVES: Final = frozenset({*AUTO, State.STOPPING})


class SeparationWatch:
    """Watches people, where `separation` is configured."""

    def __init__(self, configuration: Configuration, verifier: Verifier, inputs: Inputs) -> None:
        """Let the checks of all tools read where people are; without a check nobody is watched."""
        self._verifier = verifier
        self._inputs = inputs
        for outfit in verifier.outfits.values():
            if outfit.separation is not None and inputs.people is not None:
                outfit.separation.read(inputs.people)
        self._dt = seconds(configuration.timing.period)
        self._near: Nanoseconds = 0
        self._permits_full = True
        self._told = "not watched" if verifier.separation is None else "unknown"
        self._unknown = True

    def look(self, now: Nanoseconds, state: State, motion: Motion | None) -> set[Code]:
        """Judge the robot as it is, once a cycle; what lasts is noted as conditions.

        Args:
            now: [ns].
            state: of the supervisor.
            motion: where the robot was told to be, and its kept stop; None while that is not known yet.

        Returns:
            Causes of a stop at once: a distance that is not finite.
        """
        check, people = self._verifier.separation, self._inputs.people
        if check is None or people is None or motion is None:
            return set()
        check.begin(now, motion.state[0])
        # First, since it asks the pose from which most of the rest is known.
        self._permits_full = check.permits_full(
            motion.state[0], check.hysteresis if state is State.AUTO_REDUCED else 0.0
        )
        stop, elapsed = motion.kept, max(0.0, (motion.tick - motion.kept_tick) * self._dt)
        q = self._inputs.measured.positions
        if not people.old(now) and check.surely_keeps(q, stop, elapsed):
            lost = False
        else:
            least = np.minimum(check.rooms(stop, elapsed), check.rooms_at(q, max(0.0, stop.duration - elapsed)))
            if not np.isfinite(least).all():
                return {Code.NOT_FINITE_RESULT}
            inside = np.array((least < 0.0).any(axis=0))
            lost = bool(inside.any())
            # Where nothing moves, the person who resets has a view of the cell: then time alone forgets.
            people.forget(now, inside & (state in _MOVES))
        self._inputs.conditions.note(Code.SEPARATION, lost)
        self._tell(now, people)
        return set()

    def _tell(self, now: Nanoseconds, people: Bystanders) -> None:
        unknown = people.unknown(now)
        self._unknown = bool(unknown)
        self._told = f"unknown: {unknown}" if unknown else f"{len(people.points)} points"

    @property
    def nearness(self) -> str:
        """What a policy is told of people: `unwatched`, `unknown`, `near` or `clear`."""
        if self._verifier.separation is None:
            return "unwatched"
        if self._unknown:
            return "unknown"
        return "clear" if self._permits_full else "near"

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
