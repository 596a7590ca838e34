"""The mutation check: with one check of the supervisor off, does the campaign fail?

For each check the scenarios that expect its codes are played, the cheapest first, until one is not as expected or the
oracle sees a violation. The same scenarios are played with nothing off: they have to pass, or they catch nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from safety_supervisor.config.bounds import parse
from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.mutant import Mutant
from safety_supervisor_sim.campaign.mutants import BOTH, MUTANTS
from safety_supervisor_sim.campaign.workers import Workers
from safety_supervisor_sim.demo import places

CAMPAIGN: Final = "mutants"
START: Final = 1.0
"""What a run costs besides its acts, in their seconds."""


@dataclass(frozen=True)
class Tried:
    """What came of one check that was off.

    Attributes:
        mutant: the check.
        run: scenario by which it was caught; "" when it was not.
        how: `oracle`, `expectation`, or `covered`; "" when it was not caught.
        why: first reason.
        runs: that were played with it off.
    """

    mutant: Mutant
    run: str
    how: str
    why: str
    runs: int

    @property
    def caught(self) -> bool:
        """Whether a run failed, or it was shown that another check holds what this one lets through."""
        return bool(self.how)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        told = {"check": self.mutant.name, "about": self.mutant.about, "robot": self.mutant.robot}
        codes = [code.value for code in self.mutant.codes]
        return {**told, "codes": codes, "run": self.run, "how": self.how, "why": self.why, "runs": self.runs}


@dataclass(frozen=True)
class Score:
    """What came of all.

    Attributes:
        tried: each check that was off.
        control: scenarios with nothing off that were not as expected, with the first reason: they catch nothing.
        controls: how many were played so.
        processor: of all runs, [s].
    """

    tried: tuple[Tried, ...]
    control: Mapping[str, str]
    controls: int
    processor: float

    @property
    def share(self) -> float:
        """Share of the checks that were caught."""
        return sum(one.caught for one in self.tried) / len(self.tried) if self.tried else 0.0

    @property
    def ok(self) -> bool:
        """Whether all were caught, by runs that pass with nothing off."""
        return bool(self.tried) and self.share == 1.0 and not self.control

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return {
            "ok": self.ok,
            "score": self.share,
            "caught": sum(one.caught for one in self.tried),
            "checks": [one.as_dict() for one in self.tried],
            "control": {"runs": self.controls, "not_as_expected": dict(self.control)},
            "processor": self.processor,
        }


def runs_of(mutant: Mutant, scenarios: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the scenarios to play with a check off: those that it names, then what expects its codes, cheap first."""
    codes = {code.value for code in mutant.codes}
    named = [
        name
        for name, scenario in scenarios.items()
        if scenario["robot"] == mutant.robot
        and any(codes & set(act["expect"].get("codes", [])) for act in scenario["acts"])
    ]
    cheap = sorted(named, key=lambda name: (_cost(scenarios[name]), name))
    return list(dict.fromkeys([*mutant.runs, *cheap]))


def _cost(scenario: Mapping[str, Any]) -> float:
    return START + sum(float(act.get("takes", 1.0)) for act in scenario["acts"])


