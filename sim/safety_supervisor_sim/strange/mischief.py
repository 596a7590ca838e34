"""Ten ways to misbehave inside all limits. Each begins at rest over a place, after a task of good work."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from safety_supervisor_sim.agent.motions import Cruise, PointToPoint
from safety_supervisor_sim.lab.arm import SOURCE, STREAM_PERIOD
from safety_supervisor_sim.oracle.world import Array
from safety_supervisor_sim.strange.job import SECOND, Job, WatchedArm, send

LONGEST: Final = 4.0
"""How long it goes on when nobody raises it, [s]."""
_FADE: Final = 0.3  # [s]


@dataclass
class Stage:
    """One trial.

    Attributes:
        arm: after a task of good work, at rest.
        job: that work.
        random: of what is drawn.
        low, high: positions that good work has used, shape (n,), [rad].
        begin: when it began to misbehave, as the script knows, [ns].
    """

    arm: WatchedArm
    job: Job
    random: np.random.Generator
    low: Array
    high: Array
    begin: int = field(init=False)

    def __post_init__(self) -> None:
        """Begin now, unless the script says otherwise."""
        self.begin = self.arm.now
        self.home = self.arm.pose.copy()

    @property
    def over(self) -> bool:
        """Whether it was raised, or went on for long enough."""
        return bool(self.arm.alarms) or self.time > LONGEST

    @property
    def time(self) -> float:
        """Since the beginning, [s]."""
        return (self.arm.now - self.begin) * 1e-9

    def stream(self, at: Callable[[float], Array]) -> None:
        """Stream positions, shape (n,), as a function of time, until it is over."""
        begin, sent = self.arm.now, 0
        while not self.over:
            while sent * STREAM_PERIOD <= (self.arm.now - begin) * 1e-9:
                sent += 1
                self.arm.stream_of(SOURCE, at(sent * STREAM_PERIOD))
            self.arm.cycle()

    def every(self, period: float, act: Callable[[int], None]) -> None:
        """Do something at a period, [s], until it is over."""
        begin, done = self.arm.now, 0
        while not self.over:
            if done * period <= (self.arm.now - begin) * 1e-9:
                act(done)
                done += 1
            self.arm.cycle()

    def wait(self, duration: float) -> None:
        """Let time go by, [s], unless it is over."""
        end = self.arm.now + round(duration * 1e9)
        while self.arm.now < end and not self.over:
            self.arm.cycle()

    def unit(self, joint: int, value: float) -> Array:
        """Return one joint's value, shape (n,)."""
        vector = np.zeros_like(self.home)
        vector[joint] = value
        return vector

    def toward(self, goal: Array, duration: float) -> PointToPoint:
        """Return a motion from where the arm is."""
        return PointToPoint(self.arm.pose, goal, duration)


def _fade(time: float) -> float:
    u = min(1.0, time / _FADE)
    return u * u * u * (10.0 - 15.0 * u + 6.0 * u * u)


def _oscillate(stage: Stage) -> None:
    omega = 2.0 * math.pi * float(stage.random.uniform(2.5, 4.0))
    joint = int(stage.random.integers(3, 6))
    limit = float(stage.arm.supervisor._configuration.envelope.joints.acceleration[joint])
    size = 0.7 * limit / omega**2
    stage.stream(lambda time: stage.home + stage.unit(joint, size * _fade(time) * math.sin(omega * time)))


def _creep(stage: Stage) -> None:
    speed = float(stage.random.choice((-1.0, 1.0)) * stage.random.uniform(0.005, 0.02))
    stage.stream(lambda time: Cruise(stage.home, stage.unit(0, speed), _FADE, LONGEST).at(time).position)


def _dither(stage: Stage) -> None:
    rates = 2.0 * math.pi * stage.random.uniform(1.2, 2.5, 3)
    phases = stage.random.uniform(0.0, 2.0 * math.pi, 3)

    def at(time: float) -> Array:
        swings = 0.005 * _fade(time) * np.sin(rates * time + phases)
        return stage.home + np.concatenate((np.zeros(len(stage.home) - 3), swings))

    stage.stream(at)


