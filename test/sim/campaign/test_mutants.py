"""The registry of checks that can be off: complete, without leaks, and of use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from safety_supervisor.core.errors import Code
from safety_supervisor_sim.campaign.mutants import MUTANTS, disable
from safety_supervisor_sim.campaign.mutation import check, judged, library, runs_of
from safety_supervisor_sim.campaign.switches import override, wrap
from safety_supervisor_sim.campaign.unmutated import REASONS
from safety_supervisor_sim.campaign.workers import Workers
from safety_supervisor_sim.engine.run import run
from safety_supervisor_sim.scenario import load_scenario

ROOT = Path(__file__).resolve().parents[3]
SCENARIOS = ROOT / "sim" / "scenarios"


def test_every_code_is_answered_for_by_a_check_that_can_be_off_or_has_a_reason_why_not() -> None:
    checked = {code for mutant in MUTANTS.values() for code in mutant.codes}
    assert [code.value for code in Code if code not in checked and code not in REASONS] == []
    assert [code.value for code in checked if code in REASONS] == []


def test_tests_that_reasons_name_are_there() -> None:
    named = {name for reason in REASONS.values() for name in re.findall(r"test/[a-z_/]+(?:\.py)?", reason)}
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_check_has_scenarios_that_could_catch_it() -> None:
    scenarios = library()
    for mutant in MUTANTS.values():
        runs = runs_of(mutant, scenarios)
        assert runs, mutant.name
        assert {scenarios[name]["robot"] for name in runs} == {mutant.robot}, mutant.name
        assert mutant.covered_by in ("", *MUTANTS)


def test_a_check_that_is_not_known_is_an_error() -> None:
    with pytest.raises(KeyError):
        disable("moon_phase")


class Gauge:
    """With slots, as several parts of the core."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 3

    def read(self, times: int) -> int:
        return times * self.value


def test_one_object_alone_is_changed() -> None:
    changed, other = Gauge(), Gauge()
    wrap(changed, "read", lambda original, times: original(times) + 1)
    wrap(changed, "read", lambda original, times: original(times) * 2)
    assert (changed.read(2), other.read(2), Gauge().read(2)) == (14, 6, 6)
    assert isinstance(changed, Gauge)
    override(changed, read=lambda self, times: 0)
    assert (changed.read(2), other.read(2)) == (0, 6)


def test_a_run_fails_with_the_check_off_and_the_next_one_in_the_same_process_does_not() -> None:
    scenario = load_scenario(SCENARIOS / "rt02_empty_or_ragged.yaml")
    broken = run(scenario, replay=False, broken=disable("ragged")).summary
    assert broken["not_as_expected"] == ["ragged arrays"]
    assert run(scenario, replay=False).summary["ok"]


def test_what_is_not_over_catches_nothing() -> None:
    row = {"ended": "hung", "ok": False, "violations": 1, "violated": ["x"], "reasons": ["y"]}
    assert judged(row) == ("", "")
    assert judged({**row, "ended": "done"}) == ("oracle", "x")
    assert judged({**row, "ended": "done", "violations": 0}) == ("expectation", "y")
    assert judged({**row, "ended": "done", "ok": True}) == ("", "")


@pytest.mark.long
@pytest.mark.requirement("SR-046")
def test_every_check_that_is_off_is_caught_and_the_whole_supervisor_passes() -> None:
    with Workers(2) as workers:
        score = check(MUTANTS.values(), library(), workers)
    assert [one.mutant.name for one in score.tried if not one.caught] == []
    assert score.control == {}
    assert score.ok