def check(
    mutants: Iterable[Mutant],
    scenarios: Mapping[str, Mapping[str, Any]],
    workers: Workers,
    told: Callable[[int, int, str], None] = lambda done, of, what: None,
) -> Score:
    """Play every check off until it is caught, and every scenario that was used with nothing off.

    Args:
        mutants: checks.
        scenarios: by name, as plain values.
        workers: that play.
        told: takes how many checks are over, of how many, and what was said last.
    """
    chosen = list(mutants)
    queue = {mutant.name: runs_of(mutant, scenarios) for mutant in chosen}
    played: dict[str, list[dict[str, Any]]] = {mutant.name: [] for mutant in chosen}
    processor, used, over = 0.0, set[str](), dict[str, Tried]()
    open_ = list(chosen)
    while open_:
        round_ = [mutant for mutant in open_ if queue[mutant.name]]
        for mutant in open_:
            if mutant not in round_:
                over[mutant.name] = Tried(mutant, "", "", _none(played[mutant.name]), len(played[mutant.name]))
        cases = [_case(queue[mutant.name].pop(0), scenarios, mutant.name) for mutant in round_]
        used |= {case.scenario for case in cases}
        for mutant, case, row in zip(round_, cases, workers.play(cases), strict=True):
            played[mutant.name].append(row)
            processor += row["processor"]
            how, why = judged(row)
            if how:
                over[mutant.name] = Tried(mutant, case.scenario, how, why, len(played[mutant.name]))
            told(len(over), len(chosen), f"{mutant.name}: {case.scenario}{', caught' if how else ''}")
        open_ = [mutant for mutant in chosen if mutant.name not in over]
    for mutant in chosen:
        if not over[mutant.name].caught and mutant.covered_by:
            over[mutant.name], more, spent = _covered(mutant, scenarios, workers)
            used |= more
            processor += spent
    names = sorted(used)
    rows = list(workers.play([_case(name, scenarios, "") for name in names]))
    processor += sum(row["processor"] for row in rows)
    bad = {name: judged(row)[1] or row["problem"] for name, row in zip(names, rows, strict=True) if not row["ok"]}
    return Score(tuple(over[mutant.name] for mutant in chosen), bad, len(names), processor)


def _covered(
    mutant: Mutant, scenarios: Mapping[str, Mapping[str, Any]], workers: Workers
) -> tuple[Tried, set[str], float]:
    """Turn the check that is to hold it off as well; a run that fails then and not before shows that it does."""
    spent, names = 0.0, runs_of(mutant, scenarios)
    for number, name in enumerate(names, 1):
        both = f"{mutant.name}{BOTH}{mutant.covered_by}"
        (row,) = workers.play([_case(name, scenarios, both)])
        spent += row["processor"]
        how, why = judged(row)
        if how:
            words = f"{mutant.covered_by} holds it: with both off, {why}"
            return Tried(mutant, name, "covered", words, len(names) + number), set(names[:number]), spent
    return Tried(mutant, "", "", f"nor with {mutant.covered_by} off as well", 2 * len(names)), set(names), spent


def _none(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "no scenario expects its codes"
    bad = [row for row in rows if row["ended"] != "done"]
    return f"{bad[0]['ended']}: {bad[0]['problem']}" if bad else "every run was as expected"


def judged(row: Mapping[str, Any]) -> tuple[str, str]:
    """Say how a run failed and why: by the oracle, by what was expected, or not at all; one that is not over: not."""
    if row["ended"] != "done" or row["ok"]:
        return "", ""
    if row["violations"]:
        return "oracle", str(row["violated"][0])
    return "expectation", str(row["reasons"][0]) if row["reasons"] else "not as expected"


def _case(name: str, scenarios: Mapping[str, Mapping[str, Any]], disabled: str) -> Case:
    scenario = scenarios[name]
    text = json.dumps(scenario, sort_keys=True)
    return Case(CAMPAIGN, name, text, seed=int(scenario.get("seed", 1)), disabled=disabled)


def library() -> dict[str, dict[str, Any]]:
    """Return every scenario that is shipped, by name, as plain values."""
    directory = places.shared("scenarios", "good_motion.yaml").parent
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(directory.glob("*.yaml")):
        value, problems = parse(path, path.read_bytes())
        if not problems.found:
            found[path.stem] = value
    return found


def chosen(names: Sequence[str], robot: str) -> list[Mutant]:
    """Return the checks of these names, all where none is given; of one robot where one is.

    Raises:
        KeyError: there is no such check.
    """
    mutants = [MUTANTS[name] for name in names] if names else list(MUTANTS.values())
    return [mutant for mutant in mutants if robot in ("", mutant.robot)]
