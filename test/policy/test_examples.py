"""Examples beside a policy: `safety-supervisor policy test`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from safety_supervisor.core.policy.facts import FACTS
from safety_supervisor.policy.cli import app

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config" / "policies" / "cell_examples.yaml"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def copy(directory: Path, old: str = "", new: str = "", policy: tuple[str, str] = ("", "")) -> Path:
    """The shipped files in another directory, with a piece of one of them replaced."""
    for path, (before, after) in ((SHIPPED, (old, new)), (SHIPPED.with_name("cell.yaml"), policy)):
        text = path.read_text(encoding="utf-8")
        assert not before or text.count(before) == 1
        (directory / path.name).write_text(text.replace(before, after) if before else text, encoding="utf-8")
    return directory / SHIPPED.name


def test_the_shipped_ones_are_good_and_leave_no_rule_untried() -> None:
    result = run("test", str(SHIPPED), "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert answer["ok"] is True
    assert len(answer["examples"]) == 21
    assert answer["untried"] == []
    assert all(one["good"] for one in answer["examples"])


def test_an_example_with_another_verdict_fails(tmp_path: Path) -> None:
    result = run("test", str(copy(tmp_path, policy=("anomaly >= 1.0", "anomaly >= 2.0"))))
    assert result.exit_code == 1
    assert "a source that is not itself': allow; expected 'deny(\"E_POLICY_ANOMALY\")" in result.output
    assert "1 with another verdict" in result.output
    assert 'untried: deny("E_POLICY_ANOMALY")' in result.output


def test_wrong_facts_have_no_verdict_and_say_why(tmp_path: Path) -> None:
    result = run("test", str(copy(tmp_path, "  anomaly: 0.0\n", "")), "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    bad = [one for one in answer["examples"] if one["got"] == "no verdict"]
    assert len(bad) == 19
    assert all("fact anomaly is missing" in one["detail"] for one in bad)
    result = run(
        "test",
        str(copy(tmp_path, "verdict: allow, facts: {anomaly: 0.9}", 'verdict: "no verdict", facts: {anomaly: .nan}')),
    )
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("old", "new", "policy", "said"),
    [
        ("policy: cell.yaml", "policy: other.yaml", ("", ""), "E_CONFIG_FILE"),
        ("policy: cell.yaml\n", "", ("", ""), "policy"),
        ("examples:\n", "example:\n", ("", ""), "E_CONFIG_VALUE"),
        ("", "", ("size(groups)", "size(group)"), "there is no fact 'group'"),
        ("", "", ("  E_POLICY_DRIVE: the", "  E_POLICY_DRIVEN: the"), "policy.denials.E_POLICY_DRIVE"),
        ("", "", ("policy:\n  denials", "police:\n  denials"), "E_CONFIG_MISSING"),
    ],
)
def test_files_that_are_not_usable_are_named(
    tmp_path: Path, old: str, new: str, policy: tuple[str, str], said: str
) -> None:
    result = run("test", str(copy(tmp_path, old, new, policy)))
    assert result.exit_code == 2
    assert said in result.output
    answer = json.loads(run("test", str(copy(tmp_path, old, new, policy)), "--json").stdout)
    assert answer["ok"] is False
    assert said in json.dumps(answer["problems"])


def test_a_policy_in_the_place_of_its_examples_is_told_so_in_one_line() -> None:
    result = run("test", str(SHIPPED.with_name("cell.yaml")))
    assert (result.exit_code, result.output.count("[E_CONFIG_VALUE]")) == (2, 1)
    assert "whose `policy:` names this one" in result.output


def test_a_whole_configuration_is_a_policy_too_with_its_names(tmp_path: Path) -> None:
    configuration = (ROOT / "config" / "panda.yaml").read_text(encoding="utf-8")
    program = 'policy:\n  program: |\n    source == "NAME" ? approve("all", 1, 9) : allow\n'
    table = copy(tmp_path, "policy: cell.yaml", "policy: robot.yaml")
    (tmp_path / "robot.yaml").write_text(configuration + program.replace("NAME", "planner"), encoding="utf-8")
    assert run("test", str(table)).exit_code == 1
    (tmp_path / "robot.yaml").write_text(configuration + program.replace("NAME", "plan"), encoding="utf-8")
    result = run("test", str(table))
    assert result.exit_code == 2
    assert "source is never 'plan'; it may be: joystick, planner" in result.output


def test_the_facts_are_listed_and_documented() -> None:
    told = json.loads(run("facts", "--json").stdout)
    assert list(told) == list(FACTS)
    documented = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", documented.partition("## Facts")[2], re.MULTILINE)) == set(FACTS)
    assert run("facts").stdout.count("\n") == len(FACTS)


def test_the_help_teaches() -> None:
    text = run("test", "--help").stdout
    assert "cell_examples.yaml" in text
    assert "Exit status" in text
