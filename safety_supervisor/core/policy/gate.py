"""Asks the policy: once for every goal, and again when something that it is told changes, never once a cycle.

The facts of a command are its own (who, what, which zones, how fast) and those of the world (state, people, approvals).
A stream's verdict is kept for the facts that it was given for; a goal that plays is judged again when the world is
another one. What the policy denies is refused like any other command, and the kept stop runs.

Requirements: SR-036; REDTEAM 37.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from safety_supervisor.core.agents.settings import Stage
from safety_supervisor.core.agents.speaker import STAGE_APPROVAL, approval_of_stage
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.events import BaseCommand
from safety_supervisor.core.intake.results import SetPoint, TrajectoryPoints
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.policy.facts import speed_class
from safety_supervisor.core.policy.goal_facts import GoalFacts
from safety_supervisor.core.policy.server import AskedPolicy
from safety_supervisor.core.policy.verdict import NO_POLICY, Allow, Approve, Deny, Policy, Unanswered, Unjudged, Verdict
from safety_supervisor.core.sessions import Session
from safety_supervisor.core.settings import CommandKind, Configuration, SourceSettings
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, Vector, seconds
from safety_supervisor.core.verifier import Verifier

_MODES: Final = {State.MANUAL: "manual", State.RECOVERY: "recovery"}
_SPEEDS: Final = frozenset({"joint_speed", "frame_speed"})


class Own(NamedTuple):
    """The facts of a command itself; fields as in `core.policy.facts`."""

    source: str
    kind: str
    verb: str
    groups: tuple[str, ...]
    zones: tuple[str, ...] = ()
    joint_speed: float = 0.0
    frame_speed: float = 0.0


class World(NamedTuple):
    """The facts that are no command's; fields as in `core.policy.facts`."""

    mode: str
    state: str
    people: str
    since_start: int
    anomaly: float
    approvals: tuple[str, ...]
    model: str = ""
    model_version: str = ""
    stage: str = ""


class Judged(NamedTuple):
    """What the policy says of a command.

    Attributes:
        violation: why it is refused; None when it passes.
        said: the verdict, for the record.
        fresh: whether that is another verdict than for the source's last command of this kind.
        turned: whether the world turned a command down that passed before: nobody's mistake.
        asks: the approval that is missing, where that is why.
    """

    violation: Violation | None
    said: str
    fresh: bool = True
    turned: bool = False
    asks: Approve | None = None


NOT_ASKED: Final = Judged(None, "", fresh=False)
"""Where there is no policy."""


class _Kept(NamedTuple):
    own: Own
    world: World
    judged: Judged
    approved: str = ""
    """Kind of the approval that people gave for this one command; empty for none."""
    needs_open: tuple[str, ...] = ()
    """Restricted zones that it needs opened."""


