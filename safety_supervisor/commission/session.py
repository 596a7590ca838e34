"""All stops of a plan, one after the other, until the first that is worse than the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from safety_supervisor.commission.figures import Figures, UnfitRecordingError, measure
from safety_supervisor.commission.judging import Finding, disturbed, judge
from safety_supervisor.commission.plan import Plan, PlannedStop
from safety_supervisor.commission.recording import Recording
from safety_supervisor.commission.stopping_run import RefusedError, Robot, Runner
from safety_supervisor.core.errors import CODE_OF, Code
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import seconds

TRIES: Final = 4
"""A stop is measured again where a late message spoilt it."""
_NOT_FOLLOWED: Final = {
    Code.TRACKING: "tracking.bound",
    Code.RAMP_MISSED: "timing.stop_allowance",
    Code.STANDSTILL_LEFT: "tracking.standstill",
}
"""Causes by which the supervisor itself finds that the robot is worse than the model, and what it was held to."""


@dataclass(frozen=True)
class Outcome:
    """What came of one planned stop.

    Attributes:
        stop: that was planned.
        recording: None: nothing was measured.
        figures: likewise.
        findings: in what it was worse than the model.
        missed: why nothing was measured; empty: it was.
    """

    stop: PlannedStop
    recording: Recording | None = None
    figures: Figures | None = None
    findings: tuple[Finding, ...] = ()
    missed: str = ""


def describe(stop: PlannedStop, configuration: Configuration) -> str:
    """Tell a person what will move, how fast and how far, before it does."""
    moved = list(np.flatnonzero(stop.cruise))
    names = configuration.robot.joints
    told = ", ".join(f"{names[i]} by up to {stop.ways[i]:.2f} at {stop.cruise[i]:+.2f}/s" for i in moved)
    return f"pose {stop.pose}, {stop.what}, {stop.fraction:.0%} of the permitted speed: {told} [rad or m]"


def run(
    configuration: Configuration,
    plan: Plan,
    robot: Robot,
    confirm: Callable[[PlannedStop], bool],
) -> Iterator[Outcome]:
    """Measure the stops in their order; ends by itself on the first that is worse than the model.

    Args:
        configuration: of the robot.
        plan: what to measure.
        robot: that moves.
        confirm: asks a person before each stop; False ends it.
    """
    runner = Runner(configuration, robot)
    pose = 0
    for stop in plan.stops:
        if not confirm(stop):
            return
        outcome = Outcome(stop)
        for _ in range(TRIES):
            try:
                if stop.pose != pose:
                    runner.go(plan.poses[0])
                    pose = stop.pose
                runner.go(plan.poses[pose - 1])
                outcome = _measure(configuration, stop, runner.stop(stop.cruise))
            except RefusedError as error:
                outcome = _refused(configuration, stop, error)
            if not outcome.missed or _is_over(robot):
                break
        yield outcome
        if outcome.findings or _is_over(robot):
            return


def _is_over(robot: Robot) -> bool:
    return robot.state() in ("FAULT", "EMERGENCY_STOP")


def _measure(configuration: Configuration, stop: PlannedStop, recording: Recording) -> Outcome:
    names, limits = configuration.robot.joints, configuration.envelope.joints
    try:
        period = seconds(configuration.timing.period)
        figures = measure(recording, stop.expected, configuration.tracking.rest, period)
    except UnfitRecordingError as error:
        return Outcome(stop, missed=str(error))
    late = disturbed(figures, stop.expected)
    if late:
        return Outcome(stop, missed=late)
    decelerations = dict(zip(names, limits.acceleration.tolist(), strict=True))
    return Outcome(stop, recording, figures, tuple(judge(figures, stop.expected, names, decelerations)))


def _refused(configuration: Configuration, stop: PlannedStop, error: RefusedError) -> Outcome:
    code = CODE_OF.get(error.code)
    setting = _NOT_FOLLOWED.get(code) if code is not None else None
    if code is None or setting is None:
        return Outcome(stop, missed=str(error))
    allowed = float(configuration.tracking.bound[np.abs(stop.cruise).argmax()])
    found = Finding(
        f"{code.value}, found by the supervisor itself: the robot", "", math.inf, allowed, setting, math.nan, "rad"
    )
    return Outcome(stop, findings=(found,))
