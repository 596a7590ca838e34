"""The worst runs, each played again: how near it came to the limits, its states, a moving picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from safety_supervisor_sim.report.drawings import Array, Curve, courses, states
from safety_supervisor_sim.report.html import Html
from safety_supervisor_sim.report.runs import Run

COUNT: Final = 10
NEAREST: Final = 8
"""Joints that are drawn: those that came nearest to their limits."""


@dataclass(frozen=True)
class Worst:
    """One of the worst runs.

    Attributes:
        run: as it stands in the table.
        plots: positions and velocities as shares of their limits, states.
        film: a moving picture, a `data:` address; "": none.
        joints: those that were drawn, in the order of the curves.
        problem: why it could not be played again, or what differs; "": nothing.
    """

    run: Run
    plots: tuple[Html, ...] = ()
    film: str = ""
    joints: tuple[str, ...] = ()
    problem: str = ""


def choose(runs: Sequence[Run], count: int = COUNT) -> list[Run]:
    """Return the runs of the supervisor that came nearest to a limit or passed it, the worst first.

    Only those that were played to their end: what hung or died would do so here.
    """
    known = [run for run in runs if run.judged and run.done and np.isfinite(run.robustness)]
    return sorted(known, key=lambda run: (run.robustness, run.id))[:count]


def again(run: Run) -> Worst:
    """Play one of them again, and draw it."""
    # Imported here: a report without pictures needs no simulation.
    from safety_supervisor_sim.report.recording import moving_picture, record

    try:
        seen = record(run)
    except (ValueError, OSError) as error:
        return Worst(run, problem=f"it could not be played again here: {error}")
    limits = seen.limits
    middle, half = (
        0.5 * (limits.position_upper + limits.position_lower),
        0.5 * (limits.position_upper - limits.position_lower),
    )
    position, speed = (seen.position - middle) / half, seen.velocity / limits.velocity
    nearest = np.argsort(-np.maximum(np.abs(position).max(axis=0), np.abs(speed).max(axis=0)), kind="stable")
    shown = sorted(nearest[:NEAREST].tolist())

    def curves(table: Array) -> list[Curve]:
        return [Curve(seen.joints[at], seen.time, table[:, at]) for at in shown]

    plots = [
        courses("Joint positions", curves(position), "share of half the range", (-1.0, 1.0)),
        courses("Joint velocities", curves(speed), "share of the limit", (-1.0, 1.0)),
    ]
    if seen.states:
        plots.append(states("States of the supervisor", seen.states, 0.0, float(seen.time[-1])))
    differs = (
        ""
        if seen.same
        else "Played again here, the effects differ from those in the table: another version or kind of machine; the "
        "pictures are of the run that was played here."
    )
    return Worst(run, tuple(plots), moving_picture(seen.frames), tuple(seen.joints[at] for at in shown), differs)
