"""What a person is shown of a command that waits is what is hashed and signed, whoever published it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from safety_supervisor.acts import deciding
from safety_supervisor.acts.operator_cli import app
from safety_supervisor.tokens.key_file import public_text, write_new_key

PANDA = Path(__file__).resolve().parents[2] / "config" / "panda.yaml"
COMMAND: dict[str, Any] = {
    "accelerations": None, "command": "g1", "from": [0.0, -0.5], "groups": ["arm"], "joints": ["j1", "j2"],
    "positions": [[0.25, -0.5], [1.5, -0.75]], "source": "planner", "times_ns": [1_000_000_000, 3_000_000_000],
    "velocities": [[0.5, 0.0], [0.0, 0.0]],
}  # fmt: skip


def canonical(command: dict[str, Any]) -> str:
    return json.dumps(command, sort_keys=True, separators=(",", ":"))


def told(text: str | None = None, **changes: str) -> dict[str, str]:
    text = canonical(COMMAND) if text is None else text
    return {
        "kind": "command", "id": "w1", "source": "planner", "command_id": "g1", "approval": "zone", "people": "1",
        "approved": "", "remaining_s": "27.0", "why": "the cup", "zones": "bench", "joint_speed": "0.5625",
        "frame_speed": "1", "people_near": "clear", "epoch": "7", "configuration_sha256": "ab" * 32,
        "command_sha256": hashlib.sha256(text.encode()).hexdigest(), "command": text,
    } | changes  # fmt: skip


@pytest.mark.redteam(55)
def test_all_of_it_is_shown() -> None:
    shown = deciding.read(told())
    assert isinstance(shown, deciding.Shown), shown
    text = deciding.words(shown)
    for part in ("w1: planner asks for zone", "27.0 s left", "the cup", "bench", "3.00 s, 2 points", shown.sha256):
        assert part in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip().startswith("j")}
    assert rows["j1"] == ["0.0000", "1.5000", "0.0000", "1.5000"]
    assert rows["j2"] == ["-0.5000", "-0.7500", "-0.7500", "-0.5000"]
    assert "up to 0.625 rad/s" in text, "(1.5 - 0.25) rad in 2 s, more than its velocities say"


@pytest.mark.redteam(17)
@pytest.mark.parametrize(
    "text",
    [
        canonical(COMMAND) + " ", json.dumps(COMMAND, sort_keys=True), "", "[]", "null", "{}", "{" * 100_000,
        canonical(COMMAND)[:-1] + ',"velocities":null}', canonical(COMMAND | {"more": 1}),
        canonical({key: value for key, value in COMMAND.items() if key != "from"}),
        canonical(COMMAND | {"positions": [[0.25, -0.5]]}), canonical(COMMAND | {"positions": [[0.25], [1.5]]}),
        canonical(COMMAND | {"joints": ["j1"]}), canonical(COMMAND | {"from": [0.0]}),
        canonical(COMMAND | {"from": [0.0, float("nan")]}), canonical(COMMAND | {"from": [0.0, "x"]}),
        canonical(COMMAND | {"from": [0, 1]}), canonical(COMMAND | {"times_ns": [1.0, 3.0]}),
        canonical(COMMAND | {"times_ns": []}), canonical(COMMAND | {"source": "joystick"}),
    ],
)  # fmt: skip
def test_what_reads_in_two_ways_or_is_not_whole_is_not_shown(text: str) -> None:
    assert isinstance(deciding.read(told(text)), str)


@pytest.mark.parametrize("changes", [{"id": "w0"}, {"id": "w1; rm"}, {"epoch": "x"}, {"source": "joystick"}])
def test_nor_what_contradicts_it(changes: dict[str, str]) -> None:
    assert isinstance(deciding.read(told(**changes)), str)


@pytest.mark.redteam(24)
def test_an_agents_words_move_no_cursor() -> None:
    shown = deciding.read(told(why="\x1b[2J\x1b[1;1H approve\r\n\u202e", zones="\x1b[31m"))
    assert isinstance(shown, deciding.Shown)
    text = deciding.words(shown)
    assert all(" " <= letter <= "~" or letter == "\n" for letter in text)
    assert len(text.splitlines()) == len(deciding.words(deciding.read(told())).splitlines())  # type: ignore[arg-type]


@pytest.mark.redteam(55)
@pytest.mark.parametrize(
    ("claimed", "act", "typed", "status"),
    [("0" * 64, "approve", "y\n", 0), ("0" * 64, "deny", "y\n", 0), ("0" * 64, "approve", "n\n", 1)],
)
def test_the_hash_is_made_from_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claimed: str, act: str, typed: str, status: int
) -> None:
    """One that was published along is not even looked at; the epoch is that of the request."""
    from safety_supervisor.acts import operator_cli, sending
    from safety_supervisor.ros.token_client import Seen

    keys = yaml.safe_load(PANDA.read_text())
    keys["operators"]["people"] = {
        "ada": {"role": "technician", "public_key": public_text(write_new_key(tmp_path / "ada"))}
    }
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(keys, sort_keys=False))
    seen = Seen("one", "0" * 32, "AUTO/HOLDING", "", "", "ab" * 32, 9)
    made: list[Any] = []

    @contextmanager
    def found(*given: Any) -> Iterator[tuple[None, Seen]]:
        yield None, seen

    def send(client: None, key: Any, form: Any, claims: Any, *given: Any) -> dict[str, Any]:
        made.append(claims("token-0001", 0, 30))
        return {"jti": "token-0001", "ok": True, "code": "", "detail": "good"}

    monkeypatch.setattr(operator_cli, "_somebody_is_there", lambda: True)
    monkeypatch.setattr(sending, "found", found)
    monkeypatch.setattr(sending, "look", lambda *given: seen)
    monkeypatch.setattr(sending, "waiting", lambda *given: [told(command_sha256=claimed)])
    monkeypatch.setattr(sending, "send", send)
    given = ["--config", str(tmp_path / "robot.yaml"), "--key", str(tmp_path / "ada"), "--as", "ada"]
    result = CliRunner().invoke(app, [act, "w1", *given], input=typed)
    assert result.exit_code == status, result.output
    assert "j1" in result.output
    assert len(made) == (1 - status)
    for claims in made:
        assert claims.command_sha256 == hashlib.sha256(canonical(COMMAND).encode()).hexdigest()
        assert (claims.act, claims.target, claims.epoch) == (act, "w1", 7)
    gone = CliRunner().invoke(app, [act, "w2", *given], input="y\n")
    assert (gone.exit_code, "nothing waits as w2" in gone.output) == (1, True)


@pytest.mark.redteam(21)
def test_a_command_is_read_once_however_often_it_is_shown_and_a_giant_never(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long one takes milliseconds, and each page that shows it asks four times a second."""
    read: list[str] = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda text: read.append(text) or loads(text))
    mine = canonical(COMMAND | {"command": "read_once"})
    for _ in range(5):
        deciding.read(told(mine))
    assert len(read) == 1
    assert "characters" in str(deciding.read(told(" " * (deciding.LONGEST_TEXT + 1))))
    assert len(read) == 1
