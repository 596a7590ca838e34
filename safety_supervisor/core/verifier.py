"""The verifier: one step and the stop after it, or the reason why not.

A step is verified when the joint envelope holds over the set-points before it, the step itself and the first samples of
its stop; when step and stop stay inside the position limits and clear of the robot itself, the cell, the zones and
people; when no point of a link is too fast; and when a robot that stands keeps its balance.
The stop that was verified is the stop that is kept: it is handed out with the verdict. Requirement: SR-026.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.checks.collision import PathCheck
from safety_supervisor.core.checks.envelope import HISTORY, STOP_SAMPLES, JointEnvelope
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.motion.foreseen import Foreseen, Met
from safety_supervisor.core.motion.stop_room import StopRoom
from safety_supervisor.core.motion.stopping import Stop, StopLimits, StraightStop
from safety_supervisor.core.outfit import Outfit, Stage, dress
from safety_supervisor.core.settings import Configuration, EnvelopeSettings, ReducedSettings
from safety_supervisor.core.units import Matrix, Nanoseconds, Vector, seconds

_ROUNDING: Final = 1e-12
"""What rests outside a limit in RECOVERY is not farther out by the last digits of a double, [rad] or [m]."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the state of the supervisor adds to the envelope.

    Attributes:
        frame_speed: greatest speed of any link frame, [m/s]; None for no such limit.
        recovery: a limit that is passed already may be approached from outside, never passed further.
        separated: people are kept away from, where they are watched.
        reduced: the reduced envelope, while it holds.
        opened: restricted zones that people have opened for all that moves.
    """

    frame_speed: float | None = None
    recovery: bool = False
    separated: bool = False
    reduced: ReducedSettings | None = None
    opened: frozenset[str] = frozenset()

    def usual(self, envelope: EnvelopeSettings) -> bool:
        """Whether nothing is slower than the envelope: a stop along a path may speed up to that, as its path does."""
        return self.reduced is None and not self.recovery and self.frame_speed == envelope.frame_speed


class Verified(msgspec.Struct, frozen=True):
    """A step that may be sent, with the stop that was verified after it.

    Attributes:
        state: position, velocity, acceleration of the step, shape (3, n).
        stop: planned from that state.
    """

    state: Matrix
    stop: Stop


class Verifier:
    """Verifies steps of all commanded joints together.

    Attributes:
        tool: what the robot carries, empty for nothing; changed by `carry` alone.
    """

    def __init__(self, configuration: Configuration, stages: Mapping[str, Stage] | None = None) -> None:
        """Build the robot's model and the scene, once for each tool that it may carry, and prepare for them.

        Args:
            configuration: of the robot.
            stages: by the tool's name, what `set_stage` built of it already, where somebody did.

        Raises:
            RobotModelError: when the URDF does not have the configured joints and links.
        """
        self._period: Nanoseconds = configuration.timing.period
        dt = seconds(self._period)
        self._limits = configuration.envelope.joints
        self._stop_limits, self._stop_room = StopLimits(self._limits), StopRoom(self._limits)
        self.envelope = JointEnvelope(self._limits, configuration.robot.joints, dt)
        built = stages or {}
        tools = ("", *configuration.tools)
        self.outfits = {name: dress(configuration.with_tool(name), built.get(name)) for name in tools}
        self._doubles: list[Verifier] = []
        self._wear(configuration.robot.tool)
        self._sample_times = tuple(dt * (i + 1) for i in range(STOP_SAMPLES))
        self._window = np.zeros((HISTORY + 1 + STOP_SAMPLES, len(configuration.robot.joints)))
        self._dt = dt
        self._frame_speed = configuration.envelope.frame_speed
        self._last = self._window[:3]
        self._done: tuple[Matrix, Matrix] | None = None
        self._foreseen: Foreseen | None = None

    def carry(self, tool: str) -> None:
        """Verify from now on with another tool, empty for none, and forget what was proven; nothing may be moving."""
        for verifier in (self, *self._doubles):
            verifier._wear(tool)
            verifier.forget()

    def place_world(self, turn: Matrix, shift: Vector, allowance: float) -> None:
        """Place the bodies of the world, for all tools, and forget what was proven clear (`Scene.place`)."""
        for outfit in self.outfits.values():
            outfit.scene.place(turn, shift, allowance)
        for verifier in (self, *self._doubles):
            verifier._collision.forget()

    def lose_world(self) -> None:
        """Verify nothing until the bodies of the world are placed again."""
        for outfit in self.outfits.values():
            outfit.scene.placed = False

    def _wear(self, tool: str) -> None:
        outfit: Outfit = self.outfits[tool]
        self.tool = tool
        self.model, self.scene, self._speed = outfit.model, outfit.scene, outfit.speed
        self._collision, self.speed_zones, self.separation = outfit.collision, outfit.speed_zones, outfit.separation
        self.restricted, self.balance = outfit.restricted, outfit.balance

    def forget(self) -> None:
        """Begin anew, at another pose."""
        self._done = self._foreseen = None
        self._collision.forget()
        if self.separation is not None:
            self.separation.forget()
        if self.balance is not None:
            self.balance.forget()
        for zone in self.speed_zones:
            zone.forget()
        for closed in self.restricted:
            closed.forget()

    def begin(self, last: Matrix) -> None:
        """Begin a cycle: position, velocity, acceleration of the last set-point, shape (3, n), for balance."""
        self._last = last

    def prepare(self, rests_at: Vector | None = None) -> None:
        """Spend time that is left on what the next steps will ask; `rests_at` is the pose of a robot that rests."""
        done, self._done = self._done, None
        if done is None:
            self._foreseen = None
        else:
            foreseen = Foreseen.of(*done, self._stop_limits, self._dt)
            if self._foreseen is None or not foreseen.same(self._foreseen):
                self._foreseen = foreseen
        self._collision.prepare(self._foreseen)
        if rests_at is not None and self.scene.placed:
            self._collision.rest(rests_at)
        self._speed.prepare()
        if self.balance is not None:
            self.balance.prepare(self._foreseen)

    def double(self) -> Verifier:
        """Return a verifier of the same robot, scene and people for steps on trial, with a memory of poses of its own.

        Speed zones and people are asked as ever, and remember what they proved: that is right for every step.
        """
        double = copy.copy(self)
        double.outfits = {name: outfit.on_trial() for name, outfit in self.outfits.items()}
        double._doubles = []
        double._done = double._foreseen = None
        double._wear(self.tool)
        self._doubles.append(double)
        return double

    @property
    def leaving(self) -> bool:
        """Whether the robot is too near to something, and on its way out."""
        return self._collision.leaving

    def path_check(self) -> PathCheck:
        """Return a check of a whole path, at its beginning."""
        return PathCheck(self.scene)

    def verify(
        self, history: Matrix, state: Matrix, rules: Rules, path_stop: Stop | None = None
    ) -> Verified | Violation:
        """Verify one step.

        Args:
            history: the last HISTORY set-points, oldest first, shape (3, n), [rad].
            state: the step: position, velocity, acceleration, shape (3, n).
            rules: of the present state of the supervisor.
            path_stop: a stop along the motion's own path whose later course was proven when the path was accepted.

        Returns:
            The step with its stop, or the first rule that is broken.
        """
        stop: Stop = StraightStop(state, self._stop_limits) if path_stop is None else path_stop
        met = None
        if self._foreseen is not None and isinstance(stop, StraightStop):
            met = Met(self._foreseen, self._last, state, stop)
        violation = self._check_window(history, state, stop) or self._check(history[-1], state, stop, rules, met)
        if violation is None and self.balance is not None:
            violation = self.balance.check(self._last, state, stop, met)
        if violation is None:
            self._done = self._last, state
            return Verified(state, stop)
        if not (np.isfinite(state).all() and np.isfinite(stop.end).all()):
            return Violation(Code.NOT_FINITE_RESULT, "finite", detail="a step or its stop is not finite")
        return violation

    def breaks(self, state: Matrix, rules: Rules) -> Violation | None:
        """Return what a robot breaks that comes to a state, shape (3, n), at its velocity, or its stop from there."""
        stop = StraightStop(state, self._stop_limits)
        before = state[0] - self._dt * state[1]
        violation = self._check(before, state, stop, rules)
        if violation is None and self.balance is not None:
            steady = np.stack([before, state[1], np.zeros_like(before)])
            violation = self.balance.check(steady, state, stop)
        return violation

    def mends(self, state: Matrix, rules: Rules) -> bool:
        """Whether a state on trial does not break what the last one that `breaks` was asked about did: a guess."""
        if not self._collision.tried:
            return self.breaks(state, rules) is None
        return self._collision.mends(StraightStop(state, self._stop_limits).end)

    def _check(
        self, before: Vector, state: Matrix, stop: Stop, rules: Rules, met: Met | None = None
    ) -> Violation | None:
        """Check all but the window of set-points."""
        if not self.scene.placed:
            return Violation(Code.BASE_UNKNOWN, "zones", detail="where the zones of the world are is not known")
        violation = None
        if not self._passes(state, stop):
            violation = self._check_state(before, state, stop, rules)
        if violation is None:
            violation = self._check_frames(before, state, stop, rules, met)
        if violation is None and rules.reduced is not None:
            violation = self._check_reduced(before, state[0], rules.reduced)
        if violation is None and rules.separated and self.separation is not None:
            violation = self.separation.check(before, state[0], stop)
        return violation

    def _check_window(self, history: Matrix, state: Matrix, stop: Stop) -> Violation | None:
        window = self._window
        window[:HISTORY] = history
        window[HISTORY] = state[0]
        window[HISTORY + 1 :] = stop.positions(self._sample_times)
        return self.envelope.check_window(window)

    def _passes(self, state: Matrix, stop: Stop) -> bool:
        """Quick answer for what nearly always passes."""
        if not isinstance(stop, StraightStop):
            return False
        return self._stop_room.holds(state) or (
            not stop.turning and self.envelope.passes_stop(state, stop.top_velocity, stop.end_list)
        )

    def _check_state(self, before: Vector, state: Matrix, stop: Stop, rules: Rules) -> Violation | None:
        lower, upper = self._limits.lower, self._limits.upper
        if rules.recovery:
            lower, upper = np.minimum(lower, before - _ROUNDING), np.maximum(upper, before + _ROUNDING)
        if not isinstance(stop, StraightStop):
            # A path stop lies on a path whose positions were all checked when it was accepted.
            return self.envelope.check_positions(state[:1], lower, upper)
        return self.envelope.check_state(np.array(stop.top_velocity), state[2]) or self.envelope.check_positions(
            stop.extremes(), lower, upper
        )

    def _check_frames(
        self, before: Vector, state: Matrix, stop: Stop, rules: Rules, met: Met | None
    ) -> Violation | None:
        after = state[0]
        moved: Vector = np.abs(after - before)
        limit = rules.frame_speed
        if limit is not None and not self._speed.slow(before, after, moved, limit):
            violation = self._speed.exceeds(before, after, limit, "frame.speed")
            if violation is not None:
                return violation
        if not isinstance(stop, StraightStop):
            # A path stop lies on a path that was proven clear, and slow where it has to be, when it was accepted.
            return None
        for zone in self.speed_zones:
            violation = zone.check(before, after, stop)
            if violation is not None:
                return violation
        for closed in self.restricted:
            violation = closed.check(before, after, stop, closed.name in rules.opened, rules.recovery, moved)
            if violation is not None:
                return violation
        return self._collision.check(before, after, stop, rules.recovery, moved, met)

    def _check_reduced(self, before: Vector, after: Vector, reduced: ReducedSettings) -> Violation | None:
        """Check the step; its stop is slower, but for the few milliseconds in which its acceleration fades."""
        speeds = np.abs(after - before) / self._dt
        limits = reduced.velocity_share * self.envelope.bounds[0]
        if not (speeds <= limits).all():
            worst = int((speeds / limits).argmax())
            joint = self.envelope.names[worst]
            return Violation(Code.REDUCED, "reduced.velocity", float(speeds[worst]), float(limits[worst]), joint)
        violation = self._speed.exceeds(before, after, reduced.frame_speed, "reduced.frame_speed")
        if violation is None or violation.code is Code.NOT_FINITE_RESULT:
            return violation
        return replace(violation, code=Code.REDUCED)

    def suspect_speeds(self, poses: Matrix) -> NDArray[np.intp]:
        """Return the steps between consecutive poses, shape (m, n), that could pass the frame speed of the envelope."""
        if self._frame_speed is None:
            return np.empty(0, dtype=np.intp)
        travel = np.abs(np.diff(poses, axis=0)) @ self._speed.reach
        return np.flatnonzero(~(travel <= (self._frame_speed - self._speed.carried) * self._dt))

    def frame_speeds(self, speeds: Matrix) -> Vector:
        """Bound the speed of the fastest point of any link at joints' speeds, shape (m, n); shape (m,), [m/s]."""
        bound: Vector = speeds @ self._speed.reach + self._speed.carried
        return bound

    def check_speed(self, before: Vector, after: Vector) -> Violation | None:
        """Check one step between poses, shape (n,), against the frame speed of the envelope."""
        return (
            None if self._frame_speed is None else self._speed.exceeds(before, after, self._frame_speed, "frame.speed")
        )
