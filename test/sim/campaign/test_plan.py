"""Campaign files that are not usable: every error at once, with file, line and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from safety_supervisor.config import ConfigurationError
from safety_supervisor_sim.campaign.plan import load_campaign

CAMPAIGNS = Path(__file__).resolve().parents[3] / "sim" / "campaigns"
HEAD = "name: bad\nabout: not usable\nrobot: panda\nruns: 10\n"


def problems_of(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "bad.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        load_campaign(file)
    assert str(file) in str(raised.value)
    return [str(one) for one in raised.value.errors]


def test_shape_and_types(tmp_path: Path) -> None:
    text = HEAD.replace("10", "0") + "speed: fast\nentries:\n  - {scenario: good_motion, weight: -1.0, acs: []}\n"
    problems = problems_of(tmp_path, text)
    assert len(problems) == 4
    for wanted in ("line 4: runs: ", "line 5: speed: ", "line 7: entries[0].weight: ", "line 7: entries[0].acs: "):
        assert any(one.startswith(wanted) for one in problems), problems


def test_ranges_scenarios_and_paths(tmp_path: Path) -> None:
    problems = problems_of(
        tmp_path,
        HEAD
        + """entries:
  - scenario: good_motion
    vary:
      acts.stream to pick.seconds: {low: 3.0, high: 1.0}
  - scenario: no_such_thing
  - scenario: g1_demo
  - scenario: good_motion
    acts: [reset, fly]
  - scenario: good_motion
    vary:
      acts.fly.seconds: {low: 1.0, high: 2.0}
      acts.stream to pick.seconds: {low: 1.0, high: 500.0}
      acts.stream to pick.order: {choices: [configured, sorted]}
      acts.stream to pick.spede: {low: 1.0, high: 2.0}
""",
    )
    for wanted in (
        "line 8: entries[0].vary.acts.stream to pick.seconds: low 3 is above high 1",
        "line 9: entries[1].scenario: there is no no_such_thing",
        "line 10: entries[2].scenario: is for g1, not for panda",
        "line 12: entries[3].acts: no act fly in good_motion.yaml",
        "line 15: entries[4].vary.acts.fly.seconds: acts.fly is not there; there is: reset, start, stream to pick",
        "line 16: entries[4].vary.acts.stream to pick.seconds: at 500.0: ",
        "line 17: entries[4].vary.acts.stream to pick.order: at 'sorted': ",
        "line 18: entries[4].vary.acts.stream to pick.spede: at 1.0: ",
    ):
        assert any(one.startswith(wanted) for one in problems), (wanted, problems)
    assert any("Give a file beside the campaign's, or one of: " in one and "good_motion" in one for one in problems)


def test_agents(tmp_path: Path) -> None:
    problems = problems_of(
        tmp_path,
        HEAD
        + """entries:
  - agent: wrong
    about: nothing fits
    length: [3, 1]
    start: {panda_joint1: 0.0}
    goals: {panda_joint2: [0.5, -0.5]}
    deeds:
      - acts: [{name: push, act: push, force: [1.0, 0.0, 0.0], expect: {stands: yes}}]
      - acts: [{name: move, act: stream, goal: nowhere, expect: {}}]
""",
    )
    for wanted in (
        "line 8: entries[0].length: 3 is more than 1",
        "line 10: entries[0].goals.panda_joint2: 0.5 is above -0.5",
        "line 9: entries[0].start: does not tell of panda_joint2",
        "line 12: entries[0].deeds[0]: act push 1: the robot does not stand on its feet",
        "line 13: entries[0].deeds[1]: acts[0].goal: 'nowhere' is no pose",
    ):
        assert any(one.startswith(wanted) for one in problems), (wanted, problems)


def test_a_missing_robot_and_a_missing_file(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, HEAD.replace("panda", "pandora") + "entries: [{scenario: good_motion}]\n")
    assert problem.startswith("line 3: robot: 'pandora' is not simulated")
    assert "panda" in problem
    with pytest.raises(ConfigurationError, match="no_file"):
        load_campaign(tmp_path / "no_file.yaml")


@pytest.mark.parametrize("name", ["panda", "g1"])
def test_shipped_campaigns_are_valid(name: str) -> None:
    campaign = load_campaign(CAMPAIGNS / f"{name}.yaml")
    assert campaign.robot == name
    assert campaign.runs >= {"panda": 1500, "g1": 150}[name]
