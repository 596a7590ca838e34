"""Makes a found scenario small: fewer acts, fewer faults, simpler numbers, as long as it still shows the violation.

Delta debugging (Zeller and Hildebrandt 2002) over the lists; then every number is tried with fewer digits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

Scenario = dict[str, Any]
Shows = Callable[[Sequence[Scenario]], list[bool]]
"""Says of several scenarios whether each still shows it."""
LISTS: Final = ("faults", "people", "acts")
MOST_DIGITS: Final = 4


@dataclass
class Shrunk:
    """A small scenario, and how many runs it took."""

    scenario: Scenario
    runs: int


def shrink(scenario: Scenario, shows: Shows, budget: int, at_once: int = 2) -> Shrunk:
    """Return a smaller scenario that shows the same; the same one where nothing can go.

    Args:
        scenario: that shows it.
        shows: asked of several at once; which of them are tried does not depend on how quick they are.
        budget: most runs.
        at_once: how many are asked for together.
    """
    work = _Work(copy.deepcopy(scenario), shows, budget, at_once)
    for name in LISTS:
        work.thin_out(name)
    work.take_first(_without_poses(work.scenario))
    for path in _numbers(work.scenario):
        work.simplify(path)
    return Shrunk(work.scenario, budget - work.left)


class _Work:
    def __init__(self, scenario: Scenario, shows: Shows, budget: int, at_once: int) -> None:
        self.scenario = scenario
        self.left = budget
        self._shows = shows
        self._at_once = max(1, at_once)

    def take_first(self, tries: Sequence[Scenario]) -> bool:
        """Take the first of several that still shows it."""
        for begin in range(0, len(tries), self._at_once):
            batch = list(tries[begin : begin + self._at_once])[: self.left]
            if not batch:
                return False
            self.left -= len(batch)
            for one, shows in zip(batch, self._shows(batch), strict=True):
                if shows:
                    self.scenario = one
                    return True
        return False

    def thin_out(self, name: str) -> None:
        """Take entries of a list away, ever fewer at once, until none can go."""
        parts = 2
        while self.left and (entries := self.scenario.get(name)):
            size = max(1, len(entries) // parts)
            tries = [
                _lean({**self.scenario, name: entries[:begin] + entries[begin + size :]})
                for begin in range(0, len(entries), size)
            ]
            if self.take_first([one for one in tries if one.get("acts")]):
                parts = max(2, parts - 1)
            elif size == 1:
                return
            else:
                parts = min(2 * parts, len(entries))

    def simplify(self, path: tuple[Any, ...]) -> None:
        """Try a number with fewer digits, the fewest first."""
        value = _at(self.scenario, path)
        tries = []
        for digits in range(MOST_DIGITS):
            simple: float = round(value, digits)
            if simple == value:
                break
            one = copy.deepcopy(self.scenario)
            _at(one, path[:-1])[path[-1]] = simple
            tries.append(one)
        if self.left:
            self.take_first(tries)


def _lean(scenario: Scenario) -> Scenario:
    """Leave out faults and people that begin with an act that is not there any more."""
    names = {act["name"] for act in scenario.get("acts", [])}
    kept: Scenario = {
        name: [one for one in scenario[name] if one["act"] in names]
        for name in ("faults", "people")
        if name in scenario
    }
    return {**scenario, **kept}


def _without_poses(scenario: Scenario) -> list[Scenario]:
    """Return it without the poses that no act names; one has to stay."""
    poses = scenario.get("poses", {})
    used = {act.get("goal") for act in scenario.get("acts", [])}
    kept = {name: pose for name, pose in poses.items() if name in used} or dict(list(poses.items())[:1])
    return [{**scenario, "poses": kept}] if kept != poses else []


def _numbers(scenario: Scenario) -> Iterator[tuple[Any, ...]]:
    """Name every number with a fraction in poses, acts, faults and people; expectations stay what they are."""

    def walk(place: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        if isinstance(place, float):
            yield path
        elif isinstance(place, dict):
            for key, value in place.items():
                if key != "expect":
                    yield from walk(value, (*path, key))
        elif isinstance(place, list):
            for index, value in enumerate(place):
                yield from walk(value, (*path, index))

    for name in ("poses", "acts", "faults", "people"):
        yield from list(walk(scenario.get(name, []), (name,)))


def _at(scenario: Any, path: tuple[Any, ...]) -> Any:
    place = scenario
    for step in path:
        place = place[step]
    return place
