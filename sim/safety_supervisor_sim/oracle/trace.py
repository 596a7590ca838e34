"""Judges the recorded true motion of a run: did it touch anything?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.way import WayJudge


@dataclass
class TraceTouch:
    """What came of it.

    Attributes:
        samples: judged.
        asked: poses at which the judge looked.
        touched: time, steady clock, [ns], pair, and distance, [m], where each stretch first touched.
    """

    samples: int = 0
    asked: int = 0
    touched: list[tuple[int, str, float]] = field(default_factory=list)


def judge_trace(path: Path, judge: TouchJudge) -> TraceTouch:
    """Follow every stretch of a trace in which the robot was judged: not limp, not fallen, not moved by hand.

    Takes about a second for a minute in which the robot moves half of the time.

    Args:
        path: of what `Oracle.save_trace` wrote.
        judge: of the same joints.

    Raises:
        OSError, ValueError, KeyError: the file can not be read.
    """
    found = TraceTouch()
    with np.load(path) as data:
        times, rows, judged = data["time_ns"], data["position"], data["judged"]
    edges = np.flatnonzero(np.diff(judged.astype(np.int8), prepend=0, append=0))
    for first, last in edges.reshape(-1, 2):
        way = WayJudge(judge, exact=False)
        touched = way.follow(rows[first:last])
        found.samples += way.seen.set_points
        found.asked += way.seen.asked
        if touched is not None:
            found.touched.append((int(times[first + int(touched.row)]), touched.near.pair, touched.near.distance))
    return found
