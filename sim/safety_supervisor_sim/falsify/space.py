"""What a search varies: named real parameters of a scenario, each between two ends."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
DIGITS: Final = 6
"""Of what is laid into a scenario: the same text gives the same run."""


class SpaceError(ValueError):
    """A parameter leads nowhere, or its ends make no range; the text names it."""


@dataclass(frozen=True)
class Range:
    """Values between two ends; whole numbers where `whole`."""

    low: float
    high: float
    whole: bool = False


@dataclass(frozen=True)
class Space:
    """A scenario, and which of its numbers vary.

    Attributes:
        scenario: as it is read from a file, with names of acts as its own.
        ranges: by path, steps with dots between: keys of mappings; of lists an index, or the `name` of an entry.
    """

    scenario: Mapping[str, Any]
    ranges: Mapping[str, Range]

    def __post_init__(self) -> None:
        """Refuse what leads nowhere.

        Raises:
            SpaceError: with every reason, one a line.
        """
        problems = []
        for path, one in self.ranges.items():
            if not one.low < one.high:
                problems.append(f"vary.{path}: low {one.low} has to be less than high {one.high}")
            try:
                found = at(self.scenario, path)
            except SpaceError as error:
                problems.append(f"vary.{path}: {error}")
                continue
            if isinstance(found, bool) or not isinstance(found, int | float):
                problems.append(f"vary.{path}: {found!r} is no number")
        if not self.ranges:
            problems.append("vary: nothing varies")
        if problems:
            raise SpaceError("\n".join(problems))

    @property
    def names(self) -> tuple[str, ...]:
        """Paths, in their order."""
        return tuple(self.ranges)

    def values(self, shares: Vector) -> dict[str, float]:
        """Return the values at shares of the ranges, shape (n,), each clipped to 0 and 1."""
        result: dict[str, float] = {}
        for (path, one), share in zip(self.ranges.items(), np.clip(shares, 0.0, 1.0).tolist(), strict=True):
            value = one.low + share * (one.high - one.low)
            result[path] = round(value) if one.whole else round(value, DIGITS)
        return result

    def lay(self, shares: Vector) -> dict[str, Any]:
        """Return the scenario with values at shares of the ranges, shape (n,)."""
        laid: dict[str, Any] = copy.deepcopy(dict(self.scenario))
        for path, value in self.values(shares).items():
            put(laid, path, value)
        return laid

    def first(self) -> Vector:
        """Return the shares of the values that the scenario has itself, shape (n,)."""
        shares = [
            (float(at(self.scenario, path)) - one.low) / (one.high - one.low) for path, one in self.ranges.items()
        ]
        return np.clip(np.array(shares), 0.0, 1.0)


def at(scenario: Any, path: str) -> Any:
    """Return what stands at a path.

    Raises:
        SpaceError: nothing does.
    """
    place = scenario
    for step in path.split("."):
        place = place[_key(place, step)]
    return place


def put(scenario: Any, path: str, value: Any) -> None:
    """Set what stands at a path, in place.

    Raises:
        SpaceError: nothing does.
    """
    *steps, last = path.split(".")
    place = scenario
    for step in steps:
        place = place[_key(place, step)]
    place[_key(place, last)] = value


def _key(place: Any, step: str) -> Any:
    if isinstance(place, Mapping):
        if step in place:
            return step
        raise SpaceError(f"{step} is not there; there is: {', '.join(map(str, list(place)[:12])) or 'nothing'}")
    if isinstance(place, Sequence) and not isinstance(place, str):
        names = [one.get("name") if isinstance(one, Mapping) else None for one in place]
        if step.isdecimal() and int(step) < len(place):
            return int(step)
        if step in names:
            return names.index(step)
        known = [name for name in names if name is not None]
        raise SpaceError(f"{step} is not there; there is: {', '.join(known) or f'0 to {len(place) - 1}'}")
    raise SpaceError(f"there is nothing below, where {step} would be")


# --- of a scenario for which nobody has said what varies

_SHARE: Final = (0.4, 2.0)
_OFF: Final = 0.5
"""A joint of a goal may be so far beside, [rad]."""
_FAULTS: Final = ("begin", "duration", "seconds", "share", "position", "offset")


def usual(scenario: Mapping[str, Any]) -> dict[str, Range]:
    """Return what varies of a scenario for which nobody said it: goals, times, speeds, and everything of faults."""
    ranges: dict[str, Range] = {}
    goals = {act["goal"] for act in scenario["acts"] if "goal" in act}
    for name in sorted(goals):
        pose = scenario["poses"][name]
        joints = pose.items() if isinstance(pose, Mapping) else enumerate(pose)
        for joint, value in joints:
            ranges[f"poses.{name}.{joint}"] = Range(value - _OFF, value + _OFF)
    for index, act in enumerate(scenario["acts"]):
        for key in ("seconds", "ramp"):
            if isinstance(act.get(key), int | float):
                ranges[f"acts.{index}.{key}"] = Range(_SHARE[0] * act[key], _SHARE[1] * act[key])
        for joint, value in act.get("velocity", {}).items():
            if value:
                ranges[f"acts.{index}.velocity.{joint}"] = Range(-2.0 * abs(value), 2.0 * abs(value))
    for index, fault in enumerate(scenario.get("faults", [])):
        for key in _FAULTS:
            value = fault.get(key)
            if isinstance(value, int | float) and value:
                high = min(1.0, 2.0 * value) if key == "share" else 2.0 * value
                low, high = min(0.1 * value, high), max(0.1 * value, high)
                ranges[f"faults.{index}.{key}"] = Range(-high if key == "offset" else low, high)
    return ranges
