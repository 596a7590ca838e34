"""Run recorded events through two configurations side by side, and tell where the decisions part.

The loop is open: the measurements are those of the robot that was moved by the first one. As long as both would have
sent the same set-points, that is the robot that the second one would have seen, too, and its decisions are certain.
Behind the first set-point that differs the robot would have moved otherwise, and so would the agent: each decision from
there on is marked so. By then the second one sees another robot than it commands; with `ideal` it is told, from there
on, of one that stands where it commands it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from safety_supervisor.core.effects import Actuate, Decision, DriveBase, Effect, Status
from safety_supervisor.core.events import Event, JointStates
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.evidence.event_log import EventLog
from safety_supervisor.evidence.ideal_robot import IdealRobot, commanded_joints
from safety_supervisor.evidence.replay import ReplayReport, replay
from safety_supervisor.evidence.what_if.translate import Translator

MOST_DIFFERENCES: Final = 10_000
"""Kept; what exceeds them is counted."""

MEASURED: Final = (
    "The events are the recorded ones: the robot is measured where the recorded limits moved it, and the agent sent "
    "what it sent to them."
)
IDEAL: Final = (
    "The agent sent what it sent to the recorded limits; from the first set-point that differs the robot is an ideal "
    "one that stands where the other limits command it."
)
CANNOT_TELL: Final = (
    "From the first set-point that differs, robot and agent would have gone on otherwise: decisions behind it (certain "
    "no) show what these limits say to that motion, not what would have happened.",
    "Nothing here tells whether a person would have been nearer or farther, or whether the robot would have touched "
    "something.",
)
"""What a comparison can not tell."""


class OtherRobotError(Exception):
    """The configuration is of another robot than the log."""


@dataclass(frozen=True)
class Said:
    """One side of a difference."""

    verdict: str
    code: str
    rule: str
    joint: str
    value: float
    limit: float
    count: int


@dataclass(frozen=True)
class Difference:
    """A decision that only one side made, or that differs.

    Attributes:
        index: of the event.
        since: time since the first event, [ns].
        before, after: what the recorded and the other configuration said; None: nothing.
        certain: no set-point had differed until then.
    """

    index: int
    since: Nanoseconds
    source: str
    command: str
    before: Said | None
    after: Said | None
    certain: bool


@dataclass
class Side:
    """What one configuration made of the events.

    Attributes:
        counts: decisions by verdict and code.
        states: time in each state, [ns].
        band: state and when it began, since the first event, [ns].
        set_points: how many were sent.
    """

    sha256: str
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    band: list[tuple[Nanoseconds, str]] = field(default_factory=list)
    set_points: int = 0


@dataclass
class Comparison:
    """What came of both.

    Attributes:
        ideal: see `compare`.
        report: of the replay with the recorded configuration; only where it is the same does `before` stand for what
            was.
        parted: when the first set-point differed, since the first event, [ns]; None: all were the same.
        differences: the first ones.
        more: how many differences were not kept.
        times, deviations: of cycles, since the first event, [s], and by how much both commanded positions differ at
            most, [rad] or [m]; of cycles in which both commanded.
        speeds: largest commanded speed before and after as a share of the recorded limit, of the same cycles.
        ended: time of the last event, since the first, [ns].
    """

    report: ReplayReport
    before: Side
    after: Side
    ideal: bool
    parted: Nanoseconds | None = None
    differences: list[Difference] = field(default_factory=list)
    more: int = 0
    times: array[float] = field(default_factory=lambda: array("d"))
    deviations: array[float] = field(default_factory=lambda: array("d"))
    speeds: tuple[array[float], array[float]] = field(default_factory=lambda: (array("d"), array("d")))
    ended: Nanoseconds = 0


class _Other:
    """Follows a replay with another supervisor."""

    def __init__(self, ours: Configuration, theirs: Configuration, found: Comparison) -> None:
        self._supervisor = Supervisor(theirs)
        self._robot = IdealRobot(commanded_joints(theirs)) if found.ideal else None
        self._translator = Translator(ours, theirs)
        self._limits = tuple(float(limit) for limit in ours.envelope.joints.velocity)
        self._found = found
        self._begun: Nanoseconds | None = None

    def follow(self, index: int, event: Event, before: tuple[Effect, ...]) -> None:
        found = self._found
        said = self._translator.say(event)
        if self._robot is not None and found.parted is not None and isinstance(said, JointStates):
            said = self._robot.measure(said)
        after = self._supervisor.handle(said)
        self._translator.learn(before, after)
        moved = _set_point(after)
        if self._robot is not None and moved is not None:
            self._robot.obey(moved)
        if self._begun is None:
            self._begun = event.at
        since = event.at - self._begun
        _note(found.before, before, since - found.ended, since)
        _note(found.after, after, since - found.ended, since)
        found.ended = since
        certain = found.parted is None
        for difference in _differences(index, since, before, after, certain):
            if len(found.differences) < MOST_DIFFERENCES:
                found.differences.append(difference)
            else:
                found.more += 1
        if certain and _moved(before) != _moved(after):
            found.parted = since
        self._draw(since, before, after)

    def _draw(self, since: Nanoseconds, before: tuple[Effect, ...], after: tuple[Effect, ...]) -> None:
        first, second = _set_point(before), _set_point(after)
        if first is None and second is None:
            return
        found = self._found
        found.times.append(since / NS_PER_S)
        pair = zip(first.positions, second.positions, strict=True) if first and second else ()
        found.deviations.append(max((abs(a - b) for a, b in pair), default=0.0 if first and second else float("nan")))
        for speeds, one in zip(found.speeds, (first, second), strict=True):
            velocities = () if one is None else zip(one.velocities, self._limits, strict=True)
            speeds.append(max((abs(v) / limit for v, limit in velocities), default=float("nan")))


def compare(
    log: EventLog,
    recorded: Configuration,
    other: Configuration,
    until: Nanoseconds | None = None,
    ideal: bool = False,
    progress: Callable[[], None] | None = None,
) -> Comparison:
    """Replay a log, and follow it with another configuration of the same robot.

    Args:
        log: the boot.
        recorded: its configuration.
        other: whose limits are tried.
        until: stop after this much time since the first event, [ns].
        ideal: from the first set-point that differs on, `other` is told of a robot that stands where it commands it.
        progress: called now and then.

    Raises:
        OtherRobotError: names of joints, their order, the frame of the base or the control period differ.
    """
    _same_robot(recorded, other)
    found = Comparison(
        ReplayReport(log.header.boot_id, log.header.robot_id, 0), Side(recorded.sha256), Side(other.sha256), ideal
    )
    follower = _Other(recorded, other, found)

    def seen(index: int, event: Event, effects: tuple[Effect, ...]) -> None:
        follower.follow(index, event, effects)
        if progress is not None and index % 1000 == 0:
            progress()

    found.report = replay(log, Supervisor(recorded), until, seen)
    return found


def _same_robot(recorded: Configuration, other: Configuration) -> None:
    pairs = {
        "robot.id": (recorded.robot.id, other.robot.id),
        "robot.joints": (recorded.robot.joints, other.robot.joints),
        "robot.base_frame": (recorded.robot.base_frame, other.robot.base_frame),
        "timing.period": (recorded.timing.period, other.timing.period),
    }
    for name, (first, second) in pairs.items():
        if first != second:
            raise OtherRobotError(f"{name} is {second!r}, of the log {first!r}: events of another robot tell nothing")


def _note(side: Side, effects: tuple[Effect, ...], passed: Nanoseconds, since: Nanoseconds) -> None:
    if side.band:
        side.states[side.band[-1][1]] += passed
    for effect in effects:
        if isinstance(effect, Decision):
            side.counts[effect.verdict, effect.code] += effect.count
        elif isinstance(effect, Actuate):
            side.set_points += 1
        elif isinstance(effect, Status) and (not side.band or side.band[-1][1] != effect.state):
            side.band.append((since, effect.state))


def _set_point(effects: tuple[Effect, ...]) -> Actuate | None:
    return next((effect for effect in effects if isinstance(effect, Actuate)), None)


def _moved(effects: tuple[Effect, ...]) -> list[object]:
    """Return what moves the robot; the kept stop is not played while set-points come."""
    return [
        effect if isinstance(effect, DriveBase) else (effect.positions, effect.velocities, effect.accelerations)
        for effect in effects
        if isinstance(effect, (Actuate, DriveBase))
    ]


def _said(decision: Decision) -> Said:
    one = decision
    return Said(one.verdict, one.code, one.rule, one.joint, one.value, one.limit, one.count)


def _differences(
    index: int, since: Nanoseconds, before: tuple[Effect, ...], after: tuple[Effect, ...], certain: bool
) -> list[Difference]:
    """Pair what both said of the same command; what was said alike is no difference."""
    ours = [effect for effect in before if isinstance(effect, Decision)]
    theirs = [effect for effect in after if isinstance(effect, Decision)]
    found = []
    for one in ours:
        about = [two for two in theirs if (two.source, two.command) == (one.source, one.command)]
        match = next((two for two in about if _said(two) == _said(one)), about[0] if about else None)
        if match is not None:
            theirs.remove(match)
        if match is None or _said(match) != _said(one):
            told = None if match is None else _said(match)
            found.append(Difference(index, since, one.source, one.command, _said(one), told, certain))
    found += [Difference(index, since, two.source, two.command, None, _said(two), certain) for two in theirs]
    return found
