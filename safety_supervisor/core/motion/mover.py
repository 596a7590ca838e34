"""The motion of all joints: steps that were verified, and the kept stop for every moment in which none is.

`Motion.advance` gives the set-point of the next cycle. It asks each lane for its step, verifies all of them together
with one stop, and where that fails lets the offending lanes run the stop that was kept from the cycle before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.checks.envelope import HISTORY
from safety_supervisor.core.effects import HorizonPoint
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.intake.results import SetPoint
from safety_supervisor.core.motion.group_ends import GroupEnds
from safety_supervisor.core.motion.horizon import Horizon
from safety_supervisor.core.motion.lane import Lane, Progress, at_rest
from safety_supervisor.core.motion.limiting import Limiter
from safety_supervisor.core.motion.opened_zones import OpenedZones
from safety_supervisor.core.motion.segments import Segment, Stream
from safety_supervisor.core.motion.stopping import Stop, StopLimits, StraightStop
from safety_supervisor.core.motion.trajectory import PlannedTrajectory, glide_duration
from safety_supervisor.core.notes import Note, Notes, excuse
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Matrix, Vector, seconds
from safety_supervisor.core.verifier import Rules, Verified, Verifier

_HAIR = 1e-4  # [rad]
_SAME = 1e-9  # [rad], rounding of the same stop in two lanes
_BRIDGE_LIMIT = 1000  # periods: longer than any stop, and a bound of the work


class Motion:
    """All joints of one robot."""

    def __init__(self, configuration: Configuration, verifier: Verifier) -> None:
        """Start at rest at zero; `place` puts it where the robot is."""
        self._configuration = configuration
        self._verifier = verifier
        self._dt = seconds(configuration.timing.period)
        self._limits = configuration.envelope.joints
        self._stop_limits = StopLimits(self._limits)
        n = len(configuration.robot.joints)
        groups = configuration.robot.groups or {"all": tuple(range(n))}
        self.lanes = {name: Lane(name, np.array(ids, dtype=np.intp), self._dt) for name, ids in groups.items()}
        joints, seen = configuration.robot.joints, configuration.observed
        self._ends = {
            name: GroupEnds(self._limits, lane.indices, joints, self._dt) for name, lane in self.lanes.items()
        }
        self._commanded = slice(None) if seen is None else np.setdiff1d(np.arange(n), seen.joints)
        self.tick = 0
        self._late = 0.0  # [s], of a cycle before which others were missed
        self.notes = Notes()
        self._limiter = Limiter(configuration, verifier)
        self.zones = OpenedZones(verifier)
        self._horizon = Horizon()
        self.place(np.zeros(n))

    # --- where it is

    def place(self, positions: Vector) -> None:
        """Be at rest at a pose, shape (n,), [rad], without having come from anywhere."""
        self.lost = False
        """Whether the robot did not go along with a motion; set by who measures it."""
        self.state: Matrix = at_rest(positions)
        self.history: Matrix = np.repeat(positions[None, :], HISTORY, axis=0)
        self.kept: Stop = StraightStop(self.state, self._stop_limits)
        self.kept_tick = self.tick
        self._still = True
        for lane in self.lanes.values():
            lane.rest_at(positions[lane.indices])
        self._verifier.forget()
        self._limiter.forget()
        self.zones.rest(positions)

    def meet_observed(self, joints: NDArray[np.intp], positions: Vector) -> None:
        """Take joints that nobody commands, indices shape (k,), as at rest at a pose, shape (k,), [rad].

        Only at rest: what moves was verified for where they were.
        """
        if not self.at_rest:
            raise AssertionError("what moves relies on where observed joints were")
        if np.array_equal(self.state[0, joints], positions):
            return
        self.state, self.history = self.state.copy(), self.history.copy()
        self.state[0, joints] = self.history[:, joints] = positions
        self.kept, self.kept_tick = StraightStop(self.state, self._stop_limits), self.tick
        for lane in self.lanes.values():
            lane.rest_at(self.state[0, lane.indices])

    @property
    def at_rest(self) -> bool:
        """Whether the commanded state is at rest and nothing waits to begin."""
        return self._still and not any(lane.moving or lane.stop is not None for lane in self.lanes.values())

    @property
    def play_time(self) -> float:
        """Play-out time of the last set-point, [s]."""
        return self.tick * self._dt

    @property
    def mover(self) -> str:
        """The source that moves the robot, empty for none."""
        return next((lane.source for lane in self.lanes.values() if lane.source), "")

    def moves_for(self, source: str) -> bool:
        """Whether a source moves the robot, or has motion waiting to begin."""
        return any(lane.holds_for(source) for lane in self.lanes.values())

    def owner(self, group: str) -> str:
        """Return the source that moves a group, empty for none."""
        lane = self.lanes[group]
        return lane.owner if lane.moving else ""

    # --- what begins

    def offer(
        self, set_point: SetPoint, source_period: float, playout_periods: int, received: float, recovery: bool = False
    ) -> Violation | bool:
        """Take a streamed set-point, or say why not; whole or not at all.

        Args:
            set_point: well-formed, for whole groups.
            source_period: declared period, [s].
            playout_periods: 1 or 2.
            received: receipt in play-out time, [s].
            recovery: whether the robot may be outside a position limit; every step is then judged as it comes.

        Returns:
            A violation, or whether a new stream began with it.
        """
        planned: list[tuple[Lane, Stream, Segment, bool]] = []
        began = False
        for group in set_point.groups:
            lane = self.lanes[group]
            values = (
                set_point.values
                if len(set_point.groups) == 1
                else set_point.values[np.searchsorted(set_point.indices, lane.indices)]
            )
            stream, begin = lane.stream, None
            if stream is None or lane.source != set_point.source or stream.kind is not set_point.kind:
                if lane.holds_for(set_point.source):
                    return Violation(Code.MOTION_ACTIVE, "source.motion", detail="its other motion is active")
                stream = Stream(set_point.kind, source_period, playout_periods)
                begin = self._stop_state(lane, stream.start_time(received))
                began = True
            segment = stream.plan(received, values, begin)
            if segment is None:
                return Violation(Code.RATE, "source.rate", detail="too many set-points wait")
            violation = None if recovery else self._ends[group].check(segment.end_state)
            if violation is not None and not self._limiter.waits_with(violation, set_point.source):
                return violation
            planned.append((lane, stream, segment, begin is not None))
        for lane, stream, segment, begins in planned:
            if begins:
                self.preempt((lane.name,), set_point.source, set_point.command)
            lane.play_stream(stream, set_point.source, set_point.command, self._limiter.pace(set_point.source, lane))
            stream.take(segment, received)
        return began

    def _stop_state(self, lane: Lane, t: float) -> Matrix:
        """State of a lane at a play-out time if nothing new came: at rest, or on the stop that it runs or would run."""
        if lane.moving:
            return self.kept.state(t - self.kept_tick * self._dt)[:, lane.indices]
        state = lane.state_at(t)
        assert state is not None
        return state

    def begin_trajectory(
        self,
        parts: dict[str, PlannedTrajectory],
        tick: int,
        source: str,
        command: str,
        opened: frozenset[str] = frozenset(),
    ) -> None:
        """Play an accepted trajectory, one part a group, from cycle `tick` on, restricted zones `opened` for it."""
        for group, trajectory in parts.items():
            for replaced in self.lanes[group].add_trajectory(trajectory, tick, source, command, opened):
                self.notes.add(replaced, Code.PREEMPTED, detail=f"{command} of {source} took over before it began")

    def predict(self, groups: tuple[str, ...], tick: int) -> Matrix | None:
        """Return the state of all joints at a future cycle, shape (3, n); None where a stream makes it unknown."""
        result: Matrix = self.state.copy()
        for name, lane in self.lanes.items():
            state = lane.state_at(tick * self._dt)
            if state is None:
                if name in groups:
                    return None
                continue
            result[:, lane.indices] = state
        return result

    def glide_to(self, positions: Vector) -> bool:
        """Move slowly to a measured pose, shape (n,), [rad], after a stop (SR-015); return whether there is any way."""
        way = np.abs(positions - self.state[0])
        if not way.max() > 1e-9:
            return False
        duration = glide_duration(way, self._limits)
        for lane in self.lanes.values():
            here = self.state[:, lane.indices]
            there = at_rest(positions[lane.indices])
            path = PlannedTrajectory(here, np.array([duration]), there[:1], there[1:2], there[2:])
            lane.add_trajectory(path, self.tick, "", "")
        return True

    # --- what ends

    def preempt(self, groups: tuple[str, ...], source: str, command: str) -> None:
        """Let groups run the kept stop, and another source take over from there; those that lose them are told."""
        for group in groups:
            lane = self.lanes[group]
            if lane.moving:
                self._halt(lane, Code.PREEMPTED, Code.PREEMPTED, detail=f"{command} of {source} took over")

    def stop_lanes(self, groups: tuple[str, ...], source: str, code: Code | Violation, detail: str) -> None:
        """Let groups run the kept stop and forget their queued motion, because of one source.

        Its trajectories there end with `code`, those of others are purged. Its streams hear of it by the refusal of
        the set-point that stops them.
        """
        for group in groups:
            lane = self.lanes[group]
            for motive in lane.motives():
                if motive.source != source:
                    self.notes.add(motive, Code.PURGED, detail=f"{source}: {detail}")
                elif not motive.streamed:
                    self.notes.add(motive, code, detail=detail)
            if lane.moving:
                lane.follow_stop(self.kept, self.kept_tick)

    def stop_all(self) -> tuple[Note, ...]:
        """Let everything run the kept stop and forget all queued motion (SR-013); return whose it was."""
        earlier = self.notes.take(self.lanes.values())
        for lane in self.lanes.values():
            if lane.moving:
                self._halt(lane, Code.PURGED)
        notes = self.notes.take(self.lanes.values())
        self.notes.give_back(earlier)
        return notes

    def _halt(
        self,
        lane: Lane,
        code: Code,
        waiting: Code = Code.PURGED,
        violation: Violation | None = None,
        detail: str = "",
    ) -> None:
        """Let a lane run the kept stop; note why what played ended, and what became of what waited."""
        for motive in lane.motives():
            if motive.playing:
                self.notes.add(motive, code, violation, detail)
            else:
                self.notes.add(motive, waiting, detail=detail)
        lane.follow_stop(self.kept, self.kept_tick)

    # --- every cycle

    def advance(self, rules: Rules) -> tuple[Note, ...]:
        """Go on by one control period; `state`, `kept` and `kept_tick` are then this cycle's.

        Never fails: what can not be verified becomes the kept stop.
        """
        self.tick += 1
        self._verifier.begin(self.state)
        progress: dict[str, Progress] = {}
        state = at_rest(self.state[0])
        for name, lane in self.lanes.items():
            for motive in lane.begin_due(self.tick):
                taker = lane.motives()[0]
                self.notes.add(motive, Code.PREEMPTED, detail=f"{taker.command} of {taker.source} took over")
            part, came = lane.step(self.tick)
            if came is Progress.LATE:
                # A source that ends its stream while the last set-points still differ by a hair has ended, not failed.
                left = np.abs(self.kept.end - self.state[0])[lane.indices]
                code = Code.ENDED if (left <= _HAIR).all() else Code.LATE
                self._halt(lane, code)
                part, came = lane.step(self.tick)
            state[:, lane.indices] = part
            progress[name] = came
        while True:
            moving = [name for name, came in progress.items() if came in (Progress.MOVING, Progress.ENDED)]
            if not moving:
                break
            ended = self.zones.crowded([self.lanes[name] for name in moving])
            if ended is None:
                state, outcome = self._verify_or_limit(state, rules, moving)
                if isinstance(outcome, Verified):
                    self.kept, self.kept_tick = outcome.stop, self.tick
                    self.zones.proven()
                    break
                ended = self._offenders(outcome, moving), excuse(outcome, self._late, self._dt)
            offenders, reason = ended
            for name in offenders:
                lane = self.lanes[name]
                self._halt(lane, reason.code, violation=reason)
                state[:, lane.indices], progress[name] = lane.step(self.tick)
        if not any(came in (Progress.MOVING, Progress.ENDED) for came in progress.values()):
            state = self._follow_kept(progress, state, rules)
        for name, came in progress.items():
            if came is Progress.ENDED:
                lane = self.lanes[name]
                self.notes.add(lane.motives()[0], Code.ENDED)
                lane.finish(state[0, lane.indices])
        self.history = np.concatenate((self.history[1:], state[:1]))
        self.state = state
        self._still = not state[1:].any()
        self._late = 0.0
        return self.notes.take(self.lanes.values()) + self._limiter.take(self.lanes.values())

    def _verify_or_limit(self, state: Matrix, rules: Rules, moving: list[str]) -> tuple[Matrix, Verified | Violation]:
        """Verify a step, or a slower one where all that moves may be limited."""
        lanes = [self.lanes[name] for name in moving]
        rules = self.zones.rules(rules, lanes)
        if rules.recovery or any(lane.pace is None for lane in lanes):
            return state, self._verify(state, rules, moving)
        return self._limiter.judge(self.tick, self.history, state, rules, lanes)

    def _verify(self, state: Matrix, rules: Rules, moving: list[str]) -> Verified | Violation:
        """Verify with the stop along the path where there is one, else with the straight stop."""
        lane = self.lanes[moving[0]]
        # After missed cycles on a straight stop the step does not begin on the path: then it is proven as any other.
        beside = self._late > 0.0 and isinstance(self.kept, StraightStop)
        usual = rules.usual(self._configuration.envelope) and not beside
        if len(lane.indices) == state.shape[1] and lane.trajectory is not None and usual:
            tau = (self.tick - lane.trajectory_tick) * self._dt
            path_stop = lane.trajectory.stop_from(tau)
            if path_stop is not None:
                outcome = self._verifier.verify(self.history, state, rules, path_stop)
                if isinstance(outcome, Verified):
                    return outcome
        return self._verifier.verify(self.history, state, rules)

    def _offenders(self, violation: Violation, moving: list[str]) -> list[str]:
        """Name the moving groups that a violation stops: the joint's and what its command moves besides, else all."""
        if violation.joint in self._configuration.robot.joints:
            joint = self._configuration.robot.joints.index(violation.joint)
            broken = {self.lanes[name].played for name in moving if joint in self.lanes[name].indices}
            if broken:
                return [name for name in moving if self.lanes[name].played in broken]
        return list(moving)

    def _follow_kept(self, progress: dict[str, Progress], state: Matrix, rules: Rules) -> Matrix:
        """Nothing moves of its own: rest, or run the one kept stop of all joints."""
        stopping = [name for name, came in progress.items() if came is Progress.STOPPING]
        if not stopping:
            if not self._still or self.kept.duration > 0.0:
                self.kept, self.kept_tick = StraightStop(at_rest(state[0]), self._stop_limits), self.tick
            return state
        on_kept = all(self.lanes[name].stop is self.kept for name in stopping)
        if on_kept and np.abs(state[0] - self.kept_state(self.tick)[0]).max() <= _SAME:
            return state
        # A lane still runs an older stop beside the kept one: together they are a new motion.
        outcome = self._verifier.verify(self.history, state, self.zones.rules(rules, ()))
        if isinstance(outcome, Verified):
            self.kept, self.kept_tick = outcome.stop, self.tick
            return state
        for lane in self.lanes.values():
            self._halt(lane, Code.PURGED)
        return self.kept_state(self.tick)

    def bridge(self, missed: int, late: float) -> None:
        """Take note of control periods that were missed, during which the controller ran on into the kept stop.

        Only for outputs that carry the kept stop. What moves goes on from there if that keeps the envelope. `late` is
        how late this cycle is, [s].
        """
        for _ in range(min(missed, _BRIDGE_LIMIT)):
            self.tick += 1
            self.state = self.kept.state((self.tick - self.kept_tick) * self._dt)
            self.history = np.concatenate((self.history[1:], self.state[:1]))
            self._late = late
        self._still = not self.state[1:].any()

    def kept_state(self, tick: int) -> Matrix:
        """State of the kept stop at a cycle, shape (3, n); just before its beginning it is carried back smoothly."""
        return self.kept.state((tick - self.kept_tick) * self._dt)

    def follow_kept_blindly(self, tick: int) -> None:
        """Be at cycle `tick` of the kept stop and go on along it, whatever was half done before we failed."""
        self.tick = tick
        for lane in self.lanes.values():
            self._halt(lane, Code.PURGED)
        self.state = self.kept.state((self.tick - self.kept_tick) * self._dt)
        self._still = not self.state[1:].any()
        self.history = np.concatenate((self.history[1:], self.state[:1]))

    # --- what the output needs

    def horizon(self) -> tuple[HorizonPoint, ...]:
        """Points of the kept stop that lie after the present set-point; empty at rest."""
        return self._horizon.after(self.kept, (self.tick - self.kept_tick) * self._configuration.timing.period)

    def distance_to_limit(self) -> float:
        """Return the smallest distance of a commanded joint to its position limit, [rad]."""
        q = self.state[0]
        return float(np.minimum(q - self._limits.lower, self._limits.upper - q)[self._commanded].min())