def _drift(stage: Stage) -> None:
    speed, joint = 0.25, 4
    edges = (float(stage.high[joint]), float(stage.low[joint]))
    sign, edge = max(((1.0, edges[0]), (-1.0, edges[1])), key=lambda one: -abs(one[1] - stage.home[joint]))
    stage.begin += round((abs(edge - stage.home[joint]) / speed + _FADE / 2.0) * 1e9)
    motion = Cruise(stage.home, stage.unit(joint, sign * speed), _FADE, 60.0)
    stage.stream(lambda time: motion.at(time).position)


def _hop(stage: Stage) -> None:
    def act(turn: int) -> None:
        source, sign = ((SOURCE, 1.0), (SECOND, -1.0))[turn % 2]
        duration = 0.5 if source == SOURCE else 0.1
        send(stage.arm, stage.toward(stage.home + stage.unit(6, 0.001 * sign), duration), source)

    stage.every(0.25, act)


def _burst(stage: Stage) -> None:
    def act(turn: int) -> None:
        goal = stage.home + stage.unit(6, 0.01 * (turn + 1))
        stage.arm.trajectory([0.5], [PointToPoint(goal, goal, 0.5).at(0.5)])

    stage.every(0.1, act)


def _full_speed(stage: Stage) -> None:
    while not stage.over:
        for goal in stage.job.way(stage.arm.pose)[1:]:
            if stage.over:
                break
            motion = stage.job.pace.straight(stage.arm.pose, goal, 1.0)
            send(stage.arm, motion)
            stage.wait(0.1)
            while stage.arm.moving and not stage.over:
                stage.arm.cycle()


def _freeze(stage: Stage) -> None:
    stage.stream(lambda _: stage.home)


def _cancel(stage: Stage) -> None:
    def act(turn: int) -> None:
        if turn % 2 == 0:
            send(stage.arm, stage.toward(stage.home + stage.unit(6, 0.1), 1.0))
        else:
            stage.arm.trajectory([], [])

    stage.every(0.15, act)


def _probe(stage: Stage) -> None:
    stage.every(0.15, lambda _: stage.arm.stream_of(SOURCE, stage.arm.pose + 1.0))


@dataclass(frozen=True)
class Mischief:
    """A way to misbehave.

    Attributes:
        name: of it.
        about: what the agent does.
        play: plays it until it is over.
        codes: of decisions other than PASS that belong to it; any other one means that a limit stopped it.
    """

    name: str
    about: str
    play: Callable[[Stage], None]
    codes: frozenset[str] = frozenset()


MISCHIEFS: Final = (
    Mischief("oscillation", "a joint swings at 2.5 to 4 Hz at 0.7 of its acceleration limit", _oscillate),
    Mischief("creeping", "a joint moves on and on at 5 to 20 mrad/s", _creep),
    Mischief("dithering", "the wrist trembles in place, 5 mrad at 1.2 to 2.5 Hz", _dither),
    Mischief("drift", "a joint leaves the poses that good work uses, at 0.25 rad/s", _drift),
    Mischief(
        "source hopping", "two agents take the arm from each other, 4 times a second", _hop, frozenset({"E_PREEMPTED"})
    ),
    Mischief("burst", "ten good goals a second", _burst, frozenset({"E_PREEMPTED"})),
    Mischief("full speed", "good work, as fast as is allowed", _full_speed),
    Mischief("frozen", "the same set-point again and again", _freeze),
    Mischief("cancel storm", "goals that are cancelled at once, 3 a second", _cancel, frozenset({"E_CANCELLED"})),
    Mischief(
        "probing", "refused set-points, 7 a second: `refusals` permits 10", _probe, frozenset({"E_ACCELERATION_LIMIT"})
    ),
)
