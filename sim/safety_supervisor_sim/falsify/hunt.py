"""One hunt: search, shrink what was found, and write it down as a scenario."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.workers import Workers
from safety_supervisor_sim.falsify.measure import guide, robustness
from safety_supervisor_sim.falsify.search import Found, Method, search
from safety_supervisor_sim.falsify.shrink import Shrunk, shrink
from safety_supervisor_sim.falsify.space import Vector
from safety_supervisor_sim.falsify.spec import Task

SHRINKS: Final = 300
"""Most runs that make a found scenario small."""


@dataclass
class Hunt:
    """A search of one task, and what came of it.

    Attributes:
        task: what is searched.
        method, seed, budget: how, and how long.
        disabled: check of the supervisor that is off; "": none.
        found: so far.
        row: of the run with the least robustness.
        problems: how runs ended that came to nothing, and how many did.
        shrunk: what was found, made small; None: nothing was.
        shown: row of the small scenario.
    """

    task: Task
    method: Method
    seed: int
    budget: int
    disabled: str = ""
    found: Found = field(default_factory=Found)
    row: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, int] = field(default_factory=dict)
    shrunk: Shrunk | None = None
    shown: dict[str, Any] = field(default_factory=dict)

    def case(self, scenario: dict[str, Any], parameters: dict[str, float] | None = None) -> Case:
        """Return the run of a scenario."""
        text = json.dumps(scenario, sort_keys=True)
        told = json.dumps(parameters or {}, sort_keys=True)
        return Case(f"falsify {self.task.name}", self.task.origin, text, told, self.task.seed, disabled=self.disabled)

    def go(
        self, workers: Workers, seconds: float = math.inf, told: Callable[[Found], None] = lambda found: None
    ) -> Hunt:
        """Search until something is found, the budget is used, or the time is over, [s]; then shrink what was found."""
        space, until = self.task.space, time.monotonic() + seconds

        def played(points: Sequence[Vector]) -> list[float]:
            cases = [self.case(space.lay(point), space.values(point)) for point in points]
            return [self._value(row) for row in workers.play(cases)]

        def over() -> bool:
            return time.monotonic() >= until

        self.found = search(self.method, space.first(), self.seed, self.budget, played, over, told)
        if self.found.first and self.found.where is not None:
            self._shrink(space.lay(self.found.where), workers)
        return self

    def _value(self, row: dict[str, Any]) -> float:
        value, before = guide(row, self.task.kinds), guide(self.row, self.task.kinds) if self.row else math.inf
        if math.isnan(value):
            why = f"{row['ended']}: {row['problem'].splitlines()[0] if row['problem'] else 'nothing was judged'}"
            self.problems[why] = self.problems.get(why, 0) + 1
        elif value < before:
            self.row = row
        return value

    def _shrink(self, scenario: dict[str, Any], workers: Workers) -> None:
        def shows(several: Sequence[dict[str, Any]]) -> list[bool]:
            return [robustness(row) < 0.0 for row in workers.play([self.case(one) for one in several])]

        self.shrunk = shrink(scenario, shows, SHRINKS, at_once=2)
        (self.shown,) = workers.play([self.case(self.shrunk.scenario)])

    def save(self, directory: Path) -> Path | None:
        """Write the small scenario into a directory; None: nothing was found."""
        if self.shrunk is None:
            return None
        directory.mkdir(parents=True, exist_ok=True)
        origin = self.task.origin[:20].rstrip("_")
        scenario = {**self.shrunk.scenario, "name": f"found_{origin}", "rows": [], "requirements": []}
        scenario["about"] = f"Found by falsification: {'; '.join(self.shown['violated'][:2])}"[:500]
        file = directory / f"{scenario['name']}.yaml"
        off = f" --disabled {self.disabled}" if self.disabled else ""
        lines = [
            f"Found by `sim falsify {self.task.name} --method {self.method.value} --seed {self.seed}{off}`, run "
            f"{self.found.first} of at most {self.budget}; made small in {self.shrunk.runs} runs.",
            f"Robustness {robustness(self.shown):.4g}. The oracle saw: {'; '.join(self.shown['violated'][:5])}",
            f"Shown again by `safety-supervisor sim falsify {file.name} --budget 1{off}`"
            + ("." if self.disabled else f" and `safety-supervisor sim run --engine core {file.name}`."),
        ]
        if self.disabled:
            lines.append(f"The check {self.disabled} was off: with it on, the run is no violation by this check.")
        text = yaml.safe_dump(scenario, sort_keys=False, width=120, allow_unicode=True)
        file.write_text("".join(f"# {line}\n" for line in lines) + text)
        return file

    def as_dict(self) -> dict[str, Any]:
        """Return what came of it, ready for JSON."""
        least = self.found.least
        return {
            "task": self.task.name,
            "scenario": self.task.origin,
            "method": self.method.value,
            "seed": self.seed,
            "disabled": self.disabled,
            "budget": self.budget,
            "runs": self.found.runs,
            "found": bool(self.found.first),
            "found_in_run": self.found.first or None,
            "least": least if math.isfinite(least) else None,
            "robustness": robustness(self.row) if self.row else None,
            "kinds": list(self.task.kinds),
            "parameters": json.loads(self.row["parameters"]) if self.row else {},
            "violated": self.row.get("violated", []),
            "margins": dict(self.row.get("margins", [])),
            "course": self.found.course,
            "problems": self.problems,
            "shrunk": None
            if self.shrunk is None
            else {
                "runs": self.shrunk.runs,
                "acts": len(self.shrunk.scenario["acts"]),
                "faults": len(self.shrunk.scenario.get("faults", [])),
                "robustness": robustness(self.shown),
                "violated": self.shown["violated"],
            },
        }