class PolicyGate:
    """Asks one policy.

    Attributes:
        approvals: by source, kinds of the approvals that stand for it now; `core.interventions` sets them.
        now: time of the cycle that began last, [ns].
        people: as the fact, in that cycle.
        kinds: of approvals that the policy, a stage or a restricted zone may ask for.
        anomalies: by source, the score of its behaviour; a source that is not named has 0. `AnomalyWatch` fills it.
    """

    def __init__(
        self,
        policy: Policy,
        configuration: Configuration,
        state: SafetyState,
        motion: Motion,
        verifier: Verifier,
        sessions: Mapping[str, Session],
    ) -> None:
        """Start with nothing asked, nobody started and people unknown."""
        self._policy = policy
        self._asked = policy if isinstance(policy, AskedPolicy) else None
        self._limits_of = configuration.envelope.joints, configuration.robot.groups, configuration.base
        self._dt = seconds(configuration.timing.period)
        self._radius = 0.0 if configuration.base is None else configuration.base.gate.radius
        self._limits = StopLimits(configuration.envelope.joints)
        self._state = state
        self._motion = motion
        self._verifier = verifier
        self._sessions = sessions
        self._zones = "zones" in policy.used
        self._speeds = bool(_SPEEDS & policy.used)
        self._counts_time = "since_start" in policy.used
        self.people = "unknown"
        staged = any(session.settings.models for session in sessions.values())
        self._opens = {zone.name: zone.approval for zone in configuration.zones if zone.approval is not None}
        self.kinds = {**policy.kinds, **({STAGE_APPROVAL.kind: STAGE_APPROVAL} if staged else {})}
        held = {zone.approval.kind for zone in configuration.zones if zone.approval and zone.hold_to_run}
        self._hold_kinds = policy.hold_kinds | held
        for ask in self._opens.values():
            least = min(ask.seconds, self.kinds.get(ask.kind, ask).seconds)
            self.kinds[ask.kind] = replace(ask, seconds=least)
        self._held = False
        self.now: Nanoseconds = 0
        self._started: Nanoseconds | None = None
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._goals: dict[tuple[str, str], _Kept] = {}
        self.approvals: dict[str, frozenset[str]] = {}
        self.anomalies: dict[str, float] = {}

    # --- the world

    def begin(self, now: Nanoseconds, people: str, held: bool) -> None:
        """Begin a cycle; `people` as the fact, and whether the hold-to-run button is `held`."""
        self.now, self.people, self._held = now, people, held
        if self._asked is not None:
            self._asked.begin(now)

    def counts(self, kind: str) -> bool:
        """Whether an approval of a kind counts now: some do only while a person holds the button."""
        return self._held or kind not in self._hold_kinds

    def started(self, now: Nanoseconds) -> None:
        """A person has started the robot, or begun to recover it."""
        self._started = self.now = now

    def _world(self, source: str, now: Nanoseconds, approved: str = "") -> World:
        state = self._state.state
        approvals = self.approvals.get(source, frozenset()) | ({approved} if approved else set())
        # Nobody asks: then it is no reason to ask anew.
        since = -1 if self._started is None else (now - self._started) // NS_PER_S if self._counts_time else 0
        return World(
            _MODES.get(state, "auto"),
            state.value,
            self.people,
            since,
            self.anomalies.get(source, 0.0),
            tuple(sorted(filter(self.counts, approvals))),
            *self._speaker(source),
        )

    def _speaker(self, source: str) -> tuple[str, str, str]:
        """Return model, its version and stage of the agent with a session there, empty for none."""
        session = self._sessions.get(source)
        speaker = None if session is None else session.speaker
        return ("", "", "") if speaker is None else (speaker.key.name, speaker.key.version, speaker.stage.value)

    # --- commands

    def stream(self, set_point: SetPoint, source: SourceSettings, now: Nanoseconds) -> Judged:
        """Judge a set-point of a stream, as well-formed as its intake says."""
        own = Own(source.name, source.kind.value, set_point.kind.value, set_point.groups)
        if self._zones or self._speeds:
            own = self._moving(own, set_point, seconds(source.period))
        if self._speeds and self._asked is not None:
            own = self._at_most(own)
        return self._ask(own, now)

    def drive(self, event: BaseCommand, source: SourceSettings) -> Judged:
        """Judge a twist of the base."""
        own = Own(source.name, source.kind.value, CommandKind.CMD_VEL.value, ())
        if self._speeds:
            fastest = math.hypot(event.linear[0], event.linear[1]) + abs(event.angular[2]) * self._radius
            own = own._replace(frame_speed=speed_class(fastest))
        if self._speeds and self._asked is not None:
            own = self._at_most(own)
        return self._ask(own, event.at)

    def facts_of_goal(self) -> GoalFacts:
        """Return what finds the facts of a trajectory while it is verified."""
        return GoalFacts(self._verifier, self._dt, self._zones)

    def goal(
        self,
        source: SourceSettings,
        points: TrajectoryPoints,
        facts: GoalFacts,
        approved: str,
        needs_open: tuple[str, ...],
    ) -> Judged:
        """Judge a trajectory that is verified; one that passes is judged again when the world changes.

        Args:
            source: who commands.
            points: the command.
            facts: of it.
            approved: kind of approval that people gave for this one command, empty for none.
            needs_open: restricted zones that it needs opened.
        """
        verb = CommandKind.TRAJECTORY.value
        speeds = speed_class(facts.joint_speed), speed_class(facts.frame_speed)
        zones = (*facts.zones, *needs_open) if self._zones else ()
        own = Own(source.name, source.kind.value, verb, points.groups, zones, *speeds)
        world = self._world(source.name, self.now, approved)
        judged = self._judge(own, world, approved, needs_open)
        if judged.violation is None:
            self._goals[source.name, points.command] = _Kept(own, world, judged, approved, needs_open)
        return judged

    def turned_down(self, plays: Callable[[str, str], bool]) -> list[tuple[str, str, Violation]]:
        """Judge the goals again for which the world has changed; return source, command and why of those to end.

        Args:
            plays: whether a command of a source plays or waits; one that does not is forgotten.
        """
        ended = []
        for key, kept in tuple(self._goals.items()):
            if not plays(*key):
                del self._goals[key]
                continue
            world = self._world(key[0], self.now, kept.approved)
            if world == kept.world and self._asked is None:
                continue
            judged = self._judge(kept.own, world, kept.approved, kept.needs_open)
            self._goals[key] = kept._replace(world=world, judged=judged)
            if judged.violation is not None:
                del self._goals[key]
                ended.append((*key, judged.violation))
        return ended

    def _ask(self, own: Own, now: Nanoseconds) -> Judged:
        """Answer for facts that are the last ones as then."""
        world, key = self._world(own.source, now), (own.source, own.verb)
        last = self._kept.get(key)
        if self._asked is not None:
            self._asked.now = now
        elif last is not None and last.own == own and last.world == world:
            return last.judged._replace(fresh=False, turned=False)
        judged = self._judge(own, world)
        passed = last is not None and last.judged.violation is None
        turned = passed and judged.violation is not None and last is not None and last.world != world
        turned = judged.turned or turned or (passed and judged.violation is not None and self._asked is not None)
        self._kept[key] = _Kept(own, world, judged)
        return judged._replace(fresh=last is None or last.judged.said != judged.said, turned=turned)

    def _judge(self, own: Own, world: World, approved: str = "", needs_open: tuple[str, ...] = ()) -> Judged:
        verdict = self._policy.judge({**own._asdict(), **world._asdict()})
        said = "" if self._policy is NO_POLICY else f"policy: {verdict.text}"
        violation = self._refusal(verdict, world)
        closed = next((zone for zone in needs_open if self._opens[zone].kind not in world.approvals), None)
        # What people approved for this very command is what the stage asks for, whatever the policy calls it.
        needed = None if approved else approval_of_stage(world.stage, verdict, world.approvals)
        if violation is None and closed is not None:
            verdict = self._opens[closed]
            said, violation = f"zones.{closed}: {verdict.text}", self._refusal(verdict, world)
        elif needed is not None:
            verdict, said = needed, f"stage {world.stage}: {needed.text}"
            violation = self._refusal(verdict, world)
        shadowed = world.stage == Stage.SHADOW.value
        asks = verdict if isinstance(verdict, Approve) and violation is not None and not shadowed else None
        if violation is None and shadowed:
            # Of a trajectory everything else has been judged by now; of the others all but their motion.
            whole = own.verb == CommandKind.TRAJECTORY.value
            words = "would PASS" if whole else "may be sent; `log rehearse` judges its motion"
            violation = Violation(Code.SHADOW, "agents.stages", detail=f"{words}; {said}".rstrip("; "))
        return Judged(violation, said, turned=isinstance(verdict, Unanswered), asks=asks)

    def _refusal(self, verdict: Verdict, world: World) -> Violation | None:
        match verdict:
            case Allow():
                return None
            case Approve(kind, people, wait):
                if kind in world.approvals:
                    return None
                needs = "one person" if people == 1 else f"{people} people"
                detail = f"{verdict.text}: {needs}, within {wait} s; no approval of that kind is held"
                return Violation(Code.APPROVAL_REQUIRED, "policy", detail=detail)
            case Deny(code):
                detail = f"{verdict.text}: {self._policy.denials.get(code, '')}"
                return Violation(Code.POLICY, "policy", detail=detail, named=code)
            case Unjudged(detail):
                return Violation(Code.POLICY_ERROR, "policy", detail=detail)
            case Unanswered(detail, waits):
                return Violation(Code.POLICY_WAIT if waits else Code.POLICY_SERVER, "policy", detail=detail)

    # --- how a stream moves

    def _moving(self, own: Own, set_point: SetPoint, period: float) -> Own:
        """Add how fast a set-point asks the joints to move, and the zones that it and the stop after it may touch."""
        before = self._before(set_point)
        after = before.copy()
        velocity = np.zeros_like(before)
        if set_point.kind is CommandKind.VELOCITY:
            velocity[set_point.indices] = set_point.values
            after += period * velocity
        else:
            after[set_point.indices] = set_point.values
            velocity = (after - before) / period
        speeds = np.abs(velocity)
        fastest = float(self._verifier.frame_speeds(speeds[None, :])[0])
        own = own._replace(joint_speed=speed_class(float(speeds.max())), frame_speed=speed_class(fastest))
        if not self._zones:
            return own
        stop = StraightStop(np.stack([after, velocity, np.zeros_like(after)]), self._limits)
        touched = tuple(zone.name for zone in self._verifier.speed_zones if zone.touches(before, after, stop))
        return own._replace(zones=touched)

    def _at_most(self, own: Own) -> Own:
        """Put bounds for the speeds of what streams: a server is not asked anew for every step of an acceleration."""
        limits, groups, base = self._limits_of
        if own.verb == CommandKind.CMD_VEL.value:
            most = 0.0 if base is None else base.gate.speed + base.gate.turning * base.gate.radius
            return own._replace(frame_speed=speed_class(most))
        speeds = np.zeros_like(limits.velocity)
        for group in own.groups:
            speeds[list(groups[group])] = limits.velocity[list(groups[group])]
        frame = float(self._verifier.frame_speeds(speeds[None, :])[0])
        return own._replace(joint_speed=speed_class(float(speeds.max())), frame_speed=speed_class(frame))

    def _before(self, set_point: SetPoint) -> Vector:
        """Return where the robot will be when a set-point's way begins, shape (n,), [rad]."""
        before: Vector = self._motion.state[0].copy()
        for group in set_point.groups:
            lane = self._motion.lanes[group]
            if lane.stream is not None and lane.source == set_point.source:
                end = lane.stream.end_state
                if end is not None:
                    before[lane.indices] = end[0]
        return before


def gate_of(
    configuration: Configuration,
    asked: AskedPolicy,
    state: SafetyState,
    motion: Motion,
    verifier: Verifier,
    sessions: Mapping[str, Session],
) -> PolicyGate | None:
    """Return what asks the policy (a server by `asked`), stages and zones; None where none of them can refuse."""
    policy = configuration.policy if asked.server is None else asked
    if policy is None:
        opened = any(zone.approval is not None for zone in configuration.zones)
        if not opened and not any(source.models for source in configuration.sources):
            return None
        policy = NO_POLICY
    return PolicyGate(policy, configuration, state, motion, verifier, sessions)
