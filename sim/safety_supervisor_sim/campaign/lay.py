"""Lays drawn values into a scenario, by path."""

from __future__ import annotations

from typing import Any

from safety_supervisor_sim.campaign.plan import Choice, Parameter


class NoPlaceError(ValueError):
    """There is no such place in the scenario; the text says how far the path led."""


def lay(scenario: Any, path: str, value: Any) -> None:
    """Set one value of a scenario, in place.

    Args:
        scenario: a mapping, as it is read from a file.
        path: steps with dots between: keys of mappings; of lists an index, or the `name` of an entry.
        value: what stands there from now on.

    Raises:
        NoPlaceError: there is no such place.
    """
    *steps, last = path.split(".")
    place = scenario
    for number, step in enumerate(steps):
        place = _go(place, step, ".".join(steps[: number + 1]))
    if isinstance(place, list):
        place[_index(place, last, path)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise NoPlaceError(f"{path}: there is nothing below {'.'.join(steps)}")


def _go(place: Any, step: str, so_far: str) -> Any:
    if isinstance(place, list):
        return place[_index(place, step, so_far)]
    if isinstance(place, dict) and step in place:
        return place[step]
    known = ", ".join(list(place)[:12]) if isinstance(place, dict) else "nothing"
    raise NoPlaceError(f"{so_far} is not there; there is: {known}")


def _index(place: list[Any], step: str, so_far: str) -> int:
    if step.isdecimal() and int(step) < len(place):
        return int(step)
    names = [one.get("name") if isinstance(one, dict) else None for one in place]
    if step in names:
        return names.index(step)
    known = ", ".join(str(name) for name in names if name is not None) or f"0 to {len(place) - 1}"
    raise NoPlaceError(f"{so_far} is not there; there is: {known}")


def value_at(parameter: Parameter, share: float) -> Any:
    """Return the value of a parameter at a share of its range, 0 to 1."""
    if isinstance(parameter, Choice):
        return parameter.choices[min(int(share * len(parameter.choices)), len(parameter.choices) - 1)]
    if parameter.whole:
        low, high = round(parameter.low), round(parameter.high)
        return min(low + int(share * (high - low + 1)), high)
    return parameter.low + share * (parameter.high - parameter.low)


def ends_of(parameter: Parameter) -> list[Any]:
    """Return both ends of a range, or every choice."""
    return list(parameter.choices) if isinstance(parameter, Choice) else [value_at(parameter, s) for s in (0.0, 1.0)]
