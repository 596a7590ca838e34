"""The stop ladder: how a robot that falls when it goes limp is brought down by an e-stop, a fault or a fall.

Its rungs and what ends each stand in `core/states/ladder_table.py`. It runs while STOPPING, beside the state machine,
which it lets end the stop when the robot needs no power any more. Each rung has a deadline, and none leads upward: that
is a person's act. Clocks alone decide where nothing else is known. Requirement: SR-034.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import numpy as np

from safety_supervisor.core.balance.lowering import Lowering
from safety_supervisor.core.balance.settings import LadderSettings, Posture
from safety_supervisor.core.balance.watch import BalanceWatch
from safety_supervisor.core.decisions import DecisionLog
from safety_supervisor.core.effects import Effect, LadderMode
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.inputs import PEOPLE, Inputs
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.motion.stop_ramp import Ramp
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.ladder_table import DOWNWARD, LIMP, Rung
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.units import Nanoseconds, seconds
from safety_supervisor.core.verifier import Verifier

_LEADS_DOWN: Final = (State.EMERGENCY_STOP, State.FAULT)
_STILL: Final = 0.1
"""A base that turns slower than this lies or sits, [rad/s]: IMUs at rest tell a hundredth of it."""
_THERE: Final = 1e-6
"""[rad]"""


class StopLadder:
    """Goes down the ladder where one is configured; without one it does nothing.

    Attributes:
        rung: where it is.
        descends: whether STOPPING ends by it.
    """

    def __init__(
        self,
        configuration: Configuration,
        state: SafetyState,
        motion: Motion,
        verifier: Verifier,
        inputs: Inputs,
        watch: BalanceWatch,
    ) -> None:
        """Begin with nothing told."""
        balance = configuration.balance
        self._settings: LadderSettings | None = None if balance is None else balance.ladder
        self._configuration = configuration
        self._state = state
        self._motion = motion
        self._verifier = verifier
        self._inputs = inputs
        self._watch = watch
        self.rung = Rung.UNTOLD
        self.descends = self._leads_down = False
        self._since: Nanoseconds = 0
        self._missed = False
        self._refused: Code | None = None
        self._lowering: Lowering | None = None
        self._again: Lowering | None = None
        self._begun = self._played = 0
        line = configuration.estop.line
        self._cuts = line is not None and line.relay_effect != "none"
        self._news: list[LadderMode] = []

    def follow(self, now: Nanoseconds) -> None:
        """Follow the state: begin where it leads down, and be above all of it where a person let the robot move."""
        settings, state = self._settings, self._state
        if settings is None:
            return
        if state.permits_motion and self.rung is not Rung.HOLD:
            self._tell(Rung.HOLD, now, "a person's start")
        stops = state.state is State.STOPPING
        before, self._leads_down = self._leads_down, state.target in _LEADS_DOWN
        self.descends = stops and self._leads_down
        if self._leads_down and not before:
            stands = stops and self._watch.stood and not self._watch.fallen
            # On a rung that is told already, its time begins now.
            self._since, self._missed, self._refused, self._lowering = now, False, None, None
            self._again = None
            self._down(Rung.HOLD if stands else Rung.DAMP, now, state.cause.value if state.cause else "")
        if self._watch.fallen:
            self._down(Rung.DAMP, now, Code.FALL.value)
        state.waits = ""
        if self.rung is Rung.DAMP:
            self._damp(settings, now)
        state.lowers = self._watch.stood and self.rung not in LIMP

    def descend(self, now: Nanoseconds, ramp: Callable[[Nanoseconds], Ramp]) -> set[Code]:
        """Go on with the stop that goes down the ladder.

        Args:
            now: [ns].
            ramp: tells how the kept stop goes.

        Returns:
            What stops the robot thereby.
        """
        settings = self._settings
        assert settings is not None
        match self.rung:
            case Rung.HOLD:
                return self._hold(settings, now, ramp)
            case Rung.LOWER:
                self._lower(now)
            case Rung.OFF:
                self._state.standstill(now)
            case _:
                pass
        self._expire(settings, now)
        return set()

    def endure(self, now: Nanoseconds) -> list[Effect]:
        """Go on by the clock alone, after our own code failed; return what is told."""
        if self._settings is None:
            return []
        # Each by itself: what fails to follow the state must not keep the robot on a rung beyond its deadline. A rung
        # whose time did not begin with this stop has none.
        with suppress(Exception):
            self.follow(now)
        with suppress(Exception):
            if self._leads_down:
                self._expire(self._settings, now)
        return list(self._tellings())

    def take(self, decisions: DecisionLog, now: Nanoseconds) -> list[Effect]:
        """Return what there is to tell, and forget it."""
        lost = [
            decisions.stopped(now, "balance", "", one.code, one.detail, (one.value, one.limit))
            for one in self._watch.take()
        ]
        return [*self._tellings(), *lost]

    def _tellings(self) -> list[LadderMode]:
        told, self._news = self._news, []
        return told

    # --- rungs

    def _hold(self, settings: LadderSettings, now: Nanoseconds, ramp: Callable[[Nanoseconds], Ramp]) -> set[Code]:
        """Let the kept stop run, then look for a verified way down, until the deadline.

        While people may be near it stands as long as it may, so that they can step back. Then it lowers itself all the
        same: nothing but a fall is left otherwise.
        """
        lowering = self._lowering
        if lowering is not None and lowering.done and not self._missed and now - self._since >= settings.hold:
            self._begin(lowering, now, "people are near, and its time is over")
        if self.rung is not Rung.HOLD or self._expire(settings, now) or self._missed:
            return set()
        match ramp(now):
            case Ramp.MISSED:
                self._missed = True
                return {Code.RAMP_MISSED}
            case Ramp.CONFIRMED if settings.postures:
                self._prepare(settings, now)
            case _:
                pass
        return set()

    def _prepare(self, settings: LadderSettings, now: Nanoseconds) -> None:
        """Verify one slice of the postures from where the robot is, and begin with them when all is verified."""
        if self._lowering is None:
            self._lowering = self._way(settings.postures)
        if self._verified(self._lowering):
            if self._people_near():
                self._state.waits = "people to step back"
            else:
                self._begin(self._lowering, now, "standstill")

    def _way(self, postures: tuple[Posture, ...]) -> Lowering:
        motion = self._motion
        rest, entered = motion.state[0], motion.zones.entered
        return Lowering(self._configuration, self._verifier, postures, rest, motion.tick, entered)

    def _verified(self, lowering: Lowering) -> bool:
        """Verify one slice of a way down; return whether all of it is verified.

        What a silent sensor refuses is asked again in the next cycle, and anything else of it no more.
        """
        if self._refused not in (None, Code.BALANCE_UNKNOWN):
            return False
        refused = lowering.advance()
        if refused is not None and refused.code is not self._refused:
            self._refused = refused.code
            self._watch.note(refused)
        return refused is None and lowering.done

    def _begin(self, lowering: Lowering, now: Nanoseconds, reason: str) -> None:
        """Begin with the verified way down, if the robot is where that begins."""
        motion = self._motion
        if self._follows(now):
            lanes = {name: lane.indices for name, lane in motion.lanes.items()}
            motion.notes.take_own()  # of an earlier motion
            motion.lost = False  # it follows
            motion.begin_trajectory(lowering.parts(lanes), motion.tick, "", "")
            self._lowering, self._again, self._begun = lowering, None, motion.tick
            self._down(Rung.LOWER, now, reason)

    def _people_near(self) -> bool:
        """Whether somebody may be so near that a moving robot could not stop for him; unknown people may."""
        check, active = self._verifier.separation, self._inputs.conditions.active()
        return check is not None and (bool(active & PEOPLE) or not check.permits_full(self._motion.state[0], 0.0))

    def _lower(self, now: Nanoseconds) -> None:
        """See that the robot goes along, and whether it is down.

        Where it came to rest on the way, because cycles were missed or a sensor was silent, what is left is verified
        anew: one that is half-way down and limp falls from there.
        """
        motion, lowering = self._motion, self._lowering
        assert lowering is not None
        follows = self._follows(now)
        if not follows:
            motion.stop_all()
        self._tell_broken_off(follows)
        if not follows:
            return
        if any(lane.moving for lane in motion.lanes.values()):
            self._played = motion.tick
        elif motion.at_rest:
            rests = self._inputs.measured.rests(now)
            if np.abs(motion.state[0] - lowering.end).max() <= _THERE:
                if rests:
                    self._down(Rung.DAMP, now, "lowered")
                return
            if self._again is None:
                played = (self._played - self._begun) * self._configuration.timing.period
                self._again = self._way(lowering.left(played, motion.state[0]))
            if self._verified(self._again) and rests:
                self._begin(self._again, now, "")

    def _tell_broken_off(self, follows: bool) -> None:
        """Tell once of each way down that was broken off, and by what."""
        own = self._motion.notes.take_own()
        if own is None:
            return
        broken = own.violation or Violation(own.code, "motion")
        why = f"{broken.code.value}: {broken.detail or broken.code.cause}"
        if not follows:
            why = "the robot is not where it was sent, or not measured"
        rule = "balance.ladder.lower"
        self._watch.note(Violation(Code.LOWER_BROKEN, rule, broken.value, broken.limit, broken.joint, why))

    def _expire(self, settings: LadderSettings, now: Nanoseconds) -> bool:
        """Leave a rung whose deadline has passed; return whether that was so."""
        limit = {Rung.HOLD: settings.hold, Rung.LOWER: settings.lower, Rung.DAMP: settings.rest}.get(self.rung)
        if limit is None or now - self._since < limit:
            return False
        below = Rung.OFF if self.rung is Rung.DAMP else Rung.DAMP
        self._down(below, now, f"{self.rung.value}: its time is over")
        return True

    def _damp(self, settings: LadderSettings, now: Nanoseconds) -> None:
        """End DAMP at rest; a robot that goes on moving has no power anyway when the relays open, or its time is over.

        Whatever still moves it then is told: it may be the drives.
        """
        lasts = now - self._since
        moves = self._restless(now)
        self._state.waits = moves
        if lasts < settings.damp:
            return
        if not moves:
            self._down(Rung.OFF, now, "at rest")
            return
        unpowered = self._cuts and self._inputs.estop_word.relays == "open"
        if not unpowered and lasts < settings.rest:
            return
        told = Violation(Code.CREEPS, "balance.ladder.rest", seconds(lasts), seconds(settings.rest), detail=moves)
        self._watch.note(told)
        self._down(Rung.OFF, now, "the relays are open" if unpowered else "damp: its time is over")

    def _follows(self, now: Nanoseconds) -> bool:
        """Whether the robot is known to be where it was sent."""
        measured = self._inputs.measured
        return not measured.stale(now) and measured.follows()

    def _restless(self, now: Nanoseconds) -> str:
        """Say what of the robot does not lie or sit still, or is not known to; empty when every joint rests.

        The base counts as far as it is known: IMUs that fall silent with their robot must not keep it here.
        """
        footing = self._inputs.footing
        lean = None if footing is None else footing.lean(now)
        if lean is not None and not lean[1] <= _STILL:
            return f"the base, which turns at {lean[1]:.2f} rad/s"
        return self._inputs.measured.unrest(now, limp=True)

    def _down(self, rung: Rung, now: Nanoseconds, reason: str) -> None:
        if DOWNWARD[rung] > DOWNWARD[self.rung]:
            self._tell(rung, now, reason)

    def _tell(self, rung: Rung, now: Nanoseconds, reason: str) -> None:
        lowers = self.rung is Rung.LOWER
        self.rung, self._since = rung, now
        self._state.rung = rung
        self._inputs.limp = rung in LIMP
        self._news.append(LadderMode(now, rung.value, reason))
        if rung in LIMP and lowers:
            self._motion.stop_all()  # told first: what fails here must not keep the rung from anybody
