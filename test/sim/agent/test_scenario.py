"""Scenario files: strict, bounded, all errors at once, cut to a time budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from safety_supervisor.config import ConfigurationError
from safety_supervisor_sim.scenario import load_scenario

SCENARIOS = Path(__file__).resolve().parents[3] / "sim" / "scenarios"
GOOD = """
name: one
robot: panda
source: planner
about: For the test.
poses: {home: [0.0, 1.0]}
acts:
  - {name: reset, act: technician, calls: [reset], priority: 1, takes: 1.0, expect: {replies: accepted, moved: no}}
  - {name: go, act: stream, goal: home, takes: 5.0, expect: {ends: goal}, technician: [reset, start]}
  - {name: press, act: press_estop, goal: home, group: estop, priority: 3, takes: 2.0, expect: {rest_after: 0.5}}
  - {name: release, act: release_estop, goal: home, group: estop, priority: 2, takes: 2.0, expect: {}}
  - {name: late, act: stream, goal: home, priority: 3, takes: 1.0, expect: {}}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_scenario(write(tmp_path, text))
    return [f"{one.path}: {one.message}" for one in caught.value.errors]


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_files_that_are_shipped_are_valid(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario.name == path.stem
    assert len({act.name for act in scenario.expanded()}) == len(scenario.expanded())


def test_the_acts_of_a_technician_are_acts_of_their_own(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, GOOD))
    assert [act.name for act in scenario.expanded()][1:4] == ["go", "go: reset", "go: start"]
    reset = scenario.expanded()[2].expect
    assert (reset.replies, reset.state, reset.moved) == ("accepted", ["READY"], "no")


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [
        (100.0, ["reset", "go", "press", "release", "late"]),
        (10.0, ["reset", "go", "press", "release"]),
        (7.0, ["reset", "go", "late"]),
        (5.5, ["reset", "press", "release"]),
        (0.5, ["reset"]),
    ],
)
def test_short_of_time_the_least_important_goes_first_and_groups_as_a_whole(
    tmp_path: Path, seconds: float, kept: list[str]
) -> None:
    scenario = load_scenario(write(tmp_path, GOOD))
    cut, out = scenario.within(seconds)
    assert [act.name for act in cut.acts] == kept
    assert sorted([*kept, *out]) == sorted(act.name for act in scenario.acts)


def test_all_errors_are_told_at_once_with_path_and_line(tmp_path: Path) -> None:
    text = GOOD.replace("goal: home, takes: 5.0", "goal: nowhere, takes: -5.0, colour: red").replace(
        "calls: [reset]", "calls: [dance]"
    )
    with pytest.raises(ConfigurationError) as caught:
        load_scenario(write(tmp_path, text))
    found = {(one.path, one.line) for one in caught.value.errors}
    assert found == {("acts[0].calls[0]", 8), ("acts[1].takes", 9), ("acts[1].colour", 9)}


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("goal: home, takes: 5.0", "goal: nowhere, takes: 5.0", "acts[1].goal"),
        ("name: late", "name: go", "acts[4].name"),
        ("{ends: goal}", "{rest_after: 1.0}", "acts[1].expect.rest_after"),
        ("{replies: accepted, moved: no}", "{ends: goal}", "acts[0].expect.ends"),
        ("{replies: accepted, moved: no}", "{unchanged: true}", "acts[0].expect.unchanged"),
        ("group: estop, priority: 2", "priority: 2", ""),
        ("act: stream, goal: home, priority: 3", "act: nothing", "acts[4]"),
        ("act: press_estop", "act: agent_dies", "acts[3].act"),
        ("[0.0, 1.0]}", "[0.0, .nan]}", "poses.home[1]"),
        ("[0.0, 1.0]}", '[0.0, "1.0"]}', "poses.home[1]"),
        ("[0.0, 1.0]}", "[0.0, 1.0], away: [0.0]}", "poses"),
        ("expect: {ends: goal}", "expect: {codes: [late]}", "acts[1].expect.codes[0]"),
        ("expect: {ends: goal}", "expect: {state: [SLEEPING]}", "acts[1].expect.state[0]"),
        ("[0.0, 1.0]}", "{elbow: .inf}}", "poses.home.elbow"),
        ("[0.0, 1.0]}", "{}}", "poses.home"),
        ("act: stream, goal: home, priority: 3", "act: push, force: [1.0], priority: 3", "acts[4].force"),
        ("expect: {ends: goal}", "expect: {modes: [sleep]}", "acts[1].expect.modes[0]"),
        ("expect: {ends: goal}", "expect: {stands: maybe}", "acts[1].expect.stands"),
        ("about: For the test.", "about: For the test.\nabout: Again.", "about"),
        ("poses: {home: [0.0, 1.0]}", "poses: {home: &a [0.0, 1.0], away: *a}", ""),
    ],
)
@pytest.mark.redteam(50)
def test_what_is_wrong_is_refused(tmp_path: Path, old: str, new: str, path: str) -> None:
    assert old in GOOD
    if path or "&" in new:
        assert any(found.startswith(f"{path}:") for found in problems(tmp_path, GOOD.replace(old, new)))
    else:
        load_scenario(write(tmp_path, GOOD.replace(old, new)))  # an act alone needs no group


