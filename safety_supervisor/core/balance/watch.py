"""The balance of a robot that stands, watched once a cycle: how it stands, and whether it still does.

What is commanded is judged step by step by `checks.balance_step`. Here the robot is judged as it is: a push, a foot
that slides off or a silent sensor is a stop though no command broke a rule.

What is commanded keeps `balance.margin`, half of which tracking errors may use up: with less than that half left the
measured robot is no longer what was proven, and stops. With `balance.fall` a robot falls that was seen standing, when
its capture point left the polygon by more than `balance.margin`, or its base tilts or tips over too far or too fast,
for `fall.after`: one wrong message of a sensor must not let it drop. Nor must a foot that a stop unloads for a moment,
or whose sensor is stuck: while the base hardly tips, a foot that lies level on the ground bears as soon as it has to.

Requirements: SR-034, SR-036.
"""

from __future__ import annotations

from typing import Final

from safety_supervisor.core.balance.model import Unjudged, Unknown
from safety_supervisor.core.balance.settings import BalanceSettings, FallSettings
from safety_supervisor.core.balance.standing import Stance
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.inputs import Inputs
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.units import Nanoseconds, seconds
from safety_supervisor.core.verifier import Verifier

LEFT: Final = 0.5
"""Share of `balance.margin` that the measured robot has to have."""
CAUGHT: Final = 0.5
"""A base that tips faster is not caught by a foot that lies on the ground and does not bear yet, [rad/s]; 5 cm beyond
an edge a G1 that was at rest tips so fast after some 0.4 s."""


class BalanceWatch:
    """Watches the balance, where `balance` is configured.

    Attributes:
        told: what is known of it, for people.
        stood: whether the robot was seen standing since it was let go last.
        fallen: whether it fell since.
    """

    def __init__(self, configuration: Configuration, verifier: Verifier, inputs: Inputs) -> None:
        """Start with balance unknown; without `balance` there is nothing to lose."""
        settings = configuration.balance
        self._settings: BalanceSettings | None = settings
        self._verifier = verifier
        self._inputs = inputs
        self._least = 0.0 if settings is None else LEFT * settings.margin
        self.told = "not watched" if settings is None else "unknown"
        self.stood = self.fallen = False
        self._losing: Nanoseconds = 0
        self._seen: Nanoseconds = 0
        self._blind: Nanoseconds = 0
        self._news: list[Violation] = []

    def look(self, now: Nanoseconds, state: State, moves: bool) -> set[Code]:
        """Judge the robot as it is, once a cycle; what is found is noted as conditions, and steps are judged by it.

        Args:
            now: steady clock, [ns].
            state: of the supervisor.
            moves: whether anything is commanded to move.

        Returns:
            Causes of a stop of this moment: a fall, or balance unknown for too long.
        """
        check, footing = self._verifier.balance, self._inputs.footing
        if check is None or footing is None:
            return set()
        measured, note = self._inputs.measured, self._inputs.conditions.note
        missing = measured.missing() or measured.stale(now)
        why = f"joint {missing} is not measured" if missing else footing.wrong()
        found = check.standing.stand_turning(
            now, footing.orientation, footing.angular, footing.observed, footing.contacts,
            measured.positions, measured.velocities,
        )  # fmt: skip
        footing.seen()
        # Feet that all are known to be in the air say that somebody lifted it.
        lifted = not why and isinstance(found, Unjudged) and found.reason is Unknown.NO_CONTACT
        if not why and isinstance(found, Unjudged):
            why = f"{found.reason.value} {found.detail}".strip()
        if why or isinstance(found, Unjudged):
            check.forget()
            self.told = f"unknown: {why}"
            stance = None
        else:
            check.stand(found, rests=not moves and measured.rests(now))
            self.told = f"{found.margin.value:.3f} m"
            note(Code.BALANCE, not found.margin.value >= self._least)
            stance = found
        note(Code.BALANCE_UNKNOWN, bool(why))
        return self._losses(now, state, stance, "" if lifted else why)

    def note(self, violation: Violation) -> None:
        """Tell a violation with the next news."""
        self._news.append(violation)

    def take(self) -> list[Violation]:
        """Return what was lost since this was asked last, with what was measured."""
        news, self._news = self._news, []
        return news

    def _losses(self, now: Nanoseconds, state: State, stance: Stance | None, why: str) -> set[Code]:
        settings = self._settings
        if settings is None or settings.fall is None or settings.ladder is None:
            return set()
        if self._inputs.limp or state is State.INIT:
            self.stood = self.fallen = False
            self._losing = self._blind = 0
            return set()
        self.stood |= stance is not None and stance.margin.value >= self._least
        self._blind = 0 if not why else self._blind or now
        if not self.stood or self.fallen:
            return set()
        if self._falls(now, settings.fall, stance, settings.margin):
            self.fallen = True
            return {Code.FALL}
        if self._blind and now - self._blind > settings.ladder.unknown:
            age, limit = seconds(now - self._blind), seconds(settings.ladder.unknown)
            if state is not State.STOPPING:
                self.note(Violation(Code.BALANCE_BLIND, "balance.ladder.unknown", age, limit, detail=why))
            return {Code.BALANCE_BLIND}
        return set()

    def _falls(self, now: Nanoseconds, fall: FallSettings, stance: Stance | None, margin: float) -> bool:
        """Whether what shows a fall has lasted; what is unknown meanwhile neither shows nor denies it."""
        footing = self._inputs.footing
        lean = None if footing is None else footing.lean(now)
        tilt, rate = lean or (0.0, 0.0)
        caught = lean is not None and rate <= CAUGHT
        left = 0.0 if stance is None else -(stance.on_ground if caught else stance.margin.value)
        shown = [
            (value, limit)
            for value, limit in ((left, margin), (tilt, fall.tilt), (rate, fall.rate))
            if not value <= limit
        ]
        if not shown:
            if stance is not None and lean is not None:
                self._losing = 0
            return False
        if not self._losing or now - self._seen > fall.after:
            self._losing = now
        self._seen = now
        if now - self._losing < fall.after:
            return False
        known = f"{self.told} to the polygon's edge" if stance is not None else self.told
        leans = f"tilt {tilt:.3f} rad, tipping at {rate:.3f} rad/s" if lean else "tilt unknown"
        self.note(Violation(Code.FALL, "balance.fall", *shown[0], detail=f"{leans}, capture point {known}"))
        return True
