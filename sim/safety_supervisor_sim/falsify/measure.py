"""How near a run was to a violation: what a search goes by, and what counts as one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from safety_supervisor_sim.cell.files import load_any
from safety_supervisor_sim.demo import places

PERSON: Final = 0.5
"""Scale of the distance from people, [m]; touching one is a violation."""
SCALES: Final[Mapping[str, float]] = {
    "position": 1.0,
    "command_position": 1.0,
    "velocity": 2.0,
    "command_velocity": 2.0,
    "setpoint_velocity": 2.0,
    "acceleration": 10.0,
    "command_acceleration": 10.0,
    "command_jerk": 5000.0,
    "link_speed": 2.0,
    "keep_in": 0.1,
    "keep_out": 0.1,
}
"""What a margin of each kind is divided by, SI units."""
_LEAST: Final = 1e-6
"""Of a run without a violation: what a search goes by is never 0."""


def robustness(row: Mapping[str, Any]) -> float:
    """Return how far a run was from a violation, the distance from people included; NaN where it came to nothing."""
    if row["ended"] != "done":
        return math.nan
    value = float(row["robustness"])
    if row["violations"]:
        value = min(value, -1e-9)
    if row["distance_people"] is not None:
        value = min(value, row["distance_people"] / PERSON)
    return value


def guide(row: Mapping[str, Any], kinds: Sequence[str]) -> float:
    """Return what a search goes by: below 0 for a violation of any kind, else the least margin of some kinds.

    A supervisor's limits lie just inside the oracle's, so that the least margin of all kinds soon rests on one that
    good motion uses up as well. Only some of them show whether the others can be had.

    Args:
        row: of the run.
        kinds: that count; all where empty.
    """
    whole = robustness(row)
    if not kinds or not whole >= 0.0:
        return whole
    tolerance, margins = _tolerance(row["robot"]), dict(row["margins"])
    shares = []
    for kind in kinds:
        if kind in margins:
            shares.append(
                (margins[kind] + tolerance.get("zone" if kind.startswith("keep_") else kind, 0.0)) / SCALES[kind]
            )
        elif kind == "people" and row["distance_people"] is not None:
            shares.append(row["distance_people"] / PERSON)
    return max(min(shares), _LEAST) if shares else whole


@lru_cache(maxsize=8)
def _tolerance(robot: str) -> Mapping[str, float]:
    tolerance: Mapping[str, float] = load_any(places.cell_file(robot)).oracle.tolerance.model_dump()
    return tolerance