def test_a_group_must_stand_together(tmp_path: Path) -> None:
    text = GOOD.replace(
        "name: late, act: stream, goal: home, priority: 3", "name: late, act: stream, goal: home, group: walls"
    )
    text += "  - {name: again, act: stream, goal: home, group: estop, expect: {}}\n"
    assert [found for found in problems(tmp_path, text) if found.startswith("acts[5].group")]


def test_a_missing_file_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        load_scenario(tmp_path / "none.yaml")


def test_faults_people_and_expectations_that_can_not_be_are_told_with_line_and_cure(tmp_path: Path) -> None:
    text = GOOD.replace("expect: {rest_after: 0.5}", "expect: {codes: [E_NOT_FINIT], verdict_counts: {REJECT: [3, 2]}}")
    text = text.replace("expect: {ends: goal}", "expect: {distance: {people: 0.2}, codes: [E_POLICY_OWN]}")
    text += """
faults:
  - {fault: drop, act: go, duration: 1.0, what: measurements, share: 0.5}
  - {fault: noise, act: gone, duration: 1.0, position: 0.1}
  - {fault: serial, act: go, duration: 1.0, orders: [explode]}
"""
    with pytest.raises(ConfigurationError) as caught:
        load_scenario(write(tmp_path, text))
    found = {one.path: (one.line, one.message, one.cure) for one in caught.value.errors}
    assert set(found) == {
        "acts[1].expect.distance.people",
        "acts[2].expect.codes",
        "acts[2].expect.verdict_counts.REJECT",
        "faults[1].act",
        "faults[2].orders[0]",
    }
    assert "E_NOT_FINITE" in found["acts[2].expect.codes"][2]
    assert found["faults[1].act"][0] == text[: text.index("gone")].count("\n") + 1
    assert "go, late, press" in found["faults[1].act"][2]
    assert "unplug" in found["faults[2].orders[0]"][2]


def test_an_unknown_fault_is_told_with_what_there_is(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, GOOD + "faults: [{fault: earthquake, act: go, duration: 1.0}]\n")
    assert told.startswith("faults[0]")
    assert "'standstill'" in told


def test_who_walks_needs_a_supervisor_that_watches(tmp_path: Path) -> None:
    walker = "people: [{name: ada, act: go, way: [[1.0, 2.0]]}]\n"
    assert problems(tmp_path, GOOD + walker) == ["people: the supervisor of this file watches nobody"]
    assert load_scenario(write(tmp_path, GOOD + walker + "configuration: {separation: {latency: 0.1}}\n")).people


def test_faults_are_left_to_the_core_engine(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, GOOD + "faults: [{fault: disk_full, act: go, duration: 1.0}]\n"))
    assert scenario.for_engine("ros")[0].acts == []
    assert scenario.for_engine("core") == (scenario, [])


def test_an_unknown_robot_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_scenario(write(tmp_path, GOOD.replace("robot: panda", "robot: pandda")))
    (told,) = caught.value.errors
    assert (told.path, told.line) == ("robot", 3)
    assert "g1" in told.cure
    assert "panda" in told.cure
