"""What `safety-supervisor operator` refuses before anything is sent; the rest: test/ros/test_people_acts.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from safety_supervisor.acts.operator_cli import app
from safety_supervisor.tokens.key_file import public_text, write_new_key

PANDA = Path(__file__).resolve().parents[2] / "config" / "panda.yaml"
ROLES = {"ada": "operator", "eve": "viewer"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    keys = yaml.safe_load(PANDA.read_text())
    people = {
        name: {"role": role, "public_key": public_text(write_new_key(folder / name))} for name, role in ROLES.items()
    }
    keys["operators"]["people"] = people
    (folder / "robot.yaml").write_text(yaml.safe_dump(keys, sort_keys=False))
    return folder


@pytest.mark.redteam(19)
@pytest.mark.parametrize(
    ("words", "name", "key", "status", "told"),
    [
        (["reset"], "ada", "ada", 2, "nobody can be asked here: give --yes"),
        (["reset", "--yes"], "ada", "eve", 2, "the key is not that of operators.people.ada.public_key"),
        (["reset", "--yes"], "eve", "eve", 1, "eve is viewer; reset needs operator or technician or safety_officer"),
        (["maintainer", "--yes"], "ada", "ada", 1, "maintainer needs maintainer"),
        (["reset", "--yes"], "bob", "ada", 2, "there is no person bob in operators.people; there are: ada, eve"),
        (["start", "AUTO", "--yes"], "ada", "ada", 2, "start needs auto or manual"),
        (["start", "--yes"], "ada", "ada", 2, "MODE"),
        (["tool", "--yes"], "ada", "ada", 2, "name one tool, or give --none"),
        (["reset", "--yes", "--reason", "x" * 201], "ada", "ada", 2, "reason has to be at most 200"),
        (["reset", "--yes", "--node", "supervisor"], "ada", "ada", 2, "a full name begins with '/'"),
        (["reset", "--yes"], "ada", "missing", 2, "No such file"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    files: Path, words: list[str], name: str, key: str, status: int, told: str
) -> None:
    given = ["--config", str(files / "robot.yaml"), "--key", str(files / key), "--as", name]
    result = CliRunner().invoke(app, [*words, *given])
    assert (result.exit_code, told in result.output) == (status, True), result.output
