"""What runs come to: counts with their bounds, by campaign and robot; checks that were off; rivals beside it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from safety_supervisor_sim.report.runs import ENDINGS, SUPERVISOR, Run
from safety_supervisor_sim.report.statistics import interval, upper_bound


@dataclass(frozen=True)
class Tally:
    """Counts of some runs.

    Attributes:
        campaign, robot: of the runs; "" is all campaigns.
        runs: how many, whatever became of them.
        ended: how many ended so, by `runs.ENDINGS`.
        violated: runs in which the oracle saw a limit passed.
        unknown: runs that are not done: nobody knows, so the bound counts them as violated.
        bound: one-sided upper 95 % bound of the rate of violated runs.
        unexpected: runs that are done, violated nothing, and are not as expected all the same.
        good: runs that are done and as expected.
        good_motions, false_stops: over all runs that are done.
        false_interval: two-sided 95 % interval of false stops a good motion; None without good motions.
        task_time: median over runs with good motions, [s].
        least_robustness: of runs that are done; None: nothing was judged.
        least_distance: from a person, [m]; None: not measured.
        simulated, processor: [s].
    """

    campaign: str
    robot: str
    runs: int
    ended: dict[str, int]
    violated: int
    unknown: int
    bound: float
    unexpected: int
    good: int
    good_motions: int
    false_stops: int
    false_interval: tuple[float, float] | None
    task_time: float | None
    least_robustness: float | None
    least_distance: float | None
    simulated: float
    processor: float

    @property
    def ok(self) -> bool:
        """Whether every run was played to its end and is as expected."""
        return self.runs > 0 and self.good == self.runs

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**asdict(self), "ok": self.ok}


def tally(runs: Sequence[Run], campaign: str, robot: str) -> Tally:
    """Count runs."""
    done = [run for run in runs if run.done]
    violated = sum(run.violations > 0 for run in done)
    unknown = len(runs) - len(done)
    motions, stops = sum(run.good_motions for run in done), sum(run.false_stops for run in done)
    times = [run.task_time for run in done if run.task_time is not None]
    near = [run.distance_people for run in done if run.distance_people is not None]
    # NaN is what a run says in which nothing was judged; it is never good.
    robust = [run.robustness for run in done if math.isfinite(run.robustness)]
    return Tally(
        campaign=campaign,
        robot=robot,
        runs=len(runs),
        ended={ending: sum(run.ended == ending for run in runs) for ending in ENDINGS},
        violated=violated,
        unknown=unknown,
        bound=upper_bound(violated + unknown, len(runs)),
        unexpected=sum(not run.ok and not run.violations for run in done),
        good=sum(run.ok for run in done),
        good_motions=motions,
        false_stops=stops,
        false_interval=interval(stops, motions) if motions else None,
        task_time=median(times) if times else None,
        least_robustness=min(robust, default=None),
        least_distance=min(near, default=None),
        simulated=sum(run.simulated for run in runs),
        processor=sum(run.processor for run in runs),
    )


def by_campaign(runs: Iterable[Run]) -> list[Tally]:
    """Count the supervisor's runs by campaign and robot."""
    groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        if run.judged:
            groups[run.campaign, run.robot].append(run)
    return [tally(found, *key) for key, found in sorted(groups.items())]


def by_robot(runs: Iterable[Run]) -> list[Tally]:
    """Count the supervisor's runs by robot: what the head of the report says."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.judged:
            groups[run.robot].append(run)
    return [tally(found, "", robot) for robot, found in sorted(groups.items())]


@dataclass(frozen=True)
class Mutant:
    """A check that was off.

    Attributes:
        check: its name.
        runs, done: with it off.
        by: runs that caught it: done and not good, and the same draw with all checks on, where it was played, is good.
        alone: of them, runs whose draw was not played with all checks on.
    """

    check: str
    runs: int
    done: int
    by: tuple[str, ...]
    alone: int

    @property
    def caught(self) -> bool:
        """Whether the campaign sees that the check is off."""
        return bool(self.by)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**asdict(self), "caught": self.caught}


def mutants(runs: Sequence[Run]) -> list[Mutant]:
    """Count, for each check that was off, the runs that caught it."""
    whole = {run.drawn: run for run in runs if run.judged}
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.disabled:
            groups[run.disabled].append(run)
    found = []
    for check, off in sorted(groups.items()):
        bad = [run for run in off if run.done and not run.ok]
        # A run that is not good with all checks on either says nothing of the one that is off.
        by = [run for run in bad if run.drawn not in whole or whole[run.drawn].ok]
        alone = sum(run.drawn not in whole for run in by)
        found.append(Mutant(check, len(off), sum(run.done for run in off), tuple(run.id for run in by), alone))
    return found


@dataclass(frozen=True)
class Rival:
    """What came of one subject in the draws that all of them played to the end.

    Attributes:
        subject: who stood before the motors.
        runs, done: all of it.
        paired: draws that every subject played to the end; the figures below are of these alone.
        violated, bound: runs with violations, and the upper 95 % bound of their rate.
        good_motions, false_stops: of good motions.
        task_time: of all draws in which every subject has one, [s]; None: there is none.
    """

    subject: str
    runs: int
    done: int
    paired: int
    violated: int
    bound: float
    good_motions: int
    false_stops: int
    task_time: float | None

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def rivals(runs: Sequence[Run]) -> list[Rival]:
    """Compare the subjects, the supervisor first; empty when there is none beside it."""
    whole = [run for run in runs if not run.disabled]
    subjects = sorted({run.subject for run in whole}, key=lambda name: (name != SUPERVISOR, name))
    if len(subjects) < 2:
        return []
    done = {subject: {run.drawn: run for run in whole if run.subject == subject and run.done} for subject in subjects}
    paired = set.intersection(*(set(found) for found in done.values()))
    timed = [draw for draw in paired if all(found[draw].task_time is not None for found in done.values())]
    result = []
    for subject, found in done.items():
        pairs = [found[draw] for draw in paired]
        violated = sum(run.violations > 0 for run in pairs)
        result.append(
            Rival(
                subject=subject,
                runs=sum(run.subject == subject for run in whole),
                done=len(found),
                paired=len(pairs),
                violated=violated,
                bound=upper_bound(violated, len(pairs)),
                good_motions=sum(run.good_motions for run in pairs),
                false_stops=sum(run.false_stops for run in pairs),
                task_time=sum(found[draw].task_time or 0.0 for draw in sorted(timed)) if timed else None,
            )
        )
    return result
