"""The record of measured stops: what counts, what does not, and that the robot is not armed without (SR-041)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from safety_supervisor.cli import build
from safety_supervisor.config import load_config
from safety_supervisor.core.settings import Configuration
from safety_supervisor.tokens.commissioning_record import judge_record, sign_record
from safety_supervisor.tokens.key_file import public_text, write_new_key

pytestmark = [pytest.mark.requirement("SR-041"), pytest.mark.requirement("SR-026")]
PANDA = Path(__file__).resolve().parents[2] / "config" / "panda.yaml"
ROLES = {"ada": "safety_officer", "bob": "technician", "eve": "maintainer", "olaf": "operator"}
NOW = 1_800_000_000
DAY = 86_400


class Robot:
    """A robot's file that demands a record, the keys of its people, and a record by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.record = folder, folder / "robot.yaml", folder / "stops.json"
        self.keys = {name: write_new_key(folder / name) for name in ROLES}
        self.write()

    def write(self, **changes: Any) -> Configuration:
        robot = yaml.safe_load(PANDA.read_text())
        people = {name: {"role": role, "public_key": public_text(self.keys[name])} for name, role in ROLES.items()}
        robot["operators"] = {"people": people, "unsigned_services": True}
        robot["commissioning"] = {"record": "stops.json", "required": True, "valid_days": 30}
        self.file.write_text(yaml.safe_dump({**robot, **changes}, sort_keys=False))
        return load_config(self.file)

    def sign(self, configuration: Configuration, name: str = "bob", key: str = "", **changes: Any) -> None:
        held = {
            "version": 1, "robot": "panda", "made": NOW - DAY, "verdict": "within", "findings": [],
            "commissioned_sha256": configuration.commissioned_sha256,
        }  # fmt: skip
        data = json.dumps({**held, **changes}).encode()
        self.record.write_bytes(data)
        person = next(one for one in configuration.operators.people if one.name == name)
        token = sign_record(data, self.keys[key or name], person, "panda", NOW, "")
        Path(f"{self.record}.sig").write_text(token + "\n")


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Robot:
    return Robot(tmp_path_factory.mktemp("measured"))


@pytest.fixture(scope="module")
def configuration(robot: Robot) -> Configuration:
    return robot.write()


@pytest.mark.parametrize("name", ["ada", "bob"])
def test_what_they_signed_of_this_robot_counts(robot: Robot, configuration: Configuration, name: str) -> None:
    robot.sign(configuration, name)
    assert judge_record(configuration, NOW) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"verdict": "too_kind", "findings": [{"words": "put tracking.delay: 0.1"}]}, "put tracking.delay: 0.1"),
        ({"verdict": "incomplete"}, "not all"),
        ({"verdict": None}, "not all"),
        ({"robot": "other"}, "of robot 'other'"),
        ({"commissioned_sha256": "0" * 64}, "another configuration"),
        ({"made": NOW - 31 * DAY}, "31 days old, 30 count"),
        ({"made": NOW + 3 * DAY}, "of the future"),
        ({"made": True}, "no record of version 1"),
        ({"version": 2}, "no record of version 1"),
    ],
)
def test_what_is_signed_and_wrong_does_not_count(
    robot: Robot, configuration: Configuration, changes: dict[str, Any], words: str
) -> None:
    robot.sign(configuration, **changes)
    assert words in judge_record(configuration, NOW)


def _altered(robot: Robot) -> None:
    robot.record.write_bytes(robot.record.read_bytes().replace(b"panda", b"panda "))


def _unsigned(robot: Robot) -> None:
    Path(f"{robot.record}.sig").unlink()


def _gone(robot: Robot) -> None:
    robot.record.unlink()


def _malformed(robot: Robot) -> None:
    Path(f"{robot.record}.sig").write_text("a.b.c")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_altered, "changed since bob signed"),
        (_unsigned, "No such file"),
        (_gone, "No such file"),
        (_malformed, "E_TOKEN"),
    ],
)
def test_a_record_that_was_altered_or_is_not_signed_does_not_count(
    robot: Robot, configuration: Configuration, spoil: Callable[[Robot], None], words: str
) -> None:
    robot.sign(configuration)
    spoil(robot)
    assert words in judge_record(configuration, NOW)


def test_a_foreign_key_and_a_role_that_may_not_do_not_count(robot: Robot, configuration: Configuration) -> None:
    robot.sign(configuration, "bob", key="eve")
    assert "E_TOKEN_SIGNATURE" in judge_record(configuration, NOW)
    for name in ("olaf", "eve"):
        robot.sign(configuration, name)
        assert "E_TOKEN_ROLE" in judge_record(configuration, NOW)


def test_what_it_is_bound_to(robot: Robot, configuration: Configuration) -> None:
    """Layout and the section itself are not in the hash; every other value is."""
    text = robot.file.read_text()
    robot.file.write_text("# a comment\n" + text.replace("required: true", "required: false"))
    same = load_config(robot.file)
    assert same.commissioned_sha256 == configuration.commissioned_sha256
    assert same.sha256 != configuration.sha256
    robot.file.write_text(text.replace("delay: 0.06", "delay: 0.061"))
    assert load_config(robot.file).commissioned_sha256 != configuration.commissioned_sha256
    robot.file.write_text(text)


def test_check_config_tells_whether_the_node_will_arm(robot: Robot, configuration: Configuration) -> None:
    robot.sign(configuration, verdict="too_kind", made=1)
    words = ["check-config", str(robot.file), "--without-meshes", "--officers", str(robot.folder / "none")]
    told = CliRunner().invoke(build("check-config"), words)
    assert (told.exit_code, "E_COMMISSION" in told.output) == (0, True)
    found = json.loads(CliRunner().invoke(build("check-config"), [*words, "--json"]).stdout)["commissioning"]
    assert found["required"] is True
    assert "kinder" in found["problem"]


def test_a_section_without_a_record_or_with_unknown_keys_is_refused(robot: Robot) -> None:
    for section in ({"required": True}, {"record": "x", "valid_days": 0}, {"record": "x", "days": 3}):
        with pytest.raises(ValueError, match="commissioning"):
            robot.write(commissioning=section)
    robot.write()
