"""What `safety-supervisor operator` refuses before anything is sent; the rest: test/ros/test_people_acts.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
        (["reset", "--yes"], "ada", "eve", 2, "is another key than operators.people.ada.public_key"),
        (["reset", "--yes"], "eve", "eve", 1, "eve is viewer; reset needs operator or technician or safety_officer"),
        (["maintainer", "--yes"], "ada", "ada", 1, "maintainer needs maintainer"),
        (["reset", "--yes"], "bob", "ada", 2, "there is no person bob in operators.people; there are: ada, eve"),
        (["start", "AUTO", "--yes"], "ada", "ada", 2, "start needs auto or manual"),
        (["start", "--yes"], "ada", "ada", 2, "MODE"),
        (["promote", "planner", "trusted", "--yes"], "ada", "ada", 2, "promote needs a source and shadow"),
        (["approve", "1", "--yes"], "ada", "ada", 2, "approve needs an id of"),
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


@pytest.mark.parametrize(("boot", "typed", "told", "signed"), [
    ("one", "y\n", "good", 1), ("one", "n\n", "nothing was done", 0), ("two", "y\n", "started anew", 0),
])  # fmt: skip
def test_who_confirms_signs_for_the_boot_that_was_shown(
    files: Path, monkeypatch: pytest.MonkeyPatch, boot: str, typed: str, told: str, signed: int
) -> None:
    """A restart while the person thinks gives a new nonce, and maybe the same epoch: that was not looked at."""
    from safety_supervisor.acts import operator_cli, sending
    from safety_supervisor.ros.token_client import Seen

    shown = Seen("one", "0" * 32, "LOCKED", "E_STOP_REQUEST", "Press RESET.", "ab" * 32, 7)
    made: list[Any] = []

    @contextmanager
    def found(*given: Any) -> Iterator[tuple[None, Seen]]:
        yield None, shown

    def send(client: None, key: Any, form: Any, claims: Any, *given: Any) -> dict[str, Any]:
        made.append(claims("token-0001", 0, 30))
        return {"jti": "token-0001", "ok": True, "code": "", "detail": "good"}

    monkeypatch.setattr(operator_cli, "_somebody_is_there", lambda: True)
    monkeypatch.setattr(sending, "found", found)
    monkeypatch.setattr(sending, "look", lambda *given: shown._replace(boot=boot, nonce="1" * 32))
    monkeypatch.setattr(sending, "send", send)
    given = ["reset", "--config", str(files / "robot.yaml"), "--key", str(files / "ada"), "--as", "ada"]
    result = CliRunner().invoke(app, given, input=typed)
    assert (result.exit_code, len(made)) == (0 if signed else 1, signed), result.output
    assert told in result.output
    for claims in made:
        assert (claims.nonce, claims.epoch, claims.config_sha256) == ("1" * 32, 7, "ab" * 32)


@pytest.mark.redteam(16)
@pytest.mark.parametrize(
    ("problem", "interrupted", "told"),
    [
        (
            None,
            False,
            "no answer within 5 s: whether it counts, the status tells; E_TOKEN_RATE tokens per second; a stop",
        ),
        ("not found: press the button", False, "it may count later: not found: press the button"),
        (None, True, "a stop was asked for"),
    ],
)
def test_an_act_without_an_answer_is_made_old_by_a_stop(
    files: Path, monkeypatch: pytest.MonkeyPatch, problem: str | None, interrupted: bool, told: str
) -> None:
    """Whoever held it back could send it later, when the person has given up and gone in."""
    from safety_supervisor.acts import sending
    from safety_supervisor.ros import stop_client
    from safety_supervisor.ros.token_client import Seen

    asked: list[str] = []

    class Deaf:
        unverified = ("E_TOKEN_RATE tokens per second",)

        def send(self, *given: Any) -> None:
            asked.append("act")
            if interrupted:
                raise KeyboardInterrupt

    @contextmanager
    def found(*given: Any) -> Iterator[tuple[Deaf, Seen]]:
        yield Deaf(), Seen("one", "0" * 32, "READY", "", "Press START.", "ab" * 32, 7)

    def stop(node: str, timeout: float) -> str | None:
        asked.append(f"stop {node}")
        return problem

    monkeypatch.setattr(sending, "found", found)
    monkeypatch.setattr(stop_client, "ask_for_stop", stop)
    given = ["--yes", "--config", str(files / "robot.yaml"), "--key", str(files / "ada"), "--as", "ada"]
    result = CliRunner().invoke(app, ["start", "auto", *given])
    assert (result.exit_code, asked) == (130 if interrupted else 1, ["act", "stop /supervisor"])
    assert told in result.output
