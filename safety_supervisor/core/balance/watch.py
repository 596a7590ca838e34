"""The balance of a robot that stands, watched once a cycle: how it stands, and whether it still does.

What is commanded is judged step by step by `checks.balance_step`. Here the robot is judged as it is: a push, a foot
that slides off or a silent sensor is a stop though no command broke a rule.

What is commanded keeps `balance.margin`, half of which tracking errors may use up: with less than that half left the
measured robot is no longer what was proven, and stops.

Requirements: SR-034, SR-036.
"""

from __future__ import annotations

from typing import Final

from safety_supervisor.core.balance.model import Unjudged
from safety_supervisor.core.errors import Code
from safety_supervisor.core.inputs import Inputs
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.core.verifier import Verifier

LEFT: Final = 0.5
"""Share of `balance.margin` that the measured robot has to have."""


class BalanceWatch:
    """Watches the balance, where `balance` is configured.

    Attributes:
        told: what is known of it, for people.
    """

    def __init__(self, configuration: Configuration, verifier: Verifier, inputs: Inputs) -> None:
        """Start with balance unknown; without `balance` there is nothing to lose."""
        settings = configuration.balance
        self._verifier = verifier
        self._inputs = inputs
        self._least = 0.0 if settings is None else LEFT * settings.margin
        self.told = "not watched" if settings is None else "unknown"

    def look(self, now: Nanoseconds) -> None:
        """Judge the robot as it is, once a cycle; what is found is noted as conditions, and steps are judged by it."""
        check, footing = self._verifier.balance, self._inputs.footing
        if check is None or footing is None:
            return
        measured, note = self._inputs.measured, self._inputs.conditions.note
        missing = measured.missing() or measured.stale(now)
        why = f"joint {missing} is not measured" if missing else footing.wrong()
        found = check.standing.stand_turning(
            now, footing.orientation, footing.angular, footing.observed, footing.contacts,
            measured.positions, measured.velocities,
        )  # fmt: skip
        footing.seen()
        if not why and isinstance(found, Unjudged):
            why = f"{found.reason.value} {found.detail}".strip()
        if why or isinstance(found, Unjudged):
            check.forget()
            self.told = f"unknown: {why}"
        else:
            check.stand(found)
            self.told = f"{found.margin.value:.3f} m"
            note(Code.BALANCE, not found.margin.value >= self._least)
        note(Code.BALANCE_UNKNOWN, bool(why))
